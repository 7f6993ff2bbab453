"""What inputs begin as: frames recorded from real clients, samples of every documented event, requests."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

from specs.canonical import NotCanonical
from specs.loader import load
from specs.model import Event
from specs.samples import full, minimal
from specs.signing import MissingSignedMember, SigningKeyPair, signed_bytes
from tests.reference_server.adversary import BINARY, CLOSE, CONT, PING, PONG, TEXT, UPGRADE, frame

CAPTURES = Path(__file__).parents[1] / "captures" / "phoenix-captures.jsonl"
TOPIC_OF = {"task": "task:t", "negotiation": "negotiation:n", "payment": "payment:p"}
"""Topics of the resources that every world of the fuzz tests has."""
KEYS = {name: SigningKeyPair.from_seed(name.encode() * 32) for name in ("a", "b")}
"""Of the agents that take part in all of them."""

TOKENS = (
    *(b'"', b"\\", b"\\u0000", b"\\ud800", b"\xff", b"\xc3", b"\xf0\x9f\x98\x80", b"\x00", b"\x7f"),
    *(
        b"[",
        b"]",
        b"{",
        b"}",
        b",",
        b":",
        b"null",
        b"true",
        b"1e308",
        b"1e309",
        b"-0",
        b"0.1",
        b"NaN",
        b"Infinity",
    ),
    *(b"[" * 130, b'{"a":' * 130, b"9" * 19, b"9" * 1001, b"18446744073709551616", b"-9223372036854775809"),
    *(b'"phoenix"', b'"heartbeat"', b'"phx_join"', b'"phx_leave"', b'"phx_reply"', b'"phx_error"'),
    *(
        b'"amount"',
        b'"signature"',
        b'"nonce"',
        b'"seq"',
        b'"amount":"1","amount":"2"',
        b'"1"',
        b'""',
        b"x" * 300,
    ),
    *(b"%", b"%00", b"%zz", b"&", b"=", b"?", b"[]", b"\r\n", b"\r\n\r\n", b"\n", b": "),
)


@cache
def texts() -> tuple[bytes, ...]:
    """Return text frames of clients: all that were recorded, and two samples of every documented event."""
    recorded = (
        step["send"]
        for line in CAPTURES.read_text(encoding="utf-8").split("\n")
        if line
        for step in json.loads(line)["log"]
        if isinstance(step.get("send"), str)
    )
    arrays = list(messages())
    objects = [
        dict(zip(("join_ref", "ref", "topic", "event", "payload"), each, strict=True)) for each in arrays
    ]
    made = (*(json.dumps(each) for each in (*arrays, *objects)), *_deep())
    return tuple(
        dict.fromkeys(
            text.encode("utf-8", "surrogatepass") for text in (*recorded, *made) if len(text) < 6000
        )
    )


def _deep() -> Iterator[str]:
    """Yield texts that nest up to and beyond what the limits, and then the interpreter, can take."""
    for depth in (100, 126, 300, 700, 990):
        for opening, closing in (("[", "]"), ('{"a":', "}"), ('{"a":1,"a":', "}")):
            yield f'[null,"1","phoenix","heartbeat",{opening * depth}1{closing * depth}]'


@cache
def messages() -> tuple[tuple[Any, ...], ...]:
    """Return messages of serializer 2.0.0: joins, leaves, heartbeats, and samples of every documented event."""
    api, made = load(), []
    for family in api.topics.values():
        topic = TOPIC_OF.get(family.name, family.topic_of("a"))
        made += [("1", "1", topic, event, {}) for event in ("phx_join", "phx_leave", "heartbeat", "nothing")]
        for event in family.inbound():
            made += [
                ("1", "2", topic, event.event, signed(event, topic, sample, by))
                for sample in (minimal(event.payload), full(event.payload))
                for by in ("a", "b")
            ]
    return (
        *made,
        (None, "3", "phoenix", "heartbeat", {}),
        (None, None, None, None, None),
        (1, [2], {}, 4.5, True),
    )


def signed(event: Event, topic: str, payload: Mapping[str, Any], by: str) -> dict[str, Any]:
    """Return a payload with genuine signatures, as far as it has them."""
    made = dict(payload)
    for rule in event.signatures:
        signer = rule.signer if rule.signer in KEYS else by
        with suppress(MissingSignedMember, NotCanonical):
            data = signed_bytes(rule.over, topic=topic, event=event.event, payload=payload)
            made[rule.member] = KEYS[signer].sign(data)
    return made


@cache
def binaries() -> tuple[bytes, ...]:
    """Return binary frames, of clients and of servers."""
    return (
        b"\x00\x01\x01\x06\x0812task:tprogress\x01\x02",
        b"\x00\x00\x01\x07\x091phoenixheartbeat",
        b"\x00\x02\x05\x0512topiceventefg",
        b"\x01\x02\x03\x05\x0212123topicokefg",
        b"\x02\x05\x05topiceventefg",
        b"",
        b"\x00",
    )


@cache
def streams() -> tuple[bytes, ...]:
    """Return bytes of WebSocket clients behind the handshake."""
    some = texts()[:40]
    return (
        *(frame(TEXT, text, mask=b"\x01\x02\x03\x04") for text in some),
        *(frame(BINARY, data) for data in binaries()),
        frame(TEXT, some[0][:5], fin=False) + frame(PING, b"p") + frame(CONT, some[0][5:]),
        frame(PING, b"x" * 125) + frame(PONG, b""),
        frame(CLOSE, b"\x03\xe8bye"),
        frame(CLOSE, b"") + frame(TEXT, some[0]),
        frame(TEXT, some[0]) * 5,
    )


@cache
def heads() -> tuple[bytes, ...]:
    """Return requests."""
    return tuple(
        f"{line}\r\n{UPGRADE}\r\n".encode()
        for line in (
            "GET /socket/websocket?api_key=a&vsn=2.0.0 HTTP/1.1",
            "GET /socket/websocket?session_token=a&vsn=1.0.0 HTTP/1.1",
            "GET /user_socket/websocket?agent_id=a&token=b HTTP/1.1",
            "POST /control/websocket?token=%41&vsn[]=2 HTTP/1.0",
            "GET /nowhere HTTP/1.1\r\nOrigin: https://a.example:444\r\nContent-Length: 0",
        )
    )
