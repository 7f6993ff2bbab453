"""One run of the suite from start to report: the work behind `wireproof check`."""

from __future__ import annotations

import platform
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path

from conformance.case import Case
from conformance.endpoint import Endpoint
from conformance.engine import admit, reach, run_cases
from conformance.findings.gate import Gate
from conformance.findings.recording import record
from conformance.findings.reproducing import Effort, reproduce
from conformance.fixtures.lab import Bench
from conformance.fixtures.provision import ControlProvisioner
from conformance.verdicts import Judge, profile_as_json
from reports.exit_codes import ExitCode, decide
from reports.jsonl import RunWriter
from reports.junit import write_junit
from reports.progress import Progress
from reports.record import CaseResult, Run, RunFooter, RunHeader, Verdict, tally
from reports.run_folder import RunFolder
from specs.model import Api

PACKAGES = ("websockets", "pynacl", "jsonschema-rs", "msgspec", "pydantic")


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be run, and how."""

    api: Api
    endpoint: Endpoint
    cases: list[Case]
    seed: int
    is_strict: bool = False
    fail_fast: bool = False
    include: list[str] = field(default_factory=list)
    exclude: list[str] = field(default_factory=list)
    label: str = "run"
    is_own: bool = False
    """Whether the endpoint is a reference server that was started for this run."""
    gate: Gate | None = None
    """The findings that are known already."""
    spec: Path | None = None
    """Folder of the documents; the shipped ones when None."""
    effort: Effort = field(default_factory=Effort)
    """How much may be done for standalone files."""


def run_check(plan: Plan, folder: RunFolder, *, quiet: bool) -> Run:
    """Run the cases of a plan, write the run folder, and return the run.

    An interruption (Ctrl-C) ends the run in order: what was found so far is in the folder and in the result.

    Raises:
        CannotTest: If the endpoint or its control socket cannot be reached or refuses the credentials.

    """
    reach(plan.endpoint, plan.api)
    with provisioner_of(plan.endpoint, plan.api) as provisioner:
        bench = Bench(plan.api, plan.endpoint, provisioner, plan.seed, plan.label)
        admit(bench)
        judge = Judge(plan.api, plan.endpoint.profile, plan.is_strict)
        run = _record(plan, bench, judge, folder, quiet=quiet)
    write_junit(run, folder.junit)
    recorded = record(folder.path, run.cases, run.header, plan.api, plan.endpoint, is_own=plan.is_own)
    reproduce(recorded, plan.endpoint, plan.api, plan.spec, plan.effort, quiet=quiet)
    return run


@contextmanager
def provisioner_of(endpoint: Endpoint, api: Api) -> Iterator[ControlProvisioner]:
    """Give the open provisioner of an endpoint for the length of a `with` block.

    Raises:
        CannotTest: If it cannot be had.

    """
    provisioner = ControlProvisioner(endpoint, api)
    provisioner.open()
    try:
        yield provisioner
    finally:
        provisioner.close()


def _record(plan: Plan, bench: Bench, judge: Judge, folder: RunFolder, *, quiet: bool) -> Run:
    header, started_s = header_of(plan), time.monotonic()
    results: list[CaseResult] = []
    interrupted = False
    with RunWriter(folder.run) as writer, Progress(len(plan.cases), quiet=quiet) as progress:
        writer.header(header)
        try:
            for result in run_cases(bench, judge, plan.cases):
                results.append(result)
                writer.case(result)
                progress.topic(result.topic)
                progress.advance(result.verdict)
                if plan.fail_fast and result.verdict is Verdict.FAIL and not _is_known(plan, result):
                    break
        except KeyboardInterrupt:
            interrupted = True
        duration_s = time.monotonic() - started_s

        def ended(results: list[CaseResult]) -> RunFooter:
            return footer_of(results, duration_s, len(plan.cases), interrupted=interrupted)

        footer = ended(results) if plan.gate is None else plan.gate.footer(results, ended)
        writer.footer(footer)
    return Run(header=header, cases=results, footer=footer)


def _is_known(plan: Plan, result: CaseResult) -> bool:
    return plan.gate is not None and plan.gate.excuses(result)


def header_of(plan: Plan) -> RunHeader:
    """Return the header of a run."""
    return RunHeader(
        format=1,
        tool_version=version_of("wireproof"),
        started_at=datetime.now(UTC).isoformat(),
        url=plan.endpoint.url,
        spec=plan.api.name,
        spec_version=plan.api.version,
        profile=profile_as_json(plan.endpoint.profile),
        seed=plan.seed,
        strict=plan.is_strict,
        include=plan.include,
        exclude=plan.exclude,
        versions={
            "python": platform.python_version(),
            **{name: version_of(name) for name in PACKAGES},
        },
    )


def version_of(package: str) -> str:
    """Return the version of an installed package; `unknown` where it is not installed."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "unknown"


def footer_of(results: list[CaseResult], duration_s: float, planned: int, *, interrupted: bool) -> RunFooter:
    """Return the footer of a run, with its exit code."""
    counts = tally(results)
    code = decide(counts)
    left = planned - len(results)
    if left and code in {ExitCode.CONFORMANT, ExitCode.INCONCLUSIVE}:
        # What was not looked at cannot be called conformant.
        code = ExitCode.COULD_NOT_TEST
    return RunFooter(
        finished_at=datetime.now(UTC).isoformat(),
        duration_s=round(duration_s, 3),
        counts=counts,
        exit_code=int(code),
        interrupted=interrupted,
        note=f"{left} of {planned} cases were not reached" if left else None,
    )
