"""The model of a payment channel, against `reading.md` section 7."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from conformance.models.expectation import Kind, Push
from conformance.models.payment import Channel

OPEN = Channel(Decimal(100), Decimal(50))


def push(by: str, event: str, **payload: Any) -> Push:
    """Return a push."""
    return Push(by, event, payload)


def propose(by: str, nonce: int, amount: str = "10") -> Push:
    """Return a proposal."""
    return push(by, "propose_transfer", amount=amount, nonce=nonce)


def acknowledge(by: str, nonce: int, amount: str = "10") -> Push:
    """Return an acknowledgement."""
    return push(by, "acknowledge_transfer", amount=amount, nonce=nonce)


def close(a: str, b: str) -> Push:
    """Return a close."""
    return push("a", "close", final_balance_a=a, final_balance_b=b)


PENDING = OPEN.after(propose("a", 5))
EXECUTED = PENDING.after(acknowledge("b", 5))
REJECTED = PENDING.after(push("b", "reject_transfer", reason="no", nonce=5))
DISPUTED = OPEN.after(push("a", "dispute", reason="r", evidence={}))


@pytest.mark.parametrize(
    ("channel", "made"),
    [
        (OPEN, propose("a", 1)),
        (OPEN, propose("a", 7)),
        (OPEN, propose("a", 1, "100")),
        (PENDING, propose("b", 6, "50")),
        (PENDING, propose("a", 6, "90")),
        (PENDING, acknowledge("b", 5, "10.0")),
        (PENDING, push("b", "reject_transfer", reason="no")),
        (REJECTED, propose("a", 6, "100")),
        (EXECUTED, propose("b", 6, "60")),
        (OPEN, close("100", "50")),
        (DISPUTED, close("0", "150")),
        (OPEN, push("b", "dispute", reason="r", evidence={})),
    ],
)
def test_what_has_to_be_accepted(channel: Channel, made: Push) -> None:
    """Signed, covered, in its time."""
    assert channel.expects(made).kind is Kind.ACCEPT


@pytest.mark.parametrize(
    ("channel", "made", "requirement"),
    [
        (EXECUTED, propose("a", 5), "nonce-increasing"),
        (EXECUTED, propose("a", 4), "nonce-increasing"),
        (EXECUTED, propose("b", 4), "nonce-shared-by-parties"),
        (PENDING, propose("a", 5), "nonce-above-pending"),
        (PENDING, propose("b", 5), "nonce-shared-by-parties"),
        (OPEN, propose("a", 1, "100.00000001"), "propose-within-balance"),
        (PENDING, propose("a", 6, "90.00000001"), "propose-free-balance-refused"),
        (PENDING, acknowledge("a", 5), "acknowledge-by-other-party"),
        (PENDING, acknowledge("b", 5, "10.00000001"), "acknowledge-same-amount"),
        (PENDING, acknowledge("b", 4), "acknowledge-names-pending"),
        (EXECUTED, acknowledge("b", 5), "acknowledge-again-refused"),
        (REJECTED, acknowledge("b", 5), "reject-drops-proposal"),
        (PENDING, push("a", "reject_transfer", reason="no"), "reject-needs-pending"),
        (PENDING, push("a", "reject_transfer", reason="no", nonce=5), "reject-by-other-party"),
        (PENDING, push("b", "reject_transfer", reason="no", nonce=4), "reject-nonce"),
        (PENDING, close("100", "50"), "close-nothing-pending"),
        (OPEN, close("100", "50.00000001"), "close-conserves"),
        (OPEN, close("99", "51"), "close-current-balances"),
        (DISPUTED, close("100", "51"), "close-conserves"),
        (DISPUTED, propose("a", 1), "disputed-stops-transfers"),
        (OPEN.after(close("100", "50")), propose("a", 1), "closed-is-final"),
        (DISPUTED.after(close("100", "50")), close("100", "50"), "closed-is-final"),
    ],
)
def test_what_has_to_be_refused(channel: Channel, made: Push, requirement: str) -> None:
    """Each with the requirement that its acceptance breaks."""
    expected = channel.expects(made)
    assert (expected.kind, expected.requirement) == (Kind.REFUSE, f"payment/{requirement}")


@pytest.mark.parametrize(
    ("channel", "made"),
    [
        (REJECTED, propose("a", 5)),
        (REJECTED, propose("a", 4)),
        (OPEN.refused(propose("a", 5)), propose("a", 4)),
        (PENDING.after(push("a", "dispute", reason="r", evidence={})), close("100", "50")),
        (OPEN.after(propose("a", 1, "120")), acknowledge("b", 1, "120")),
    ],
)
def test_what_is_left_open(channel: Channel, made: Push) -> None:
    """A nonce that was never executed, a close after a dispute that found something pending, what is not covered."""
    assert channel.expects(made).kind is Kind.EITHER


def test_a_bad_signature_is_refused_for_what_is_wrong_with_it() -> None:
    """The flaw is the requirement."""
    flawed = Push("a", "propose_transfer", {"amount": "1", "nonce": 1}, "signatures/other-nonce-refused")
    assert OPEN.expects(flawed).requirement == "signatures/other-nonce-refused"


def test_money_moves_once_and_is_conserved() -> None:
    """An acknowledgement moves it, a second one moves nothing, nor does a rejection."""
    assert (EXECUTED.a, EXECUTED.b, EXECUTED.pending) == (Decimal(90), Decimal(60), ())
    assert EXECUTED.after(acknowledge("b", 5)) == EXECUTED
    assert (REJECTED.a, REJECTED.b, REJECTED.free("a")) == (Decimal(100), Decimal(50), Decimal(100))
    back = EXECUTED.after(propose("b", 6, "60")).after(acknowledge("a", 6, "60"))
    assert (back.a, back.b) == (Decimal(150), Decimal(0))
