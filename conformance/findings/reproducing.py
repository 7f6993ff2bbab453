"""Makes the standalone files of a run, within bounds: first one for each requirement, then the others."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from conformance.endpoint import Endpoint, base_of
from conformance.faults import CannotTest
from conformance.findings.execution import Place
from conformance.findings.finding_file import Reproducer, write
from conformance.findings.recording import Recorded
from conformance.findings.reproducers import Bounds, Workshop, trusting
from conformance.own_server import own_server
from conformance.provisioner_settings import ControlSettings
from reports.record import Verdict
from specs.model import Api

_OUT_OF_TIME = "the time for standalone files was up"


@dataclass(frozen=True, slots=True)
class Effort:
    """What a user allows."""

    time_s: float = 60.0
    """For all standalone files together; 0 for none."""
    is_shrinking: bool = True

    def bounds(self) -> Bounds:
        """Return the bounds from now on."""
        bounds = Bounds(time.monotonic() + self.time_s)
        return bounds if self.is_shrinking else Bounds(bounds.until_s, executions=0)


def reproduce(
    recorded: Sequence[Recorded],
    endpoint: Endpoint,
    api: Api,
    spec: Path | None,
    effort: Effort,
    *,
    quiet: bool = False,
) -> None:
    """Write standalone files beside finding files, and into these what came of it.

    Args:
        recorded: The findings.
        endpoint: Where they were found.
        api: The documents.
        spec: Their folder; the shipped ones when None.
        effort: How much may be done.
        quiet: Whether nothing is shown meanwhile.

    """
    confirmed = [one for one in recorded if one.finding.verdict is Verdict.FAIL]
    if not confirmed or not effort.time_s:
        return
    made = 0
    with ExitStack() as stack:
        try:
            workshop = stack.enter_context(_workshop(endpoint, api, spec, effort))
        except CannotTest as exc:
            for one in confirmed:
                _keep(one, Reproducer(reason=str(exc)))
            return
        console = Console(stderr=True, quiet=quiet or not Console(stderr=True).is_terminal)
        status = stack.enter_context(console.status("making standalone files"))
        for one in _ordered(confirmed):
            made += 1
            status.update(f"making standalone files: {made} of {len(confirmed)}")
            _keep(one, _made(workshop, one))


def _made(workshop: Workshop, one: Recorded) -> Reproducer:
    if workshop.bounds.is_spent:
        return Reproducer(reason=_OUT_OF_TIME)
    path = one.path.with_suffix(".py")
    try:
        made = workshop.make(one.file, one.attempts, path)
    except KeyboardInterrupt:
        workshop.bounds.until_s = 0
        made = Reproducer(reason="interrupted")
    except Exception as exc:  # noqa: BLE001 - the finding stands, whatever becomes of this file
        made = Reproducer(reason=f"our own fault: {type(exc).__name__}: {exc}")
    if made.file is None or not made.reproduced:
        path.unlink(missing_ok=True)
        reason = made.reason or f"the file did not reproduce it in {made.runs} runs"
        made = made.model_copy(update={"file": None, "reason": reason})
    return made


def _keep(one: Recorded, reproducer: Reproducer) -> None:
    write(one.path, one.file.model_copy(update={"reproducer": reproducer}))


def _ordered(recorded: Sequence[Recorded]) -> list[Recorded]:
    """Return the findings with the first of each requirement in front."""
    seen: set[str] = set()
    firsts = []
    for one in recorded:
        if one.finding.requirement not in seen:
            seen.add(one.finding.requirement)
            firsts.append(one)
    return [*firsts, *(one for one in recorded if one not in firsts)]


@contextmanager
def _workshop(endpoint: Endpoint, api: Api, spec: Path | None, effort: Effort) -> Iterator[Workshop]:
    """Give the means, with a reference server to compare the endpoint with.

    Raises:
        CannotTest: If the endpoint has no control topic, or the reference server does not start.

    """
    settings = endpoint.provisioner
    token = settings.secret() if isinstance(settings, ControlSettings) else None
    if not token:
        raise CannotTest("a standalone file needs a control topic that makes its agents")
    name = endpoint.profile.params.get("token", "token")
    there = Place(base_of(endpoint.url, api), f"{endpoint.control_url(api)}?{name}=", token)
    with own_server(spec, 0) as server, trusting(endpoint.ca) as environment:
        control = f"{server.url}{api.sockets['control'].paths[0]}?token="
        yield Workshop(there, Place(server.url, control, server.token), effort.bounds(), environment)
