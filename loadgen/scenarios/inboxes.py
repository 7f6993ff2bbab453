"""Inboxes: messages come in, are read, and are acknowledged or now and then rejected, on one of two devices or on both at once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from loadgen.scenarios.scenario import Group, Scenario


@dataclass
class Inboxes(Scenario):
    """One message an act, sent by the operator.

    Attributes:
        reject: Share of the messages that are rejected.
        twice: Share of the messages that are settled on both devices at once; one of them is refused.
        read_s: Mean time between the arrival of a message and its acknowledgement.
        text_bytes: How long messages are.

    """

    name: ClassVar[str] = "inboxes"
    cast: ClassVar[tuple[str, ...]] = ("recipient", "recipient+")
    socket: ClassVar[str] = "user"

    reject: float = 0.1
    twice: float = 0.1
    read_s: float = 0.05
    text_bytes: int = 200

    async def prepare(self, group: Group) -> None:
        """Open the inbox on both devices."""
        topic = f"messages:{group.identities['recipient'].agent_id}"
        group.memory = list((await group.join(topic)).values())

    async def act(self, group: Group, start_us: int) -> None:  # noqa: ARG002 - the message is the operator's
        """Get a message, read it and settle it."""
        device, other = group.random.sample(group.memory, 2)
        arrival = device.event("new_message", 10)
        message = {"to": group.agent.agent_id, "type": "notice", "payload": {"text": "x" * self.text_bytes}}
        await group.provisioner.request("send_message", {**message, "from_agent_id": group.agent.agent_id})
        got = (await arrival).demand()
        await group.pause(group.random.expovariate(1 / self.read_s) if self.read_s else 0)
        if group.random.random() < self.twice:
            for call in [each.probe(*self.settling(group, got["id"])) for each in (device, other)]:
                await call
        else:
            (await device.push(*self.settling(group, got["id"]))).demand()

    def settling(self, group: Group, message_id: Any) -> tuple[str, dict[str, Any]]:
        """Return event and payload of an acknowledgement or a rejection."""
        if group.random.random() < self.reject:
            return "reject", {"message_id": message_id, "reason": "spam"}
        return "acknowledge", {"message_id": message_id}
