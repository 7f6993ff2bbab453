"""One generator that pushes as fast as answers come, and writes down what is judged only every other slice of time."""

from __future__ import annotations

import argparse
import json
import time
from typing import TYPE_CHECKING

import gevent

from loadgen.arrivals import WHOLE, parse_arrivals
from loadgen.engine.generator import Generator
from loadgen.plan import Plan

if TYPE_CHECKING:
    from loadgen.client.agent import Agent

PATIENCE_S = 60.0


def opened(url: str, connections: int, load_s: float) -> tuple[Generator, list[Agent]]:
    """Return a generator that has begun, and its agents."""
    plan = Plan(
        url, url, "pushes", parse_arrivals("closed", load_s), load_s, connections,
        parameters={"pushes": 1_000_000_000}, connections_per_s=10_000, provisioning="invented",
    )  # fmt: skip
    generator = Generator(plan, 0, "")
    generator.start(1, lambda _fault: None)
    opening = generator.open(connections // len(generator.scenario.cast))
    with gevent.Timeout(PATIENCE_S):
        while not opening.is_done:
            gevent.sleep(0.05)
    if generator.failed:
        raise SystemExit(f"groups could not be opened: {generator.faults}")
    generator.begin(WHOLE)
    return generator, [agent for group in opening.groups for agent in group.agents.values()]


def main() -> None:
    options = argparse.ArgumentParser()
    options.add_argument("url")
    options.add_argument("--connections", type=int, default=200)
    options.add_argument("--turns", type=int, default=20)
    options.add_argument("--slice-s", type=float, default=0.25)
    given = options.parse_args()
    generator, agents = opened(given.url, given.connections, 2 * given.turns * given.slice_s + PATIENCE_S)
    figures = generator.site.statistics.of("task", "checkpoint")
    rates: dict[str, list[float]] = {"judged": [], "not judged": []}
    # The first turn warms up.
    for turn in range(given.turns + 1):
        for name, note in (("judged", generator.site.note), ("not judged", None)):
            for agent in agents:
                agent.note = note
            ok, cpu_s = figures.ok, time.process_time()
            gevent.sleep(given.slice_s)
            taken_s = time.process_time() - cpu_s
            if turn:
                rates[name].append((figures.ok - ok) / taken_s)
    print(json.dumps(rates), flush=True)
    assert generator.tape is not None
    generator.tape.hurry()
    generator.shut()
    generator.tape.verdict(0.0)


if __name__ == "__main__":
    main()
