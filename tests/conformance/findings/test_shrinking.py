"""What is not needed is left out, and nothing else."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from conformance.findings.scripting import Line
from conformance.findings.shrinking import Budget, frames_of, shrink
from conformance.findings.symbols import lone


def agent(name: str) -> Line:
    return {"do": "agent", "as": name, "attributes": {}}


def connect(name: str, by: str) -> Line:
    return {"do": "connect", "as": name, "target": lone(f"{by}.id")}


def send(on: str, number: int, value: Any = None) -> Line:
    return {"do": "send", "on": on, "message": [number, value]}


def wait(on: str, ref: int, **fields: Any) -> Line:
    return {"do": "wait", "on": on, "for": {"ref": ref, "status": "ok"}, **fields}


SCRIPT: list[Line] = [
    agent("a"),
    agent("b"),
    connect("a_socket", "a"),
    connect("b_socket", "b"),
    *(line for number in range(8) for line in (send("a_socket", number), wait("a_socket", number))),
    {"do": "pause", "seconds": 2.0},
    *(line for number in range(4) for line in (send("b_socket", number), wait("b_socket", number))),
]


def shortened(
    shows: Callable[[list[Line]], bool],
    lines: list[Line] = SCRIPT,
    needed: set[str] | None = None,
    told: list[Line] | None = None,
    executions: int = 1_000,
) -> list[Line]:
    return shrink(lines, needed or set(), told or [], shows, Budget(time.monotonic() + 60, executions))


def sends(lines: list[Line]) -> list[tuple[str, int]]:
    return [(line["on"], line["message"][0]) for line in lines if line["do"] == "send"]


def test_only_what_is_needed_is_left() -> None:
    """Two steps far apart are found; the other participant and the pause go."""
    short = shortened(lambda lines: {("a_socket", 2), ("a_socket", 6)} <= set(sends(lines)))
    assert sends(short) == [("a_socket", 2), ("a_socket", 6)]
    assert [line["do"] for line in short] == ["agent", "connect", "send", "wait", "send", "wait"]


def test_what_rests_on_something_goes_with_it() -> None:
    """No script uses a name that it does not give."""
    lines = [
        *SCRIPT[:4],
        wait("a_socket", 1, keep=[{"as": "message_id", "path": [4, "id"]}]),
        send("b_socket", 9, lone("message_id")),
        send("b_socket", 10),
    ]
    seen: list[list[Line]] = []

    def shows(some: list[Line]) -> bool:
        seen.append(some)
        return ("b_socket", 10) in sends(some)

    assert sends(shortened(shows, lines)) == [("b_socket", 10)]
    for some in seen:
        if ("b_socket", 9) in sends(some):
            assert any(line.get("keep") for line in some)


def test_what_the_evidence_and_the_report_speak_of_stays() -> None:
    """Names that the evidence uses, and the step that the report tells of, are not left out even where nothing is missed."""
    told = wait("b_socket", 3)
    short = shortened(lambda _lines: True, needed={"a_socket"}, told=[told])
    assert "a_socket" in {line.get("as") for line in short}
    assert told in short


def test_a_script_that_cannot_be_made_shorter_stays() -> None:
    """Where nothing shorter shows it, the script is as it was."""
    assert shortened(lambda _lines: False) == SCRIPT


def test_no_more_is_tried_than_allowed() -> None:
    """The number of executions has a bound."""
    tried: list[int] = []

    def shows(lines: list[Line]) -> bool:
        tried.append(len(lines))
        return False

    shortened(shows, executions=5)
    assert len(tried) == 5


def test_frames_are_counted_by_participant() -> None:
    """What is sent counts, what is waited for does not."""
    assert frames_of(SCRIPT) == {"a_socket": 8, "b_socket": 4}
