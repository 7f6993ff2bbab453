"""What a ledger can hold that the documents of this server, other ones or newer ones, do not provide for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reference_server.redaction import printable

if TYPE_CHECKING:
    from reference_server.records import Resource
    from specs.model import Api


def misfit(api: Api, resource: Resource) -> str | None:
    """Say which state a resource is in that its family does not have; None where all is well.

    Every event that somebody sent on its topic would crash the channel. Whether the family has another name by now makes no
    difference; a topic that belongs to none can be joined by nobody.
    """
    family = api.topics.get(resource.family)
    if family is None or not family.matches(resource.topic):
        family = next((each for each in api.topics.values() if each.matches(resource.topic)), None)
    if family is None or resource.state in family.states:
        return None
    return (
        f"the topic {printable(resource.topic)} in the state {printable(resource.state)}, "
        f"and the documents have for {family.name} only {', '.join(family.states)}"
    )
