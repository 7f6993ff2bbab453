"""The model of a negotiation, against `reading.md` section 6."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from conformance.models.expectation import Kind, Push
from conformance.models.negotiation import Session

OPEN = Session(Decimal(100))


def offer(by: str, amount: Any) -> Push:
    """Return an offer."""
    return Push(by, "offer", {"amount": amount})


def accept(amount: str, by: str = "client") -> Push:
    """Return an acceptance."""
    return Push(by, "accept", {"amount": amount})


BOTH = OPEN.after(offer("client", "80")).after(offer("provider", "90"))
AGAIN = BOTH.after(offer("client", "80.00000002"))
ODD = BOTH.after(offer("client", "80.00000001"))
MANY = OPEN
for _ in range(10):
    MANY = MANY.after(offer("client", "1"))


@pytest.mark.parametrize(
    ("session", "made"),
    [
        (OPEN, offer("client", "200")),
        (OPEN, offer("client", 200)),
        (BOTH, offer("client", "1")),
        (BOTH, accept("85")),
        (BOTH, accept("85.0", "provider")),
        (AGAIN, accept("85.00000001")),
        (OPEN, Push("client", "reject", {"reason": "r"})),
        (MANY, offer("provider", "1")),
    ],
)
def test_what_has_to_be_accepted(session: Session, made: Push) -> None:
    """Up to twice the base price, the exact average, by either side."""
    assert session.expects(made).kind is Kind.ACCEPT


@pytest.mark.parametrize(
    ("session", "made", "requirement"),
    [
        (OPEN, offer("client", "200.00000001"), "offer-bound-exact"),
        (OPEN, offer("client", "201"), "offer-bound"),
        (OPEN, accept("1"), "accept-needs-both-offers"),
        (OPEN.after(offer("client", "80")), accept("80"), "accept-needs-both-offers"),
        (BOTH, accept("80"), "accept-is-average"),
        (BOTH, accept("85.00000001"), "average-exact"),
        (ODD, accept("85"), "average-exact"),
        (BOTH.after(offer("client", "70")), accept("85"), "offer-replaces"),
        (BOTH.after(accept("85")), offer("client", "1"), "settled-is-final"),
        (BOTH.after(Push("client", "reject", {"reason": "r"})), accept("85"), "ended-is-final"),
    ],
)
def test_what_has_to_be_refused(session: Session, made: Push, requirement: str) -> None:
    """Each with the requirement that its acceptance breaks."""
    expected = session.expects(made)
    assert (expected.kind, expected.requirement) == (Kind.REFUSE, f"negotiation/{requirement}")


def test_offers_after_the_tenth_are_left_open() -> None:
    """A session may refuse them (MAY)."""
    assert MANY.expects(offer("client", "1")).kind is Kind.EITHER


def test_an_average_with_too_many_digits_is_met_by_no_amount() -> None:
    """It is compared exactly, not rounded."""
    assert ODD.middle == Decimal("85.000000005")
    assert ODD.expects(accept("85.00000001")).kind is Kind.REFUSE
