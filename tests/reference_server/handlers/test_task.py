"""Tasks."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest


def _completion(*chunks: str) -> dict[str, Any]:
    content = "".join(chunks).encode()
    return {"checksum": hashlib.sha256(content).hexdigest(), "total_size": len(content)}


def test_a_chunk_is_relayed_unchanged_to_everyone_but_the_sending_channel(world):
    """The relay holds the payload as sent and excludes one channel only."""
    client, _ = world.task()
    outcome = client.push("input_stream", chunk="é漢😀", seq=3, extra=[1])
    assert [(sent.event, sent.payload) for sent in outcome.broadcasts] == [
        ("input_stream", {"chunk": "é漢😀", "seq": 3, "extra": [1]})
    ]
    assert outcome.broadcasts[0].exclude is client.channel


def test_a_repeated_chunk_is_accepted_but_neither_relayed_nor_counted_again(world):
    """The same seq with the same text changes nothing."""
    client, _ = world.task()
    client.push("input_stream", chunk="ab", seq=0)
    repeated = client.push("input_stream", chunk="ab", seq=0)
    assert (repeated.status, repeated.broadcasts) == ("ok", ())
    assert client.push("input_complete", **_completion("ab")).status == "ok"


def test_a_seq_taken_by_another_text_is_a_conflict(world):
    """The first text stays."""
    client, _ = world.task()
    client.push("input_stream", chunk="ab", seq=0)
    assert client.push("input_stream", chunk="ba", seq=0).response == {"reason": "seq_conflict", "seq": 0}
    assert client.push("input_complete", **_completion("ab")).status == "ok"


def test_a_checksum_is_taken_in_the_order_of_seq(world):
    """Chunks 2, 0, 1 make the text of 0, 1, 2; ten chunks are not sorted as text."""
    _, provider = world.task()
    for seq in (10, 2, 0, 1, *range(3, 10)):
        provider.push("output_stream", chunk=f"<{seq}é>", seq=seq)
    whole = _completion(*(f"<{seq}é>" for seq in range(11)))
    assert provider.push("output_complete", **whole).status == "ok"


def test_a_stream_with_a_gap_cannot_be_completed_until_the_gap_is_filled(world):
    """The refused completion leaves the stream open."""
    client, _ = world.task()
    client.push("input_stream", chunk="a", seq=0)
    client.push("input_stream", chunk="c", seq=2)
    assert client.push("input_complete", **_completion("a", "c")).response == {"reason": "incomplete_stream"}
    assert client.push("input_stream", chunk="b", seq=1).status == "ok"
    assert client.push("input_complete", **_completion("a", "b", "c")).status == "ok"


@pytest.mark.parametrize("wrong", [{"checksum": "0" * 64}, {"total_size": 2}])
def test_a_wrong_checksum_or_size_is_refused_and_the_stream_stays_open(world, wrong):
    """Either figure alone refuses the completion."""
    client, _ = world.task()
    client.push("input_stream", chunk="a", seq=0)
    refused = client.push("input_complete", **{**_completion("a"), **wrong})
    assert refused.response == {"reason": "checksum_mismatch"}
    assert client.push("input_complete", **_completion("a")).status == "ok"


def test_a_completed_stream_takes_no_more_chunks_and_the_other_stream_still_does(world):
    """Input and output are complete each for itself."""
    client, provider = world.task()
    assert client.push("input_complete", **_completion()).status == "ok"
    assert client.push("input_stream", chunk="a", seq=0).response == {"reason": "stream_complete"}
    assert client.push("input_complete", **_completion()).response == {"reason": "stream_complete"}
    assert provider.push("output_stream", chunk="a", seq=0).status == "ok"


def test_completion_is_broadcast_to_all_with_the_result(world):
    """task_completed names the task, its new status and the result, and excludes nobody."""
    _, provider = world.task()
    outcome = provider.push("complete", result={"answer": 42})
    (sent,) = outcome.broadcasts
    assert (sent.event, sent.exclude, sent.only) == ("task_completed", None, None)
    task_id = provider.channel.topic.removeprefix("task:")
    task = sent.payload["task"]
    assert (task["id"], task["status"], task["result"]) == (task_id, "completed", {"answer": 42})


@pytest.mark.parametrize(
    ("event", "payload", "status"),
    [
        ("complete", {"result": None}, "completed"),
        ("error", {"type": "internal", "details": {}}, "failed"),
        ("cancel", {"reason": ""}, "cancelled"),
    ],
)
def test_a_closed_task_refuses_every_event_and_tells_its_status_on_join(world, event, payload, status):
    """Nothing follows the end of a task, a second end included."""
    client, provider = world.task()
    assert provider.push_raw(event, payload).status == "ok"
    for row in provider.channel.family.inbound():
        seat = client if "client" in row.roles else provider
        valid = {"input_stream": {"chunk": "", "seq": 0}, "progress": {"percent": 1, "message": ""}}
        if row.event in valid:
            assert seat.push_raw(row.event, valid[row.event]).response == {"reason": "task_closed"}
    assert provider.push_raw(event, payload).response == {"reason": "task_closed"}
    again = world.join(client.agent, client.channel.topic)
    assert again.joined.response["task"]["status"] == status


def test_a_null_result_is_told_on_join(world):
    """A result that is null is a result."""
    client, provider = world.task()
    provider.push("complete", result=None)
    assert world.join(client.agent, client.channel.topic).joined.response["task"]["result"] is None


def test_the_checkpoint_of_the_highest_seq_comes_back_on_join(world):
    """A lower seq does not replace it, the same seq does."""
    client, provider = world.task()
    assert client.joined.response["checkpoint"] is None
    for seq, state in ((4, "four"), (3, "three"), (4, "four again")):
        assert provider.push("checkpoint", state=[state], seq=seq).status == "ok"
    joined = world.join(client.agent, client.channel.topic).joined
    assert joined.response["checkpoint"] == {"state": ["four again"], "seq": 4}


def test_input_is_the_clients_and_results_are_the_providers(world):
    """The other participant is refused."""
    client, provider = world.task()
    assert provider.push("input_stream", chunk="", seq=0).response == {"reason": "forbidden"}
    assert client.push("output_stream", chunk="", seq=0).response == {"reason": "forbidden"}
    assert client.push("complete", result=1).response == {"reason": "forbidden"}


def test_a_seq_written_as_a_whole_float_is_the_same_seq(world):
    """JSON Schema calls 1.0 an integer."""
    client, _ = world.task()
    client.push("input_stream", chunk="a", seq=0)
    assert client.push("input_stream", chunk="b", seq=0.0).response["reason"] == "seq_conflict"
