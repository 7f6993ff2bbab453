"""Tasks: who takes part, how a task ends and who is told, and that tasks are apart from each other."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from reference_server.context import Refused
from reference_server.deviations.deviation import deviation
from reference_server.deviations.pretending import after_event, retells, retold
from reference_server.deviations.replacing import around, around_effect, with_event
from reference_server.outcome import Broadcast, Channel, Outcome

if TYPE_CHECKING:
    from collections.abc import Callable

    from reference_server.assembly import Assembly
    from reference_server.context import Context

TASK = "task"
COMPLETED = "task_completed"
KNOWN_STATE = "known_state"


def _tells_completion(
    server: Assembly, retell: Callable[[Context, Broadcast], tuple[Broadcast, ...]]
) -> None:
    def complete(honest: Any, ctx: Context) -> None:
        honest(ctx)
        retells(ctx, COMPLETED, lambda told: retell(ctx, told))

    around_effect(server, TASK, "complete", complete)


def _with_task(told: Broadcast, **members: Any) -> tuple[Broadcast, ...]:
    return (retold(told, task={**told.payload["task"], **members}),)


@deviation(
    "task/join-hides-existence",
    shows="An outsider's join is refused for another reason where the task exists.",
)
def tells_outsider_that_task_exists(server: Assembly) -> None:
    """Name a reason of its own for a task that is there."""

    def join(honest: Any, self: Any, channel: Channel, payload: Any) -> Outcome:
        outcome: Outcome = honest(self, channel, payload)
        is_there = channel.family.name == TASK and self.store.resource_by_topic(channel.topic) is not None
        is_meant = outcome.status != "ok" and is_there
        return replace(outcome, response={"reason": "not_a_participant"}) if is_meant else outcome

    server.application = around(server.application, "join", join)


@deviation("task/no-relay-to-outsider", shows="Who is on one task hears the other tasks, too.")
def relays_to_agents_of_other_tasks(server: Assembly) -> None:
    """Send what goes to one task to the subscribers of every task."""

    def broadcast(honest: Any, self: Any, told: Broadcast) -> None:
        own = self._topics.get(told.topic, {})
        if not told.topic.startswith("task:") or not own:
            honest(self, told)
            return
        others = {
            channel: receiver
            for topic, channels in self._topics.items()
            if topic.startswith("task:")
            for channel, receiver in channels.items()
            if receiver not in own.values()
        }
        self._topics[told.topic] = {**own, **others}
        try:
            honest(self, told)
        finally:
            self._topics[told.topic] = own

    server.broker = around(server.broker, "broadcast", broadcast)


@deviation(
    "task/outsider-cannot-send", shows="An event on a task is taken from agents that have not joined it."
)
def takes_events_without_join(server: Assembly) -> None:
    """Make up a channel for whoever sends on a task's topic."""

    def unmatched(honest: Any, self: Any, message: Any) -> None:
        family = self._family(message.topic)
        event = family.events.get(message.event) if family is not None and family.name == TASK else None
        if event is None or not event.is_inbound:
            honest(self, message)
            return
        channel = Channel(message.topic, family, self.identity, role=event.roles[0])
        outcome = self._application.handle(channel, message.event, message.payload)
        self._broadcast(outcome.broadcasts)
        self._reply(message, message.join_ref, outcome.status, outcome.response)

    server.connection = around(server.connection, "_unmatched", unmatched)


@deviation("task/cancel-by-either", shows="A provider cannot cancel its task.")
def lets_only_the_client_cancel(server: Assembly) -> None:
    """Refuse the provider."""
    server.api = with_event(server.api, TASK, "cancel", roles=("client",))


@deviation(
    "task/task-completed-member", shows="task_completed holds the members of the task beside each other."
)
def tells_completed_task_flat(server: Assembly) -> None:
    """Leave the member task out."""
    _tells_completion(server, lambda _ctx, told: (replace(told, payload=told.payload["task"]),))


@deviation(
    "task/task-completed-names-task", shows="task_completed has the topic in the place of the task's id."
)
def names_topic_as_task_id(server: Assembly) -> None:
    """Tell the topic."""
    _tells_completion(server, lambda ctx, told: _with_task(told, id=ctx.channel.topic))


@deviation("task/task-completed-names-task", shows="The result in task_completed is JSON in a string.")
def tells_result_as_text(server: Assembly) -> None:
    """Write the result down a second time."""
    _tells_completion(server, lambda ctx, told: _with_task(told, result=json.dumps(ctx.payload["result"])))


@deviation(
    "task/task-completed-content", shows="task_completed tells the state in which the task was before."
)
def tells_completed_task_as_open(server: Assembly) -> None:
    """Tell the task as it is before the event."""
    _tells_completion(server, lambda ctx, told: _with_task(told, status=ctx.resource.state))


@deviation(
    "task/completion-broadcast-once",
    "task/closed-is-final",
    shows="Each connection knows of the task's end only if it ended it itself, so that two can complete it.",
)
def keeps_state_per_connection(server: Assembly) -> None:
    """Check the state that this channel left the task in, not the task's."""

    def check_state(honest: Any, self: Any, ctx: Context, event: Any) -> None:
        shared = ctx.resource
        ctx.resource = replace(shared, state=ctx.channel.assigns.get(KNOWN_STATE, shared.state))
        try:
            honest(self, ctx, event)
        finally:
            ctx.resource = shared

    def know_join(honest: Any, self: Any, channel: Channel, payload: Any) -> Outcome:
        outcome: Outcome = honest(self, channel, payload)
        if channel.family.name == TASK and outcome.status == "ok":
            channel.assigns[KNOWN_STATE] = self.store.resource_by_topic(channel.topic).state
        return outcome

    def know_end(self: Any, channel: Channel, _payload: Any, outcome: Outcome) -> Outcome:
        if outcome.status == "ok":
            channel.assigns[KNOWN_STATE] = self.store.resource_by_topic(channel.topic).state
        return outcome

    server.enforcement = around(server.enforcement, "check_state", check_state)
    server.application = around(server.application, "join", know_join)
    for event in ("complete", "error", "cancel"):
        after_event(server, TASK, event, know_end)


@deviation(
    "task/completion-broadcast-once",
    shows="A second complete is refused, and task_completed is sent again all the same.",
)
def tells_completion_again(server: Assembly) -> None:
    """Remember what was told, and tell it on every further complete."""
    told: dict[str, tuple[Broadcast, ...]] = {}

    def again(_application: Any, channel: Channel, _payload: Any, outcome: Outcome) -> Outcome:
        if outcome.status == "ok":
            told[channel.topic] = outcome.broadcasts
            return outcome
        return replace(outcome, broadcasts=told.get(channel.topic, ()))

    after_event(server, TASK, "complete", again)


@deviation("task/no-completion-without-complete", shows="A task that fails is announced as completed.")
def announces_failed_task_as_completed(server: Assembly) -> None:
    """Tell the end of the task, whichever it is."""

    def error(honest: Any, ctx: Context) -> None:
        honest(ctx)
        task = {"id": ctx.resource.id, "status": "completed", "result": ctx.payload["details"]}
        ctx.broadcasts.append(Broadcast(ctx.channel.topic, COMPLETED, {"task": task}))

    around_effect(server, TASK, "error", error)


@deviation(
    "task/closed-reason", shows="An event on a closed task is refused as if the sender might not send it."
)
def calls_closed_task_forbidden(server: Assembly) -> None:
    """Give one reason for whatever may not be."""

    def check_state(honest: Any, self: Any, ctx: Context, event: Any) -> None:
        try:
            honest(self, ctx, event)
        except Refused as refusal:
            raise Refused("forbidden" if ctx.family.name == TASK else refusal.reason) from None

    server.enforcement = around(server.enforcement, "check_state", check_state)


@deviation(
    "task/tasks-isolated", shows="What happens on one task of two agents is told on their other tasks, too."
)
def relays_to_other_tasks_of_the_pair(server: Assembly) -> None:
    """Broadcast to every task topic that the same agents have joined."""

    def broadcast(honest: Any, self: Any, told: Broadcast) -> None:
        honest(self, told)
        if not told.topic.startswith("task:"):
            return
        agents = {channel.identity.agent_id for channel in self._topics.get(told.topic, {})}
        for topic, channels in tuple(self._topics.items()):
            same = {channel.identity.agent_id for channel in channels} == agents
            if same and topic.startswith("task:") and topic != told.topic:
                honest(self, replace(told, topic=topic))

    server.broker = around(server.broker, "broadcast", broadcast)
