"""Each rule about money, with a history that breaks it and the nearest ones that do not."""

from __future__ import annotations

from typing import Any

import pytest

from specs.history.facts import Invoked
from tests.specs.history.story import CHANNEL, Story, channel


@pytest.fixture
def story() -> Story:
    """A channel with 100 for a and 50 for b, both joined."""
    return Story().channel()


def propose(story: Story, by: str, nonce: int, amount: str, *, is_ok: bool = True) -> Invoked:
    """Propose; the other party is told."""
    signed = {"amount": amount, "nonce": nonce, "signature": "s"}
    call = story.push(by, CHANNEL, "propose_transfer", **signed)
    if is_ok:
        story.told("b" if by == "a" else "a", CHANNEL, "propose_transfer", **signed)
        story.ok(call)
    return call


def acknowledge(story: Story, by: str, nonce: int, amount: str) -> Invoked:
    """Send an acknowledgement."""
    return story.push(by, CHANNEL, "acknowledge_transfer", amount=amount, nonce=nonce, signature="s")


def complete(story: Story, nonce: int, amount: str, a: str, b: str, *to: str) -> None:
    """Tell of a transfer."""
    told = {"channel_id": "p1", "nonce": nonce, "amount": amount, "balance_a": a, "balance_b": b}
    for connection in to or ("a", "b"):
        story.told(connection, CHANNEL, "transfer_complete", **told)


def transfer(story: Story, by: str, nonce: int, amount: str, a: str, b: str) -> None:
    """Carry out a whole transfer."""
    propose(story, by, nonce, amount)
    call = acknowledge(story, "b" if by == "a" else "a", nonce, amount)
    complete(story, nonce, amount, a, b)
    story.ok(call)


def test_transfers_in_turn_are_as_they_should_be(story: Story) -> None:
    """Whole transfers, a refused one, a look: nothing is found."""
    transfer(story, "a", 1, "12.5", "87.5", "62.5")
    transfer(story, "b", 2, "2.50", "90", "60")
    story.error(propose(story, "a", 2, "1", is_ok=False))
    story.join("a", CHANNEL, channel("90", "60"))
    assert story.settled(CHANNEL) == []


def test_a_sum_that_changes_is_found(story: Story) -> None:
    """payment/money-conserved, in a broadcast and on a join."""
    transfer(story, "a", 1, "10", "90", "61")
    assert story.found == ["payment/money-conserved"]
    other = Story().channel()
    other.join("a", CHANNEL, channel("100", "50.00000001"))
    assert other.found == ["payment/money-conserved"]


def test_a_negative_balance_is_found(story: Story) -> None:
    """payment/balances-not-negative."""
    story.join("a", CHANNEL, channel("-1", "151"))
    assert "payment/balances-not-negative" in story.found


def test_a_wrong_balance_of_the_right_sum_is_found(story: Story) -> None:
    """payment/transfer-complete-exact: no order of transfers leads there."""
    transfer(story, "a", 1, "10", "91", "59")
    assert story.found == ["payment/transfer-complete-exact"]


def test_a_lost_update_is_found(story: Story) -> None:
    """Two transfers that both start from the same balance: one of them is lost."""
    for nonce in (1, 2):
        propose(story, "a", nonce, "10")
    calls = [acknowledge(story, "b", nonce, "10") for nonce in (1, 2)]
    complete(story, 1, "10", "90", "60")
    complete(story, 2, "10", "90", "60")
    for call in calls:
        story.ok(call)
    assert story.found == ["payment/transfer-complete-exact"]


def test_transfers_told_in_another_order_are_in_order(story: Story) -> None:
    """Broadcasts of several senders come in any order; only the balances must fit together."""
    propose(story, "a", 1, "10")
    propose(story, "b", 2, "5")
    first, second = acknowledge(story, "b", 1, "10"), acknowledge(story, "a", 2, "5")
    complete(story, 2, "5", "95", "55")
    assert story.found == []
    complete(story, 1, "10", "90", "60")
    story.ok(first)
    story.ok(second)
    assert story.settled(CHANNEL) == []


def test_a_gap_that_an_untold_transfer_may_fill_is_none(story: Story) -> None:
    """An acknowledgement of unknown outcome may have moved what seems to be missing."""
    propose(story, "a", 1, "10")
    propose(story, "a", 2, "5")
    story.lost(acknowledge(story, "b", 1, "10"))
    call = acknowledge(story, "b", 2, "5")
    complete(story, 2, "5", "85", "65")
    story.ok(call)
    assert story.settled(CHANNEL) == []
    story.join("a", CHANNEL, channel("85", "65"))
    story.join("b", CHANNEL, channel("95", "55"))
    assert story.found == []


def test_a_gap_that_only_a_refused_transfer_would_fill_is_found(story: Story) -> None:
    """What is refused moves nothing."""
    propose(story, "a", 1, "10")
    propose(story, "a", 2, "5")
    refused = acknowledge(story, "b", 1, "10")
    call = acknowledge(story, "b", 2, "5")
    complete(story, 2, "5", "85", "65")
    story.ok(call)
    assert story.found == []
    story.error(refused)
    assert story.found == ["payment/transfer-complete-exact"]


@pytest.mark.parametrize(("seen", "is_found"), [("90", False), ("100", True), ("80", True)])
def test_a_look_after_a_transfer_shows_it(story: Story, seen: str, is_found: bool) -> None:
    """payment/balances-across-reconnects: no more and no less than what was executed."""
    transfer(story, "a", 1, "10", "90", "60")
    story.join("a", CHANNEL, channel(seen, str(150 - int(seen))))
    assert story.found == ["payment/balances-across-reconnects"] * is_found


@pytest.mark.parametrize(("seen", "is_found"), [("90", False), ("100", False), ("89", True), ("101", True)])
def test_a_look_beside_a_transfer_shows_it_or_not(story: Story, seen: str, is_found: bool) -> None:
    """A transfer that is under way while the balances are asked for may be in them."""
    propose(story, "a", 1, "10")
    look = story.record.invoked("a", CHANNEL, "phx_join", {})
    call = acknowledge(story, "b", 1, "10")
    story.ok(call)
    story.ok(look, **channel(seen, str(150 - int(seen))))
    assert story.found == ["payment/balances-across-reconnects"] * is_found


def test_a_second_execution_is_found(story: Story) -> None:
    """The same nonce is told with other balances: after acknowledgements at once, in turn, and of one proposed again."""
    propose(story, "a", 1, "10")
    calls = [acknowledge(story, "b", 1, "10") for _ in range(2)]
    complete(story, 1, "10", "90", "60")
    story.ok(calls[0])
    complete(story, 1, "10", "80", "70")
    assert story.found == ["payment/concurrent-acknowledge-executes-once"]
    story.ok(calls[1])
    assert story.found[1:] == ["payment/acknowledge-again-refused"]
    in_turn = Story().channel()
    transfer(in_turn, "a", 1, "10", "90", "60")
    acknowledge(in_turn, "b", 1, "10")
    complete(in_turn, 1, "10", "80", "70")
    assert in_turn.found == ["payment/acknowledge-once"]
    again = Story().channel()
    transfer(again, "a", 1, "10", "90", "60")
    propose(again, "a", 1, "10", is_ok=False)
    acknowledge(again, "b", 1, "10")
    complete(again, 1, "10", "80", "70")
    assert again.found == ["payment/nonce-executed-once"]


@pytest.mark.parametrize("after", ["100", "110"])
def test_a_transfer_that_moves_nothing_or_the_wrong_way_is_found(story: Story, after: str) -> None:
    """payment/acknowledge-executes, where no other transfer can explain the balances."""
    transfer(story, "a", 1, "10", after, str(150 - int(after)))
    assert story.found == ["payment/acknowledge-executes"]


def test_a_second_execution_is_found_once_the_first_is_long_settled(story: Story) -> None:
    """What is forgotten of a nonce is not that it was spent."""
    transfer(story, "a", 1, "10", "90", "60")
    assert story.settled(CHANNEL) == []
    call = acknowledge(story, "b", 1, "10")
    complete(story, 1, "10", "80", "70", "a")
    assert story.found[0] == "payment/nonce-executed-once"
    story.ok(call)


def test_a_transfer_that_is_told_twice_is_found(story: Story) -> None:
    """payment/transfer-broadcast-once: with the same balances it is only told twice."""
    propose(story, "a", 1, "10")
    story.ok(acknowledge(story, "b", 1, "10"))
    complete(story, 1, "10", "90", "60", "a", "a", "b")
    assert story.found == ["payment/transfer-broadcast-once"]


def test_other_balances_for_the_other_party_are_found(story: Story) -> None:
    """payment/transfer-complete-same-for-both."""
    propose(story, "a", 1, "10")
    story.ok(acknowledge(story, "b", 1, "10"))
    complete(story, 1, "10", "90", "60", "a")
    complete(story, 1, "10", "89", "61", "b")
    assert story.found == ["payment/transfer-complete-same-for-both"]


def test_a_transfer_that_nobody_acknowledged_is_found(story: Story) -> None:
    """payment/no-transfer-without-acknowledge."""
    propose(story, "a", 1, "10")
    complete(story, 1, "10", "90", "60", "a")
    assert story.found == ["payment/no-transfer-without-acknowledge"]


@pytest.mark.parametrize("is_told_first", [True, False])
def test_the_effect_of_a_refused_acknowledgement_is_found(story: Story, is_told_first: bool) -> None:
    """payment/refusal-has-no-effect, whether the refusal or the effect is seen first."""
    propose(story, "a", 1, "10")
    call = acknowledge(story, "b", 1, "10")
    steps: list[Any] = [lambda: complete(story, 1, "10", "90", "60", "a"), lambda: story.error(call)]
    for step in steps if is_told_first else steps[::-1]:
        step()
    assert story.found == ["payment/refusal-has-no-effect"]


def test_the_relay_of_a_refused_proposal_is_found(story: Story) -> None:
    """payment/refusal-has-no-effect."""
    story.error(propose(story, "a", 1, "1000", is_ok=False))
    story.told("b", CHANNEL, "propose_transfer", amount="1000", nonce=1, signature="s")
    assert story.found == ["payment/refusal-has-no-effect"]


def test_a_transfer_that_is_not_told_is_found(story: Story) -> None:
    """payment/transfer-broadcast, once everything has arrived; an unknown outcome owes nothing."""
    propose(story, "a", 1, "10")
    story.ok(acknowledge(story, "b", 1, "10"))
    complete(story, 1, "10", "90", "60", "b")
    assert story.found == []
    assert story.settled(CHANNEL) == ["payment/transfer-broadcast"]
    other = Story().channel()
    propose(other, "a", 1, "10")
    other.lost(acknowledge(other, "b", 1, "10"))
    assert other.settled(CHANNEL) == []


def test_a_nonce_that_was_executed_is_not_taken_again(story: Story) -> None:
    """payment/nonce-increasing, also below a nonce that was executed."""
    transfer(story, "a", 5, "10", "90", "60")
    propose(story, "a", 4, "1")
    assert story.found == ["payment/nonce-increasing"]


def test_a_nonce_that_is_pending_is_not_taken_again(story: Story) -> None:
    """payment/nonce-above-pending, in turn and at once."""
    propose(story, "a", 5, "10")
    propose(story, "a", 4, "1")
    assert story.found == ["payment/nonce-above-pending"]
    other = Story().channel()
    for call in [propose(other, "a", 1, amount, is_ok=False) for amount in ("1", "2")]:
        other.ok(call)
    assert other.found == ["payment/nonce-above-pending"]


def test_a_nonce_of_the_other_party_breaks_only_what_is_interpreted(story: Story) -> None:
    """payment/nonce-shared-by-parties: executed or pending, below it or the same."""
    transfer(story, "a", 5, "10", "90", "60")
    propose(story, "b", 4, "1")
    assert story.found == ["payment/nonce-shared-by-parties"]
    for nonces in ((5, 4), (5, 5)):
        other = Story().channel()
        for by, nonce in zip("ab", nonces, strict=True):
            propose(other, by, nonce, "1")
        assert other.found == ["payment/nonce-shared-by-parties"]


def test_a_rejected_nonce_may_be_taken_again(story: Story) -> None:
    """Nothing but what is executed or pending binds a nonce."""
    propose(story, "a", 5, "10")
    story.ok(story.push("b", CHANNEL, "reject_transfer", reason="no", nonce=5), nonce=5)
    propose(story, "a", 5, "10")
    assert story.found == []


def test_concurrent_proposals_may_be_taken_in_any_order(story: Story) -> None:
    """A lower nonce that was sent before the higher one was known to be taken may have come first."""
    high, low = propose(story, "a", 5, "1", is_ok=False), propose(story, "b", 4, "1", is_ok=False)
    story.ok(high)
    story.ok(low)
    assert story.found == []


def test_a_transfer_is_rejected_or_executed(story: Story) -> None:
    """payment/reject-drops-proposal, also where both were under way at once."""
    propose(story, "a", 1, "10")
    rejection = story.push("b", CHANNEL, "reject_transfer", reason="no", nonce=1)
    call = acknowledge(story, "b", 1, "10")
    story.ok(rejection, nonce=1)
    story.ok(call)
    assert story.found == ["payment/reject-drops-proposal"]


@pytest.mark.parametrize(
    ("by", "nonce", "amount", "requirement"),
    [
        ("a", 1, "10", "payment/acknowledge-by-other-party"),
        ("b", 2, "10", "payment/acknowledge-names-pending"),
        ("b", 1, "10.1", "payment/acknowledge-same-amount"),
    ],
)
def test_an_acknowledgement_fits_its_proposal(
    story: Story, by: str, nonce: int, amount: str, requirement: str
) -> None:
    """An acknowledgement of nothing, of one's own, or of another amount is not taken; refused it is no matter."""
    propose(story, "a", 1, "10")
    call = acknowledge(story, by, nonce, amount)
    story.ok(call)
    assert story.found == [requirement]
    other = Story().channel()
    propose(other, "a", 1, "10")
    other.error(acknowledge(other, by, nonce, amount))
    assert other.found == []


@pytest.mark.parametrize(("amount", "is_found"), [("100", False), ("100.00000001", True)])
def test_nobody_proposes_more_than_there_is(story: Story, amount: str, is_found: bool) -> None:
    """payment/propose-within-balance."""
    propose(story, "a", 1, amount)
    assert story.found == ["payment/propose-within-balance"] * is_found


def test_money_under_way_may_cover_a_proposal(story: Story) -> None:
    """What b may have paid meanwhile may be spent."""
    propose(story, "b", 1, "20")
    call = acknowledge(story, "a", 1, "20")
    propose(story, "a", 2, "120")
    story.ok(call)
    assert story.found == []


def close(story: Story, a: str, b: str) -> None:
    """Close with final balances."""
    final = {"final_balance_a": a, "final_balance_b": b, "signature_a": "s", "signature_b": "s"}
    call = story.push("a", CHANNEL, "close", **final)
    story.told("b", CHANNEL, "close", **final)
    story.ok(call)


@pytest.mark.parametrize(
    ("a", "b", "is_disputed", "expected"),
    [
        ("100", "50", False, []),
        ("100", "51", False, ["payment/close-conserves"]),
        ("99", "51", False, ["payment/close-current-balances"]),
        ("99", "51", True, []),
        ("99", "52", True, ["payment/close-conserves"]),
    ],
)
def test_a_close_settles_what_is_there(
    story: Story, a: str, b: str, is_disputed: bool, expected: list[str]
) -> None:
    """The sum always stays; the balances do unless there is a dispute."""
    if is_disputed:
        call = story.push("b", CHANNEL, "dispute", reason="fraud", evidence={})
        story.told("a", CHANNEL, "dispute", reason="fraud", evidence={})
        story.ok(call)
    close(story, a, b)
    assert story.found == expected


def test_pushes_whose_payload_is_none_end_no_judgement(story: Story) -> None:
    """Whatever an endpoint accepts."""
    for event in ("propose_transfer", "acknowledge_transfer", "reject_transfer", "dispute", "close"):
        story.ok(story.record.invoked("a", CHANNEL, event, []))
    story.record.received("b", CHANNEL, "transfer_complete", [])
    story.record.received("b", CHANNEL, "transfer_complete", [])
    assert story.found == ["payment/transfer-broadcast-once"]


def test_nothing_happens_on_a_closed_channel(story: Story) -> None:
    """payment/closed-is-final, by what is taken and by what is shown."""
    close(story, "100", "50")
    story.done("a", CHANNEL, "dispute", reason="late", evidence={})
    assert story.found == ["payment/closed-is-final"]
    story.join("a", CHANNEL, channel("90", "60", "closed"))
    assert story.found[1:] == ["payment/closed-is-final"]


def test_no_transfer_is_taken_under_a_dispute(story: Story) -> None:
    """payment/disputed-stops-transfers, but for what was sent before the dispute was known."""
    early = propose(story, "b", 1, "1", is_ok=False)
    story.done("a", CHANNEL, "dispute", reason="fraud", evidence={})
    story.ok(early)
    assert story.found == []
    propose(story, "b", 2, "1")
    assert "payment/disputed-stops-transfers" in story.found


def test_great_amounts_stay_exact(story: Story) -> None:
    """Amounts of 38 digits are moved to the last one."""
    other = Story()
    big = "9" * 30 + ".00000001"
    other.record.made(CHANNEL, {"a": "anna", "b": "bert"}, {"balance_a": big, "balance_b": "0"})
    other.enter(CHANNEL, channel(big, "0"), a="anna", b="bert")
    transfer(other, "a", 1, "0.00000001", "9" * 30, "0.00000001")
    assert other.settled(CHANNEL) == []


def test_a_transfer_of_nothing_moves_nothing(story: Story) -> None:
    """That it was taken is another matter; and nothing is not negative, however it is written."""
    transfer(story, "a", 1, "0", "100", "50")
    transfer(story, "a", 2, "100", "-0", "150")
    assert story.settled(CHANNEL) == []


def test_a_rejection_is_of_the_nonce_that_it_names(story: Story) -> None:
    """Whatever else its answer tells."""
    propose(story, "a", 1, "10")
    propose(story, "a", 2, "5")
    story.ok(story.push("b", CHANNEL, "reject_transfer", reason="no", nonce=1), nonce=2)
    story.ok(acknowledge(story, "b", 2, "5"))
    assert story.found == []


def test_a_transfer_whose_amount_is_not_understood_may_have_moved_anything(story: Story) -> None:
    """Where amounts are numbers, whole balances can be read and what led to them cannot; sums are judged all the same."""
    story.done("a", CHANNEL, "propose_transfer", amount=10.5, nonce=1, signature="s")
    story.done("b", CHANNEL, "acknowledge_transfer", amount=10.5, nonce=1, signature="s")
    transfer(story, "a", 2, "0.5", "89", "61")
    story.join("a", CHANNEL, channel("89", "61"))
    close(story, "89", "61")
    assert story.found == []
    story.join("a", CHANNEL, channel("89", "62", "closed"))
    assert story.found == ["payment/money-conserved"]


def test_what_is_refused_moved_nothing_even_if_it_is_not_understood(story: Story) -> None:
    """Refused for its form, it hides nothing of what follows."""
    propose(story, "a", 1, "10")
    story.refused("b", CHANNEL, "acknowledge_transfer", amount=10.5, nonce=1, signature="s")
    story.join("a", CHANNEL, channel("90", "60"))
    assert story.found == ["payment/balances-across-reconnects"]


@pytest.mark.parametrize("nonce", [{}, {"nonce": "1"}])
def test_a_transfer_that_is_told_without_its_nonce_may_be_any(story: Story, nonce: dict[str, Any]) -> None:
    """That the nonce is told is an interpretation: without it what is told is neither uncaused nor missing, but its sum is judged."""
    told = {"channel_id": "p1", "amount": "10", "balance_a": "90", "balance_b": "60", **nonce}
    story.told("a", CHANNEL, "transfer_complete", **told)
    assert story.found == ["payment/no-transfer-without-acknowledge"]
    other = Story().channel()
    propose(other, "a", 1, "10")
    other.refused("b", CHANNEL, "acknowledge_transfer", amount="10", signature="s")
    other.ok(acknowledge(other, "b", 1, "10"))
    for connection in ("a", "b"):
        other.told(connection, CHANNEL, "transfer_complete", **told)
    assert other.settled(CHANNEL) == []
    other.told("a", CHANNEL, "transfer_complete", **told | {"balance_b": "61"})
    assert other.found[-1] == "payment/money-conserved"


def test_another_amount_for_the_other_party_is_found(story: Story) -> None:
    """payment/transfer-complete-exact, whoever is told first."""
    propose(story, "a", 1, "10")
    story.ok(acknowledge(story, "b", 1, "10"))
    complete(story, 1, "10.0", "90", "60", "a")
    assert story.found == []
    complete(story, 1, "11", "90", "60", "b")
    assert story.found == ["payment/transfer-complete-exact"]


def test_transfers_that_fit_only_each_other_are_found(story: Story) -> None:
    """payment/transfer-complete-exact: from 50 to 40 and back, where there were 100."""
    propose(story, "a", 1, "10")
    propose(story, "b", 2, "10")
    calls = [acknowledge(story, "b", 1, "10"), acknowledge(story, "a", 2, "10")]
    complete(story, 1, "10", "40", "110")
    complete(story, 2, "10", "50", "100")
    for call in calls:
        story.ok(call)
    assert story.found == ["payment/transfer-complete-exact"]


@pytest.mark.parametrize(
    ("a", "b", "is_found"),
    [
        (87.5, 62.5, False),
        (87.5, 62.6, True),
        ("8.75e1", "0062.50", False),
        ("8.75E+1", "63", True),
        (87.5, "62.5", False),
        # A float that is not exact says how a server reckons, not that money was made.
        (87.50000000000001, 62.5, False),
        (87.123456789, 62.5, False),
        (1e17, 62.5, False),
        ("NaN", "62.5", False),
        (None, 62.5, False),
    ],
)
def test_sums_are_judged_however_decimals_are_written(story: Story, a: Any, b: Any, is_found: bool) -> None:
    """payment/money-conserved: numbers and exponents say how much there is as well as text does."""
    story.join("a", CHANNEL, channel(a, b))
    assert ("payment/money-conserved" in story.found) == is_found


def test_a_transfer_that_is_told_twice_in_numbers_is_not_executed_twice(story: Story) -> None:
    """payment/transfer-broadcast-once."""
    propose(story, "a", 1, "12.5")
    story.ok(acknowledge(story, "b", 1, "12.5"))
    for _ in range(2):
        told = {"nonce": 1, "amount": 12.5, "balance_a": 87.5, "balance_b": 62.5}
        story.told("a", CHANNEL, "transfer_complete", **told)
    assert story.found == ["payment/transfer-broadcast-once"]


def test_what_may_have_been_told_without_its_nonce_is_not_missed_later(story: Story) -> None:
    """An acknowledgement that is sent again, and never answered, keeps it open."""
    propose(story, "a", 1, "10")
    call = acknowledge(story, "b", 1, "10")
    story.lost(acknowledge(story, "b", 1, "10"))
    for connection in ("a", "b"):
        story.told(connection, CHANNEL, "transfer_complete", balance_a="90", balance_b="60")
    story.ok(call)
    assert story.settled(CHANNEL) == []
    assert story.settled(CHANNEL) == []


def test_what_is_refused_drops_no_proposal(story: Story) -> None:
    """payment/nonce-above-pending, behind a rejection of no nonce and a dispute; one that was taken may have dropped any."""
    propose(story, "a", 5, "10")
    story.refused("b", CHANNEL, "reject_transfer", reason="no")
    story.refused("b", CHANNEL, "dispute", reason="no", evidence={})
    propose(story, "a", 4, "1")
    assert story.found == ["payment/nonce-above-pending"]
    other = Story().channel()
    propose(other, "a", 5, "10")
    other.done("b", CHANNEL, "reject_transfer", reason="no")
    propose(other, "a", 4, "1")
    assert other.found == []


@pytest.mark.parametrize("is_settled", [False, True])
def test_where_each_party_has_nonces_of_its_own_only_that_is_found(story: Story, *, is_settled: bool) -> None:
    """payment/nonce-shared-by-parties, an interpretation: that a nonce is executed for each is no second execution."""
    transfer(story, "a", 1, "10", "90", "60")
    if is_settled:
        story.settled(CHANNEL)
    transfer(story, "b", 1, "5", "95", "55")
    transfer(story, "b", 2, "5", "100", "50")
    transfer(story, "a", 2, "1", "99", "51")
    story.join("a", CHANNEL, channel("99", "51"))
    assert set(story.settled(CHANNEL)) == {"payment/nonce-shared-by-parties"}
    story.join("a", CHANNEL, channel("99", "52"))
    assert story.found[-1] == "payment/money-conserved"


def test_what_is_only_tried_is_not_pending(story: Story) -> None:
    """payment/nonce-shared-by-parties alone: the same nonce of one's own that has no answer may not have been taken."""
    propose(story, "b", 1, "1")
    propose(story, "a", 1, "3", is_ok=False)
    propose(story, "a", 1, "2")
    assert story.found == ["payment/nonce-shared-by-parties"]


@pytest.mark.parametrize(("amount", "is_found"), [("10", True), ("20", False)])
def test_a_rejected_proposal_is_not_executed_in_the_place_of_a_later_one(
    story: Story, amount: str, *, is_found: bool
) -> None:
    """payment/acknowledge-same-amount: the nonce is that of the later proposal alone."""
    propose(story, "a", 1, "10")
    story.done("b", CHANNEL, "reject_transfer", reason="no", nonce=1)
    propose(story, "a", 1, "20")
    story.ok(acknowledge(story, "b", 1, amount))
    assert story.found == ["payment/acknowledge-same-amount"] * is_found


def test_what_is_proposed_beside_a_rejection_may_be_what_it_rejected(story: Story) -> None:
    """Then either amount may be the one that is left."""
    propose(story, "a", 1, "10")
    rejection = story.push("b", CHANNEL, "reject_transfer", reason="no", nonce=1)
    again = propose(story, "a", 1, "20", is_ok=False)
    story.ok(rejection)
    story.lost(again)
    story.ok(acknowledge(story, "b", 1, "20"))
    assert story.found == []
