"""What may be shown of things that hold credentials: request targets, exceptions, free text."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote_plus

if TYPE_CHECKING:
    from collections.abc import Iterable

    from specs.model import Api

#: Parameters that are credentials under any set of documents.
CREDENTIAL_NAMES: Final = frozenset(
    {
        "access_token",
        "api_key",
        "authorization",
        "control_token",
        "password",
        "secret",
        "session_token",
        "token",
    }
)
MASK: Final = "***"

_SEPARATORS = re.compile(r"[&;?]")
_VERSION = re.compile(r"[0-9]{1,3}(?:\.[0-9]{1,3}){0,2}")
_DECODING_ROUNDS = 4
_SHOWN_CHARACTERS = 200
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


def credential_names(api: Api) -> frozenset[str]:
    """Return the names of all query parameters whose values must not be logged."""
    named = (name for socket in api.sockets.values() for names in socket.credentials for name in names)
    return CREDENTIAL_NAMES | frozenset(named)


def shown_target(target: str, paths: Iterable[str], names: Iterable[str] = CREDENTIAL_NAMES) -> str:
    """Return what may be logged of a request target: known paths, the names of known parameters, and `vsn`.

    Names are recognised in any case, percent-encoded (also repeatedly) and with a nested key behind them. All else is
    masked: a client that mistypes the name of a parameter, or takes it for a part of the path, still sends its credential.

    Args:
        target: As in the request line.
        paths: Paths that may be shown.
        names: Names of the parameters that may be shown, in lower case; their values never are.

    Example:
        >>> shown_target("/socket/websocket?API%5Fkey=ak_1&vsn=2.0.0&apikey=ak_1", {"/socket/websocket"})
        '/socket/websocket?api_key=***&vsn=2.0.0&***'

    """
    path, mark, query = target.partition("?")
    known = frozenset(name.lower() for name in names)
    parts = [_shown_parameter(part, known) for part in _SEPARATORS.split(query)] if mark else []
    return (path if path in paths else f"/{MASK}") + mark + "&".join(parts)


def shown_method(method: str) -> str:
    """Return a request's method, masked when it is none of the usual ones."""
    return method if method in _METHODS else MASK


def _shown_parameter(part: str, known: frozenset[str]) -> str:
    name, _, value = part.partition("=")
    if name == "vsn" and _VERSION.fullmatch(value):
        return part
    text = part
    for _ in range(_DECODING_ROUNDS):
        name = _plain_name(text)
        if "=" in text and name in known:
            return f"{name}={MASK}"
        text = unquote_plus(text)
    return MASK if part else ""


def _plain_name(part: str) -> str:
    name = part.partition("=")[0]
    for _ in range(_DECODING_ROUNDS):
        name = unquote_plus(name)
    return name.partition("[")[0].strip().lower()


def printable(text: str) -> str:
    """Return text as it may stand in a log line: one line, no control characters, of bounded length."""
    shown = text if len(text) <= _SHOWN_CHARACTERS else f"{text[:_SHOWN_CHARACTERS]}…"
    return "".join(char if char.isprintable() else ascii(char)[1:-1] for char in shown)


def describe_exception(exc: BaseException) -> str:
    """Name an exception and where it was raised; its message is left out, since it may quote a payload."""
    trace = exc.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    if trace is None:
        return type(exc).__name__
    return f"{type(exc).__name__} at {Path(trace.tb_frame.f_code.co_filename).name}:{trace.tb_lineno}"


class Scrubber:
    """Masks credentials in whatever a log line still holds, and keeps it one line."""

    def __init__(self, names: Iterable[str] = CREDENTIAL_NAMES) -> None:
        alternatives = "|".join(
            re.escape(name).replace("_", "(?:_|%5f)") for name in sorted(names, key=len, reverse=True)
        )
        assigned = r"(?:\[[^\]]*\])?[\"']?\s*(?:=>|[=:]|%3d)\s*[\"']?(?:bearer\s+)?"
        self._pattern = re.compile(rf"((?:{alternatives}){assigned})[^&;\s\"',}}\])]+", re.IGNORECASE)

    def scrub(self, text: str) -> str:
        """Mask credentials in free text and make it one line of bounded length."""
        return printable(self._pattern.sub(rf"\g<1>{MASK}", text))
