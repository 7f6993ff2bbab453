"""What pushes on a negotiation session may come to, one after the other: the rules by which its races are judged."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from conformance.verbs.ledger import amount_of
from conformance.verbs.orders import Move, Step, Told
from specs.amounts import average

if TYPE_CHECKING:
    from specs.message import Message

OFFER, ACCEPT, REJECT = "offer", "accept", "reject"
COMPLETE = "negotiation_complete"
OPEN, AGREED, REJECTED = "open", "agreed", "rejected"
SIDES = ("client", "provider")


@dataclass(frozen=True, slots=True)
class Session:
    """A session as far as its races tell."""

    client: Decimal
    """The latest offer of the client."""
    provider: Decimal
    status: str = OPEN

    def offered(self, side: str, amount: Decimal) -> Session:
        """Return the session after an offer."""
        return replace(self, client=amount) if side == "client" else replace(self, provider=amount)


class NegotiationRules:
    """The rules of a session on which both sides have made an offer."""

    def steps(self, state: Session, move: Move) -> Iterator[Step[Session]]:
        """Return all that a push may come to; ours first.

        That a rejected session takes nothing more is our reading; that an agreed one does not is not.
        """
        if state.status == AGREED:
            yield Step(state, is_accepted=False)
            return
        is_ours = state.status == OPEN
        if not is_ours:
            yield Step(state, is_accepted=False)
        match move.event:
            case "offer":
                yield from self._offer(state, move, is_ours=is_ours)
            case "accept":
                yield from self._accept(state, move, is_ours=is_ours)
            case _:
                rejected = replace(state, status=REJECTED)
                yield Step(rejected, is_accepted=True, told=_relays(move, move.event), is_ours=is_ours)
                yield Step(rejected, is_accepted=True, is_ours=False)

    def shows(self, state: Session) -> Mapping[str, Any]:
        """Return what a state shows to those who join."""
        return {"status": state.status}

    def heard(self, message: Message) -> str | None:
        """Return what a relay or a broadcast tells."""
        if message.event == OFFER:
            return _offered(amount_of(message.payload.get("amount")))
        return message.event if message.event in {COMPLETE, REJECT} else None

    def relayed(self, move: Move) -> str | None:
        """Return what the relay of a push tells."""
        if move.event == OFFER:
            return _offered(Decimal(move.payload["amount"]))
        return move.event if move.event == REJECT else None

    def shown(self, response: Any) -> Mapping[str, Any]:
        """Return what the reply to a join shows, as far as it is there under the documented names."""
        session = response.get("session") if isinstance(response, Mapping) else None
        status = session.get("status") if isinstance(session, Mapping) else None
        return {"status": status} if status in {OPEN, AGREED, REJECTED} else {}

    @staticmethod
    def _offer(state: Session, move: Move, *, is_ours: bool) -> Iterator[Step[Session]]:
        amount = Decimal(move.payload["amount"])
        told = _relays(move, _offered(amount))
        yield Step(state.offered(move.by, amount), is_accepted=True, told=told, is_ours=is_ours)
        # Whether a new offer replaces the last one is our reading.
        yield Step(state, is_accepted=True, told=told, is_ours=False)

    @staticmethod
    def _accept(state: Session, move: Move, *, is_ours: bool) -> Iterator[Step[Session]]:
        if Decimal(move.payload["amount"]) != average(state.client, state.provider):
            yield Step(state, is_accepted=False)
            return
        told = tuple((side, COMPLETE) for side in SIDES)
        yield Step(replace(state, status=AGREED), is_accepted=True, told=told, is_ours=is_ours)


def _relays(move: Move, what: str) -> tuple[Told, ...]:
    return tuple((side, what) for side in SIDES if side != move.by)


def _offered(amount: Decimal | None) -> str:
    return f"{OFFER} of {'nothing' if amount is None else f'{amount.normalize():f}'}"
