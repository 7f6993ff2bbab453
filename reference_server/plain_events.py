"""Events that the documents alone carry out and that leave no trace: payload, role and state are looked at, others are told.

With documents of its own such an event is the rule: what no handler knows is validated, relayed and answered. Its rules are put
together once, at the start, so that one takes neither a context nor a transaction. Only what is accepted is settled here: whatever
any rule is against goes the way of all other events, which says why.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from reference_server.outcome import Broadcast, Channel
from specs.message import HEARTBEAT, PHX_JOIN, PHX_LEAVE

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Mapping

    from reference_server.records import Resource
    from specs.model import Api, Event, Topic


@dataclass(frozen=True, slots=True)
class Rules:
    """What is asked of one event, and what becomes of it."""

    fits: Callable[[Any], bool]
    roles: frozenset[str]
    states: frozenset[str]
    is_relayed: bool
    added: tuple[str, ...]
    """Members of the relayed payload that name the sender."""
    broadcasts: tuple[str, ...]


def rules_of(
    api: Api, effects: Container[tuple[str, str]], fits: Callable[[Topic, Event], Callable[[Any], bool]]
) -> dict[tuple[str, str], Rules]:
    """Put the rules of all plain events together.

    Args:
        api: The protocol.
        effects: The events, by topic family and name, that do what the documents do not say.
        fits: Returns what tells whether an object out of JSON text fits the schema of an event's payload.

    """
    return {
        (family.name, event.event): _rules_of(event, fits(family, event))
        for family in api.topics.values()
        for event in family.inbound()
        if (family.name, event.event) not in effects and _leaves_no_trace(event)
    }


class PlainEvents:
    """Carries out plain events.

    Args:
        rules: By topic family and event; none where an event must not be settled here.
        resource_of: Returns the resource that a topic is about.

    """

    __slots__ = ("_resource_of", "_rules")

    def __init__(
        self, rules: Mapping[tuple[str, str], Rules], resource_of: Callable[[str], Resource | None]
    ) -> None:
        self._rules = rules
        self._resource_of = resource_of

    def told(self, channel: Channel, event: Any, payload: Any) -> tuple[Broadcast, ...] | None:
        """Return what others are told of an event that is plain and accepted; None for any other."""
        try:
            rules = self._rules.get((channel.family.name, event))
        except TypeError:  # an event that is no name at all
            return None
        if rules is None or type(payload) is not dict:
            return None
        topic, resource = channel.topic, self._resource_of(channel.topic)
        if resource is None or resource.state not in rules.states or channel.role not in rules.roles:
            return None
        if not rules.fits(payload):
            return None
        if rules.broadcasts or rules.added:
            return _told(rules, channel, event, payload)
        return (Broadcast(topic, event, payload, channel),) if rules.is_relayed else ()


def _leaves_no_trace(event: Event) -> bool:
    is_phoenix = event.event in {PHX_JOIN, PHX_LEAVE, HEARTBEAT}
    return not (is_phoenix or event.nonce or event.signatures or event.next_state)


def _rules_of(event: Event, fits: Callable[[Any], bool]) -> Rules:
    return Rules(
        fits,
        frozenset(event.roles),
        frozenset(event.states),
        event.relay is not None,
        () if event.relay is None else tuple(event.relay.add),
        event.broadcasts,
    )


def _told(rules: Rules, channel: Channel, event: str, payload: dict[str, Any]) -> tuple[Broadcast, ...]:
    told = [Broadcast(channel.topic, name, payload) for name in rules.broadcasts]
    if rules.is_relayed:
        relayed = {**payload, **dict.fromkeys(rules.added, channel.identity.agent_id)}
        told.insert(0, Broadcast(channel.topic, event, relayed, channel))
    return tuple(told)
