"""Races on a negotiation session: it ends once, in one way, and at the average of the offers that stand."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

from conformance.case import Phase
from conformance.verbs.arena import Arena
from conformance.verbs.negotiation_orders import ACCEPT, OFFER, REJECT, NegotiationRules, Session
from conformance.verbs.racing import Contest, Race
from conformance.written import case

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from conformance.fixtures.lab import Lab
    from conformance.verbs.orders import Move

FAMILY = "negotiation"
SOME_ORDER = "negotiation/concurrent-pushes-ordered"

_OFFERS = {"client": "100", "provider": "120"}
_AVERAGE = "110"


def _nothing(_arena: Arena) -> Sequence[Move]:
    return ()


def _race(
    lab: Lab,
    racers: Mapping[str, int],
    moves: Callable[[Arena], Sequence[Move]],
    then: Callable[[Arena], Sequence[Move]] = _nothing,
) -> None:
    """Race on sessions on which the client has offered 100 and the provider 120."""
    arena = Arena(lab, FAMILY, racers)

    def prepare() -> Contest[Session]:
        arena.fresh({"base_price": "100"})
        for side, amount in _OFFERS.items():
            arena.done(side, OFFER, amount=amount)
        start = Session(Decimal(_OFFERS["client"]), Decimal(_OFFERS["provider"]))
        return Contest(start, tuple(moves(arena)), tuple(then(arena)))

    Race(arena, NegotiationRules(), SOME_ORDER, prepare).run()


@case("negotiation/race/accept-against-reject", SOME_ORDER, phase=Phase.RACE)
def accept_against_reject(lab: Lab) -> None:
    """A session that one side accepts and the other rejects at once is agreed or rejected, not both."""

    def moves(arena: Arena) -> Sequence[Move]:
        return [
            arena.move("client", 0, ACCEPT, amount=_AVERAGE),
            arena.move("provider", 0, REJECT, reason="no"),
        ]

    _race(lab, {"client": 1, "provider": 1}, moves)


@case("negotiation/race/accepts-of-both-sides", SOME_ORDER, phase=Phase.RACE)
def accepts_of_both_sides(lab: Lab) -> None:
    """A session that both sides accept at once, one of them on two connections, is agreed once."""

    def moves(arena: Arena) -> Sequence[Move]:
        senders = [("client", 0), ("client", 1), ("provider", 0)]
        return [arena.move(side, index, ACCEPT, amount=_AVERAGE) for side, index in senders]

    _race(lab, {"client": 2, "provider": 1}, moves)


@case("negotiation/race/accept-against-offer", SOME_ORDER, phase=Phase.RACE)
def accept_against_offer(lab: Lab) -> None:
    """An acceptance of the average that an offer of the same moment changes settles the session only where it comes first."""

    def moves(arena: Arena) -> Sequence[Move]:
        return [
            arena.move("client", 0, ACCEPT, amount=_AVERAGE),
            arena.move("provider", 0, OFFER, amount="130"),
        ]

    _race(lab, {"client": 1, "provider": 1}, moves)


@case("negotiation/race/two-offers", SOME_ORDER, phase=Phase.RACE)
def two_offers(lab: Lab) -> None:
    """Offers that both sides make at once both count in the average that is accepted afterwards."""

    def moves(arena: Arena) -> Sequence[Move]:
        return [
            arena.move("client", 0, OFFER, amount="110"),
            arena.move("provider", 0, OFFER, amount="130"),
        ]

    def then(arena: Arena) -> Sequence[Move]:
        return [arena.move("client", 1, ACCEPT, amount="120")]

    _race(lab, {"client": 2, "provider": 1}, moves, then)
