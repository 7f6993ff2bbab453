"""Signed transfers: both parties propose, and acknowledge what the other has proposed, on several connections at once.

Proposals are signed before they are timed, as a client can that knows what it will pay next; an acknowledgement can only be signed once
the proposal is there, which is told as cost of the client.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING, Any, ClassVar

from loadgen.scenarios.scenario import Group, Scenario

if TYPE_CHECKING:
    from loadgen.client.channel import Channel

#: No proposal has it: rejecting it changes nothing, and is answered.
_NO_NONCE = 2**50
#: How long coming back may take.
BACK_S = 10.0
LOOK_S = 0.05


@dataclass
class Account:
    """A payment channel and the nonce that comes next."""

    channels: dict[str, Channel]
    topic: str
    nonce: int = 0
    acts: int = 0
    signed: list[tuple[str, dict[str, Any]]] = field(default_factory=list)


@dataclass
class Transfers(Scenario):
    """Some transfers an act: proposed one after the other, acknowledged all at once.

    Attributes:
        transfers: How many.
        twice: Share of the acknowledgements that an impatient client sends on both of its connections; one of them is refused.
        balance: Of each party at first.
        look_again: Whether all disconnect at the end and look at the balances anew.
        settle_every: Acts after which it is made sure that nothing is missing.

    """

    name: ClassVar[str] = "transfers"
    cast: ClassVar[tuple[str, ...]] = ("a", "a+", "b", "b+")

    transfers: int = 4
    twice: float = 0.1
    balance: int = 1_000_000
    settle_every: int = 10
    look_again: bool = True

    async def prepare(self, group: Group) -> None:
        """Open a payment channel, and sign what comes first."""
        params = {"balance_a": str(self.balance), "balance_b": str(self.balance)}
        topic = await group.new("payment", params)
        group.memory = Account(await group.join(topic), topic)
        self.sign_next(group)

    async def act(self, group: Group, start_us: int) -> None:
        """Propose, then acknowledge."""
        account: Account = group.memory
        if not account.signed:
            # The act before has failed on its way.
            self.sign_next(group)
        signed, account.signed = account.signed, []
        for number, (payer, proposal) in enumerate(signed):
            channel = account.channels[payer]
            (await channel.push("propose_transfer", proposal, 0 if number else start_us)).demand()
        await group.all(*(self.acknowledge(group, payer, proposal) for payer, proposal in signed))
        account.acts += 1
        if account.acts % self.settle_every == 0:
            await self.rest(group)
        self.sign_next(group)

    async def finish(self, group: Group) -> None:
        """See that nothing is missing, and that the balances are the same for whoever comes back."""
        await self.rest(group)
        if not self.look_again:
            return
        account: Account = group.memory
        for agent in group.agents.values():
            agent.drop()
        for _ in range(round(BACK_S / LOOK_S)):
            if all(channel.is_joined for channel in account.channels.values()):
                break
            await group.pause(LOOK_S)

    async def rest(self, group: Group) -> None:
        """Make sure that everything has arrived."""
        account: Account = group.memory
        await group.settle(account.channels, "reject_transfer", {"reason": "barrier", "nonce": _NO_NONCE})

    async def acknowledge(self, group: Group, payer: str, proposal: dict[str, Any]) -> None:
        """Acknowledge a transfer by the other party."""
        account: Account = group.memory
        payee = "b" if payer == "a" else "a"
        payload = {"amount": proposal["amount"], "nonce": proposal["nonce"]}
        signed = group.signed(payee, account.topic, "acknowledge_transfer", payload)
        first, second = group.random.sample([account.channels[payee], account.channels[f"{payee}+"]], 2)
        again = second.probe("acknowledge_transfer", signed) if group.random.random() < self.twice else None
        call = await (first.push if again is None else first.probe)("acknowledge_transfer", signed)
        call.demand()
        if again is not None:
            await again

    def sign_next(self, group: Group) -> None:
        """Sign the proposals of the next act."""
        account: Account = group.memory
        # Races of one party with itself show only where the other one keeps still, so that some acts have one payer.
        payers = group.random.choice(("a", "b", "ab"))
        for number in range(self.transfers):
            account.nonce += 1
            amount = Decimal(group.random.randint(1, 500)) / 100
            payload = {
                "amount": str(amount.normalize() if amount % 1 else amount.to_integral()),
                "nonce": account.nonce,
            }
            payer = payers[number % len(payers)]
            account.signed.append((payer, group.signed(payer, account.topic, "propose_transfer", payload)))
