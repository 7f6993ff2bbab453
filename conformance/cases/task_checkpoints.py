"""Checkpoints of a task: saved, and given back to whoever joins later."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from conformance.client.equality import holds
from conformance.faults import CannotTell, Violation
from conformance.fixtures.lab import Lab
from conformance.fixtures.stage import Stage
from conformance.verbs.acting import staged
from conformance.verbs.expectations import accepted
from conformance.written import case

FIRST = {"state": {"offset": 512, "open": ["a", "\u00e9\U0001f600"], "ratio": 0.25, "none": None}, "seq": 5}
LATER = {"state": {"offset": 1024, "open": []}, "seq": 7}
EARLIER = {"state": {"offset": 256}, "seq": 3}


def save(stage: Stage, checkpoint: Mapping[str, Any]) -> None:
    """Save a checkpoint; it must be accepted."""
    accepted(stage, stage.push("provider", stage.event("checkpoint"), dict(checkpoint)))


def returned(stage: Stage, name: str) -> Any:
    """Join again as a member and return the whole reply.

    Raises:
        CannotTell: If the join is refused; the cases about joining judge that.

    """
    answer = stage.peers[name].join(stage.topic)
    if answer.kind != "ok":
        raise CannotTell(f"{name} cannot join again: {answer}")
    return answer.response


def demand_returned(stage: Stage, expected: Mapping[str, Any], requirement: str, what: str) -> None:
    """Demand that each participant who joins again is given a checkpoint."""
    for name in stage.peers:
        response = returned(stage, name)
        checkpoint = response.get("checkpoint") if isinstance(response, Mapping) else None
        stage.lab.demand(
            holds(checkpoint, dict(expected)),
            requirement,
            f"{name} gets {what}: checkpoint {expected}",
            f"{response}",
        )


@case("task/checkpoints/saved", "task/checkpoint-saved")
def saved(lab: Lab) -> None:
    """After a checkpoint was accepted, the server does not say that the task has none."""
    stage = Stage.build(lab, "task")
    save(stage, FIRST)
    replies = [returned(stage, name) for name in stage.peers]
    # Only a server that tells checkpoints on join can be held to what it tells.
    told = [reply["checkpoint"] for reply in replies if isinstance(reply, Mapping) and "checkpoint" in reply]
    if told and all(checkpoint is None for checkpoint in told):
        raise Violation(
            "task/checkpoint-saved", "the checkpoint is saved", f"replies to later joins: {replies[0]}"
        )
    if not told:
        raise CannotTell("no reply to a join tells whether a checkpoint is saved")


@case("task/checkpoints/returned", "task/checkpoint-returned")
def given_back(lab: Lab) -> None:
    """A checkpoint comes back unchanged to both participants when they join again."""
    stage = Stage.build(lab, "task")
    save(stage, FIRST)
    demand_returned(stage, FIRST, "task/checkpoint-returned", "the checkpoint as it was saved")


@case("task/checkpoints/latest-wins", "task/checkpoint-latest-wins")
def latest_wins(lab: Lab) -> None:
    """A checkpoint with a higher seq replaces one with a lower seq, and not the other way round."""
    requirement = "task/checkpoint-latest-wins"
    stage = Stage.build(lab, "task")
    save(stage, FIRST)
    for checkpoint, expected in ((EARLIER, FIRST), (LATER, LATER), (FIRST, LATER)):
        # Whether one that comes too late is accepted or refused is left open.
        event = stage.event("checkpoint")
        stage.peers["provider"].answer(stage.push("provider", event, dict(checkpoint)).message)
        demand_returned(stage, expected, requirement, "the one with the highest seq")


@case("task/checkpoints/survives-reconnect", "task/checkpoint-survives-reconnect")
def survives_reconnect(lab: Lab) -> None:
    """A checkpoint is there after every connection of the task has ended and new ones are made."""
    stage = Stage.build(lab, "task")
    save(stage, FIRST)
    for name in list(stage.peers):
        stage.peers.pop(name).wire.close()
    for name in stage.family.fixture.cast:
        stage.enter(name)
    demand_returned(stage, FIRST, "task/checkpoint-survives-reconnect", "the checkpoint on a new connection")


@case("task/checkpoints/own-task", "task/checkpoint-returned", "task/tasks-isolated")
def own_task(lab: Lab) -> None:
    """The checkpoint of one task does not come back on another task of the same agents."""
    stage = Stage.build(lab, "task")
    other = staged(lab, "task", agents=stage.agents, joined=False)
    save(stage, FIRST)
    demand_returned(stage, FIRST, "task/checkpoint-returned", "the checkpoint as it was saved")
    answer = other.enter("provider").join(other.topic)
    checkpoint = answer.response.get("checkpoint") if isinstance(answer.response, Mapping) else None
    if holds(checkpoint, FIRST):
        raise Violation("task/tasks-isolated", "the other task has no checkpoint", str(answer))
