"""Following a topic as the set of all models that explain what was observed."""

from __future__ import annotations

from decimal import Decimal

import pytest

from conformance.models.expectation import Kind, Push
from conformance.models.payment import Channel
from conformance.models.worlds import MANY, Outcome, Worlds

ACCEPTED, REFUSED, UNKNOWN = Outcome


def propose(nonce: int, amount: str = "1", by: str = "a") -> Push:
    """A proposal."""
    return Push(by, "propose_transfer", {"amount": amount, "nonce": nonce})


def acknowledge(nonce: int, amount: str = "1", by: str = "b") -> Push:
    """An acknowledgement."""
    return Push(by, "acknowledge_transfer", {"amount": amount, "nonce": nonce})


@pytest.fixture
def worlds() -> Worlds[Channel]:
    """A channel with 100 and 50."""
    return Worlds(Channel(Decimal(100), Decimal(50)))


def test_what_is_expected_leaves_one_world(worlds: Worlds[Channel]) -> None:
    """An accepted proposal is pending, and its acknowledgement is expected."""
    assert worlds.observe((propose(1), ACCEPTED)) is None
    assert worlds.expects(acknowledge(1)) == {Kind.ACCEPT}
    assert worlds.observe((acknowledge(1), ACCEPTED)) is None
    assert [(model.a, model.b) for model in worlds.models] == [(Decimal(99), Decimal(51))]


def test_a_timed_out_push_may_have_been_taken_or_not(worlds: Worlds[Channel]) -> None:
    """Both are gone on with, until something tells which it was."""
    worlds.observe((propose(1), ACCEPTED))
    assert worlds.observe((acknowledge(1), UNKNOWN)) is None
    assert len(worlds.models) == 2
    for outcome in (ACCEPTED, REFUSED):
        both = Worlds(*worlds.models)
        assert both.observe((acknowledge(1), outcome)) is None
        assert len(both.models) == 1
    # Whatever had become of it, it is executed now.
    worlds.observe((acknowledge(1), ACCEPTED))
    contradiction = worlds.observe((acknowledge(1), ACCEPTED))
    assert contradiction is not None
    assert contradiction.requirement == "payment/acknowledge-again-refused"


def test_what_no_world_explains_is_a_contradiction_and_changes_nothing(worlds: Worlds[Channel]) -> None:
    """It names the requirement, and what had to become of the push."""
    before = worlds.models
    contradiction = worlds.observe((acknowledge(7), ACCEPTED))
    assert contradiction is not None
    assert contradiction.requirement == "payment/acknowledge-names-pending"
    assert (
        contradiction.expected
        == "acknowledge_transfer by b is refused: it names 7, which nobody has proposed"
    )
    assert worlds.models == before


def test_any_order_explains_what_was_on_its_way_at_once(worlds: Worlds[Channel]) -> None:
    """One of two acknowledgements at once is refused, whichever it is; that both are taken no order explains."""
    worlds.observe((propose(1), ACCEPTED))
    for outcomes in ((ACCEPTED, REFUSED), (REFUSED, ACCEPTED)):
        at_once = Worlds(*worlds.models)
        pushes = (acknowledge(1), acknowledge(1))
        assert at_once.observe(*zip(pushes, outcomes, strict=True)) is None
        assert [model.executed for model in at_once.models] == [frozenset({1})]
    contradiction = worlds.observe((acknowledge(1), ACCEPTED), (acknowledge(1), ACCEPTED))
    assert contradiction is not None
    assert contradiction.requirement == "payment/acknowledge-again-refused"


def test_neither_order_explains_that_both_are_refused(worlds: Worlds[Channel]) -> None:
    """Whichever came first was valid."""
    contradiction = worlds.observe((propose(1), REFUSED), (propose(2, by="b"), REFUSED))
    assert contradiction is not None
    assert contradiction.requirement.startswith("payment/")


def test_a_breach_can_be_gone_on_from(worlds: Worlds[Channel]) -> None:
    """What was accepted although it had to be refused has its effect in the model."""
    push = propose(1, "120")
    assert worlds.observe((push, ACCEPTED)) is not None
    worlds.insist((push, ACCEPTED))
    assert worlds.likely.proposal(1) is not None


def test_too_many_worlds_conclude_nothing(worlds: Worlds[Channel]) -> None:
    """Beyond a bound everything is possible."""
    nonce = 0
    while not worlds.is_lost:
        nonce += 1
        assert nonce <= MANY
        worlds.observe((propose(nonce), UNKNOWN))
    assert worlds.observe((acknowledge(999), ACCEPTED)) is None
