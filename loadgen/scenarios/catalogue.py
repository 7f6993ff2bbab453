"""All scenarios by name, and those of the user's own files."""

from __future__ import annotations

import importlib.util
import inspect
from dataclasses import is_dataclass
from pathlib import Path
from typing import Any, Final

import msgspec

from loadgen.faults import ConfigurationFaulty
from loadgen.scenarios.analytics import AnalyticsDashboards
from loadgen.scenarios.contention import Contention
from loadgen.scenarios.discovery import DiscoveryBrowsing
from loadgen.scenarios.inboxes import Inboxes
from loadgen.scenarios.marketplace_day import MarketplaceDay
from loadgen.scenarios.negotiation import NegotiationToAgreement
from loadgen.scenarios.pushes import Pushes
from loadgen.scenarios.reconnects import ReconnectStorm
from loadgen.scenarios.scenario import Scenario
from loadgen.scenarios.slow_readers import SlowReaders
from loadgen.scenarios.task_streaming import TaskStreaming
from loadgen.scenarios.transfers import Transfers

SCENARIOS: Final[dict[str, type[Scenario]]] = {
    each.name: each
    for each in (
        TaskStreaming,
        DiscoveryBrowsing,
        NegotiationToAgreement,
        Transfers,
        AnalyticsDashboards,
        Inboxes,
        MarketplaceDay,
        ReconnectStorm,
        SlowReaders,
        Contention,
        Pushes,
    )
}

_CALLED_WITH: Final = {
    "act": ("group", "start_us"),
    "prepare": ("group",),
    "finish": ("group",),
    "conclude": ("groups",),
    "attributes": ("role", "random"),
}


def find_scenario(name: str, parameters: dict[str, Any]) -> Scenario:
    """Return a scenario with its parameters.

    Args:
        name: Of the catalogue, or the path of a Python file with one subclass of `Scenario`.
        parameters: By name.

    Raises:
        ConfigurationFaulty: If there is none, or it has no such parameters.

    """
    made = _of_file(Path(name)) if name.endswith(".py") else SCENARIOS.get(name)
    if made is None:
        raise ConfigurationFaulty(
            f"no scenario {name!r}; there are {', '.join(SCENARIOS)}, or name a Python file"
        )
    known = inspect.signature(made).parameters
    unknown = sorted(set(parameters) - set(known))
    if unknown:
        has = ", ".join(known) or "none"
        raise ConfigurationFaulty(f"scenario {made.name}: no parameter {unknown[0]!r}; it has {has}")
    try:
        return msgspec.convert(parameters, made, strict=False)
    except msgspec.ValidationError as fault:
        raise ConfigurationFaulty(f"scenario {made.name}: {fault}") from fault
    except Exception as fault:
        raise ConfigurationFaulty(
            f"scenario file {name}: it cannot be made: {type(fault).__name__}: {fault}"
        ) from fault


def _of_file(path: Path) -> type[Scenario]:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None or not path.is_file():
        raise ConfigurationFaulty(f"scenario file {path}: no such Python file")
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as fault:
        raise ConfigurationFaulty(f"scenario file {path}: {type(fault).__name__}: {fault}") from fault
    found = [
        each
        for each in vars(module).values()
        if inspect.isclass(each) and issubclass(each, Scenario) and each.__module__ == module.__name__
    ]
    if len(found) != 1:
        raise ConfigurationFaulty(
            f"scenario file {path}: one subclass of Scenario is expected, {len(found)} are there"
        )
    _refuse_unplayable(found[0], path)
    return found[0]


def _misshapen(made: Any) -> str | None:
    """Return what of a scenario cannot be called as it is going to be; None where all can."""
    for name, called_with in _CALLED_WITH.items():
        is_bound = isinstance(inspect.getattr_static(made, name), staticmethod | classmethod)
        arguments = called_with if is_bound else ("self", *called_with)
        try:
            inspect.signature(getattr(made, name)).bind(*arguments)
        except TypeError:
            return f"`{name}` is to take {', '.join(arguments)}"
    return None


def _refuse_unplayable(made: Any, path: Path) -> None:
    """Refuse a scenario that no group can play.

    Raises:
        ConfigurationFaulty: If it lacks something.

    """
    cast, concurrency, act = made.cast, made.concurrency, made.act
    if not isinstance(getattr(made, "name", None), str):
        lack = "`name` is missing"
    elif not is_dataclass(made):
        lack = "it is to be a dataclass"
    elif inspect.isabstract(made):
        lack = "it has no `act`"
    elif not inspect.iscoroutinefunction(act):
        lack = "`act` is to be `async def`"
    elif misshapen := _misshapen(made):
        lack = misshapen
    elif not isinstance(cast, tuple | list) or not cast or not all(isinstance(role, str) for role in cast):
        lack = "`cast` is to be one role or more"
    elif not isinstance(concurrency, int) or concurrency < 1:
        lack = "`concurrency` is to be at least 1"
    else:
        return
    raise ConfigurationFaulty(f"scenario file {path}: {lack}")
