"""What pushes on a payment channel may come to, one after the other: the rules by which its races are judged."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from conformance.client.equality import one_form
from conformance.verbs.ledger import ACKNOWLEDGE, COMPLETE, PROPOSE, amount_of, balances_in, other_party
from conformance.verbs.orders import Move, Step, Told
from specs.amounts import add, subtract

if TYPE_CHECKING:
    from specs.message import Message

REJECT = "reject_transfer"
DISPUTE = "dispute"
CLOSE = "close"
OPEN, DISPUTED, CLOSED = "open", "disputed", "closed"
_DECISIONS = {REJECT, DISPUTE, CLOSE}


@dataclass(frozen=True, slots=True)
class Pending:
    """A proposal that nobody has answered."""

    by: str
    nonce: int
    amount: Decimal


@dataclass(frozen=True, slots=True)
class Channel:
    """A payment channel as far as its races tell."""

    a: Decimal
    b: Decimal
    pending: tuple[Pending, ...] = ()
    highest: int = 0
    """The highest nonce that was taken."""
    status: str = OPEN
    executed: tuple[int, ...] = ()
    """The nonces of the transfers that were executed."""

    @property
    def balances(self) -> dict[str, Decimal]:
        """Both balances, by party."""
        return {"a": self.a, "b": self.b}

    def without(self, proposal: Pending) -> Channel:
        """Return the channel without a proposal."""
        return replace(self, pending=tuple(one for one in self.pending if one is not proposal))

    def moved(self, proposal: Pending) -> Channel:
        """Return the channel after a proposal has been executed."""
        amount = proposal.amount
        left = replace(self.without(proposal), executed=(*self.executed, proposal.nonce))
        if proposal.by == "a":
            return replace(left, a=subtract(self.a, amount), b=add(self.b, amount))
        return replace(left, a=add(self.a, amount), b=subtract(self.b, amount))


ChannelStep = Step[Channel]


class PaymentRules:
    """The rules of a payment channel."""

    def steps(self, state: Channel, move: Move) -> Iterator[ChannelStep]:
        """Return all that a push may come to; ours first."""
        if state.status == CLOSED:
            yield Step(state, is_accepted=False)
            return
        match move.event:
            case "propose_transfer":
                yield from self._propose(state, move)
            case "acknowledge_transfer":
                yield from self._acknowledge(state, move)
            case "reject_transfer":
                yield from self._reject(state, move)
            case "dispute":
                yield from self._dispute(state, move)
            case _:
                yield from self._close(state, move)

    def shows(self, state: Channel) -> Mapping[str, Any]:
        """Return what a state shows to those who join."""
        return {"balance_a": state.a, "balance_b": state.b, "status": state.status}

    def heard(self, message: Message) -> str | None:
        """Return what a relay or a broadcast tells."""
        payload = message.payload
        if message.event == PROPOSE:
            return _proposed(payload.get("nonce"), amount_of(payload.get("amount")))
        if message.event == COMPLETE:
            return _transferred(payload.get("nonce"), balances_in(payload))
        return _decided(message.event, payload) if message.event in _DECISIONS else None

    def relayed(self, move: Move) -> str | None:
        """Return what the relay of a push tells."""
        if move.event == PROPOSE:
            return _proposed(move.payload["nonce"], Decimal(move.payload["amount"]))
        return _decided(move.event, move.payload) if move.event in _DECISIONS else None

    def shown(self, response: Any) -> Mapping[str, Any]:
        """Return what the reply to a join shows, as far as it is there under the documented names."""
        channel = response.get("channel") if isinstance(response, Mapping) else None
        if not isinstance(channel, Mapping):
            return {}
        shown: dict[str, Any] = {
            f"balance_{party}": amount for party, amount in (balances_in(channel) or {}).items()
        }
        status = channel.get("status")
        return {**shown, "status": status} if status in {OPEN, DISPUTED, CLOSED} else shown

    def _propose(self, state: Channel, move: Move) -> Iterator[ChannelStep]:
        proposal = Pending(move.by, move.payload["nonce"], Decimal(move.payload["amount"]))
        taken = replace(state, pending=(*state.pending, proposal), highest=max(state.highest, proposal.nonce))
        told = ((other_party(move.by), _proposed(proposal.nonce, proposal.amount)),)
        own = [one for one in state.pending if one.by == move.by]
        balance = state.balances[move.by]
        promised = sum((one.amount for one in own), Decimal(0))
        is_covered = promised + proposal.amount <= balance
        is_open, is_above = state.status == OPEN, proposal.nonce > state.highest
        if is_open and is_above and is_covered:
            yield Step(taken, is_accepted=True, told=told)
            return
        yield Step(state, is_accepted=False)
        # Its own pending nonces bind a party in any reading, those of the other party, a dispute and what it has promised do not.
        is_own_nonce = any(one.nonce >= proposal.nonce for one in own)
        if not is_own_nonce and proposal.amount <= balance:
            yield Step(taken, is_accepted=True, told=told, is_ours=False)

    def _acknowledge(self, state: Channel, move: Move) -> Iterator[ChannelStep]:
        nonce = move.payload["nonce"]
        proposal = next((one for one in state.pending if one.nonce == nonce and one.by != move.by), None)
        if proposal is None:
            yield Step(state, is_accepted=False)
            if nonce in state.executed:
                # Whether a second acknowledgement, which moves nothing, is answered with ok is left open.
                yield Step(state, is_accepted=True, is_ours=False)
            return
        moved = state.moved(proposal)
        told = tuple((party, _transferred(nonce, moved.balances)) for party in moved.balances)
        is_open = state.status == OPEN
        yield Step(moved, is_accepted=True, told=told, is_ours=is_open)
        if not is_open:
            yield Step(state, is_accepted=False)

    def _reject(self, state: Channel, move: Move) -> Iterator[ChannelStep]:
        nonce = move.payload.get("nonce")
        found = [one for one in state.pending if one.by != move.by and nonce in {None, one.nonce}]
        if not found:
            yield Step(state, is_accepted=False)
            yield from _other_reading(state, _relays(move))
            return
        left = state.without(found[0])
        yield Step(left, is_accepted=True, told=_relays(move), is_ours=state.status == OPEN)
        yield Step(left, is_accepted=True, is_ours=False)

    def _dispute(self, state: Channel, move: Move) -> Iterator[ChannelStep]:
        disputed = replace(state, status=DISPUTED)
        if state.status == OPEN:
            yield Step(replace(disputed, pending=()), is_accepted=True, told=_relays(move))
            yield from _other_reading(replace(disputed, pending=()), ())
            # What is pending may wait for the end of the dispute as well.
            yield from _other_reading(disputed, _relays(move))
        else:
            yield Step(state, is_accepted=False)
            yield from _other_reading(disputed, _relays(move))

    def _close(self, state: Channel, move: Move) -> Iterator[ChannelStep]:
        final = {party: Decimal(move.payload[f"final_balance_{party}"]) for party in state.balances}
        closed = replace(state, status=CLOSED, pending=(), a=final["a"], b=final["b"])
        if add(final["a"], final["b"]) != add(state.a, state.b):
            yield Step(state, is_accepted=False)
            return
        is_agreed = final == state.balances or state.status == DISPUTED
        if is_agreed and not state.pending:
            yield Step(closed, is_accepted=True, told=_relays(move))
            yield Step(closed, is_accepted=True, is_ours=False)
        else:
            yield Step(state, is_accepted=False)
            yield from _other_reading(closed, _relays(move))


def _other_reading(state: Channel, told: tuple[Told, ...]) -> Iterator[ChannelStep]:
    """Yield acceptance as another reading has it, told or not."""
    yield Step(state, is_accepted=True, told=told, is_ours=False)
    if told:
        yield Step(state, is_accepted=True, is_ours=False)


def _relays(move: Move) -> tuple[Told, ...]:
    return ((other_party(move.by), _decided(move.event, move.payload)),)


def _decided(event: str, payload: Mapping[str, Any]) -> str:
    return f"{event} {payload.get('reason', '')}".strip()


def _proposed(nonce: Any, amount: Decimal | None) -> str:
    return f"{PROPOSE} {one_form(nonce)} of {_plain(amount)}"


def _transferred(nonce: Any, balances: Mapping[str, Decimal] | None) -> str:
    shown = " and ".join(map(_plain, (balances or {}).values()))
    return f"{COMPLETE} {one_form(nonce)} with balances of {shown}"


def _plain(amount: Decimal | None) -> str:
    return "nothing" if amount is None else f"{amount.normalize():f}"


__all__ = ["ACKNOWLEDGE", "CLOSE", "DISPUTE", "PROPOSE", "REJECT", "Channel", "PaymentRules", "Pending"]
