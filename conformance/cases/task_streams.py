"""The two streams of a task: chunks reach the other participant unchanged, once and in order."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from conformance.client.equality import holds, same
from conformance.faults import CannotTell, Violation
from conformance.fixtures.lab import Lab
from conformance.fixtures.stage import Sent, Stage
from conformance.verbs.expectations import accepted
from conformance.written import case

CHUNKS = 40

ORDINARY_LENGTH = 200
"""From here on, as for the empty text, a server may have a limit: the page gives none."""

TEXTS = (
    "",
    "plain",
    'quotes " and \\ and / in between',
    "tab\t, line\n, return\r, bell\x07, delete\x7f",
    "composed \u00e9 and decomposed e\u0301",
    "\u6f22\u5b57, \u05e9\u05dc\u05d5\u05dd, \u0645\u0631\u062d\u0628\u0627, \u0e2a\u0e27\u0e31\u0e2a\u0e14\u0e35",
    "\U0001f600\U0001f468\u200d\U0001f469\u200d\U0001f467 beyond the first plane \U0010ffff",
    "\ufeffbyte order mark, \u2028line and \u2029paragraph separators",
    '{"chunk":"json in a chunk","seq":0}',
    "long \u00e9\u6f22\U0001f600 " * 2000,
)


@dataclass(frozen=True, slots=True)
class Flow:
    """One of the two streams of a task."""

    stream: str
    completion: str


INPUT = Flow("input_stream", "input_complete")
OUTPUT = Flow("output_stream", "output_complete")
FLOWS = (INPUT, OUTPUT)


def send(stage: Stage, flow: Flow, chunk: str, seq: int) -> Sent:
    """Send one chunk as the participant who sends that stream."""
    event = stage.event(flow.stream)
    return stage.push(stage.sender_of(event), event, {"chunk": chunk, "seq": seq})


def holding(part: dict[str, Any]) -> Callable[[Any], bool]:
    """Return a test whether a payload has these members."""
    return lambda payload: holds(payload, part)


@case(
    "task/streams/whole-conversation", "task/stream-relayed", "task/relay-order", "task/valid-event-accepted"
)
def whole_conversation(lab: Lab) -> None:
    """Both streams run at once over many chunks, and each arrives complete, once and in order."""
    stage = Stage.build(lab, "task")
    sent: dict[Flow, list[Sent]] = {flow: [] for flow in FLOWS}
    for seq in range(CHUNKS):
        for flow in FLOWS:
            sent[flow].append(send(stage, flow, f"{flow.stream} {seq} \u00e9\u6f22", seq))
    for flow in FLOWS:
        accepted(stage, sent[flow][-1])
        for one in sent[flow]:
            _demand_not_refused(stage, one)
    stage.settle()
    for flow in FLOWS:
        _judge_order(stage, flow, sent[flow])


def _judge_order(stage: Stage, flow: Flow, sent: Sequence[Sent]) -> None:
    expected = [one.payload["seq"] for one in sent]
    for name, peer in stage.others(sent[0].by).items():
        relayed = peer.seen(stage.topic, flow.stream, sent[0].marks[name])
        arrived = [message.payload["seq"] for message in relayed if holds(message.payload, {})]
        if len(arrived) != len(expected):
            raise Violation(
                "task/stream-relayed",
                f"{name} receives each of {len(expected)} chunks once",
                f"seqs {arrived}",
            )
        if arrived != expected:
            raise Violation(
                "task/relay-order", f"{name} receives the chunks as they were sent", f"seqs {arrived}"
            )


@case("task/streams/any-text", "task/chunk-unchanged", "task/stream-relayed")
def any_text(lab: Lab) -> None:
    """A chunk of any script, of none and of tens of kilobytes arrives code point for code point."""
    stage = Stage.build(lab, "task")
    for seq, text in enumerate(TEXTS):
        for flow in FLOWS:
            sent = send(stage, flow, text, seq)
            if len(text) in range(1, ORDINARY_LENGTH) or _is_taken(stage, sent):
                _demand_unchanged(stage, sent)


def _is_taken(stage: Stage, sent: Sent) -> bool:
    answer = stage.peers[sent.by].answer(sent.message)
    if answer.kind == "crash":
        stage.peers[sent.by].join(stage.topic)
    return answer.kind in {"ok", "silence"}


def _demand_not_refused(stage: Stage, sent: Sent) -> None:
    """Demand that no refusal has come by now."""
    answer = stage.peers[sent.by].answer(sent.message, wait_s=0)
    if answer.kind not in {"ok", "silence"}:
        raise Violation("task/valid-event-accepted", f"{_shown(sent)} is accepted", str(answer))


def _demand_unchanged(stage: Stage, sent: Sent) -> None:
    """Demand that the others get a chunk; the relay is waited for, since an answer need not come."""
    for name, peer in stage.others(sent.by).items():
        found = peer.wait_event(
            stage.topic,
            sent.event.event,
            since=sent.marks[name],
            matches=holding({"seq": sent.payload["seq"]}),
        )
        if found is None:
            stage.peers[sent.by].sync()
            _demand_not_refused(stage, sent)
            raise Violation("task/stream-relayed", f"{name} receives {_shown(sent)}", "no chunk with its seq")
        if not same(found.payload.get("chunk"), sent.payload["chunk"]):
            raise Violation("task/chunk-unchanged", f"{name} receives {_shown(sent)}", f"{found}"[:400])


def _shown(sent: Sent) -> str:
    return f"{sent.event.event} with chunk {sent.payload['chunk'][:40]!r}"


@case("task/streams/any-order", "task/relay-keeps-seq", "task/stream-relayed")
def any_order(lab: Lab) -> None:
    """Chunks that are not sent in the order of seq all arrive, each with its own seq."""
    stage = Stage.build(lab, "task")
    for flow in FLOWS:
        sent = [send(stage, flow, f"chunk {seq}", seq) for seq in (4, 0, 3, 1, 2)]
        for name, peer in stage.others(sent[0].by).items():
            for one in sent:
                if not _is_taken(stage, one):
                    raise CannotTell(f"chunks are not taken in any order of seq: {one.payload} is refused")
                found = peer.wait_event(
                    stage.topic,
                    flow.stream,
                    since=one.marks[name],
                    matches=holding({"chunk": one.payload["chunk"]}),
                )
                observed = "nothing" if found is None else str(found)
                if found is None or not same(found.payload.get("seq"), one.payload["seq"]):
                    raise Violation("task/relay-keeps-seq", f"{name} receives {one.payload}", observed)


@case("task/streams/both-serializers", "task/stream-relayed", "task/chunk-unchanged")
def both_serializers(lab: Lab) -> None:
    """A participant who speaks serializer 1.0.0 and one who speaks 2.0.0 understand each other."""
    for older in ("client", "provider"):
        stage = Stage.build(lab, "task", joined=False)
        for name in stage.family.fixture.cast:
            stage.enter(name, vsn="1.0.0" if name == older else "2.0.0")
        for seq, text in enumerate(("first \u00e9", "second \U0001f600")):
            for flow in FLOWS:
                _demand_unchanged(stage, send(stage, flow, text, seq))


@case("task/streams/every-connection", "task/every-connection-gets-relays")
def every_connection(lab: Lab) -> None:
    """Each of several connections of the other participant gets each chunk once."""
    requirement = "task/every-connection-gets-relays"
    for flow in FLOWS:
        stage = Stage.build(lab, "task")
        by = stage.sender_of(stage.event(flow.stream))
        receiver = next(name for name in stage.family.fixture.cast if name != by)
        stage.enter(receiver, connection=f"{receiver}-2")
        stage.enter(receiver, vsn="1.0.0", connection=f"{receiver}-3")
        sent = [send(stage, flow, f"chunk {seq}", seq) for seq in range(3)]
        for name, peer in stage.others(by).items():
            for one in sent:
                got = peer.wait_event(
                    stage.topic,
                    flow.stream,
                    since=one.marks[name],
                    matches=holding(one.payload),
                )
                if got is None:
                    raise Violation(requirement, f"{name} receives {one.payload}", "nothing")
        stage.settle()
        for name, peer in stage.others(by).items():
            count = len(peer.seen(stage.topic, flow.stream, sent[0].marks[name]))
            lab.demand(
                count == len(sent),
                requirement,
                f"{name} receives each chunk once",
                f"{count} relays of 3 chunks",
            )
