"""Makes the standalone files of a run, within bounds: first one for each requirement, then the others."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console

from conformance.endpoint import Endpoint, base_of
from conformance.faults import CannotTest
from conformance.findings.effort import Effort
from conformance.findings.execution import Place
from conformance.findings.finding_file import Reproducer, write
from conformance.findings.recording import Recorded
from conformance.findings.reproducers import Bounds, Workshop, trusting
from conformance.own_server import own_server
from conformance.provisioner_settings import ControlSettings
from specs.model import Api

_OUT_OF_TIME = "the time for standalone files was up (--reproducer-time)"


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
    confirmed = _ordered([one for one in recorded if one.is_confirmed])
    if not confirmed:
        return
    console = Console(stderr=True, quiet=quiet or not Console(stderr=True).is_terminal)
    made, reason = 0, "interrupted"
    try:
        with _workshop(endpoint, api, spec, effort) as workshop, console.status("") as status:
            for one in confirmed:
                status.update(f"making standalone files: {made + 1} of {len(confirmed)}")
                _keep(one, _made(workshop, one))
                made += 1
    except CannotTest as exc:
        reason = str(exc)
    except KeyboardInterrupt:
        # What was found is to be reported all the same.
        pass
    for one in confirmed[made:]:
        one.path.with_suffix(".py").unlink(missing_ok=True)
        _keep(one, Reproducer(reason=reason))


def _made(workshop: Workshop, one: Recorded) -> Reproducer:
    if workshop.bounds.is_spent:
        return Reproducer(reason=_OUT_OF_TIME)
    path = one.path.with_suffix(".py")
    try:
        made = workshop.make(one.file, one.attempts, path)
    except Exception as exc:  # noqa: BLE001 - the finding stands, whatever becomes of this file
        made = Reproducer(reason=f"our own fault: {type(exc).__name__}: {exc}")
    if made.file is None or (made.runs and not made.reproduced):
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


def _bounds(effort: Effort) -> Bounds:
    """Return the bounds from now on."""
    bounds = Bounds(time.monotonic() + effort.time_s)
    return bounds if effort.is_shrinking else Bounds(bounds.until_s, executions=0)


@contextmanager
def _workshop(endpoint: Endpoint, api: Api, spec: Path | None, effort: Effort) -> Iterator[Workshop]:
    """Give the means, with a reference server to compare the endpoint with.

    Raises:
        CannotTest: If the reference server does not start.

    """
    settings = endpoint.provisioner
    token = settings.secret() if isinstance(settings, ControlSettings) else None
    name = endpoint.profile.params.get("token", "token")
    there = Place(base_of(endpoint.url, api), f"{endpoint.control_url(api)}?{name}=", token or "")
    with own_server(spec, 0) as server, trusting(endpoint.ca) as environment:
        control = f"{server.url}{api.sockets['control'].paths[0]}?token="
        honest = Place(server.url, control, server.token)
        yield Workshop(there, honest, _bounds(effort), environment, has_operator=token is not None)
