"""What objectives may be about in a run of a plan, so that a slip is told before the load and not after it."""

from __future__ import annotations

from difflib import get_close_matches
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING, Final

from loadgen.faults import ConfigurationFaulty
from loadgen.scenarios.catalogue import find_scenario
from specs.loader import load

if TYPE_CHECKING:
    from collections.abc import Iterable

    from loadgen.objectives import Objective
    from loadgen.plan import Plan
    from specs.model import Api

_AROUND: Final = ("phx_join", "phx_leave", "barrier")
_OWN: Final = ("socket.connect", "socket.heartbeat", "socket.recovery", "client.sign")


def refuse_unknown(objectives: Iterable[Objective], plan: Plan, *, is_open: bool) -> None:
    """Refuse objectives about which this plan can never tell anything.

    Args:
        objectives: As they were read.
        plan: Of the run.
        is_open: Whether arrivals come by the open model.

    Raises:
        ConfigurationFaulty: If there is one.

    """
    api = load(Path(plan.spec) if plan.spec else None)
    for objective in objectives:
        why = _fault(objective, plan, api, is_open=is_open)
        if why:
            raise ConfigurationFaulty(f"objective {objective.text!r}: {why}")


def _fault(objective: Objective, plan: Plan, api: Api, *, is_open: bool) -> str | None:
    if objective.name == "achieved":
        return None if is_open else "in the closed model nothing is offered: give --arrivals at a rate"
    if objective.name == "findings":
        if not plan.judge:
            return "with --no-judge nothing is found"
        is_known = any(fnmatchcase(name, objective.selector) for name in api.requirements)
        return None if is_known else _unknown("requirement", objective.selector, api.requirements)
    if plan.scenario.endswith(".py"):
        # It may push what no document knows.
        return None
    names = _names(plan, api, is_relayed=objective.is_of_relays)
    if any(objective.means(name) for name in names):
        return None
    what = "event that is relayed" if objective.is_of_relays else "event"
    return _unknown(what, objective.selector, names)


def _names(plan: Plan, api: Api, *, is_relayed: bool) -> list[str]:
    """Return how figures of a run can be called."""
    pushes = [
        f"{family.name}.{event.event}"
        for family in api.topics.values()
        for event in family.events.values()
        if event.relay is not None or not is_relayed
    ]
    if is_relayed:
        return pushes
    around = [f"{family}.{event}" for family in api.topics for event in _AROUND]
    act = f"act.{find_scenario(plan.scenario, plan.parameters).name}"
    return [*pushes, *around, *_OWN, act]


def _unknown(what: str, selector: str, names: Iterable[str]) -> str:
    near = get_close_matches(selector, list(names), n=1)
    return f"no {what} is called {selector!r}" + (f"; did you mean {near[0]!r}?" if near else "")
