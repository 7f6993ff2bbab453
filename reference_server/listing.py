"""The command `wireproof deviations`: what the reference server can be told to do wrong."""

from __future__ import annotations

import json
import os
import sys
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer
from rich.console import Console
from rich.text import Text

from reference_server.deviations.catalogue import UnknownDeviation, catalogue, select
from reference_server.fleet import Fleet, as_row
from specs.loader import DocumentsInvalid, load

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from reference_server.deviations.deviation import Deviation
    from specs.model import Api

USAGE_EXIT_CODE = 2
_HEADINGS = ("deviation", "breaks", "what a client would see")

app = typer.Typer(add_completion=False)


@app.command("deviations")
def deviations_command(
    *,
    spec: Annotated[
        Path | None, typer.Option("--spec", metavar="DIR", help="Another set of documents.")
    ] = None,
    include: Annotated[
        list[str] | None,
        typer.Option("--include", metavar="GLOB", help="Only these deviations or requirements."),
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="One JSON object on standard output instead of a table.")
    ] = False,
    serve: Annotated[
        bool,
        typer.Option(
            "--serve",
            help="Start servers with any of them as JSON lines on standard input ask for (`reference_server/fleet.py`).",
        ),
    ] = False,
    seed: Annotated[
        int | None, typer.Option(help="Makes ids and credentials of --serve reproducible.")
    ] = None,
    control_token: Annotated[
        str | None,
        typer.Option(
            envvar="WIREPROOF_CONTROL_TOKEN",
            show_envvar=True,
            help="What the control sockets of --serve demand.",
        ),
    ] = None,
) -> None:
    """List the faults that `wireproof serve --deviate NAME` can have, each with the requirement that it breaks."""
    try:
        api = load(spec)
        chosen = select(catalogue(api).values(), include or [])
    except DocumentsInvalid as exc:
        _refuse(*exc.lines)
    except UnknownDeviation as exc:
        _refuse(str(exc))
    if serve:
        _serve(api, seed, control_token)
        return
    with _whole_output():
        print_json(chosen) if as_json else print_table(chosen)


def print_json(chosen: Sequence[Deviation]) -> None:
    """Print the deviations as one JSON object."""
    print(json.dumps({"deviations": [as_row(one) for one in chosen]}, indent=2), flush=True)  # noqa: T201 - what the user asked for


def print_table(chosen: Sequence[Deviation]) -> None:
    """Print a line for each deviation; a terminal that is too narrow wraps it, a file gets it whole."""
    console = _Page()
    rows = [(one.name, one.breaks[0], one.shows) for one in chosen]
    widths = [max(len(row[column]) for row in [_HEADINGS, *rows]) for column in (0, 1)]
    for row in (_HEADINGS, *rows):
        style = "bold" if row is _HEADINGS else ""
        name, requirement = (text.ljust(width) for text, width in zip(row, widths, strict=False))
        line = Text(name, style="bold").append(f"  {requirement}  {row[2]}", style=style or "not bold")
        console.print(line, soft_wrap=True)
    generated = sum(one.is_generated for one in chosen)
    told = f"{len(chosen)} deviations: {generated} derived from the documents, {len(chosen) - generated} written by hand"
    console.print(Text(f"\n{told}"), soft_wrap=True)
    sys.stdout.flush()


def _serve(api: Api, seed: int | None, control_token: str | None) -> None:
    if not hasattr(os, "fork"):
        _refuse("--serve needs a system that can fork processes")
    with suppress(BrokenPipeError):
        Fleet(api, seed, control_token).serve()


class _Page(Console):
    """A console that leaves it to its caller what a reader who has gone means."""

    def on_broken_pipe(self) -> None:
        """Raise instead of ending the process."""
        raise BrokenPipeError


@contextmanager
def _whole_output() -> Iterator[None]:
    """Write a list; a reader that has gone is content with what it has, any other failure is said in one line."""
    try:
        yield
    except OSError as exc:
        # Nothing more can be written there, not even by the interpreter when it ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        if not isinstance(exc, BrokenPipeError):
            _refuse(f"the list cannot be written: {exc.strerror}")


def _refuse(*lines: str) -> NoReturn:
    for line in lines:
        typer.echo(f"wireproof deviations: {' '.join(line.split())}", err=True)
    raise typer.Exit(USAGE_EXIT_CODE)
