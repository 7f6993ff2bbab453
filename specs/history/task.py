"""Tasks: streams that are whole and in order, checkpoints that do not go back, one completion (`reading.md` section 4)."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from specs.history.deliveries import same, whole_number_in
from specs.history.subject import Outline, Subject

if TYPE_CHECKING:
    from collections.abc import Mapping

    from specs.history.deliveries import Key
    from specs.history.facts import Answered, Fact, Received, Settled
    from specs.history.findings import Findings
    from specs.history.holders import Call, Member

_CHUNKS: Final = {"input_stream": "input", "output_stream": "output"}
_COMPLETIONS: Final = {"input_complete": "input", "output_complete": "output"}
#: Checkpoints that are kept before it is looked which of them can no longer be returned.
_MANY_CHECKPOINTS: Final = 64


@dataclass(slots=True)
class Stream:
    """What was sent of an input or output."""

    chunks: dict[int, Call] = field(default_factory=dict)
    """The accepted ones, by seq; an endpoint may have accepted one that is no text."""
    open: int = 0
    """Chunks that were sent and neither surely accepted nor refused."""
    completion: Call | None = None


class Task(Subject):
    """One task."""

    __slots__ = ("_checkpoints", "_completions", "_saved_seq", "_streams", "_told")

    COLLAPSING = ("input_stream", "output_stream")
    EVERY_CONNECTION = "task/every-connection-gets-relays"
    ORDER = "task/relay-order"
    DOUBLED = "task/completion-broadcast-once"
    UNSENT = "task/no-completion-without-complete"

    def __init__(self, topic: str, outline: Outline, findings: Findings) -> None:
        super().__init__(topic, outline, findings)
        self._streams = {"input": Stream(), "output": Stream()}
        self._completions: list[Call] = []
        self._checkpoints: dict[int, list[Call]] = {}
        self._told: tuple[Any, Received] | None = None
        """The result, as it was last told."""
        self._saved_seq = -1
        """The highest of surely saved checkpoints."""

    def snapshot(self) -> int:
        """Return the seq below which no checkpoint may come back."""
        return self._saved_seq

    def on_invoked(self, call: Call, event: str, payload: Any) -> None:
        """Keep what may be returned or told later."""
        if event in _CHUNKS:
            self._streams[_CHUNKS[event]].open += 1
        elif event == "complete":
            self._completions.append(call)
        elif event == "checkpoint" and (seq := whole_number_in(payload, "seq")) is not None:
            self._checkpoints.setdefault(seq, []).append(call)
            if len(self._checkpoints) > _MANY_CHECKPOINTS and not self.looks:
                self._forget_checkpoints()

    def on_refused(self, call: Call, _fact: Answered) -> None:
        """Forget what had no effect."""
        event = call.fact.event
        if event in _CHUNKS and call.accepted_at is None:
            self._streams[_CHUNKS[event]].open -= 1
        elif event == "complete":
            self._completions.remove(call)
            if self._told is not None:
                self._judge_told(*self._told)
        elif event == "checkpoint" and (seq := whole_number_in(call.fact.payload, "seq")) is not None:
            calls = self._checkpoints.get(seq, [])
            if call in calls:
                calls.remove(call)

    def on_accepted(self, call: Call, fact: Fact) -> None:
        """Judge a chunk by the others of its stream, a completion by its chunks."""
        event = call.fact.event
        if event in _CHUNKS:
            self._chunk(self._streams[_CHUNKS[event]], call, fact)
        elif event in _COMPLETIONS:
            self._complete(self._streams[_COMPLETIONS[event]], call, fact)
        elif event == "checkpoint":
            seq = whole_number_in(call.fact.payload, "seq")
            self._saved_seq = max(self._saved_seq, -1 if seq is None else seq)

    def on_received(
        self, _member: Member | None, fact: Received, event: str, payload: Any, _key: Key | None
    ) -> None:
        """Hold the task that is told against the completion."""
        if event != "task_completed":
            return
        task = _named(payload, "task")
        if not isinstance(task, dict):
            return
        rule, task_id = "task/task-completed-names-task", self.family.variable_of(self.topic)
        # A topic is text, whatever the form of the ids.
        if "id" in task and f"{task['id']}" != task_id:
            self.findings.accuse(rule, self.topic, f"the task {task_id}", f"{task['id']!r}", fact)
        if "result" in task:
            self._told = (task["result"], fact)
            self._judge_told(*self._told)

    def on_look(self, call: Call, then: Any, response: Mapping[str, Any], fact: Answered) -> None:
        """Hold the checkpoint that comes back against those that were saved."""
        if "checkpoint" not in response:
            return
        shown = response["checkpoint"]
        if shown is None:
            if then >= 0:
                expected = f"the checkpoint with seq {then} or a later one"
                rule = "task/checkpoint-returned"
                self.findings.accuse(rule, self.topic, expected, "none", call.fact, fact)
            return
        if not isinstance(shown, dict) or (seq := whole_number_in(shown, "seq")) is None:
            return
        if seq < then:
            rule, expected = "task/checkpoint-latest-wins", f"the checkpoint with seq {then} or a later one"
            self.findings.accuse(rule, self.topic, expected, f"seq {seq}", call.fact, fact)
            return
        candidates = self._checkpoints.get(seq, ())
        is_known = any(same(each.fact.payload.get("state"), shown.get("state")) for each in candidates)
        if self.lifecycle.is_fresh and not is_known:
            expected = f"a checkpoint that was sent with seq {seq}, unchanged"
            rule = "task/checkpoint-returned"
            self.findings.accuse(rule, self.topic, expected, f"{shown!r}", call.fact, fact)

    def on_settled(self, _fact: Settled) -> None:
        """Forget checkpoints that cannot come back, and the streams of a task that is over."""
        if not self.looks:
            self._forget_checkpoints()
        if self.lifecycle.is_over:
            self._streams = {"input": Stream(), "output": Stream()}

    def _judge_told(self, told: Any, fact: Fact) -> None:
        results = [_named(call.fact.payload, "result") for call in self._completions]
        if results and not any(same(told, result) for result in results):
            rule, expected = "task/task-completed-names-task", f"the result {results[0]!r}"
            self.findings.accuse(rule, self.topic, expected, f"{told!r}", self._completions[0].fact, fact)

    def _forget_checkpoints(self) -> None:
        kept = {seq: calls for seq, calls in self._checkpoints.items() if seq >= self._saved_seq}
        self._checkpoints = kept

    def _chunk(self, stream: Stream, call: Call, fact: Fact) -> None:
        stream.open -= 1
        seq = whole_number_in(call.fact.payload, "seq")
        if seq is None:
            return
        former = stream.chunks.get(seq)
        if former is not None:
            if _text(former) != _text(call):
                # Whoever takes the first chunk of a seq for the only one need not tell anybody of another.
                if call.item is not None:
                    call.item.is_excused = True
                expected = f"another chunk with seq {seq} is refused"
                rule = "task/seq-conflict-refused"
                self.findings.accuse(rule, self.topic, expected, "accepted", former.fact, call.fact, fact)
            elif call.item is not None and call.item is not former.item:
                # It was told when it came first, which is settled.
                call.item.is_excused = True
            return
        done = stream.completion
        # What is open may be the same chunk, sent before: then it is only repeated.
        if done is not None and not stream.open and (done.accepted_at or call.at) < call.at:
            expected = "no further chunk is accepted once the stream is complete"
            rule = "task/stream-closed-after-completion"
            self.findings.accuse(rule, self.topic, expected, "accepted", done.fact, call.fact, fact)
        stream.chunks[seq] = call

    def _complete(self, stream: Stream, call: Call, fact: Fact) -> None:
        if stream.completion is not None or not self.lifecycle.is_fresh:
            return
        stream.completion = call
        if stream.open or not all(_is_before(chunk, call) for chunk in stream.chunks.values()):
            return
        payload, seqs = call.fact.payload, sorted(stream.chunks)
        chunks = [_text(stream.chunks[seq]) for seq in seqs]
        if seqs != list(range(len(seqs))):
            rule, expected = "task/gap-refused", "a completion is refused while a seq is missing"
            self.findings.accuse(rule, self.topic, expected, "accepted", call.fact, fact)
        elif isinstance(payload, dict) and all(isinstance(chunk, str) for chunk in chunks):
            self._judge_whole("".join(chunks), call, fact)

    def _judge_whole(self, text: str, call: Call, fact: Fact) -> None:
        """Hold the size and the checksum of a completion against the stream."""
        payload, content = call.fact.payload, text.encode("utf-8", "surrogatepass")
        checksum = hashlib.sha256(content).hexdigest()
        if payload.get("total_size") != len(content):
            rule, expected = (
                "task/size-verified",
                f"a completion is refused unless the size is {len(content)}",
            )
        elif payload.get("checksum") != checksum:
            rule, expected = "task/checksum-verified", f"a completion is refused unless it has {checksum}"
        else:
            return
        self.findings.accuse(rule, self.topic, expected, "accepted", call.fact, fact)


def _named(payload: Any, name: str) -> Any:
    return payload.get(name) if isinstance(payload, dict) else None


def _text(chunk: Call) -> Any:
    return _named(chunk.fact.payload, "chunk")


def _is_before(chunk: Call, completion: Call) -> bool:
    """Tell whether a chunk surely came before a completion."""
    if chunk.accepted_at is not None and chunk.accepted_at < completion.at:
        return True
    return chunk.member is not None and chunk.member is completion.member and chunk.at < completion.at
