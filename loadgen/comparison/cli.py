"""The command `wireproof compare`."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table
from rich.text import Text

from loadgen import options
from loadgen.cli import one_line_errors
from loadgen.faults import ConfigurationFaulty
from reports.page import Page, whole_output

if TYPE_CHECKING:
    from rich.console import Console

    from loadgen.comparison.comparing import Comparison

app = typer.Typer()

STYLES = {"worse": "red", "better": "green", "slight": "yellow", "noise": "dim"}


@app.command(name="compare")
def compare_(
    base: Annotated[Path, typer.Argument(metavar="RUN", help="Folder of the run that it was.")],
    other: Annotated[Path, typer.Argument(metavar="RUN", help="Folder of the run that it is.")],
    confidence: Annotated[
        float, typer.Option(min=0.5, max=0.9999, help="That nothing is called different by chance.")
    ] = 0.95,
    tolerance: Annotated[
        float,
        typer.Option(min=0.0, max=1000.0, help="Share of the base below which a difference does not matter."),
    ] = 0.05,
    show_all: Annotated[bool, typer.Option("--all", help="Show what is noise, too.")] = False,
    as_json: options.AsJson = False,
) -> None:
    """Compare two runs of `wireproof load`: what differs, and what is noise.

    The confidence is that of all intervals together. Exit code: 0 nothing is worse, 1 something is, 2 wrong usage, 4
    latency, or any push, could not be compared.
    """
    with one_line_errors():
        try:
            from loadgen.comparison.comparing import compare, to_json
            from loadgen.comparison.runs import read_run
        except ImportError as fault:
            raise ConfigurationFaulty(f"{fault.name} is missing: pip install 'wireproof[load]'") from fault
        comparison = compare(read_run(base), read_run(other), confidence, tolerance)
    with whole_output(comparison.exit_code):
        if as_json:
            print(json.dumps(to_json(comparison), indent=2), flush=True)  # noqa: T201 - what the user asked for
        else:
            _render(comparison, Page(width=None if os.isatty(1) else 160), show_all=show_all)
            sys.stdout.flush()
    raise typer.Exit(comparison.exit_code)


def _render(comparison: Comparison, console: Console, *, show_all: bool) -> None:
    for note in comparison.notes:
        console.print(Text(f"note: {note}", style="yellow"), soft_wrap=True)
    shown = [each for each in comparison.differences if show_all or each.verdict != "noise"]
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("figure", no_wrap=True)
    for name in ("base", "other", "difference", f"{comparison.confidence:.0%} interval"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("verdict")
    for each in shown:
        interval = "" if each.low is None else f"{each.low:+.3g} to {each.high:+.3g} {each.unit}"
        table.add_row(
            each.name,
            f"{each.base:.4g} {each.unit}",
            f"{each.other:.4g} {each.unit}",
            f"{each.other - each.base:+.3g} {each.unit}",
            interval,
            Text(each.verdict, style=STYLES[each.verdict]),
        )
    if shown:
        console.print(table)
    for untold in comparison.untold:
        console.print(Text(f"cannot tell: {untold}", style="bold yellow"), soft_wrap=True)
    counts = {name: sum(each.verdict == name for each in comparison.differences) for name in STYLES}
    told = ", ".join(f"{count} {name}" for name, count in counts.items())
    console.print(
        Text(f"{len(comparison.differences)} figures compared: {told}", style="bold"), soft_wrap=True
    )
