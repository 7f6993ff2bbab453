"""Each rule about tasks, and the relays of any topic, with a history that breaks it and the nearest ones that do not."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest

from tests.specs.history.story import TASK, Story


@pytest.fixture
def story() -> Story:
    """A task with its client (c) and its provider (p) joined."""
    return Story().task()


def chunk(story: Story, seq: int, text: str = "a", *, by: str = "c", to: tuple[str, ...] = ("p",)) -> None:
    """Send a chunk of input; it is taken and relayed."""
    call = story.push(by, TASK, "input_stream", chunk=text, seq=seq)
    for connection in to:
        story.told(connection, TASK, "input_stream", chunk=text, seq=seq)
    story.ok(call)


def shown(status: str = "open", checkpoint: Any = None) -> dict[str, Any]:
    """Return what a join is answered."""
    return {"task": {"id": "t1", "status": status}, "checkpoint": checkpoint}


def test_a_task_that_runs_as_it_should_has_no_finding(story: Story) -> None:
    """Chunks, progress of equal content, a checkpoint, completion and a look."""
    for seq in range(3):
        chunk(story, seq)
    for _ in range(2):
        call = story.push("p", TASK, "progress", percent=50, message="half")
        story.told("c", TASK, "progress", percent=50.0, message="half")
        story.ok(call)
    story.done("p", TASK, "checkpoint", state={"n": 1}, seq=1)
    call = story.push("p", TASK, "complete", result={"x": 1})
    for connection in ("c", "p"):
        task = {"id": "t1", "status": "completed", "result": {"x": 1.0}}
        story.told(connection, TASK, "task_completed", task=task)
    story.ok(call)
    story.refused("c", TASK, "cancel", reason="late")
    story.join("c", TASK, shown("completed", {"state": {"n": 1}, "seq": 1}))
    assert story.settled(TASK) == []


def test_a_relay_that_is_missing_is_found_once_everything_has_arrived(story: Story) -> None:
    """task/stream-relayed; not for whoever joined beside it, nor for what may not have happened."""
    call = story.push("c", TASK, "input_stream", chunk="a", seq=0)
    story.enter(TASK, shown(), p2="provider")
    story.ok(call)
    story.lost(story.push("c", TASK, "input_stream", chunk="b", seq=1))
    story.told("p", TASK, "input_stream", chunk="a", seq=0)
    assert story.settled(TASK) == []
    chunk(story, 2, to=())
    assert story.found == []
    assert story.settled(TASK) == ["task/stream-relayed"]


def test_a_relay_that_is_missing_on_one_connection_breaks_only_what_is_interpreted(story: Story) -> None:
    """task/every-connection-gets-relays; of a broadcast it is broadcast/once-per-channel."""
    story.enter(TASK, shown(), p2="provider")
    chunk(story, 0, to=("p",))
    assert story.settled(TASK) == ["task/every-connection-gets-relays"]
    story.done("p", TASK, "complete", result="r")
    for connection in ("c", "p2"):
        story.told(
            connection, TASK, "task_completed", task={"id": "t1", "status": "completed", "result": "r"}
        )
    assert story.settled(TASK)[1:] == ["broadcast/once-per-channel"]


def test_what_reaches_a_connection_that_has_left_is_found(story: Story) -> None:
    """broadcast/joined-only, of what was sent after a request that was sent after the end was answered."""
    story.ok(story.push("p", TASK, "phx_leave"))
    story.record.left("p", TASK)
    chunk(story, 0, to=("p",))
    assert story.found == []
    story.ok(story.push("p", "phoenix", "heartbeat"))
    chunk(story, 1, to=("p",))
    assert story.found == ["broadcast/joined-only"]


def test_a_relay_that_doubles_on_a_second_join_is_of_the_first(story: Story) -> None:
    """broadcast/once-per-channel, also where the topic was joined a second time."""
    story.join("p", TASK, shown())
    chunk(story, 0, to=("p", "p"))
    assert story.found == ["broadcast/once-per-channel"]


@pytest.mark.parametrize("way", ["leave", "left", "ended", "rejoin"])
def test_whoever_was_not_there_all_the_time_is_owed_nothing(story: Story, way: str) -> None:
    """A membership that ended, or may have, ends what it is owed."""
    chunk(story, 0, to=())
    if way == "leave":
        story.record.invoked("p", TASK, "phx_leave", {})
    elif way == "left":
        story.record.left("p", TASK)
    elif way == "ended":
        story.record.ended("p")
    else:
        story.join("p", TASK, shown())
    assert story.settled(TASK) == []


def test_a_relay_that_comes_twice_is_found(story: Story) -> None:
    """task/stream-relayed: once each; an own connection may be told, too."""
    story.enter(TASK, shown(), c2="client", p2="provider")
    chunk(story, 0, to=("p", "p2", "c2"))
    assert story.found == []
    chunk(story, 1, to=("p", "p", "p2"))
    assert story.found == ["task/stream-relayed"]


@pytest.mark.parametrize("told", [{"chunk": "b", "seq": 0}, {"chunk": "a", "seq": 1}, {"chunk": "a"}])
def test_a_relay_that_is_altered_is_found(story: Story, told: dict[str, Any]) -> None:
    """task/stream-relayed: unchanged."""
    call = story.push("c", TASK, "input_stream", chunk="a", seq=0)
    story.told("p", TASK, "input_stream", **told)
    story.ok(call)
    assert story.found == ["task/stream-relayed"]


def test_members_beside_those_that_were_sent_are_no_alteration(story: Story) -> None:
    """A relay may say more."""
    call = story.push("c", TASK, "input_stream", chunk="a", seq=0)
    story.told("p", TASK, "input_stream", chunk="a", seq=0, at="now")
    story.ok(call)
    assert story.settled(TASK) == []


def test_chunks_out_of_order_are_found(story: Story) -> None:
    """task/relay-order, on one connection."""
    calls = [story.push("c", TASK, "input_stream", chunk="a", seq=seq) for seq in (0, 1)]
    for seq in (1, 0):
        story.told("p", TASK, "input_stream", chunk="a", seq=seq)
    for call in calls:
        story.ok(call)
    assert story.found == ["task/relay-order"]


def test_chunks_of_two_connections_come_in_any_order(story: Story) -> None:
    """There is no order between senders, nor between what two receivers get."""
    story.enter(TASK, shown(), c2="client", p2="provider")
    calls = [story.push(by, TASK, "input_stream", chunk="a", seq=n) for n, by in enumerate(("c", "c2"))]
    for seq, connection in ((1, "p"), (0, "p"), (0, "p2"), (1, "p2")):
        story.told(connection, TASK, "input_stream", chunk="a", seq=seq)
    for call in calls:
        story.ok(call)
    assert story.settled(TASK) == []


def test_relays_of_one_sender_are_in_order_whatever_the_event(story: Story) -> None:
    """broadcast/order-per-sender."""
    calls = [
        story.push("p", TASK, "output_stream", chunk="a", seq=0),
        story.push("p", TASK, "progress", percent=1, message="m"),
    ]
    story.told("c", TASK, "progress", percent=1, message="m")
    story.told("c", TASK, "output_stream", chunk="a", seq=0)
    for call in calls:
        story.ok(call)
    assert story.found == ["broadcast/order-per-sender"]


@pytest.mark.parametrize("is_told_first", [True, False])
def test_the_relay_of_a_refused_push_is_found(story: Story, is_told_first: bool) -> None:
    """task/refusal-has-no-effect, whether the refusal or the relay is seen first."""
    call = story.push("c", TASK, "input_stream", chunk="a", seq=0)
    if not is_told_first:
        story.error(call)
    story.told("p", TASK, "input_stream", chunk="a", seq=0)
    if is_told_first:
        story.error(call)
    assert story.found == ["task/refusal-has-no-effect"]


def test_a_repetition_need_not_be_relayed_again(story: Story) -> None:
    """A chunk that was sent again, for want of an answer, is owed once."""
    story.lost(story.push("c", TASK, "input_stream", chunk="a", seq=0))
    story.told("p", TASK, "input_stream", chunk="a", seq=0)
    story.done("c", TASK, "input_stream", chunk="a", seq=0)
    assert story.settled(TASK) == []


def test_two_texts_of_one_seq_are_found(story: Story) -> None:
    """task/seq-conflict-refused, whichever came first."""
    chunk(story, 0, "a")
    chunk(story, 0, "b")
    assert story.found == ["task/seq-conflict-refused"]


def test_an_outsider_is_told_nothing(story: Story) -> None:
    """task/no-relay-to-outsider, and broadcast/joined-only."""
    story.record.opened("x", "stranger")
    call = story.push("c", TASK, "input_stream", chunk="a", seq=0)
    story.told("x", TASK, "input_stream", chunk="a", seq=0)
    story.ok(call)
    assert story.found == ["broadcast/joined-only", "task/no-relay-to-outsider"]


def completion(text: str) -> dict[str, Any]:
    """Return the completion of a stream."""
    content = text.encode()
    return {"checksum": hashlib.sha256(content).hexdigest(), "total_size": len(content)}


@pytest.mark.parametrize(
    ("seqs", "payload", "expected"),
    [
        ((1, 0), completion("éa"), []),
        ((0, 2), completion("aé"), ["task/gap-refused"]),
        ((0, 1), completion("aé") | {"total_size": 2}, ["task/size-verified"]),
        ((0, 1), completion("éa"), ["task/checksum-verified"]),
    ],
)
def test_a_stream_is_complete_when_it_is_whole(
    story: Story, seqs: tuple[int, int], payload: dict[str, Any], expected: list[str]
) -> None:
    """A completion with a gap, another size or another checksum is not taken."""
    for seq, text in zip(seqs, "aé", strict=True):
        chunk(story, seq, text)
    story.done("c", TASK, "input_complete", **payload)
    assert story.found == expected


def test_what_is_no_text_ends_no_judgement(story: Story) -> None:
    """Whatever an endpoint accepts: chunks that are no text, payloads that are none, a seq beyond all numbers."""
    for payload in ({"chunk": 7, "seq": 0}, [], None, {"chunk": "a", "seq": float("inf")}):
        story.ok(story.record.invoked("c", TASK, "input_stream", payload))
    story.done("c", TASK, "input_complete", checksum="?", total_size=1)
    assert story.found == []
    for event in ("input_complete", "checkpoint", "complete"):
        story.ok(story.record.invoked("p", TASK, event, None))
    story.told("c", TASK, "task_completed", task={"result": "done"})
    assert story.found == ["task/task-completed-names-task"]


def test_a_chunk_that_may_have_arrived_may_make_a_stream_whole(story: Story) -> None:
    """Nothing is said of a stream with a chunk of unknown outcome, nor of one that is sent beside the completion."""
    story.lost(story.push("c", TASK, "input_stream", chunk="a", seq=0))
    story.done("c", TASK, "input_complete", **completion("a"))
    assert story.found == []
    other = Story().task()
    other.enter(TASK, shown(), c2="client")
    call = other.push("c2", TASK, "input_stream", chunk="a", seq=0)
    end = other.push("c", TASK, "input_complete", **completion(""))
    other.ok(call)
    other.ok(end)
    assert other.found == []


def test_no_chunk_follows_a_completion(story: Story) -> None:
    """task/stream-closed-after-completion."""
    chunk(story, 0)
    story.done("c", TASK, "input_complete", **completion("a"))
    chunk(story, 1)
    assert story.found == ["task/stream-closed-after-completion"]


@pytest.mark.parametrize("event", ["complete", "error", "cancel"])
def test_a_closed_task_takes_nothing(story: Story, event: str) -> None:
    """task/closed-is-final; what was sent before it was known to be closed may have come first."""
    payloads = {"complete": {"result": 1}, "error": {"type": "t", "details": 1}, "cancel": {"reason": "r"}}
    early = story.push("c", TASK, "input_stream", chunk="a", seq=0)
    story.done("p", TASK, event, **payloads[event])
    story.ok(early)
    assert story.found == []
    story.done("c", TASK, "progress", percent=1, message="m")
    assert story.found == ["task/closed-is-final"]


def test_a_task_ends_in_one_way(story: Story) -> None:
    """Of a completion and a cancellation at once one is taken: no order explains both."""
    calls = [
        story.push("p", TASK, "complete", result=1),
        story.push("c", TASK, "cancel", reason="r"),
    ]
    for call in calls:
        story.ok(call)
    assert story.found == ["task/closed-is-final"]
    other = Story().task()
    other.lost(other.push("p", TASK, "complete", result=1))
    other.done("c", TASK, "cancel", reason="r")
    other.join("c", TASK, shown("cancelled"))
    assert other.found == []


def test_a_second_completion_is_not_taken(story: Story) -> None:
    """task/closed-is-final, also for the same event again."""
    for call in [story.push("p", TASK, "complete", result=1) for _ in range(2)]:
        story.ok(call)
    assert story.found == ["task/closed-is-final"]


@pytest.mark.parametrize(
    ("event", "payload", "requirement"),
    [
        ("complete", {"result": 1}, "task/closing-event-closes"),
        ("error", {"type": "t", "details": 1}, "task/error-fails"),
        ("cancel", {"reason": "r"}, "task/cancel-cancels"),
    ],
)
def test_a_look_shows_that_a_task_is_closed(
    story: Story, event: str, payload: dict[str, Any], requirement: str
) -> None:
    """A look that was asked for afterwards shows the state; one that was asked for before may not."""
    early = story.record.invoked("c", TASK, "phx_join", {})
    story.done("p", TASK, event, **payload)
    story.ok(early, **shown())
    assert story.found == []
    story.join("c", TASK, shown())
    assert story.found == [requirement]


def test_a_look_shows_no_state_that_nobody_caused(story: Story) -> None:
    """task/join-reply-state, and task/refusal-has-no-effect where it was tried."""
    story.join("c", TASK, shown("cancelled"))
    assert story.found == ["task/join-reply-state"]
    other = Story().task()
    other.refused("c", TASK, "cancel", reason="r")
    other.join("c", TASK, shown("cancelled"))
    assert other.found == ["task/refusal-has-no-effect"]


def test_two_looks_do_not_show_two_ends(story: Story) -> None:
    """task/closed-is-final: a task that was shown as cancelled is not shown as failed."""
    for call in (
        story.push("c", TASK, "cancel", reason="r"),
        story.push("p", TASK, "error", type="t", details=1),
    ):
        story.lost(call)
    looks = [story.record.invoked(by, TASK, "phx_join", {}) for by in ("c", "p")]
    story.ok(looks[0], **shown("cancelled"))
    story.ok(looks[1], **shown("failed"))
    assert story.found == ["task/closed-is-final"]


def complete(story: Story, *to: str, task: dict[str, Any] | None = None) -> None:
    """Tell of a completion."""
    for connection in to:
        told = task or {"id": "t1", "status": "completed", "result": 1}
        story.told(connection, TASK, "task_completed", task=told)


def test_a_completion_is_told_to_both_and_once(story: Story) -> None:
    """task/completion-broadcast and task/completion-broadcast-once."""
    story.done("p", TASK, "complete", result=1)
    complete(story, "c", "c")
    assert story.found == ["task/completion-broadcast-once"]
    assert story.settled(TASK)[1:] == ["task/completion-broadcast"]


def test_a_completion_is_told_only_where_there_is_one(story: Story) -> None:
    """task/no-completion-without-complete."""
    story.done("c", TASK, "cancel", reason="r")
    complete(story, "c")
    assert story.found[0] == "task/no-completion-without-complete"


@pytest.mark.parametrize("task", [{"id": "t2", "result": 1}, {"id": "t1", "result": 2}])
def test_a_completion_names_its_task_and_result(story: Story, task: dict[str, Any]) -> None:
    """task/task-completed-names-task, where it tells either."""
    story.done("p", TASK, "complete", result=1)
    complete(story, "c", task={"status": "completed"})
    assert story.found == []
    complete(story, "p", task=task)
    assert story.found == ["task/task-completed-names-task"]


@pytest.mark.parametrize(
    ("checkpoint", "expected"),
    [
        ({"state": 5, "seq": 5}, []),
        ({"state": 7, "seq": 7}, []),
        ({"state": 4, "seq": 4}, ["task/checkpoint-latest-wins"]),
        (None, ["task/checkpoint-returned"]),
        ({"state": 6, "seq": 5}, ["task/checkpoint-returned"]),
        ({"state": 6, "seq": 6}, ["task/checkpoint-returned"]),
        ({"state": 9, "seq": 9}, ["task/checkpoint-returned"]),
    ],
)
def test_the_latest_checkpoint_comes_back(story: Story, checkpoint: Any, expected: list[str]) -> None:
    """At least the latest of those surely saved, at most one that may have been, and none that was refused."""
    story.done("p", TASK, "checkpoint", state=5, seq=5)
    story.done("p", TASK, "checkpoint", state=4, seq=4)
    story.refused("p", TASK, "checkpoint", state=6, seq=6)
    story.lost(story.push("p", TASK, "checkpoint", state=7, seq=7))
    story.join("c", TASK, shown(checkpoint=checkpoint))
    assert story.found == expected


def test_many_checkpoints_are_not_all_kept(story: Story) -> None:
    """What can no longer come back is forgotten, what can is not."""
    for seq in range(500):
        story.done("p", TASK, "checkpoint", state=seq, seq=seq)
    story.join("c", TASK, shown(checkpoint={"state": 499, "seq": 499}))
    assert story.found == []
    story.join("c", TASK, shown(checkpoint={"state": 3, "seq": 3}))
    assert story.found == ["task/checkpoint-latest-wins"]


def test_a_conflict_that_is_shrugged_at_breaks_only_what_is_interpreted(story: Story) -> None:
    """task/seq-conflict-refused: that another chunk of a seq is not relayed is no breach of its own."""
    chunk(story, 0)
    chunk(story, 0, "b", to=())
    assert story.settled(TASK) == ["task/seq-conflict-refused"]


def test_a_chunk_that_is_sent_again_is_not_owed_again(story: Story) -> None:
    """Whoever counts a repeated chunk once need not tell it again, however long the first one is settled."""
    chunk(story, 0)
    assert story.settled(TASK) == []
    chunk(story, 0, to=())
    assert story.settled(TASK) == []
    chunk(story, 1, to=())
    assert story.settled(TASK) == ["task/stream-relayed"]


def test_a_task_may_have_a_number_for_its_id() -> None:
    """What is text in the topic may be a number in the payload."""
    story, topic = Story(), "task:7"
    story.record.made(topic, {"client": "client", "provider": "provider"}, {})
    story.enter(topic, {}, c="client", p="provider")
    story.done("p", topic, "complete", result=1)
    story.told("c", topic, "task_completed", task={"id": 7, "result": 1})
    assert story.found == []
    story.told("p", topic, "task_completed", task={"id": 8, "result": 1})
    assert story.found == ["task/task-completed-names-task"]


def test_a_checkpoint_without_a_seq_need_not_come_back(story: Story) -> None:
    """That it was taken is another matter."""
    story.done("p", TASK, "checkpoint", state=1, seq="x")
    story.join("c", TASK, shown())
    assert story.found == []


@pytest.mark.parametrize("is_lost", [False, True])
def test_what_is_not_answered_may_be_on_its_way_to_another_connection(story: Story, *, is_lost: bool) -> None:
    """That one connection was told does not show that all were, as long as the push has no answer."""
    story.enter(TASK, {}, p2="provider")
    call = story.push("c", TASK, "input_stream", chunk="a", seq=0)
    story.told("p", TASK, "input_stream", chunk="a", seq=0)
    if is_lost:
        story.lost(call)
    assert story.settled(TASK) == []
    story.told("p2", TASK, "input_stream", chunk="a", seq=0)
    assert story.settled(TASK) == []
    story.told("p2", TASK, "input_stream", chunk="a", seq=0)
    assert story.found == ["task/stream-relayed"]


@pytest.mark.parametrize("told", [1, 2])
def test_a_completion_has_not_the_result_that_was_refused(story: Story, told: int) -> None:
    """task/task-completed-names-task: while both completions are open it may be either's."""
    calls = [story.push("p", TASK, "complete", result=result) for result in (1, 2)]
    complete(story, "c", "p", task={"id": "t1", "result": told})
    story.ok(calls[0])
    assert story.found == []
    story.error(calls[1])
    assert story.found == ["task/task-completed-names-task"] * (told == 2)


def test_a_chunk_that_may_have_been_taken_before_may_be_sent_again_after_the_completion(story: Story) -> None:
    """What was not answered may have been taken, and is then only repeated."""
    story.lost(story.push("c", TASK, "input_stream", chunk="", seq=0))
    empty = hashlib.sha256(b"").hexdigest()
    story.done("c", TASK, "input_complete", checksum=empty, total_size=0)
    story.done("c", TASK, "input_stream", chunk="", seq=0)
    assert story.found == []
