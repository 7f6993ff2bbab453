"""What a case is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from conformance.fixtures.lab import Lab

PHOENIX = "phoenix"
"""Topic of the cases about the layer below the channels."""


class Phase(StrEnum):
    """The parts of a run, in this order: three that make sure that cases can be run, then where the cases come from."""

    REACH = "reach"
    """Whether anybody listens."""
    PROVISION = "provision"
    """Whether agents and resources can be had."""
    CONTROLS = "controls"
    """Whether a fresh agent is let in and spoken to."""
    GENERATED = "generated"
    """Derived from the documents."""
    WRITTEN = "hand-written"
    MACHINE = "machines"
    """Hypothesis drives several participants against an independent model."""
    RACE = "races"
    """Frames that are on their way at the same time; only some order of them must explain the outcome."""
    WIRE = "wire"
    """Below the codec: frames, fragments and bytes that no library would send."""


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
    phase: Phase = Phase.WRITTEN
