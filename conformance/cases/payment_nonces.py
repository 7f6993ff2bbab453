"""Nonces of a payment channel, and what outlives a connection: each nonce is spent once, whoever replays it from where."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from conformance.faults import CannotTell
from conformance.verbs.acting import another_connection, done, must_refuse, reconnect, refuses, tried
from conformance.verbs.ledger import ACKNOWLEDGE, COMPLETE, PROPOSE, Ledger, Proposal
from conformance.written import case

if TYPE_CHECKING:
    from conformance.fixtures.lab import Lab
    from conformance.fixtures.stage import Stage

NOT_ABOVE = "payment/nonce-increasing"
_NO_NONCES: tuple[Any, ...] = (None, True, False, [], {}, "")


@case("payment/proposal-without-nonce", "payment/nonce-required")
def proposal_without_nonce(lab: Lab) -> None:
    """A proposal is refused that has no nonce, or null, a boolean, an object, an array or nothing in its place."""
    ledger = Ledger.open(lab)
    for nonce in _NO_NONCES:
        refuses(
            ledger.stage,
            "payment/nonce-required",
            f"the nonce {nonce!r}",
            "a",
            PROPOSE,
            may_crash=True,
            amount="12.5",
            nonce=nonce,
        )
    _refuses_without_nonce(ledger.stage, "a", PROPOSE)
    ledger.demand_unmoved("payment/nonce-required", "after proposals without a nonce")


@case("payment/acknowledgement-without-nonce", "payment/nonce-required")
def acknowledgement_without_nonce(lab: Lab) -> None:
    """An acknowledgement without a nonce is refused, even while just one proposal is pending."""
    ledger = Ledger.open(lab)
    made = ledger.propose("a", "12.5")
    for nonce in _NO_NONCES:
        what = f"the nonce {nonce!r}"
        refuses(
            ledger.stage,
            "payment/nonce-required",
            what,
            "b",
            ACKNOWLEDGE,
            may_crash=True,
            amount="12.5",
            nonce=nonce,
        )
    _refuses_without_nonce(ledger.stage, "b", ACKNOWLEDGE)
    ledger.judge(ledger.acknowledge(made), "payment/nonce-required", "after a transfer of 12.5")


def _refuses_without_nonce(stage: Stage, by: str, name: str) -> None:
    """Send an event without its nonce; the signature covers the rest, and null in its place."""
    event = stage.event(name)
    signed = stage.sign(event, by, {"amount": "12.5", "nonce": None})
    sent = stage.push(by, event, {key: value for key, value in signed.items() if key != "nonce"})
    must_refuse(stage, sent, "payment/nonce-required", "no nonce", may_crash=True)


@case("payment/odd-nonces", "payment/nonce-form")
def odd_nonces(lab: Lab) -> None:
    """A proposal whose nonce is zero, negative, a fraction or text is refused."""
    ledger = Ledger.open(lab)
    for nonce in (0, -1, 1.5, "1", "one", "0x1"):
        refuses(
            ledger.stage,
            "payment/nonce-form",
            f"the nonce {nonce!r}",
            "a",
            PROPOSE,
            may_crash=True,
            amount="12.5",
            nonce=nonce,
        )
    ledger.demand_unmoved("payment/nonce-form", "after refused proposals")


@case("payment/nonce-gap", "payment/nonce-may-skip")
def nonce_gap(lab: Lab) -> None:
    """Nonces may leave gaps, small and large."""
    ledger, rule = Ledger.open(lab), "payment/nonce-may-skip"
    done(ledger.stage, "a", PROPOSE, amount="1", nonce=1)
    for nonce in (3, 1000, 2**31, 2**53 - 1):
        sent = tried(ledger.stage, "a", PROPOSE, amount="1", nonce=nonce)
        answer = ledger.stage.peers["a"].answer(sent.message)
        lab.demand(answer.kind in {"ok", "silence"}, rule, f"nonce {nonce} is accepted", answer)


@case("payment/nonce-below-executed", "payment/nonce-increasing")
def nonce_below_executed(lab: Lab) -> None:
    """A nonce at or below one that was executed is refused, used or not."""
    ledger, rule = Ledger.open(lab), "payment/nonce-increasing"
    ledger.stage.skip_nonces(9)
    executed = ledger.propose("a", "12.5")
    ledger.acknowledge(executed)
    for nonce in (executed.nonce, executed.nonce - 1, 1):
        what = f"nonce {nonce} where {executed.nonce} has been executed"
        refuses(ledger.stage, rule, what, "a", PROPOSE, amount="12.5", nonce=nonce)
    ledger.judge(ledger.transfer("a", "12.5"), rule, "after two transfers of 12.5")


@case("payment/nonce-below-pending", "payment/nonce-above-pending")
def nonce_below_pending(lab: Lab) -> None:
    """A nonce at or below one that is pending is refused, used or not."""
    ledger, rule = Ledger.open(lab), "payment/nonce-above-pending"
    ledger.stage.skip_nonces(9)
    pending = ledger.propose("a", "12.5")
    for nonce in (pending.nonce, pending.nonce - 1, 1):
        what = f"nonce {nonce} where {pending.nonce} is pending"
        refuses(ledger.stage, rule, what, "a", PROPOSE, amount="20", nonce=nonce)
    ledger.judge(ledger.acknowledge(pending), rule, "after a transfer of 12.5")


@case("payment/nonce-of-both-parties", "payment/nonce-shared-by-parties")
def nonce_of_both_parties(lab: Lab) -> None:
    """A nonce that one party has used is refused from the other one."""
    ledger, rule = Ledger.open(lab), "payment/nonce-shared-by-parties"
    ledger.stage.skip_nonces(4)
    pending = ledger.propose("a", "12.5")
    what = f"nonce {pending.nonce} of the other party's pending proposal"
    refuses(ledger.stage, rule, what, "b", PROPOSE, amount="1", nonce=pending.nonce)
    ledger.acknowledge(pending)
    what = f"nonce {pending.nonce} of the other party's executed proposal"
    refuses(ledger.stage, rule, what, "b", PROPOSE, amount="1", nonce=pending.nonce)
    ledger.demand_unmoved(rule, "after a transfer of 12.5 from a to b")


@case("payment/nonces-of-two-channels", "payment/nonces-per-channel")
def nonces_of_two_channels(lab: Lab) -> None:
    """Two channels of the same parties have nonces of their own."""
    first, rule = Ledger.open(lab), "payment/nonces-per-channel"
    second = Ledger.open(lab, agents=first.stage.agents)
    done(first.stage, "a", PROPOSE, amount="1", nonce=7)
    for nonce in (3, 7):
        sent = tried(second.stage, "a", PROPOSE, amount="1", nonce=nonce)
        answer = second.stage.peers["a"].answer(sent.message)
        expected = f"nonce {nonce} is accepted on a channel where it is fresh"
        lab.demand(answer.kind in {"ok", "silence"}, rule, expected, answer)


@case("payment/replayed-transfer", "payment/nonce-executed-once", "payment/nonce-increasing")
def replayed_transfer(lab: Lab) -> None:
    """The proposal and the acknowledgement of an executed transfer, sent again as they were, move nothing."""
    ledger = Ledger.open(lab)
    proposal = done(ledger.stage, "a", PROPOSE, amount="30")
    acknowledgement = done(ledger.stage, "b", ACKNOWLEDGE, amount="30", nonce=proposal.payload["nonce"])
    _replay(ledger, proposal.payload, acknowledgement.payload, "payment/nonce-executed-once", NOT_ABOVE)
    _demand_moved_once(ledger, "payment/nonce-executed-once", "after a replay of the whole transfer")


@case(
    "payment/replay-over-new-connection",
    "payment/nonce-spent-across-reconnects",
    "payment/nonce-executed-once",
)
def replay_over_new_connection(lab: Lab) -> None:
    """An executed transfer that is sent again over connections opened later moves nothing."""
    ledger, rule = Ledger.open(lab), "payment/nonce-spent-across-reconnects"
    proposal = done(ledger.stage, "a", PROPOSE, amount="30")
    acknowledgement = done(ledger.stage, "b", ACKNOWLEDGE, amount="30", nonce=proposal.payload["nonce"])
    reconnect(ledger.stage, "a", "b")
    _replay(ledger, proposal.payload, acknowledgement.payload, rule)
    _demand_moved_once(ledger, rule, "after a replay over new connections")


@case(
    "payment/replay-over-parallel-connection",
    "payment/nonce-spent-across-reconnects",
    "payment/nonce-executed-once",
)
def replay_over_parallel_connection(lab: Lab) -> None:
    """An executed transfer that is sent again over the parties' other connections moves nothing."""
    ledger, rule = Ledger.open(lab), "payment/nonce-spent-across-reconnects"
    others = {name: another_connection(ledger.stage, name) for name in ("a", "b")}
    proposal = done(ledger.stage, "a", PROPOSE, amount="30")
    acknowledgement = done(ledger.stage, "b", ACKNOWLEDGE, amount="30", nonce=proposal.payload["nonce"])
    for peer in others.values():
        # What they have heard of the transfer must not be taken for what the replay causes.
        peer.barrier(ledger.stage.topic)
    ledger.stage.peers.update(others)
    _replay(ledger, proposal.payload, acknowledgement.payload, rule)
    _demand_moved_once(ledger, rule, "after a replay over parallel connections")


def _replay(
    ledger: Ledger, proposal: Any, acknowledgement: Any, requirement: str, of_proposal: str = ""
) -> None:
    """Send both again: the proposal is refused for its nonce, and the acknowledgement executes nothing."""
    stage = ledger.stage
    again = stage.push("a", stage.event(PROPOSE), proposal)
    must_refuse(stage, again, of_proposal or requirement, "the nonce of an executed transfer")
    since = stage.peers["a"].mark()
    once_more = stage.push("b", stage.event(ACKNOWLEDGE), acknowledgement)
    stage.peers["b"].answer(once_more.message)
    stage.settle()
    told = stage.peers["a"].seen(stage.topic, COMPLETE, since)
    stage.lab.demand(not told, requirement, "a replay executes nothing", told)


def _demand_moved_once(ledger: Ledger, requirement: str, what: str) -> None:
    ledger.move(Proposal("a", "30", 1))
    ledger.demand_unmoved(requirement, what)


@case("payment/balances-after-reconnect", "payment/balances-across-reconnects")
def balances_after_reconnect(lab: Lab) -> None:
    """Parties that come back on new connections find the balances that they left."""
    ledger, rule = Ledger.open(lab), "payment/balances-across-reconnects"
    ledger.transfer("a", "12.5")
    reconnect(ledger.stage, "a", "b")
    ledger.demand_unmoved(rule, "after both came back on new connections")


@case("payment/pending-after-reconnect", "payment/balances-across-reconnects")
def pending_after_reconnect(lab: Lab) -> None:
    """A transfer that is executed while its proposer is away is found in the balances when it comes back."""
    ledger, rule = Ledger.open(lab), "payment/balances-across-reconnects"
    made = ledger.propose("a", "12.5")
    away = ledger.stage.peers.pop("a")
    away.wire.close()
    ledger.acknowledge(made)
    ledger.stage.enter("a")
    ledger.demand_unmoved(rule, "after a transfer while a was away")


@case("payment/outsider-hears-nothing", "payment/no-relay-to-outsider", "payment/join-parties-only")
def outsider_hears_nothing(lab: Lab) -> None:
    """An agent that is refused on a channel, and is a party of another one, receives nothing of it."""
    ledger, theirs = Ledger.open(lab), Ledger.open(lab)
    outsider, topic = theirs.stage.peers["a"], ledger.stage.topic
    answer = outsider.join(topic)
    lab.demand(
        answer.kind == "error", "payment/join-parties-only", "the join of an outsider is refused", answer
    )
    since = outsider.mark()
    ledger.transfer("a", "12.5")
    done(ledger.stage, "a", PROPOSE, amount="1")
    done(ledger.stage, "b", "reject_transfer", reason="no")
    done(ledger.stage, "b", "dispute", reason="none", evidence={})
    outsider.sync()
    outsider.barrier(theirs.stage.topic)
    heard = [
        message
        for message in outsider.inbox[since:]
        if message.topic == topic and message.event != "phx_reply"
    ]
    lab.demand(not heard, "payment/no-relay-to-outsider", "an outsider hears nothing of the channel", heard)


@case("payment/two-channels", "payment/channels-isolated")
def two_channels(lab: Lab) -> None:
    """What happens on one channel neither reaches nor changes another one of the same parties."""
    first, rule = Ledger.open(lab), "payment/channels-isolated"
    second = Ledger.open(lab, agents=first.stage.agents)
    marks = {name: peer.mark() for name, peer in second.stage.peers.items()}
    first.transfer("a", "40")
    pending = first.propose("b", "5")
    refuses(
        second.stage,
        rule,
        "the nonce of another channel's proposal",
        "a",
        ACKNOWLEDGE,
        amount="5",
        nonce=pending.nonce,
    )
    for name, peer in second.stage.peers.items():
        heard = [m for m in peer.inbox[marks[name] :] if m.event in {COMPLETE, PROPOSE}]
        lab.demand(not heard, rule, f"{name} hears nothing of the other channel there", heard)
    second.demand_unmoved(rule, "after transfers on another channel")
    done(first.stage, "a", "dispute", reason="none", evidence={})
    try:
        second.transfer("a", "1")
    except CannotTell as exc:
        lab.report(rule, "a dispute on one channel leaves another one open", str(exc))
