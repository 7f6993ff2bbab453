"""How much a client may take up: the figures of the documents, unless the command line says otherwise."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any, Final

from specs.loader import shipped_limits

if TYPE_CHECKING:
    from collections.abc import Iterable

    from specs.model import Api

_SHIPPED: Final[dict[str, Any]] = {limit.name: limit.value for limit in shipped_limits()}
_MAXIMA: Final = {limit.name: limit.maximum for limit in shipped_limits() if limit.maximum is not None}
_FRACTIONAL: Final = frozenset(limit.name for limit in shipped_limits() if limit.unit == "s")


class BadLimit(ValueError):
    """A limit is unknown, or its value is none that can be kept."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What the server keeps to; what each limit means, and what lies beyond it, stands in `specs/documents/limits.json`.

    Names end in their unit; those in seconds may be fractions, all others are whole.
    """

    handshake_timeout_s: float = _SHIPPED["handshake_timeout_s"]
    handshake_bytes: int = _SHIPPED["handshake_bytes"]
    handshakes: int = _SHIPPED["handshakes"]
    connections: int = _SHIPPED["connections"]
    connections_per_credential: int = _SHIPPED["connections_per_credential"]
    idle_timeout_s: float = _SHIPPED["idle_timeout_s"]
    linger_s: float = _SHIPPED["linger_s"]
    frame_bytes: int = _SHIPPED["frame_bytes"]
    message_bytes: int = _SHIPPED["message_bytes"]
    frames_per_s: int = _SHIPPED["frames_per_s"]
    frames_burst: int = _SHIPPED["frames_burst"]
    channels: int = _SHIPPED["channels"]
    json_depth: int = _SHIPPED["json_depth"]
    number_digits: int = _SHIPPED["number_digits"]
    field_bytes: int = _SHIPPED["field_bytes"]
    queue_bytes: int = _SHIPPED["queue_bytes"]
    queues_bytes: int = _SHIPPED["queues_bytes"]
    unfinished_bytes: int = _SHIPPED["unfinished_bytes"]
    profile_bytes: int = _SHIPPED["profile_bytes"]
    stored_bytes: int = _SHIPPED["stored_bytes"]
    pending_proposals: int = _SHIPPED["pending_proposals"]
    transfers: int = _SHIPPED["transfers"]

    @property
    def harmless_bytes(self) -> int:
        """The length up to which no message can break a limit on what is in it: nesting takes two bytes a level."""
        return min(2 * self.json_depth, self.number_digits, self.field_bytes)

    @classmethod
    def of(cls, api: Api) -> Limits:
        """Return what the documents say, and the shipped figures where they say nothing.

        Raises:
            BadLimit: If they name a limit that the server does not have, or give one a value that it cannot keep.

        """
        return cls().with_values({limit.name: limit.value for limit in api.limits.values()})

    def with_values(self, values: dict[str, float]) -> Limits:
        """Return these limits with other values for some.

        Raises:
            BadLimit: If a name is unknown or a value cannot be kept.

        """
        checked: dict[str, Any] = {name: _checked(name, value) for name, value in values.items()}
        return replace(self, **checked)

    def with_settings(self, settings: Iterable[str]) -> Limits:
        """Return these limits with the settings of a command line; the last of several for one limit counts.

        Args:
            settings: Each is `NAME=VALUE`.

        Raises:
            BadLimit: If one is not of that form, a name is unknown or a value cannot be kept.

        Example:
            >>> Limits().with_settings(["message_bytes=1000"]).message_bytes
            1000

        """
        values = {}
        for setting in settings:
            name, equals, text = setting.partition("=")
            if not equals:
                raise BadLimit(f"a limit is set by NAME=VALUE, not {setting!r}; {_known()}")
            values[name.strip()] = _number(name.strip(), text)
        return self.with_values(values)


def _number(name: str, text: str) -> float:
    try:
        return float(text.replace("_", ""))
    except ValueError:
        raise BadLimit(f"limit {name!r} needs a number, not {text!r}") from None


def _checked(name: str, value: float) -> float:
    if name not in _SHIPPED:
        raise BadLimit(f"no such limit: {name!r}; {_known()}")
    maximum = _MAXIMA.get(name, math.inf)
    is_fractional = name in _FRACTIONAL
    if not (0 < value < math.inf and (is_fractional or value == int(value))):
        kind = "number" if is_fractional else "whole number"
        raise BadLimit(f"limit {name!r} needs a {kind} above 0, not {value:g}")
    if value > maximum:
        raise BadLimit(f"limit {name!r} can be {maximum} at most, not {value:g}")
    return value if is_fractional else int(value)


def _known() -> str:
    return "limits are " + ", ".join(field.name for field in fields(Limits))
