"""What a person sees while a load goes on: one line on standard error, or nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rich import progress
from rich.console import Console

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

    from loadgen.plan import Plan


class Progress:
    """The phase, the time that has passed of it, and the rates of the latest second. A context manager.

    It shows nothing where standard error is no terminal or `quiet` is set.
    """

    def __init__(self, plan: Plan, *, quiet: bool = False, console: Console | None = None) -> None:
        console = console or Console(stderr=True)
        self._plan = plan
        self._began_s: float | None = None
        self._is_over = False
        self._unjudged = 0
        self._bar = progress.Progress(
            progress.TextColumn("{task.description}"),
            progress.BarColumn(),
            progress.TextColumn("{task.fields[told]}"),
            progress.TimeElapsedColumn(),
            console=console,
            disable=quiet or not console.is_terminal,
            transient=True,
        )
        self._task = self._bar.add_task("connecting", total=plan.agents, told="")

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.stop()

    def row(self, row: dict[str, Any]) -> None:
        """Take a row of the conductor's progress."""
        phase = row.get("phase")
        if phase == "load":
            self._began_s = row["at_s"]
            self._bar.update(self._task, description="load", total=self._plan.duration_s, completed=0)
        elif phase == "drain":
            self._is_over = True
            self._bar.reset(self._task, total=1, description="waiting for what is under way")
        elif row.get("is_judging"):
            self._judged(row["unjudged_bytes"])
        elif "events" in row and not self._is_over:
            self._second(row)

    def _second(self, row: dict[str, Any]) -> None:
        ok = sum(event["ok"] for event in row["events"])
        errors = sum(event["errors"] for event in row["events"])
        told = f"{row['connections']} connected, {ok}/s answered, {errors}/s errors, generator {row['health']['cpu']:.0%}"
        done = row["connections"] if self._began_s is None else row["at_s"] - self._began_s
        self._bar.update(self._task, completed=done, told=told)

    def _judged(self, left: int) -> None:
        self._unjudged = max(self._unjudged, left, 1)
        self._bar.update(
            self._task,
            description="judging what was seen",
            total=self._unjudged,
            completed=self._unjudged - left,
            told=f"{left / 2**20:.0f} MiB left",
        )
