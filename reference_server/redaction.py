"""Log lines that hold no credential: the request target is masked where it is logged, and a filter masks the rest."""

from __future__ import annotations

import logging
import re
import sys
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

_SEPARATORS = re.compile(r"([&;?])")
_DECODING_ROUNDS = 4
_SHOWN_CHARACTERS = 200


def credential_names(api: Api) -> frozenset[str]:
    """Return the names of all query parameters whose values must not be logged."""
    named = (name for socket in api.sockets.values() for names in socket.credentials for name in names)
    return CREDENTIAL_NAMES | frozenset(named)


def redact_url(target: str, names: Iterable[str] = CREDENTIAL_NAMES) -> str:
    """Mask the values of credentials in a request target or URL.

    Names are recognised in any case, percent-encoded (also repeatedly) and with a nested key behind them.

    Example:
        >>> redact_url("/socket/websocket?API%5Fkey=ak_1&vsn=2.0.0")
        '/socket/websocket?API%5Fkey=***&vsn=2.0.0'

    """
    secret = frozenset(name.lower() for name in names)
    return "".join(_masked(part, secret) for part in _SEPARATORS.split(target))


def _masked(part: str, secret: frozenset[str]) -> str:
    text = part
    for _ in range(_DECODING_ROUNDS):
        if "=" in text and _plain_name(text) in secret:
            # Where the equals sign itself was encoded, there is no telling name from value.
            return f"{part.partition('=')[0]}={MASK}" if "=" in part else MASK
        text = unquote_plus(text)
    return part


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


class CredentialFilter(logging.Filter):
    """Masks credentials in whatever a log line still holds, and keeps it one line."""

    def __init__(self, names: Iterable[str] = CREDENTIAL_NAMES) -> None:
        super().__init__()
        alternatives = "|".join(
            re.escape(name).replace("_", "(?:_|%5f)") for name in sorted(names, key=len, reverse=True)
        )
        assigned = r"(?:\[[^\]]*\])?[\"']?\s*(?:=>|[=:]|%3d)\s*[\"']?(?:bearer\s+)?"
        self._pattern = re.compile(rf"((?:{alternatives}){assigned})[^&;\s\"',}}\])]+", re.IGNORECASE)

    def filter(self, record: logging.LogRecord) -> bool:
        """Rewrite the record; a traceback is reduced to the exception's name and place."""
        message = record.getMessage()
        if record.exc_info and record.exc_info[1] is not None:
            message = f"{message}: {describe_exception(record.exc_info[1])}"
        record.msg = self.scrub(message)
        record.args = ()
        record.exc_info = record.exc_text = record.stack_info = None
        return True

    def scrub(self, text: str) -> str:
        """Mask credentials in free text and make it one line."""
        line = "".join(char if char.isprintable() else ascii(char)[1:-1] for char in text)
        return self._pattern.sub(rf"\g<1>{MASK}", line)


def log_to_stderr(level: str, names: Iterable[str] = CREDENTIAL_NAMES) -> None:
    """Send the server's log, and what asyncio has to say, to standard error: one line an event, credentials masked."""
    handler = logging.StreamHandler(sys.stderr)
    handler.addFilter(CredentialFilter(names))
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    for name in ("reference_server", "asyncio"):
        logger = logging.getLogger(name)
        logger.handlers[:] = [handler]
        logger.propagate = False
    logging.getLogger("reference_server").setLevel(level.upper())
    # Its debug lines show the objects that it runs.
    logging.getLogger("asyncio").setLevel(logging.WARNING)
