"""The door: the command `wireproof`, which mounts each package's own commands."""

from __future__ import annotations

import signal
import threading

# Until `main` can deal with it, Ctrl-C ends the command without a traceback: the imports below take a while.
_IS_PYTHONS = signal.getsignal(signal.SIGINT) is signal.default_int_handler
_IS_DEFERRED = _IS_PYTHONS and threading.current_thread() is threading.main_thread()
if _IS_DEFERRED:
    signal.signal(signal.SIGINT, signal.SIG_DFL)

# ruff: noqa: E402
import io
import os
import sys
import traceback
from importlib import metadata
from pathlib import Path
from typing import Annotated

import typer
from typer.main import get_command

USAGE_EXIT_CODE = 2
FAULT_EXIT_CODE = 3
INTERRUPTED_EXIT_CODE = 130
DEBUG_VARIABLE = "WIREPROOF_DEBUG"
ROOMS = frozenset({"conformance", "loadgen", "reference_server", "reports", "specs"})

if _IS_DEFERRED:
    signal.signal(signal.SIGINT, signal.default_int_handler)


def build_app() -> typer.Typer:
    """Return the command with the commands of all rooms."""
    # Here, so that Ctrl-C while they are read is dealt with like any other.
    from conformance.cli import app as conformance_commands
    from conformance.replay import app as replay_commands
    from conformance.selfcheck.cli import app as selfcheck_command
    from loadgen.capacity.cli import app as capacity_commands
    from loadgen.cli import app as load_commands
    from loadgen.comparison.cli import app as comparison_commands
    from reference_server.cli import app as server_commands
    from reference_server.listing import app as deviation_commands

    app = typer.Typer(name="wireproof", no_args_is_help=True, pretty_exceptions_enable=False)
    app.callback()(_options)
    app.add_typer(conformance_commands)
    app.add_typer(replay_commands)
    app.add_typer(selfcheck_command)
    app.add_typer(load_commands)
    app.add_typer(capacity_commands)
    app.add_typer(comparison_commands)
    app.add_typer(server_commands)
    app.add_typer(deviation_commands)
    return app


def _print_version(is_asked: bool) -> None:
    if is_asked:
        try:
            typer.echo(f"wireproof {metadata.version('wireproof')}")
        except metadata.PackageNotFoundError:
            typer.echo("wireproof, not installed: running from a checkout")
        raise typer.Exit


def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """Protocol conformance and load testing for Phoenix Channels servers."""


def main() -> None:
    """Run the command line; a usage error is one line on standard error and exit code 2, a fault of our own one and 3."""
    _demand_streams()
    hook = sys.excepthook
    try:
        # Called itself, the app would take over what becomes of uncaught exceptions.
        code = get_command(build_app())(prog_name="wireproof", standalone_mode=False)
    except typer.TyperException as exc:
        context = getattr(exc, "ctx", None)
        command = context.command_path if context else "wireproof"
        message = " ".join(exc.format_message().split())
        if message:
            typer.echo(f"{command}: {message} (see `{command} --help`)", err=True)
        code = USAGE_EXIT_CODE
    except (typer.Abort, KeyboardInterrupt):
        code = INTERRUPTED_EXIT_CODE
    except Exception as exc:  # noqa: BLE001 - whatever it is, it is told and has a code of ours
        # By Python's own exit code something would have been found, or a ledger could not be written.
        code = FAULT_EXIT_CODE
        if sys.excepthook is hook:
            _tell(exc)
        else:
            # A server that runs writes it into its log.
            sys.excepthook(type(exc), exc, exc.__traceback__)
    sys.exit(code)


def _demand_streams() -> None:
    """Let standard output and error be there, and show in place of a character that they lack how it is written."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            # It takes the descriptor that was closed, so that no file of ours becomes the standard output.
            setattr(sys, name, os.fdopen(os.open(os.devnull, os.O_WRONLY), "w", encoding="utf-8"))
        elif isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _tell(exc: Exception) -> None:
    """Say in one line what went wrong; what an exception says may hold credentials, and is shown to who asks for it."""
    if os.environ.get(DEBUG_VARIABLE):
        traceback.print_exception(exc)
    if isinstance(exc, OSError) and exc.strerror:
        of = f": {exc.filename}" if exc.filename else ""
        typer.echo(f"wireproof: cannot go on: {exc.strerror}{of}", err=True)
        return
    frames = [(Path(frame.filename), frame.lineno) for frame in traceback.extract_tb(exc.__traceback__)]
    own = [f"{path.parent.name}/{path.name}:{line}" for path, line in frames if ROOMS & {*path.parts}]
    where = f" at {own[-1]}" if own else ""
    told = f"internal error: {type(exc).__name__}{where}; please report it with what {DEBUG_VARIABLE}=1 shows"
    typer.echo(f"wireproof: {told}", err=True)


if __name__ == "__main__":
    main()
