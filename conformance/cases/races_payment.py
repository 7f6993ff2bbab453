"""Races on a payment channel: each nonce is taken once, each transfer executed once, and no two decisions count at once."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

from conformance.case import Phase
from conformance.verbs.arena import Arena
from conformance.verbs.payment_orders import (
    ACKNOWLEDGE,
    CLOSE,
    DISPUTE,
    PROPOSE,
    REJECT,
    Channel,
    PaymentRules,
    Pending,
)
from conformance.verbs.racing import Contest, Race
from conformance.written import case

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from conformance.fixtures.lab import Lab
    from conformance.verbs.orders import Move

FAMILY = "payment"
NONCE_ONCE = "payment/concurrent-nonce-taken-once"
EXECUTES_ONCE = "payment/concurrent-acknowledge-executes-once"
ALL_COUNT = "payment/concurrent-transfers-all-count"
ONE_DECISION = "payment/concurrent-decisions-exclude"
SOME_ORDER = "payment/concurrent-pushes-ordered"

_BALANCES = {"balance_a": "100", "balance_b": "50"}
_FINAL = {"final_balance_a": "100", "final_balance_b": "50"}
_CASE = {"reason": "none", "evidence": {}}


def _race(
    lab: Lab,
    requirement: str,
    racers: Mapping[str, int],
    moves: Callable[[Arena, Sequence[int]], Sequence[Move]],
    *,
    proposed: Sequence[str] = (),
) -> None:
    """Race on channels of 100 and 50 on which `a` has proposed some amounts; `moves` is given their nonces."""
    arena = Arena(lab, FAMILY, racers)

    def prepare() -> Contest[Channel]:
        arena.fresh(_BALANCES)
        nonces = [int(arena.done("a", PROPOSE, amount=amount)["nonce"]) for amount in proposed]
        pending = tuple(
            Pending("a", nonce, Decimal(amount)) for nonce, amount in zip(nonces, proposed, strict=True)
        )
        start = Channel(Decimal(100), Decimal(50), pending, highest=max(nonces, default=0))
        return Contest(start, tuple(moves(arena, nonces)))

    Race(arena, PaymentRules(), requirement, prepare).run()


@case("payment/race/same-nonce", NONCE_ONCE, phase=Phase.RACE)
def same_nonce(lab: Lab) -> None:
    """Of two proposals with one nonce, sent at once by one party on two connections, one is taken."""

    def moves(arena: Arena, _nonces: Sequence[int]) -> Sequence[Move]:
        return [
            arena.move("a", index, PROPOSE, amount=amount, nonce=1)
            for index, amount in enumerate(("12.5", "20"))
        ]

    _race(lab, NONCE_ONCE, {"a": 2}, moves)


@case("payment/race/same-nonce-of-both-parties", SOME_ORDER, phase=Phase.RACE)
def same_nonce_of_both_parties(lab: Lab) -> None:
    """Of two proposals with one nonce, sent at once by both parties, as many are taken as in turn."""

    def moves(arena: Arena, _nonces: Sequence[int]) -> Sequence[Move]:
        amounts = {"a": "12.5", "b": "20"}
        return [arena.move(party, 0, PROPOSE, amount=amounts[party], nonce=1) for party in amounts]

    _race(lab, SOME_ORDER, {"a": 1, "b": 1}, moves)


@case("payment/race/overdraft", SOME_ORDER, phase=Phase.RACE)
def overdraft(lab: Lab) -> None:
    """Of two proposals that are covered each, but not together, as many are taken as in turn."""

    def moves(arena: Arena, _nonces: Sequence[int]) -> Sequence[Move]:
        return [arena.move("a", index, PROPOSE, amount="60", nonce=1 + index) for index in range(2)]

    _race(lab, SOME_ORDER, {"a": 2}, moves)


@case("payment/race/same-acknowledgement", EXECUTES_ONCE, phase=Phase.RACE)
def same_acknowledgement(lab: Lab) -> None:
    """One acknowledgement, sent at once on four connections, executes its transfer once."""

    def moves(arena: Arena, nonces: Sequence[int]) -> Sequence[Move]:
        return [arena.move("b", index, ACKNOWLEDGE, amount="12.5", nonce=nonces[0]) for index in range(4)]

    _race(lab, EXECUTES_ONCE, {"b": 4}, moves, proposed=["12.5"])


@case("payment/race/acknowledgements", ALL_COUNT, phase=Phase.RACE)
def acknowledgements(lab: Lab) -> None:
    """Four transfers, acknowledged at once on four connections, all count, each in the balances that it tells."""
    amounts = ["12.5", "20", "0.1", "7.00000001"]

    def moves(arena: Arena, nonces: Sequence[int]) -> Sequence[Move]:
        return [
            arena.move("b", index, ACKNOWLEDGE, amount=amounts[index], nonce=nonce)
            for index, nonce in enumerate(nonces)
        ]

    _race(lab, ALL_COUNT, {"b": 4}, moves, proposed=amounts)


@case("payment/race/acknowledge-against-reject", ONE_DECISION, phase=Phase.RACE)
def acknowledge_against_reject(lab: Lab) -> None:
    """Of an acknowledgement and a rejection of one proposal, sent at once, one counts."""

    def moves(arena: Arena, nonces: Sequence[int]) -> Sequence[Move]:
        return [
            arena.move("b", 0, ACKNOWLEDGE, amount="12.5", nonce=nonces[0]),
            arena.move("b", 1, REJECT, reason="no", nonce=nonces[0]),
        ]

    _race(lab, ONE_DECISION, {"b": 2}, moves, proposed=["12.5"])


@case("payment/race/acknowledge-against-dispute", ONE_DECISION, phase=Phase.RACE)
def acknowledge_against_dispute(lab: Lab) -> None:
    """Of an acknowledgement and a dispute, sent at once, the acknowledgement counts only where it comes first."""

    def moves(arena: Arena, nonces: Sequence[int]) -> Sequence[Move]:
        return [
            arena.move("b", 0, ACKNOWLEDGE, amount="12.5", nonce=nonces[0]),
            arena.move("a", 0, DISPUTE, **_CASE),
        ]

    _race(lab, ONE_DECISION, {"a": 1, "b": 1}, moves, proposed=["12.5"])


@case("payment/race/close-against-propose", SOME_ORDER, phase=Phase.RACE)
def close_against_propose(lab: Lab) -> None:
    """Of a close and a proposal, sent at once, the second is refused as it is in turn."""

    def moves(arena: Arena, _nonces: Sequence[int]) -> Sequence[Move]:
        return [arena.move("b", 0, CLOSE, **_FINAL), arena.move("a", 0, PROPOSE, amount="12.5", nonce=1)]

    _race(lab, SOME_ORDER, {"a": 1, "b": 1}, moves)


@case("payment/race/close-against-dispute", SOME_ORDER, phase=Phase.RACE)
def close_against_dispute(lab: Lab) -> None:
    """After a close and a dispute, sent at once, the channel is closed, and the dispute counts only where it comes first."""

    def moves(arena: Arena, _nonces: Sequence[int]) -> Sequence[Move]:
        return [arena.move("b", 0, CLOSE, **_FINAL), arena.move("a", 0, DISPUTE, **_CASE)]

    _race(lab, SOME_ORDER, {"a": 1, "b": 1}, moves)


@case("payment/race/two-disputes", SOME_ORDER, phase=Phase.RACE)
def two_disputes(lab: Lab) -> None:
    """Of two disputes that both parties open at once, as many are taken as in turn."""

    def moves(arena: Arena, _nonces: Sequence[int]) -> Sequence[Move]:
        return [arena.move(party, 0, DISPUTE, reason=f"{party} says so", evidence={}) for party in ("a", "b")]

    _race(lab, SOME_ORDER, {"a": 1, "b": 1}, moves)
