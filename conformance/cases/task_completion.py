"""Completion of a task's streams: what the server has kept of the chunks shows in the checksum that it accepts."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from conformance.cases.task_streams import FLOWS, INPUT, OUTPUT, Flow, send
from conformance.faults import CannotTell, Violation
from conformance.fixtures.lab import Lab
from conformance.fixtures.stage import Sent, Stage
from conformance.verbs.expectations import accepted, control_on_fresh_stage, refused
from conformance.written import case


def stream(stage: Stage, flow: Flow, chunks: Iterable[tuple[int, str]]) -> None:
    """Send chunks by seq.

    Raises:
        CannotTell: If one is not accepted; the cases about streams judge that.

    """
    for seq, chunk in chunks:
        try:
            accepted(stage, send(stage, flow, chunk, seq))
        except Violation as exc:
            raise CannotTell(f"the stream to be completed cannot be sent: {exc}") from exc


def goes_on(stage: Stage, flow: Flow, chunk: str, seq: int, requirement: str) -> bool:
    """Demand that a stream takes one more chunk after a refusal, and tell whether it does."""
    sent = send(stage, flow, chunk, seq)
    answer = stage.peers[sent.by].answer(sent.message)
    is_taken = answer.kind in {"ok", "silence"}
    stage.lab.demand(is_taken, requirement, f"{flow.stream} goes on after the refusal", answer)
    return is_taken


def refuses(stage: Stage, sent: Sent, requirement: str, what: str) -> bool:
    """Demand that a push is refused, and tell whether it was: what was accepted has changed what may follow."""
    refused(stage, sent, requirement, what)
    return all(breach.requirement != requirement for breach in stage.lab.breaches)


def whole(texts: Sequence[str]) -> dict[str, Any]:
    """Return the payload that completes a stream of these chunks, in the order of seq."""
    content = "".join(texts).encode()
    return {"checksum": hashlib.sha256(content).hexdigest(), "total_size": len(content)}


def complete(stage: Stage, flow: Flow, payload: Mapping[str, Any]) -> Sent:
    """Send a completion."""
    event = stage.event(flow.completion)
    return stage.push(stage.sender_of(event), event, dict(payload))


def demand_completion(stage: Stage, flow: Flow, texts: Sequence[str], requirement: str, what: str) -> None:
    """Demand that the right completion of a stream is accepted.

    Raises:
        CannotTell: If it is not answered, or if no completion is accepted in the simplest situation either.

    """
    sent = complete(stage, flow, whole(texts))
    answer = stage.peers[sent.by].answer(sent.message)
    if answer.kind == "ok":
        return
    if answer.kind == "silence":
        raise CannotTell(f"{flow.completion} is not answered and has no other effect")
    if requirement != "task/completion-accepted":
        control_on_fresh_stage(stage, stage.event(flow.completion))
    stage.lab.report(requirement, f"{flow.completion} is accepted: {what}", str(answer))


@case("task/streams/repeated-chunk", "task/repeated-chunk-tolerated", "task/completion-accepted")
def repeated_chunk(lab: Lab) -> None:
    """A chunk sent again with the same seq and text is accepted and counts once."""
    requirement = "task/repeated-chunk-tolerated"
    for flow in FLOWS:
        stage = Stage.build(lab, "task")
        stream(stage, flow, [(0, "once")])
        again = send(stage, flow, "once", 0)
        answer = stage.peers[again.by].answer(again.message)
        lab.demand(answer.kind in {"ok", "silence"}, requirement, "the repeated chunk is accepted", answer)
        demand_completion(stage, flow, ["once"], requirement, "the repeated chunk counts once")


@case("task/streams/seq-conflict", "task/seq-conflict-refused", "task/completion-accepted")
def seq_conflict(lab: Lab) -> None:
    """A chunk whose seq is taken by another text is refused, and the first text stands."""
    requirement = "task/seq-conflict-refused"
    for flow in FLOWS:
        stage = Stage.build(lab, "task")
        stream(stage, flow, [(0, "first"), (1, "second")])
        if not refuses(stage, send(stage, flow, "another", 0), requirement, "a seq that another text has"):
            return
        if not goes_on(stage, flow, "third", 2, requirement):
            return
        demand_completion(
            stage, flow, ["first", "second", "third"], requirement, "the first text of a seq stands"
        )


@case("task/completion/many-chunks", "task/completion-accepted")
def many_chunks(lab: Lab) -> None:
    """A stream of many chunks of several bytes a character is completed by its checksum and its size in bytes."""
    stage = Stage.build(lab, "task")
    texts = [f"{seq}: \u00e9\u6f22\U0001f600" for seq in range(25)]
    for flow in FLOWS:
        stream(stage, flow, enumerate(texts))
        demand_completion(stage, flow, texts, "task/completion-accepted", "checksum and size fit")


@case("task/completion/empty-stream", "task/completion-accepted")
def empty_stream(lab: Lab) -> None:
    """A stream without a chunk is completed by the checksum of nothing and size 0."""
    stage = Stage.build(lab, "task")
    for flow in FLOWS:
        demand_completion(stage, flow, [], "task/completion-accepted", "an empty stream is whole")


@case("task/completion/across-connections", "task/completion-accepted")
def across_connections(lab: Lab) -> None:
    """A stream that goes on over a new connection is completed by the checksum of all its chunks."""
    stage = Stage.build(lab, "task")
    for flow in FLOWS:
        stream(stage, flow, [(0, "before "), (1, "the break, ")])
    for name in list(stage.peers):
        stage.peers[name].wire.close()
        stage.enter(name)
    for flow in FLOWS:
        accepted(stage, send(stage, flow, "and after", 2))
        demand_completion(
            stage,
            flow,
            ["before ", "the break, ", "and after"],
            "task/completion-accepted",
            "over two connections",
        )


@case("task/completion/seq-order", "task/checksum-in-seq-order", "task/checksum-verified")
def seq_order(lab: Lab) -> None:
    """The checksum is that of the chunks by seq, not by the order in which they were sent."""
    requirement = "task/checksum-in-seq-order"
    for flow in FLOWS:
        stage = Stage.build(lab, "task")
        stream(stage, flow, [(2, "gamma"), (0, "alpha"), (1, "beta")])
        as_sent = complete(stage, flow, whole(["gamma", "alpha", "beta"]))
        if not refuses(stage, as_sent, requirement, "the checksum of the chunks as they were sent"):
            return
        demand_completion(
            stage, flow, ["alpha", "beta", "gamma"], requirement, "the checksum is that of the chunks by seq"
        )


@case("task/completion/wrong-checksum", "task/checksum-verified", "task/completion-accepted")
def wrong_checksum(lab: Lab) -> None:
    """A completion with another checksum is refused, and the stream stays open."""
    requirement, texts = "task/checksum-verified", ["one ", "two ", "three"]
    right = whole(texts)
    first = "0" if right["checksum"][0] != "0" else "1"
    wrong = {
        "a checksum with one digit altered": first + right["checksum"][1:],
        "the checksum of nothing": whole([])["checksum"],
        "the checksum without the last chunk": whole(texts[:-1])["checksum"],
    }
    for flow in FLOWS:
        stage = Stage.build(lab, "task")
        stream(stage, flow, enumerate(texts))
        for what, checksum in wrong.items():
            if not refuses(stage, complete(stage, flow, {**right, "checksum": checksum}), requirement, what):
                return
        if not goes_on(stage, flow, " four", 3, requirement):
            return
        demand_completion(
            stage, flow, [*texts, " four"], requirement, "a refused completion leaves the stream open"
        )


@case("task/completion/wrong-size", "task/size-verified", "task/completion-accepted")
def wrong_size(lab: Lab) -> None:
    """A completion whose total_size is not the number of bytes is refused, and the stream stays open."""
    requirement, texts = "task/size-verified", ["\u00e9\u00e9", "\U0001f600"]
    right = whole(texts)
    wrong = {
        "a size one too high": right["total_size"] + 1,
        "a size one too low": right["total_size"] - 1,
        "the size in characters": sum(map(len, texts)),
        "size 0": 0,
    }
    for flow in FLOWS:
        stage = Stage.build(lab, "task")
        stream(stage, flow, enumerate(texts))
        for what, size in wrong.items():
            if not refuses(stage, complete(stage, flow, {**right, "total_size": size}), requirement, what):
                return
        demand_completion(stage, flow, texts, requirement, "a refused completion leaves the stream open")


@case("task/completion/gap", "task/gap-refused", "task/completion-accepted")
def gap(lab: Lab) -> None:
    """A completion is refused while a seq is missing at the start or in the middle, and accepted once it is there."""
    for flow in FLOWS:
        for missing, there in ((0, (1, 2)), (1, (0, 2))):
            stage = Stage.build(lab, "task")
            texts = ["alpha", "beta", "gamma"]
            stream(stage, flow, [(seq, texts[seq]) for seq in there])
            premature = complete(stage, flow, whole([texts[seq] for seq in there]))
            if not refuses(stage, premature, "task/gap-refused", f"seq {missing} missing"):
                return
            if not goes_on(stage, flow, texts[missing], missing, "task/gap-refused"):
                return
            demand_completion(stage, flow, texts, "task/gap-refused", "the gap is filled")


@case("task/completion/closes-stream", "task/stream-closed-after-completion", "task/valid-event-accepted")
def closes_stream(lab: Lab) -> None:
    """After its completion a stream takes no further chunk; the other stream goes on."""
    requirement = "task/stream-closed-after-completion"
    for flow, other in ((INPUT, OUTPUT), (OUTPUT, INPUT)):
        stage = Stage.build(lab, "task")
        stream(stage, flow, [(0, "all")])
        sent = complete(stage, flow, whole(["all"]))
        answer = stage.peers[sent.by].answer(sent.message)
        if answer.kind != "ok":
            raise CannotTell(f"the stream cannot be completed: {answer}")
        refused(stage, send(stage, flow, " and more", 1), requirement, "its stream complete")
        accepted(stage, send(stage, other, "still open", 0))
