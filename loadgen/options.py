"""Options that commands of this room have in common."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from loadgen.plan import LEAST_PER_S, MOST_PER_S, TOKEN_VARIABLE

Url = Annotated[str | None, typer.Argument(help="ws:// or wss://; without it an own reference server.")]
Scenario = Annotated[str | None, typer.Option(help="Name of a scenario, or a Python file with one.")]
Agents = Annotated[int | None, typer.Option(min=1, help="How many agents in all.")]
PlanPath = Annotated[Path | None, typer.Option(metavar="FILE", help="Plan (TOML); flags stand above it.")]
Objectives = Annotated[
    list[str] | None,
    typer.Option(
        "--objective",
        metavar="TEXT",
        help="Such as 'p99(task.*) < 250ms'. * stands for the scenario's pushes, in errors(*) for everything; acts, joins, connects and signing count elsewhere where they are named: 'p99(*.phx_join) < 1s'. What was not answered by ok, or lost, is slower than any limit in percentiles and max.",
    ),
]
Parameters = Annotated[
    list[str] | None, typer.Option("--set", metavar="NAME=VALUE", help="A parameter of the scenario.")
]
AgentsPerUser = Annotated[int | None, typer.Option(min=1, help="Agents that one Locust user is.")]
ConnectionsPerS = Annotated[
    float | None,
    typer.Option(min=LEAST_PER_S, max=MOST_PER_S, help="Ceiling of connections opened a second."),
]
Processes = Annotated[int, typer.Option(min=1, help="Processes of the generator.")]
Control = Annotated[str | None, typer.Option(metavar="URL", help="The control socket, if elsewhere.")]
ControlToken = Annotated[
    str | None, typer.Option(envvar=TOKEN_VARIABLE, show_envvar=True, help="Operator's token.")
]
Provision = Annotated[str, typer.Option(help="control; invented: for a server that takes anything.")]
Ca = Annotated[Path | None, typer.Option(metavar="FILE", help="Certificates to trust (PEM).")]
Spec = Annotated[Path | None, typer.Option(metavar="DIR", help="Another set of documents.")]
Seed = Annotated[int | None, typer.Option(min=0, help="Seed of keys, ids and draws; random when absent.")]
Judge = Annotated[bool, typer.Option(help="Judge all that is observed by the requirements.")]
Owned = Annotated[
    bool,
    typer.Option(
        "--i-own-this-target",
        help="The target is mine, though it is another machine; in a plan this is said of the URL beside it.",
    ),
]
RunDir = Annotated[Path | None, typer.Option(metavar="DIR", help="Where the run folder goes.")]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON object on standard output.")]
