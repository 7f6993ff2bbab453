"""What always comes from the endpoint and never from the reference server is found, and nothing else."""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import pytest

from conformance.findings.evidence import Evidence, candidates
from conformance.findings.execution import Execution
from conformance.findings.relevance import by_relevance, told_of
from conformance.findings.scripting import Seen
from conformance.findings.standalone import core, reading

EMPTY: dict[str, Any] = {}


def reply(ref: str, status: str = "ok", response: Any = EMPTY, at: int = 1) -> Seen:
    frame = ["1", ref, "task:t", "phx_reply", {"status": status, "response": response}]
    return Seen("phx_reply", "task:t", ref, status, frame, at)


def event(name: str, payload: Any = EMPTY, at: int = 1) -> Seen:
    return Seen(name, "task:t", None, None, [None, None, "task:t", name, payload], at)


def closed(code: int | None, at: int = 1) -> Seen:
    return Seen("closed", None, None, code, None, at)


def found(ours: Sequence[Sequence[Seen]], theirs: Sequence[Sequence[Seen]]) -> list[Evidence]:
    return candidates(
        [Execution(seen={"a_socket": list(seen)}) for seen in ours],
        [Execution(seen={"a_socket": list(seen)}) for seen in theirs],
    )


def holds(evidence: Evidence, seen: Sequence[Seen]) -> bool:
    """Tell whether a standalone file would see it in what comes."""
    endpoint = core.Endpoint("", "", "")
    endpoint.is_quiet = True
    connection = core.Connection(endpoint, "a_socket")
    connection.events = [core.Event(one.event, one.topic, one.ref, one.status, one.frame) for one in seen]
    names = {**vars(core), **vars(reading), "a_socket": connection}
    return bool(eval(evidence.code, names))  # noqa: S307


OK, REFUSED = reply("2"), reply("2", "error", {"reason": "no"})


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        pytest.param([OK], [REFUSED], id="accepted"),
        pytest.param([], [OK], id="not answered"),
        pytest.param([OK, event("progress")], [OK], id="an event too many"),
        pytest.param([OK, event("progress"), event("progress")], [OK, event("progress")], id="twice"),
        pytest.param([event("done", {"sum": "12"})], [event("done", {"sum": "13"})], id="another value"),
        pytest.param([event("done", {})], [event("done", {"sum": "13"})], id="a member missing"),
        pytest.param([event("done", {"sum": True})], [event("done", {"sum": 1})], id="true is not one"),
        pytest.param([event("done", {"sum": None})], [event("done", {})], id="null is not missing"),
        pytest.param([event("done", [])], [event("done", {})], id="an array for an object"),
        pytest.param([event("a"), event("b")], [event("b"), event("a")], id="the other order"),
        pytest.param([closed(1000)], [closed(1011)], id="another close code"),
        pytest.param([closed(None)], [closed(1011)], id="no close code"),
        pytest.param([], [closed(1011)], id="not closed"),
    ],
)
def test_a_difference_is_found_and_tells_both_apart(ours: list[Seen], theirs: list[Seen]) -> None:
    """The first candidate is true of the one and false of the other."""
    first = found([ours, ours], [theirs, theirs])[0]
    assert holds(first, ours)
    assert not holds(first, theirs)
    assert first.words


def test_what_is_the_same_is_no_evidence() -> None:
    """Equal conversations show nothing."""
    assert found([[OK, event("a")]] * 2, [[OK, event("a")]] * 2) == []


def test_what_varies_from_run_to_run_is_no_evidence() -> None:
    """A value that no two runs have in common is not told of, though it differs from the reference server's."""
    ours = [[event("metrics", {"total": 4})], [event("metrics", {"total": 5})]]
    theirs = [[event("metrics", {"total": 1})], [event("metrics", {"total": 2})]]
    assert found(ours, theirs) == []


@pytest.mark.parametrize("ticks_a_s", [1, 1_000, 1_000_000])
def test_a_time_is_no_evidence(ticks_a_s: int) -> None:
    """Both executions at a server fall into the same second more often than not; what else differs is found beside it."""

    def at(later_s: int, total: str) -> list[Seen]:
        now_s = int(time.time()) + later_s
        told = {"at": now_s * ticks_a_s, "told": datetime.fromtimestamp(now_s, UTC).isoformat()}
        return [event("done", {**told, "sum": total})]

    assert found([at(0, "12")] * 2, [at(1, "12")] * 2) == []
    (evidence,) = found([at(0, "12")] * 2, [at(1, "13")] * 2)
    assert holds(evidence, at(9, "12"))


@pytest.mark.parametrize(
    "number",
    [10**400, -(10**400), 1e308, float("inf"), float("nan"), True],
    ids=["huge", "hugely negative", "huge float", "infinite", "NaN", "true"],
)
def test_no_number_is_too_large_to_be_evidence(number: Any) -> None:
    """What no clock shows and no float holds is a value like any other."""
    ours, theirs = [event("done", {"sum": number})], [event("done", {"sum": "12"})]
    assert found([ours] * 2, [theirs] * 2)


def test_a_value_that_varies_but_is_never_the_right_one_is_evidence() -> None:
    """Where the reference server always shows the same, anything else is wrong."""
    ours = [[event("done", {"by": "x1"})], [event("done", {"by": "x2"})]]
    theirs = [[event("done", {"by": "client"})]] * 2
    (only,) = found(ours, theirs)
    assert holds(only, [event("done", {"by": "x3"})])
    assert not holds(only, theirs[0])


def test_ids_that_should_differ_but_are_equal_are_evidence() -> None:
    """How two varying values stand to each other is looked at, too."""
    ours = [[event("sent", {"id": f"m{run}"}), event("sent", {"id": f"m{run}"})] for run in range(2)]
    theirs = [[event("sent", {"id": f"m{run}"}), event("sent", {"id": f"n{run}"})] for run in range(2)]
    first = found(ours, theirs)[0]
    assert holds(first, [event("sent", {"id": "x"}), event("sent", {"id": "x"})])
    assert not holds(first, [event("sent", {"id": "x"}), event("sent", {"id": "y"})])


def test_the_last_difference_comes_first() -> None:
    """The case ended where it saw what it reports."""
    ours = [[reply("2", at=3), reply("3", at=7)]] * 2
    theirs = [[reply("2", "error", at=3), reply("3", "error", at=7)]] * 2
    assert 'ref="3"' in found(ours, theirs)[0].code


@pytest.mark.parametrize(
    ("observed", "wanted"),
    [
        ("reply ok {}", 'a_socket.comes(ref="2", status="ok")'),
        ("2 times", 'a_socket.comes(2, topic="task:t", event="progress")'),
        ("[- -] task:t cancel {}", 'a_socket.comes(topic="task:t", event="cancel")'),
    ],
)
def test_what_the_report_says_comes_first(observed: str, wanted: str) -> None:
    """Of several differences a reader is shown the one that he was told of."""
    ours = [[reply("2", at=2), event("progress"), event("progress", at=9), event("cancel", at=3)]] * 2
    theirs = [[reply("2", "error"), event("progress")]] * 2
    assert by_relevance(found(ours, theirs), observed, "")[0].code == wanted


def test_what_was_expected_comes_before_what_others_cause() -> None:
    """Who else comes and goes changes presence; the event that was waited for in vain shows more."""
    ours = [[event("presence_diff", at=9)]] * 2
    theirs = [[event("agent_updated", at=2), *[event("presence_diff", at=9)] * 3, event("seen", at=1)]] * 2
    likely = by_relevance(found(ours, theirs), "nothing within 1 s", "bob receives agent_updated")
    assert [one.code.partition("event=")[2] for one in likely] == [
        '"agent_updated")',
        '"seen")',
        '"presence_diff")',
    ]


def test_the_step_that_waits_for_what_was_observed_is_told_of() -> None:
    """A shorter script keeps the step at which the case saw what it reports."""
    lines = [
        {"do": "wait", "on": "a_socket", "for": {"topic": "task:t", "event": "cancel"}},
        {"do": "wait", "on": "a_socket", "for": {"ref": "2", "status": "ok"}},
        {"do": "wait", "on": "b_socket", "for": {"ref": "3", "status": "error"}},
    ]
    assert told_of(lines, "reply ok {}") == []
    assert told_of(lines, "[- -] task:t cancel {}") == [lines[0]]
    assert told_of(lines, "no reply") == []
