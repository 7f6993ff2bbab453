"""Transfers that do not come about, and how a payment channel ends: rejection, dispute, close."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from conformance.faults import CannotTell
from conformance.verbs.acting import done, reconnect, refuses, tried
from conformance.verbs.ledger import ACKNOWLEDGE, COMPLETE, PARTIES, PROPOSE, Ledger, Proposal
from conformance.written import case

if TYPE_CHECKING:
    from collections.abc import Mapping

    from conformance.fixtures.lab import Lab

REJECT = "reject_transfer"
DISPUTE = "dispute"
CLOSE = "close"


def _final(a: str, b: str) -> dict[str, Any]:
    return {"final_balance_a": a, "final_balance_b": b}


@case("payment/rejected-proposal", "payment/reject-drops-proposal", "payment/reject-moves-nothing")
def rejected_proposal(lab: Lab) -> None:
    """A rejected proposal cannot be acknowledged any more, and no money has moved."""
    ledger = Ledger.open(lab)
    made = ledger.propose("a", "12.5")
    done(ledger.stage, "b", REJECT, reason="no")
    what, rule = "the nonce of a rejected proposal", "payment/reject-drops-proposal"
    refuses(ledger.stage, rule, what, "b", ACKNOWLEDGE, amount=made.amount, nonce=made.nonce)
    ledger.demand_unmoved("payment/reject-moves-nothing", "after a rejection")


@case("payment/rejection-frees", "payment/reject-frees-amount")
def rejection_frees(lab: Lab) -> None:
    """What a rejected proposal had bound can be proposed again."""
    ledger = Ledger.open(lab)
    ledger.propose("a", "80")
    done(ledger.stage, "b", REJECT, reason="no")
    sent = tried(ledger.stage, "a", PROPOSE, amount="80")
    answer = ledger.stage.peers["a"].answer(sent.message)
    expected = "80 of 100 can be proposed once a proposal of 80 has been rejected"
    lab.demand(answer.kind in {"ok", "silence"}, "payment/reject-frees-amount", expected, answer)


@case("payment/own-rejection", "payment/reject-by-other-party")
def own_rejection(lab: Lab) -> None:
    """A party cannot reject its own proposal, named or not; the other party can still acknowledge it."""
    ledger, rule = Ledger.open(lab), "payment/reject-by-other-party"
    made = ledger.propose("a", "12.5")
    refuses(ledger.stage, rule, "the proposer as its sender", "a", REJECT, reason="no", nonce=made.nonce)
    refuses(ledger.stage, rule, "the proposer as its sender", "a", REJECT, reason="no")
    ledger.judge(ledger.acknowledge(made), rule, "after a transfer of 12.5")


@case("payment/rejection-of-oldest", "payment/reject-oldest-first")
def rejection_of_oldest(lab: Lab) -> None:
    """A rejection without a nonce is of the other party's oldest pending proposal; the later one stays."""
    ledger, rule = Ledger.open(lab), "payment/reject-oldest-first"
    ledger.propose("b", "3")
    oldest, later = ledger.propose("a", "12.5"), ledger.propose("a", "20")
    done(ledger.stage, "b", REJECT, reason="no")
    what = "the nonce of the oldest proposal, which was rejected"
    refuses(ledger.stage, rule, what, "b", ACKNOWLEDGE, amount=oldest.amount, nonce=oldest.nonce)
    _still_acknowledged(ledger, later, rule, "the later proposal is still pending")


@case("payment/rejection-by-nonce", "payment/reject-nonce")
def rejection_by_nonce(lab: Lab) -> None:
    """A rejection that names a nonce is of that proposal alone; one that names nothing pending is refused."""
    ledger, rule = Ledger.open(lab), "payment/reject-nonce"
    kept, named = ledger.propose("a", "12.5"), ledger.propose("a", "20")
    refuses(
        ledger.stage, rule, "a nonce that names no proposal", "b", REJECT, reason="no", nonce=named.nonce + 1
    )
    done(ledger.stage, "b", REJECT, reason="no", nonce=named.nonce)
    what = "the nonce of a rejected proposal"
    refuses(ledger.stage, rule, what, "b", ACKNOWLEDGE, amount=named.amount, nonce=named.nonce)
    _still_acknowledged(ledger, kept, rule, "the other proposal is still pending")


def _still_acknowledged(ledger: Ledger, proposal: Proposal, requirement: str, expected: str) -> None:
    """Demand that a proposal can still be executed."""
    try:
        ledger.acknowledge(proposal)
    except CannotTell as exc:
        ledger.stage.lab.report(requirement, expected, str(exc))


@case("payment/rejection-of-nothing", "payment/reject-needs-pending")
def rejection_of_nothing(lab: Lab) -> None:
    """A rejection while the other party has nothing pending is refused; one of a pending proposal is accepted."""
    ledger, rule = Ledger.open(lab), "payment/reject-needs-pending"
    refuses(ledger.stage, rule, "nothing pending", "b", REJECT, reason="no")
    ledger.propose("a", "12.5")
    done(ledger.stage, "b", REJECT, reason="no")
    refuses(ledger.stage, rule, "nothing pending any more", "b", REJECT, reason="no")


@case("payment/no-transfer-told", "payment/no-transfer-without-acknowledge")
def no_transfer_told(lab: Lab) -> None:
    """No transfer is told of after proposals, refused acknowledgements and rejections."""
    ledger, rule = Ledger.open(lab), "payment/no-transfer-without-acknowledge"
    marks = {name: peer.mark() for name, peer in ledger.stage.peers.items()}
    made = ledger.propose("a", "12.5")
    refuses(ledger.stage, rule, "another amount", "b", ACKNOWLEDGE, amount="1", nonce=made.nonce)
    done(ledger.stage, "b", REJECT, reason="no")
    ledger.stage.settle()
    _demand_none_told(ledger, marks, rule)
    ledger.demand_unmoved(rule, "while nothing was acknowledged")


def _demand_none_told(ledger: Ledger, marks: Mapping[str, int], requirement: str) -> None:
    for name, peer in ledger.stage.peers.items():
        told = peer.seen(ledger.stage.topic, COMPLETE, marks[name])
        ledger.stage.lab.demand(not told, requirement, f"{name} is told of no transfer", told)


@case("payment/dispute-freezes", "payment/disputed-stops-transfers")
def dispute_freezes(lab: Lab) -> None:
    """A dispute by either party stops transfers: new ones and pending ones of both."""
    for party in PARTIES:
        ledger, rule = Ledger.open(lab), "payment/disputed-stops-transfers"
        pending = ledger.propose("a", "12.5")
        done(ledger.stage, party, DISPUTE, reason="not rendered", evidence={"log": [1, None, "é"]})
        what = "the channel disputed"
        for by in PARTIES:
            refuses(ledger.stage, rule, what, by, PROPOSE, amount="1")
        refuses(ledger.stage, rule, what, "b", ACKNOWLEDGE, amount=pending.amount, nonce=pending.nonce)
        ledger.judge_join(rule, "while the channel is disputed")


@case("payment/close-wrong-sum", "payment/close-conserves")
def close_wrong_sum(lab: Lab) -> None:
    """A close that makes or loses money is refused though both parties signed it, disputed or not."""
    wrong = (("101", "50"), ("100", "49"), ("100.00000001", "50"), ("0", "0"), ("150", "150"))
    for is_disputed in (False, True):
        ledger, rule = Ledger.open(lab), "payment/close-conserves"
        if is_disputed:
            done(ledger.stage, "a", DISPUTE, reason="none", evidence={})
        for a, b in wrong:
            what = f"final balances of {a} and {b} where there is 150"
            refuses(ledger.stage, rule, what, "a", CLOSE, **_final(a, b))
        done(ledger.stage, "a", CLOSE, **_final("100", "50"))


@case("payment/close-negative-balance", "payment/close-no-negative")
def close_negative_balance(lab: Lab) -> None:
    """A close with a negative final balance is refused though the sum is right, disputed or not."""
    for is_disputed in (False, True):
        ledger, rule = Ledger.open(lab), "payment/close-no-negative"
        if is_disputed:
            done(ledger.stage, "b", DISPUTE, reason="none", evidence={})
        for a, b in (("-1", "151"), ("151", "-1"), (-1, 151)):
            what = f"final balances of {a!r} and {b!r}"
            members = {"final_balance_a": a, "final_balance_b": b}
            refuses(ledger.stage, rule, what, "a", CLOSE, may_crash=True, **members)
        done(ledger.stage, "a", CLOSE, **_final("100", "50"))


@case("payment/close-other-balances", "payment/close-current-balances")
def close_other_balances(lab: Lab) -> None:
    """An undisputed close whose balances are of the right sum but not the current ones is refused."""
    ledger, rule = Ledger.open(lab), "payment/close-current-balances"
    ledger.transfer("a", "12.5")
    for a, b in (("100", "50"), ("87.49999999", "62.50000001"), ("62.5", "87.5"), ("150", "0")):
        what = f"final balances of {a} and {b} where 87.5 and 62.5 are the current ones"
        refuses(ledger.stage, rule, what, "b", CLOSE, **_final(a, b))
    done(ledger.stage, "b", CLOSE, **_final("87.5", "62.5"))


@case("payment/close-after-dispute", "payment/close-disputed-may-redistribute")
def close_after_dispute(lab: Lab) -> None:
    """Both parties can settle a dispute by closing with other balances of the same sum."""
    ledger, rule = Ledger.open(lab), "payment/close-disputed-may-redistribute"
    done(ledger.stage, "b", DISPUTE, reason="none", evidence={})
    sent = tried(ledger.stage, "a", CLOSE, **_final("37.5", "112.5"))
    answer = ledger.stage.peers["a"].answer(sent.message)
    lab.demand(
        answer.kind in {"ok", "silence"}, rule, "a disputed channel is closed with other balances", answer
    )


@case("payment/close-while-pending", "payment/close-nothing-pending")
def close_while_pending(lab: Lab) -> None:
    """A close is refused while a proposal is pending, and accepted once it is rejected."""
    ledger, rule = Ledger.open(lab), "payment/close-nothing-pending"
    ledger.propose("b", "12.5")
    for party in PARTIES:
        refuses(ledger.stage, rule, "a proposal pending", party, CLOSE, **_final("100", "50"))
    done(ledger.stage, "a", REJECT, reason="no")
    done(ledger.stage, "b", CLOSE, **_final("100", "50"))


@case("payment/close-told", "payment/close-relayed")
def close_told(lab: Lab) -> None:
    """A close is told to the other party."""
    ledger, rule = Ledger.open(lab), "payment/close-relayed"
    sent = done(ledger.stage, "a", CLOSE, **_final("100", "50"))
    told = ledger.stage.peers["b"].seen(ledger.stage.topic, CLOSE, sent.marks["b"])
    lab.demand(told, rule, "b receives the close", "nothing")


@case("payment/closed-for-good", "payment/closed-is-final", "payment/close-closes")
def closed_for_good(lab: Lab) -> None:
    """A closed channel takes no further event from either party, on old connections and new ones."""
    ledger = Ledger.open(lab)
    executed = done(ledger.stage, "a", PROPOSE, amount="12.5")
    done(ledger.stage, "b", ACKNOWLEDGE, amount="12.5", nonce=executed.payload["nonce"])
    done(ledger.stage, "b", CLOSE, **_final("87.5", "62.5"))
    _refuses_everything(ledger)
    try:
        reconnect(ledger.stage, *PARTIES)
    except CannotTell:
        # That a closed channel is not to be joined any more is fine, too.
        return
    _refuses_everything(ledger)


def _refuses_everything(ledger: Ledger) -> None:
    stage, what = ledger.stage, "the channel closed"
    for party in PARTIES:
        refuses(stage, "payment/close-closes", what, party, PROPOSE, amount="1")
        refuses(stage, "payment/closed-is-final", what, party, REJECT, reason="no")
        refuses(stage, "payment/closed-is-final", what, party, ACKNOWLEDGE, amount="12.5", nonce=1)
        refuses(stage, "payment/closed-is-final", what, party, DISPUTE, reason="none", evidence={})
        refuses(stage, "payment/closed-is-final", what, party, CLOSE, **_final("87.5", "62.5"))
        refuses(stage, "payment/closed-is-final", what, party, CLOSE, **_final("150", "0"))
