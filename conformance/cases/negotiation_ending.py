"""How a negotiation ends, who is told of it, and that nobody else is: agreement, rejection, other sessions."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import TYPE_CHECKING

from conformance.cases.negotiation import ACCEPT, COMPLETE, OFFER, REJECT, SIDES, offered, session
from conformance.faults import CannotTell
from conformance.verbs.acting import done, refuses, traces, tried
from conformance.verbs.ledger import amount_of
from conformance.written import case

if TYPE_CHECKING:
    from conformance.fixtures.lab import Lab


@case(
    "negotiation/agreement-told",
    "negotiation/agreement-amount",
    "negotiation/agreement-content",
    "negotiation/agreement-broadcast-once",
)
def agreement_told(lab: Lab) -> None:
    """Both sides are told once of the agreement, with the accepted amount and the session."""
    stage = offered(lab, "100.5", "120")
    sent = done(stage, "client", ACCEPT, amount="110.25")
    stage.settle()
    for name, peer in stage.peers.items():
        told = peer.seen(stage.topic, COMPLETE, sent.marks[name])
        lab.demand(told, "negotiation/agreement-broadcast", f"{name} is told of the agreement", "nothing")
        once = f"{name} is told once"
        lab.demand(len(told) == 1, "negotiation/agreement-broadcast-once", once, f"{len(told)} times")
        payload = told[0].payload if isinstance(told[0].payload, Mapping) else {}
        amount = amount_of(payload.get("amount"))
        is_right = amount is None or amount == Decimal("110.25")
        lab.demand(is_right, "negotiation/agreement-amount", f"{name} is told of 110.25", payload)
        session = stage.family.variable_of(stage.topic)
        is_whole = amount is not None and payload.get("session_id") == session
        expected = f"{name} is told the amount and the session {session}"
        lab.demand(is_whole, "negotiation/agreement-content", expected, payload)


@case("negotiation/no-agreement-told", "negotiation/no-agreement-without-accept")
def no_agreement_told(lab: Lab) -> None:
    """Nobody is told of an agreement after offers alone, a refused acceptance, or a rejection."""
    stage, rule = session(lab), "negotiation/no-agreement-without-accept"
    first = done(stage, "client", OFFER, amount="100")
    for amount in ("120", "100", "100"):
        done(stage, "provider", OFFER, amount=amount)
    wrong = stage.peers["client"].answer(tried(stage, "client", ACCEPT, amount="101").message)
    if wrong.kind == "ok":
        raise CannotTell(f"101 is accepted where 100 is the average: {wrong}")
    done(stage, "client", REJECT, reason="no")
    stage.settle()
    for name, count in traces(stage, first, COMPLETE).items():
        lab.demand(count == 0, rule, f"{name} is told of no agreement", f"{count} times {COMPLETE}")


@case("negotiation/settled-for-good", "negotiation/settled-is-final", "negotiation/agreement-broadcast-once")
def settled_for_good(lab: Lab) -> None:
    """After an agreement every offer, acceptance and rejection is refused, and nobody is told once more."""
    stage, rule = offered(lab, "100", "120"), "negotiation/settled-is-final"
    done(stage, "client", ACCEPT, amount="110")
    for side in SIDES:
        refuses(stage, rule, "the session agreed", side, ACCEPT, amount="110")
        refuses(stage, rule, "the session agreed", side, OFFER, amount="100")
        refuses(stage, rule, "the session agreed", side, REJECT, reason="no")


@case(
    "negotiation/rejected-for-good", "negotiation/ended-is-final", "negotiation/no-agreement-without-accept"
)
def rejected_for_good(lab: Lab) -> None:
    """After a rejection by either side the average can no longer be accepted, nor anything offered."""
    for side in SIDES:
        stage, rule = offered(lab, "100", "120"), "negotiation/ended-is-final"
        done(stage, side, REJECT, reason="no")
        for other in SIDES:
            refuses(stage, rule, "the session rejected", other, ACCEPT, amount="110")
            refuses(stage, rule, "the session rejected", other, OFFER, amount="100")


@case(
    "negotiation/outsider-hears-nothing",
    "negotiation/no-relay-to-outsider",
    "negotiation/join-participants-only",
)
def outsider_hears_nothing(lab: Lab) -> None:
    """An agent that is refused on a session, and takes part in another one, receives nothing of it."""
    stage, theirs = session(lab), session(lab)
    outsider = theirs.peers["provider"]
    answer = outsider.join(stage.topic)
    lab.demand(
        answer.kind == "error",
        "negotiation/join-participants-only",
        "the join of an outsider is refused",
        answer,
    )
    since = outsider.mark()
    done(stage, "client", OFFER, amount="100")
    done(stage, "provider", OFFER, amount="120")
    done(stage, "client", ACCEPT, amount="110")
    outsider.sync()
    outsider.barrier(theirs.topic)
    heard = [m for m in outsider.inbox[since:] if m.topic == stage.topic and m.event != "phx_reply"]
    lab.demand(
        not heard, "negotiation/no-relay-to-outsider", "an outsider hears nothing of the session", heard
    )


@case("negotiation/two-sessions", "negotiation/sessions-isolated")
def two_sessions(lab: Lab) -> None:
    """Offers and the end of one session neither reach nor count on another one of the same participants."""
    first, rule = offered(lab, "100", "120"), "negotiation/sessions-isolated"
    second = session(lab, agents=first.agents)
    marks = {name: peer.mark() for name, peer in second.peers.items()}
    refuses(second, rule, "offers on another session only", "client", ACCEPT, amount="110")
    done(second, "client", OFFER, amount="60")
    refuses(second, rule, "the other side's offer on another session only", "client", ACCEPT, amount="90")
    done(first, "client", ACCEPT, amount="110")
    try:
        done(second, "provider", OFFER, amount="80")
        done(second, "client", ACCEPT, amount="70")
    except CannotTell as exc:
        lab.report(rule, "a session goes on though another one of the same participants is agreed", str(exc))
    second.settle()
    for name, peer in second.peers.items():
        heard = [m for m in peer.inbox[marks[name] :] if m.topic == first.topic]
        lab.demand(not heard, rule, f"{name} hears nothing of the other session there", heard)
