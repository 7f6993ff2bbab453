"""The command `wireproof selfcheck`."""

from __future__ import annotations

import json
import random
import secrets
import shlex
import sys
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Annotated

import typer
from rich.text import Text

from conformance.budget import seconds_of
from conformance.catalogue import all_cases, select
from conformance.cli import Exclude, Include, Spec, one_line_errors
from conformance.crew import usual_count
from conformance.faults import ConfigurationFaulty
from conformance.ordering import arranged, kill_order
from conformance.selfcheck.invisible import listed
from conformance.selfcheck.judging import Means
from conformance.selfcheck.matrix import Matrix, MatrixFolder
from conformance.selfcheck.run import Plan, run_selfcheck
from conformance.selfcheck.servers import Servers, usual_command
from conformance.selfcheck.terminal import Bar, render_matrix, summary
from conformance.selfcheck.trial import Deviation, Reach
from conformance.selfcheck.trials import Trials, demand_forks
from reports.page import Page, whole_output
from reports.run_folder import default_path
from specs.loader import load

app = typer.Typer()


@app.command()
def selfcheck(
    globs: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[GLOB]...", help="Only these deviations or requirements.", show_default=False
        ),
    ] = None,
    *,
    spec: Spec = None,
    reach: Annotated[
        Reach,
        typer.Option(
            help="Cases to run: those of the requirement up to the kill, all of them, or the whole suite."
        ),
    ] = Reach.KILL,
    include: Include = None,
    exclude: Exclude = None,
    sample: Annotated[int | None, typer.Option(min=1, help="Only so many, chosen by the seed.")] = None,
    seed: Annotated[int, typer.Option(min=0, help="Seed of keys, ids and the sample.")] = 1,
    jobs: Annotated[
        int | None,
        typer.Option("-j", "--jobs", min=1, help="How many at a time; two for each core when absent."),
    ] = None,
    reply_s: Annotated[float, typer.Option(min=0.05, max=60, help="How long to wait for an answer.")] = 1.0,
    suite_budget: Annotated[
        str | None,
        typer.Option(
            metavar="SPAN",
            help="Ask what the suite notices in so little time for each (10s, say): at least four in five.",
        ),
    ] = None,
    silence_s: Annotated[
        float,
        typer.Option(
            min=1, max=86_400, help="How long a case may take until server or suite counts as hanging."
        ),
    ] = 120.0,
    servers: Annotated[
        str | None,
        typer.Option(
            metavar="COMMAND", help="Another program that serves as `wireproof deviations --serve` does."
        ),
    ] = None,
    run_dir: Annotated[Path | None, typer.Option(metavar="DIR", help="Where the run folder goes.")] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="One JSON object on standard output instead of tables.")
    ] = False,
) -> None:
    """Run the suite against every named deviation of the reference server: the kill matrix.

    Judged as with `check --strict`. Exit code: 0 each is killed by the requirement that it breaks, 1 one is not,
    2 wrong usage, 3 could not test: the suite does not pass with an honest server, say.
    """
    with one_line_errors():
        demand_forks()
        api = load(spec)
        suite = select(all_cases(api), include or [], exclude or [])
        budget_s = None if suite_budget is None else seconds_of(suite_budget)
        if budget_s is not None:
            suite = arranged(suite, kill_order(), across_phases=True)
        command = usual_command(spec, seed) if servers is None else _split(servers)
        means = Means(api, secrets.token_urlsafe(24), seed, reply_s)
        count = jobs or usual_count()
        with Servers(command, means.token) as fleet:
            known = fleet.deviations
            chosen = sampled(chosen_from(known.values(), globs or []), sample, seed)
            folder = MatrixFolder(run_dir or default_path(datetime.now(UTC)))
            plan = Plan(
                api,
                suite,
                list(known),
                chosen,
                reach,
                seed,
                count,
                reply_s,
                exceptions=listed(),
                are_exceptions_whole=spec is None and servers is None,
                budget_s=budget_s,
            )
            trials = Trials(fleet, means, jobs=count, silence_s=silence_s)
            with Bar(quiet=as_json) as bar:
                matrix = run_selfcheck(plan, trials, folder, bar)
    code = matrix.footer.exit_code if matrix.footer else 0
    with whole_output(code):
        _show(matrix, folder.path, as_json=as_json)
    raise typer.Exit(code)


def chosen_from(deviations: Iterable[Deviation], globs: Sequence[str]) -> list[Deviation]:
    """Choose deviations by globs over their names and the requirement that each is about; all where there is no glob.

    Raises:
        ConfigurationFaulty: If a glob matches none.

    """
    known = list(deviations)
    for glob in globs:
        if not any(_matches(one, glob) for one in known):
            raise ConfigurationFaulty(
                f"no deviation or requirement matches {glob!r}; `wireproof deviations` lists them"
            )
    return [one for one in known if not globs or any(_matches(one, glob) for glob in globs)]


def sampled(deviations: list[Deviation], count: int | None, seed: int) -> list[Deviation]:
    """Return so many of them, the same for the same seed."""
    if count is None or count >= len(deviations):
        return deviations
    return random.Random(seed).sample(deviations, count)  # noqa: S311 - nothing secret is chosen


def _matches(deviation: Deviation, glob: str) -> bool:
    return any(fnmatchcase(name, glob) for name in (deviation.name, deviation.requirement))


def _split(command: str) -> list[str]:
    try:
        words = shlex.split(command)
    except ValueError as exc:
        raise ConfigurationFaulty(f"--servers: {exc}") from exc
    if not words:
        raise ConfigurationFaulty("--servers names no command")
    return words


def _show(matrix: Matrix, folder: Path, *, as_json: bool) -> None:
    if as_json:
        print(json.dumps(summary(matrix, str(folder)), indent=2), flush=True)  # noqa: T201 - what the user asked for
        return
    console = Page()
    render_matrix(matrix, console)
    console.print(Text(f"Run folder: {folder}"), soft_wrap=True)
    sys.stdout.flush()
