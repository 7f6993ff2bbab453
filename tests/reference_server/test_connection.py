"""Tests of `reference_server.connection`: frames in, frames out, with a scripted application behind it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from reference_server.broker import Broker
from reference_server.connection import Backend, Connection
from reference_server.outcome import Broadcast, Channel, Identity, Outcome, Push
from reference_server.versions import PhoenixVersion
from specs.loader import load
from specs.message import Frame
from specs.model import Api, Fixture, Join, Socket, Topic
from specs.serializer import SERIALIZERS

if TYPE_CHECKING:
    from collections.abc import Mapping

OK = {"status": "ok", "response": {}}
UNMATCHED = {"status": "error", "response": {"reason": "unmatched topic"}}

SOCKET = Socket(
    "agent", "", ("/socket/websocket",), (frozenset({"api_key"}),), "agent", "s:{agent_id}", "", {}
)
JOIN = Join((), {}, {}, (), {})
FIXTURE = Fixture("nothing", {}, {}, None, {}, {})
ROOM = Topic("room", "room:{id}", "agent", 1, "", "", {}, {}, "open", FIXTURE, JOIN, False, {}, {})
API = Api("test", "1", "", "", load().protocol, {"agent": SOCKET}, {"room": ROOM}, {})


class Script:
    """An application that does what the event's name says."""

    def __init__(self) -> None:
        self.handled: list[tuple[Any, Any]] = []
        self.left: list[Channel] = []
        self.joins: dict[str, Outcome] = {}

    def authenticate(self, socket: Socket, params: Mapping[str, str]) -> Identity | None:
        raise NotImplementedError

    def join(self, channel: Channel, payload: Any) -> Outcome:
        if channel.topic == "room:crash":
            raise KeyError(channel.topic)
        if channel.topic == "room:closed" or payload == {"refuse": True}:
            return Outcome("error", {"reason": "unauthorized"})
        if channel.topic == "room:payload":
            return Outcome(
                response={"binary": payload.hex()} if isinstance(payload, bytes) else {"got": payload}
            )
        return self.joins.get(channel.topic, Outcome())

    def handle(self, channel: Channel, event: str, payload: Any) -> Outcome:
        self.handled.append((event, payload))
        topic = channel.topic
        match event:
            case "echo":
                return Outcome(response=payload)
            case "refuse":
                return Outcome("error", {"reason": "no"})
            case "shout":
                return Outcome(broadcasts=(Broadcast(topic, "shout", payload),))
            case "whisper":
                return Outcome(broadcasts=(Broadcast(topic, "whisper", payload, exclude=channel),))
            case "all_parts":
                return Outcome(
                    broadcasts=(Broadcast(topic, "early", {}),),
                    late_broadcasts=(Broadcast(topic, "late", {}),),
                    pushes=(Push("pushed", {}),),
                )
            case "kick":
                return Outcome(disconnect=frozenset({payload["id"]}))
            case "push_binary":
                return Outcome(pushes=(Push("bin", b"\x00"),))
            case _:
                raise LookupError(event)

    def leave(self, channel: Channel) -> tuple[Broadcast, ...]:
        self.left.append(channel)
        return (Broadcast(channel.topic, "left", {"number": channel.number}),)


class Server:
    """A backend with clients that record what they get."""

    def __init__(self, version: str = "1.8") -> None:
        self.script = Script()
        self.backend = Backend(API, self.script, Broker(), PhoenixVersion.parse(version))

    def client(self, vsn: str = "2.0.0", agent_id: str = "a") -> Client:
        return Client(self.backend, vsn, agent_id)


class Client:
    """One connection, seen from its client."""

    def __init__(self, backend: Backend, vsn: str, agent_id: str) -> None:
        self.frames: list[Frame] = []
        self.closed_with: list[int] = []
        identity = Identity(SOCKET, agent_id)
        self.connection = Connection(backend, identity, SERIALIZERS[vsn], self.frames.append, self.close)

    def close(self, code: int) -> None:
        self.closed_with.append(code)
        self.connection.closed()

    def raw(self, text: str) -> list[Any]:
        return self.frame(Frame(text.encode(), is_text=True))

    def frame(self, frame: Frame) -> list[Any]:
        self.connection.receive(frame)
        return self.take()

    def __call__(self, *message: Any) -> list[Any]:
        """Send one message of five fields; return what has come back since the last time."""
        return self.raw(json.dumps(message))

    def take(self) -> list[Any]:
        frames, self.frames[:] = tuple(self.frames), []
        return [json.loads(frame.data) if frame.is_text else frame.data for frame in frames]

    def join(self, topic: str, join_ref: Any = "1", ref: Any = "1") -> None:
        assert self(join_ref, ref, topic, "phx_join", {})[0][4]["status"] == "ok"


@pytest.fixture
def server() -> Server:
    return Server()


@pytest.fixture
def client(server: Server) -> Client:
    return server.client()


def test_normal_session_is_golden_transcript_g1(client: Client) -> None:
    """A join, a push, a push of the server, a broadcast, a heartbeat, a leave and a late push answer as in G-1."""
    assert client("3", "3", "room:a", "phx_join", {"u": 1}) == [["3", "3", "room:a", "phx_reply", OK]]
    assert client("3", "4", "room:a", "echo", {"x": 1}) == [
        ["3", "4", "room:a", "phx_reply", {"status": "ok", "response": {"x": 1}}]
    ]
    assert client("3", "9", "room:a", "all_parts", {}) == [
        [None, None, "room:a", "early", {}],
        ["3", "9", "room:a", "phx_reply", OK],
        [None, None, "room:a", "late", {}],
        ["3", None, "room:a", "pushed", {}],
    ]
    assert client(None, "5", "phoenix", "heartbeat", {}) == [[None, "5", "phoenix", "phx_reply", OK]]
    assert client("3", "6", "room:a", "phx_leave", {}) == [
        ["3", "6", "room:a", "phx_reply", OK],
        ["3", "3", "room:a", "phx_close", {}],
    ]
    assert client("3", "7", "room:a", "echo", {}) == [[None, "7", "room:a", "phx_reply", UNMATCHED]]


def test_duplicate_join_is_golden_transcript_g2(server: Server, client: Client) -> None:
    """The new join is answered before the old channel's phx_close, which carries the old join_ref (J-10)."""
    client.join("room:a")
    assert client("2", "2", "room:a", "phx_join", {}) == [
        ["2", "2", "room:a", "phx_reply", OK],
        ["1", "1", "room:a", "phx_close", {}],
    ]
    assert client("1", "3", "room:a", "echo", {}) == []
    assert client("2", "4", "room:a", "shout", {}) == [
        [None, None, "room:a", "shout", {}],
        ["2", "4", "room:a", "phx_reply", OK],
    ]
    assert [channel.topic for channel in server.script.left] == ["room:a"]


@pytest.mark.parametrize(
    ("version", "payload"), [("1.7", {}), ("1.8.9", {}), ("1.8", {"reason": "channel_crash"})]
)
def test_crash_is_golden_transcript_g3(version: str, payload: dict[str, str]) -> None:
    """A crash gives phx_error with the join's ref twice and no reply; the topic is no longer joined (L-7)."""
    server = Server(version)
    client = server.client()
    client.join("room:a")
    client.join("room:b")
    assert client("1", "2", "room:a", "boom", {}) == [["1", "1", "room:a", "phx_error", payload]]
    assert client("1", "3", "room:a", "echo", {}) == [[None, "3", "room:a", "phx_reply", UNMATCHED]]
    assert client("1", "4", "room:b", "echo", {})[0][4]["status"] == "ok"
    assert [channel.topic for channel in server.script.left] == ["room:a"]


def test_serializer_1_is_golden_transcript_g4(server: Server) -> None:
    """Objects without join_ref; phx_close carries the join's join_ref as ref, which is null where there was none."""
    client = server.client("1.0.0")
    assert client.raw('{"topic":"room:t","event":"phx_join","payload":{},"ref":"1"}') == [
        {"topic": "room:t", "event": "phx_reply", "payload": OK, "ref": "1"}
    ]
    assert client.raw('{"topic":"room:t","event":"phx_leave","payload":{},"ref":"2"}') == [
        {"topic": "room:t", "event": "phx_reply", "payload": OK, "ref": "2"},
        {"topic": "room:t", "event": "phx_close", "payload": {}, "ref": None},
    ]
    client.raw('{"topic":"room:t","event":"phx_join","payload":{},"ref":"3","join_ref":"7"}')
    assert client.raw('{"topic":"room:t","event":"phx_leave","payload":{},"ref":"4","join_ref":"7"}')[1] == {
        "topic": "room:t",
        "event": "phx_close",
        "payload": {},
        "ref": "7",
    }


@pytest.mark.parametrize("join_ref", ["9", None, 9, {"a": 1}])
@pytest.mark.parametrize(
    ("topic", "response"),
    [
        ("room:a", {}),
        ("room:closed", {"reason": "unauthorized"}),
        ("room:crash", {"reason": "join crashed"}),
    ],
)
def test_join_reply_echoes_both_refs(
    client: Client, topic: str, response: dict[str, str], join_ref: Any
) -> None:
    """The reply to a join has the client's join_ref and ref with their JSON types (F-5, F-6, J-1, J-2, J-4)."""
    status = "error" if response else "ok"
    expected = [join_ref, 5, topic, "phx_reply", {"status": status, "response": response}]
    assert client(join_ref, 5, topic, "phx_join", {}) == [expected]


@pytest.mark.parametrize("topic", ["lobby", "Room:a", "room", "phoenix", "", 5, None, True, [1]])
def test_join_of_unmatched_topic_has_null_join_ref(client: Client, topic: Any) -> None:
    """Without a route the reply's join_ref is null, whatever the client sent (J-3, M-5)."""
    assert client("1", "2", topic, "phx_join", {}) == [[None, "2", topic, "phx_reply", UNMATCHED]]


def test_pattern_matches_with_empty_variable(client: Client) -> None:
    """`room:{id}` is the prefix `room:` (J-7)."""
    client.join("room:")


@pytest.mark.parametrize("topic", ["room:a", "phoenix", 5, None, {"a": 1}, [1]])
def test_push_without_join_has_null_join_ref(client: Client, topic: Any) -> None:
    """A push on a topic that is not joined is answered with the topic as sent (M-10, M-5)."""
    assert client("1", "2", topic, "echo", {}) == [[None, "2", topic, "phx_reply", UNMATCHED]]


def test_object_as_topic_of_a_join_ends_the_connection(client: Client) -> None:
    """Phoenix crashes on it (M-5)."""
    assert client("1", "2", {"a": 1}, "phx_join", {}) == []
    assert client.closed_with == [1011]


def test_heartbeat_ignores_join_ref_and_payload(client: Client) -> None:
    """The reply's join_ref is null even if the client sent one (F-5, T-1)."""
    for payload in ({}, None, 7, "x"):
        assert client("1", {"n": 1}, "phoenix", "heartbeat", payload) == [
            [None, {"n": 1}, "phoenix", "phx_reply", OK]
        ]


def test_heartbeat_event_on_another_topic_is_an_ordinary_event(client: Client) -> None:
    """Only the topic `phoenix` has heartbeats (M-6)."""
    client.join("room:a")
    assert client("1", "2", "room:a", "heartbeat", {})[0][3] == "phx_error"


def test_leave_of_a_topic_not_joined_echoes_join_ref(client: Client) -> None:
    """It is ok, and there is no phx_close (L-3)."""
    assert client("8", "9", "room:a", "phx_leave", {}) == [["8", "9", "room:a", "phx_reply", OK]]


def test_join_without_join_ref_uses_its_ref_in_the_channel_only(client: Client) -> None:
    """Pushes and replies carry the join's ref, phx_close and phx_error carry null (F-5, J-12)."""
    client.join("room:a", None, "2")
    assert client(None, "3", "room:a", "all_parts", {}) == [
        [None, None, "room:a", "early", {}],
        ["2", "3", "room:a", "phx_reply", OK],
        [None, None, "room:a", "late", {}],
        ["2", None, "room:a", "pushed", {}],
    ]
    assert client("2", "4", "room:a", "echo", {}) == []
    assert client(None, "5", "room:a", "phx_leave", {}) == [
        ["2", "5", "room:a", "phx_reply", OK],
        [None, None, "room:a", "phx_close", {}],
    ]
    client.join("room:a", None, "6")
    assert client(None, "7", "room:a", "boom", {})[0][:4] == [None, None, "room:a", "phx_error"]


@pytest.mark.parametrize(
    ("version", "delivered"),
    [("1.7", ["9", None, "1"]), ("1.8.5", ["1"]), ("1.8", [None, "1"])],
)
def test_stale_push_is_dropped_by_the_version_s_rule(version: str, delivered: list[Any]) -> None:
    """A dropped push gets no reply; a delivered one gets the channel's own join_ref (section 6)."""
    client = Server(version).client()
    client.join("room:a")
    answers = {ref: client(ref, "2", "room:a", "echo", {}) for ref in ("9", None, "1")}
    assert [ref for ref, frames in answers.items() if frames] == delivered
    assert all(frames == [["1", "2", "room:a", "phx_reply", OK]] for frames in answers.values() if frames)


@pytest.mark.parametrize(
    ("version", "ignored"), [("1.7", ["9", None, 1]), ("1.8.5", ["9", None, 1]), ("1.8", ["9", 1])]
)
def test_stale_leave_is_ignored(version: str, ignored: list[Any]) -> None:
    """A leave with a stale join_ref gives no frame and leaves the topic joined (section 6)."""
    for join_ref in ignored:
        client = Server(version).client()
        client.join("room:a")
        assert client(join_ref, "2", "room:a", "phx_leave", {}) == []
        assert client("1", "3", "room:a", "echo", {})[0][4] == OK


def test_stale_rule_holds_for_serializer_1(server: Server) -> None:
    """The optional join_ref of serializer 1.0.0 is compared alike (SJ-2)."""
    client = server.client("1.0.0")
    client.raw('{"topic":"room:a","event":"phx_join","payload":{},"ref":"1","join_ref":"1"}')
    assert client.raw('{"topic":"room:a","event":"echo","payload":{},"ref":"2","join_ref":"9"}') == []
    assert len(client.raw('{"topic":"room:a","event":"echo","payload":{},"ref":"2"}')) == 1


def test_refused_duplicate_join_still_closes_the_old_channel(client: Client) -> None:
    """The old channel is gone before the new join is judged (J-10)."""
    client.join("room:a")
    assert client("2", "2", "room:a", "phx_join", {"refuse": True}) == [
        ["2", "2", "room:a", "phx_reply", {"status": "error", "response": {"reason": "unauthorized"}}],
        ["1", "1", "room:a", "phx_close", {}],
    ]
    assert client("1", "3", "room:a", "echo", {}) == [[None, "3", "room:a", "phx_reply", UNMATCHED]]


def test_duplicate_join_with_the_same_join_ref_closes_once(client: Client) -> None:
    """Equal refs make no difference to the order."""
    client.join("room:a")
    assert [frame[3] for frame in client("1", "1", "room:a", "phx_join", {})] == ["phx_reply", "phx_close"]


def test_refused_join_is_not_joined(server: Server, client: Client) -> None:
    """After an error reply pushes are unmatched, and no phx_error or phx_close comes (J-6)."""
    client("1", "1", "room:closed", "phx_join", {})
    assert client("1", "2", "room:closed", "echo", {}) == [[None, "2", "room:closed", "phx_reply", UNMATCHED]]
    client.close(1000)
    assert server.script.left == []


@pytest.mark.parametrize(("version", "limited"), [("1.7.21", False), ("1.8", True)])
def test_hundred_channels_are_the_limit(version: str, limited: bool) -> None:
    """The 101st join is refused with its join_ref, a re-join is not (J-5)."""
    client = Server(version).client()
    for number in range(100):
        client.join(f"room:{number}")
    refused = {"status": "error", "response": {"reason": "too many channels joined"}}
    assert client("7", "8", "room:x", "phx_join", {}) == [
        ["7", "8", "room:x", "phx_reply", refused if limited else OK]
    ]
    assert client("7", "9", "room:5", "phx_join", {})[0] == ["7", "9", "room:5", "phx_reply", OK]


def test_join_outcome_follows_the_reply(server: Server, client: Client) -> None:
    """Nothing of a join is seen before its reply; then late broadcasts, then pushes (J-9)."""
    other = server.client()
    other.join("room:a")
    server.script.joins["room:a"] = Outcome(
        response={"hi": 1},
        broadcasts=(Broadcast("room:a", "early", {}),),
        late_broadcasts=(Broadcast("room:a", "presence_diff", {}),),
        pushes=(Push("presence_state", {}),),
    )
    assert client("1", "1", "room:a", "phx_join", {}) == [
        ["1", "1", "room:a", "phx_reply", {"status": "ok", "response": {"hi": 1}}],
        [None, None, "room:a", "presence_diff", {}],
        ["1", None, "room:a", "presence_state", {}],
    ]
    assert [frame[3] for frame in other.take()] == ["early", "presence_diff"]


@pytest.mark.parametrize("payload", ["text", [1], None, 7, True])
def test_payload_reaches_the_application_as_sent(server: Server, client: Client, payload: Any) -> None:
    """Joins and pushes take any JSON (F-8, M-7), and a response may be any JSON (F-7)."""
    joined = client("1", "1", "room:payload", "phx_join", payload)
    assert joined[0][4]["response"] == {"got": payload}
    assert client("1", "2", "room:payload", "echo", payload)[0][4]["response"] == payload
    assert server.script.handled == [("echo", payload)]


@pytest.mark.parametrize("event", ["phx_reply", "phx_close", "phx_error", 5, None, [1]])
def test_protocol_and_odd_events_are_the_application_s(server: Server, client: Client, event: Any) -> None:
    """Names of the protocol's own events have no meaning from a client (M-6)."""
    client.join("room:a")
    assert client("1", "2", "room:a", event, {})[0][3] == "phx_error"
    assert server.script.handled == [(event, {})]


def test_null_ref_is_answered_with_null(client: Client) -> None:
    """A push without a ref still gets its reply (M-9)."""
    client.join("room:a")
    assert client("1", None, "room:a", "echo", {}) == [["1", None, "room:a", "phx_reply", OK]]


def test_error_reply_of_the_application_keeps_the_channel(client: Client) -> None:
    """A refusal is a reply with status error."""
    client.join("room:a")
    refused = {"status": "error", "response": {"reason": "no"}}
    assert client("1", "2", "room:a", "refuse", {}) == [["1", "2", "room:a", "phx_reply", refused]]
    assert len(client("1", "3", "room:a", "echo", {})) == 1


def test_extra_elements_are_ignored(client: Client) -> None:
    """An array of six is a message (F-2)."""
    assert client("1", "1", "room:a", "phx_join", {}, "extra") == [["1", "1", "room:a", "phx_reply", OK]]


@pytest.mark.parametrize(
    "frame",
    [
        Frame(b"", is_text=True),
        Frame(b"{", is_text=True),
        Frame(b"[]", is_text=True),
        Frame(b'["1","1","room:a","echo"]', is_text=True),
        Frame(b'{"topic":"phoenix","event":"heartbeat","payload":{},"ref":"1"}', is_text=True),
        Frame(b'[null,"1","phoenix","heartbeat",{}]', is_text=False),
        Frame(b"", is_text=False),
        Frame(b"\x01\x01\x01\x07\x0411task:t1echo", is_text=False),
        Frame(b"\x00\x01\x01\xc8\x0411task", is_text=False),
    ],
)
def test_malformed_frame_closes_with_1011_and_nothing_else(server: Server, frame: Frame) -> None:
    """A decode error ends the whole connection without frames; other connections go on (section 4)."""
    bad, good = server.client(), server.client(agent_id="b")
    for each in (bad, good):
        each.join("room:a")
    assert bad.frame(frame) == []
    assert bad.closed_with == [1011]
    assert [frame[3] for frame in good.take()] == ["left"]
    assert len(good("1", "2", "room:a", "echo", {})) == 1


@pytest.mark.parametrize(
    "text", ['["1","1","room:a","phx_join",{}]', "7", '{"topic":"room:a","event":"x","payload":{}}', "null"]
)
def test_wrong_shape_on_serializer_1_closes_with_1011(server: Server, text: str) -> None:
    """An array on a 1.0.0 socket is the classic bug of a forgotten vsn (M-3, M-4)."""
    client = server.client("1.0.0")
    assert client.raw(text) == []
    assert client.closed_with == [1011]


def test_binary_push_is_answered_in_kind(client: Client) -> None:
    """A binary response is layout B-3, a binary push of the server B-2, a plain reply is text (B-2, B-3, B-7)."""
    client.join("room:a")
    assert client.frame(Frame(b"\x00\x01\x01\x06\x0412room:aecho\x00\xff", is_text=False)) == [
        b"\x01\x01\x01\x06\x0212room:aok\x00\xff"
    ]
    reply, push = client.frame(Frame(b"\x00\x01\x01\x06\x0b13room:apush_binary", is_text=False))
    assert reply == ["1", "3", "room:a", "phx_reply", OK]
    assert push == b"\x00\x01\x06\x031room:abin\x00"


def test_binary_join_and_heartbeat_are_answered_with_text(client: Client) -> None:
    """Any event may come as a binary frame (B-7)."""
    join = b"\x00\x01\x01\x0c\x0811room:payloadphx_join\x01\x02"
    assert client.frame(Frame(join, is_text=False)) == [
        ["1", "1", "room:payload", "phx_reply", {"status": "ok", "response": {"binary": "0102"}}]
    ]
    beat = b"\x00\x00\x01\x07\x095phoenixheartbeat"
    assert client.frame(Frame(beat, is_text=False)) == [[None, "5", "phoenix", "phx_reply", OK]]


@pytest.mark.parametrize(("version", "delivered"), [("1.7", True), ("1.8.3", False), ("1.8", False)])
def test_binary_push_with_empty_join_ref_is_stale_since_1_8_3(version: str, delivered: bool) -> None:
    """An absent join_ref of a binary push is the empty string, not null (B-6)."""
    client = Server(version).client()
    client.join("room:a")
    assert bool(client.frame(Frame(b"\x00\x00\x01\x06\x042room:aechox", is_text=False))) is delivered


def test_binary_towards_serializer_1_crashes_the_channel(server: Server) -> None:
    """Serializer 1.0.0 has no binary format (B-10)."""
    client = server.client("1.0.0")
    client.raw('{"topic":"room:a","event":"phx_join","payload":{},"ref":"1","join_ref":"1"}')
    frames = client.raw('{"topic":"room:a","event":"push_binary","payload":{},"ref":"2"}')
    assert [frame["event"] for frame in frames] == ["phx_reply", "phx_error"]
    assert client.closed_with == []


@pytest.mark.parametrize(("version", "answer"), [("1.6", "phx_error"), ("1.7", None)])
def test_binary_reply_to_a_numeric_ref_crashed_1_6(version: str, answer: str | None) -> None:
    """Later releases write the ref as text (I-15, F-6)."""
    server = Server(version)
    client = server.client()
    client.join("room:a", 1, 1)
    server.script.handle = lambda *_: Outcome(response=b"x")  # type: ignore[method-assign]
    [frame] = client(1, 2, "room:a", "any", {})
    assert frame[3] == answer if answer else frame == b"\x01\x01\x01\x06\x0212room:aokx"


def test_broadcast_that_cannot_be_sent_crashes_the_sender_only(server: Server, client: Client) -> None:
    """A non-object broadcast ends the broadcasting channel (BC-5)."""
    other = server.client()
    client.join("room:a")
    other.join("room:a")
    assert client("1", "2", "room:a", "shout", [1])[0][3] == "phx_error"
    assert [frame[3] for frame in other.take()] == ["left"]


def test_broadcast_comes_before_the_reply_and_whisper_spares_the_sender(
    server: Server, client: Client
) -> None:
    """`broadcast` includes the sender, before its reply; `broadcast_from` does not (BC-2, BC-3)."""
    other = server.client()
    client.join("room:a")
    other.join("room:a", "7", "8")
    shouted = client("1", "2", "room:a", "shout", {"k": 1})
    assert [frame[3] for frame in shouted] == ["shout", "phx_reply"]
    assert [frame[3] for frame in client("1", "3", "room:a", "whisper", {})] == ["phx_reply"]
    assert other.take() == [
        [None, None, "room:a", "shout", {"k": 1}],
        [None, None, "room:a", "whisper", {}],
    ]


@pytest.mark.parametrize(("version", "code"), [("1.7", 1000), ("1.8", 1001)])
def test_disconnect_comes_after_the_reply_without_channel_frames(version: str, code: int) -> None:
    """Every socket of the id is closed, the sender's own after its reply, and no other (T-4, L-9)."""
    server = Server(version)
    sender, twin, stranger = server.client(), server.client(), server.client(agent_id="b")
    for each in (sender, twin, stranger):
        each.join("room:a")
    frames = sender("1", "2", "room:a", "kick", {"id": "s:a"})
    assert [frame[3] for frame in frames if frame[3] != "left"] == ["phx_reply"]
    assert [sender.closed_with, twin.closed_with, stranger.closed_with] == [[code], [code], []]
    assert {frame[3] for frame in stranger.take()} == {"left"}


def test_closed_connection_leaves_all_topics_once(server: Server, client: Client) -> None:
    """The application hears of each channel's end once, and others are told (L-9)."""
    other = server.client(agent_id="b")
    other.join("room:a")
    client.join("room:a")
    client.join("room:b")
    client.connection.closed()
    client.connection.closed()
    assert [channel.topic for channel in server.script.left] == ["room:a", "room:b"]
    assert [frame[3] for frame in other.take()] == ["left"]
    assert client.take() == []
    assert client.connection.channel_count == 0


def test_leave_is_told_to_others_after_the_leaver_has_its_close(server: Server, client: Client) -> None:
    """The leaver gets reply and phx_close but not what its leave broadcasts (L-1)."""
    other = server.client(agent_id="b")
    other.join("room:a")
    client.join("room:a")
    assert [frame[3] for frame in client("1", "2", "room:a", "phx_leave", {})] == ["phx_reply", "phx_close"]
    assert [frame[3] for frame in other.take()] == ["left"]


def test_failing_leave_does_not_stop_the_others(server: Server, client: Client) -> None:
    """An application that fails in `leave` ends neither the connection nor its other channels' leaves."""
    client.join("room:a")
    client.join("room:b")
    left: list[str] = []

    def leave(channel: Channel) -> tuple[Broadcast, ...]:
        left.append(channel.topic)
        raise RuntimeError

    server.script.leave = leave  # type: ignore[method-assign]
    client.connection.closed()
    assert left == ["room:a", "room:b"]


def test_join_whose_broadcast_cannot_be_sent_is_forgotten(server: Server, client: Client) -> None:
    """It is answered as a crashed join, and the application is told that the channel is gone (J-4, BC-5)."""
    server.client().join("room:a")
    server.script.joins["room:a"] = Outcome(broadcasts=(Broadcast("room:a", "bad", [1]),))
    crashed = {"status": "error", "response": {"reason": "join crashed"}}
    assert client("1", "1", "room:a", "phx_join", {}) == [["1", "1", "room:a", "phx_reply", crashed]]
    assert len(server.script.left) == 1
    assert client("1", "2", "room:a", "echo", {}) == [[None, "2", "room:a", "phx_reply", UNMATCHED]]
