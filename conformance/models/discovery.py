"""What a few agents have said of themselves on agents:discovery (`reading.md` section 5)."""

from __future__ import annotations

from dataclasses import dataclass, replace

from conformance.models.expectation import Expectation, Push, accept

ACCEPTED = "discovery/valid-event-accepted"


@dataclass(frozen=True, slots=True)
class Directory:
    """The capabilities of the agents, by name; agents that are not of this example are not in it."""

    capabilities: tuple[tuple[str, frozenset[str]], ...] = ()

    def capable(self, capability: str) -> frozenset[str]:
        """Return the agents that have a capability."""
        return frozenset(agent for agent, has in self.capabilities if capability in has)

    @property
    def is_over(self) -> bool:
        """Whether nothing more is accepted."""
        return False

    def expects(self, push: Push) -> Expectation:  # noqa: ARG002 - every event is always valid
        """Say what has to become of a push."""
        return accept(ACCEPTED)

    def after(self, push: Push) -> Directory:
        """Return how things stand once a push was accepted; `by` is the agent."""
        if push.event != "announce":
            return self
        others = tuple(each for each in self.capabilities if each[0] != push.by)
        return replace(self, capabilities=(*others, (push.by, frozenset(push.payload["capabilities"]))))

    def refused(self, _push: Push) -> Directory:
        """Return how things stand once a push was refused: as before."""
        return self
