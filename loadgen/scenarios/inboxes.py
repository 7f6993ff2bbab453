"""Inboxes: messages come in, are read, and are acknowledged or now and then rejected."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from loadgen.scenarios.scenario import Group, Scenario


@dataclass
class Inboxes(Scenario):
    """One message an act, sent by the operator.

    Attributes:
        reject: Share of the messages that are rejected.
        read_s: Mean time between the arrival of a message and its acknowledgement.
        text_bytes: How long messages are.

    """

    name: ClassVar[str] = "inboxes"
    cast: ClassVar[tuple[str, ...]] = ("recipient",)
    socket: ClassVar[str] = "user"

    reject: float = 0.1
    read_s: float = 0.05
    text_bytes: int = 200

    async def prepare(self, group: Group) -> None:
        """Open the inbox."""
        topic = f"messages:{group.identities['recipient'].agent_id}"
        group.memory = (await group.join(topic))["recipient"]

    async def act(self, group: Group, start_us: int) -> None:  # noqa: ARG002 - the message is the operator's
        """Get a message, read it and settle it."""
        inbox = group.memory
        arrival = inbox.event("new_message", 10)
        message = {"to": group.agent.agent_id, "type": "notice", "payload": {"text": "x" * self.text_bytes}}
        await group.provisioner.request("send_message", {**message, "from_agent_id": group.agent.agent_id})
        got = (await arrival).payload
        if got is None:
            group.fail("new_message", "it has not come within 10 s")
        await group.pause(group.random.expovariate(1 / self.read_s) if self.read_s else 0)
        if group.random.random() < self.reject:
            call = inbox.push("reject", {"message_id": got["id"], "reason": "spam"})
        else:
            call = inbox.push("acknowledge", {"message_id": got["id"]})
        (await call).demand()
