"""Runs cases one after another and says what came of each.

The phases: reach (is anybody there, does it let us in), then the cases in their order, each on fixtures of its own. A
case that fails is run once more on fresh fixtures before it is reported.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator

from pydantic import JsonValue

from conformance.case import Case
from conformance.client.wire import HandshakeRefused, Unreachable, open_tcp
from conformance.endpoint import Endpoint
from conformance.faults import CannotProvision, CannotTell, CannotTest, Violation
from conformance.fixtures.lab import Bench, Lab
from conformance.verdicts import Attempt, Judge
from reports.record import CaseResult, Verdict
from specs.model import Api

ATTEMPTS = 2


def reach(endpoint: Endpoint, api: Api) -> None:
    """Make sure that somebody listens at the endpoint.

    Raises:
        CannotTest: If no TCP (and TLS) connection can be made.

    """
    try:
        open_tcp(
            endpoint.socket_url(api, next(iter(api.sockets))),
            endpoint.profile.timeouts.connect_s,
            ca=endpoint.ca,
        ).close()
    except Unreachable as exc:
        raise CannotTest(f"{endpoint.url}: {exc}") from exc


def admit(bench: Bench) -> None:
    """Make sure that an agent of the provisioner's can connect and is spoken to.

    Raises:
        CannotTest: If it cannot: whatever the cases would then say, it would not be about them.

    """
    lab = Lab(bench, "controls", 0)
    socket = next(socket for socket in bench.api.sockets.values() if socket.identity == "agent")
    try:
        agent = lab.agent("control")
        url = lab.url(socket.name, agent.credentials(socket.credentials[0]), "2.0.0")
        shown = bench.endpoint.socket_url(bench.api, socket.name)
        try:
            wire = lab.open(url, "control")
        except HandshakeRefused as exc:
            is_refusal = exc.status in {401, 403}
            why = "the credentials of a fresh agent are refused" if is_refusal else "no WebSocket is there"
            raise CannotTest(f"{shown}: {why} ({exc})") from exc
        except Unreachable as exc:
            raise CannotTest(f"{shown}: {exc}") from exc
        peer = lab.peer(wire, socket=socket.name)
        # A server that answers anything at all can be judged, be it only for what it does not answer.
        if peer.sync().kind == "silence":
            peer.join(lab.unique("anything"))
        if not peer.inbox:
            end = f" ({wire.closed})" if wire.closed else ""
            raise CannotTest(f"{shown}: neither a heartbeat nor a join is answered{end}")
    except CannotProvision as exc:
        raise CannotTest(f"no agent can be provisioned: {exc}") from exc
    except Violation:
        # It speaks, though wrongly: the cases say so with evidence.
        return
    finally:
        lab.close()


def run_cases(bench: Bench, judge: Judge, cases: Iterable[Case]) -> Iterator[CaseResult]:
    """Run cases in order and yield their results as they come."""
    for case in cases:
        started_s = time.monotonic()
        attempts = [run_once(bench, case, 1)]
        while judge.fails(attempts[0]) and len(attempts) < ATTEMPTS:
            attempts.append(run_once(bench, case, len(attempts) + 1, attempts[0].program))
        yield judge.result(case, attempts, round((time.monotonic() - started_s) * 1000, 3))


def run_once(bench: Bench, case: Case, number: int, program: JsonValue = None) -> Attempt:
    """Run a case once on fixtures of its own; whatever it raises becomes part of the attempt.

    Args:
        bench: What is the same for all cases.
        case: The case.
        number: Of the attempt, from 1.
        program: Steps of an earlier attempt that are to be carried out again, for a case that draws its steps.

    """
    lab = Lab(bench, case.id, number, program)
    try:
        ended, reason = _carry_out(lab, case.run)
    finally:
        lab.close()
    transcript = lab.transcript
    return Attempt(
        tuple(lab.breaches),
        tuple(transcript.entries),
        ended,
        reason,
        lab.program,
        tuple(transcript.steps),
        transcript.places,
    )


def _carry_out(lab: Lab, run: Callable[[Lab], None]) -> tuple[Verdict | None, str | None]:
    try:
        run(lab)
    except Violation as exc:
        lab.breaches = [
            exc.breach,
            *(breach for breach in lab.breaches if breach.requirement != exc.breach.requirement),
        ]
        return None, None
    except CannotTell as exc:
        return Verdict.INCONCLUSIVE, str(exc)
    except CannotProvision as exc:
        return Verdict.NOT_RUN, str(exc)
    except CannotTest:
        raise
    except Exception as exc:  # noqa: BLE001 - our own fault must not be taken for the endpoint's
        return Verdict.ERROR, f"{type(exc).__name__}: {exc}"
    return None, None
