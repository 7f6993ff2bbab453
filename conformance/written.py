"""Registers cases written by hand: a decorated function in a module of `conformance.cases`."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable
from typing import TypeAlias

from conformance.case import Case, Phase
from conformance.fixtures.lab import Lab

Run: TypeAlias = Callable[[Lab], None]

CASES = "conformance.cases"
_registered: dict[str, Case] = {}


def case(
    case_id: str, *requirements: str, topic: str | None = None, phase: Phase = Phase.WRITTEN
) -> Callable[[Run], Run]:
    """Register a function as a case; the first line of its docstring is the title.

    Args:
        case_id: Slug of the case; its part before the first slash names the topic unless `topic` does.
        requirements: Ids of the requirements that it covers, the main one first.
        topic: Topic family, where the id does not begin with it.
        phase: When in a run it comes.

    """

    def register(run: Run) -> Run:
        if case_id in _registered:
            raise ValueError(f"two cases have the id {case_id}")
        title = (run.__doc__ or "").strip().partition("\n")[0]
        topic_name = topic or case_id.partition("/")[0]
        _registered[case_id] = Case(case_id, topic_name, requirements, title, run, phase)
        return run

    return register


def written_cases() -> list[Case]:
    """Return the cases written by hand, in the order of their modules and lines."""
    package = importlib.import_module(CASES)
    for name in sorted(module.name for module in pkgutil.iter_modules(package.__path__)):
        importlib.import_module(f"{CASES}.{name}")
    return list(_registered.values())
