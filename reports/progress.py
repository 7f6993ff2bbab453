"""What a person sees while a run lasts: a bar on standard error, or nothing."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from rich import progress
from rich.console import Console
from rich.markup import escape

from .record import Verdict

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

_REFRESH_S: Final = 0.1


class Progress:
    """A progress bar with the current topic and how many passed and failed. A context manager.

    It shows nothing where the console is not a terminal or `quiet` is set, and leaves nothing behind. It never writes to
    standard output, nor gets in the way of what others write there.

    Args:
        total: Number of cases that will be reported.
        quiet: Show nothing.
        console: Where to draw; standard error if `None`.

    """

    def __init__(self, total: int, *, quiet: bool = False, console: Console | None = None) -> None:
        console = console or Console(stderr=True)
        self._passed = self._failed = 0
        self._drawn_s = 0.0
        self._bar = progress.Progress(
            progress.TextColumn("{task.description}"),
            progress.BarColumn(),
            progress.MofNCompleteColumn(),
            progress.TextColumn(
                "[green]{task.fields[passed]} passed[/] [red]{task.fields[failed]} failed[/]"
            ),
            progress.TimeElapsedColumn(),
            console=console,
            disable=quiet or not console.is_terminal,
            transient=True,
            # No thread: the processes that run cases are forked from this one.
            auto_refresh=False,
            redirect_stdout=False,
            redirect_stderr=False,
        )
        self._task = self._bar.add_task("", total=total, passed=0, failed=0)

    @property
    def is_shown(self) -> bool:
        """Whether anything is drawn."""
        return not self._bar.disable

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.stop()

    def topic(self, name: str) -> None:
        """Show the topic that is being checked."""
        self._bar.update(self._task, description=escape(name))

    def advance(self, verdict: Verdict) -> None:
        """Count one more case."""
        self._passed += verdict is Verdict.PASS
        self._failed += verdict is Verdict.FAIL
        self._bar.update(self._task, advance=1, passed=self._passed, failed=self._failed)

    def refresh(self) -> None:
        """Draw anew, where the last drawing is old enough."""
        now_s = time.monotonic()
        if self.is_shown and now_s - self._drawn_s >= _REFRESH_S:
            self._drawn_s = now_s
            self._bar.refresh()
