"""Programs: lists of moves, each a name and symbolic arguments, as JSON."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

from pydantic import JsonValue

from conformance.faults import CannotTell

Move: TypeAlias = dict[str, Any]
"""`do` is the name; everything else are arguments. A move that makes no sense at its place is passed over."""

Program: TypeAlias = list[Move]


class NotApplicable(Exception):
    """A move makes no sense as things stand: what it names is not there."""


def read_program(value: JsonValue) -> tuple[Program, bool]:
    """Return a program as it was left by an earlier attempt, and whether none of its moves can be left out.

    Raises:
        CannotTell: If it is none.

    """
    moves = value.get("moves") if isinstance(value, dict) else None
    if isinstance(value, dict) and isinstance(moves, list):
        program = [dict(move) for move in moves if isinstance(move, dict) and "do" in move]
        if len(program) == len(moves):
            return program, value.get("is_shortest") is True
    raise CannotTell("the program has no list of moves, each with the member do")


def write_program(program: Program, *, is_shortest: bool) -> JsonValue:
    """Return a program as JSON."""
    return {"moves": [dict(move) for move in program], "is_shortest": is_shortest}


def nth(items: list[Any] | tuple[Any, ...], index: int) -> Any:
    """Return an item by an index that may be too high.

    Raises:
        NotApplicable: If there is none at all.

    """
    if not items:
        raise NotApplicable
    return items[index % len(items)]


def concrete(move: Move, argument: str, placeholder: str, words: Sequence[str]) -> Move:
    """Return a move in which an argument that was left open is one of some words, by its `pick`."""
    filled = {name: value for name, value in move.items() if name != "pick"}
    if move.get(argument) == placeholder and words:
        filled[argument] = words[move["pick"] % len(words)]
    return filled
