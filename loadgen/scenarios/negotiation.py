"""Negotiation to agreement: both sides offer until they are near enough, then one accepts the average, sometimes both at once."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import ClassVar

from loadgen.scenarios.scenario import Group, Scenario


@dataclass
class NegotiationToAgreement(Scenario):
    """One session an act.

    Attributes:
        base_price: Of the session.
        rounds: Offers of each side.
        think_s: Mean time between offers.
        both: Share of the sessions that both sides accept at once; one of them may be refused.

    """

    name: ClassVar[str] = "negotiation"
    cast: ClassVar[tuple[str, ...]] = ("client", "provider")

    base_price: int = 100
    rounds: int = 3
    think_s: float = 0.2
    both: float = 0.2

    async def act(self, group: Group, start_us: int) -> None:
        """Negotiate."""
        topic = await group.new("negotiation", {"base_price": str(self.base_price)})
        channels = await group.join(topic, start_us)
        low, high = Decimal(self.base_price) * Decimal("0.8"), Decimal(self.base_price) * Decimal("1.2")
        for _ in range(self.rounds):
            low, high = low + (high - low) / 8, high - (high - low) / 8
            for role, amount in (("client", low), ("provider", high)):
                offer = group.signed(role, topic, "offer", {"amount": _text(amount)})
                (await channels[role].push("offer", offer)).demand()
                await group.pause(group.random.expovariate(1 / self.think_s) if self.think_s else 0)
        agreed = _text((Decimal(_text(low)) + Decimal(_text(high))) / 2)
        signed = {role: group.signed(role, topic, "accept", {"amount": agreed}) for role in channels}
        told = channels["client"].event("negotiation_complete", 10)
        if group.random.random() < self.both:
            for call in [channels[role].probe("accept", payload) for role, payload in signed.items()]:
                await call
        else:
            role = group.random.choice(sorted(signed))
            (await channels[role].push("accept", signed[role])).demand()
        (await told).demand()
        await group.settle(channels, "reject", {"reason": "barrier"})
        await group.leave(topic)


def _text(amount: Decimal) -> str:
    """Return an amount as the documents want it: at most eight digits behind the point, none of them needless."""
    text = f"{amount:.4f}"
    return text.rstrip("0").rstrip(".")
