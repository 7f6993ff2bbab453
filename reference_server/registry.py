"""Which function carries out the effect of which event; the modules of `handlers` enter themselves here.

An event without an entry works too: the documents alone validate it, relay it and move the state.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from reference_server.context import Context

Effect: TypeAlias = Callable[[Context], "Mapping[str, Any] | None"]
"""Carries out a join or an event; returns the response, None for an empty one."""
Creation: TypeAlias = Callable[[Context, Mapping[str, Any]], Mapping[str, Any]]
"""Turns the params of a new resource into its first data."""

EVENT_EFFECTS: dict[tuple[str, str], Effect] = {}
JOIN_EFFECTS: dict[str, Effect] = {}
CREATIONS: dict[str, Creation] = {}


@dataclass(frozen=True, slots=True)
class Effects:
    """The effects that an application uses."""

    events: dict[tuple[str, str], Effect]
    """By topic family and event."""
    joins: dict[str, Effect]
    creations: dict[str, Creation]

    def copy(self) -> Effects:
        """Return effects that may be changed without changing these."""
        return Effects(dict(self.events), dict(self.joins), dict(self.creations))


REGISTERED = Effects(EVENT_EFFECTS, JOIN_EFFECTS, CREATIONS)
"""What the modules of `handlers` have entered."""


def handles(families: str | tuple[str, ...], event: str) -> Callable[[Effect], Effect]:
    """Enter the effect of an event of one or more topic families."""

    def enter(effect: Effect) -> Effect:
        for family in _tuple_of(families):
            EVENT_EFFECTS[family, event] = effect
        return effect

    return enter


def joins(families: str | tuple[str, ...]) -> Callable[[Effect], Effect]:
    """Enter what an admitted join of a topic family answers and pushes."""

    def enter(effect: Effect) -> Effect:
        for family in _tuple_of(families):
            JOIN_EFFECTS[family] = effect
        return effect

    return enter


def creates(family: str) -> Callable[[Creation], Creation]:
    """Enter the first data of a family's resources."""

    def enter(creation: Creation) -> Creation:
        CREATIONS[family] = creation
        return creation

    return enter


def _tuple_of(families: str | tuple[str, ...]) -> tuple[str, ...]:
    return (families,) if isinstance(families, str) else families
