"""What differs on the wire between the Phoenix releases that the server can be.

Everything that depends on the web server follows Cowboy. Source of every rule: `phoenix-wire.md` section 14.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from enum import Enum
from typing import Any, Final

#: Close code after the idle time-out (T-3).
IDLE_CLOSE_CODE: Final = 1000
#: Close code after a frame that cannot be decoded (M-1), and after a fault of the server.
CRASH_CLOSE_CODE: Final = 1011
#: Close code that a draining server gives to sockets without channels (T-5).
STOP_CLOSE_CODE: Final = 1000

_SHORT = {"1.6": (1, 6, 17), "1.7": (1, 7, 24), "1.8": (1, 8, 12), "main": (1, 9, 0)}
_LONG = re.compile(r"1\.([678])\.(0|[1-9][0-9]{0,2})", re.ASCII)


class UnknownPhoenixVersion(ValueError):
    """The text names no Phoenix release that the server knows."""


class StaleRule(Enum):
    """Which ordinary messages on a joined topic are delivered, by their join_ref (`phoenix-wire.md` section 6)."""

    UNCHECKED = "unchecked"
    #: Equal to the join's, or the join had none.
    EQUAL_OR_JOINED_WITHOUT = "equal, or joined without"
    #: Equal to the join's, or the message has none.
    EQUAL_OR_SENT_WITHOUT = "equal, or sent without"


@dataclass(frozen=True, slots=True, order=True)
class PhoenixVersion:
    """One Phoenix release, ordered by age."""

    major: int
    minor: int
    patch: int

    @classmethod
    def parse(cls, text: str) -> PhoenixVersion:
        """Read a release: `1.7.24`; `1.7` is its newest patch; `main` is the development line.

        Raises:
            UnknownPhoenixVersion: If it is none of 1.6.x, 1.7.x, 1.8.x and main.

        Example:
            >>> str(PhoenixVersion.parse("1.8"))
            '1.8.12'

        """
        if text in _SHORT:
            return cls(*_SHORT[text])
        long = _LONG.fullmatch(text)
        if long is None:
            raise UnknownPhoenixVersion(f"no such Phoenix version: {text!r} (known: 1.6, 1.7, 1.8, main)")
        return cls(1, int(long[1]), int(long[2]))

    def __str__(self) -> str:
        return f"{self.major}.{self.minor}.{self.patch}"

    @property
    def stale_rule(self) -> StaleRule:
        """Return the rule for ordinary messages (SJ table)."""
        if self < PhoenixVersion(1, 8, 3):
            return StaleRule.UNCHECKED
        if self < PhoenixVersion(1, 8, 12):
            return StaleRule.EQUAL_OR_JOINED_WITHOUT
        return StaleRule.EQUAL_OR_SENT_WITHOUT

    @property
    def crash_payload(self) -> dict[str, Any]:
        """Return the payload of phx_error (L-7)."""
        return {"reason": "channel_crash"} if self >= PhoenixVersion(1, 8, 10) else {}

    @property
    def disconnect_close_code(self) -> int:
        """Return the close code of a socket that is disconnected (T-4)."""
        return 1001 if self >= PhoenixVersion(1, 8, 8) else 1000

    @property
    def drain_close_code(self) -> int:
        """Return the close code that a draining server gives to sockets with channels (T-5)."""
        return 1012 if self >= PhoenixVersion(1, 7, 4) else STOP_CLOSE_CODE

    @property
    def channel_limit(self) -> int | None:
        """Return how many channels a socket may hold; None for no limit (J-5)."""
        first_patch = {6: 17, 7: 24, 8: 9, 9: 0}[self.minor]
        return 100 if self.patch >= first_patch else None

    @property
    def non_string_vsn_status(self) -> int:
        """Return the HTTP status for a `vsn` that is no string (HS-4)."""
        return 403 if self >= PhoenixVersion(1, 8, 6) else 500

    @property
    def bad_upgrade_status(self) -> int:
        """Return the HTTP status for a GET without valid upgrade headers (HS-8)."""
        return 400 if self >= PhoenixVersion(1, 7, 10) else 426

    @property
    def stringifies_refs(self) -> bool:
        """Tell whether a binary reply to a push with a non-string ref is possible (I-15)."""
        return self >= PhoenixVersion(1, 7, 0)

    def delivers(self, sent: Any, stored: Any) -> bool:
        """Tell whether an ordinary message on a joined topic reaches the channel.

        Args:
            sent: The message's join_ref.
            stored: The join_ref of the join, as sent.

        Source:
            `phoenix-wire.md` section 6, SJ-1, SJ-2.

        """
        if identical(sent, stored):
            return True
        rule = self.stale_rule
        return rule is StaleRule.UNCHECKED or self._has_wildcard(rule, sent, stored)

    def delivers_leave(self, sent: Any, stored: Any) -> bool:
        """Tell whether a phx_leave on a joined topic reaches the channel; arguments as in `delivers`."""
        return identical(sent, stored) or self._has_wildcard(self.stale_rule, sent, stored)

    @staticmethod
    def _has_wildcard(rule: StaleRule, sent: Any, stored: Any) -> bool:
        return (sent if rule is StaleRule.EQUAL_OR_SENT_WITHOUT else stored) is None


def identical(one: Any, other: Any) -> bool:
    """Tell whether two JSON values are equal with their types: `1` is neither `"1"` nor `1.0` nor `true` (F-6)."""
    if isinstance(one, str) or isinstance(other, str):
        return bool(one == other)
    return json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)
