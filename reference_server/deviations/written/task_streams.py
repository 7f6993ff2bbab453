"""The streams of a task: chunks are relayed as they are, once and in order, and completed by what was sent."""

from __future__ import annotations

import asyncio
import hashlib
import unicodedata
from typing import TYPE_CHECKING, Any

from reference_server.context import Refused
from reference_server.deviations.deviation import deviation
from reference_server.deviations.pretending import seeing
from reference_server.deviations.replacing import around, around_effect, around_reading

if TYPE_CHECKING:
    from collections.abc import Callable

    from reference_server.assembly import Assembly
    from reference_server.context import Context
    from reference_server.outcome import Broadcast, Channel

STREAMS = {"input_stream": "input", "output_stream": "output"}
"""The collection in which the chunks of each stream are kept, by event."""
COMPLETIONS = {"input_complete": "input", "output_complete": "output"}
HELD_S = 0.05
"""How long a chunk is kept back that no other one follows."""
SHORT_CHARACTERS = 4096


def _relays_as(server: Assembly, change: Callable[[Context, str], dict[str, Any]]) -> None:
    """Relay each chunk with other members, which `change` makes from the context and the collection."""
    for event, stream in STREAMS.items():

        def effect(honest: Any, ctx: Context, stream: str = stream) -> None:
            honest(ctx)
            ctx.payload = {**ctx.payload, **change(ctx, stream)}

        around_effect(server, "task", event, effect)


def _around_completions(server: Assembly, wrapper: Callable[[Any, Context, str], None]) -> None:
    for event, stream in COMPLETIONS.items():

        def effect(honest: Any, ctx: Context, stream: str = stream) -> None:
            wrapper(honest, ctx, stream)

        around_effect(server, "task", event, effect)


def _around_chunks(server: Assembly, wrapper: Callable[[Any, Context, str, Any], None]) -> None:
    """Replace the effect of a chunk by `wrapper(honest, ctx, stream, kept)`, with what is kept under its seq."""
    for event, stream in STREAMS.items():

        def effect(honest: Any, ctx: Context, stream: str = stream) -> None:
            wrapper(honest, ctx, stream, ctx.store.entry(ctx.channel.topic, stream, int(ctx.payload["seq"])))

        around_effect(server, "task", event, effect)


@deviation("task/relay-order", shows="Of chunks that are sent in one go each fifth is overtaken by the next.")
def lets_chunks_overtake(server: Assembly) -> None:
    """Keep a chunk back until the next one has gone, or for a moment."""
    held: dict[tuple[str, str], tuple[asyncio.TimerHandle, Callable[[], None]]] = {}

    def broadcast(honest: Any, self: Any, told: Broadcast) -> None:
        if told.event not in STREAMS:
            honest(self, told)
            return
        stream = (told.topic, told.event)
        if told.payload["seq"] % 5 == 3 and stream not in held:

            def release() -> None:
                held.pop(stream)[0].cancel()
                honest(self, told)

            held[stream] = (asyncio.get_running_loop().call_later(HELD_S, release), release)
            return
        honest(self, told)
        if stream in held:
            held[stream][1]()

    server.broker = around(server.broker, "broadcast", broadcast)


@deviation("task/relay-keeps-seq", shows="A relayed chunk has the number of its arrival as seq.")
def renumbers_chunks(server: Assembly) -> None:
    """Count the chunks that have come."""
    _relays_as(server, lambda ctx, stream: {"seq": len(ctx.store.entries(ctx.channel.topic, stream)) - 1})


@deviation(
    "task/chunk-unchanged", shows="An accent that is sent apart from its letter arrives as one with it."
)
def normalises_chunks(server: Assembly) -> None:
    """Bring the text of a chunk into normal form C."""
    _relays_as(server, lambda ctx, _stream: {"chunk": unicodedata.normalize("NFC", ctx.payload["chunk"])})


@deviation("task/chunk-unchanged", shows="Of a chunk of many thousand characters the end is missing.")
def cuts_long_chunks(server: Assembly) -> None:
    """Relay the beginning of a chunk."""
    _relays_as(server, lambda ctx, _stream: {"chunk": ctx.payload["chunk"][:SHORT_CHARACTERS]})


@deviation("task/chunk-unchanged", shows="A byte order mark at the beginning of a chunk does not arrive.")
def strips_byte_order_mark(server: Assembly) -> None:
    """Take a mark at the beginning for none of the text."""
    _relays_as(server, lambda ctx, _stream: {"chunk": ctx.payload["chunk"].removeprefix("\ufeff")})


@deviation("task/chunk-unchanged", shows="Control characters in a chunk arrive as spaces.")
def blanks_control_characters(server: Assembly) -> None:
    """Put a space in the place of what cannot be printed."""

    def blank(ctx: Context, _stream: str) -> dict[str, Any]:
        return {"chunk": "".join(" " if ord(one) < ord(" ") else one for one in ctx.payload["chunk"])}

    _relays_as(server, blank)


@deviation(
    "task/every-connection-gets-relays",
    shows="Of several connections of a participant only the newest hears the other one.",
)
def relays_to_newest_connection_only(server: Assembly) -> None:
    """Keep one subscriber an agent while a relay goes out."""

    def broadcast(honest: Any, self: Any, told: Broadcast) -> None:
        every = self._topics.get(told.topic)
        if told.exclude is None or not every or not told.topic.startswith("task:"):
            honest(self, told)
            return
        newest = {channel.identity.agent_id: channel for channel in every}
        self._topics[told.topic] = {channel: every[channel] for channel in newest.values()}
        try:
            honest(self, told)
        finally:
            self._topics[told.topic] = every

    server.broker = around(server.broker, "broadcast", broadcast)


@deviation("task/repeated-chunk-tolerated", shows="A chunk that is sent again with the same text is refused.")
def refuses_repeated_chunk(server: Assembly) -> None:
    """Take every seq that is there for a conflict."""

    def chunk(honest: Any, ctx: Context, _stream: str, kept: Any) -> None:
        if kept is not None:
            raise Refused("seq_conflict", seq=ctx.payload["seq"])
        honest(ctx)

    _around_chunks(server, chunk)


@deviation(
    "task/repeated-chunk-tolerated",
    shows="A chunk that is sent again is kept once more, so that the stream has another checksum.",
)
def counts_repeated_chunk_again(server: Assembly) -> None:
    """Put the repetition behind what is kept under its seq."""

    def chunk(honest: Any, ctx: Context, stream: str, kept: Any) -> None:
        if kept == ctx.payload["chunk"]:
            ctx.store.put_entry(ctx.channel.topic, stream, int(ctx.payload["seq"]), kept + kept)
            ctx.is_relayed = False
            return
        honest(ctx)

    _around_chunks(server, chunk)


@deviation("task/seq-conflict-refused", shows="Another text for a seq is answered ok; the first one stands.")
def shrugs_at_seq_conflict(server: Assembly) -> None:
    """Take a chunk whose seq is there for a repetition."""

    def chunk(honest: Any, ctx: Context, _stream: str, kept: Any) -> None:
        if kept is None:
            honest(ctx)
        else:
            ctx.is_relayed = False

    _around_chunks(server, chunk)


@deviation("task/seq-conflict-refused", shows="Another text for a seq takes the place of the first one.")
def overwrites_chunk(server: Assembly) -> None:
    """Forget the chunk that is there."""

    def chunk(honest: Any, ctx: Context, stream: str, kept: Any) -> None:
        if kept is not None and kept != ctx.payload["chunk"]:
            ctx.store.delete_entry(ctx.channel.topic, stream, int(ctx.payload["seq"]))
        honest(ctx)

    _around_chunks(server, chunk)


@deviation(
    "task/completion-accepted", shows="A stream of letters beyond ASCII is refused with its size in bytes."
)
def measures_size_in_characters(server: Assembly) -> None:
    """Take a code point for a byte."""

    def complete(honest: Any, ctx: Context, stream: str) -> None:
        content = _content(ctx, stream)
        if ctx.payload["total_size"] != len(content):
            raise Refused("checksum_mismatch")
        with seeing(ctx, payload={**ctx.payload, "total_size": len(content.encode())}):
            honest(ctx)

    _around_completions(server, complete)


@deviation("task/completion-accepted", shows="A stream without a chunk cannot be completed.")
def refuses_empty_stream(server: Assembly) -> None:
    """Ask for at least one chunk."""

    def complete(honest: Any, ctx: Context, stream: str) -> None:
        if not ctx.store.entries(ctx.channel.topic, stream):
            raise Refused("incomplete_stream")
        honest(ctx)

    _around_completions(server, complete)


@deviation(
    "task/completion-accepted",
    shows="A stream that goes on over a new connection can only be completed by the chunks of the last one.",
)
def keeps_chunks_per_connection(server: Assembly) -> None:
    """Forget on completion what came from elsewhere."""
    sent: dict[Channel, set[tuple[str, int]]] = {}

    def chunk(honest: Any, ctx: Context, stream: str, _kept: Any) -> None:
        honest(ctx)
        sent.setdefault(ctx.channel, set()).add((stream, int(ctx.payload["seq"])))

    def entries(honest: Any, ctx: Context, topic: str, collection: str) -> Any:
        own = sent.get(ctx.channel, set())
        return [(seq, chunk) for seq, chunk in honest(topic, collection) if (collection, seq) in own]

    _around_chunks(server, chunk)
    for event in COMPLETIONS:
        around_reading(server, "task", event, "entries", entries)


@deviation("task/checksum-verified", shows="A stream is completed whatever the checksum.")
def takes_any_checksum(server: Assembly) -> None:
    """Compare the size alone."""

    def complete(honest: Any, ctx: Context, stream: str) -> None:
        with seeing(ctx, payload={**ctx.payload, "checksum": _checksum(_content(ctx, stream))}):
            honest(ctx)

    _around_completions(server, complete)


@deviation("task/size-verified", shows="A stream is completed whatever the total_size.")
def takes_any_size(server: Assembly) -> None:
    """Compare the checksum alone."""

    def complete(honest: Any, ctx: Context, stream: str) -> None:
        with seeing(ctx, payload={**ctx.payload, "total_size": len(_content(ctx, stream).encode())}):
            honest(ctx)

    _around_completions(server, complete)


@deviation(
    "task/checksum-in-seq-order",
    shows="The checksum of chunks sent out of order is taken in the order of their arrival.",
)
def sums_in_order_of_arrival(server: Assembly) -> None:
    """Keep the chunks as they come."""
    arrived: dict[tuple[str, str], dict[int, str]] = {}

    def chunk(ctx: Context, stream: str) -> dict[str, Any]:
        chunks = arrived.setdefault((ctx.channel.topic, stream), {})
        chunks.setdefault(int(ctx.payload["seq"]), ctx.payload["chunk"])
        return {}

    def complete(honest: Any, ctx: Context, stream: str) -> None:
        content = "".join(arrived.get((ctx.channel.topic, stream), {}).values())
        if ctx.payload["checksum"] != _checksum(content):
            raise Refused("checksum_mismatch")
        with seeing(ctx, payload={**ctx.payload, "checksum": _checksum(_content(ctx, stream))}):
            honest(ctx)

    _relays_as(server, chunk)
    _around_completions(server, complete)


@deviation("task/gap-refused", shows="A stream is completed though one of its seqs is missing.")
def completes_with_gaps(server: Assembly) -> None:
    """Number the chunks anew before the seqs are looked at."""

    def entries(honest: Any, _ctx: Context, topic: str, collection: str) -> Any:
        return [(at, chunk) for at, (_, chunk) in enumerate(honest(topic, collection))]

    for event in COMPLETIONS:
        around_reading(server, "task", event, "entries", entries)


@deviation("task/stream-closed-after-completion", shows="A stream takes further chunks after its completion.")
def leaves_completed_stream_open(server: Assembly) -> None:
    """Do not note that the stream is complete."""

    def complete(honest: Any, ctx: Context, _stream: str) -> None:
        honest(ctx)
        ctx.save(complete=[])

    _around_completions(server, complete)


def _content(ctx: Context, stream: str) -> str:
    return "".join(chunk for _, chunk in ctx.store.entries(ctx.channel.topic, stream))


def _checksum(content: str) -> str:
    return hashlib.sha256(content.encode()).hexdigest()
