"""Tasks: two streams, their completion, checkpoints and ends, on two tasks of the same pair."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

from hypothesis import strategies as st

from conformance.machines.drawing import (
    AT,
    BACK,
    COMMON,
    ON,
    PICK,
    WHO,
    Moves,
    arguments,
    is_on_several,
    mostly,
)
from conformance.machines.ground import Scene
from conformance.machines.moves import Move, NotApplicable, Program, concrete, nth
from conformance.machines.play import Play
from conformance.models.expectation import Push
from conformance.models.task import SENDERS, Stream, Task

TEXTS = ("a", "\u00e9\u6f22\U0001f600", "", "line\nline", "tick \u2713 ", "e\u0301")
"""Beyond ASCII, beyond the basic plane, nothing at all, not normalised."""
PER_CENT = (0, 100, 37.5)
NO_PER_CENT = (101, -1)
OPEN = "?"
"""To be chosen as things stand."""
FAULTS = ("arrival/right", "right/characters", "wrong/right", "right/wrong")
"""Of a completion: its checksum and its size."""
STATES: tuple[Any, ...] = ({}, {"offset": 512, "open": ["a", None]}, None, "text")
RESULTS: tuple[Any, ...] = ({"text": "done"}, {"answer": 42, "notes": ["one", None]}, [], None)


class TaskPlay(Play[Task]):
    """A client and a provider, and three tasks of theirs."""

    FAMILY = "task"
    VALUES: ClassVar[tuple[Mapping[str, Any], ...]] = ({}, {}, {})
    ENDINGS = frozenset({"complete", "error", "cancel", "end_at_once"})

    def model(self, scene: int) -> Task:  # noqa: ARG002 - all tasks begin alike
        """Return how a fresh task stands."""
        return Task()

    def is_quiet(self, scene: Scene[Task], push: Push) -> bool:
        """Tell whether a push repeats a chunk, which need not be relayed again."""
        return scene.worlds.likely.is_repetition(push)

    @classmethod
    def cause(cls, requirement: str) -> str:
        """Return the same for requirements that are likely to be broken by one fault."""
        return "checksum" if requirement in CHECKSUMS else super().cause(requirement)

    @classmethod
    def refined(cls, requirement: str, program: Program) -> str:
        """Return what a program breaks whose every move is needed."""
        if is_on_several(program):
            return "task/tasks-isolated"
        if requirement == "task/completion-accepted":
            return _refined_completion(program)
        if requirement == "task/checkpoint-returned":
            if any(move["do"] in {"reconnect", "drop"} for move in program):
                return "task/checkpoint-survives-reconnect"
            return "task/checkpoint-saved"
        return requirement

    @classmethod
    def simpler(cls, move: Move) -> Iterator[Program]:
        """Yield ends in turn in the place of those at once, whose outcome may be another each time."""
        if move["do"] == "end_at_once":
            ends = [
                {
                    "do": name.partition("-")[0],
                    "who": 0 if name == "cancel" else 1,
                    "at": at,
                    "on": move["on"],
                }
                for at, name in enumerate((move["first"], move["second"]))
            ]
            ends = [{**end, "result": 0} if end["do"] == "complete" else end for end in ends]
            yield [ends[0]]
            yield [ends[1]]
            yield ends
        yield from super().simpler(move)

    def prelude(self, move: Move) -> Program:
        """Send chunks before anything is done with the stream: two out of order, where the order matters."""
        if move["do"] in {"progress", "checkpoint"} or move["do"] in COMMON:
            return super().prelude(move)
        stream = move.get("stream", "output")
        chunk = {
            "do": "chunk",
            "stream": stream,
            "at": 0,
            "seq": "next",
            "back": 0,
            "text": 0,
            "on": move["on"],
        }
        if move.get("checksum") == "arrival":
            return [{**chunk, "seq": "gap"}, {**chunk, "seq": "fill", "text": 1}]
        return [chunk]

    def concrete(self, move: Move) -> Move:
        """Choose among the seqs, and among the faults of a completion, that there are."""
        scene = self.known(move.get("on", 0))
        stream = (
            Stream() if scene is None or "stream" not in move else scene.worlds.likely.stream(move["stream"])
        )
        if move["do"] == "chunk":
            missing = set(range(max(stream.seqs, default=0))) - stream.seqs
            if missing and move["seq"] == "next" and move["text"] % 2:
                return {**move, "seq": "fill"}
            return concrete(
                move, "seq", OPEN, ("conflict", "again", "gap", *(("fill", "fill") * bool(missing)))
            )
        if move["do"] == "complete_stream":
            drawn = concrete(move, "checksum", OPEN, FAULTS)
            checksum, _, size = drawn.get("checksum", "right").partition("/")
            return {**drawn, "checksum": checksum, "size": size or drawn.get("size", "right")}
        return move

    def do_chunk(
        self,
        stream: str,
        at: int,
        seq: str,
        back: int,
        text: int,
        on: int = 0,
        by: str = "",
        stale: bool = False,
    ) -> None:
        """Send a chunk of a stream."""
        scene = self.scene(on)
        known = scene.worlds.likely.stream(stream)
        push = Push(
            by or SENDERS[stream], f"{stream}_stream", _chunk(known, seq, back, TEXTS[text % len(TEXTS)])
        )
        self.push(scene, self.who(push.by), at, push, is_stale=stale)

    def do_chunks_in_one_go(self, stream: str, at: int, count: int, on: int = 0) -> None:
        """Send several chunks of a stream without waiting in between."""
        scene, by = self.scene(on), SENDERS[stream]
        first = max(scene.worlds.likely.stream(stream).seqs, default=-1) + 1
        payloads = [{"chunk": f"chunk {seq}", "seq": seq} for seq in range(first, first + count)]
        self.in_one_go(
            scene, self.who(by), at, [Push(by, f"{stream}_stream", payload) for payload in payloads]
        )

    def do_complete_stream(
        self, stream: str, at: int, checksum: str = "right", size: str = "right", on: int = 0, by: str = ""
    ) -> None:
        """Say that a stream is whole."""
        scene = self.scene(on)
        payload = _completion(scene.worlds.likely.stream(stream), checksum, size)
        push = Push(by or SENDERS[stream], f"{stream}_complete", payload)
        self.push(scene, self.who(push.by), at, push)

    def do_progress(self, who: int, at: int, percent: float, on: int = 0) -> None:
        """Report progress."""
        scene = self.scene(on)
        payload = {"percent": percent, "message": f"step {len(scene.pushed)}"}
        self.push(scene, who, at, Push(self.role(who), "progress", payload))

    def do_checkpoint(self, who: int, at: int, seq: int, state: int, on: int = 0) -> None:
        """Save a checkpoint above, at or below the latest one."""
        scene = self.scene(on)
        number = max(0, scene.worlds.likely.checkpoint + seq)
        payload = {"state": {"n": len(scene.pushed), "of": STATES[state % len(STATES)]}, "seq": number}
        self.push(scene, who, at, Push(self.role(who), "checkpoint", payload))

    def do_complete(self, who: int, at: int, result: int, on: int = 0) -> None:
        """Deliver the result."""
        payload = {"result": RESULTS[result % len(RESULTS)]}
        self.push(self.scene(on), who, at, Push(self.role(who), "complete", payload))

    def do_error(self, who: int, at: int, on: int = 0) -> None:
        """Report that the task has failed."""
        payload = {"type": "internal", "details": {"retry_after_s": 30}}
        self.push(self.scene(on), who, at, Push(self.role(who), "error", payload))

    def do_cancel(self, who: int, at: int, on: int = 0) -> None:
        """Call the task off."""
        self.push(self.scene(on), who, at, Push(self.role(who), "cancel", {"reason": "no longer needed"}))

    def do_end_at_once(self, first: str, second: str, on: int = 0) -> None:
        """End the task on two connections at the same time."""
        scene = self.scene(on)
        endings = {
            "complete": Push("provider", "complete", {"result": "done"}),
            "complete-again": Push("provider", "complete", {"result": "done"}),
            "error": Push("provider", "error", {"type": "internal", "details": {}}),
            "cancel": Push("client", "cancel", {"reason": "delay"}),
        }
        pushes = [endings[name] for name in (first, second)]
        self.at_once(scene, *((self.who(push.by), at, push) for at, push in enumerate(pushes)))


def _refined_completion(program: Program) -> str:
    """Return what it means that a good completion is refused."""
    seqs = {move.get("seq") for move in program}
    if "again" in seqs or any(move["do"] == "resend" for move in program):
        return "task/repeated-chunk-tolerated"
    return "task/checksum-in-seq-order" if "fill" in seqs else "task/completion-accepted"


def _chunk(stream: Stream, what: str, back: int, text: str) -> dict[str, Any]:
    taken = sorted(stream.chunks, reverse=True)
    following = taken[0][0] + 1 if taken else 0
    match what:
        case "next":
            seq = following
        case "gap":
            seq = following + 1 + back
        case "fill":
            seq = nth(sorted(set(range(following)) - stream.seqs), back)
        case "again":
            seq, text = nth(taken, back)
        case _:
            seq, former = nth(taken, back)
            text = f"{former}!"
    return {"chunk": text, "seq": seq}


def _completion(stream: Stream, checksum: str, size: str) -> dict[str, Any]:
    content = stream.content()
    arrived = stream.content(in_order_of_arrival=True)
    if checksum == "arrival" and arrived == content:
        raise NotApplicable
    sums = {"right": content, "wrong": content + b"!", "arrival": arrived}
    sizes = {"right": len(content), "wrong": len(content) + 1, "characters": len(content.decode())}
    if size == "characters" and sizes["characters"] == len(content):
        raise NotApplicable
    return {"checksum": hashlib.sha256(sums[checksum]).hexdigest(), "total_size": sizes[size]}


STREAM = st.sampled_from(("output", "input"))
CHECKSUMS = frozenset({"task/checksum-verified", "task/checksum-in-seq-order"})
MOVES: Moves = {
    "chunk": mostly(
        1,
        arguments(stream=STREAM, at=AT, seq="next", back=0, text=st.integers(0, len(TEXTS) - 1), on=ON),
        {"seq": OPEN, "back": BACK, "pick": PICK},
        {"seq": OPEN, "back": BACK, "pick": PICK},
        {"by": st.sampled_from(("client", "provider"))},
        {"stale": True},
    ),
    "chunks_in_one_go": arguments(stream=STREAM, at=AT, count=st.integers(2, 6), on=ON),
    "complete_stream": mostly(
        1,
        arguments(stream=STREAM, at=AT, on=ON),
        {"checksum": OPEN, "pick": PICK},
        {"checksum": OPEN, "pick": PICK},
        {"by": st.sampled_from(("client", "provider"))},
    ),
    "progress": mostly(
        3,
        arguments(who=WHO, at=AT, percent=st.sampled_from(PER_CENT), on=ON),
        {"percent": st.sampled_from(NO_PER_CENT)},
    ),
    "checkpoint": arguments(
        who=WHO, at=AT, seq=st.sampled_from((1, 1, 3, -1, 0)), state=st.integers(0, 3), on=ON
    ),
    "complete": mostly(3, arguments(who=1, at=AT, result=st.integers(0, 3), on=ON), {"who": 0}),
    "error": arguments(who=WHO, at=AT, on=ON),
    "cancel": arguments(who=WHO, at=AT, on=ON),
    "end_at_once": arguments(
        first=st.sampled_from(("complete", "error", "cancel")),
        second=st.sampled_from(("complete-again", "cancel", "error")),
        on=ON,
    ),
    "resend": arguments(who=WHO, at=AT, back=BACK, on=ON),
}
WEIGHTS = {"chunk": 5, "complete_stream": 4, "checkpoint": 2, "resend": 2}
