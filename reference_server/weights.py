"""How much room what is kept takes up, for limits on it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from specs.json_text import encode

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable

#: What an entry takes beside its value, about.
_ENTRY_BYTES: Final = 256


def weight_bytes(value: Any) -> int:
    """Return what an entry counts for: its text in UTF-8, or its JSON, and what it takes beside that; 0 for None."""
    if value is None:
        return 0
    return _ENTRY_BYTES + (len(value.encode()) if isinstance(value, str) else len(encode(value)))


@dataclass(slots=True)
class Weights:
    """The weights of collections, each added up when it is first asked for and kept up to date from then on.

    Only what is derived from elsewhere stands here, so all weights are equal.
    """

    _totals_bytes: dict[Hashable, int] = field(default_factory=dict, compare=False)

    def total_bytes(self, key: Hashable, values: Iterable[Any]) -> int:
        """Return the weight of a collection; `values` are all that is in it."""
        if key not in self._totals_bytes:
            self._totals_bytes[key] = sum(map(weight_bytes, values))
        return self._totals_bytes[key]

    def add(self, key: Hashable, more_bytes: int) -> None:
        """Take note that a collection has become heavier, or lighter."""
        if key in self._totals_bytes:
            self._totals_bytes[key] += more_bytes
