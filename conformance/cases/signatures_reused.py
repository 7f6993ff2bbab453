"""Genuine signatures put to another use, which must be refused: another event, amount, nonce, topic or signer.

All of them were made by the rightful key and some have been on the wire, where the other party could copy them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from conformance.cases.signatures import ACCEPT, CLOSE, OFFER
from conformance.verbs.acting import done, must_refuse, refuses, staged
from conformance.verbs.ledger import ACKNOWLEDGE, COMPLETE, PROPOSE, Ledger
from conformance.written import case

if TYPE_CHECKING:
    from conformance.fixtures.lab import Lab


@case("signatures/relayed-signature", "signatures/foreign-key-refused", topic="negotiation")
def relayed_signature(lab: Lab) -> None:
    """A signature that the other side has just been sent with an offer does not make it that side's own."""
    stage, rule = staged(lab, "negotiation"), "signatures/foreign-key-refused"
    theirs = done(stage, "client", OFFER, amount="100")
    what = "the other side's own signature of the same offer"
    refuses(stage, rule, what, "provider", OFFER, **theirs.payload)
    done(stage, "provider", OFFER, amount="100")


@case("signatures/swapped-signers", "signatures/swapped-signers-refused", topic="payment")
def swapped_signers(lab: Lab) -> None:
    """A close whose two signatures are exchanged, or are both of one party, is refused."""
    stage, rule = staged(lab, "payment"), "signatures/swapped-signers-refused"
    event = stage.event(CLOSE)
    valid = stage.sign(event, "a", {"final_balance_a": "100", "final_balance_b": "50"})
    of_a, of_b = valid["signature_a"], valid["signature_b"]
    for first, second in ((of_b, of_a), (of_a, of_a), (of_b, of_b)):
        forged = {**valid, "signature_a": first, "signature_b": second}
        must_refuse(stage, stage.push("a", event, forged), rule, "signatures of the wrong parties")
    done(stage, "a", CLOSE, **valid)


@case("signatures/other-nonce", "signatures/other-nonce-refused", topic="payment")
def other_nonce(lab: Lab) -> None:
    """A genuine signature of an earlier proposal does not serve for the same amount with a fresh nonce."""
    stage, rule = staged(lab, "payment"), "signatures/other-nonce-refused"
    first = done(stage, "a", PROPOSE, amount="1")
    for ahead in (1, 2, 10):
        refuses(
            stage,
            rule,
            "the signature of an earlier nonce",
            "a",
            PROPOSE,
            amount="1",
            nonce=first.payload["nonce"] + ahead,
            signature=first.payload["signature"],
        )
    later = stage.sign(stage.event(PROPOSE), "a", {"amount": "1", "nonce": first.payload["nonce"] + 20})
    what = "the signature of a later nonce"
    refuses(
        stage,
        rule,
        what,
        "a",
        PROPOSE,
        amount="1",
        nonce=first.payload["nonce"] + 5,
        signature=later["signature"],
    )
    stage.skip_nonces(30)
    done(stage, "a", PROPOSE, amount="1")


@case("signatures/offer-as-acceptance", "signatures/other-event-refused", topic="negotiation")
def offer_as_acceptance(lab: Lab) -> None:
    """The genuine signature of an offer does not serve to accept the same amount."""
    stage, rule = staged(lab, "negotiation"), "signatures/other-event-refused"
    offer = done(stage, "client", OFFER, amount="100")
    done(stage, "provider", OFFER, amount="100")
    what = "the sender's signature of an offer of that amount"
    refuses(stage, rule, what, "client", ACCEPT, **offer.payload)
    done(stage, "client", ACCEPT, amount="100")


@case("signatures/acknowledgement-as-proposal", "signatures/other-event-refused", topic="payment")
def acknowledgement_as_proposal(lab: Lab) -> None:
    """A signature of an acknowledgement does not serve for a proposal of the same amount and nonce, nor the reverse."""
    ledger, rule = Ledger.open(lab), "signatures/other-event-refused"
    stage = ledger.stage
    for made_for, sent_as in ((ACKNOWLEDGE, PROPOSE), (CLOSE, PROPOSE)):
        valid = stage.valid(stage.event(sent_as), "a")
        data = stage.signed_bytes(
            stage.event(sent_as), stage.event(sent_as).signatures[0], valid, name=made_for
        )
        forged = {**valid, "signature": stage.agents["a"].participant.keys.sign(data)}
        what = f"a signature made for {made_for}"
        must_refuse(stage, stage.push("a", stage.event(sent_as), forged), rule, what)
    made = ledger.propose("a", "12.5")
    event = stage.event(ACKNOWLEDGE)
    valid = {"amount": made.amount, "nonce": made.nonce}
    data = stage.signed_bytes(event, event.signatures[0], valid, name=PROPOSE)
    forged = {**valid, "signature": stage.agents["b"].participant.keys.sign(data)}
    must_refuse(stage, stage.push("b", event, forged), rule, f"a signature made for {PROPOSE}")
    ledger.judge(ledger.acknowledge(made), rule, "after a transfer of 12.5")


@case("signatures/other-session", "signatures/other-topic-refused", topic="negotiation")
def other_session(lab: Lab) -> None:
    """A genuine signature of an offer does not serve on another session of the same participants."""
    first, rule = staged(lab, "negotiation"), "signatures/other-topic-refused"
    second = staged(lab, "negotiation", agents=first.agents)
    offer = done(first, "client", OFFER, amount="100")
    refuses(second, rule, "a signature made for another session", "client", OFFER, **offer.payload)
    done(second, "client", OFFER, amount="100")


@case("signatures/other-channel", "signatures/other-topic-refused", topic="payment")
def other_channel(lab: Lab) -> None:
    """Genuine signatures of a transfer and a close do not serve on another channel of the same parties."""
    first, rule = Ledger.open(lab), "signatures/other-topic-refused"
    second = Ledger.open(lab, agents=first.stage.agents)
    what = "a signature made for another channel"
    proposal = done(first.stage, "a", PROPOSE, amount="12.5")
    acknowledgement = done(first.stage, "b", ACKNOWLEDGE, amount="12.5", nonce=proposal.payload["nonce"])
    refuses(second.stage, rule, what, "a", PROPOSE, **proposal.payload)
    made = second.propose("a", "12.5", nonce=proposal.payload["nonce"])
    refuses(second.stage, rule, what, "b", ACKNOWLEDGE, **acknowledgement.payload)
    second.judge(second.acknowledge(made), rule, "after a transfer of 12.5")
    close = done(first.stage, "a", CLOSE, final_balance_a="87.5", final_balance_b="62.5")
    refuses(second.stage, rule, what, "a", CLOSE, **close.payload)
    done(second.stage, "a", CLOSE, final_balance_a="87.5", final_balance_b="62.5")


@case("signatures/refused-offer", "signatures/refusal-has-no-effect", topic="negotiation")
def refused_offer(lab: Lab) -> None:
    """An offer that is refused for its signature does not count when the average is accepted."""
    stage, rule = staged(lab, "negotiation"), "signatures/refusal-has-no-effect"
    done(stage, "client", OFFER, amount="100")
    forged = stage.sign(stage.event(OFFER), "client", {"amount": "120"})
    refuses(stage, rule, "the other side's signature", "provider", OFFER, **forged)
    refuses(stage, rule, "an offer of the other side that was refused", "client", ACCEPT, amount="110")
    done(stage, "provider", OFFER, amount="140")
    done(stage, "client", ACCEPT, amount="120")


@case("signatures/refused-transfer", "signatures/refusal-has-no-effect", topic="payment")
def refused_transfer(lab: Lab) -> None:
    """A proposal or acknowledgement that is refused for its signature leaves nothing pending and moves nothing."""
    ledger, rule = Ledger.open(lab), "signatures/refusal-has-no-effect"
    stage = ledger.stage
    forged = stage.sign(stage.event(PROPOSE), "b", {"amount": "12.5", "nonce": 1})
    refuses(stage, rule, "the other party's signature", "a", PROPOSE, **forged)
    refuses(stage, rule, "the nonce of a refused proposal", "b", ACKNOWLEDGE, amount="12.5", nonce=1)
    made = ledger.propose("a", "12.5", nonce=2)
    forged = stage.sign(stage.event(ACKNOWLEDGE), "a", {"amount": "12.5", "nonce": 2})
    refuses(stage, rule, "the other party's signature", "b", ACKNOWLEDGE, **forged)
    sent = ledger.acknowledge(made)
    ledger.judge(sent, rule, "after a transfer of 12.5 that was first acknowledged with a forged signature")
    count = len(stage.peers["a"].seen(stage.topic, COMPLETE))
    lab.demand(count == 1, rule, "a has been told of one transfer", f"{count} times {COMPLETE}")
