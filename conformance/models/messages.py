"""The messages of a few agents (`reading.md` section 10)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from conformance.models.expectation import Expectation, Push, accept, refuse


@dataclass(frozen=True, slots=True)
class Inboxes:
    """Which messages are pending, by addressee, and which are settled."""

    pending: tuple[tuple[str, Any], ...] = ()
    """Addressee and id, the oldest first."""
    settled: tuple[tuple[str, Any], ...] = ()

    def pending_of(self, agent: str) -> list[Any]:
        """Return the ids of an agent's pending messages, the oldest first."""
        return [each for addressee, each in self.pending if addressee == agent]

    def settled_of(self, agent: str) -> list[Any]:
        """Return the ids of the messages that an agent has settled."""
        return [each for addressee, each in self.settled if addressee == agent]

    def sent(self, agent: str, message_id: Any) -> Inboxes:
        """Return how things stand once a message was sent to an agent."""
        return replace(self, pending=(*self.pending, (agent, message_id)))

    @property
    def is_over(self) -> bool:
        """Whether nothing more is accepted."""
        return False

    def expects(self, push: Push) -> Expectation:
        """Say what has to become of a push; `by` is the agent."""
        message_id = push.payload["message_id"]
        if (push.by, message_id) in self.pending:
            return accept("messages/event-accepted", "is of a message that is pending")
        if any(each == message_id for _, each in self.pending):
            return refuse("messages/foreign-message-refused", "is of another agent's message")
        why = (
            "was settled before" if any(each == message_id for _, each in self.settled) else "nobody has sent"
        )
        return refuse("messages/unknown-id-refused", f"is of a message that {why}")

    def after(self, push: Push) -> Inboxes:
        """Return how things stand once a push was accepted."""
        one = (push.by, push.payload["message_id"])
        if one not in self.pending:
            return self
        return replace(
            self,
            pending=tuple(each for each in self.pending if each != one),
            settled=(*self.settled, one),
        )

    def refused(self, _push: Push) -> Inboxes:
        """Return how things stand once a push was refused: as before."""
        return self
