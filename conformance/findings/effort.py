"""How much may be done for the standalone files of a run."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Effort:
    """What a user allows."""

    time_s: float = 30.0
    """For all standalone files together."""
    is_shrinking: bool = True
