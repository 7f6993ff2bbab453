"""Standard output, whatever becomes of it while a report is written: the result of a run does not hang on who reads it."""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import TYPE_CHECKING

import typer
from rich.console import Console

if TYPE_CHECKING:
    from collections.abc import Iterator


class Page(Console):
    """A console that leaves it to its caller what a reader who has gone means."""

    def on_broken_pipe(self) -> None:
        """Raise instead of ending the process."""
        raise BrokenPipeError


@contextmanager
def whole_output(code: int) -> Iterator[None]:
    """Write a report; a reader that has gone changes nothing of the result, any other failure is said in one line.

    Args:
        code: Exit code of the result, with which the command ends where the report cannot be written.

    Raises:
        typer.Exit: With that code, if the report cannot be written.

    """
    try:
        yield
    except OSError as exc:
        # Nothing more can be written there, not even by the interpreter when it ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        if not isinstance(exc, BrokenPipeError):
            typer.echo(f"wireproof: the report cannot be written: {exc.strerror}", err=True)
        raise typer.Exit(code) from exc
