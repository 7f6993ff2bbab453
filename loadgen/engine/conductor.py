"""Conducts a run: waits until all agents are ready, begins, follows the seconds, ends, and puts the results of all processes together.

Rules of this file: it speaks to generators through a `Stage`, of which there is one for a process that is alone and one for a master with
workers; it never measures anything itself.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol

import gevent
import msgspec

if TYPE_CHECKING:
    from collections.abc import Callable

    from loadgen.plan import Plan

LONGEST_OPENING_S: Final = 600.0
STALLED_S: Final = 30.0
"""Without one more group ready for so long, opening is given up."""
LOOK_S: Final = 0.05
REPORT_S: Final = 1.0
MARGIN_S: Final = 0.2
INTERRUPTED_S: Final = 1.5
"""After Ctrl-C, how long groups may take to come to rest, and their judge to its verdict, each."""
LEAVING_S: Final = 4.0
"""After Ctrl-C, how long workers may take to tell their results; the command promises a report after five seconds."""
SPARE_S: Final = 60.0
"""Beyond the drain time, how long workers may take to tell their results; as long again each time that their judges have got on."""

RESULT_FILE: Final = "generator.json"
PROGRESS_FILE: Final = "progress.jsonl"


class Stage(Protocol):
    """The generators of a run."""

    def groups(self) -> tuple[int, int]:
        """Return how many groups are ready, and how many have failed."""

    def is_complete(self) -> bool:
        """Whether Locust has started all users."""

    def begin(self) -> None:
        """Let all begin."""

    def stop(self, within_s: float | None) -> None:
        """Let all start nothing more, and bring their groups to rest; within a time where one is given."""

    def results(self) -> list[dict[str, Any]] | None:
        """Return what all have to tell; None as long as some have not."""

    def told(self) -> list[dict[str, Any]]:
        """Return what those have to tell who have."""

    def seconds(self) -> list[dict[str, Any]]:
        """Return what happened in the seconds since the last call."""

    def quit(self) -> None:
        """End the processes."""


class Conductor:
    """Conducts one run.

    Args:
        plan: What is to be done.
        stage: Whom it conducts.
        on_row: Is called with each row of progress, too.

    """

    def __init__(
        self, plan: Plan, stage: Stage, on_row: Callable[[dict[str, Any]], object] | None = None
    ) -> None:
        self._plan, self._stage, self._on_row = plan, stage, on_row
        self._is_stopping = self._has_begun = False
        self._unjudged: dict[str, int] = {}
        self._next_s = 0.0
        self._progress = (Path(plan.folder) / PROGRESS_FILE).open("ab", buffering=0)
        self.note: str | None = None

    def stop(self) -> None:
        """End early, but in order."""
        self._is_stopping = True

    def run(self) -> None:
        """Conduct the run from the first agent to the results."""
        began_s = ended_s = time.monotonic()
        opening_s = self._open()
        begun = not self._is_stopping and self._stage.groups()[0] > 0
        if begun:
            self._stage.begin()
            began_s = time.monotonic()
            self._report()
            self._has_begun = True
            self._tell({"phase": "load"})
            # The last arrivals of a shape come right at its end, and workers have begun a little later.
            margin_s = MARGIN_S if self._plan.arrivals.model == "open" else 0.0
            self._wait(lambda: time.monotonic() - began_s >= self._plan.duration_s + margin_s)
            ended_s = min(time.monotonic(), began_s + self._plan.duration_s)
        if not self._is_stopping:
            self._stage.stop(None)
        self._tell({"phase": "drain"})
        results = self._collect()
        self._tell({"phase": "end"})
        outcome = {
            "opening_s": opening_s,
            "load_s": ended_s - began_s,
            "is_interrupted": self._is_stopping,
            "note": self.note,
            "processes": results,
        }
        path = Path(self._plan.folder) / RESULT_FILE
        unfinished = path.with_suffix(".part")
        unfinished.write_bytes(msgspec.json.encode(outcome))
        unfinished.rename(path)
        self._progress.close()
        self._stage.quit()

    def _open(self) -> float:
        began_s = latest_s = time.monotonic()
        known = (0, 0)
        self._tell({"phase": "open"})

        def is_ready() -> bool:
            nonlocal known, latest_s
            now_s, groups = time.monotonic(), self._stage.groups()
            if groups != known:
                known, latest_s = groups, now_s
            if now_s - latest_s > STALLED_S or now_s - began_s > LONGEST_OPENING_S:
                self.note = f"opening was given up after {now_s - began_s:.0f} s with {known[0]} groups ready"
                return True
            return self._stage.is_complete()

        self._wait(is_ready)
        return time.monotonic() - began_s

    def _wait(self, is_over: Callable[[], bool]) -> None:
        self._next_s = time.monotonic()
        while not self._is_stopping and not is_over():
            gevent.sleep(LOOK_S)
            self._report_now_and_then()

    def _collect(self) -> list[dict[str, Any]]:
        until_s, is_hurried = time.monotonic() + self._plan.drain_s + SPARE_S, False
        least: int | None = None
        while time.monotonic() < until_s:
            if self._is_stopping and not is_hurried:
                is_hurried = True
                self._stage.stop(INTERRUPTED_S)
                until_s = time.monotonic() + LEAVING_S
            results = self._stage.results()
            if results is not None:
                self._report()
                return results
            gevent.sleep(LOOK_S)
            self._report_now_and_then()
            left = sum(self._unjudged.values())
            if not is_hurried and (least is None or left < least):
                # What a long load has left to judge takes long, too; a judge that gets on comes to its end.
                least, until_s = left, max(until_s, time.monotonic() + SPARE_S)
        self.note = "not all workers have told all their results"
        return self._stage.told()

    def _report_now_and_then(self) -> None:
        if time.monotonic() >= self._next_s:
            self._next_s += REPORT_S
            self._report()

    def _report(self) -> None:
        ready, failed = self._stage.groups()
        for row in self._stage.seconds():
            # What a worker has told of the time before comes a little later, and is none of the load.
            if row.get("has_begun", True) or not self._has_begun:
                self._unjudged[row.get("worker", "")] = row.get("unjudged_bytes", 0)
                self._tell({**row, "ready": ready, "failed": failed})

    def _tell(self, row: dict[str, Any]) -> None:
        if self._on_row is not None:
            self._on_row(row)
        self._progress.write(msgspec.json.encode({"at_s": round(time.monotonic(), 3), **row}) + b"\n")
