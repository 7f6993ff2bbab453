"""What the parties of a payment channel own after the transfers that were executed, beside what the endpoint says."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any

from conformance.client.equality import holds
from conformance.faults import CannotTell
from conformance.verbs.acting import done, staged
from specs.amounts import add, subtract

if TYPE_CHECKING:
    from conformance.fixtures.lab import Lab
    from conformance.fixtures.provision import Agent
    from conformance.fixtures.stage import Sent, Stage
    from specs.message import Message

FAMILY = "payment"
PARTIES = ("a", "b")
PROPOSE = "propose_transfer"
ACKNOWLEDGE = "acknowledge_transfer"
COMPLETE = "transfer_complete"


ODD_AMOUNTS: tuple[Any, ...] = (
    "1e1",
    "+1",
    "01",
    " 1",
    "1 ",
    ".5",
    "1.",
    "1.000000001",
    "0x1",
    "1,5",
    "1_0",
    "NaN",
    "Infinity",
    1.5,
)
"""Texts and numbers that a number parser may take and that are no amounts (`reading.md` section 6)."""


@dataclass(frozen=True, slots=True)
class Proposal:
    """A transfer that a party has proposed."""

    by: str
    amount: str
    nonce: int

    @property
    def to(self) -> str:
        """The party that is paid and may acknowledge."""
        return other_party(self.by)


def other_party(party: str) -> str:
    """Return the peer of a party."""
    return PARTIES[1 - PARTIES.index(party)]


def amount_of(value: Any) -> Decimal | None:
    """Read an amount in whatever form an endpoint writes it; None where it is none."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    try:
        amount = Decimal(str(value))
    except InvalidOperation:
        return None
    return amount if amount.is_finite() else None


def balances_in(payload: Any) -> dict[str, Decimal] | None:
    """Read both balances; None where they do not stand there under the documented names."""
    if not isinstance(payload, Mapping):
        return None
    found = {party: amount_of(payload.get(f"balance_{party}")) for party in PARTIES}
    known = {party: amount for party, amount in found.items() if amount is not None}
    return known if len(known) == len(PARTIES) else None


class Ledger:
    """A payment channel on a stage, and the account that we keep of it."""

    def __init__(self, stage: Stage, balances: Mapping[str, str]) -> None:
        self.stage = stage
        self.balances = {party: Decimal(balances[f"balance_{party}"]) for party in PARTIES}
        self._has_moved = False

    @classmethod
    def open(
        cls, lab: Lab, *, agents: Mapping[str, Agent] | None = None, a: str = "100", b: str = "50"
    ) -> Ledger:
        """Make a channel whose parties have paid in `a` and `b`, and join both."""
        values = {"balance_a": a, "balance_b": b}
        return cls(staged(lab, FAMILY, agents=agents, values=values), values)

    @property
    def total(self) -> Decimal:
        """What both own together."""
        return add(self.balances["a"], self.balances["b"])

    def propose(self, by: str, amount: str, **members: Any) -> Proposal:
        """Have a proposal accepted."""
        sent = done(self.stage, by, PROPOSE, amount=amount, **members)
        return Proposal(by, amount, sent.payload["nonce"])

    def acknowledge(self, proposal: Proposal) -> Sent:
        """Have a proposal executed, and write it into the account."""
        sent = done(self.stage, proposal.to, ACKNOWLEDGE, amount=proposal.amount, nonce=proposal.nonce)
        self.move(proposal)
        return sent

    def move(self, proposal: Proposal) -> None:
        """Write a transfer into the account."""
        amount = Decimal(proposal.amount)
        self._has_moved = True
        self.balances[proposal.by] = subtract(self.balances[proposal.by], amount)
        self.balances[proposal.to] = add(self.balances[proposal.to], amount)

    def transfer(self, by: str, amount: str) -> Sent:
        """Have a transfer proposed and executed."""
        return self.acknowledge(self.propose(by, amount))

    def told(self, sent: Sent) -> Iterator[tuple[str, Any]]:
        """Yield each party's name with the payload of the transfer_complete that an acknowledgement caused.

        Raises:
            CannotTell: If a party has been told nothing; the cases about the broadcast judge that.

        """
        for name, peer in self.stage.peers.items():
            if not self._named(sent, name):
                # An endpoint that tells too much of an earlier transfer may not have told of this one yet.
                peer.barrier(self.stage.topic)
            told = self._named(sent, name) or peer.seen(self.stage.topic, COMPLETE, sent.marks[name])
            if not told:
                raise CannotTell(f"{name} has received no {COMPLETE}")
            yield name, told[0].payload

    def _named(self, sent: Sent, name: str) -> list[Message]:
        """Return what a party has been told of the very nonce that was acknowledged."""
        told = self.stage.peers[name].seen(self.stage.topic, COMPLETE, sent.marks[name])
        return [each for each in told if holds(each.payload, {"nonce": sent.payload["nonce"]})]

    def judge(self, sent: Sent, requirement: str, what: str, *, is_plain: bool = False) -> None:
        """Demand that both parties are told the balances of our account after an acknowledgement.

        Args:
            sent: The acknowledgement.
            requirement: What other balances break.
            what: What has happened before, in words.
            is_plain: Whether nothing but transfers has happened; otherwise other balances accuse only an endpoint that
                tells the right ones after a plain transfer.

        Raises:
            CannotTell: If the balances are not told under the documented names, or not rightly in any case.

        """
        for name, payload in self.told(sent):
            shown = balances_in(payload)
            if shown is None:
                raise CannotTell(f"{COMPLETE} names no balance_a and balance_b: {payload}")
            if shown != self.balances and not is_plain:
                self._require_plain_account()
            self.stage.lab.demand(
                shown == self.balances, requirement, f"{name} is told {self} {what}", f"{payload}"
            )

    def judge_join(self, requirement: str, what: str) -> None:
        """Demand that a reply to a join, where it tells balances, tells those of our account."""
        for name in self.stage.peers:
            shown = self.on_join(name)
            if shown is None or shown == self.balances:
                continue
            self._require_plain_account()
            expected = f"{name} joins and is told {self} {what}"
            self.stage.lab.report(requirement, expected, _spoken(shown))

    def _require_plain_account(self) -> None:
        """Make sure that the endpoint tells the right balances on a fresh channel, where nothing special happens."""
        plain = Ledger.open(self.stage.lab)
        if self._has_moved:
            for _, payload in plain.told(plain.transfer("a", "12.5")):
                if balances_in(payload) != plain.balances:
                    raise CannotTell(f"after a plain transfer there are no {plain} either: {payload}")
        shown = plain.on_join("a")
        if shown not in (None, plain.balances):
            raise CannotTell(f"a join of a fresh channel does not tell {plain} either: {shown}")

    def on_join(self, name: str) -> dict[str, Decimal] | None:
        """Return the balances that a reply to a new join tells; None where it tells none."""
        answer = self.stage.peers[name].join(self.stage.topic)
        is_told = answer.kind == "ok" and isinstance(answer.response, Mapping)
        return balances_in(answer.response.get("channel")) if is_told else None

    def demand_unmoved(self, requirement: str, what: str) -> None:
        """Demand that the balances are those of our account, on a new join and in the next transfer."""
        self.judge_join(requirement, what)
        self.judge(self.transfer("b", "1"), requirement, f"{what}, and after a transfer of 1 from b to a")

    def __str__(self) -> str:
        """Return the account in words."""
        return _spoken(self.balances)


def _spoken(balances: Mapping[str, Decimal]) -> str:
    return f"balances of {balances['a']:f} (a) and {balances['b']:f} (b)"
