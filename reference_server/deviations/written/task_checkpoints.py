"""Checkpoints of a task: saved, the latest given back unchanged, on whatever connection, to this task alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from reference_server.deviations.deviation import deviation
from reference_server.deviations.replacing import around, around_effect, around_join

if TYPE_CHECKING:
    from collections.abc import Callable

    from reference_server.assembly import Assembly
    from reference_server.context import Context

TASK = "task"
CHECKPOINT = "checkpoint"


def _gives_back(server: Assembly, change: Callable[[Context, Any], Any]) -> None:
    """Answer a join with what `change` makes of the checkpoint; None where there is none."""

    def join(honest: Any, ctx: Context) -> Any:
        response = honest(ctx)
        return {**response, CHECKPOINT: change(ctx, response[CHECKPOINT])}

    around_join(server, TASK, join)


@deviation("task/checkpoint-saved", shows="A checkpoint is answered ok and not saved.")
def forgets_checkpoints(server: Assembly) -> None:
    """Do nothing about a checkpoint."""
    around_effect(server, TASK, CHECKPOINT, lambda _honest, _ctx: None)


@deviation("task/checkpoint-returned", shows="The checkpoint comes back without its members that are null.")
def drops_nulls_of_checkpoint(server: Assembly) -> None:
    """Take null for nothing."""

    def without_nulls(_ctx: Context, saved: Any) -> Any:
        if saved is None or not isinstance(saved["state"], dict):
            return saved
        return {**saved, "state": {name: one for name, one in saved["state"].items() if one is not None}}

    _gives_back(server, without_nulls)


@deviation("task/checkpoint-returned", shows="Only the client is given the checkpoint back.")
def gives_checkpoint_to_client_only(server: Assembly) -> None:
    """Keep it from the provider."""
    _gives_back(server, lambda ctx, saved: saved if ctx.role == "client" else None)


@deviation(
    "task/checkpoint-latest-wins", shows="A checkpoint with a lower seq takes the place of a later one."
)
def goes_back_to_earlier_checkpoint(server: Assembly) -> None:
    """Keep what came last."""

    def save(_honest: Any, ctx: Context) -> None:
        ctx.save(checkpoint={"state": ctx.payload["state"], "seq": int(ctx.payload["seq"])})

    around_effect(server, TASK, CHECKPOINT, save)


@deviation("task/checkpoint-latest-wins", shows="The first checkpoint of a task is never replaced.")
def keeps_first_checkpoint(server: Assembly) -> None:
    """Save a checkpoint where there is none."""

    def save(honest: Any, ctx: Context) -> None:
        if ctx.resource.data.get(CHECKPOINT) is None:
            honest(ctx)

    around_effect(server, TASK, CHECKPOINT, save)


@deviation(
    "task/checkpoint-survives-reconnect",
    shows="A checkpoint is gone once a connection of its task has ended.",
)
def forgets_checkpoint_with_its_connection(server: Assembly) -> None:
    """Keep checkpoints in the connection."""

    def closed(honest: Any, self: Any) -> None:
        topics = tuple(self._memberships)
        honest(self)
        store = self._application.store
        for topic in topics:
            resource = store.resource_by_topic(topic)
            if resource is not None and CHECKPOINT in resource.data:
                forgotten.add(topic)

    def save(honest: Any, ctx: Context) -> None:
        forgotten.discard(ctx.channel.topic)
        honest(ctx)

    forgotten: set[str] = set()
    server.connection = around(server.connection, "closed", closed)
    around_effect(server, TASK, CHECKPOINT, save)
    _gives_back(server, lambda ctx, saved: None if ctx.channel.topic in forgotten else saved)


@deviation(
    "task/tasks-isolated",
    shows="A task without a checkpoint is given that of another one of the same agents.",
)
def shares_checkpoints_between_tasks(server: Assembly) -> None:
    """Keep checkpoints by the agents that take part."""
    latest: dict[tuple[str, ...], Any] = {}

    def save(honest: Any, ctx: Context) -> None:
        honest(ctx)
        latest[tuple(ctx.resource.roles.values())] = ctx.resource.data[CHECKPOINT]

    around_effect(server, TASK, CHECKPOINT, save)
    _gives_back(server, lambda ctx, saved: saved or latest.get(tuple(ctx.resource.roles.values())))
