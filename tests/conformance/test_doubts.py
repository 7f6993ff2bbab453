"""Tests of `conformance.client.doubts`: how long is waited for what has not come before."""

from __future__ import annotations

from conformance.client.doubts import (
    DOUBTFUL_S,
    FIRST_PROBE,
    MOST_STRETCH,
    PATIENT_STRETCH,
    PROMPT_S,
    SLOWEST_FACTOR,
    WIDESPREAD,
    Doubts,
)

USUAL_S = 2.0


def missed(times: int) -> Doubts:
    """Return doubts about an effect that has been waited for in vain so many times."""
    doubts = Doubts()
    for _ in range(times):
        doubts.note_effect("task", "progress", has_come=False)
    return doubts


def test_an_effect_is_waited_for_as_usual_until_it_has_stayed_out_several_times() -> None:
    """A few misses are no reason for less patience."""
    assert [missed(times).patience_s("task", "progress", USUAL_S) for times in range(4)] == [USUAL_S] * 4
    assert missed(4).patience_s("task", "progress", USUAL_S) == DOUBTFUL_S


def test_patience_returns_with_the_effect() -> None:
    """One arrival makes up for all misses."""
    doubts = missed(5)
    doubts.note_effect("task", "progress", has_come=True)
    assert doubts.patience_s("task", "progress", USUAL_S) == USUAL_S


def test_now_and_then_patience_is_full_again() -> None:
    """An effect that has come back late is not overlooked for ever."""
    probes = [n for n in range(4, 140) if missed(n).patience_s("task", "progress", USUAL_S) == USUAL_S]
    assert probes == [FIRST_PROBE * factor for factor in (1, 2, 4, 8, 16)]


def test_where_much_stays_out_one_miss_is_enough_for_the_rest() -> None:
    """Each kind is still waited for once with full patience, and one that comes is not doubted."""
    doubts = Doubts()
    for number in range(WIDESPREAD):
        assert doubts.patience_s("task", f"event-{number}", USUAL_S) == USUAL_S
        for _ in range(4):
            doubts.note_effect("task", f"event-{number}", has_come=False)
    assert doubts.patience_s("payment", "close", USUAL_S) == USUAL_S
    doubts.note_effect("payment", "close", has_come=False)
    assert doubts.patience_s("payment", "close", USUAL_S) == DOUBTFUL_S
    doubts.note_effect("payment", "close", has_come=True)
    assert doubts.patience_s("payment", "close", USUAL_S) == USUAL_S


def test_what_comes_into_doubt_and_out_of_it_is_news() -> None:
    """Others who work at the same run take it over; a few misses are no news, nor is what everybody knows."""
    doubts, other = missed(3), Doubts()
    assert doubts.news == []
    doubts.note_effect("task", "progress", has_come=False)
    doubts.note_effect("task", "progress", has_come=False)
    assert doubts.news == [(("task", "progress"), 4, False)]
    other.learn(doubts.news)
    assert other.patience_s("task", "progress", USUAL_S) == DOUBTFUL_S
    assert other.news == []
    doubts.note_effect("task", "progress", has_come=True)
    other.learn(doubts.news)
    assert other.patience_s("task", "progress", USUAL_S) == USUAL_S


def test_a_distant_endpoint_is_given_more_time() -> None:
    """The wait is a multiple of what slow answers take, and never longer than usual."""
    doubts = missed(5)
    doubts.answer_times_s.extend([0.1] * 100)
    assert doubts.patience_s("task", "progress", USUAL_S) == SLOWEST_FACTOR * 0.1
    doubts.answer_times_s.extend([1.5] * 100)
    assert doubts.patience_s("task", "progress", USUAL_S) == USUAL_S


def test_a_case_with_a_distant_endpoint_may_take_longer() -> None:
    """As much longer as answers do, up to a bound; near by it is as long as it is set."""
    doubts = Doubts()
    assert doubts.stretch() == 1
    doubts.answer_times_s.extend([0.002] * 100)
    assert doubts.stretch() == 1
    doubts.answer_times_s.extend([2 * PROMPT_S] * 100)
    assert doubts.stretch() == 2
    doubts.answer_times_s.extend([1.0] * 100)
    assert doubts.stretch() == MOST_STRETCH


def test_a_patient_attempt_may_take_longer_where_something_is_in_doubt() -> None:
    """It waits in full for what the first attempt did not; never beyond the bound."""
    for doubts, factor in ((missed(0), 1), (missed(5), PATIENT_STRETCH)):
        assert doubts.stretch() == 1
        doubts.begin(is_patient=True)
        assert doubts.stretch() == factor
        doubts.answer_times_s.extend([1.0] * 100)
        assert doubts.stretch() == MOST_STRETCH


def test_other_effects_are_not_doubted() -> None:
    """Doubt is about one effect of one family."""
    doubts = missed(5)
    assert doubts.patience_s("task", "input_stream", USUAL_S) == USUAL_S
    assert doubts.patience_s("payment", "progress", USUAL_S) == USUAL_S


def test_advice_that_would_be_the_same_in_many_cases_is_given_by_one() -> None:
    """The case that gave it may give it again, so that its second attempt confirms its first."""
    doubts = Doubts(case="first")
    assert [doubts.is_new("task/events-answered", "task/progress") for _ in range(2)] == [True, True]
    assert doubts.is_new("task/events-answered", "task/cancel")
    doubts.case = "second"
    assert not doubts.is_new("task/events-answered", "task/progress")


def test_full_patience_is_kept_for_what_has_been_accused() -> None:
    """An attempt that has to be sure waits as usual, but for an effect whose absence has been shown so before."""
    doubts = missed(5)
    doubts.begin(is_patient=True)
    assert doubts.patience_s("task", "progress", USUAL_S) == USUAL_S
    doubts.note_accused([("task", "progress")])
    assert doubts.patience_s("task", "progress", USUAL_S) == DOUBTFUL_S


def test_an_attempt_knows_what_it_has_waited_for_in_haste() -> None:
    """What has been accused before is no haste; each attempt begins anew."""
    doubts, kind = missed(5), ("task", "progress")
    doubts.begin(is_patient=False)
    doubts.note_effect(*kind, has_come=False, is_hasty=True)
    doubts.note_effect("task", "cancel", has_come=False)
    assert (doubts.hasty, doubts.absent) == ({kind}, {("task", "cancel")})
    doubts.begin(is_patient=False)
    assert (doubts.hasty, doubts.absent) == (set(), set())
    doubts.note_accused([kind])
    doubts.note_effect(*kind, has_come=False, is_hasty=True)
    assert doubts.hasty == set()


def test_what_has_been_accused_is_news_and_so_is_that_it_comes_after_all() -> None:
    """Others need not be sure of it again, until it has come to somebody."""
    doubts, other, kind = missed(2), Doubts(), ("task", "progress")
    doubts.note_accused([kind, ("task", "never missed")])
    assert doubts.news == [(kind, 2, True)]
    other.learn(doubts.news)
    assert other.accused == {kind}
    doubts.news.clear()
    doubts.note_effect(*kind, has_come=True)
    assert (doubts.news, doubts.accused) == ([(kind, 0, False)], set())
    other.learn(doubts.news)
    assert other.accused == set()
