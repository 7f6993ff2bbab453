"""What was sent and received in a case, on all its connections, with times and without credentials."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import Literal
from urllib.parse import quote, quote_plus

from conformance.client.steps import Step, Waited
from reports.record import TranscriptEntry

LONGEST = 2_000
"""Characters of one entry that are kept."""

MOST_STEPS = 5_000
"""Of an attempt that are kept; one that takes more is too long to be told again."""

SHORTEST_SECRET = 8
"""Characters of a credential that is kept out of other attempts as well: a shorter one may stand in any word."""

SHORTEST_WAIT_S = 0.04
"""A shorter time without anything is no pause."""

Direction = Literal["sent", "received", "opened", "closed", "note"]


class Transcript:
    """Collects the entries of one attempt at a case; one is shared by all its connections.

    Args:
        known: Credentials of the run so far, this attempt's to be added: an endpoint may quote those of another case.

    """

    def __init__(self, known: set[str] | None = None) -> None:
        self._start_s = time.monotonic()
        self._secrets: set[str] = set()
        self._all_secrets = self._secrets
        """Those of the attempt that this is a part of as well."""
        self._known = set() if known is None else known
        self.entries: list[TranscriptEntry] = []
        self.steps: list[Step] = []
        """What was done, with exact values."""
        self.places: dict[str, int] = {}
        """How many steps had been done when a requirement was first seen not to be met, where the case went on."""
        self._connections = 0
        self._is_over = False

    def be_part_of(self, whole: Transcript) -> None:
        """Share what is hidden with the transcript of the attempt that this one is a part of."""
        self._all_secrets = whole._all_secrets

    def connection(self) -> int:
        """Return a number for a new connection."""
        self._connections += 1
        return self._connections

    def took(self, step: Step) -> None:
        """Remember a step."""
        if not self._is_over and len(self.steps) <= MOST_STEPS:
            self.steps.append(step)

    def waited(self, seconds: float) -> None:
        """Remember that nothing came for a while."""
        if seconds >= SHORTEST_WAIT_S:
            self.took(Waited(seconds))

    def mark(self, requirement: str) -> None:
        """Remember where a requirement was seen not to be met."""
        self.places.setdefault(requirement, len(self.steps))

    def end(self) -> None:
        """Take no more steps: what follows clears away."""
        self._is_over = True

    def hide(self, *secrets: str) -> None:
        """Keep these strings out of every entry that follows, also as they stand in a query."""
        for secret in filter(None, secrets):
            written = {secret, quote(secret), quote(secret, safe=""), quote_plus(secret)}
            self._secrets |= written
            self._all_secrets |= written
            if len(secret) >= SHORTEST_SECRET:
                self._known |= written

    def add(self, who: str, direction: Direction, what: str | bytes) -> None:
        """Record one thing that happened."""
        at_ms = round((time.monotonic() - self._start_s) * 1000, 3)
        self.entries.append(
            TranscriptEntry(at_ms=at_ms, who=who, direction=direction, text=self.printable(what))
        )

    def printable(self, what: str | bytes) -> str:
        """Return a text without credentials, and binary data as hexadecimal."""
        text = what if isinstance(what, str) else f"<{len(what)} bytes: {what[:200].hex(' ')}>"
        text = _without(self._secrets, text)
        return text if len(text) <= LONGEST else f"{text[:LONGEST]}... ({len(text)} characters)"

    def told(self) -> tuple[TranscriptEntry, ...]:
        """Return the entries as they may be shown: without the credentials of other attempts, too."""
        whole = "\n".join(entry.text for entry in self.entries)
        quoted = [secret for secret in self._known if secret in whole]
        if not quoted:
            return tuple(self.entries)
        return tuple(
            entry.model_copy(update={"text": _without(quoted, entry.text)}) for entry in self.entries
        )

    def redacted(self, text: str) -> str:
        """Return what is told of the attempt without any credential: an endpoint may quote them in what it says."""
        return _without(self._all_secrets | self._known, text)


def _without(secrets: Iterable[str], text: str) -> str:
    # One may begin like another, of which nothing is to be left.
    for secret in sorted(secrets, key=len, reverse=True):
        text = text.replace(secret, "[REDACTED]")
    return text
