"""How standalone files read what comes and what they are given, write what is signed, and show what may be shown."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, quote_plus, urlsplit

MISSING = "(missing)"


@dataclass
class Event:
    """One thing that came on a connection: a message of Phoenix, an answer of HTTP, a pong, the end."""

    event: Any
    topic: Any = None
    ref: Any = None
    status: Any = None
    frame: Any = None
    at: int = 0

    def matches(self, wanted: dict[str, Any]) -> bool:
        """Tell whether it has all that is wanted."""
        return all(same(getattr(self, name), value) for name, value in wanted.items())


def same(left: Any, right: Any) -> bool:
    """Tell whether two values of JSON are equal: 1 is 1.0, but true is no number."""
    if isinstance(left, bool) or isinstance(right, bool):
        return left is right
    return bool(left == right)


def part(value: Any, *path: Any) -> Any:
    """Return a part of a message; MISSING where it is not there."""
    for step in path:
        try:
            value = value[step]
        except (LookupError, TypeError):
            return MISSING
    return value


def kind_of(value: Any) -> str:
    """Return the type of a part of a message by name."""
    return "missing" if value is MISSING else type(value).__name__


def event_of(data: str | bytes) -> Event:
    """Read a message of Phoenix, of either serializer; anything else is text or binary."""
    try:
        frame = json.loads(data) if isinstance(data, str) else binary_event(data)
    except (ValueError, LookupError):
        frame = None
    if isinstance(frame, dict):
        names = ("ref", "topic", "event", "payload")
        ref, topic, event, payload = (frame.get(name) for name in names)
    elif isinstance(frame, list) and len(frame) >= 5:
        _, ref, topic, event, payload = frame[:5]
    else:
        return Event("text" if isinstance(data, str) else "binary", frame=data)
    status = payload.get("status") if event == "phx_reply" and isinstance(payload, dict) else None
    return Event(event, topic, ref, status, frame)


def binary_event(data: bytes) -> list[Any]:
    """Read a binary message: a push, a reply or a broadcast."""
    count = {0: 3, 1: 4, 2: 2}[data[0]]
    sizes, at, texts = data[1 : 1 + count], 1 + count, []
    for size in sizes:
        texts.append(data[at : at + size].decode())
        at += size
    rest = data[at:].hex()
    if data[0] == 1:
        return [texts[0], texts[1], texts[2], "phx_reply", {"status": texts[3], "response": rest}]
    return [texts[0] if data[0] == 0 else None, None, *texts[-2:], rest]


def b64(data: bytes) -> str:
    """Encode bytes in base64."""
    return base64.b64encode(data).decode()


def canonical(value: Any) -> bytes:
    """Return the canonical JSON of a value; bytes as they stand."""
    if isinstance(value, bytes):
        return value
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def without(credentials: Iterable[str], text: str) -> str:
    """Return a text without credentials, be they plain, quoted for a URL or escaped for JSON."""
    written = {
        form
        for one in credentials
        for form in (one, quote(one), quote(one, safe=""), quote_plus(one), json.dumps(one)[1:-1])
    }
    # One may begin like another, of which nothing is to be left.
    for form in sorted(written - {""}, key=len, reverse=True):
        text = text.replace(form, "***")
    return text


def is_websocket_url(url: str) -> bool:
    """Tell whether a text is a ws:// or wss:// URL with a host that can be looked up."""
    try:
        parts = urlsplit(url)
        host = (parts.hostname or "").encode("idna")
        return parts.scheme in {"ws", "wss"} and bool(host) and parts.port != 0
    except ValueError:
        return False
