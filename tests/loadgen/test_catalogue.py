"""The catalogue of scenarios."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from loadgen.faults import ConfigurationFaulty
from loadgen.scenarios.catalogue import SCENARIOS, find_scenario
from specs.loader import load

OWN = '''
from dataclasses import dataclass
from typing import ClassVar
from loadgen.scenarios.scenario import Group, Scenario

@dataclass
class Mine(Scenario):
    """Mine."""

    name: ClassVar[str] = "mine"
    size: int = 3

    async def act(self, group: Group, start_us: int) -> None:
        """Do nothing."""
'''


@pytest.mark.parametrize("name", SCENARIOS)
def test_a_scenario_has_defaults_and_says_what_its_parameters_are(name: str) -> None:
    """Each can be made without parameters, explains each, and connects to a socket of the documents."""
    scenario = find_scenario(name, {})
    assert scenario.socket in load().sockets
    for parameter in dataclasses.fields(scenario):  # type: ignore[arg-type]
        assert (
            not parameter.init
            or f"{parameter.name}:" in (type(scenario).__doc__ or "")
            or name == "slow-readers"
        )


def test_parameters_are_taken_with_their_types() -> None:
    """A text from the command line becomes the number that is meant."""
    assert find_scenario("task-streaming", {"burst": "2.5", "input_chunks": 1}).burst == 2.5  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("name", "parameters", "told"),
    [
        ("no-such", {}, "task-streaming"),
        ("task-streaming", {"speed": 1}, "input_chunks"),
        ("task-streaming", {"burst": "quick"}, "burst"),
        ("missing.py", {}, "missing.py"),
    ],
)
def test_what_does_not_exist_is_refused(name: str, parameters: dict[str, object], told: str) -> None:
    """The line names what there is instead."""
    with pytest.raises(ConfigurationFaulty, match=told):
        find_scenario(name, parameters)


def test_a_users_own_file_is_a_scenario(tmp_path: Path) -> None:
    """One subclass in a Python file is found, with its parameters."""
    path = tmp_path / "mine.py"
    path.write_text(OWN)
    assert find_scenario(str(path), {"size": 7}).size == 7  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    "content",
    [
        "",
        "1/0",
        OWN + OWN.replace("Mine", "Other"),
        "def",
        "import sys; sys.exit(0)",
        OWN.replace("    size", "    cast = ()\n    size"),
        OWN.replace("    size", "    cast = 'agent'\n    size"),
        OWN.replace("    size", "    cast = (1,)\n    size"),
        OWN.replace("    size", "    concurrency = 0\n    size"),
        OWN.replace('    name: ClassVar[str] = "mine"\n', ""),
        OWN.replace("act(", "play("),
        OWN.replace("async def act", "def act"),
        OWN.replace("@dataclass\n", "").replace("    size: int = 3", "    def __init__(self, x): pass"),
        OWN.replace("    size", "    def __post_init__(self): raise RuntimeError\n    size"),
    ],
)
def test_a_file_without_one_scenario_is_refused(tmp_path: Path, content: str) -> None:
    """No scenario, two of them, a file that cannot be run or ends the process, or a scenario that nobody can play."""
    path = tmp_path / "mine.py"
    path.write_text(content)
    with pytest.raises(ConfigurationFaulty, match="scenario file"):
        find_scenario(str(path), {})


def test_a_scenario_that_takes_something_else_is_told_what_it_is_called_with(tmp_path: Path) -> None:
    """It is said before the run: in the run nothing but `TypeError` would be, or less."""
    path = tmp_path / "mine.py"
    path.write_text(OWN.replace(", start_us: int", ""))
    with pytest.raises(ConfigurationFaulty, match="`act` is to take self, group, start_us"):
        find_scenario(str(path), {})
    path.write_text(OWN + "\n    async def prepare(self) -> None: ...\n")
    with pytest.raises(ConfigurationFaulty, match="`prepare` is to take self, group"):
        find_scenario(str(path), {})
    path.write_text(OWN.replace("    async def act(self, ", "    @staticmethod\n    async def act("))
    assert find_scenario(str(path), {}).name == "mine"
