"""What the documents say, enforced for every event of every family."""

from __future__ import annotations

import json
import shutil
from typing import Any

import pytest

from specs.loader import DOCUMENTS, load
from specs.message import Frame
from specs.participants import derive_participant
from specs.serializer import SERIALIZERS
from specs.signing import malleable_twin


@pytest.mark.parametrize("payload", [None, [], "x", 1, True, b"\x00"])
def test_a_payload_that_is_no_object_is_refused(world, payload):
    """Binary payloads included."""
    client, _ = world.task()
    refused = client.push_raw("cancel", payload).response
    assert refused == {"reason": "invalid_payload", "detail": {"pointer": "", "keyword": "type"}}


def test_a_faulty_payload_is_refused_with_its_place_and_keyword(world):
    """The detail names both; the value is not told."""
    client, _ = world.task()
    refused = client.push("input_stream", chunk=7, seq=0).response
    assert refused == {"reason": "invalid_payload", "detail": {"pointer": "/chunk", "keyword": "type"}}


@pytest.mark.parametrize("event", ["nothing", "task_completed", "", None, 7, ["x"], {}])
def test_an_event_that_no_client_sends_is_unknown(world, event):
    """Out events and events that are no string included."""
    client, _ = world.task()
    assert client.push_raw(event, {}).response == {"reason": "unknown_event", "event": event}


def test_the_payload_is_looked_at_before_the_role_and_the_role_before_the_state(world):
    """The first broken rule gives the reason."""
    client, provider = world.task()
    provider.push("complete", result=1)
    assert client.push("complete").response["reason"] == "invalid_payload"
    assert client.push("complete", result=1).response == {"reason": "forbidden"}
    assert provider.push("complete", result=1).response == {"reason": "task_closed"}


def _signed_offer(seat, **changes: Any) -> dict[str, Any]:
    return {**seat.signed("offer", amount="10"), **changes}


def test_a_signature_by_another_key_is_refused_without_effect(world):
    """The other participant's own key is another key."""
    client, provider = world.negotiation()
    for keys in (provider.agent.keys, derive_participant(9, "", "stranger").keys):
        refused = client.push_raw("offer", client.signed("offer", keys=keys, amount="10"))
        assert refused.response["reason"] == "invalid_signature"
    assert world.join(client.agent, client.channel.topic).joined.response["session"]["offers"] == {}


@pytest.mark.parametrize(
    "alter",
    [
        malleable_twin,
        lambda text: text.rstrip("="),
        lambda text: text + "\n",
        lambda text: " " + text,
        lambda text: "-" + text[1:],
        lambda text: ("A" if text[0] != "A" else "B") + text[1:],
        lambda _: "AAAA",
        lambda _: "%",
    ],
)
def test_an_altered_signature_is_refused(world, alter):
    """The malleable twin, loose base64, flipped bits, wrong lengths."""
    client, _ = world.negotiation()
    good = _signed_offer(client)
    refused = client.push_raw("offer", {**good, "signature": alter(good["signature"])})
    assert refused.response["reason"] == "invalid_signature"
    assert client.push_raw("offer", good).status == "ok"


def test_a_signature_binds_amount_and_event_and_topic(world):
    """Made for another of them it is refused; the same number in another spelling is another amount."""
    client, provider = world.negotiation()
    other, _ = world.negotiation()
    assert client.push_raw("offer", _signed_offer(client, amount="10.0")).status == "error"
    assert client.push_raw("offer", _signed_offer(other)).response["reason"] == "invalid_signature"
    offer = _signed_offer(client)
    client.push_raw("offer", offer)
    provider.push_signed("offer", amount="10")
    assert client.push_raw("accept", offer).response["reason"] == "invalid_signature"


def _read(vsn: str, topic: str, event: str, payload: str) -> Any:
    """Return a payload as a serializer reads it from its text."""
    text = (
        f'["1","2","{topic}","{event}",{payload}]'
        if vsn == "2.0.0"
        else f'{{"topic":"{topic}","event":"{event}","ref":"2","payload":{payload}}}'
    )
    return SERIALIZERS[vsn].decode_client(Frame(text.encode(), is_text=True)).payload


@pytest.mark.parametrize("vsn", ["1.0.0", "2.0.0"])
@pytest.mark.parametrize(
    "twice",
    [
        '"amount":"10","amount":"90"',
        '"amount":"90","amount":"10"',
        '"amount":"10","amount":"10"',
        '"amount":"10","\\u0061mount":"90"',
        '"amount":"10","note":{"deep":[{"x":1,"x":2}]}',
    ],
)
def test_a_signed_payload_that_names_a_member_twice_is_refused(world, vsn, twice):
    """Wherever in it, even with equal values; nothing happens, and the channel goes on."""
    client, _ = world.negotiation()
    topic, signature = client.channel.topic, client.signed("offer", amount="10")["signature"]
    payload = _read(vsn, topic, "offer", f'{{{twice},"signature":"{signature}"}}')
    refused = client.push_raw("offer", payload).response
    assert refused == {"reason": "invalid_payload", "detail": {"pointer": "", "keyword": "uniqueMembers"}}
    assert world.join(client.agent, topic).joined.response["session"]["offers"] == {}
    once = _read(vsn, topic, "offer", f'{{"amount":"10","signature":"{signature}"}}')
    assert client.push_raw("offer", once).status == "ok"


@pytest.mark.parametrize("vsn", ["1.0.0", "2.0.0"])
def test_a_member_named_twice_in_an_unsigned_payload_has_its_first_value(world, vsn):
    """As on a Phoenix server, which reads no payload more strictly than that."""
    _, provider = world.task()
    text = '{"percent":50,"message":"first","message":"last"}'
    outcome = provider.push_raw("progress", _read(vsn, provider.channel.topic, "progress", text))
    assert outcome.status == "ok"
    assert outcome.broadcasts[0].payload["message"] == "first"


@pytest.fixture
def invented(tmp_path):
    """Return the shipped documents with an invented family, with no handler anywhere."""
    folder = tmp_path / "documents"
    shutil.copytree(DOCUMENTS, folder)
    rule = dict.fromkeys(
        (
            "join",
            "outsider",
            "accepted",
            "payload",
            "reply",
            "role",
            "state",
            "signature",
            "nonce",
            "relay",
            "broadcast",
            "next_state",
        ),
        "task/valid-event-accepted",
    )
    common = {
        "summary": "s",
        "source": "test",
        "roles": ["giver"],
        "states": ["open"],
        "errors": ["forbidden", "gift_given", "stale_nonce", "unknown_transfer"],
    }
    payload = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
    document = {
        "kind": "topic", "name": "gift", "pattern": "gift:{gift_id}", "socket": "agent", "order": 99,
        "summary": "s", "source": "test", "rules": rule, "initial_state": "open",
        "roles": {name: {"from": "resource", "summary": "s"} for name in ("giver", "taker")},
        "states": {
            "open": {"summary": "s"},
            "given": {"summary": "s", "terminal": True, "reason": "gift_given",
                      "reach": [{"by": "giver", "event": "give", "payload": {"n": 1}}]},
        },
        "fixture": {"create": "resource", "params": {"type": "object"}, "values": {},
                    "cast": {"giver": "giver", "taker": "taker"}},
        "join": {"roles": ["giver", "taker"], "reply": {"type": "object"},
                 "payload": {"type": "object", "properties": {"v": {"const": 1}}}},
        "events": [
            {**common, "event": "show", "direction": "in_out", "payload": payload,
             "relay": {"to": "others", "add": {"by": "$agent_id"}},
             "nonce": {"member": "n", "rule": "increasing"}},
            {**common, "event": "settle", "direction": "in", "payload": payload,
             "nonce": {"member": "n", "rule": "pending"}},
            {**common, "event": "give", "direction": "in", "payload": payload, "next_state": "given",
             "broadcasts": ["given"]},
            {"event": "given", "direction": "out", "summary": "s", "source": "test", "payload": payload},
        ],
    }  # fmt: skip
    (folder / "topics" / "gift.json").write_text(json.dumps(document))
    return load(folder)


@pytest.fixture
def gift(make_world, invented):
    """Return a world with the invented family, and its giver and taker seated."""
    world = make_world(invented)
    roles = {"giver": world.agent("ann"), "taker": world.agent("ben")}
    topic = world.resource("gift", roles, colour="red")
    return world, world.join(roles["giver"], topic), world.join(roles["taker"], topic)


def test_an_invented_event_is_validated_relayed_and_answered(gift):
    """With no line of Python for it."""
    _, giver, taker = gift
    assert giver.push("show", n="x").response["reason"] == "invalid_payload"
    assert taker.push("show", n=1).response == {"reason": "forbidden"}
    outcome = giver.push("show", n=1)
    assert (outcome.status, outcome.response) == ("ok", {})
    (sent,) = outcome.broadcasts
    assert (sent.event, sent.payload, sent.exclude) == ("show", {"n": 1, "by": "ann"}, giver.channel)


def test_an_invented_event_moves_the_state_and_sends_its_broadcasts(gift):
    """The broadcast holds the event's payload; the new state refuses with its reason."""
    _, giver, _ = gift
    (sent,) = giver.push("give", n=3).broadcasts
    assert (sent.event, sent.payload, sent.exclude) == ("given", {"n": 3}, None)
    assert giver.push("give", n=4).response == {"reason": "gift_given"}


def test_invented_nonces_obey_their_rules(gift):
    """Pending ones are settled once; a lower or repeated one is stale."""
    _, giver, _ = gift
    assert giver.push("show", n=5).status == "ok"
    assert giver.push("show", n=5).response["reason"] == "stale_nonce"
    assert giver.push("settle", n=5).status == "ok"
    assert giver.push("settle", n=5).response == {"reason": "unknown_transfer"}
    assert giver.push("show", n=4).response["reason"] == "stale_nonce"
    assert giver.push("show", n=6).status == "ok"


def test_an_invented_resource_keeps_its_params_and_join_payload_rules(gift):
    """Params become its data; a join with a faulty payload is refused."""
    world, giver, _ = gift
    assert world.application.store.resource_by_topic(giver.channel.topic).data == {"colour": "red"}
    refused = world.join(giver.agent, giver.channel.topic, payload={"v": 2}).joined
    assert refused.response["reason"] == "invalid_payload"
