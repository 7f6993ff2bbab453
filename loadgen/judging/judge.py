"""The judge: reads a tape, judges it by the rules of `specs.history`, and says what it has found once its standard input is closed.

A process of its own, so that what it takes is not taken from the generator. It is told apart in the report.
"""

from __future__ import annotations

import gc
import os
import signal
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import msgspec

from loadgen.client.entries import ENDED, GIVEN_UP, MADE, OPENED, RECEIVED, SENT, SETTLED
from loadgen.judging.segments import is_closed, read
from specs.history.checker import Checker
from specs.history.facts import Fact, Invoked, Recorder, Status
from specs.loader import load
from specs.message import PHOENIX_TOPIC, PHX_CLOSE, PHX_ERROR, PHX_JOIN, PHX_REPLY

if TYPE_CHECKING:
    from collections.abc import Callable

    from specs.history.findings import Finding
    from specs.model import Api

EXAMPLES: Final = 3
"""Findings of one requirement that are shown; all are counted."""
SHOWN_FACTS: Final = 6
NICENESS: Final = 10
COLLECT_AFTER: Final = 100_000
"""Objects that may be made and kept before the garbage collector looks through them."""

_STATUSES: Final[dict[str, Status]] = {"ok": "ok", "error": "error"}
_decode: Final = msgspec.json.Decoder(tuple[str | None, str | None, str, str, Any]).decode


class Judge:
    """Turns a tape into a history, and keeps what its checker finds."""

    def __init__(self, api: Api) -> None:
        self._api = api
        self._found: dict[str, list[Finding]] = {}
        self._counts: dict[str, int] = {}
        self._recorder = Recorder(Checker(api, self._keep).feed)
        self._connections: dict[int, str] = {}
        self._opened: dict[int, int] = {}
        self._calls: dict[tuple[int, str], Invoked] = {}
        self._joins: dict[tuple[int, str], str | None] = {}
        self.facts = 0
        self._takes: dict[int, Callable[..., None]] = {
            SENT: self._sent,
            RECEIVED: self._received,
            OPENED: self._open,
            ENDED: self._end,
            GIVEN_UP: self._unanswered,
            MADE: self._made,
            SETTLED: self._settled,
        }

    def take(self, entry: list[Any]) -> None:
        """Take the next entry of the tape.

        Raises:
            MalformedHistory: If the tape is no history: a fault of the generator. So is any other error.

        """
        self.facts += 1
        try:
            self._takes[entry[0]](*entry[1:])
        except RecursionError:
            # An endpoint may nest what it sends so deeply that it can be decoded, and no more.
            if entry[0] != RECEIVED:
                raise

    def said(self) -> dict[str, Any]:
        """Return what was found, as JSON."""
        return {"facts": self.facts, "findings": [self._row(name) for name in self._found]}

    def _open(self, number: int, agent_id: str) -> None:
        count = self._opened[number] = self._opened.get(number, 0) + 1
        name = self._connections[number] = f"{agent_id}/{number}.{count}"
        self._recorder.opened(name, agent_id)

    def _end(self, number: int) -> None:
        name = self._connections.pop(number, None)
        if name is not None:
            for call in [call for call in self._calls if call[0] == number]:
                del self._calls[call]
            self._recorder.ended(name)

    def _sent(self, number: int, at_us: int, text: bytes) -> None:
        _, ref, topic, event, payload = _decode(text)
        name = self._connections.get(number)
        if topic == PHOENIX_TOPIC or name is None or ref is None:
            return
        if event == PHX_JOIN:
            self._joins[number, topic] = ref
        self._calls[number, ref] = self._recorder.invoked(name, topic, event, payload, at_us * 1000)

    def _received(self, number: int, at_us: int, text: bytes) -> None:
        try:
            join_ref, ref, topic, event, payload = _decode(text)
        except (msgspec.DecodeError, UnicodeError, RecursionError):
            return
        name = self._connections.get(number)
        if name is None:
            return
        if event == PHX_REPLY:
            call = self._calls.pop((number, ref or ""), None)
            if call is not None and call.topic == topic:
                told = payload if isinstance(payload, dict) else {}
                status = _STATUSES.get(str(told.get("status")), "unknown")
                self._recorder.answered(call, status, told.get("response"), at_us * 1000)
            return
        if join_ref and join_ref != self._joins.get((number, topic)):
            return
        if event in {PHX_CLOSE, PHX_ERROR}:
            self._recorder.left(name, topic, at_us * 1000)
        else:
            self._recorder.received(name, topic, event, payload, at_us * 1000)

    def _unanswered(self, number: int, ref: str) -> None:
        call = self._calls.pop((number, ref), None)
        if call is not None:
            self._recorder.answered(call, "unknown")

    def _made(self, topic: str, roles: dict[str, str], params: dict[str, Any]) -> None:
        self._recorder.made(topic, roles, params)

    def _settled(self, topic: str) -> None:
        self._recorder.settled(topic)

    def _keep(self, finding: Finding) -> None:
        self._counts[finding.requirement] = self._counts.get(finding.requirement, 0) + 1
        kept = self._found.setdefault(finding.requirement, [])
        if len(kept) < EXAMPLES:
            kept.append(finding)

    def _row(self, name: str) -> dict[str, Any]:
        requirement = self._api.requirements[name]
        return {
            "requirement": name,
            "level": requirement.level,
            "basis": requirement.basis,
            "is_binding": requirement.is_binding,
            "statement": requirement.text,
            "count": self._counts[name],
            "examples": [_example(finding) for finding in self._found[name]],
        }


def _example(finding: Finding) -> dict[str, Any]:
    return {
        "topic": finding.topic,
        "expected": finding.expected,
        "observed": finding.observed,
        "facts": [_shown(fact) for fact in finding.facts[-SHOWN_FACTS:]],
    }


def _shown(fact: Fact) -> str:
    name = type(fact).__name__.lower()
    try:
        return f"{name} {fact._asdict()}"
    except RecursionError:
        return f"{name}, nested too deeply to be shown"


def collect_rarely() -> None:
    """Let the garbage collector look seldom: what a judge drops is in no cycle, and what it keeps is much and lives long."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(COLLECT_AFTER, 50, 50)


def step_back() -> None:
    """Take of the machine what generator and server leave: what is not judged at once is so at the end of the run."""
    if sys.platform != "win32":
        os.nice(NICENESS)


def main(folder: str, spec: str | None = None) -> None:
    """Judge the tape of a folder.

    Args:
        folder: Where it is written.
        spec: Folder of documents; None for the shipped ones.

    """
    step_back()
    collect_rarely()
    asked: list[int] = []
    signal.signal(signal.SIGTERM, lambda number, _frame: asked.append(number))
    judge = Judge(load(Path(spec) if spec else None))
    fault = judge_all(judge, Path(folder), asked)
    said = {**judge.said(), "cpu_s": time.process_time()}
    if fault:
        # What is no history accuses nobody.
        said |= {"fault": fault, "findings": []}
    elif asked:
        said["fault"] = f"the judge was not waited for: it has judged {judge.facts} messages"
    # Whoever has started it may be gone.
    with suppress(BrokenPipeError):
        sys.stdout.buffer.write(msgspec.json.encode(said))
        sys.stdout.buffer.flush()


def judge_all(judge: Judge, folder: Path, asked: list[int]) -> str | None:
    """Judge a tape until its end, or until somebody asks what was found until then; return a fault of the tape."""
    decode = msgspec.msgpack.Decoder(list[list[Any]]).decode
    fault = None
    for chunk in read(folder, lambda: is_closed(sys.stdin.fileno())):
        if asked:
            break
        try:
            for entry in decode(chunk):
                judge.take(entry)
        except Exception as exc:  # noqa: BLE001 - whatever it is, it is our own fault; the rest is read, so that all end in order
            fault = fault or f"the generator has not recorded a history: {exc!r}"
    # Somebody else may have removed it, or something may be left in it.
    with suppress(OSError):
        folder.rmdir()
    return fault


if __name__ == "__main__":
    main(*sys.argv[1:])
