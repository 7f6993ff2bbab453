"""What a deviation is, and how one is written down.

A deviation replaces one piece of an `Assembly`, mostly one method of it by `replacing.around`. It never adds a condition to
the honest code, and it breaks as little as it can besides what it says.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from reference_server.assembly import Assembly

Install: TypeAlias = Callable[[Assembly], None]


@dataclass(frozen=True, slots=True)
class Deviation:
    """One named fault."""

    name: str
    """Slug; a generated one is `topic/event/what`."""
    breaks: tuple[str, ...]
    """Ids of the requirements that it breaks; the first is the one that it is about."""
    shows: str
    """What a client would see, in one sentence."""
    install: Install
    """Replaces a piece of a server that has not started."""
    is_generated: bool = False


WRITTEN: dict[str, Deviation] = {}
"""The deviations that the modules of `written` have entered, by name."""


def deviation(*breaks: str, shows: str) -> Callable[[Install], Install]:
    """Enter a function as a deviation; its name in kebab case becomes the deviation's.

    Args:
        breaks: Ids of the requirements that it breaks; the first is the one that it is about.
        shows: What a client would see, in one sentence.

    """

    def enter(install: Install) -> Install:
        name = install.__name__.replace("_", "-")
        if not breaks or name in WRITTEN:
            raise ValueError(f"deviation {name} breaks nothing or is there already")
        WRITTEN[name] = Deviation(name, breaks, shows, install)
        return install

    return enter
