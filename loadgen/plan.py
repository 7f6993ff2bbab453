"""The plan of a run: all that the processes of the generator have to know, without secrets."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Annotated, Any, Final, Literal

import msgspec

from loadgen.arrivals import Arrivals
from loadgen.faults import ConfigurationFaulty

PLAN_VARIABLE: Final = "WIREPROOF_LOAD_PLAN"
"""Names the file of the plan to the processes of Locust."""
COMMAND_VARIABLE: Final = "WIREPROOF_LOAD_COMMAND"
"""Names the process of the command, with which a run ends; nobody where Locust was started by somebody else."""
FOLDER_VARIABLE: Final = "WIREPROOF_LOAD_FOLDER"
"""Where a worker keeps what it has measured itself; nowhere where it is not set."""
TOKEN_VARIABLE: Final = "WIREPROOF_CONTROL_TOKEN"  # noqa: S105 - the name of a variable, not a token

LEAST_PER_S: Final = 0.1
MOST_PER_S: Final = 1_000_000.0
"""What a rate may be: more is no figure that anybody means."""

Provisioning = Literal["control", "invented"]


class Plan(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is to be done.

    Attributes:
        url: Base URL of the endpoint.
        control_url: Base URL of the control socket.
        scenario: Name of a scenario, or a Python file that holds one.
        parameters: Of the scenario, by name.
        agents: How many agents in all.
        agents_per_user: How many of them one Locust user is.
        connections_per_s: At most so many are opened a second, by all processes together.
        drain_s: How long to wait for answers after the last start.
        provisioning: `control`, or `invented` for a server that takes any credentials and topics.
        judge: Whether what is observed is judged by the rules of `specs.history`.

    """

    url: str
    control_url: str
    scenario: str
    arrivals: Arrivals
    duration_s: float
    agents: int
    parameters: dict[str, Any] = {}
    agents_per_user: int = 10
    connections_per_s: float = 1000.0
    processes: int = 1
    drain_s: float = 5.0
    heartbeat_s: float = 30.0
    reply_s: float = 10.0
    seed: int = 0
    run: str = "run"
    ca: str | None = None
    spec: str | None = None
    provisioning: Provisioning = "control"
    judge: bool = True
    folder: str = "."


def write_plan(plan: Plan, path: Path) -> None:
    """Write a plan for the processes of the generator."""
    path.write_bytes(msgspec.json.format(msgspec.json.encode(plan)))


def read_plan(path: Path) -> Plan:
    """Read what `write_plan` has written."""
    return msgspec.json.decode(path.read_bytes(), type=Plan)


class PlanFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a user may write down in a TOML file; the flags of the command stand above it."""

    url: str | None = None
    scenario: str | None = None
    parameters: dict[str, Any] = {}
    agents: Annotated[int, msgspec.Meta(ge=1)] | None = None
    agents_per_user: Annotated[int, msgspec.Meta(ge=1)] | None = None
    connections_per_s: Annotated[float, msgspec.Meta(ge=LEAST_PER_S, le=MOST_PER_S)] | None = None
    arrivals: str | None = None
    duration: str | None = None
    objectives: list[str] = []
    i_own_this_target: bool = False


def read_plan_file(path: Path | None) -> PlanFile:
    """Read a user's plan; an empty one where there is no file.

    Raises:
        ConfigurationFaulty: If it cannot be read, or says something that no plan says.

    """
    if path is None:
        return PlanFile()
    try:
        return msgspec.convert(tomllib.loads(path.read_text(encoding="utf-8")), PlanFile)
    except OSError as fault:
        raise ConfigurationFaulty(f"plan {path}: {fault.strerror}") from fault
    except (ValueError, RecursionError) as fault:
        raise ConfigurationFaulty(f"plan {path}: {fault}") from fault
