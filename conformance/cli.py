"""The commands `wireproof check` and `wireproof list`."""

from __future__ import annotations

import json
import random
import signal
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer
from rich.console import Console
from rich.text import Text

from conformance.budget import Budget, seconds_of
from conformance.case import Case
from conformance.catalogue import Choice, all_cases
from conformance.check import Plan, run_check
from conformance.crew import usual_count
from conformance.endpoint import read_endpoint
from conformance.faults import CannotTest, ConfigurationFaulty
from conformance.findings.comparison import lines as comparison_lines
from conformance.findings.effort import Effort
from conformance.findings.gate import Gate
from conformance.findings.recording import how_to_replay
from conformance.ordering import shard_of
from conformance.own_server import own_server
from reports.exit_codes import ExitCode
from reports.page import Page, whole_output
from reports.record import Run
from reports.run_folder import RunFolder, RunFolderError, default_path
from reports.summary_json import summary
from reports.terminal import render_summary
from specs.loader import DocumentsInvalid, load
from specs.model import Api

app = typer.Typer()

Spec = Annotated[Path | None, typer.Option("--spec", metavar="DIR", help="Another set of documents.")]
Include = Annotated[
    list[str] | None,
    typer.Option("--include", metavar="GLOB", help="Only these cases, requirements or topics."),
]
Exclude = Annotated[
    list[str] | None,
    typer.Option("--exclude", metavar="GLOB", help="Not these cases, requirements or topics."),
]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON object on standard output instead of tables.")]


class Serializer(StrEnum):
    """The serializers of Phoenix, by the `vsn` that asks for them."""

    V1 = "1.0.0"
    V2 = "2.0.0"


@app.command()
def check(
    url: Annotated[
        str | None, typer.Argument(help="ws:// or wss://; without it an own reference server.")
    ] = None,
    endpoint: Annotated[Path | None, typer.Option(metavar="FILE", help="Endpoint file (TOML).")] = None,
    control: Annotated[
        str | None,
        typer.Option(metavar="URL", help="The control socket, where it is not at the checked URL."),
    ] = None,
    control_token: Annotated[
        str | None,
        typer.Option(envvar="WIREPROOF_CONTROL_TOKEN", show_envvar=True, help="Operator's token."),
    ] = None,
    ca: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Certificates to trust for wss:// in place of the system's (PEM)."),
    ] = None,
    spec: Spec = None,
    include: Include = None,
    exclude: Exclude = None,
    vsn: Annotated[
        Serializer | None,
        typer.Option(help="Serializer of the cases that do not choose one themselves; 2.0.0 when absent."),
    ] = None,
    seed: Annotated[int | None, typer.Option(min=0, help="Seed of keys and ids; random when absent.")] = None,
    strict: Annotated[bool, typer.Option("--strict", help="Advisories count as failures.")] = False,
    fail_fast: Annotated[bool, typer.Option("--fail-fast", help="Stop at the first failure.")] = False,
    baseline: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Known findings (TOML), which do not fail the run.")
    ] = None,
    update_baseline: Annotated[
        bool, typer.Option("--update-baseline", help="Write what is found into the baseline.")
    ] = False,
    reproducer_time: Annotated[
        str,
        typer.Option(
            metavar="SPAN",
            envvar="WIREPROOF_REPRODUCER_TIME",
            help="Time for standalone files of findings, after the run but in its budget; none for no files.",
        ),
    ] = "30s",
    shrink: Annotated[
        bool, typer.Option("--shrink/--no-shrink", help="Whether standalone files are made short.")
    ] = True,
    workers: Annotated[
        int | None,
        typer.Option(
            min=1,
            metavar="N",
            help="Cases at a time, each in a process; two for each core if absent, one where agents are listed.",
        ),
    ] = None,
    budget: Annotated[
        str | None,
        typer.Option(metavar="SPAN", help="Time for the run (500ms, 90s, 2m); the strongest cases first."),
    ] = None,
    shard: Annotated[
        str | None, typer.Option(metavar="I/N", help="Only the I-th of N parts that make up the whole.")
    ] = None,
    rate: Annotated[
        float | None,
        typer.Option(
            min=0.01, max=1_000_000, metavar="R", help="At most so many connections and frames a second."
        ),
    ] = None,
    read_only: Annotated[
        bool, typer.Option("--read-only", help="Send nothing that changes anything at the endpoint.")
    ] = False,
    run_dir: Annotated[Path | None, typer.Option(metavar="DIR", help="Where the run folder goes.")] = None,
    as_json: AsJson = False,
) -> None:
    """Check an endpoint against the documented protocol.

    Exit code: 0 conformant, 1 findings, 2 wrong usage or configuration, 3 could not test, 4 inconclusive only.
    """
    with one_line_errors():
        api = load(spec)
        chosen = random.SystemRandom().randrange(2**32) if seed is None else seed
        part = None if shard is None else shard_of(shard)
        choice = Choice(include or [], exclude or [], part, is_hurried=budget is not None)
        overrides: dict[str, Any] = {"url": url, "control": control, "control_token": control_token, "ca": ca}
        overrides["vsn"] = vsn and vsn.value
        limit_s = None if budget is None else seconds_of(budget)
        effort = _effort(reproducer_time, is_shrinking=shrink)
        everything = all_cases(api)
        cases = choice.of(everything)
        gate = _gate(baseline, everything, is_updating=update_baseline)
        with _target(overrides, endpoint, spec, chosen) as target:
            described = read_endpoint(endpoint, target, api)
            folder = RunFolder(run_dir or default_path(datetime.now(UTC)))
            plan = Plan(
                api,
                described,
                cases,
                chosen,
                strict,
                fail_fast,
                include or [],
                exclude or [],
                folder.path.name,
                workers=workers or (1 if described.is_pooled else usual_count()),
                budget=None if limit_s is None else Budget(limit_s, time.monotonic()),
                shard=part,
                rate=rate,
                is_read_only=read_only,
                available=Counter(case.phase for case in everything),
                left=Counter(case.phase for case in choice.left_by_filters(everything)),
                is_own=not (url or endpoint),
                gate=gate,
                spec=spec,
                effort=effort,
            )
            run = run_check(plan, folder, quiet=as_json)
    _report(run, folder.path, gate, as_json=as_json)
    raise typer.Exit(run.footer.exit_code)


def _effort(span: str, *, is_shrinking: bool) -> Effort | None:
    return None if span == "none" else Effort(seconds_of(span), is_shrinking=is_shrinking)


def _gate(path: Path | None, existing: list[Case], *, is_updating: bool) -> Gate | None:
    if path is None and is_updating:
        raise ConfigurationFaulty(
            "--update-baseline needs --baseline FILE, which names what is to be updated"
        )
    if path is None:
        return None
    return Gate.at(path, (case.id for case in existing), is_updating=is_updating)


def _report(run: Run, folder: Path, gate: Gate | None, *, as_json: bool) -> None:
    """Show a run, and whatever becomes of that write down what is known now."""
    try:
        with whole_output(run.footer.exit_code):
            _show(run, folder, gate, as_json=as_json)
    finally:
        if gate is not None and gate.is_updating:
            with one_line_errors():
                typer.echo(gate.update(run.cases), err=True)


def _show(run: Run, folder: Path, gate: Gate | None, *, as_json: bool) -> None:
    comparison = gate.comparison(run.cases) if gate is not None else None
    if as_json:
        told = summary(run) if comparison is None else {**summary(run), "baseline": comparison.as_json()}
        print(json.dumps(told, indent=2), flush=True)  # noqa: T201 - what the user asked for
        return
    console = Page()
    render_summary(run, console)
    for line in comparison_lines(comparison) if comparison else ():
        console.print(Text(line), soft_wrap=True)
    console.print(Text(f"Run folder: {folder}"), soft_wrap=True)
    for line in how_to_replay(folder):
        console.print(Text(line), soft_wrap=True)
    sys.stdout.flush()


@contextmanager
def _target(
    overrides: dict[str, Any], endpoint: Path | None, spec: Path | None, seed: int
) -> Iterator[dict[str, Any]]:
    """Give the overrides of the endpoint file; start an own server where neither names a URL."""
    if overrides["url"] == "":
        raise ConfigurationFaulty("the URL is empty; leave it out to check an own reference server")
    if overrides["url"] or endpoint:
        yield overrides
        return
    if overrides["control"]:
        raise ConfigurationFaulty("--control names a control socket, but no URL to check is given")
    if overrides["ca"]:
        raise ConfigurationFaulty("--ca is given, but no wss:// URL to check")
    with own_server(spec, seed) as server:
        yield {**overrides, "url": server.url, "control_token": server.token}


@app.command(name="list")
def list_(
    spec: Spec = None, include: Include = None, exclude: Exclude = None, as_json: AsJson = False
) -> None:
    """Show the requirements with the cases that cover them, and why others have none."""
    with one_line_errors():
        api = load(spec)
        cases = Choice(include or [], exclude or []).of(all_cases(api))
    with whole_output(ExitCode.CONFORMANT):
        _show_list(api, cases, whole=not (include or exclude), as_json=as_json)


def _show_list(api: Api, cases: list[Case], *, whole: bool, as_json: bool) -> None:
    if as_json:
        print(json.dumps(_listing(api, cases), indent=2), flush=True)  # noqa: T201 - what the user asked for
        return
    console = Page()
    _print_requirements(console, api, cases, whole=whole)
    console.print(Text(f"\n{len(cases)} cases:"))
    for case in cases:
        console.print(Text(f"  {case.id}", style="bold"), Text(f"  {case.title}"), soft_wrap=True)
    sys.stdout.flush()


def _listing(api: Api, cases: list[Case]) -> dict[str, object]:
    return {
        "requirements": [
            {
                "id": row.id,
                "level": row.level,
                "basis": row.basis,
                "text": row.text,
                "source": row.source,
                "on": row.on,
                "cases": [case.id for case in cases if row.id in case.requirements],
                "excluded": row.excluded,
            }
            for row in api.requirements.values()
        ],
        "cases": [
            {"id": case.id, "topic": case.topic, "requirements": list(case.requirements), "title": case.title}
            for case in cases
        ],
    }


def _print_requirements(console: Console, api: Api, cases: list[Case], *, whole: bool) -> None:
    """Print a line for each requirement; a terminal that is too narrow wraps it, a file gets it whole."""
    rows = [("requirement", "level", "basis", "cases", "text")]
    for row in api.requirements.values():
        count = sum(row.id in case.requirements for case in cases)
        if whole or count:
            text = f"{row.text} [not checked: {row.excluded}]" if row.excluded else row.text
            rows.append((row.id, row.level, row.basis, str(count), text))
    ids, levels, bases, counts, _ = (max(map(len, column)) for column in zip(*rows, strict=True))
    for index, (id_, level, basis, count_, text) in enumerate(rows):
        line = f"{id_:{ids}}  {level:{levels}}  {basis:{bases}}  {count_:>{counts}}  {text}"
        console.print(Text(line, style="" if index else "bold"), soft_wrap=True)


@contextmanager
def one_line_errors() -> Iterator[None]:
    """Turn every expected failure into one line on standard error and its exit code; SIGTERM ends a run like Ctrl-C."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    except DocumentsInvalid as exc:
        for line in exc.lines:
            typer.echo(f"wireproof: {line}", err=True)
        raise typer.Exit(ExitCode.USAGE) from exc
    except (ConfigurationFaulty, RunFolderError) as exc:
        _end(str(exc), ExitCode.USAGE)
    except CannotTest as exc:
        _end(str(exc), ExitCode.COULD_NOT_TEST)
    except KeyboardInterrupt:
        _end("interrupted before anything was found", ExitCode.COULD_NOT_TEST)


def _end(message: str, code: ExitCode) -> NoReturn:
    typer.echo(f"wireproof: {' '.join(message.split())}", err=True)
    raise typer.Exit(code)
