"""What a person sees of a self-check: a bar while it lasts, then the counts and every deviation that was not killed as it should."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from types import TracebackType
from typing import Any, Self

from rich import progress
from rich.console import Console
from rich.table import Table
from rich.text import Text

from conformance.selfcheck.matrix import Matrix, MatrixRow, tally
from conformance.selfcheck.trial import Fate
from reports.printable import printable

HEADINGS = {
    Fate.KILLED: "killed",
    Fate.BY_OTHERS: "by others",
    Fate.SILENT: "silent",
    Fate.INVISIBLE: "invisible",
    Fate.UNTESTED: "untested",
}
EXPLAINED = {
    Fate.SILENT: "Silent: the suite saw nothing",
    Fate.BY_OTHERS: "Killed by checks of other requirements only",
    Fate.UNTESTED: "Could not be tested",
    Fate.INVISIBLE: "No change visible to a client, as a listed proof says",
}


class Bar:
    """A progress bar on standard error. A context manager.

    It shows nothing where that is not a terminal or `quiet` is set. No thread draws it: judges are forked meanwhile.
    """

    def __init__(self, *, quiet: bool = False, console: Console | None = None) -> None:
        console = console or Console(stderr=True)
        self._good = self._bad = 0
        self._bar = progress.Progress(
            progress.TextColumn("{task.description}"),
            progress.BarColumn(),
            progress.MofNCompleteColumn(),
            progress.TextColumn("[green]{task.fields[good]} good[/] [red]{task.fields[bad]} not[/]"),
            progress.TimeElapsedColumn(),
            console=console,
            disable=quiet or not console.is_terminal,
            transient=True,
            auto_refresh=False,
            redirect_stdout=False,
            redirect_stderr=False,
        )
        self._task = self._bar.add_task("", total=None, good=0, bad=0)

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.stop()

    def expect(self, what: str, count: int) -> None:
        """Begin anew, with so many things to come."""
        self._bar.reset(self._task, total=count, description=what)
        self.tick()

    def control(self) -> None:
        """Count an honest server."""
        self._bar.update(self._task, advance=1)
        self.tick()

    def row(self, row: MatrixRow, *, is_good: bool) -> None:
        """Count a deviation."""
        self._good += is_good
        self._bad += not is_good
        self._bar.update(self._task, advance=1, good=self._good, bad=self._bad, description=row.deviation)
        self.tick()

    def tick(self) -> None:
        """Draw it."""
        if not self._bar.disable:
            self._bar.refresh()


def render_matrix(matrix: Matrix, console: Console) -> None:
    """Print the counts, and every deviation that was not killed by the requirement that it breaks."""
    header = matrix.header
    title = f"{header.spec} {header.spec_version}, {header.chosen} of {header.catalogue} deviations"
    how = f"reach {header.reach.value}" if header.budget_s is None else f"{header.budget_s:g} s each"
    console.print(Text(f"{title}, {header.cases} cases, seed {header.seed}, {how}"), soft_wrap=True)
    console.print(_counts(matrix.rows))
    if header.budget_s is None:
        _print_lists(console, matrix.rows)
    else:
        share = f"{matrix.seen_share():.1%}"
        console.print(Text(f"\nNoticed within {header.budget_s:g} s: {share} of those tried"))
    footer = matrix.footer
    if footer is None:
        return
    for fault in footer.faults:
        console.print(Text(f"\nExceptions: {fault}", style="red"), soft_wrap=True)
    told = ", ".join(f"{count} {fate}" for fate, count in footer.counts.items() if count) or "nothing tried"
    note = f"; {footer.note}" if footer.note else ""
    interrupted = "interrupted; " if footer.interrupted else ""
    end = f"{interrupted}{told}{note}; {footer.duration_s:.1f} s, exit code {footer.exit_code}"
    console.print(Text(f"\n{end}"), soft_wrap=True)


def _print_lists(console: Console, rows: list[MatrixRow]) -> None:
    for fate, heading in EXPLAINED.items():
        _print_rows(console, heading, [row for row in rows if row.fate is fate and not row.is_stale])
    _print_rows(console, "Listed as exceptions, but seen", [row for row in rows if row.is_stale])


def _counts(rows: Iterable[MatrixRow]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("requirements", no_wrap=True)
    for heading in ("tried", *HEADINGS.values()):
        table.add_column(heading, justify="right", no_wrap=True)
    areas: dict[str, list[MatrixRow]] = defaultdict(list)
    for row in rows:
        areas[row.requirement.partition("/")[0]].append(row)
    whole = [row for area in areas.values() for row in area]
    for area, own in [*sorted(areas.items()), ("all", whole)]:
        counts = tally(own)
        cells = [str(counts[fate.value] or "-") for fate in HEADINGS]
        table.add_row(area, str(len(own)), *cells, style="bold" if own is whole else None)
    return table


def _print_rows(console: Console, heading: str, rows: list[MatrixRow]) -> None:
    if not rows:
        return
    console.print(Text(f"\n{heading}", style="bold"))
    for row in sorted(rows, key=lambda row: row.deviation):
        by = f" by {row.case}" if row.case else ""
        line = f"  ({row.requirement}){by}: {row.observed}"
        console.print(
            Text(row.deviation, style="bold").append(printable(line), style="not bold"), soft_wrap=True
        )


def summary(matrix: Matrix, folder: str) -> dict[str, Any]:
    """Return a matrix as programs read it; what each case came to is in the folder."""
    return {
        **matrix.header.model_dump(mode="json", exclude={"type", "format"}),
        **(matrix.footer.model_dump(mode="json", exclude={"type"}) if matrix.footer else {}),
        "deviations": [
            row.model_dump(mode="json", exclude={"type", "cases"})
            for row in sorted(matrix.rows, key=lambda row: row.deviation)
        ],
        "run_folder": folder,
    }
