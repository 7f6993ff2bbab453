"""A run as a person reads it: what was checked, its parts, counts by channel and level, findings, advisories, what did not run, the result.

Texts from the endpoint are handed to rich as `Text`, never as markup: frames contain square brackets. Ids are printed on
lines of their own and never broken, so that they can be copied. Nothing depends on colour.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from .exit_codes import ExitCode
from .folding import Cause, Fold, findings_of, fold, reasons_not_run
from .printable import elided, one_line, printable
from .progress import Progress
from .record import LEVELS, RED, CaseResult, Finding, Run, TranscriptEntry, Verdict, tally

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from rich.console import Console, RenderableType

__all__ = ["Progress", "render_summary"]

_STYLES = {
    Verdict.PASS: "green",
    Verdict.FAIL: "bold red",
    Verdict.ADVISORY: "yellow",
    Verdict.INCONCLUSIVE: "magenta",
    Verdict.FLAKY: "bold magenta",
    Verdict.ERROR: "bold red",
    Verdict.NOT_RUN: "dim",
}
#: Two-line headings, so that all columns fit into 80 characters.
_NARROW_HEADINGS = {
    Verdict.ADVISORY: "advi-\nsory",
    Verdict.INCONCLUSIVE: "incon-\nclusive",
    Verdict.NOT_RUN: "not\nrun",
}
_ALWAYS_SHOWN = (Verdict.PASS, Verdict.FAIL)
_ARROWS = {"sent": ">", "received": "<", "opened": "opened", "closed": "closed", "note": ":"}
_RESULTS = {
    ExitCode.CONFORMANT: "conformant",
    ExitCode.FINDINGS: "not conformant",
    ExitCode.USAGE: "wrong usage",
    ExitCode.COULD_NOT_TEST: "could not test",
    ExitCode.INCONCLUSIVE: "inconclusive",
}

_PART = "no finding in the part that was run"
#: The layer below the channels stands above them.
_FIRST_TOPIC = "phoenix"

_NARROW_COLUMNS = 100
_SHOWN_ENTRIES = 30
_SHOWN_CASES = 8
_SHOWN_CAUSES = 5
_OBSERVED_CHARACTERS = 600
_FRAME_LINES = 3
_FRAME_MARGIN_COLUMNS = 32
_INDENT = 6


def render_summary(run: Run, console: Console) -> None:
    """Print a run.

    Args:
        run: A whole run.
        console: Where to; its width, colours and encoding are respected.

    """
    _render_header(run, console)
    _render_phases(run, console)
    if run.cases:
        console.print(_table(run.cases, narrow=console.width < _NARROW_COLUMNS))
    _render_findings(fold(findings_of(run.cases, RED)), console)
    _render_advisories(fold(findings_of(run.cases, (Verdict.ADVISORY,))), console)
    _render_not_run(reasons_not_run(run.cases), console)
    notes = [*run.footer.partial, *([run.footer.note] if run.footer.note else [])]
    if notes:
        console.print()
    for note in notes:
        console.print(Text(note, style="yellow"))
    console.print()
    _unbroken(console, Text(result_sentence(run), style=_result_style(run)))


def result_sentence(run: Run) -> str:
    """Say the result of a run and its exit code in one sentence.

    Passed and failed cases are always named, other verdicts where there are any.

    """
    code = run.footer.exit_code
    result = _RESULTS[ExitCode(code)] if code in set(ExitCode) else "ended abnormally"
    accused = run.footer.counts[Verdict.FAIL] + run.footer.counts[Verdict.FLAKY]
    if code == ExitCode.CONFORMANT and accused:
        result = "nothing but what the baseline names"
    elif code == ExitCode.CONFORMANT and run.footer.partial:
        result = _PART
    elif code == ExitCode.FINDINGS and not accused:
        result = "the baseline does not fit"
    if run.footer.interrupted:
        result = f"interrupted ({result} so far)"
    counts = run.footer.counts
    shown = [verdict for verdict in Verdict if counts[verdict] or verdict in _ALWAYS_SHOWN]
    return f"{result}: {', '.join(_counted(counts[verdict], verdict) for verdict in shown)}; exit code {code}"


def _counted(count: int, verdict: Verdict) -> str:
    words = {Verdict.PASS: "passed", Verdict.FAIL: "failed"}
    plurals = {Verdict.ADVISORY: "advisories", Verdict.ERROR: "errors"}
    label = words.get(verdict, verdict.label)
    return f"{count} {label if count == 1 else plurals.get(verdict, label)}"


def _result_style(run: Run) -> str:
    if run.footer.interrupted:
        return "bold yellow"
    return "bold green" if run.footer.exit_code == ExitCode.CONFORMANT else "bold red"


def _render_header(run: Run, console: Console) -> None:
    header, footer = run.header, run.footer
    _unbroken(console, Text(f"wireproof {header.tool_version}  {header.url}", style="bold"))
    strict = ", strict" if header.strict else ""
    console.print(
        Text(
            f"{header.spec} {header.spec_version}, seed {header.seed}{strict}, {footer.duration_s:.1f} s",
            style="dim",
        )
    )
    for name, filters in (("only", header.include), ("without", header.exclude)):
        if filters:
            console.print(Text(f"{name} {', '.join(filters)}", style="dim"))


def _render_phases(run: Run, console: Console) -> None:
    """Say in two lines or so how each part of the run went."""
    if not run.footer.phases:
        return
    parts = []
    for phase in run.footer.phases:
        count = f" {phase.ran}/{phase.cases}" if phase.cases else ""
        reason = f" ({phase.reason})" if phase.reason else ""
        parts.append(f"{phase.phase}{count}{reason}")
    console.print(Text("phases: " + ", ".join(parts), style="dim"))


def _table(cases: Sequence[CaseResult], *, narrow: bool) -> Table:
    totals = tally(cases)
    levels = [level for level in LEVELS if any(case.level == level for case in cases)]
    verdicts = [verdict for verdict in Verdict if totals[verdict] or verdict in _ALWAYS_SHOWN]
    table = Table(
        box=None, padding=(0, 1, 0, 0) if narrow else (0, 2, 0, 0), header_style="bold", show_footer=True
    )
    table.add_column("channel", "all", overflow="fold", footer_style="bold")
    for level in levels:
        table.add_column(level, _passed_of(cases, level), justify="right", no_wrap=True, footer_style="bold")
    for verdict in verdicts:
        heading = _NARROW_HEADINGS.get(verdict, verdict.label) if narrow else verdict.label
        total = _number(totals[verdict], verdict)
        table.add_column(heading, total, justify="right", no_wrap=True, footer_style="bold")
    for topic in sorted({case.topic for case in cases}, key=lambda name: (name != _FIRST_TOPIC, name)):
        rows = [case for case in cases if case.topic == topic]
        counts = tally(rows)
        table.add_row(
            Text(topic),
            *(_passed_of(rows, level) for level in levels),
            *(_number(counts[verdict], verdict) for verdict in verdicts),
        )
    return table


def _passed_of(cases: Iterable[CaseResult], level: str) -> Text:
    verdicts = [case.verdict for case in cases if case.level == level]
    return Text(f"{verdicts.count(Verdict.PASS)}/{len(verdicts)}" if verdicts else "-")


def _number(count: int, verdict: Verdict) -> Text:
    return Text(str(count), style=_STYLES[verdict]) if count else Text("-", style="dim")


def _render_findings(folds: Sequence[Fold], console: Console) -> None:
    if folds:
        _heading(console, f"Findings: {_requirements(folds)}")
    for number, found in enumerate(folds):
        if number:
            console.print()
        _render_finding(found, console)


def _requirements(folds: Sequence[Fold]) -> str:
    count = len({found.requirement for found in folds})
    return "1 requirement" if count == 1 else f"{count} requirements"


def _render_finding(found: Fold, console: Console) -> None:
    first = found.first
    _unbroken(
        console,
        Text.assemble(
            (f"{first.verdict.label}  ", _STYLES[first.verdict]),
            found.requirement,
            f"  {first.level}, {first.basis}",
        ),
    )
    if first.statement:
        _indented(console, Text(first.statement, style="italic"))
    _render_cause(found.causes[0], console)
    for cause in found.causes[1:_SHOWN_CAUSES]:
        _indented(console, Text("also, in another way"))
        _render_other_cause(cause, console)
    left = len(found.causes) - _SHOWN_CAUSES
    if left > 0:
        _indented(console, Text(f"and in {left} other {'way' if left == 1 else 'ways'}"))


def _render_cause(cause: Cause, console: Console) -> None:
    """Show a cause with the transcripts of its first case."""
    _render_cases(cause, console)
    attempts = cause.attempts
    for finding in attempts:
        if len(attempts) > 1:
            _indented(console, Text(f"attempt {finding.attempt}", style="bold"))
        _indented(console, _expectation(finding))
        if finding.transcript:
            _indented(console, _transcript(finding.transcript, console.width))
    _render_other_cases(cause.cases[1:], console)


def _render_other_cause(cause: Cause, console: Console) -> None:
    _render_cases(cause, console)
    _indented(console, _expectation(cause.first))
    _render_other_cases(cause.cases[1:], console)


def _render_cases(cause: Cause, console: Console) -> None:
    cases = cause.cases
    count = "1 case" if len(cases) == 1 else f"{len(cases)} cases, the first"
    _unbroken(console, Text(f"{' ' * _INDENT}{count}: {cases[0]}"))


def _expectation(finding: Finding) -> RenderableType:
    grid = Table.grid(padding=(0, 2, 0, 0))
    for name, text in (("expected", finding.expected), ("observed", finding.observed)):
        if text:
            grid.add_row(
                Text(name, style="bold"), Text(elided(printable(text), _OBSERVED_CHARACTERS), overflow="fold")
            )
    return grid


def _transcript(entries: Sequence[TranscriptEntry], columns: int) -> RenderableType:
    grid = Table.grid(padding=(0, 1, 0, 0))
    grid.add_column(justify="right", no_wrap=True)
    grid.add_column(no_wrap=True)
    grid.add_column(overflow="fold")
    longest = _FRAME_LINES * max(columns - _FRAME_MARGIN_COLUMNS, _FRAME_MARGIN_COLUMNS)
    if len(entries) > _SHOWN_ENTRIES:
        grid.add_row("", "", Text(f"... {len(entries) - _SHOWN_ENTRIES} earlier entries", style="dim"))
    for entry in entries[-_SHOWN_ENTRIES:]:
        text = Text(elided(one_line(entry.text), longest), overflow="fold")
        grid.add_row(
            Text(f"{entry.at_ms:.1f} ms", style="dim"), Text(f"{entry.who} {_ARROWS[entry.direction]}"), text
        )
    return grid


def _render_other_cases(cases: Sequence[str], console: Console) -> None:
    if not cases:
        return
    _indented(console, Text("also in"))
    for case in cases[:_SHOWN_CASES]:
        _unbroken(console, Text(f"{' ' * _INDENT}  {case}"))
    if len(cases) > _SHOWN_CASES:
        _indented(console, Text(f"  and {len(cases) - _SHOWN_CASES} more"))


def _render_advisories(folds: Sequence[Fold], console: Console) -> None:
    if folds:
        _heading(console, f"Advisories: {_requirements(folds)}")
    for found in folds:
        count = "" if len(found.cases) == 1 else f"  {len(found.cases)} cases"
        _unbroken(console, Text.assemble((found.requirement, _STYLES[Verdict.ADVISORY]), count))
        line = Text(f"{' ' * _INDENT}{one_line(found.first.observed)}")
        if len(line) > console.width:
            line.truncate(console.width - 4)
            line.append(" ...")
        _unbroken(console, line)


def _render_not_run(reasons: Sequence[tuple[str, int]], console: Console) -> None:
    if not reasons:
        return
    _heading(console, "Not run")
    grid = Table.grid(padding=(0, 2, 0, 0))
    grid.add_column(justify="right", no_wrap=True)
    for reason, count in reasons:
        grid.add_row(Text(str(count)), Text(reason, overflow="fold"))
    console.print(grid)


def _heading(console: Console, text: str) -> None:
    console.print()
    console.print(Text(text, style="bold underline"))


def _indented(console: Console, content: RenderableType) -> None:
    console.print(Padding(content, (0, 0, 0, _INDENT), expand=False))


def _unbroken(console: Console, line: Text) -> None:
    console.print(line, soft_wrap=True)
