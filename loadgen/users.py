"""How the agents of a plan are spread over groups, and groups over Locust users."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from loadgen.faults import ConfigurationFaulty
from loadgen.scenarios.catalogue import find_scenario
from specs.loader import load

if TYPE_CHECKING:
    from loadgen.plan import Plan


def refuse_unplayable(plan: Plan) -> None:
    """Refuse a plan that cannot be played, before anything is started.

    Raises:
        ConfigurationFaulty: If its agents make no groups, or its scenario connects to a socket that the documents do not have.
        DocumentsInvalid: If the documents cannot be read.

    """
    groups_of(plan)
    socket = find_scenario(plan.scenario, plan.parameters).socket
    known = load(Path(plan.spec) if plan.spec else None).sockets
    if socket not in known:
        raise ConfigurationFaulty(
            f"scenario {plan.scenario}: no socket {socket!r} in the documents; there are {', '.join(known)}"
        )


def groups_of(plan: Plan) -> int:
    """Return how many groups the agents make.

    Raises:
        ConfigurationFaulty: If they make none, or some are left over.

    """
    cast = find_scenario(plan.scenario, plan.parameters).cast
    if plan.agents < len(cast) or plan.agents % len(cast):
        raise ConfigurationFaulty(
            f"scenario {plan.scenario} needs agents by {len(cast)} ({', '.join(cast)}); {plan.agents} cannot be shared out"
        )
    return plan.agents // len(cast)


def groups_per_user(plan: Plan) -> int:
    """Return how many groups a Locust user is: as many as the plan allows, the same for each."""
    groups = groups_of(plan)
    size = plan.agents // groups
    most = max(1, plan.agents_per_user // size)
    return next(count for count in range(min(most, groups), 0, -1) if not groups % count)


def users_of(plan: Plan) -> int:
    """Return how many Locust users there are."""
    return groups_of(plan) // groups_per_user(plan)
