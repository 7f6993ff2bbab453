"""Tasks: two streams of chunks, their completion, checkpoints, and how a task ends (`reading.md` section 4)."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

from reference_server.context import Context, Refused
from reference_server.registry import handles, joins
from reference_server.weights import weight_bytes

if TYPE_CHECKING:
    from collections.abc import Mapping

    from reference_server.records import Resource

INPUT = "input"
OUTPUT = "output"


@joins("task")
def join(ctx: Context) -> Mapping[str, Any]:
    """Tell where the task stands, with its latest checkpoint."""
    return {"task": _view(ctx.resource), "checkpoint": ctx.resource.data.get("checkpoint")}


@handles("task", "input_stream")
def input_stream(ctx: Context) -> None:
    """Keep a chunk of the input."""
    _keep_chunk(ctx, INPUT)


@handles("task", "output_stream")
def output_stream(ctx: Context) -> None:
    """Keep a chunk of the output."""
    _keep_chunk(ctx, OUTPUT)


@handles("task", "input_complete")
def input_complete(ctx: Context) -> None:
    """Close the input, if it is whole."""
    _complete_stream(ctx, INPUT)


@handles("task", "output_complete")
def output_complete(ctx: Context) -> None:
    """Close the output, if it is whole."""
    _complete_stream(ctx, OUTPUT)


@handles("task", "checkpoint")
def checkpoint(ctx: Context) -> None:
    """Save a checkpoint, unless one with a higher seq is there."""
    saved = ctx.resource.data.get("checkpoint")
    seq = int(ctx.payload["seq"])
    if saved is None or seq >= saved["seq"]:
        ctx.save(checkpoint={"state": ctx.payload["state"], "seq": seq})


@handles("task", "complete")
def complete(ctx: Context) -> None:
    """Keep the result and tell both participants."""
    result = ctx.payload["result"]
    ctx.save(result=result)
    ctx.happened("task_completed", _participants(ctx))
    ctx.broadcast(
        "task_completed", {"task": {**_view(ctx.resource), "status": "completed", "result": result}}
    )


@handles("task", "error")
def error(ctx: Context) -> None:
    """Keep what went wrong."""
    ctx.save(error={"type": ctx.payload["type"], "details": ctx.payload["details"]})
    ctx.happened("task_failed", _participants(ctx))


@handles("task", "cancel")
def cancel(ctx: Context) -> None:
    """Keep why it was called off."""
    ctx.save(cancellation={"reason": ctx.payload["reason"], "by": ctx.agent_id})
    ctx.happened("task_cancelled", _participants(ctx))


def _view(task: Resource) -> dict[str, Any]:
    view = {"id": task.id, "status": task.state, **task.roles}
    return {**view, "result": task.data["result"]} if "result" in task.data else view


def _participants(ctx: Context) -> tuple[str, ...]:
    return tuple(sorted(set(ctx.resource.roles.values())))


def _require_open(ctx: Context, stream: str) -> None:
    if stream in ctx.resource.data.get("complete", ()):
        raise Refused("stream_complete")


def _keep_chunk(ctx: Context, stream: str) -> None:
    _require_open(ctx, stream)
    seq, chunk = int(ctx.payload["seq"]), ctx.payload["chunk"]
    kept = ctx.store.entry(ctx.channel.topic, stream, seq)
    if kept is None:
        kept_bytes = sum(ctx.store.entries_bytes(ctx.channel.topic, each) for each in (INPUT, OUTPUT))
        ctx.require_room(kept_bytes + weight_bytes(chunk), ctx.limits.stored_bytes)
        ctx.store.put_entry(ctx.channel.topic, stream, seq, chunk)
    elif kept == chunk:
        # A repetition: the other participant has had it.
        ctx.is_relayed = False
    else:
        raise Refused("seq_conflict", seq=seq)


def _complete_stream(ctx: Context, stream: str) -> None:
    _require_open(ctx, stream)
    chunks = ctx.store.entries(ctx.channel.topic, stream)
    if [seq for seq, _ in chunks] != list(range(len(chunks))):
        raise Refused("incomplete_stream")
    content = "".join(chunk for _, chunk in chunks).encode("utf-8")
    is_whole = int(ctx.payload["total_size"]) == len(content)
    if not is_whole or ctx.payload["checksum"] != hashlib.sha256(content).hexdigest():
        raise Refused("checksum_mismatch")
    ctx.save(complete=[*ctx.resource.data.get("complete", ()), stream])
