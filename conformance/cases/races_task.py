"""Races on a task: it ends once, in one way, and nothing comes behind its end."""

from __future__ import annotations

from typing import TYPE_CHECKING

from conformance.case import Phase
from conformance.verbs.arena import Arena
from conformance.verbs.racing import Contest, Race
from conformance.verbs.task_orders import Task, TaskRules
from conformance.written import case

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from conformance.fixtures.lab import Lab
    from conformance.verbs.orders import Move

FAMILY = "task"
SOME_ORDER = "task/concurrent-pushes-ordered"


def _race(lab: Lab, racers: Mapping[str, int], moves: Callable[[Arena], Sequence[Move]]) -> None:
    arena = Arena(lab, FAMILY, racers)

    def prepare() -> Contest[Task]:
        arena.fresh()
        return Contest(Task(), tuple(moves(arena)))

    Race(arena, TaskRules(), SOME_ORDER, prepare).run()


@case("task/race/complete-against-cancel", SOME_ORDER, phase=Phase.RACE)
def complete_against_cancel(lab: Lab) -> None:
    """A task that is completed, cancelled and failed at once ends in one of these ways."""

    def moves(arena: Arena) -> Sequence[Move]:
        return [
            arena.move("provider", 0, "complete", result={"text": "done"}),
            arena.move("client", 0, "cancel", reason="late"),
            arena.move("provider", 1, "error", type="internal", details={}),
        ]

    _race(lab, {"client": 1, "provider": 2}, moves)


@case("task/race/two-results", SOME_ORDER, phase=Phase.RACE)
def two_results(lab: Lab) -> None:
    """Of results that are delivered at once on several connections one counts, and is told once."""

    def moves(arena: Arena) -> Sequence[Move]:
        return [arena.move("provider", index, "complete", result={"number": index}) for index in range(3)]

    _race(lab, {"provider": 3}, moves)


@case("task/race/progress-against-cancel", SOME_ORDER, phase=Phase.RACE)
def progress_against_cancel(lab: Lab) -> None:
    """A report and a chunk that are sent while the task is cancelled are relayed and accepted, or neither."""

    def moves(arena: Arena) -> Sequence[Move]:
        return [
            arena.move("provider", 0, "progress", percent=50, message="halfway"),
            arena.move("provider", 1, "output_stream", chunk="a", seq=0),
            arena.move("client", 0, "cancel", reason="late"),
        ]

    _race(lab, {"client": 1, "provider": 2}, moves)


@case("task/race/two-checkpoints", SOME_ORDER, phase=Phase.RACE)
def two_checkpoints(lab: Lab) -> None:
    """Of two checkpoints that are saved at once that one stands which stands in some order."""

    def moves(arena: Arena) -> Sequence[Move]:
        return [
            arena.move("provider", index, "checkpoint", state={"at": index}, seq=index) for index in range(2)
        ]

    _race(lab, {"provider": 2}, moves)


@case("task/race/two-chunks-of-one-seq", SOME_ORDER, phase=Phase.RACE)
def two_chunks_of_one_seq(lab: Lab) -> None:
    """Of two texts for one seq that are sent at once as many are taken and relayed as in turn."""

    def moves(arena: Arena) -> Sequence[Move]:
        return [
            arena.move("client", index, "input_stream", chunk=text, seq=0) for index, text in enumerate("ab")
        ]

    _race(lab, {"client": 2}, moves)


@case("task/race/one-chunk-twice", SOME_ORDER, phase=Phase.RACE)
def one_chunk_twice(lab: Lab) -> None:
    """A chunk that is sent at once on two connections is relayed as often as in turn."""

    def moves(arena: Arena) -> Sequence[Move]:
        return [arena.move("client", index, "input_stream", chunk="a", seq=0) for index in range(2)]

    _race(lab, {"client": 2}, moves)
