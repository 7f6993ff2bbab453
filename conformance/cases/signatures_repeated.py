"""Signed payloads whose text names a member twice: a signature covers one value, so only that one may have an effect.

What a parser makes of such a text differs: most take the last value, Phoenix the first, some refuse it. Each of them is fine as
long as the value that is acted on is the one that was verified. So nothing is demanded of the answer, nor of what is relayed:
whether the event is taken or refused, the other value must never count.
"""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from conformance.cases.signatures import ACCEPT, OFFER
from conformance.faults import CannotTell
from conformance.verbs.acting import done, let_arrive, reconnect, refuses, staged, traces, tried
from conformance.verbs.ledger import ACKNOWLEDGE, COMPLETE, PROPOSE, Ledger, Proposal
from conformance.written import case

if TYPE_CHECKING:
    from conformance.fixtures.lab import Lab
    from conformance.fixtures.stage import Stage

_RULE = "signatures/repeated-member-not-acted-on"
_SIGNED, _OTHER = "12.5", "20"


@case("signatures/repeated-amount-of-transfer", _RULE, topic="payment")
def repeated_amount_of_transfer(lab: Lab) -> None:
    """Of a transfer that names two amounts, first or last of them signed, the other one is never executed."""
    for is_first in (True, False):
        ledger = Ledger.open(lab)
        stage = ledger.stage
        payload = stage.sign(
            stage.event(PROPOSE), "a", stage.with_nonce(stage.event(PROPOSE), {"amount": _SIGNED})
        )
        _send(stage, "a", PROPOSE, payload, _twice("amount", _SIGNED, _OTHER, is_first=is_first))
        made = Proposal("a", _SIGNED, payload["nonce"])
        what = f"the amount that a proposal names beside the signed {_SIGNED}"
        refuses(stage, _RULE, what, "b", ACKNOWLEDGE, amount=_OTHER, nonce=made.nonce)
        _acknowledge_if_taken(ledger, made)
        ledger.demand_unmoved(_RULE, f"after a proposal of {_OTHER} beside the signed {_SIGNED}")


@case("signatures/repeated-amount-of-acknowledgement", _RULE, topic="payment")
def repeated_amount_of_acknowledgement(lab: Lab) -> None:
    """An acknowledgement that names two amounts executes the proposed one, if that is the one signed, or nothing."""
    for signed, other in ((_SIGNED, _OTHER), (_OTHER, _SIGNED)):
        for is_first in (True, False):
            ledger = Ledger.open(lab)
            stage, made = ledger.stage, ledger.propose("a", _SIGNED)
            payload = stage.sign(stage.event(ACKNOWLEDGE), "b", {"amount": signed, "nonce": made.nonce})
            marks = {name: peer.mark() for name, peer in stage.peers.items()}
            _send(stage, "b", ACKNOWLEDGE, payload, _twice("amount", signed, other, is_first=is_first))
            told = [stage.peers[name].seen(stage.topic, COMPLETE, mark) for name, mark in marks.items()]
            if any(told):
                expected = f"no transfer by an acknowledgement that is signed for {signed}"
                lab.demand(signed == made.amount, _RULE, expected, f"{next(filter(None, told))[0]}")
                ledger.move(made)
            else:
                _acknowledge_if_taken(ledger, made)
            ledger.demand_unmoved(_RULE, f"after an acknowledgement of {other} beside the signed {signed}")


@case("signatures/repeated-amount-of-offer", _RULE, topic="negotiation")
def repeated_amount_of_offer(lab: Lab) -> None:
    """Of an offer that names two amounts, first or last of them signed, the other one does not count for the average."""
    for is_first in (True, False):
        stage = staged(lab, "negotiation")
        payload = stage.sign(stage.event(OFFER), "client", {"amount": "100"})
        _send(stage, "client", OFFER, payload, _twice("amount", "100", "150", is_first=is_first))
        done(stage, "provider", OFFER, amount="120")
        what = "the average with an amount that an offer names beside the signed 100"
        refuses(stage, _RULE, what, "client", ACCEPT, amount="135")
        done(stage, "client", OFFER, amount="100")
        done(stage, "client", ACCEPT, amount="110")


def _twice(member: str, signed: Any, other: Any, *, is_first: bool) -> str:
    """Return two members of one name, as text."""
    values = (signed, other) if is_first else (other, signed)
    return ",".join(f"{json.dumps(member)}:{json.dumps(value)}" for value in values)


def _send(stage: Stage, by: str, event: str, payload: dict[str, Any], twice: str) -> None:
    """Send a signed payload with two amounts in place of its one, and let whatever it causes arrive.

    A server may take the text for no JSON at all, and end the channel or the connection over it.
    """
    peer = stage.peers[by]
    marks = {name: hearer.mark() for name, hearer in stage.peers.items()}
    pushed = peer.session.push(stage.topic, event, payload)
    rest = json.dumps({name: value for name, value in payload.items() if name != "amount"})
    text = f"{{{twice},{rest[1:]}"
    # Whatever the serializer, the one empty object in the text is the payload.
    frame = peer.serializer.encode_client(replace(pushed, payload={})).data.decode()
    sent = peer.send_text(
        frame.replace("{}", text, 1), pushed.join_ref, pushed.ref, topic=stage.topic, event=event
    )
    answer = peer.answer(sent)
    if answer.kind == "ok":
        for name, hearer in stage.peers.items():
            for caused in stage.event(event).broadcasts:
                hearer.wait_event(stage.topic, caused, since=marks[name])
    if answer.kind == "disconnected":
        reconnect(stage, by)
    stage.settle()


def _acknowledge_if_taken(ledger: Ledger, made: Proposal) -> None:
    """Acknowledge the signed amount; where that executes it, write it into the account."""
    stage = ledger.stage
    sent = tried(stage, made.to, ACKNOWLEDGE, amount=made.amount, nonce=made.nonce)
    answer = stage.peers[made.to].answer(sent.message)
    if answer.kind == "ok":
        let_arrive(stage, sent)
    stage.settle()
    if any(traces(stage, sent, COMPLETE).values()):
        ledger.move(made)
    elif answer.kind == "ok":
        raise CannotTell(
            f"an acknowledgement is answered with ok, and nobody is told of a transfer: {answer}"
        )
