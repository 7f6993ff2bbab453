"""Running cases: whatever a case raises becomes the right kind of verdict, and a failure is confirmed."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from typing import Any
from urllib.parse import quote

import pytest

from conformance.case import Case
from conformance.client.doubts import VAIN_CHANCES
from conformance.client.read_only import READ_ONLY, ReadOnly
from conformance.endpoint import Endpoint
from conformance.engine import admit, reach, run_cases, run_once
from conformance.faults import CannotProvision, CannotTell, CannotTest, Violation
from conformance.fixtures.lab import Lab
from conformance.verdicts import Judge
from reports.record import CaseResult, Verdict
from specs.model import Api

BINDING, ADVICE = "task/stream-relayed", "task/events-answered"

Run = Callable[[Lab], None]


@pytest.fixture
def result_of(bench_at: Any, api: Api) -> Callable[[Run], CaseResult]:
    """Run one case and give its result."""

    def run(body: Run) -> CaseResult:
        bench = bench_at()
        case = Case("task/some", "task", (BINDING,), "Something.", body)
        (result,) = run_cases(bench, Judge(api, bench.endpoint.profile, is_strict=False), [case])
        return result

    return run


def raising(*exceptions: Exception | None) -> Run:
    """Return a case that raises one exception after the other in its attempts."""
    turns: Iterator[Exception | None] = iter(exceptions)

    def run(_lab: Lab) -> None:
        exception = next(turns)
        if exception is not None:
            raise exception

    return run


def test_a_failure_is_seen_twice_before_it_is_reported(result_of: Any) -> None:
    """The same breach on fresh fixtures confirms the first."""
    result = result_of(raising(Violation(BINDING, "a", "b"), Violation(BINDING, "a", "c")))
    assert (result.verdict, result.attempts) == (Verdict.FAIL, 2)
    assert [finding.observed for finding in result.findings] == ["b"]


def test_advice_that_is_given_once_a_run_is_confirmed_as_well(bench_at: Any, api: Api) -> None:
    """Where advice counts as a failure, the second attempt gives it again; another case does not."""
    bench = bench_at()
    judge = Judge(api, bench.endpoint.profile, is_strict=True)

    def unanswered(lab: Lab) -> None:
        lab.mention(ADVICE, "task/progress", "a reply", "no reply")

    cases = [Case(f"task/{name}", "task", (ADVICE,), "Something.", unanswered) for name in ("one", "two")]
    assert [result.verdict for result in run_cases(bench, judge, cases)] == [Verdict.FAIL, Verdict.PASS]


@pytest.mark.parametrize("second", [None, CannotTell("gone"), CannotProvision("used up"), ValueError("ours")])
def test_a_failure_that_is_not_seen_again_is_flaky(result_of: Any, second: Exception | None) -> None:
    """Whatever else the second attempt comes to, it confirms nothing, and it is no pass."""
    result = result_of(raising(Violation(BINDING, "a", "b"), second))
    assert result.verdict is Verdict.FLAKY


@pytest.mark.parametrize("second", [None, CannotTell("gone"), Violation("task/participants-join", "a", "c")])
def test_a_flaky_case_has_the_transcripts_of_both_attempts(result_of: Any, second: Exception | None) -> None:
    """Whatever the second attempt came to, what was sent and received in it is evidence as well."""
    turns = iter([Violation(BINDING, "a", "b"), second])

    def run(lab: Lab) -> None:
        exception = next(turns)
        lab.transcript.add("alice", "note", f"before {exception}")
        if exception is not None:
            raise exception

    result = result_of(run)
    assert result.verdict is Verdict.FLAKY
    assert [finding.attempt for finding in result.findings] == [1, 2]
    assert {finding.verdict for finding in result.findings} == {Verdict.FLAKY}
    assert [finding.transcript[0].text for finding in result.findings] == [
        f"before {Violation(BINDING, 'a', 'b')}",
        f"before {second}",
    ]


@pytest.mark.parametrize(
    ("exception", "verdict"),
    [
        (CannotTell("who knows"), Verdict.INCONCLUSIVE),
        (CannotProvision("nothing left"), Verdict.NOT_RUN),
        (ZeroDivisionError("of ours"), Verdict.ERROR),
        (AssertionError("of ours"), Verdict.ERROR),
        (RecursionError("of ours"), Verdict.ERROR),
    ],
)
def test_blame_is_typed(result_of: Any, exception: Exception, verdict: Verdict) -> None:
    """Our own faults are errors and nobody's are inconclusive; nothing was answered, so none is tried again; each has its reason."""
    result = result_of(raising(exception))
    assert (result.verdict, result.attempts in {0, 1}) == (verdict, True)
    assert str(exception) in (result.reason or "")


@pytest.mark.parametrize("is_part", [False, True], ids=["attempt", "example"])
def test_what_an_attempt_says_holds_no_credential_that_the_endpoint_quotes(
    bench_at: Any, is_part: bool
) -> None:
    """Neither a breach nor advice, also where one of several examples of the attempt has seen it; all else is told."""

    def run(lab: Lab) -> None:
        seeing = lab.example(1) if is_part else lab
        agent = seeing.agent("alice")
        quoted = f"key {agent.api_key} and {quote(agent.session_token, safe='')} are bad"
        lab.advise(ADVICE, f"not {agent.api_key}", quoted)
        raise Violation(BINDING, f"no {agent.api_key}", quoted)

    attempt = run_once(bench_at(), Case("task/some", "task", (BINDING,), "Something.", run), 1)
    told = [(one.expected, one.observed) for one in attempt.breaches]
    hidden = "key [REDACTED] and [REDACTED] are bad"
    assert told == [("no [REDACTED]", hidden), ("not [REDACTED]", hidden)]


@pytest.mark.parametrize("blame", [CannotTell, CannotProvision, ValueError])
def test_a_reason_holds_no_credential_that_the_endpoint_quotes(result_of: Any, blame: Any) -> None:
    """Whoever is to blame."""

    def run(lab: Lab) -> None:
        raise blame(f"refused: {lab.agent('alice').api_key}")

    assert result_of(run).reason.endswith("refused: [REDACTED]")


def answered(*exceptions: Exception | None) -> Run:
    """Return a case that is answered before it raises one exception after the other in its attempts."""
    raises = raising(*exceptions)

    def run(lab: Lab) -> None:
        lab.transcript.add("alice", "received", "an answer")
        raises(lab)

    return run


BREACH, DELAYED = Violation(BINDING, "a", "b"), CannotTell("no reply to a new join")


@pytest.mark.parametrize(
    ("exceptions", "verdict", "attempts"),
    [
        ([DELAYED, None], Verdict.PASS, 2),
        ([DELAYED, DELAYED], Verdict.INCONCLUSIVE, 2),
        ([DELAYED, BREACH, BREACH], Verdict.FAIL, 3),
        ([DELAYED, BREACH, None], Verdict.FLAKY, 3),
    ],
)
def test_a_case_that_could_not_tell_gets_a_second_chance(
    result_of: Any, exceptions: list[Exception | None], verdict: Verdict, attempts: int
) -> None:
    """What it says then counts, and is confirmed like anything else."""
    result = result_of(answered(*exceptions))
    assert (result.verdict, result.attempts) == (verdict, attempts)


def test_a_case_whose_time_is_up_gets_no_second_chance(result_of: Any) -> None:
    """It would take as long again."""
    body = answered(DELAYED)

    def run(lab: Lab) -> None:
        lab.deadline.extend(-1000)
        body(lab)

    result = result_of(run)
    assert (result.verdict, result.attempts) == (Verdict.INCONCLUSIVE, 1)


def test_second_chances_end_where_they_are_in_vain(bench_at: Any, api: Api) -> None:
    """An endpoint with which nothing can be told costs each case its time once."""
    bench = bench_at()
    judge = Judge(api, bench.endpoint.profile, is_strict=False)
    cases = [
        Case(f"task/{number}", "task", (BINDING,), "Something.", answered(DELAYED, DELAYED))
        for number in range(VAIN_CHANCES + 2)
    ]
    attempts = [result.attempts for result in run_cases(bench, judge, cases)]
    assert attempts == [2] * VAIN_CHANCES + [1, 1]


def test_what_was_only_advised_is_an_advisory(result_of: Any) -> None:
    """Advice alone neither fails a case nor makes it run again."""
    result = result_of(lambda lab: lab.advise(ADVICE, "a reply", "none"))
    assert (result.verdict, result.attempts) == (Verdict.ADVISORY, 1)


def test_a_report_of_a_binding_breach_ends_the_case(result_of: Any) -> None:
    """Nothing of the case runs after a binding breach; it goes on after advice."""
    seen: list[str] = []

    def run(lab: Lab) -> None:
        lab.report(ADVICE, "a", "b")
        seen.append("after advice")
        lab.report(BINDING, "a", "b")
        seen.append("after a breach")

    assert result_of(run).verdict is Verdict.FAIL
    assert seen == ["after advice"] * 2


def test_attempts_have_fixtures_of_their_own(result_of: Any) -> None:
    """The second attempt has other agents and names than the first."""
    made: list[str] = []

    def run(lab: Lab) -> None:
        made.extend([lab.agent("alice").agent_id, lab.agent("alice").agent_id, lab.unique("x")])
        raise Violation(BINDING, "a", "b")

    result_of(run)
    assert len(set(made)) == len(made) == 6


def test_an_endpoint_that_is_gone_ends_the_run(result_of: Any) -> None:
    """What cannot be tested at all is no verdict about a case."""
    with pytest.raises(CannotTest):
        result_of(raising(CannotTest("gone")))


def test_an_interruption_is_not_swallowed(result_of: Any) -> None:
    """Ctrl-C in a case reaches whoever runs the cases."""

    def run(_lab: Lab) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        result_of(run)


def test_results_come_as_cases_end(bench_at: Any, api: Api) -> None:
    """Each result is there before the next case begins, in the order of the cases."""
    begun: list[str] = []

    def noting(name: str) -> Case:
        return Case(name, "task", (BINDING,), "Something.", lambda _lab: begun.append(name))

    cases = [noting(name) for name in ("b", "a", "c")]
    bench = bench_at()
    for result in run_cases(bench, Judge(api, bench.endpoint.profile, is_strict=False), cases):
        assert begun[-1] == result.case
    assert begun == ["b", "a", "c"]


def test_an_endpoint_where_nobody_listens_cannot_be_tested(api: Api) -> None:
    """The reason names the URL, and there is no verdict."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"ws://127.0.0.1:{listener.getsockname()[1]}"
    with pytest.raises(CannotTest, match=url):
        reach(Endpoint(url=url), api)


def test_an_endpoint_that_lets_an_agent_in_and_answers_is_admitted(scripted: Any, bench_at: Any) -> None:
    """The controls before a run pass where a heartbeat is answered."""
    admit(bench_at(scripted().url))


def test_a_listener_that_never_answers_cannot_be_tested(bench_at: Any) -> None:
    """An open port is no endpoint."""
    with (
        socket.create_server(("127.0.0.1", 0)) as listener,
        pytest.raises(CannotTest, match="no answer"),
    ):
        admit(bench_at(f"ws://127.0.0.1:{listener.getsockname()[1]}", connect_s=0.3))


def test_a_finding_made_in_time_is_kept_though_the_case_goes_on(bench_at: Any, api: Api) -> None:
    """A case that shows its finding better after the end of the budget has found it before."""
    bench, until_s = bench_at(), time.monotonic() + 0.1

    def run(lab: Lab) -> None:
        lab.found_s = time.monotonic()
        time.sleep(max(0.0, until_s - time.monotonic()) + 0.01)
        raise Violation(BINDING, "a", "b")

    case = Case("task/some", "task", (BINDING,), "Something.", run)
    assert len(run_once(bench, case, 1, until_s=until_s).breaches) == 1
    assert (
        run_once(bench, replace(case, run=raising(Violation(BINDING, "a", "b"))), 1, until_s=until_s).breaches
        == ()
    )


@pytest.mark.parametrize("after", [None, Violation(BINDING, "a", "b"), CannotTell("what I wanted")])
def test_a_case_that_was_denied_something_did_not_run(
    bench_at: Any, api: Api, after: Exception | None
) -> None:
    """Whatever it makes of the denial: neither its pass nor its finding means anything; the next case is not concerned."""
    bench = bench_at()
    bench.restraint.read_only = ReadOnly(api)

    def run(lab: Lab) -> None:
        with suppress(CannotProvision):
            lab.bench.restraint.check(b'["1","2","task:t","complete",{}]', is_text=True)
        if after is not None:
            raise after

    case = Case("task/some", "task", (BINDING,), "Something.", run)
    denied = run_once(bench, case, 1)
    assert (denied.ended, denied.reason, denied.breaches) == (Verdict.NOT_RUN, READ_ONLY, ())
    assert run_once(bench, replace(case, run=lambda _lab: None), 1).ended is None
