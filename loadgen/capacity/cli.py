"""The command `wireproof capacity`."""

from __future__ import annotations

import json
import math
import os
import random
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.text import Text

from loadgen import options
from loadgen.arrivals import span_s
from loadgen.capacity.search import Search
from loadgen.capacity.terminal import render, step_line
from loadgen.cli import new_folder, one_line_errors, plan_of, target_of
from loadgen.faults import ConfigurationFaulty
from loadgen.plan import LEAST_PER_S, MOST_PER_S, PlanFile, read_plan_file
from loadgen.progress import Progress
from reports.page import Page, whole_output

if TYPE_CHECKING:
    from collections.abc import Callable

    from loadgen.capacity.answer import Answer
    from loadgen.capacity.step import Step
    from loadgen.objectives import Objective
    from loadgen.plan import Plan
    from loadgen.target import Target

app = typer.Typer()

DEFAULT_OBJECTIVES = ("error_share(*) < 0.1%",)


@app.command(name="capacity")
def capacity(
    url: options.Url = None,
    scenario: options.Scenario = None,
    agents: options.Agents = None,
    plan: options.PlanPath = None,
    objective: options.Objectives = None,
    parameter: options.Parameters = None,
    first: Annotated[
        float,
        typer.Option("--from", min=LEAST_PER_S, max=MOST_PER_S, help="Arrivals a second to begin with."),
    ] = 50.0,
    most: Annotated[
        float, typer.Option("--to", min=LEAST_PER_S, max=MOST_PER_S, help="Try no more a second.")
    ] = 100_000.0,
    precision: Annotated[
        float, typer.Option(min=0.001, max=0.5, help="How near to the edge, as a share.")
    ] = 0.02,
    repeats: Annotated[
        int, typer.Option(min=1, help="How often each side of the edge is tried at most.")
    ] = 3,
    shortest_step: Annotated[
        str, typer.Option(metavar="TIME", help="A step lasts at least so long.")
    ] = "10s",
    longest_step: Annotated[
        str, typer.Option(metavar="TIME", help="And at most so long, even if a percentile needs more.")
    ] = "2m",
    knee_factor: Annotated[
        float,
        typer.Option(min=1.0, max=1000.0, help="How often the p99 of the lowest step ends at the knee."),
    ] = 3.0,
    at_least: Annotated[
        float | None,
        typer.Option(min=0.0, max=MOST_PER_S, metavar="RATE", help="Exit code 1 where the capacity is less."),
    ] = None,
    agents_per_user: options.AgentsPerUser = None,
    connections_per_s: options.ConnectionsPerS = None,
    processes: options.Processes = 1,
    control: options.Control = None,
    control_token: options.ControlToken = None,
    provision: options.Provision = "control",
    ca: options.Ca = None,
    spec: options.Spec = None,
    seed: options.Seed = None,
    judge: options.Judge = True,
    i_own_this_target: options.Owned = False,
    run_dir: options.RunDir = None,
    as_json: options.AsJson = False,
) -> None:
    """Search the largest load at which the objectives hold: steps, then bisection, repeated near the edge.

    A step lasts long enough for the percentile that is judged: 100 samples beyond it, 10,000 in all for the 99th. Whatever the objectives,
    a load holds only if 98% of what is offered is begun and answered by ok. Exit code: 0 found, 1 less than --at-least or no load holds, 2
    wrong usage or configuration, 3 could not test, 4 the generator was the bottleneck, or agents were too few at every load.
    """
    flags = dict(locals()) | {"arrivals": None, "duration": None}
    with one_line_errors():
        written = read_plan_file(plan)
        chosen = random.SystemRandom().randrange(2**32) if seed is None else seed
        made = plan_of(flags, written, chosen)
        objectives = _objectives(made, written, objective or [])
        spans = _spans(flags)
        folder = new_folder(run_dir)
        with target_of(url or written.url, flags, written, chosen) as target:
            answer = _sought(made, objectives, target, flags, spans, folder)
            answer = replace(answer, asked_per_s=at_least)
    _write(answer, folder)
    with whole_output(answer.exit_code):
        _show(answer, folder, as_json=as_json)
    raise typer.Exit(answer.exit_code)


def _objectives(plan: Plan, written: PlanFile, given: list[str]) -> list[Objective]:
    try:
        from loadgen.nameable import refuse_unknown
        from loadgen.objectives import parse_objective
        from loadgen.users import refuse_unplayable
    except ImportError as fault:
        raise ConfigurationFaulty(f"{fault.name} is missing: pip install 'wireproof[load]'") from fault
    refuse_unplayable(plan)
    parsed = [parse_objective(text) for text in [*written.objectives, *given] or DEFAULT_OBJECTIVES]
    refuse_unknown(parsed, plan, is_open=True)
    return parsed


def _spans(flags: dict[str, Any]) -> tuple[float, float]:
    shortest_s, longest_s = span_s(flags["shortest_step"]), span_s(flags["longest_step"])
    if not 1 <= shortest_s <= longest_s:
        raise ConfigurationFaulty("--shortest-step must be at least 1s, and no longer than --longest-step")
    if not flags["first"] < math.inf:
        raise ConfigurationFaulty("--from must be finite")
    if flags["first"] > flags["most"]:
        raise ConfigurationFaulty("--from must be no more than --to")
    return shortest_s, longest_s


def _sought(
    plan: Plan,
    objectives: list[Objective],
    target: Target,
    flags: dict[str, Any],
    spans: tuple[float, float],
    folder: Path,
) -> Answer:
    from loadgen.capacity.seeking import Seeking

    console = Console(stderr=True)
    quiet = flags["as_json"]

    def on_step(step: Step) -> None:
        if not quiet:
            console.print(step_line(step), soft_wrap=True)

    def watch(step_plan: Plan) -> tuple[Progress, Callable[[dict[str, Any]], object]]:
        progress = Progress(step_plan, quiet=quiet, console=console)
        return progress, progress.row

    search = Search(flags["first"], flags["most"], precision=flags["precision"], repeats=flags["repeats"])
    seeking = Seeking(plan, search, objectives, target, *spans, flags["knee_factor"], on_step, watch)
    return seeking.run(folder)


def _write(answer: Answer, folder: Path) -> None:
    from loadgen.run_folder import CAPACITY_FILE

    (folder / CAPACITY_FILE).write_text(_text(answer) + "\n", encoding="utf-8")


def _text(answer: Answer) -> str:
    return json.dumps(answer.to_json(), indent=2)


def _show(answer: Answer, folder: Path, *, as_json: bool) -> None:
    if as_json:
        print(_text(answer), flush=True)  # noqa: T201 - what the user asked for
        return
    console = Page(width=None if os.isatty(1) else 160)
    render(answer.to_json(), console)
    console.print(Text(f"Run folder: {folder}"), soft_wrap=True)
    sys.stdout.flush()
