"""Who runs cases: one process or several, none of them ever losing a case."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from multiprocessing import active_children
from pathlib import Path
from typing import Any

import pytest

from conformance.case import Case
from conformance.crew import Alone, Crew, Task, Workers, crew_of, usual_count
from conformance.engine import Outcome
from conformance.faults import CannotTest, Violation
from conformance.fixtures.lab import Bench, Lab
from conformance.provisioning.pools import Share
from conformance.verdicts import Judge
from reports.record import Verdict
from specs.model import Api

BINDING = "task/stream-relayed"
COUNTS = [1, 3]

Run = Callable[[Lab], None]


def cases(*runs: Run) -> list[Case]:
    return [Case(f"task/{n}", "task", (BINDING,), "Something.", run) for n, run in enumerate(runs)]


@pytest.fixture
def crew(bench_at: Any, api: Api) -> Callable[..., Crew]:
    """Make a crew of so many for cases with these bodies."""

    def make(count: int, *runs: Run, open_bench: Any = None, **task: Any) -> Crew:
        bench: Bench = bench_at()

        @contextmanager
        def usual(_share: Share) -> Iterator[Bench]:
            yield bench

        judge = Judge(api, bench.endpoint.profile, is_strict=False)
        return crew_of(Task(cases(*runs), judge, open_bench or usual, **task), count)

    return make


def gathered(crew: Crew) -> dict[int, Outcome]:
    """Return every outcome by the number of its case; none may come twice."""
    ended: dict[int, Outcome] = {}
    for one in crew.outcomes():
        if one is not None:
            assert one[0] not in ended
            ended[one[0]] = one[1]
    return ended


def passes(_lab: Lab) -> None:
    """Do nothing wrong."""


def fails(lab: Lab) -> None:
    lab.transcript.add("alice", "note", "what was seen")
    raise Violation(BINDING, "a", "b")


def dies(_lab: Lab) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def exits(_lab: Lab) -> None:
    os._exit(7)


@pytest.mark.parametrize("count", COUNTS)
def test_every_case_has_one_outcome(crew: Any, count: int) -> None:
    """Attempts and transcripts of a failure come with it, however many workers there are."""
    ended = gathered(crew(count, passes, fails, passes, fails, passes))
    assert sorted(ended) == [0, 1, 2, 3, 4]
    assert [len(ended[n].attempts) for n in range(5)] == [1, 2, 1, 2, 1]
    assert [one.transcript[0].text for one in ended[1].attempts] == ["what was seen"] * 2
    assert all(one.breaches == () for one in ended[0].attempts)


def test_cases_of_several_workers_are_under_way_at_a_time(crew: Any, tmp_path: Any) -> None:
    """Three cases that wait for each other come to an end with three workers."""

    def meets(lab: Lab) -> None:
        (tmp_path / str(os.getpid())).touch()
        while len(list(tmp_path.iterdir())) < 3:
            if lab.deadline.has_passed:
                raise Violation(BINDING, "others", "nobody")
            time.sleep(0.01)

    ended = gathered(crew(3, meets, meets, meets))
    assert [ended[n].attempts[0].breaches for n in range(3)] == [(), (), ()]


@pytest.mark.parametrize(("death", "words"), [(dies, "SIGKILL"), (exits, "exit code 7")])
def test_a_worker_that_dies_leaves_an_error_and_no_case_is_lost(crew: Any, death: Run, words: str) -> None:
    """The case that it ran is our own fault, and another worker runs the rest."""
    ended = gathered(crew(2, passes, death, death, death, passes, passes))
    assert sorted(ended) == list(range(6))
    for number in (1, 2, 3):
        (attempt,) = ended[number].attempts
        assert attempt.ended is Verdict.ERROR
        assert words in (attempt.reason or "")
    assert [ended[n].attempts[0].ended for n in (0, 4, 5)] == [None] * 3


def test_workers_that_always_die_end_the_run(crew: Any) -> None:
    """Nobody goes on hiring for ever."""
    with pytest.raises(CannotTest, match="workers have died"):
        gathered(crew(2, *[dies] * 40))


def test_a_case_that_never_ends_is_ended(crew: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker that hangs is killed, its case is an error, and the next one runs."""
    monkeypatch.setattr("conformance.crew.GRACE_S", 0.2)

    def hangs(_lab: Lab) -> None:
        signal.pause()

    ended = gathered(crew(2, hangs, passes, passes, longest_s=0.1))
    assert ended[0].attempts[0].ended is Verdict.ERROR
    assert "did not come to an end" in (ended[0].attempts[0].reason or "")
    assert [ended[n].attempts[0].ended for n in (1, 2)] == [None, None]


@pytest.mark.parametrize("count", COUNTS)
def test_what_is_not_started_in_time_is_out_of_budget(crew: Any, count: int) -> None:
    """Every case has an outcome, and those that the budget left out say so."""
    until_s = time.monotonic() + 0.3

    def waits(_lab: Lab) -> None:
        time.sleep(max(0.0, until_s - time.monotonic()) + 0.01)

    ended = gathered(crew(count, waits, *[passes] * 5, until_s=until_s))
    assert sorted(ended) == list(range(6))
    (attempt,) = ended[0].attempts
    assert (attempt.ended, attempt.reason) == (Verdict.NOT_RUN, "out of budget")
    if count == 1:
        assert {ended[n].attempts[0].reason for n in range(1, 6)} == {"out of budget"}


@pytest.mark.parametrize("count", COUNTS)
def test_a_failure_that_was_seen_in_time_is_confirmed_after_it(crew: Any, count: int) -> None:
    """The budget ends no confirmation."""
    until_s = time.monotonic() + 0.5
    started: list[int] = []

    def fails_late(_lab: Lab) -> None:
        started.append(1)
        if len(started) == 2:
            time.sleep(max(0.0, until_s - time.monotonic()) + 0.01)
        raise Violation(BINDING, "a", "b")

    ended = gathered(crew(count, fails_late, passes, until_s=until_s))
    assert [len(attempt.breaches) for attempt in ended[0].attempts] == [1, 1]


@pytest.mark.parametrize("count", COUNTS)
def test_stop_starts_no_more_cases(crew: Any, count: int) -> None:
    """What is under way still ends; what was not started has no outcome."""
    made = crew(count, *[passes] * 50)
    ended = []
    for one in made.outcomes():
        if one is not None:
            ended.append(one[0])
            made.stop()
    assert 1 <= len(ended) <= count
    assert ended[0] < count


@pytest.mark.parametrize("count", COUNTS)
def test_an_endpoint_that_can_no_longer_be_tested_is_said(crew: Any, count: int) -> None:
    """The reason reaches whoever runs the cases."""

    def loses(_lab: Lab) -> None:
        raise CannotTest("the control socket is gone")

    with pytest.raises(CannotTest, match="is gone"):
        gathered(crew(count, passes, loses, *[passes] * 20))


def test_a_worker_that_cannot_begin_is_done_without(crew: Any, bench_at: Any, tmp_path: Any) -> None:
    """An endpoint that lets only one in is tested by that one."""

    @contextmanager
    def only_once(_share: Share) -> Iterator[Bench]:
        try:
            (tmp_path / "taken").touch(exist_ok=False)
        except FileExistsError:
            raise CannotTest("only one at a time") from None
        yield bench_at()

    assert sorted(gathered(crew(3, *[passes] * 5, open_bench=only_once))) == list(range(5))


def test_each_worker_has_a_share_of_its_own(crew: Any, bench_at: Any, tmp_path: Path) -> None:
    """What is listed for a run is divided among the workers; whoever comes for one that has gone takes its share."""

    @contextmanager
    def noted(share: Share) -> Iterator[Bench]:
        with (tmp_path / f"{share.index} of {share.count}").open("a") as file:
            file.write("x")
        yield bench_at()

    def begun() -> dict[str, int]:
        return {path.name: len(path.read_text()) for path in tmp_path.iterdir()}

    def dies(_lab: Lab) -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    def waits_for_the_fourth(_lab: Lab) -> None:
        until_s = time.monotonic() + 60
        while sum(begun().values()) < 4 and time.monotonic() < until_s:
            time.sleep(0.01)

    gathered(crew(3, dies, *[waits_for_the_fourth] * 4, open_bench=noted))
    assert begun().keys() == {"0 of 3", "1 of 3", "2 of 3"}
    assert sum(begun().values()) == 4


def test_where_no_worker_can_begin_the_endpoint_cannot_be_tested(crew: Any) -> None:
    """With the reason of the last one."""

    @contextmanager
    def never(_share: Share) -> Iterator[Bench]:
        raise CannotTest("nobody gets in")
        yield

    with pytest.raises(CannotTest, match="nobody gets in"):
        gathered(crew(3, *[passes] * 5, open_bench=never))


def test_whatever_happens_the_workers_are_ended(crew: Any) -> None:
    """An interruption while cases wait leaves no process behind, and does not take long."""

    def waits(_lab: Lab) -> None:
        signal.pause()

    made = crew(3, *[waits] * 3)
    with closing(made.outcomes()) as outcomes:
        assert next(outcomes) is None
        assert len(active_children()) == 3
    assert active_children() == []


def test_the_usual_number_of_workers_is_two_for_each_core() -> None:
    """A worker waits more than it works."""
    assert usual_count() >= 2
    assert usual_count() % 2 == 0


def test_one_case_needs_no_workers(crew: Any) -> None:
    """Nothing is forked for what cannot be shared."""
    assert isinstance(crew(4, passes), Alone)
    assert isinstance(crew(1, passes, passes), Alone)
    assert isinstance(crew(2, passes, passes), Workers)


def test_what_one_worker_has_waited_for_in_vain_the_others_know(crew: Any, tmp_path: Any) -> None:
    """They are told with the next case, also where they are hired later; the one that told hears no echo of it."""

    def misses(lab: Lab) -> None:
        for _ in range(4):
            lab.bench.doubts.note_effect("task", "progress", has_come=False)
        (tmp_path / str(os.getpid())).touch()

    def doubts(lab: Lab) -> None:
        while not list(tmp_path.iterdir()):
            time.sleep(0.01)
        time.sleep(0.3)

    def tells(lab: Lab) -> None:
        missed = lab.bench.doubts.missing_effects.get(("task", "progress"), 0)
        raise Violation(BINDING, "a", str(missed))

    ended = gathered(crew(2, misses, doubts, tells, tells, dies, tells))
    seen = [ended[n].attempts[0].breaches[0].observed for n in (2, 3, 5)]
    assert seen == ["4", "4", "4"]
