"""How the plan of a run comes to workers on other machines: they ask the master of Locust for it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import gevent
import msgspec
from gevent.event import Event

from loadgen.faults import CannotTest
from loadgen.plan import Plan

if TYPE_CHECKING:
    from collections.abc import Callable

WANTED: Final = "wireproof-plan-wanted"
PLAN: Final = "wireproof-plan"
ASK_S: Final = 1.0


def hand_out(runner: Any, plan: Plan) -> None:
    """Give the plan to each worker that asks for it."""
    json = msgspec.json.encode(plan)

    def give(environment: Any, msg: Any, **_more: Any) -> None:  # noqa: ARG001 - Locust's signature
        runner.send_message(PLAN, {"json": json}, msg.node_id)

    runner.register_message(WANTED, give)


def ask_for_plan(runner: Any, on_plan: Callable[[Plan | CannotTest], object]) -> None:
    """Ask the master for the plan, until it comes."""
    came = Event()
    json = b""

    def take(environment: Any, msg: Any, **_more: Any) -> None:  # noqa: ARG001 - Locust's signature
        nonlocal json
        json = msg.data["json"]
        came.set()

    def ask() -> None:
        while not came.is_set():
            runner.send_message(WANTED, {})
            came.wait(ASK_S)
        try:
            on_plan(msgspec.json.decode(json, type=Plan))
        except msgspec.ValidationError as fault:
            on_plan(CannotTest(f"the master has another version of wireproof: {fault}"))

    runner.register_message(PLAN, take)
    gevent.spawn(ask)
