"""Who may confirm a transfer, with what, and how often: an acknowledgement executes its proposal exactly once."""

from __future__ import annotations

from typing import TYPE_CHECKING

from conformance.faults import CannotTell
from conformance.verbs.acting import another_connection, refuses
from conformance.verbs.expectations import refused
from conformance.verbs.ledger import ACKNOWLEDGE, COMPLETE, PARTIES, Ledger
from conformance.written import case

if TYPE_CHECKING:
    from collections.abc import Mapping

    from conformance.client.peer import Peer
    from conformance.fixtures.lab import Lab


@case("payment/own-acknowledgement", "payment/acknowledge-by-other-party")
def own_acknowledgement(lab: Lab) -> None:
    """A party cannot acknowledge its own proposal; the other party still can."""
    for party in PARTIES:
        ledger = Ledger.open(lab)
        made = ledger.propose(party, "12.5")
        what, rule = "the proposer as its sender", "payment/acknowledge-by-other-party"
        refuses(ledger.stage, rule, what, party, ACKNOWLEDGE, amount=made.amount, nonce=made.nonce)
        ledger.judge(ledger.acknowledge(made), rule, "after the other party acknowledged")


@case("payment/acknowledge-other-amount", "payment/acknowledge-same-amount")
def acknowledge_other_amount(lab: Lab) -> None:
    """An acknowledgement of another amount than was proposed is refused; that of the same amount still executes."""
    ledger = Ledger.open(lab)
    made, rule = ledger.propose("a", "12.5"), "payment/acknowledge-same-amount"
    for amount in ("12.50000001", "12.49999999", "1", "125", "100"):
        what = f"{amount} where 12.5 was proposed"
        refuses(ledger.stage, rule, what, "b", ACKNOWLEDGE, amount=amount, nonce=made.nonce)
    ledger.judge(ledger.acknowledge(made), rule, "after a transfer of 12.5")


@case("payment/acknowledge-unknown-nonce", "payment/acknowledge-names-pending")
def acknowledge_unknown_nonce(lab: Lab) -> None:
    """An acknowledgement whose nonce names nothing pending is refused, with and without something pending."""
    ledger = Ledger.open(lab)
    rule, what = "payment/acknowledge-names-pending", "a nonce that names no proposal"
    refuses(ledger.stage, rule, what, "b", ACKNOWLEDGE, amount="12.5", nonce=1)
    ledger.stage.skip_nonces(10)
    made = ledger.propose("a", "12.5")
    for nonce in (made.nonce + 1, made.nonce - 1, made.nonce + 2**32):
        refuses(ledger.stage, rule, what, "b", ACKNOWLEDGE, amount="12.5", nonce=nonce)
    ledger.judge(ledger.acknowledge(made), rule, "after a transfer of 12.5")


@case("payment/acknowledge-twice", "payment/acknowledge-once", "payment/acknowledge-again-refused")
def acknowledge_twice(lab: Lab) -> None:
    """A second acknowledgement of a proposal is refused and moves nothing."""
    ledger = Ledger.open(lab)
    first = ledger.transfer("a", "12.5")
    ledger.stage.settle()
    again = ledger.stage.push("b", first.event, first.payload)
    ledger.stage.peers["b"].answer(again.message)
    ledger.stage.settle()
    _demand_no_transfer(ledger, again.marks, "payment/acknowledge-once", "a second acknowledgement")
    refused(ledger.stage, again, "payment/acknowledge-again-refused", "a nonce that has been executed")
    ledger.demand_unmoved("payment/acknowledge-once", "after a second acknowledgement")


def _demand_no_transfer(ledger: Ledger, marks: Mapping[str, int], requirement: str, what: str) -> None:
    for name, peer in ledger.stage.peers.items():
        told = peer.seen(ledger.stage.topic, COMPLETE, marks[name])
        ledger.stage.lab.demand(not told, requirement, f"{name} is told of no transfer after {what}", told)


@case("payment/concurrent-acknowledgements", "payment/concurrent-acknowledge-executes-once")
def concurrent_acknowledgements(lab: Lab) -> None:
    """Acknowledgements sent at once on four connections execute the transfer once."""
    ledger, rule = Ledger.open(lab), "payment/concurrent-acknowledge-executes-once"
    stage = ledger.stage
    made = ledger.propose("a", "40")
    peers: list[Peer] = [
        stage.peers["b"],
        *(another_connection(stage, "b", label) for label in ("second", "third", "fourth")),
    ]
    event = stage.event(ACKNOWLEDGE)
    payload = stage.sign(event, "b", {"amount": made.amount, "nonce": made.nonce})
    since = stage.peers["a"].mark()
    pushes = [(peer, peer.push(stage.topic, event.event, payload)) for peer in peers]
    for peer, pushed in pushes:
        peer.answer(pushed)
    ledger.move(made)
    stage.settle()
    told = stage.peers["a"].seen(stage.topic, COMPLETE, since)
    lab.demand(len(told) == 1, rule, f"a receives {COMPLETE} once", f"{len(told)} times")
    ledger.demand_unmoved(rule, "after concurrent acknowledgements of one transfer of 40")


@case("payment/concurrent-transfers", "payment/transfer-complete-exact")
def concurrent_transfers(lab: Lab) -> None:
    """Transfers that a party acknowledges at once, each on another connection, all count in the balances."""
    ledger, rule = Ledger.open(lab), "payment/transfer-complete-exact"
    stage = ledger.stage
    made = [ledger.propose("a", amount) for amount in ("40", "0.1", "12.5", "7.00000001")]
    peers: list[Peer] = [
        stage.peers["b"],
        *(another_connection(stage, "b", label) for label in ("second", "third", "fourth")),
    ]
    event = stage.event(ACKNOWLEDGE)
    pushes = [
        peer.push(
            stage.topic,
            event.event,
            stage.sign(event, "b", {"amount": proposal.amount, "nonce": proposal.nonce}),
        )
        for peer, proposal in zip(peers, made, strict=True)
    ]
    for peer, pushed, proposal in zip(peers, pushes, made, strict=True):
        answer = peer.answer(pushed)
        if answer.kind not in {"ok", "silence"}:
            raise CannotTell(f"an acknowledgement on one of several connections is not accepted: {answer}")
        ledger.move(proposal)
    ledger.demand_unmoved(rule, "after transfers that were acknowledged at once")
