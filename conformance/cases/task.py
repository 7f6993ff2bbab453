"""Tasks: who takes part, that tasks are apart from each other, how a task ends, and what is kept of its checkpoints."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from conformance.client.equality import holds, same
from conformance.client.peer import Answer, Peer
from conformance.faults import CannotTell, Violation
from conformance.fixtures.lab import Lab
from conformance.fixtures.stage import Stage
from conformance.verbs.acting import staged
from conformance.verbs.expectations import accepted, join_refused, refused
from conformance.written import case
from specs.model import Event

CLOSING = ("complete", "error", "cancel")
COMPLETED = "task_completed"
RESULT: Mapping[str, Any] = {
    "text": "done \u00e9\u6f22\U0001f600",
    "list": [1, 2.5, None, True, {}],
    "nested": {"empty": "", "zero": 0},
}


def push_sample(stage: Stage, name: str, by: str | None = None) -> Answer:
    """Send a valid payload of an event and return the answer."""
    event = stage.event(name)
    sender = by or stage.sender_of(event)
    return stage.peers[sender].answer(stage.push(sender, event, stage.valid(event, sender)).message)


def close_task(stage: Stage, name: str) -> None:
    """End the task with one of its closing events.

    Raises:
        CannotTell: If that is not accepted; the cases about the event judge it.

    """
    answer = push_sample(stage, name)
    if answer.kind not in {"ok", "silence"}:
        raise CannotTell(f"the task cannot be ended by {name}: {answer}")


def completions(stage: Stage, peer: Peer, since: int = 0) -> list[Any]:
    """Return the payloads of the task_completed that a connection has received."""
    return [message.payload for message in peer.seen(stage.topic, COMPLETED, since)]


def _caused(event: Event) -> tuple[str, ...]:
    return (*event.broadcasts, *((event.event,) if event.relay else ()))


@case("task/participation/unknown-task", "task/unknown-task-refused")
def unknown_task(lab: Lab) -> None:
    """Neither a task that does not exist nor a topic without a task id can be joined."""
    stage = Stage.build(lab, "task")
    peer = stage.peers["client"]
    for variable in (lab.unique("unknown"), ""):
        topic = stage.family.topic_of(variable)
        join_refused(peer, topic, "task/unknown-task-refused", "an agent that is on other tasks")


@case("task/participation/hides-existence", "task/join-hides-existence")
def hides_existence(lab: Lab) -> None:
    """To an outsider a task that exists looks like one that does not."""
    stage = Stage.build(lab, "task")
    outsider = lab.connect(lab.agent("outsider"))
    shown = []
    for variable in (stage.family.variable_of(stage.topic) or "", lab.unique("unknown")):
        answer = join_refused(
            outsider, stage.family.topic_of(variable), "task/join-participants-only", "an outsider"
        )
        shown.append(str(answer).replace(variable, "..."))
    lab.demand(
        shown[0] == shown[1],
        "task/join-hides-existence",
        "the refusal reads the same for an existing and for an unknown task",
        f"{shown[0]} for an existing one, {shown[1]} for an unknown one",
    )


@case("task/participation/outsider-hears-nothing", "task/no-relay-to-outsider", "task/join-participants-only")
def outsider_hears_nothing(lab: Lab) -> None:
    """An agent on another task, refused on this one, receives nothing of what goes on here."""
    stage, elsewhere = Stage.build(lab, "task"), Stage.build(lab, "task")
    outsider = elsewhere.peers["provider"]
    join_refused(outsider, stage.topic, "task/join-participants-only", "an agent of another task")
    since = outsider.mark()
    for name in ("input_stream", "output_stream", "progress", "complete"):
        event = stage.event(name)
        by = stage.sender_of(event)
        accepted(stage, stage.push(by, event, stage.valid(event, by)))
    outsider.sync()
    outsider.barrier(elsewhere.topic)
    overheard = [message for message in outsider.inbox[since:] if message.topic == stage.topic]
    if overheard:
        raise Violation(
            "task/no-relay-to-outsider", "nothing of the task reaches an outsider", f"{overheard[0]}"
        )


@case("task/participation/outsider-cannot-send", "task/outsider-cannot-send")
def outsider_cannot_send(lab: Lab) -> None:
    """What an outsider sends on the topic of a task reaches nobody and does not end the task."""
    requirement = "task/outsider-cannot-send"
    stage = Stage.build(lab, "task")
    outsider = lab.connect(lab.agent("outsider"))
    if outsider.join(stage.topic).kind == "ok":
        raise CannotTell("an outsider can join; the cases about joining judge that")
    marks = {name: peer.mark() for name, peer in stage.peers.items()}
    for name in ("input_stream", "progress", *CLOSING):
        event = stage.event(name)
        answer = outsider.request(stage.topic, name, stage.valid(event, stage.sender_of(event)))
        if answer.kind == "ok":
            raise Violation(requirement, f"{name} by an outsider is refused", str(answer))
    outsider.sync()
    stage.settle()
    for name, peer in stage.peers.items():
        for message in peer.inbox[marks[name] :]:
            if any(message.event in _caused(event) for event in stage.family.inbound()):
                raise Violation(requirement, f"nothing that an outsider sends reaches {name}", f"{message}")
    answer = push_sample(stage, "progress")
    lab.demand(answer.kind in {"ok", "silence"}, requirement, "the task is open as before", answer)


@case("task/participation/tasks-apart", "task/tasks-isolated")
def tasks_apart(lab: Lab) -> None:
    """Of two tasks of the same agents on the same connections, one hears nothing of the other and stays open."""
    requirement = "task/tasks-isolated"
    busy = Stage.build(lab, "task")
    quiet = staged(lab, "task", agents=busy.agents, joined=False)
    topic = quiet.topic
    for name, peer in busy.peers.items():
        if peer.join(topic).kind != "ok":
            raise CannotTell(f"{name} cannot join a second task on the same connection")
        quiet.peers[name] = peer
    for name in ("input_stream", "progress", "checkpoint", "complete"):
        event = busy.event(name)
        by = busy.sender_of(event)
        accepted(busy, busy.push(by, event, busy.valid(event, by)))
    quiet.settle()
    names = {name for event in busy.family.inbound() for name in _caused(event)}
    for name, peer in quiet.peers.items():
        stray = [message for message in peer.inbox if message.topic == topic and message.event in names]
        lab.demand(not stray, requirement, f"{name} hears nothing on the quiet task", stray[:1])
    event = quiet.event("input_stream")
    sent = quiet.push("client", event, {"chunk": "first here", "seq": 0})
    answer = quiet.peers["client"].answer(sent.message)
    lab.demand(answer.kind in {"ok", "silence"}, requirement, "the quiet task is still open", answer)


@case("task/refusals/no-effect", "task/refusal-has-no-effect")
def refusal_without_effect(lab: Lab) -> None:
    """What the server itself refuses reaches nobody, ends nothing and leaves the topic usable."""
    requirement = "task/refusal-has-no-effect"
    stage = Stage.build(lab, "task")
    malformed: tuple[tuple[str, dict[str, Any]], ...] = (
        ("input_stream", {"chunk": "without a seq"}),
        ("input_stream", {"chunk": 7, "seq": 0}),
        ("progress", {"percent": "half", "message": "of it"}),
        ("complete", {}),
        ("cancel", {}),
    )
    answers = [_refuses_malformed(stage, name, payload) for name, payload in malformed]
    is_told = all(answers)
    for name in ("input_stream", "progress"):
        answer = push_sample(stage, name)
        is_taken = answer.kind in {"ok", "silence"}
        if not is_taken and not is_told:
            raise CannotTell(f"what was not answered may have been accepted; then {name}: {answer}")
        lab.demand(is_taken, requirement, f"{name} is accepted after the refusals", answer)


def _refuses_malformed(stage: Stage, name: str, payload: dict[str, Any]) -> bool:
    """Push what is malformed, demand that it reaches nobody, and tell whether the refusal was told."""
    lab, event = stage.lab, stage.event(name)
    sent = stage.push(stage.sender_of(event), event, payload)
    answer = stage.peers[sent.by].answer(sent.message)
    stage.settle()
    traces = [
        (other, message)
        for other, peer in stage.peers.items()
        for message in peer.inbox[sent.marks[other] :]
        if message.event in _caused(event)
    ]
    if answer.kind == "ok" or (answer.kind == "silence" and traces):
        lab.report("task/malformed-payload-refused", f"{name} with {payload} is refused", str(answer))
        raise CannotTell(f"{name} with {payload} is not refused, so no refusal can be observed")
    for other, message in traces:
        lab.demand(False, "task/refusal-has-no-effect", f"a refused {name} does not reach {other}", message)
    return answer.kind != "silence"


@case(
    "task/ending/completed-content",
    "task/task-completed-member",
    "task/task-completed-content",
    "task/task-completed-names-task",
    "task/completion-broadcast",
)
def completed_content(lab: Lab) -> None:
    """task_completed tells both participants which task is completed, and its result as it was delivered."""
    stage = Stage.build(lab, "task")
    sent = stage.push("provider", stage.event("complete"), {"result": RESULT})
    accepted(stage, sent)
    for name, peer in stage.peers.items():
        for payload in completions(stage, peer, sent.marks[name]):
            if not holds(payload, {}) or "task" not in payload:
                raise Violation(
                    "task/task-completed-member", "task_completed with the member task", f"{payload}"
                )
            _judge_completed_task(lab, stage, payload["task"])


def _judge_completed_task(lab: Lab, stage: Stage, task: Any) -> None:
    variable = stage.family.variable_of(stage.topic)
    told: Mapping[str, Any] = task if isinstance(task, Mapping) else {}
    if "id" in told and str(told["id"]) != variable:
        raise Violation("task/task-completed-names-task", f"the task {variable}", f"id {told['id']!r}")
    if "result" in told and not same(told["result"], RESULT):
        raise Violation("task/task-completed-names-task", f"the result {RESULT}", f"{told['result']!r}")
    whole = {"id", "result"} <= told.keys() and told.get("status") == "completed"
    lab.demand(
        whole, "task/task-completed-content", "a task with id, status completed and result", f"{task!r}"
    )


@case("task/ending/completed-once", "task/completion-broadcast-once", "task/closed-is-final")
def completed_once(lab: Lab) -> None:
    """A second complete, on the same connection or a new one, does not broadcast task_completed again."""
    stage = Stage.build(lab, "task")
    event = stage.event("complete")
    first = stage.push("provider", event, {"result": RESULT})
    accepted(stage, first)
    newer = lab.connect(stage.agents["provider"], name="provider-2")
    again = [stage.push("provider", event, {"result": result}) for result in (RESULT, {"text": "another"})]
    for sent in again:
        stage.peers["provider"].answer(sent.message)
    if newer.join(stage.topic).kind == "ok":
        newer.request(stage.topic, "complete", {"result": RESULT})
    _demand_one_completion(lab, stage, first.marks)


@case("task/ending/completed-at-once", "task/completion-broadcast-once", "task/completion-broadcast")
def completed_at_once(lab: Lab) -> None:
    """Two complete at the same time on two connections of the provider broadcast task_completed once."""
    stage = Stage.build(lab, "task")
    stage.enter("provider", connection="provider-2")
    event = stage.event("complete")
    first = stage.push("provider", event, {"result": {"text": "from the first"}})
    second = stage.push("provider-2", event, {"result": {"text": "from the second"}})
    for sent in (first, second):
        stage.peers[sent.by].answer(sent.message)
    _demand_one_completion(lab, stage, first.marks)


def _demand_one_completion(lab: Lab, stage: Stage, marks: Mapping[str, int]) -> None:
    for name, peer in stage.peers.items():
        if peer.wait_event(stage.topic, COMPLETED, since=marks[name]) is None:
            raise Violation("task/completion-broadcast", f"{name} receives task_completed", "nothing")
    stage.settle()
    for name, peer in stage.peers.items():
        count = len(completions(stage, peer, marks[name]))
        lab.demand(
            count == 1,
            "task/completion-broadcast-once",
            f"{name} receives task_completed once",
            f"{count} times",
        )


@case("task/ending/not-completed", "task/no-completion-without-complete")
def not_completed(lab: Lab) -> None:
    """A task that fails or is cancelled is not announced as completed."""
    for name in ("error", "cancel"):
        stage = Stage.build(lab, "task")
        close_task(stage, name)
        stage.settle()
        for member, peer in stage.peers.items():
            announced = completions(stage, peer)
            if announced:
                raise Violation(
                    "task/no-completion-without-complete",
                    f"{member} hears of no completion after {name}",
                    f"{announced}",
                )


@case("task/ending/reason", "task/closed-reason")
def closed_reason(lab: Lab) -> None:
    """A refusal on a task that has ended says that it is closed."""
    for name in CLOSING:
        stage = Stage.build(lab, "task")
        close_task(stage, name)
        reason = stage.family.states[stage.event(name).next_state or ""].reason
        answer = push_sample(stage, "progress")
        told = answer.response.get("reason") if isinstance(answer.response, Mapping) else None
        lab.demand(
            answer.kind == "error" and told == reason,
            "task/closed-reason",
            f"reason {reason} after {name}",
            answer,
        )


@case("task/ending/final-after-reconnect", "task/closed-is-final", "task/error-fails", "task/cancel-cancels")
def final_after_reconnect(lab: Lab) -> None:
    """A task that has ended stays so for participants who connect again."""
    for name in CLOSING:
        stage = Stage.build(lab, "task")
        push_sample(stage, "progress")
        close_task(stage, name)
        for member in list(stage.peers):
            stage.peers.pop(member).wire.close()
            peer = lab.connect(stage.agents[member])
            if peer.join(stage.topic).kind == "ok":
                stage.peers[member] = peer
        for event in (stage.event("input_stream"), stage.event("progress")):
            by = stage.sender_of(event)
            if by in stage.peers:
                sent = stage.push(by, event, stage.valid(event, by))
                refused(stage, sent, "task/closed-is-final", f"the task ended by {name}")


@case("task/ending/cancel-by-either", "task/cancel-by-either")
def cancel_by_either(lab: Lab) -> None:
    """The client and the provider can both cancel; the task is then closed for the other one too."""
    for name in ("client", "provider"):
        stage = Stage.build(lab, "task")
        answer = push_sample(stage, "cancel", by=name)
        lab.demand(
            answer.kind in {"ok", "silence"}, "task/cancel-by-either", f"cancel by {name} is accepted", answer
        )
        for flow in ("input_stream", "output_stream"):
            event = stage.event(flow)
            by = stage.sender_of(event)
            sent = stage.push(by, event, stage.valid(event, by))
            refused(stage, sent, "task/cancel-by-either", f"the task cancelled by {name}")
