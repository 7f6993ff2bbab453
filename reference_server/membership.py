"""Which role, if any, an identity has on a topic (`reading.md` sections 4 to 10)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from reference_server.outcome import Identity
    from reference_server.records import Resource
    from reference_server.store import Store
    from specs.model import Topic

OPERATOR = "operator"


@dataclass(frozen=True, slots=True)
class _Claim:
    """Somebody who wants a role on a topic."""

    store: Store
    identity: Identity
    variable: str
    resource: Resource | None
    role: str


def role_of(store: Store, family: Topic, identity: Identity, topic: str) -> str | None:
    """Return the first role, in the order of the document, that the identity has on the topic; None for none.

    A topic whose resource does not exist has no roles, so that nobody learns what exists.
    """
    resource = store.resource_by_topic(topic)
    if resource is None and needs_resource(family):
        return None
    variable = family.variable_of(topic) or ""
    for role in family.join.roles:
        claim = _Claim(store, identity, variable, resource, role)
        if _HOLDS[family.roles[role].origin](claim):
            return role
    return None


def needs_resource(family: Topic) -> bool:
    """Tell whether somebody must have made the resource before the topic can be joined."""
    return family.fixture.create == "resource" or any(
        role.origin == "resource" for role in family.roles.values()
    )


def _was_assigned(claim: _Claim) -> bool:
    return claim.resource is not None and claim.resource.roles.get(claim.role) == claim.identity.agent_id


def _is_agent(claim: _Claim) -> bool:
    return claim.identity.socket.identity != OPERATOR


def _is_topic_agent(claim: _Claim) -> bool:
    return _is_agent(claim) and claim.variable == claim.identity.agent_id


def _shares_owner(claim: _Claim) -> bool:
    mine, theirs = claim.store.agent(claim.identity.agent_id), claim.store.agent(claim.variable)
    return mine is not None and theirs is not None and mine.owner == theirs.owner


def _is_owned_by_topic(claim: _Claim) -> bool:
    mine = claim.store.agent(claim.identity.agent_id)
    return mine is not None and mine.owner == claim.variable


def _is_operator(claim: _Claim) -> bool:
    return claim.identity.socket.identity == OPERATOR


_HOLDS: dict[str, Callable[[_Claim], bool]] = {
    "resource": _was_assigned,
    "any": _is_agent,
    "topic_agent": _is_topic_agent,
    "same_owner": _shares_owner,
    "topic_owner": _is_owned_by_topic,
    "operator": _is_operator,
}
