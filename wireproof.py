"""The door: the command `wireproof`, which mounts each package's own commands."""

from __future__ import annotations

import typer

from conformance.cli import app as conformance_commands
from reference_server.cli import app as server_commands

app = typer.Typer(
    name="wireproof",
    help="Protocol conformance and load testing for Phoenix Channels servers.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=True,
)
app.add_typer(conformance_commands)
app.add_typer(server_commands)


def main() -> None:
    """Run the command line."""
    app()


if __name__ == "__main__":
    main()
