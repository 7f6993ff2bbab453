"""Tests of `reference_server.structured_log`, `message_log` and `redaction`: one JSON line an event, and no secret in any."""

from __future__ import annotations

import asyncio
import io
import json
import logging
import os
import re
import string
import subprocess
import sys
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, unquote

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from websockets.datastructures import Headers
from websockets.http11 import Request

from reference_server.admission import Admission
from reference_server.application import Application
from reference_server.broker import Broker
from reference_server.connection import Backend, Connection
from reference_server.handshake import Accept, Policy
from reference_server.message_log import logging_messages, shape
from reference_server.monitoring import Monitoring
from reference_server.outcome import Channel, Identity, Outcome
from reference_server.redaction import credential_names, shown_target
from reference_server.server import Pieces, _reception
from reference_server.structured_log import MAX_LINE_BYTES, JsonLines, log_event, log_loop_exception
from reference_server.versions import PhoenixVersion
from specs.loader import load
from specs.message import Frame
from specs.serializer import SERIALIZERS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

API = load()
NAMES = credential_names(API)
TIME = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{3}Z")
SECRET = "S3CRET"
SIGNED = [
    (family.name, event.event, signature.member)
    for family in API.topics.values()
    for event in family.events.values()
    for signature in event.signatures
]


@pytest.fixture(scope="module")
def logged() -> Iterator[Callable[[], str]]:
    """Everything that the server has logged since the last call, at level debug."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(JsonLines(NAMES))
    logger = logging.getLogger("reference_server")
    before = logger.level, logger.propagate, logger.handlers[:]
    logger.handlers[:], logger.propagate = [handler], False
    logger.setLevel(logging.DEBUG)

    def take() -> str:
        text = stream.getvalue()
        stream.seek(0)
        stream.truncate()
        return text

    yield take
    logger.setLevel(before[0])
    logger.propagate, logger.handlers[:] = before[1], before[2]


def assert_well_formed(text: str) -> list[dict[str, Any]]:
    """Every line is one JSON object in printable ASCII, not too long, with the four members of all lines."""
    assert text.isascii()
    assert all(char.isprintable() for char in text.replace("\n", ""))
    rows = [json.loads(line) for line in text.split("\n")[:-1]]
    assert text.endswith("\n") or not text
    for line, row in zip(text.split("\n"), rows, strict=False):
        assert len(line) <= MAX_LINE_BYTES
        assert list(row)[:4] == ["time", "level", "logger", "event"]
        assert TIME.fullmatch(row["time"])
    return rows


class Crashing(Application):
    """Lets everybody in, and quotes what it was given when it crashes."""

    def authenticate(self, socket: Any, params: Any) -> Identity | None:
        if "crash" in params:
            raise RuntimeError(str(params))
        return Identity(socket, "somebody")

    def join(self, channel: Channel, payload: Any) -> Outcome:
        if channel.topic.endswith("crash"):
            raise RuntimeError(f"{channel.topic} {payload}")
        return Outcome("ok" if channel.topic.endswith("joined") else "error", {"reason": "unauthorized"})

    def handle(self, channel: Channel, event: str, payload: Any) -> Outcome:
        raise ValueError(f"{event} {payload!r}")


APPLICATION = Crashing(API)
POLICY = Policy(tuple(API.sockets.values()), APPLICATION, PhoenixVersion.parse("1.8"))
PIECES = Pieces()
RECEPTION = _reception(POLICY, PIECES, Monitoring(API, PIECES.counts, PIECES.commits), Admission(), NAMES)

secrets = st.text(st.characters(exclude_categories=["Cs"]), max_size=8).map(lambda tail: SECRET + tail)
url_secrets = st.text(string.ascii_letters + string.digits + "-_=[]%:+/", max_size=8).map(
    lambda tail: SECRET + tail
)
parameter_names = st.one_of(
    st.sampled_from(sorted(NAMES)),
    st.sampled_from(["vsn", "apikey", "x", "", "api%5Fkey", "api%255Fkey", "TOKEN", "signature", "crash"]),
    url_secrets,
)


@st.composite
def targets(draw: Any) -> str:
    """Request targets with the secret wherever a client could put it."""
    path = draw(
        st.one_of(
            st.sampled_from([path for socket in API.sockets.values() for path in socket.paths]),
            url_secrets.map(lambda secret: f"/{secret}"),
            url_secrets.map(lambda secret: f"/socket/websocket/{secret}"),
            url_secrets.map(lambda secret: f"/socket;token={secret}/websocket"),
        )
    )
    part = st.tuples(
        parameter_names, st.sampled_from(["=", "%3D", "", "[]=", "[k]=", "=Bearer+"]), url_secrets
    )
    separator = draw(st.sampled_from(["&", ";", "?"]))
    return f"{path}?{separator.join(''.join(draw(part)) for _ in range(draw(st.integers(0, 3))))}"


def assert_hidden(text: str) -> None:
    seen = text
    for _ in range(4):
        assert SECRET not in seen
        seen = unquote(seen)


@given(targets(), st.sampled_from(["GET", "POST", SECRET]), url_secrets)
@example(f"/socket/websocket?api_key[{SECRET}]=1&vsn={SECRET}", "GET", SECRET)
@example(f"/socket/websocket?{quote(quote('api_key=' + SECRET))}", "GET", SECRET)
def test_no_secret_of_a_request_is_logged(
    logged: Callable[[], str], target: str, method: str, secret: str
) -> None:
    """In the path, the query, the method or any header, for requests that are accepted, refused or crash."""
    logged()
    headers = Headers(dict.fromkeys(("Host", "Origin", "Authorization", "Cookie", "X-Token"), secret))
    RECEPTION(Request(target, headers, method))
    text = logged()
    rows = assert_well_formed(text)
    assert rows[-1]["event"] == "handshake"
    assert_hidden(text)


def values(secret: str) -> st.SearchStrategy[Any]:
    """JSON values that hold the secret somewhere."""
    return st.recursive(
        st.sampled_from(
            [secret, f"token={secret}", {secret: 1}, [secret], 7, None, True, {"signature": secret}]
        ),
        lambda inner: st.one_of(
            st.lists(inner, max_size=2),
            st.dictionaries(
                st.sampled_from(["signature", "token", "chunk", "reason", "status", "response", secret]),
                inner,
                max_size=3,
            ),
        ),
        max_leaves=5,
    )


@st.composite
def conversations(draw: Any) -> list[Frame]:
    """Frames of a client that puts the secret into any field of a message, and into frames that are none."""
    secret = draw(secrets)
    payload = draw(values(secret))
    family, event, member = draw(st.sampled_from(SIGNED))
    topic = draw(
        st.sampled_from([f"{family}:joined", f"{family}:{secret}crash", f"{family}:{secret}", secret])
    )
    ref = draw(st.sampled_from(["1", secret]))
    kinds = st.sampled_from(
        [
            [ref, ref, topic, "phx_join", payload],
            [ref, ref, topic, event, {member: secret, "amount": secret}],
            [ref, ref, topic, event, payload],
            [ref, ref, topic, secret, payload],
            [ref, ref, topic, "phx_leave", payload],
            [ref, ref, payload, event, payload],
            [ref, ref, topic, payload, payload],
            payload,
        ]
    )
    joined = json.dumps(["1", "1", f"{family}:joined", "phx_join", payload])
    texts = [joined, *(json.dumps(draw(kinds)) for _ in range(3))]
    raw = draw(st.sampled_from([f'["1","1",{secret}', secret, f'{{"{secret}": }}', f'["{secret}",,]']))
    is_binary = draw(st.booleans())
    return [
        *(Frame(text.encode(), is_text=True) for text in texts),
        Frame(raw.encode(), is_text=not is_binary),
    ]


@settings(deadline=None)
@given(conversations(), st.sampled_from(sorted(SERIALIZERS)))
def test_no_secret_of_a_message_is_logged(logged: Callable[[], str], frames: list[Frame], vsn: str) -> None:
    """In whatever field it stands, of messages that are carried out, refused, crash or are none at all."""
    logged()
    backend = Backend(API, APPLICATION, Broker(), PhoenixVersion.parse("1.8"))
    identity = Identity(API.sockets["agent"], "somebody")
    connection = logging_messages(Connection)(
        backend, identity, SERIALIZERS[vsn], lambda _: None, lambda _: None
    )
    for frame in frames:
        connection.receive(frame)
    text = logged()
    assert assert_well_formed(text)
    assert_hidden(text)


def test_messages_are_told_by_their_shape(logged: Callable[[], str]) -> None:
    """At debug a joined topic, a documented event and the members of its payload are there to be read."""
    logged()
    connection = logging_messages(Connection)(
        Backend(API, APPLICATION, Broker(), PhoenixVersion.parse("1.8")),
        Identity(API.sockets["agent"], "somebody"),
        SERIALIZERS["2.0.0"],
        lambda _: None,
        lambda _: None,
    )
    for message in (
        ["1", "1", "task:joined", "phx_join", {}],
        ["1", "2", "task:joined", "output_stream", {"chunk": "abc", "seq": 3, "mine": 1}],
    ):
        connection.receive(Frame(json.dumps(message).encode(), is_text=True))
    rows = assert_well_formed(logged())
    assert [(row["event"], row.get("topic"), row.get("message_event")) for row in rows] == [
        ("message_received", "task:{task_id}", "phx_join"),
        ("message_sent", "task:joined", "phx_reply"),
        ("message_received", "task:joined", "output_stream"),
        ("channel_crashed", "task:joined", None),
        ("message_sent", "task:joined", "phx_error"),
    ]
    assert rows[2]["payload"] == "chunk: string of 3, seq: number, 1 other"
    assert {(row["socket"], row["agent"]) for row in rows} == {("agent", "somebody")}
    assert [(row.get("status"), row.get("reason")) for row in rows[:2]] == [
        (None, None),
        ("ok", "unauthorized"),
    ]
    assert re.fullmatch(r"ValueError at test_structured_log\.py:[0-9]+", rows[3]["exception"])


@given(st.dictionaries(st.sampled_from("abcdefghijklmnopqrstuvwxyz"), st.text(), max_size=26), st.text())
@example(dict.fromkeys(string.ascii_lowercase, "😀" * 300), "x")
@example({"a": "\x00\x1b[31m\x7f\x85\u2028\r\n"}, "x")
def test_lines_are_bounded_and_printable(
    logged: Callable[[], str], fields: dict[str, str], event: str
) -> None:
    """Whatever the fields hold, there is one line of printable ASCII, and not a long one."""
    logged()
    log_event(logging.getLogger("reference_server.x"), logging.INFO, "event", **fields)
    [row] = assert_well_formed(logged())
    assert row["event"] == "event"


@pytest.mark.parametrize(
    ("target", "shown"),
    [
        ("/socket/websocket", "/socket/websocket"),
        ("/socket/websocket?vsn=2.0.0&api_key=ak_1", "/socket/websocket?vsn=2.0.0&api_key=***"),
        ("/socket/websocket?API%5Fkey=ak_1", "/socket/websocket?api_key=***"),
        ("/socket/websocket?api_key[ak_1]=x", "/socket/websocket?api_key=***"),
        ("/socket/websocket?ak_1", "/socket/websocket?***"),
        ("/ak_1?x=1&", "/***?***&"),
    ],
)
def test_target_shows_what_is_known_and_no_more(target: str, shown: str) -> None:
    """Known paths, the names of known parameters, and the version."""
    assert shown_target(target, {"/socket/websocket"}, NAMES) == shown


def test_what_asyncio_says_is_a_line_without_its_values(logged: Callable[[], str]) -> None:
    """Neither the arguments of a callback nor the text of an exception are in it."""

    def crash(secret: str) -> None:
        raise RuntimeError(secret)

    async def use() -> None:
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(log_loop_exception)
        loop.call_soon(crash, SECRET)
        await asyncio.sleep(0)

    logged()
    asyncio.run(use())
    text = logged()
    [row] = assert_well_formed(text)
    assert (row["level"], row["event"], row["text"]) == (
        "error",
        "loop_exception",
        "Exception in callback",
    )
    assert re.fullmatch(r"RuntimeError at test_structured_log\.py:[0-9]+", row["exception"])
    assert_hidden(text)
    record = logging.LogRecord("asyncio", logging.WARNING, "", 0, f"Task <{SECRET}> %s", (SECRET,), None)
    line = JsonLines().format(record)
    assert json.loads(line)["text"] == "Task"
    assert_hidden(line)


PROGRAM = f"""
import sys, threading, warnings, logging
from reference_server.structured_log import log_to_stderr
log_to_stderr("info")
warnings.warn("{SECRET}")
logging.getLogger("asyncio").warning("socket.send() raised exception %s", "{SECRET}")
class Broken:
    def __del__(self):
        raise ValueError("{SECRET}")
Broken()
def crash():
    raise LookupError("{SECRET}")
thread = threading.Thread(target=crash)
thread.start()
thread.join()
raise RuntimeError("{SECRET}")
"""


def test_whatever_nobody_catches_is_a_line() -> None:
    """Warnings, threads, finalizers and the main program: type and place, no traceback, no text of theirs."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        check=False,
    )
    assert done.returncode == 1
    rows = assert_well_formed(done.stderr)
    assert [(row["level"], row["event"], row.get("exception", "").partition(" ")[0]) for row in rows] == [
        ("warning", "warning", ""),
        ("warning", "message", ""),
        ("error", "uncaught_exception", "ValueError"),
        ("error", "uncaught_exception", "LookupError"),
        ("error", "uncaught_exception", "RuntimeError"),
    ]
    assert rows[0]["category"] == "UserWarning"
    assert_hidden(done.stderr)


def test_a_reader_of_the_log_who_has_gone_is_no_reason_to_stop() -> None:
    """Standard error is closed at the other end; the program ends as it would."""
    program = (
        "import logging; from reference_server.structured_log import *; log_to_stderr('info');"
        "[log_event(logging.getLogger('reference_server.x'), 40, 'event') for _ in range(10)]; print('ok')"
    )
    read_end, write_end = os.pipe()
    os.close(read_end)
    done = subprocess.run(
        [sys.executable, "-c", program],
        stdout=subprocess.PIPE,
        stderr=write_end,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        check=False,
    )
    os.close(write_end)
    assert done.stdout == "ok\n"


def test_shape_counts_what_it_may_not_name() -> None:
    """Kinds and sizes, never values."""
    assert shape({"reason": "x", SECRET: 1, "b": 2}) == "reason: string of 1, 2 other"
    assert shape({}) == "empty object"
    assert [shape(value) for value in (b"ab", [1], "x", 1, None, True)] == [
        "binary of 2",
        "array of 1",
        "string of 1",
        "number",
        "null",
        "boolean",
    ]


def test_accepted_handshakes_tell_who(logged: Callable[[], str]) -> None:
    """Socket and agent are members of their own."""
    headers = Headers(
        {
            "Host": "x",
            "Connection": "Upgrade",
            "Upgrade": "websocket",
            "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
            "Sec-WebSocket-Version": "13",
        }
    )
    logged()
    assert isinstance(RECEPTION(Request("/socket/websocket?api_key=x&vsn=2.0.0", headers)), Accept)
    [row] = assert_well_formed(logged())
    assert {name: row[name] for name in ("level", "method", "target", "status", "socket", "agent")} == {
        "level": "info",
        "method": "GET",
        "target": "/socket/websocket?api_key=***&vsn=2.0.0",
        "status": 101,
        "socket": "agent",
        "agent": "somebody",
    }
