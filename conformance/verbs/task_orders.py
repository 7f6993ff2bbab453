"""What pushes on a task may come to, one after the other: the rules by which its races are judged."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from conformance.client.equality import one_form
from conformance.verbs.orders import Move, Step
from specs import json_text

if TYPE_CHECKING:
    from specs.message import Message

COMPLETED = "task_completed"
OPEN = "open"
ENDS = {"complete": "completed", "cancel": "cancelled", "error": "failed"}
RELAYED = ("input_stream", "output_stream", "progress")
_STATUSES = {OPEN, *ENDS.values()}


@dataclass(frozen=True, slots=True)
class Task:
    """A task as far as its races tell."""

    status: str = OPEN
    result: str | None = None
    """As JSON, as all that follows."""
    checkpoint: tuple[int, str] | None = None
    chunks: tuple[tuple[str, int, str], ...] = ()
    """Event, seq and text of the chunks that were taken."""


class TaskRules:
    """The rules of a task."""

    def steps(self, state: Task, move: Move) -> Iterator[Step[Task]]:
        """Return all that a push may come to; ours first."""
        if state.status != OPEN:
            yield Step(state, is_accepted=False)
        elif move.event in ENDS:
            yield self._end(state, move)
        elif move.event == "checkpoint":
            yield from self._checkpoint(state, move)
        elif move.event == "progress":
            yield Step(state, is_accepted=True, told=((_other(move.by), _relayed(move.event, move.payload)),))
        else:
            yield from self._chunk(state, move)

    def shows(self, state: Task) -> Mapping[str, Any]:
        """Return what a state shows to those who join."""
        shown: dict[str, Any] = {"status": state.status, "checkpoint": state.checkpoint}
        return shown if state.result is None else {**shown, "result": state.result}

    def heard(self, message: Message) -> str | None:
        """Return what a relay or a broadcast tells."""
        if message.event in RELAYED:
            return _relayed(message.event, message.payload)
        if message.event != COMPLETED:
            return None
        task = message.payload.get("task")
        is_told = isinstance(task, Mapping) and "result" in task
        return f"{COMPLETED} with {_text(task['result'])}" if is_told else COMPLETED

    def relayed(self, move: Move) -> str | None:
        """Return what the relay of a push tells."""
        return _relayed(move.event, move.payload) if move.event in RELAYED else None

    def shown(self, response: Any) -> Mapping[str, Any]:
        """Return what the reply to a join shows, as far as it is there under the documented names."""
        if not isinstance(response, Mapping):
            return {}
        shown: dict[str, Any] = {}
        task = response.get("task")
        if isinstance(task, Mapping) and task.get("status") in _STATUSES:
            shown["status"] = task["status"]
        if isinstance(task, Mapping) and "result" in task and task["result"] is not None:
            shown["result"] = _text(task["result"])
        checkpoint = response.get("checkpoint")
        if isinstance(checkpoint, Mapping) and {"seq", "state"} <= checkpoint.keys():
            shown["checkpoint"] = (checkpoint["seq"], _text(checkpoint["state"]))
        return shown

    @staticmethod
    def _end(state: Task, move: Move) -> Step[Task]:
        ended = replace(state, status=ENDS[move.event])
        if move.event != "complete":
            return Step(ended, is_accepted=True)
        result = _text(move.payload["result"])
        told = tuple((who, f"{COMPLETED} with {result}") for who in ("client", "provider"))
        return Step(replace(ended, result=result), is_accepted=True, told=told)

    @staticmethod
    def _checkpoint(state: Task, move: Move) -> Iterator[Step[Task]]:
        seq, saved = move.payload["seq"], state.checkpoint
        newer = replace(state, checkpoint=(seq, _text(move.payload["state"])))
        is_newer = saved is None or seq >= saved[0]
        yield Step(newer if is_newer else state, is_accepted=True)
        if saved is not None:
            # Which one stands in the end, and whether an older one is refused, is our reading.
            yield Step(state if is_newer else newer, is_accepted=True, is_ours=False)
            yield Step(state, is_accepted=False, is_ours=False)

    @staticmethod
    def _chunk(state: Task, move: Move) -> Iterator[Step[Task]]:
        stream, seq, text = move.event, move.payload["seq"], move.payload["chunk"]
        kept = next((chunk for of, number, chunk in state.chunks if (of, number) == (stream, seq)), None)
        told = ((_other(move.by), _relayed(stream, move.payload)),)
        if kept is None:
            taken = replace(state, chunks=(*state.chunks, (stream, seq, text)))
            yield Step(taken, is_accepted=True, told=told)
            return
        is_repeated = kept == text
        yield Step(state, is_accepted=is_repeated)
        # What a seq that is taken means to a second chunk is our reading.
        yield Step(state, is_accepted=not is_repeated, is_ours=False)
        yield Step(state, is_accepted=True, told=told, is_ours=False)


def _other(by: str) -> str:
    return "provider" if by == "client" else "client"


def _relayed(event: str, payload: Mapping[str, Any]) -> str:
    chunk = f"{one_form(payload.get('seq'))} {payload.get('chunk')}"
    told = payload.get("message") if event == "progress" else chunk
    return f"{event} {told}"


def _text(value: Any) -> str:
    return json_text.encode(one_form(value)).decode()
