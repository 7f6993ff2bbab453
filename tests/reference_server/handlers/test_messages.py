"""Messages."""

from __future__ import annotations

import pytest


@pytest.fixture
def send(world):
    """Send messages to ann."""
    world.agent("ann")

    def send_one(text):
        outcome = world.operator.push(
            "send_message", to="ann", from_agent_id="m", type="notice", payload={"text": text}
        )
        return outcome.response["message_id"], outcome

    return send_one


def _inbox(world, name="ann"):
    return world.join(world.agents[name], f"messages:{name}", "user")


def _texts(seat):
    return [push.payload["payload"]["text"] for push in seat.joined.pushes]


def test_a_message_is_pushed_to_the_addressees_topic(world, send):
    """It carries what was sent, the id that the reply told, and when."""
    message_id, outcome = send("hello")
    (sent,) = outcome.broadcasts
    assert (sent.topic, sent.event) == ("messages:ann", "new_message")
    assert sent.payload == {
        "id": message_id,
        "type": "notice",
        "payload": {"text": "hello"},
        "from_agent_id": "m",
        "protocol_version": "1.0",
        "inserted_at": "2026-11-22T10:30:00.000000Z",
    }


def test_pending_messages_are_pushed_on_every_join_oldest_first(world, send):
    """They stay pending until acknowledged or rejected, whatever the clock says."""
    for text in ("one", "two", "three"):
        send(text)
        world.pass_time(minutes=-1)
    assert _texts(_inbox(world)) == _texts(_inbox(world)) == ["one", "two", "three"]


def test_an_acknowledged_or_rejected_message_is_never_delivered_again(world, send):
    """Nor can it be acknowledged or rejected again."""
    first, second, _ = send("one")[0], send("two")[0], send("three")[0]
    seat = _inbox(world)
    assert seat.push("acknowledge", message_id=first).status == "ok"
    assert seat.push("reject", message_id=second, reason="no").status == "ok"
    assert _texts(_inbox(world)) == ["three"]
    for settled in (first, second):
        assert seat.push("acknowledge", message_id=settled).response == {"reason": "not_found"}
        assert seat.push("reject", message_id=settled, reason="").response == {"reason": "not_found"}
    kept = world.application.store.message(second)
    assert (kept.status, kept.reason) == ("rejected", "no")


@pytest.mark.parametrize("unknown", ["nothing", 7, ""])
def test_an_unknown_message_is_not_found(world, send, unknown):
    """Of whatever type the id is."""
    assert _inbox(world).push("acknowledge", message_id=unknown).response == {"reason": "not_found"}


def test_an_agent_cannot_settle_another_agents_message(world, send):
    """It stays pending for its addressee."""
    message_id, _ = send("one")
    world.agent("ben")
    assert _inbox(world, "ben").push("acknowledge", message_id=message_id).response == {"reason": "not_found"}
    assert _texts(_inbox(world)) == ["one"]


def test_only_the_addressee_joins(world, send):
    """Another agent's inbox and one that does not exist are refused alike."""
    ben = world.agent("ben")
    answers = [world.join(ben, f"messages:{name}", "user").joined.response for name in ("ann", "zoe")]
    assert answers == [{"reason": "unauthorized"}] * 2
