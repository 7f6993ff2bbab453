"""How much of the suite the tests ask of a server when they ask it of many: everything with `make variations`, else a part of each."""

from __future__ import annotations

import os
from typing import Final

from conformance.catalogue import all_cases, select
from conformance.ordering import shard
from specs.loader import load

IS_WHOLE: Final = os.environ.get("WIREPROOF_VARIATIONS") == "whole"
"""Whether every server is asked everything."""

MACHINES: Final = ("*/machine",)
OTHERS_TESTS: Final = (*MACHINES, "wire/*")
"""What takes the most time, and has tests of its own; `make innocence` runs everything."""

UNLESS_WHOLE: Final = () if IS_WHOLE else MACHINES
"""What is left out but for `make variations`; a glob that is meant for other cases may choose a machine by a requirement of it."""

PARTS: Final = 4

Globs = tuple[str, ...]


def options(include: Globs, exclude: Globs = ()) -> tuple[str, ...]:
    """Return the options of `wireproof check` that choose cases."""
    return (
        *(option for glob in include for option in ("--include", glob)),
        *(option for glob in exclude for option in ("--exclude", glob)),
    )


def part(whole: Globs, own: Globs, index: int, machines: Globs = ()) -> tuple[str, ...]:
    """Return the options that choose what one of several servers is asked: what concerns it, and a part of the rest.

    Servers with `PARTS` indexes in a row are asked all of the rest together. With `make variations` it is everything that
    `whole` names for each of them.

    Args:
        whole: Globs of all that may be asked; none for everything but `OTHERS_TESTS`.
        own: Globs of what concerns the server.
        index: Of the server among the others.
        machines: Cases of `OTHERS_TESTS` that it is asked, too.

    """
    if IS_WHOLE:
        return options(whole, () if whole else OTHERS_TESTS)
    cases = all_cases(load())
    concerned, rest = (select(cases, list(globs), list(OTHERS_TESTS)) for globs in (own, whole))
    chosen = dict.fromkeys(case.id for case in (*concerned, *shard(rest, index % PARTS + 1, PARTS)))
    # By name: an id may be that of a requirement, too, and then chooses all that shows it.
    others = {case.id for case in select(cases, list(OTHERS_TESTS), [])} - {*machines}
    return options((*chosen, *machines), (*sorted(others),))
