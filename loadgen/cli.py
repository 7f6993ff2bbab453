"""The command `wireproof load`; what needs the extra `load` is imported only once it is called."""

from __future__ import annotations

import json
import os
import random
import signal
import socket
import sys
from contextlib import contextmanager, nullcontext
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer
from rich.text import Text

from loadgen import options
from loadgen.arrivals import SYNTAX as ARRIVALS
from loadgen.arrivals import parse_arrivals, span_s
from loadgen.faults import CannotTest, ConfigurationFaulty
from loadgen.live_metrics import LiveMetrics
from loadgen.machines import master_at, work_for
from loadgen.plan import TOKEN_VARIABLE, Plan, PlanFile, read_plan_file
from loadgen.progress import Progress
from loadgen.target import Target, checked_url, host_of, own_server
from loadgen.terminal import render
from reports.page import Page, whole_output
from reports.run_folder import RunFolderError
from specs.loader import DocumentsInvalid

if TYPE_CHECKING:
    from collections.abc import Iterator

    from loadgen.command import Errand
    from loadgen.results import Results

app = typer.Typer()

USAGE_EXIT_CODE = 2
COULD_NOT_TEST_EXIT_CODE = 3


@app.command(name="load")
def load_(
    url: options.Url = None,
    scenario: options.Scenario = None,
    agents: options.Agents = None,
    arrivals: Annotated[str | None, typer.Option(metavar="SHAPE", help=ARRIVALS)] = None,
    duration: Annotated[str | None, typer.Option(metavar="TIME", help="Such as 90s or 10m.")] = None,
    plan: options.PlanPath = None,
    objective: options.Objectives = None,
    parameter: options.Parameters = None,
    agents_per_user: options.AgentsPerUser = None,
    connections_per_s: options.ConnectionsPerS = None,
    processes: options.Processes = 1,
    master: Annotated[
        bool, typer.Option("--master", help="Let workers do it, on this or other machines.")
    ] = False,
    expect_workers: Annotated[
        int | None, typer.Option(min=1, help="With --master: for how many it waits.")
    ] = None,
    bind: Annotated[
        str | None, typer.Option(metavar="HOST[:PORT]", help="With --master: where it listens.")
    ] = None,
    worker: Annotated[
        bool, typer.Option("--worker", help="Work for a master, which says what is to be done.")
    ] = False,
    master_host: Annotated[
        str, typer.Option(metavar="HOST[:PORT]", help="With --worker: where the master is.")
    ] = "127.0.0.1",
    control: options.Control = None,
    control_token: options.ControlToken = None,
    provision: options.Provision = "control",
    ca: options.Ca = None,
    spec: options.Spec = None,
    seed: options.Seed = None,
    judge: options.Judge = True,
    web: Annotated[
        int | None,
        typer.Option("--web", min=1, max=65535, metavar="PORT", help="Show Locust's web page there."),
    ] = None,
    metrics_port: Annotated[
        int | None,
        typer.Option(min=0, max=65535, metavar="PORT", help="Serve Prometheus metrics there while it runs."),
    ] = None,
    i_own_this_target: options.Owned = False,
    run_dir: options.RunDir = None,
    as_json: options.AsJson = False,
) -> None:
    """Put a load on an endpoint and tell what it carries.

    Exit code: 0 objectives reached, 1 one missed or a requirement broken, 2 wrong usage or configuration, 3 nothing succeeded, 4 an
    objective, or what the agents saw, could not be judged, a process has not told what it measured, or the run was interrupted.
    """
    flags = dict(locals())
    with one_line_errors():
        _demand_one_part(flags)
        if worker:
            raise typer.Exit(work_for(master_host, processes, control_token or "", run_dir))
        leader = master_at(bind, expect_workers) if master else None
        flags["processes"] = leader.workers if leader else processes
        written = read_plan_file(plan)
        chosen = random.SystemRandom().randrange(2**32) if seed is None else seed
        # Before a server is started for it, everything that the user has written is read.
        errand = _errand(plan_of(flags, written, chosen), [*written.objectives, *(objective or [])])
        folder = new_folder(run_dir)
        with target_of(url or written.url, flags, written, chosen) as target:
            errand.master = leader
            results = _run(errand, target, flags, folder)
    with whole_output(results.exit_code):
        _show(results, folder, as_json=as_json)
    raise typer.Exit(results.exit_code)


def _demand_one_part(flags: dict[str, Any]) -> None:
    """Refuse what only the other part of a load on several machines could do: it would be left undone in silence."""
    if flags["worker"] and flags["master"]:
        raise ConfigurationFaulty("--master and --worker: a process is either")
    if flags["worker"] and flags["url"] is not None:
        raise ConfigurationFaulty("--worker takes no URL: its master says what is loaded")
    others = [name for name in ("bind", "expect_workers") if flags[name] is not None]
    if others and not flags["master"]:
        raise ConfigurationFaulty(f"--{others[0].replace('_', '-')} is about a master; add --master")


@contextmanager
def target_of(url: str | None, flags: dict[str, Any], written: PlanFile, seed: int) -> Iterator[Target]:
    """Find whom a load is put on: a URL that may be loaded, or an own server for the length of a `with` block."""
    if url is not None:
        checked = _consented(url, flags, written)
        if flags["control"]:
            _consented(flags["control"], flags, written)
        if flags["provision"] == "control" and not flags["control_token"]:
            raise ConfigurationFaulty(f"no control token is given: use --control-token or {TOKEN_VARIABLE}")
        yield Target(checked, flags["control_token"] or "")
        return
    if flags["control"] or flags["ca"]:
        raise ConfigurationFaulty("--control and --ca are about a URL, and none is given")
    with own_server(flags["spec"], seed) as target:
        yield target


def _consented(url: str, flags: dict[str, Any], written: PlanFile) -> str:
    """Return a URL that may be loaded: loopback, or the user's by a flag, or by a plan that has the same host in it.

    Raises:
        ConfigurationFaulty: If it may not; `checked_url` says what else.

    """
    is_same = written.url is not None and host_of(written.url)[0] == host_of(url)[0]
    is_owned = flags["i_own_this_target"] or (written.i_own_this_target and is_same)
    return checked_url(url, is_owned=is_owned)


def plan_of(flags: dict[str, Any], written: PlanFile, seed: int) -> Plan:
    """Make the plan of a run from flags, which stand above a plan file."""

    def chosen(name: str, default: Any) -> Any:
        given = flags[name] if flags[name] is not None else getattr(written, name)
        return default if given is None else given

    if flags["provision"] not in {"control", "invented"}:
        raise ConfigurationFaulty(f"--provision {flags['provision']!r}: control or invented")
    duration_s = span_s(chosen("duration", "30s"))
    if duration_s <= 0:
        raise ConfigurationFaulty("--duration must be longer than nothing")
    return Plan(
        url="",
        control_url=(flags["control"] or "").rstrip("/"),
        scenario=str(chosen("scenario", "task-streaming")),
        arrivals=parse_arrivals(chosen("arrivals", "closed"), duration_s),
        duration_s=duration_s,
        agents=chosen("agents", 100),
        parameters=_parameters(written.parameters, flags["parameter"] or []),
        agents_per_user=chosen("agents_per_user", 10),
        connections_per_s=chosen("connections_per_s", 1000.0),
        processes=flags["processes"],
        seed=seed,
        run=f"{datetime.now(UTC):%H%M%S%f}",
        ca=str(flags["ca"].resolve()) if flags["ca"] else None,
        spec=str(flags["spec"].resolve()) if flags["spec"] else None,
        provisioning=flags["provision"],
        judge=flags["judge"],
    )


def _parameters(written: dict[str, Any], texts: list[str]) -> dict[str, Any]:
    parameters = dict(written)
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals:
            raise ConfigurationFaulty(f"--set {text!r}: write NAME=VALUE")
        try:
            parameters[name] = json.loads(value)
        except ValueError:
            parameters[name] = value
    for name, value in parameters.items():
        try:
            json.dumps(value, allow_nan=False, default=str)
        except ValueError as fault:
            raise ConfigurationFaulty(f"parameter {name!r}: infinity and NaN are no numbers here") from fault
    return parameters


def _errand(plan: Plan, objectives: list[str]) -> Errand:
    try:
        from loadgen.command import Errand
        from loadgen.nameable import refuse_unknown
        from loadgen.objectives import parse_objective
        from loadgen.users import refuse_unplayable
    except ImportError as fault:
        raise ConfigurationFaulty(f"{fault.name} is missing: pip install 'wireproof[load]'") from fault
    parsed = [parse_objective(text) for text in objectives]
    refuse_unplayable(plan)
    refuse_unknown(parsed, plan, is_open=plan.arrivals.model == "open")
    return Errand(plan, parsed)


def new_folder(path: Path | None) -> Path:
    """Return the folder of a run that begins (`run_folder.fresh_folder`)."""
    from loadgen.run_folder import fresh_folder

    return fresh_folder(path)


def _run(errand: Errand, target: Target, flags: dict[str, Any], folder: Path) -> Results:
    from loadgen.command import carry_out

    if flags["web"] is not None:
        _demand_free(flags["web"])
    errand.aim(target, folder)
    port = flags["metrics_port"]
    with (
        LiveMetrics(port) if port is not None else nullcontext() as metrics,
        Progress(errand.plan, quiet=flags["as_json"]) as progress,
    ):
        errand.web_port = flags["web"]
        takers = [progress.row, *([metrics.row] if metrics is not None else [])]

        def on_row(row: dict[str, Any]) -> None:
            for take in takers:
                take(row)

        errand.on_row = on_row
        return carry_out(errand)


def _demand_free(port: int) -> None:
    """Refuse a port of the web page that cannot be had, before a generator is started that ends for want of it."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as fault:
            raise ConfigurationFaulty(f"--web {port}: {fault.strerror}") from fault


def _show(results: Results, folder: Path, *, as_json: bool) -> None:
    if as_json:
        print(json.dumps(results.to_json(), indent=2), flush=True)  # noqa: T201 - what the user asked for
        return
    console = Page(width=None if os.isatty(1) else 160)
    render(results.to_json(), console)
    console.print(Text(f"Run folder: {folder}"), soft_wrap=True)
    sys.stdout.flush()


@contextmanager
def one_line_errors() -> Iterator[None]:
    """Turn every expected failure into one line on standard error and its exit code; SIGTERM ends a run like Ctrl-C."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    except (ConfigurationFaulty, RunFolderError, DocumentsInvalid) as exc:
        _end(str(exc), USAGE_EXIT_CODE)
    except CannotTest as exc:
        _end(str(exc), COULD_NOT_TEST_EXIT_CODE)
    except KeyboardInterrupt:
        _end("interrupted before anything was reported", COULD_NOT_TEST_EXIT_CODE)


def _end(message: str, code: int) -> NoReturn:
    typer.echo(f"wireproof: {' '.join(message.split())}", err=True)
    raise typer.Exit(code)
