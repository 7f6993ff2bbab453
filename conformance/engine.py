"""Runs one case, and the controls before all cases.

Each case gets fixtures of its own. One that fails is run once more on fresh fixtures before it is reported; one that cannot tell gets
a second chance to.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace

from pydantic import JsonValue

from conformance.budget import OUT_OF_BUDGET
from conformance.case import Case
from conformance.client.read_only import READ_ONLY
from conformance.client.wire import HandshakeRefused, Unreachable, open_tcp
from conformance.endpoint import Endpoint
from conformance.faults import (
    CannotProvision,
    CannotTell,
    CannotTest,
    OutOfTime,
    ProvisionerGaveOut,
    Violation,
)
from conformance.fixtures.lab import Bench, Lab
from conformance.verdicts import Attempt, Judge, Told
from reports.record import CaseResult, Verdict
from specs.model import Api

ATTEMPTS = 2
MOST_RUNS = ATTEMPTS + 2
"""How often one case is run at most: in haste, patiently with the steps then drawn, patiently with others, and to confirm."""


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
        url = lab.url(socket.name, agent.opening(socket), bench.vsn)
        shown = bench.endpoint.socket_url(bench.api, socket.name)
        try:
            wire = lab.open(url, "control")
        except HandshakeRefused as exc:
            is_refusal = exc.status in {401, 403}
            why = "the credentials of a fresh agent are refused" if is_refusal else "no WebSocket is there"
            raise CannotTest(f"{shown}: {why} ({exc})") from exc
        except Unreachable as exc:
            raise CannotTest(f"{shown}: {exc}") from exc
        peer = lab.peer(wire, socket=socket.name, vsn=bench.vsn)
        # A server that answers anything at all can be judged, be it only for what it does not answer.
        if peer.sync().kind == "silence":
            peer.join(lab.unique("anything"))
        if not peer.inbox:
            end = lab.transcript.redacted(f" ({wire.closed})") if wire.closed else ""
            raise CannotTest(f"{shown}: neither a heartbeat nor a join is answered{end}")
    except CannotProvision as exc:
        raise CannotTest(lab.transcript.redacted(f"no agent can be provisioned: {exc}")) from exc
    except Violation:
        # It speaks, though wrongly: the cases say so with evidence.
        return
    finally:
        lab.close()


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of running a case, before it is judged."""

    attempts: tuple[Attempt, ...]
    """The first one first; never empty."""
    duration_ms: float = 0.0


def run_cases(bench: Bench, judge: Judge, cases: Iterable[Case]) -> Iterator[CaseResult]:
    """Run cases in order and yield their results as they come."""
    told = Told()
    for case in cases:
        outcome = run_case(bench, judge, case)
        yield judge.result(case, told.once(case, outcome.attempts), outcome.duration_ms)


def run_case(bench: Bench, judge: Judge, case: Case, until_s: float | None = None) -> Outcome:
    """Run a case, once more where it could not tell, and where it fails once more.

    Each attempt but the first waits with full patience; where the first did not, and found something, it counts for nothing.

    Args:
        bench: What is the same for all cases.
        judge: Says what a failure is.
        case: The case.
        until_s: Monotonic time at which it is given up; a failure that was seen before is still confirmed.

    """
    started_s = time.monotonic()
    first = run_once(bench, case, 1, until_s=until_s)
    if first.may_tell_again and bench.doubts.gives_chances:
        first = run_once(bench, case, 2, until_s=until_s)
        bench.doubts.note_chance(was_in_vain=first.ended is Verdict.INCONCLUSIVE)
    enough = frozenset() if judge.fails(first) else frozenset(bench.doubts.advised)
    if first.breaches and first.hasty - enough:
        first = _run_patiently(bench, judge, case, first, until_s)
    attempts = [first]
    while judge.fails(first) and len(attempts) < ATTEMPTS:
        attempts.append(run_once(bench, case, attempts[-1].number + 1, first.program))
    if all(judge.fails(attempt) for attempt in attempts):
        bench.doubts.note_accused(frozenset.intersection(*(attempt.absent for attempt in attempts)))
    elif first.breaches:
        bench.doubts.note_advised(first.absent)
    return Outcome(tuple(attempts), round((time.monotonic() - started_s) * 1000, 3))


def _run_patiently(bench: Bench, judge: Judge, case: Case, hasty: Attempt, until_s: float | None) -> Attempt:
    """Run a case again that has found something in haste: first with the steps that it drew, where it fails by them."""
    number = hasty.number + 1
    if hasty.program is not None and judge.fails(hasty):
        again = run_once(bench, case, number, hasty.program, until_s)
        if judge.fails(again):
            return again
        number += 1
    return run_once(bench, case, number, until_s=until_s)


def out_of_budget() -> Outcome:
    """Return the outcome of a case that was not started because the time of the run was up."""
    return Outcome((Attempt((), (), Verdict.NOT_RUN, OUT_OF_BUDGET),))


def run_once(
    bench: Bench, case: Case, number: int, program: JsonValue = None, until_s: float | None = None
) -> Attempt:
    """Run a case once on fixtures of its own; whatever it raises becomes part of the attempt.

    Args:
        bench: What is the same for all cases.
        case: The case.
        number: Of the attempt, from 1.
        program: Steps of an earlier attempt that are to be carried out again, for a case that draws its steps.
        until_s: Monotonic time at which it is given up; it then counts as not run, whatever was seen.

    """
    bench.restraint.has_denied = False
    bench.doubts.begin(is_patient=number > 1)
    lab = Lab(bench, case.id, number, program, until_s)
    try:
        ended, reason, is_let_down = _carry_out(lab, case.run)
        seen_s = lab.found_s or time.monotonic()
        hasty, absent = frozenset(bench.doubts.hasty), frozenset(bench.doubts.absent)
    finally:
        lab.close()
    redacted = lab.transcript.redacted
    # What a later attempt shows is evidence, too, be it that nothing was wrong.
    is_shown = bool(lab.breaches) or number > 1
    entries = lab.transcript.told() if is_shown else tuple(lab.transcript.entries)
    reason = None if reason is None else redacted(reason)
    void = _void(lab, seen_s, until_s)
    if void is not None:
        return Attempt((), entries, *void, lab.program, number=number)
    is_unanswered = ended is Verdict.INCONCLUSIVE and all(one.direction != "received" for one in entries)
    return Attempt(
        tuple(
            replace(one, expected=redacted(one.expected), observed=redacted(one.observed))
            for one in lab.breaches
        ),
        entries,
        ended,
        reason,
        lab.program,
        is_unanswered,
        tuple(lab.transcript.steps),
        lab.transcript.places,
        number,
        is_let_down=is_let_down,
        may_tell_again=not (is_unanswered or lab.breaches or lab.deadline.has_passed)
        and ended is Verdict.INCONCLUSIVE,
        hasty=hasty,
        absent=absent,
    )


def _void(lab: Lab, seen_s: float, until_s: float | None) -> tuple[Verdict, str] | None:
    """Return what an attempt comes to whatever was seen in it, and why; None where what was seen counts."""
    unknown = [one.requirement for one in lab.breaches if one.requirement not in lab.api.requirements]
    if unknown:
        return Verdict.ERROR, f"the case reports a requirement that the documents do not have: {unknown[0]}"
    if lab.bench.restraint.has_denied:
        # Whatever the case has made of it: what it was to look at has not happened.
        return Verdict.NOT_RUN, READ_ONLY
    if until_s is not None and seen_s >= until_s:
        # A wait that was cut short says nothing about the endpoint.
        return Verdict.NOT_RUN, OUT_OF_BUDGET
    return None


def _carry_out(lab: Lab, run: Callable[[Lab], None]) -> tuple[Verdict | None, str | None, bool]:
    """Run a case; return how it ended where it did not come to its end, why, and whether the provisioner had given out."""
    try:
        run(lab)
    except Violation as exc:
        lab.breaches = [
            exc.breach,
            *(breach for breach in lab.breaches if breach.requirement != exc.breach.requirement),
        ]
    except (CannotTell, OutOfTime) as exc:
        return Verdict.INCONCLUSIVE, str(exc), False
    except CannotProvision as exc:
        return Verdict.NOT_RUN, str(exc), isinstance(exc, ProvisionerGaveOut)
    except CannotTest:
        raise
    except Exception as exc:  # noqa: BLE001 - our own fault must not be taken for the endpoint's
        return Verdict.ERROR, f"{type(exc).__name__}: {exc}", False
    return None, None, False
