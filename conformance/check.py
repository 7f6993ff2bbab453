"""One run of the suite from start to report: the work behind `wireproof check`."""

from __future__ import annotations

import platform
import time
from collections import Counter, deque
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path

from pydantic import JsonValue

from conformance.budget import OUT_OF_BUDGET, Budget
from conformance.case import Case, Phase
from conformance.client.doubts import KEPT_TIMES, MOST_STRETCH, Doubts
from conformance.client.pace import Pace
from conformance.client.read_only import READ_ONLY, ReadOnly
from conformance.client.restraint import Restraint
from conformance.crew import Crew, Task, crew_of, signals_blocked
from conformance.endpoint import Endpoint
from conformance.engine import Outcome, admit, reach
from conformance.faults import CannotTest
from conformance.findings.effort import Effort
from conformance.findings.gate import Gate
from conformance.findings.recording import record
from conformance.fixtures.lab import Bench
from conformance.fixtures.restrained import restrained
from conformance.phases import PhaseLog
from conformance.provisioning.opening import provisioning
from conformance.provisioning.pools import Share
from conformance.results import Results, Troubles
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
    """Those that are to be run, in their order."""
    seed: int
    is_strict: bool = False
    fail_fast: bool = False
    include: list[str] = field(default_factory=list)
    exclude: list[str] = field(default_factory=list)
    label: str = "run"
    workers: int = 1
    budget: Budget | None = None
    shard: tuple[int, int] | None = None
    """Index, from 1, and count."""
    rate: float | None = None
    """Connections and frames a second, at most."""
    is_read_only: bool = False
    available: dict[Phase, int] = field(default_factory=dict)
    """How many cases of each phase there are before any is chosen; those that are to be run where it is empty."""
    left: dict[Phase, int] = field(default_factory=dict)
    """How many of those the filters leave to all shards."""
    is_own: bool = False
    """Whether the endpoint is a reference server that was started for this run."""
    gate: Gate | None = None
    """The findings that are known already."""
    spec: Path | None = None
    """Folder of the documents; the shipped ones when None."""
    effort: Effort | None = None
    """How much may be done for standalone files; None for nothing."""

    def options(self) -> dict[str, JsonValue]:
        """Return how it is to be run, as far as somebody asked for it."""
        asked: dict[str, JsonValue] = {"workers": self.workers}
        if self.budget is not None:
            asked["budget_s"] = self.budget.seconds
        if self.shard is not None:
            asked["shard"] = "{}/{}".format(*self.shard)
        if self.rate is not None:
            asked["rate"] = self.rate
        asked |= {name: True for name, is_asked in self._switches().items() if is_asked}
        return asked

    def _switches(self) -> dict[str, bool]:
        return {"fail_fast": self.fail_fast, "read_only": self.is_read_only}


@dataclass(frozen=True, slots=True)
class End:
    """How the cases of a run came to an end."""

    interrupted: bool = False
    trouble: str | None = None
    """Why the endpoint could not be tested any more."""


def run_check(plan: Plan, folder: RunFolder, *, quiet: bool) -> Run:
    """Run the cases of a plan, write the run folder, and return the run.

    An interruption (Ctrl-C) ends the run in order: what was found so far is in the folder and in the result. So does an
    endpoint that can no longer be tested.

    Raises:
        CannotTest: If the endpoint or its control socket cannot be reached or refuses the credentials; the folder says so.

    """
    log, started_s = PhaseLog(), time.monotonic()
    with RunWriter(folder.run) as writer, ExitStack() as stack:
        header = header_of(plan)
        writer.header(header)
        judge = Judge(plan.api, plan.endpoint.profile, plan.is_strict)
        pace = stack.enter_context(Pace(plan.rate)) if plan.rate is not None else None
        try:
            crew = _prepared(plan, judge, pace, log)
        except CannotTest as exc:
            footer = footer_of(plan, [], log, time.monotonic() - started_s, End(trouble=str(exc)))
            writer.footer(footer)
            write_junit(Run(header=header, cases=[], footer=footer), folder.junit)
            raise
        results, end = _record(plan, crew, judge, writer, quiet=quiet)
        duration_s = time.monotonic() - started_s

        def ended(results: list[CaseResult]) -> RunFooter:
            return footer_of(plan, results, log, duration_s, end)

        footer = ended(results) if plan.gate is None else plan.gate.footer(results, ended)
        writer.footer(footer)
    run = Run(header=header, cases=results, footer=footer)
    write_junit(run, folder.junit, plan.gate.reasons(results) if plan.gate is not None else None)
    recorded = record(folder.path, run.cases, run.header, plan.api, plan.endpoint, is_own=plan.is_own)
    effort = _effort_left(plan)
    if recorded and effort is not None and not end.interrupted:
        # Here, since a run without findings can do without what it takes.
        from conformance.findings.reproducing import reproduce

        reproduce(recorded, plan.endpoint, plan.api, plan.spec, effort, quiet=quiet)
    return run


def _effort_left(plan: Plan) -> Effort | None:
    """Return what may still be done for standalone files: they run by themselves, at no rate, and in what is left of the budget."""
    if plan.effort is None or plan.rate is not None:
        return None
    if plan.budget is None:
        return plan.effort
    left_s = plan.budget.started_s + plan.budget.seconds - time.monotonic()
    return replace(plan.effort, time_s=min(plan.effort.time_s, left_s)) if left_s > 0 else None


def _prepared(plan: Plan, judge: Judge, pace: Pace | None, log: PhaseLog) -> Crew:
    """Make sure that the cases can be run, and return who runs them."""
    with log.of(Phase.REACH):
        reach(plan.endpoint, plan.api)
    with ExitStack() as stack:
        with log.of(Phase.PROVISION):
            bench = stack.enter_context(_bench(plan, Share(), pace))
        with log.of(Phase.CONTROLS):
            admit(bench)
        far_s = bench.doubts.slow_answer_s()
    return crew_of(
        Task(
            plan.cases,
            judge,
            lambda share: _bench(plan, share, pace, far_s),
            until_s=plan.budget.until_s if plan.budget else None,
            # Whoever waits for its turn is not late.
            longest_s=None if pace else MOST_STRETCH * plan.endpoint.profile.timeouts.case_s,
        ),
        plan.workers,
    )


@contextmanager
def _bench(plan: Plan, share: Share, pace: Pace | None, far_s: float = 0.0) -> Iterator[Bench]:
    """Make a bench that knows how long an answer of the endpoint takes."""
    restraint = Restraint(pace, ReadOnly(plan.api) if plan.is_read_only else None)
    with provisioning(plan.endpoint, plan.api, share) as provisioner:
        yield Bench(
            plan.api,
            plan.endpoint,
            restrained(provisioner, restraint),
            plan.seed,
            plan.label,
            restraint=restraint,
            doubts=Doubts(answer_times_s=deque([far_s], KEPT_TIMES)),
        )


def _record(
    plan: Plan, crew: Crew, judge: Judge, writer: RunWriter, *, quiet: bool
) -> tuple[list[CaseResult], End]:
    """Run the cases, write down each result, and say how it ended."""
    troubles = Troubles()
    with Progress(len(plan.cases), quiet=quiet) as progress, closing(crew.outcomes()) as outcomes:

        def take(result: CaseResult) -> None:
            writer.case(result)
            progress.topic(result.topic)
            progress.advance(result.verdict)

        results, end = Results(plan.cases, judge, take), End()
        try:
            for ended in outcomes:
                progress.refresh()
                if ended is None:
                    continue
                number, outcome = ended
                with signals_blocked():
                    results.add(number, outcome)
                trouble = troubles.note(outcome)
                if trouble is not None:
                    end = End(trouble=trouble)
                    break
                if plan.fail_fast and _is_news(plan, judge, number, outcome):
                    crew.stop()
            else:
                end = End(trouble=troubles.at_last())
        except KeyboardInterrupt:
            end = End(interrupted=True)
        except CannotTest as exc:
            end = End(trouble=str(exc))
        results.finish()
    return results.ended, end


def _is_news(plan: Plan, judge: Judge, number: int, outcome: Outcome) -> bool:
    """Tell whether a case has failed, and not only by what is known."""
    if not judge.has_failed(outcome.attempts):
        return False
    result = judge.result(plan.cases[number], list(outcome.attempts), outcome.duration_ms)
    return plan.gate is None or not plan.gate.excuses(result)


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
        options=plan.options(),
    )


def version_of(package: str) -> str:
    """Return the version of an installed package; `unknown` where it is not installed."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "unknown"


def footer_of(plan: Plan, results: list[CaseResult], log: PhaseLog, duration_s: float, end: End) -> RunFooter:
    """Return the footer of a run, with its exit code."""
    counts, planned = tally(results), len(plan.cases)
    code, left = decide(counts), planned - len(results)
    is_whole = not left and end.trouble is None
    if not is_whole and code in {ExitCode.CONFORMANT, ExitCode.INCONCLUSIVE}:
        # What was not looked at cannot be called conformant.
        code = ExitCode.COULD_NOT_TEST
    notes = [end.trouble] if end.trouble else []
    if left:
        notes.append(f"{left} of {planned} cases were not reached")
    available = plan.available or Counter(case.phase for case in plan.cases)
    return RunFooter(
        finished_at=datetime.now(UTC).isoformat(),
        duration_s=round(duration_s, 3),
        counts=counts,
        exit_code=int(code),
        interrupted=end.interrupted,
        note="; ".join(notes) or None,
        phases=log.results(available, plan.cases, results, plan.left),
        partial=list(_partial(plan, results)),
    )


def _partial(plan: Plan, results: list[CaseResult]) -> Iterator[str]:
    """Say what was left out because somebody asked for less than everything."""
    planned = len(plan.cases)
    filters = [
        *(f"--include {glob}" for glob in plan.include),
        *(f"--exclude {glob}" for glob in plan.exclude),
    ]
    if filters:
        yield f"chosen by {' '.join(filters)}"
    if plan.shard is not None:
        index, count = plan.shard
        yield f"shard {index}/{count}: {planned} of {sum(plan.left.values())} cases"
    reasons = Counter(one.reason for one in results if one.verdict is Verdict.NOT_RUN)
    left = reasons[OUT_OF_BUDGET]
    if left and plan.budget is not None:
        yield f"out of budget ({plan.budget.seconds:g} s): {left} of {planned} cases were not run"
    if plan.is_read_only:
        left = reasons[READ_ONLY]
        yield f"read-only: {left} of {planned} cases were not run, as they would change something"
