"""The command `wireproof replay`: runs the case of a finding again, on fixtures of its own, and says how often it is seen."""

from __future__ import annotations

import json
import sys
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from pydantic import ValidationError
from rich.console import Console
from rich.text import Text

from conformance.case import Case
from conformance.catalogue import all_cases
from conformance.cli import AsJson, Spec, one_line_errors
from conformance.client.doubts import KEPT_TIMES, Doubts
from conformance.endpoint import Endpoint, Profile, read_endpoint
from conformance.engine import admit, reach, run_once
from conformance.faults import Breach, ConfigurationFaulty
from conformance.findings.documents import digest_of
from conformance.findings.finding_file import FindingFile, read
from conformance.fixtures.lab import Bench
from conformance.own_server import own_server
from conformance.provisioning.opening import provisioning
from conformance.provisioning.pools import Share
from conformance.verdicts import Attempt
from reports.exit_codes import ExitCode
from reports.page import Page, whole_output
from reports.printable import printable
from specs.loader import load
from specs.model import Api

app = typer.Typer()

_DESCRIBED = ("paths", "params", "timeouts")
"""What of a profile says how the endpoint is spoken to."""


@app.command()
def replay(
    file: Annotated[Path, typer.Argument(help="A finding file of a run.")],
    url: Annotated[
        str | None, typer.Argument(help="ws:// or wss://; without it the endpoint that the file names.")
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
    times: Annotated[int, typer.Option(min=1, max=1000, help="How often to run it.")] = 3,
    as_json: AsJson = False,
) -> None:
    """Run a finding again, with fresh agents, keys, nonces and resources, and say how often it is seen.

    Exit code: 1 reproduced, 0 not reproduced, 2 wrong usage or file, 3 could not test.
    """
    with one_line_errors():
        finding, api = read(file), load(spec)
        case = _case_of(finding, api, file)
        overrides = {"url": url, "control": control, "control_token": control_token, "ca": ca}
        with _endpoint(finding, overrides, endpoint, spec, api) as described:
            done = _repeat(finding, case, api, described, times)
        code = done.exit_code
    with whole_output(code):
        _show(finding, done, as_json=as_json)
    raise typer.Exit(code)


@dataclass(slots=True)
class Repetition:
    """What came of running a finding again."""

    url: str
    times: int
    """How often it was to be run; once it was interrupted, how often it was."""
    is_interrupted: bool = False
    seen: list[Breach] = field(default_factory=list)
    others: list[str] = field(default_factory=list)
    """What happened instead, where it was not seen."""
    could_tell: int = 0
    """How often the case was carried through, or saw it."""

    @property
    def exit_code(self) -> ExitCode:
        """1 where it was seen, 0 where it was not, 3 where no attempt can tell, or one that is missing might have seen it."""
        if self.seen:
            return ExitCode.FINDINGS
        is_told = self.could_tell and not self.is_interrupted
        return ExitCode.CONFORMANT if is_told else ExitCode.COULD_NOT_TEST

    def add(self, requirement: str, attempt: Attempt) -> None:
        """Count one attempt."""
        breach = next((one for one in attempt.breaches if one.requirement == requirement), None)
        self.could_tell += breach is not None or attempt.ended is None
        if breach is not None:
            self.seen.append(breach)
        elif attempt.ended is not None:
            self.others.append(f"{attempt.ended.label}: {attempt.reason}")
        elif attempt.breaches:
            self.others.append(f"another requirement is not met: {attempt.breaches[0].requirement}")
        else:
            self.others.append("the case passes")


def _case_of(finding: FindingFile, api: Api, file: Path) -> Case:
    """Return the case of a finding.

    Raises:
        ConfigurationFaulty: If the documents are others, or this version has no such case.

    """
    documents, digest = finding.documents, digest_of(api)
    if (documents.name, documents.digest) != (api.name, digest):
        raise ConfigurationFaulty(
            f"{file}: found under {documents.name} {documents.version} ({documents.digest}), "
            f"but these documents are {api.name} {api.version} ({digest}); name the right ones with --spec"
        )
    case = next((case for case in all_cases(api) if case.id == finding.case), None)
    if case is None:
        raise ConfigurationFaulty(
            f"{file}: this version has no case {finding.case!r}; it was found by wireproof {finding.tool_version}"
        )
    return case


@contextmanager
def _endpoint(
    finding: FindingFile, overrides: dict[str, Any], endpoint: Path | None, spec: Path | None, api: Api
) -> Iterator[Endpoint]:
    """Give what the finding is to be run against: that of the command line, else that of the file."""
    if endpoint is not None:
        yield _as_found(finding, read_endpoint(endpoint, overrides, api), endpoint)
        return
    if overrides["url"] is None and finding.endpoint.is_own:
        with own_server(spec, finding.seed) as server:
            yield _with_profile(
                finding, read_endpoint(None, {"url": server.url, "control_token": server.token})
            )
        return
    known = {"url": finding.endpoint.url, "control": finding.endpoint.control_url}
    if overrides["url"] is not None:
        known = {}
    elif finding.endpoint.provisioner != "control":
        raise ConfigurationFaulty(
            f"the finding was made with the provisioner {finding.endpoint.provisioner!r}; name its endpoint file with --endpoint"
        )
    given = {name: value for name, value in overrides.items() if value is not None}
    yield _with_profile(finding, read_endpoint(None, {**known, **given}))


def _as_found(finding: FindingFile, given: Endpoint, path: Path) -> Endpoint:
    """Return an endpoint with the serializer of the finding, and say in what else its file differs from that run."""
    then = _with_profile(finding, given).profile
    if given.profile.vsn != then.vsn:
        typer.echo(
            f"wireproof: {path}: vsn is {given.profile.vsn}; {then.vsn} is used, as in the run of the finding",
            err=True,
        )
    others = [name for name in _DESCRIBED if getattr(given.profile, name) != getattr(then, name)]
    if others:
        names = ", ".join(others)
        typer.echo(f"wireproof: {path}: not as in the run of the finding, and used: {names}", err=True)
    return given.model_copy(update={"profile": given.profile.model_copy(update={"vsn": then.vsn})})


def _with_profile(finding: FindingFile, endpoint: Endpoint) -> Endpoint:
    try:
        profile = Profile.model_validate_json(json.dumps(finding.endpoint.profile))
    except ValidationError as exc:
        raise ConfigurationFaulty("the file names a profile that this version cannot read") from exc
    return endpoint.model_copy(update={"profile": profile})


def _repeat(finding: FindingFile, case: Case, api: Api, endpoint: Endpoint, times: int) -> Repetition:
    """Run the case several times, each as if nothing had been run before.

    Raises:
        CannotTest: If the endpoint or its provisioner cannot be reached.

    """
    reach(endpoint, api)
    done = Repetition(endpoint.url, times)
    with provisioning(endpoint, api, Share()) as provisioner:
        label = f"replay {datetime.now(UTC).isoformat()}"
        first = Bench(api, endpoint, provisioner, finding.seed, label)
        admit(first)
        far_s = first.doubts.slow_answer_s()
        for number in range(1, times + 1):
            # How far the endpoint is, each has to know: a case may take longer there.
            doubts = Doubts(answer_times_s=deque([far_s], KEPT_TIMES))
            bench = Bench(api, endpoint, provisioner, finding.seed, f"{label} {number}", doubts=doubts)
            try:
                done.add(finding.requirement.id, run_once(bench, case, number, finding.program))
            except KeyboardInterrupt:
                if number == 1:
                    raise
                done.times, done.is_interrupted = number - 1, True
                break
    return done


def _show(finding: FindingFile, done: Repetition, *, as_json: bool) -> None:
    if as_json:
        print(json.dumps(_as_json(finding, done), indent=2), flush=True)  # noqa: T201 - what the user asked for
        return
    console = Page()
    requirement = finding.requirement
    _line(console, f"{requirement.id}  {requirement.level}, {requirement.basis}")
    _line(console, f"      {requirement.text}")
    _line(console, f"case      {finding.case}")
    last = done.seen[-1] if done.seen else None
    _line(console, f"expected  {last.expected if last else finding.expected}")
    _line(console, f"observed  {last.observed if last else f'then: {finding.observed}'}")
    if done.others:
        _line(console, f"{'instead' if done.seen else 'now':<10}{done.others[-1]}")
    told = {ExitCode.FINDINGS: "reproduced", ExitCode.CONFORMANT: "not reproduced"}
    word = told.get(done.exit_code, "could not test")
    until = " before it was interrupted" if done.is_interrupted else ""
    _line(
        console,
        f"{word}: {len(done.seen)} of {done.times} times at {done.url}{until}; exit code {done.exit_code}",
    )
    sys.stdout.flush()


def _line(console: Console, text: str) -> None:
    console.print(Text(printable(text)), soft_wrap=True)


def _as_json(finding: FindingFile, done: Repetition) -> dict[str, Any]:
    last = done.seen[-1] if done.seen else None
    return {
        "url": done.url,
        "requirement": finding.requirement.id,
        "case": finding.case,
        "times": done.times,
        "is_interrupted": done.is_interrupted,
        "reproduced": len(done.seen),
        "expected": last.expected if last else None,
        "observed": last.observed if last else None,
        "instead": done.others,
        "exit_code": int(done.exit_code),
    }
