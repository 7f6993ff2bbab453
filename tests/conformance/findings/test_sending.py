"""Whatever was put on a connection, the statement that a script makes of it puts the same bytes there."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from conformance.client.raw_frames import raw_frame
from conformance.client.steps import Sent
from conformance.findings.rendering import statements
from conformance.findings.sending import said
from conformance.findings.standalone import core, low_level, reading
from conformance.findings.symbols import Symbols
from specs.binary_frames import pack_client_push

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


class Recorder(core.Connection):
    """Takes down what would be sent."""

    def __init__(self) -> None:
        self.written: list[Any] = []

    def send_text(self, data: str | bytes) -> None:
        self.written.append(("binary", data) if isinstance(data, bytes) else ("text", data.encode()))

    def send_bytes(self, data: bytes) -> None:
        self.written.append(("bytes", data))

    def ping(self, data: bytes) -> None:
        self.written.append(("ping", data))


def repeated(sent: Sent) -> list[Any]:
    """Return what the statement of a step puts on a connection."""
    symbols = Symbols()
    symbols.define("task:task_abcdef", "task")
    line = {"on": "client_socket", **said(sent, symbols, symbols.json)}
    json.dumps(line)
    recorder = Recorder()
    names = {**vars(core), **vars(low_level), **vars(reading), "task": "task:task_abcdef"}
    exec("\n".join(statements([line])), {**names, "client_socket": recorder})  # noqa: S102
    return recorder.written


def sent(kind: Any, *parts: bytes) -> Sent:
    return Sent(1, kind, parts)


@given(JSON)
@example([[None, []], {"a": None}])
def test_any_json_is_sent_again_as_it_was(value: Any) -> None:
    """Also numbers that JSON has no text for, characters of every kind, and names of any form."""
    for text in (json.dumps(value), json.dumps(value, separators=(",", ":"), ensure_ascii=False)):
        data = text.encode("utf-8", "surrogatepass")
        try:
            data.decode()
        except UnicodeDecodeError:
            continue
        assert repeated(sent("text", data)) == [("text", data)]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        '["1","2","task:task_abcdef"',
        '{"a":1,"a":2}',
        "[1e400]",
        "[NaN]",
        '"\\ud800"',
        "{task}",
        "'\"\\",
    ],
)
def test_any_text_is_sent_again_as_it_was(text: str) -> None:
    """Text that is no JSON, or JSON that a parser would change, stays text."""
    assert repeated(sent("text", text.encode())) == [("text", text.encode())]


@given(st.binary(max_size=40))
def test_any_binary_is_sent_again_as_it_was(data: bytes) -> None:
    """Whether or not it is a push."""
    assert repeated(sent("binary", data)) == [("binary", data)]
    assert repeated(sent("ping", data)) == [("ping", data)]


def test_a_binary_push_names_its_topic() -> None:
    """Its sizes are counted anew, so that another topic fits."""
    data = pack_client_push("1", "2", "task:task_abcdef", "progress", b"\x00\xff")
    assert repeated(sent("binary", data)) == [("binary", data)]


@given(
    st.lists(
        st.tuples(
            st.integers(0, 15),
            st.binary(max_size=200),
            st.booleans(),
            st.integers(0, 7),
            st.booleans(),
            st.none() | st.integers(0, 70_000),
        ),
        min_size=1,
        max_size=3,
    ),
    st.binary(max_size=4),
)
def test_any_frames_are_put_on_the_wire_again_as_they_were(frames: list[Any], rest: bytes) -> None:
    """Frames of every opcode and fault, one or several, also cut or followed by what is none."""
    data = rest.join(
        raw_frame(opcode, payload, fin=fin, rsv=rsv, mask=mask, length=length)
        for opcode, payload, fin, rsv, mask, length in frames
    )
    assert repeated(sent("bytes", data)) == [("bytes", data)]


def test_fragments_are_frames_of_one_message() -> None:
    """The first has the opcode, the last has the final bit."""
    parts = (b"[1,", "é".encode()[:1], "é".encode()[1:])
    expected = raw_frame(1, parts[0], fin=False) + raw_frame(0, parts[1], fin=False) + raw_frame(0, parts[2])
    assert repeated(sent("fragments", *parts)) == [("bytes", expected)]


def test_bytes_of_which_no_frame_is_left_are_none() -> None:
    """A shorter script may have lost each of them; it is still a script."""
    (line,) = statements([{"do": "bytes", "on": "client_socket", "frames": []}])
    assert line == "client_socket.send_bytes(b'')"
