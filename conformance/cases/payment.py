"""What a payment channel is for: transfers that are proposed, confirmed, executed exactly and told to both parties.

Nonces and connections are in `payment_nonces`, rejections, disputes and the close in `payment_ending`.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from conformance.client.equality import holds
from conformance.faults import CannotTell
from conformance.verbs.acting import another_connection, done, refuses, tried
from conformance.verbs.expectations import join_refused
from conformance.verbs.ledger import (
    ACKNOWLEDGE,
    COMPLETE,
    ODD_AMOUNTS,
    PARTIES,
    PROPOSE,
    Ledger,
    Proposal,
    amount_of,
    balances_in,
    other_party,
)
from conformance.written import case
from specs.amounts import add, format_amount

if TYPE_CHECKING:
    from conformance.fixtures.lab import Lab

_STEPS = 24
_UNIT = Decimal("0.00000001")


@case("payment/unknown-channel", "payment/unknown-channel-refused")
def unknown_channel(lab: Lab) -> None:
    """The topic of a payment channel that does not exist cannot be joined."""
    ledger = Ledger.open(lab)
    topic = ledger.stage.family.topic_of(lab.unique("channel"))
    join_refused(
        ledger.stage.peers["a"], topic, "payment/unknown-channel-refused", "an agent that has a channel"
    )


@case("payment/amount-moves", "payment/acknowledge-executes")
def amount_moves(lab: Lab) -> None:
    """An acknowledged transfer moves money from its proposer to the other party, from a to b and from b to a."""
    ledger = Ledger.open(lab)
    for party in PARTIES:
        before, other = dict(ledger.balances), other_party(party)
        for name, payload in ledger.told(ledger.transfer(party, "12.5")):
            shown = balances_in(payload)
            if shown is None:
                raise CannotTell(f"{COMPLETE} names no balance_a and balance_b: {payload}")
            has_moved = shown[party] < before[party] and shown[other] > before[other]
            expected = f"{name} is told that {party} has less and {other} has more than before"
            lab.demand(has_moved, "payment/acknowledge-executes", expected, payload)


@case("payment/balances-exact", "payment/transfer-complete-exact")
def balances_exact(lab: Lab) -> None:
    """The balances are exact after transfers that binary floats do not add up."""
    ledger = Ledger.open(lab)
    for party, amount in zip("aabbab", ("0.1", "0.2", "0.3", "33.33333333", "0.00000001", "7"), strict=True):
        sent = ledger.transfer(party, amount)
        ledger.judge(sent, "payment/transfer-complete-exact", f"after {party} paid {amount}", is_plain=True)


@case("payment/balances-exact-beyond-floats", "payment/transfer-complete-exact")
def balances_exact_beyond_floats(lab: Lab) -> None:
    """The balances are exact where they have more digits than a binary float holds."""
    ledger = Ledger.open(lab, a="9007199254740993", b="0.00000001")
    for party, amount in (("a", "0.00000001"), ("a", "4503599627370496.5"), ("b", "0.00000001")):
        sent = ledger.transfer(party, amount)
        ledger.judge(sent, "payment/transfer-complete-exact", f"after {party} paid {amount}", is_plain=True)


@case("payment/complete-carries-balances", "payment/transfer-complete-balances")
def complete_carries_balances(lab: Lab) -> None:
    """transfer_complete carries two balances, whatever it calls them."""
    ledger = Ledger.open(lab)
    for name, payload in ledger.told(ledger.transfer("a", "12.5")):
        figures = [key for key, _ in _figures(payload) if key not in {"amount", "nonce"}]
        lab.demand(
            len(figures) >= len(PARTIES),
            "payment/transfer-complete-balances",
            f"{name} is told the balances of both parties",
            f"{payload}",
        )


def _figures(value: Any, name: str = "") -> Iterator[tuple[str, Decimal]]:
    """Yield every amount in a payload with the name of its member, however deep."""
    members = value.items() if isinstance(value, Mapping) else []
    items = ((name, item) for item in value) if isinstance(value, list) else members
    for key, member in items:
        yield from _figures(member, str(key))
    figure = amount_of(value)
    if figure is not None:
        yield name, figure


@case("payment/complete-names-transfer", "payment/transfer-complete-content")
def complete_names_transfer(lab: Lab) -> None:
    """transfer_complete names the channel, the nonce and the amount of the transfer."""
    ledger = Ledger.open(lab)
    proposal = ledger.propose("a", "12.5")
    channel = ledger.stage.family.variable_of(ledger.stage.topic)
    for name, payload in ledger.told(ledger.acknowledge(proposal)):
        is_named = (
            payload.get("channel_id") == channel
            and payload.get("nonce") == proposal.nonce
            and amount_of(payload.get("amount")) == Decimal(proposal.amount)
        )
        expected = f"{name} is told of channel {channel}, nonce {proposal.nonce}, amount {proposal.amount}"
        lab.demand(is_named, "payment/transfer-complete-content", expected, f"{payload}")


@case(
    "payment/complete-to-both-once",
    "payment/transfer-broadcast-once",
    "payment/transfer-broadcast",
    "payment/transfer-complete-same-for-both",
)
def complete_to_both_once(lab: Lab) -> None:
    """Each party, on each of its connections, is told of a transfer once, and both are told the same."""
    ledger = Ledger.open(lab)
    stage = ledger.stage
    extra = another_connection(stage, "a")
    sent = ledger.transfer("a", "12.5")
    stage.settle()
    extra.barrier(stage.topic)
    told = [peer.seen(stage.topic, COMPLETE, sent.marks[name]) for name, peer in stage.peers.items()]
    told.append(extra.seen(stage.topic, COMPLETE))
    for name, messages in zip((*stage.peers, extra.name), told, strict=True):
        lab.demand(messages, "payment/transfer-broadcast", f"{name} receives {COMPLETE}", "nothing")
        once = f"{name} receives {COMPLETE} once"
        lab.demand(len(messages) == 1, "payment/transfer-broadcast-once", once, f"{len(messages)} times")
    shown = [balances_in(messages[0].payload) for messages in told]
    lab.demand(
        shown[0] == shown[1],
        "payment/transfer-complete-same-for-both",
        "both are told the same",
        f"{shown[:2]}",
    )


@case(
    "payment/proposal-moves-nothing",
    "payment/propose-moves-nothing",
    "payment/no-transfer-without-acknowledge",
)
def proposal_moves_nothing(lab: Lab) -> None:
    """A proposal alone is no transfer: nobody is told of one and no balance changes."""
    ledger = Ledger.open(lab)
    sent = done(ledger.stage, "a", PROPOSE, amount="12.5")
    ledger.stage.settle()
    for name, peer in ledger.stage.peers.items():
        told = peer.seen(ledger.stage.topic, COMPLETE, sent.marks[name])
        lab.demand(
            not told, "payment/no-transfer-without-acknowledge", f"{name} is told of no transfer", told
        )
    ledger.demand_unmoved("payment/propose-moves-nothing", "while a proposal is pending")


@case("payment/negative-amount", "payment/amount-not-negative")
def negative_amount(lab: Lab) -> None:
    """A transfer of a negative amount, which would take money from the other party, is refused."""
    ledger = Ledger.open(lab)
    for amount in ("-1", "-0.00000001", -1):
        refuses(
            ledger.stage,
            "payment/amount-not-negative",
            f"the amount {amount!r}",
            "a",
            PROPOSE,
            may_crash=True,
            amount=amount,
        )
    ledger.demand_unmoved("payment/amount-not-negative", "after refused negative transfers")


@case("payment/zero-amount", "payment/amount-positive")
def zero_amount(lab: Lab) -> None:
    """A transfer of zero is refused."""
    ledger = Ledger.open(lab)
    for amount in ("0", "0.00000000", 0):
        refuses(
            ledger.stage,
            "payment/amount-positive",
            f"the amount {amount!r}",
            "a",
            PROPOSE,
            may_crash=True,
            amount=amount,
        )
    ledger.demand_unmoved("payment/amount-positive", "after refused transfers of zero")


@case("payment/odd-amount-forms", "payment/amount-form")
def odd_amount_forms(lab: Lab) -> None:
    """Amounts with an exponent, a sign, a leading zero, white space, a bare point or nine fraction digits are refused."""
    ledger = Ledger.open(lab)
    for amount in ODD_AMOUNTS:
        refuses(
            ledger.stage,
            "payment/amount-form",
            f"the amount {amount!r}",
            "a",
            PROPOSE,
            may_crash=True,
            amount=amount,
        )
    ledger.demand_unmoved("payment/amount-form", "after refused proposals")


@case("payment/overdraft", "payment/propose-within-balance")
def overdraft(lab: Lab) -> None:
    """A proposal above the sender's balance is refused, be it by the smallest amount."""
    ledger = Ledger.open(lab)
    for party, amount in (("a", "1000000"), ("a", "100.00000001"), ("b", "50.00000001"), ("b", "100")):
        what = f"{amount} of a balance of {ledger.balances[party]:f}"
        refuses(ledger.stage, "payment/propose-within-balance", what, party, PROPOSE, amount=amount)
    ledger.demand_unmoved("payment/propose-within-balance", "after refused overdrafts")


@case("payment/overdraft-with-pending", "payment/propose-free-balance-refused")
def overdraft_with_pending(lab: Lab) -> None:
    """A proposal that together with the pending ones is above the sender's balance is refused."""
    ledger = Ledger.open(lab)
    first = ledger.propose("a", "60")
    for amount in ("60", "40.00000001"):
        what = f"{amount} while 60 of 100 are pending"
        refuses(ledger.stage, "payment/propose-free-balance-refused", what, "a", PROPOSE, amount=amount)
    for proposal in (first, ledger.propose("a", "40")):
        sent = ledger.acknowledge(proposal)
    ledger.judge(sent, "payment/propose-free-balance-refused", "after both pending proposals were executed")


@case("payment/no-overdraft-executed", "payment/propose-within-free-balance", "payment/balances-not-negative")
def no_overdraft_executed(lab: Lab) -> None:
    """Proposals that together exceed the balance are never both carried through to a negative balance."""
    ledger = Ledger.open(lab)
    stage = ledger.stage
    first, second = Proposal("a", "60", 1), Proposal("a", "60", 2)
    for proposal in (first, second):
        sent = tried(stage, "a", PROPOSE, amount=proposal.amount, nonce=proposal.nonce)
        stage.peers["a"].answer(sent.message)
    start = {name: peer.mark() for name, peer in stage.peers.items()}
    ledger.acknowledge(first)
    stage.peers["b"].answer(tried(stage, "b", ACKNOWLEDGE, amount=second.amount, nonce=second.nonce).message)
    stage.settle()
    for name, peer in stage.peers.items():
        told = [message.payload for message in peer.seen(stage.topic, COMPLETE, start[name])]
        shown = [balances for payload in told if (balances := balances_in(payload)) is not None]
        is_positive = all(amount >= 0 for balances in shown for amount in balances.values())
        lab.demand(
            is_positive, "payment/balances-not-negative", f"{name} is told of no negative balance", told
        )
        once = f"{name} is told of one transfer of 60 out of 100"
        is_once = len(told) == 1 or all(holds(payload, {"nonce": first.nonce}) for payload in told)
        lab.demand(is_once, "payment/propose-within-free-balance", once, told)
    ledger.judge_join("payment/propose-within-free-balance", "after one of two transfers of 60")


@case("payment/whole-balance", "payment/propose-whole-balance-accepted", "payment/balances-not-negative")
def whole_balance(lab: Lab) -> None:
    """A party can pay all that it has, and be paid it back."""
    ledger = Ledger.open(lab)
    for party, amount in (("a", "100"), ("b", "150")):
        sent = tried(ledger.stage, party, PROPOSE, amount=amount)
        answer = ledger.stage.peers[party].answer(sent.message)
        whole = f"{party} can propose {amount}, its whole balance"
        lab.demand(answer.kind in {"ok", "silence"}, "payment/propose-whole-balance-accepted", whole, answer)
        if answer.kind not in {"ok", "silence"}:
            return
        executed = ledger.acknowledge(Proposal(party, amount, sent.payload["nonce"]))
        ledger.judge(executed, "payment/balances-not-negative", f"after {party} paid all it had")


@case(
    "payment/money-conserved",
    "payment/money-conserved",
    "payment/balances-not-negative",
    "payment/transfer-complete-exact",
)
def money_conserved(lab: Lab) -> None:
    """Over a long sequence of proposals, transfers and rejections no money appears or vanishes."""
    ledger = Ledger.open(lab)
    total, chance = ledger.total, random.Random(f"{lab.bench.seed}/money")  # noqa: S311 - to be repeated, not to be secret
    for step in range(_STEPS):
        party = chance.choice(PARTIES)
        made = ledger.propose(party, _some_of(ledger.balances[party], chance))
        if chance.random() < 1 / 4:
            done(ledger.stage, made.to, "reject_transfer", reason="no")
            continue
        sent = ledger.acknowledge(made)
        for name, payload in ledger.told(sent):
            shown = balances_in(payload) or ledger.balances
            conserved = f"{name} is told balances that add up to {total:f}"
            lab.demand(add(shown["a"], shown["b"]) == total, "payment/money-conserved", conserved, payload)
            positive = f"{name} is told of no negative balance"
            lab.demand(min(shown.values()) >= 0, "payment/balances-not-negative", positive, payload)
        ledger.judge(sent, "payment/transfer-complete-exact", f"in step {step + 1}", is_plain=True)
    ledger.demand_unmoved("payment/money-conserved", "in the end")


def _some_of(balance: Decimal, chance: random.Random) -> str:
    units = int(balance / _UNIT)
    return format_amount(chance.randint(1, max(1, units // 2)) * _UNIT)
