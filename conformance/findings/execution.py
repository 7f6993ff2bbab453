"""Carries out a script in this process, with the very means that a standalone file has, and says what was seen."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from conformance.findings.rendering import statements
from conformance.findings.scripting import Line, Seen
from conformance.findings.standalone import core, forging, low_level, reading
from conformance.findings.symbols import Symbols

_QUIET_S = 0.05
_LEAST_PATIENCE_S = 0.02


@dataclass(frozen=True, slots=True)
class Place:
    """Where scripts are carried out."""

    url: str
    control: str
    """URL of the control socket up to the value of the token."""
    token: str


class _Endpoint(core.Endpoint):
    """Remembers at which step something did not come."""

    def __init__(self, url: str, control: str, token: str) -> None:
        super().__init__(url, control, token)
        self.missed: list[int] = []

    def miss(self, what: str) -> None:
        """Take down that something has not come."""
        self.missed.append(self.steps)
        # Where much is missing, less and less is to be expected.
        self.patience_s = max(self.patience_s / 2, _LEAST_PATIENCE_S)
        super().miss(what)


@dataclass(slots=True)
class Execution:
    """What came of carrying out a script."""

    is_seen: bool = False
    """Whether all went as before, and what was to be seen is seen."""
    failure: str | None = None
    """Why it could not be carried out."""
    missing: list[int] = field(default_factory=list)
    """Numbers of the steps that waited in vain."""
    seen: Mapping[str, list[Seen]] = field(default_factory=dict)
    """What came, by connection."""
    duration_s: float = 0.0


def execute(
    lines: Iterable[Line],
    place: Place,
    *,
    is_seen: str = "True",
    is_lenient: bool = False,
    patience_s: float = 2.0,
) -> Execution:
    """Carry out a script.

    Args:
        lines: The script.
        place: Where.
        is_seen: The expression that tells whether the finding is seen again.
        is_lenient: Whether to go on where something does not come, to look at all that does.
        patience_s: How long to wait for what came before.

    """
    began_s, lines = time.monotonic(), list(lines)
    means = {
        name: value for part in (reading, core, forging, low_level) for name, value in vars(part).items()
    }
    endpoint = _Endpoint(place.url, place.control, place.token)
    endpoint.is_quiet, endpoint.is_lenient, endpoint.patience_s = True, is_lenient, patience_s
    done = Execution()
    namespace = {**means, "endpoint": endpoint}
    code = "\n".join([*statements(lines, is_counted=True), f"is_seen = bool({is_seen})"])
    try:
        exec(compile(code, "<conversation>", "exec"), namespace)  # noqa: S102 - our own text, as in the file
        done.is_seen = bool(namespace["is_seen"])
        if is_lenient:
            _drain(endpoint)
    except core.WentOtherwise:
        pass
    except (core.CannotRun, OSError) as exc:
        done.failure = str(exc)
    finally:
        with suppress(OSError):
            endpoint.close()
    done.missing = list(endpoint.missed)
    if is_lenient:
        kept = {one["as"] for line in lines for one in line.get("keep", ())}
        done.seen = _seen(endpoint, {name: namespace.get(name) for name in (*_signatures(lines), *kept)})
    done.duration_s = time.monotonic() - began_s
    return done


def _drain(endpoint: core.Endpoint) -> None:
    """Take what is still on its way, until nothing comes for a moment on any connection."""
    for connection in endpoint.connections.values():
        while connection.read(time.monotonic() + _QUIET_S):
            pass


def _signatures(lines: Iterable[Line]) -> list[str]:
    return [line["as"] for line in lines if line["do"] == "sign"]


def _seen(endpoint: core.Endpoint, further: Mapping[str, Any]) -> dict[str, list[Seen]]:
    """Return what came, with names for all that was made for this run."""
    symbols = Symbols()
    for name, value in (*endpoint.made.items(), *further.items()):
        if isinstance(value, core.Agent):
            for member in ("id", "owner", "api_key", "token", "public_key"):
                symbols.define(getattr(value, member), f"{name}.{member}")
        elif isinstance(value, str):
            symbols.define(value, name)
            symbols.define(value.partition(":")[2], f"{name}.partition(':')[2]")
    named = symbols.anything
    return {
        name: [
            Seen(
                named(one.event),
                named(one.topic),
                named(one.ref),
                named(one.status),
                named(one.frame),
                one.at,
            )
            for one in connection.events
        ]
        for name, connection in endpoint.connections.items()
    }
