"""One task (`reading.md` section 4)."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field, replace

from conformance.models.expectation import EITHER, Expectation, Push, accept, refuse

ACCEPTED = "task/valid-event-accepted"
SENDERS = {"input": "client", "output": "provider"}
ENDS = {"complete": "completed", "error": "failed", "cancel": "cancelled"}


@dataclass(frozen=True, slots=True)
class Stream:
    """The chunks of an input or output."""

    chunks: tuple[tuple[int, str], ...] = ()
    """In the order in which they were accepted."""
    is_complete: bool = False
    is_doubtful: bool = False
    """Whether two texts were taken for one seq, so that nobody knows which of them counts."""

    @property
    def seqs(self) -> frozenset[int]:
        """The seqs that are taken."""
        return frozenset(seq for seq, _ in self.chunks)

    @property
    def is_whole(self) -> bool:
        """Whether no seq below the highest is missing."""
        return self.seqs == frozenset(range(len(self.chunks)))

    def chunk(self, seq: int) -> str | None:
        """Return the chunk with a seq."""
        return next((chunk for taken, chunk in self.chunks if taken == seq), None)

    def content(self, *, in_order_of_arrival: bool = False) -> bytes:
        """Return the bytes that a checksum is taken over."""
        chunks = self.chunks if in_order_of_arrival else sorted(self.chunks)
        return "".join(chunk for _, chunk in chunks).encode()


@dataclass(frozen=True, slots=True)
class Task:
    """How a task stands."""

    input: Stream = field(default_factory=Stream)
    output: Stream = field(default_factory=Stream)
    checkpoint: int = -1
    """The highest seq of a checkpoint."""
    status: str = "open"

    def stream(self, name: str) -> Stream:
        """Return a stream by its name."""
        return self.input if name == "input" else self.output

    @property
    def is_over(self) -> bool:
        """Whether nothing more is accepted."""
        return self.status != "open"

    def expects(self, push: Push) -> Expectation:
        """Say what has to become of a push."""
        if self.status != "open":
            return refuse("task/closed-is-final", f"comes after the task was {self.status}")
        name, _, what = push.event.partition("_")
        if push.by != SENDERS.get(name, push.by) or (push.event == "complete" and push.by != "provider"):
            return refuse("task/sender-role", "is for the other participant to send")
        if what == "stream":
            return self._expects_chunk(self.stream(name), push)
        if what == "complete":
            return self._expects_completion(self.stream(name), push)
        if push.event == "progress" and not 0 <= push.payload["percent"] <= 100:
            return refuse("task/progress-bounds", "has a percent that is none")
        if push.event == "checkpoint" and push.payload["seq"] < self.checkpoint:
            # It must not replace the later one; whether it is answered by ok is open.
            return EITHER
        return accept("task/cancel-by-either" if push.event == "cancel" else ACCEPTED)

    def _expects_chunk(self, stream: Stream, push: Push) -> Expectation:
        seq, chunk = push.payload["seq"], push.payload["chunk"]
        taken = stream.chunk(seq)
        if stream.is_complete:
            if taken == chunk:
                return EITHER
            return refuse("task/stream-closed-after-completion", "comes after the stream was complete")
        if taken is None:
            return accept(ACCEPTED)
        if taken == chunk:
            return accept("task/repeated-chunk-tolerated", f"repeats the chunk with seq {seq}")
        return refuse("task/seq-conflict-refused", f"has the seq {seq} of another chunk")

    def _expects_completion(self, stream: Stream, push: Push) -> Expectation:
        if stream.is_complete or stream.is_doubtful:
            return EITHER
        if not stream.is_whole:
            return refuse("task/gap-refused", "comes while a seq is missing")
        content, checksum = stream.content(), push.payload["checksum"]
        if push.payload["total_size"] != len(content):
            return refuse("task/size-verified", f"has not the size {len(content)}")
        if checksum != hashlib.sha256(content).hexdigest():
            arrived = hashlib.sha256(stream.content(in_order_of_arrival=True)).hexdigest()
            rule = "task/checksum-in-seq-order" if checksum == arrived else "task/checksum-verified"
            return refuse(rule, "has not the checksum of the chunks in the order of seq")
        return accept("task/completion-accepted", "has the checksum and the size of all chunks")

    def after(self, push: Push) -> Task:
        """Return how the task stands once a push was accepted."""
        name, _, what = push.event.partition("_")
        if what:
            stream = self.stream(name)
            if what == "complete":
                stream = replace(stream, is_complete=True)
            elif (taken := stream.chunk(push.payload["seq"])) is None:
                stream = replace(
                    stream, chunks=(*stream.chunks, (push.payload["seq"], push.payload["chunk"]))
                )
            elif taken != push.payload["chunk"]:
                stream = replace(stream, is_doubtful=True)
            return replace(self, input=stream) if name == "input" else replace(self, output=stream)
        if push.event == "checkpoint":
            return replace(self, checkpoint=max(self.checkpoint, push.payload["seq"]))
        return replace(self, status=ENDS.get(push.event, self.status))

    def refused(self, _push: Push) -> Task:
        """Return how things stand once a push was refused: as before."""
        return self

    def is_repetition(self, push: Push) -> bool:
        """Tell whether a push is a chunk that was taken before, so that it need not be relayed again."""
        name, _, what = push.event.partition("_")
        return what == "stream" and push.payload["seq"] in self.stream(name).seqs
