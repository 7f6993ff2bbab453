"""Events that the documents alone carry out and that leave no trace: payload, role and state are looked at, others are told.

With documents of its own such an event is the rule: what no handler knows is validated, relayed and answered. Its rules are put
together once, at the start, so that one takes neither a context nor a transaction. Only what is accepted is settled here: whatever
any rule is against goes the way of all other events, which says why.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from reference_server.outcome import Broadcast, Channel, Outcome

if TYPE_CHECKING:
    from collections.abc import Callable

    from reference_server.enforcement import Enforcement
    from reference_server.registry import Effects
    from reference_server.store import Store
    from specs.model import Api, Event


class _Rules(NamedTuple):
    """What is asked of one event, and what becomes of it."""

    fits: Callable[[Any], bool]
    roles: frozenset[str]
    states: frozenset[str]
    is_relayed: bool
    added: tuple[str, ...]
    """Members of the relayed payload that name the sender."""
    broadcasts: tuple[str, ...]


class PlainEvents:
    """The plain events of an API.

    Args:
        api: The protocol.
        effects: What events do; one that does anything is not plain.
        enforcement: The honest one, which has compiled the payloads.
        store: Where the resources are.

    """

    __slots__ = ("_rules", "_store")

    def __init__(self, api: Api, effects: Effects, enforcement: Enforcement, store: Store) -> None:
        self._store = store
        self._rules = {
            (family.name, event.event): _rules_of(event, enforcement.fits(family, event))
            for family in api.topics.values()
            for event in family.inbound()
            if _leaves_no_trace(event) and (family.name, event.event) not in effects.events
        }

    def outcome(self, channel: Channel, event: Any, payload: Any) -> Outcome | None:
        """Return what follows from an event that is plain and accepted; None for any other."""
        try:
            rules = self._rules.get((channel.family.name, event))
        except TypeError:  # an event that is no name at all
            return None
        if rules is None or not isinstance(payload, dict) or not rules.fits(payload):
            return None
        resource = self._store.resource_by_topic(channel.topic)
        if resource is None or resource.state not in rules.states or channel.role not in rules.roles:
            return None
        if not rules.broadcasts and not rules.added:
            others = Broadcast(channel.topic, event, payload, channel)
            return Outcome("ok", {}, (others,) if rules.is_relayed else ())
        return Outcome("ok", {}, _told(rules, channel, event, payload))


def _leaves_no_trace(event: Event) -> bool:
    return event.nonce is None and not event.signatures and event.next_state is None


def _rules_of(event: Event, fits: Callable[[Any], bool]) -> _Rules:
    return _Rules(
        fits,
        frozenset(event.roles),
        frozenset(event.states),
        event.relay is not None,
        () if event.relay is None else tuple(event.relay.add),
        event.broadcasts,
    )


def _told(rules: _Rules, channel: Channel, event: str, payload: dict[str, Any]) -> tuple[Broadcast, ...]:
    told = [Broadcast(channel.topic, name, payload) for name in rules.broadcasts]
    if rules.is_relayed:
        relayed = {**payload, **dict.fromkeys(rules.added, channel.identity.agent_id)}
        told.insert(0, Broadcast(channel.topic, event, relayed, channel))
    return tuple(told)
