"""Plans: what processes hand each other, and what a user may write down."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from loadgen.arrivals import parse_arrivals
from loadgen.faults import ConfigurationFaulty
from loadgen.plan import Plan, read_plan, read_plan_file, write_plan
from loadgen.users import groups_of, groups_per_user, refuse_unplayable, users_of


def plan(**more: object) -> Plan:
    made = Plan("ws://127.0.0.1:1", "ws://127.0.0.1:1", "task-streaming", parse_arrivals("10/s", 5), 5.0, 60)
    return msgspec.structs.replace(made, **more)


def test_a_plan_is_read_as_it_was_written(tmp_path: Path) -> None:
    """Nothing of a plan is lost on its way to another process."""
    write_plan(plan(parameters={"burst": 2.5}), tmp_path / "plan.json")
    assert read_plan(tmp_path / "plan.json") == plan(parameters={"burst": 2.5})


def test_a_plan_file_may_say_everything(tmp_path: Path) -> None:
    """What a user writes down is read with its types."""
    path = tmp_path / "plan.toml"
    path.write_text(
        'scenario = "transfers"\nagents = 40\narrivals = "50/s"\nduration = "10s"\n'
        'objectives = ["lost(*) == 0"]\n[parameters]\ntwice = 0.5\n'
    )
    read = read_plan_file(path)
    assert (read.scenario, read.agents, read.parameters) == ("transfers", 40, {"twice": 0.5})


@pytest.mark.parametrize(
    "content",
    [
        *("agents = 'many'", "speed = 3", "agents = ", "\udcff", "agents = 0", "agents_per_user = -1"),
        f"agents = {'[' * 100_000}",
        f"agents = {'1' * 5_000}",
        *(f"connections_per_s = {rate}" for rate in ("0", "inf", "nan")),
    ],
)
def test_a_faulty_plan_file_is_told_in_one_line(tmp_path: Path, content: str) -> None:
    """A wrong type, an unknown key, what is no TOML, and a file that is not there."""
    path = tmp_path / "plan.toml"
    path.write_bytes(content.encode("utf-8", "surrogateescape"))
    for each in (path, tmp_path / "none"):
        with pytest.raises(ConfigurationFaulty, match="plan") as refused:
            read_plan_file(each)
        assert "\n" not in str(refused.value)


def test_agents_are_spread_over_users() -> None:
    """All users have as many groups as each other, and none is left over."""
    for agents in (2, 60, 62, 2_500):
        made = plan(agents=agents, agents_per_user=10)
        assert users_of(made) * groups_per_user(made) == groups_of(made) == agents // 2
        assert groups_per_user(made) <= 5


def test_a_scenario_with_a_socket_of_its_own_invention_is_refused(tmp_path: Path) -> None:
    """It is said before anything is started, with the sockets that there are."""
    path = tmp_path / "mine.py"
    path.write_text(
        "from dataclasses import dataclass\nfrom loadgen.scenarios.scenario import Scenario\n\n\n@dataclass\n"
        "class Mine(Scenario):\n    name = 'mine'\n    cast = ('client',)\n    socket = 'agnet'\n\n"
        "    async def act(self, group, start_us):\n        pass\n"
    )
    with pytest.raises(ConfigurationFaulty, match="no socket 'agnet' in the documents; there are agent"):
        refuse_unplayable(plan(scenario=str(path)))
    refuse_unplayable(plan())


def test_agents_that_make_no_group_are_refused() -> None:
    """Half a pair cannot act."""
    for agents in (1, 61):
        with pytest.raises(ConfigurationFaulty, match="client, provider"):
            groups_of(plan(agents=agents))
