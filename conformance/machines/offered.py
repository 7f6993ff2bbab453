"""The machines as cases."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from conformance.case import Case, Phase
from conformance.fixtures.lab import Lab
from conformance.machines import discovery, messages, negotiation, payment, reportable, task
from conformance.machines.drawing import COMMON, Moves, machine_of
from conformance.machines.play import Play
from conformance.machines.search import Effort, Search, run_program

FULL = Effort()


@dataclass(frozen=True, slots=True)
class Offer:
    """One machine: a family, and what is drawn how often."""

    name: str
    """Of the case, behind the family."""
    play: type[Play[Any]]
    moves: Moves
    title: str
    requirements: tuple[str, ...]
    """What it can report, the main one first."""
    weights: Mapping[str, int] = field(default_factory=dict)
    connections: Moves = field(default_factory=lambda: COMMON)

    def case(self, effort: Effort) -> Case:
        """Return the machine as a case."""
        family = self.play.FAMILY
        machine = machine_of(f"{family}Machine", self.moves, self.weights, self.connections)

        def run(lab: Lab) -> None:
            if lab.program is not None:
                run_program(lab, self.play)
            else:
                Search(lab, self.play, effort).run(machine)

        return Case(f"{family}/{self.name}", family, self.requirements, self.title, run, Phase.MACHINE)


OFFERS = (
    Offer(
        "machine",
        payment.PaymentPlay,
        payment.MOVES,
        "Two parties propose, acknowledge, reject, dispute and close as they may and may not.",
        reportable.PAYMENT,
        payment.WEIGHTS,
    ),
    Offer(
        "machine",
        task.TaskPlay,
        task.MOVES,
        "A client and a provider stream, complete, save checkpoints and end tasks as they may and may not.",
        reportable.TASK,
        task.WEIGHTS,
    ),
    Offer(
        "machine",
        negotiation.NegotiationPlay,
        negotiation.MOVES,
        "A client and a provider offer, accept and reject as they may and may not.",
        reportable.NEGOTIATION,
        negotiation.WEIGHTS,
    ),
    Offer(
        "machine",
        messages.MessagesPlay,
        messages.MOVES,
        "Two agents are sent messages and settle their own and each other's.",
        reportable.MESSAGES,
        messages.WEIGHTS,
    ),
    Offer(
        "machine",
        discovery.DiscoveryPlay,
        discovery.MOVES,
        "Three agents come and go, announce, discover and change their metadata.",
        reportable.DISCOVERY,
        discovery.WEIGHTS,
        discovery.CONNECTIONS,
    ),
)


def machine_cases(effort: Effort = FULL) -> list[Case]:
    """Return the machines as cases."""
    return [offer.case(effort) for offer in OFFERS]
