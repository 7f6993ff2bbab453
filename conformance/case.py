"""What a case is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from conformance.fixtures.lab import Lab

PHOENIX = "phoenix"
"""Topic of the cases about the layer below the channels."""


@dataclass(frozen=True, slots=True)
class Case:
    """One scenario with an expectation."""

    id: str
    """Slug; never renumbered, never reused."""
    topic: str
    """Topic family, or `phoenix`."""
    requirements: tuple[str, ...]
    """The main one first; a case may report others as well."""
    title: str
    run: Callable[[Lab], None]
