"""The server's log: one JSON object a line on standard error.

Every line has `time` (UTC, milliseconds), `level`, `logger` and `event`, a short name that stays the same; what else there is
depends on the event. Nothing that a client sent is logged as it came: what is told of it has been looked at where it is logged,
and here every text is scrubbed once more, freed of control characters, and cut. What asyncio, the interpreter or a library has
to say becomes such a line, too: without traceback, and without anything that was put into its text.
"""

from __future__ import annotations

import json
import logging
import re
import sys
import threading
import warnings
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from reference_server.redaction import CREDENTIAL_NAMES, Scrubber, describe_exception
from reference_server.standard_error import StandardErrorHandler

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Iterable, Mapping
    from types import TracebackType

#: No line is longer, its end not counted.
MAX_LINE_BYTES: Final = 4096
_SHORTER_CHARACTERS: Final = (200, 60, 15)
_MAX_FIELDS: Final = 16
_OWN: Final = "reference_server"
#: What a library wrote itself, up to where it put in a value.
_FIXED_TEXT = re.compile(r"[A-Za-z ,.:%_()-]{0,80}")

_log = logging.getLogger("reference_server.process")


def log_event(logger: logging.Logger, level: int, event: str, **fields: Any) -> None:
    """Log an event.

    Args:
        logger: Of the module where it happened.
        level: One of logging's.
        event: Its name, in snake case.
        fields: What else is known: texts, numbers, booleans; those that are None are left out.

    """
    if logger.isEnabledFor(level):
        logger.log(level, event, extra={"fields": fields})


class JsonLines(logging.Formatter):
    """Formats records as JSON, one line each.

    Args:
        names: Names whose values are masked wherever they stand in a text.

    """

    def __init__(self, names: Iterable[str] = CREDENTIAL_NAMES) -> None:
        super().__init__()
        self._scrub = Scrubber(names).scrub

    def format(self, record: logging.LogRecord) -> str:
        """Return the line of a record."""
        head = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")[:23] + "Z",
            "level": record.levelname.lower(),
            "logger": record.name,
        }
        fields = _fields(record)
        for characters in _SHORTER_CHARACTERS:
            shown = {name: self._shown(value, characters) for name, value in fields.items()}
            line = json.dumps({**head, **shown})
            if len(line) <= MAX_LINE_BYTES:
                break
        return line

    def _shown(self, value: Any, characters: int) -> Any:
        if isinstance(value, bool | int | float):
            return value
        text = self._scrub(str(value))
        return text if len(text) <= characters else f"{text[:characters]}…"


def _fields(record: logging.LogRecord) -> dict[str, Any]:
    own: Mapping[str, Any] | None = getattr(record, "fields", None)
    if own is None:
        found = {"event": "message", "text": _fixed_text(str(record.msg))}
    else:
        known = [(name, value) for name, value in own.items() if value is not None]
        found = {"event": record.msg, **dict(known[:_MAX_FIELDS])}
    if record.exc_info and record.exc_info[1] is not None:
        found["exception"] = describe_exception(record.exc_info[1])
    return found


def _fixed_text(text: str) -> str:
    found = _FIXED_TEXT.match(text)
    return found[0].rstrip() if found else ""


def log_to_stderr(level: str, names: Iterable[str] = CREDENTIAL_NAMES) -> None:
    """Send the log of the server, and what asyncio and the interpreter have to say, to standard error.

    Args:
        level: The lowest level of the server's own events: debug, info, warning or error.
        names: Names of credentials, as `redaction.credential_names` finds them.

    """
    handler = StandardErrorHandler()
    handler.setFormatter(JsonLines(names))
    for name in (_OWN, "asyncio"):
        logger = logging.getLogger(name)
        logger.handlers[:] = [handler]
        logger.propagate = False
    logging.getLogger(_OWN).setLevel(level.upper())
    # Its debug lines show the objects that it runs.
    logging.getLogger("asyncio").setLevel(logging.WARNING)
    sys.excepthook = _uncaught
    sys.unraisablehook = lambda found: _uncaught(found.exc_type, found.exc_value, found.exc_traceback)
    threading.excepthook = lambda found: _uncaught(found.exc_type, found.exc_value, found.exc_traceback)
    warnings.showwarning = _warned


def log_loop_exception(loop: asyncio.AbstractEventLoop, context: Mapping[str, Any]) -> None:  # noqa: ARG001
    """Log what the event loop caught; an exception handler of asyncio."""
    exc = context.get("exception")
    # What follows the word shows the arguments of the callback.
    text = _fixed_text(str(context.get("message", ""))).partition("callback")
    log_event(
        _log,
        logging.ERROR,
        "loop_exception",
        text="".join(text[:2]),
        exception=describe_exception(exc) if isinstance(exc, BaseException) else None,
    )


def _uncaught(
    kind: type[BaseException],
    exc: BaseException | None,
    trace: TracebackType | None,  # noqa: ARG001
) -> None:
    log_event(
        _log,
        logging.ERROR,
        "uncaught_exception",
        exception=kind.__name__ if exc is None else describe_exception(exc),
    )


def _warned(
    message: Warning | str,  # noqa: ARG001 - may show an object
    category: type[Warning],
    filename: str,
    lineno: int,
    *_: object,
    **__: object,
) -> None:
    log_event(
        _log, logging.WARNING, "warning", category=category.__name__, place=f"{Path(filename).name}:{lineno}"
    )
