"""What was sent and received in a case, on all its connections, with times and without credentials."""

from __future__ import annotations

import time
from typing import Literal
from urllib.parse import quote, quote_plus

from reports.record import TranscriptEntry

LONGEST = 2_000
"""Characters of one entry that are kept."""

Direction = Literal["sent", "received", "opened", "closed", "note"]


class Transcript:
    """Collects the entries of one attempt at a case; one is shared by all its connections."""

    def __init__(self) -> None:
        self._start_s = time.monotonic()
        self._secrets: set[str] = set()
        self.entries: list[TranscriptEntry] = []

    def hide(self, *secrets: str) -> None:
        """Keep these strings out of every entry that follows, also as they stand in a query."""
        for secret in filter(None, secrets):
            self._secrets |= {secret, quote(secret), quote(secret, safe=""), quote_plus(secret)}

    def add(self, who: str, direction: Direction, what: str | bytes) -> None:
        """Record one thing that happened."""
        at_ms = round((time.monotonic() - self._start_s) * 1000, 3)
        self.entries.append(
            TranscriptEntry(at_ms=at_ms, who=who, direction=direction, text=self.printable(what))
        )

    def printable(self, what: str | bytes) -> str:
        """Return a text without credentials, and binary data as hexadecimal."""
        text = what if isinstance(what, str) else f"<{len(what)} bytes: {what[:200].hex(' ')}>"
        for secret in self._secrets:
            text = text.replace(secret, "[REDACTED]")
        return text if len(text) <= LONGEST else f"{text[:LONGEST]}... ({len(text)} characters)"
