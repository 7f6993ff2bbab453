"""Payment channels: proposals and what becomes of them, disputes and closes, on two channels of the same parties."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any, ClassVar, TypeAlias

from hypothesis import strategies as st

from conformance.machines.drawing import (
    AT,
    BACK,
    COMMON,
    ON,
    PICK,
    WHO,
    Moves,
    arguments,
    mostly,
)
from conformance.machines.forging import FORGED, GOOD, signed, signed_by_both
from conformance.machines.ground import Scene
from conformance.machines.moves import Move, NotApplicable, Program, concrete, nth
from conformance.machines.payment_breaches import NONCES, refined
from conformance.machines.play import Play
from conformance.models.expectation import Push
from conformance.models.payment import Channel
from specs.amounts import add, format_amount, subtract

OPEN = "?"
"""To be chosen as things stand."""
SMALLEST = Decimal("0.00000001")
COVERED = ("small", "smallest", "odd", "integer", "free", "most", "most")
"""Amounts that the sender can pay."""

Values: TypeAlias = Mapping[str, Any]
Who: TypeAlias = int | str
"""A party: its number, or `payer` or `payee` of the proposal that is named."""


class PaymentPlay(Play[Channel]):
    """Two parties and two channels."""

    FAMILY = "payment"
    VALUES: ClassVar[tuple[Values, ...]] = (
        {"balance_a": "100", "balance_b": "50"},
        {"balance_a": "0.30000003", "balance_b": "90071992547409930.1"},
        {"balance_a": "3", "balance_b": "1"},
    )
    ENDINGS = frozenset({"dispute", "close"})
    PLAIN: ClassVar[Mapping[tuple[str, str], Any]] = {
        ("propose", "amount"): "small",
        ("propose", "sign"): "foreign-key",
        ("acknowledge", "sign"): "foreign-key",
    }

    def model(self, scene: int) -> Channel:
        """Return how a fresh channel stands."""
        values = self.VALUES[scene]
        return Channel(Decimal(values["balance_a"]), Decimal(values["balance_b"]))

    @classmethod
    def cause(cls, requirement: str) -> str:
        """Return the same for requirements that are likely to be broken by one fault."""
        return "nonce" if requirement in NONCES else super().cause(requirement)

    @classmethod
    def refined(cls, requirement: str, program: Program) -> str:
        """Return what a program breaks whose every move is needed."""
        return refined(requirement, program)

    @classmethod
    def simpler(cls, move: Move) -> Iterator[Program]:
        """Yield acknowledgements in turn in the place of those at once, whose outcome may be another each time."""
        if move["do"] in {"acknowledge_at_once", "acknowledge_two_at_once"}:
            one = {**move, "do": "acknowledge", "which": "pending", "at": 0}
            other = {**one, "which": "executed"} if move["do"] == "acknowledge_at_once" else one
            yield [one]
            yield [one, other]
        yield from super().simpler(move)

    def prelude(self, move: Move) -> Program:
        """Propose something before it is answered."""
        if move["do"] == "propose" or move["do"] in COMMON:
            return super().prelude(move)
        who = move["who"] if isinstance(move.get("who"), int) else move.get("back", 0) % 2
        who = 1 - who if move["do"] == "acknowledge_two_at_once" else who
        on = move["on"] + (move.get("which") == "elsewhere")
        proposal = {
            "do": "propose",
            "who": who,
            "at": 0,
            "amount": "small",
            "nonce": "next",
            "back": 0,
            "on": on,
        }
        return [proposal]

    def concrete(self, move: Move) -> Move:
        """Choose among the nonces that are there."""
        scene = self.known(move.get("on", 0))
        channel = self.model(0) if scene is None else scene.worlds.likely
        if move["do"] == "close" and channel.pending and not move.pop("hasty"):
            answer = ("acknowledge", "reject")[len(channel.executed) % 2]
            return {
                "do": answer,
                "who": "payee",
                "at": move["at"],
                "which": "pending",
                "back": 0,
                "on": move["on"],
            }
        move.pop("hasty", None)
        there = {"pending": channel.pending, "executed": channel.executed, "dropped": channel.dropped}
        used = [word for word, nonces in there.items() if nonces]
        if move["do"] == "propose":
            return concrete(move, "nonce", OPEN, ("gap", *used, *(("below", "executed") if used else ())))
        if move["do"] == "acknowledge" and channel.status == "disputed" and channel.dropped:
            # What was pending before the dispute.
            return {name: value for name, value in {**move, "which": "dropped"}.items() if name != "pick"}
        settled = [word for word in used if word != "pending"]
        elsewhere = ["elsewhere"] if move["do"] == "acknowledge" else []
        return concrete(move, "which", OPEN, ("unheard-of", *elsewhere, *settled))

    def do_propose(
        self,
        who: int,
        at: int,
        amount: str,
        nonce: str,
        back: int,
        sign: str = GOOD,
        on: int = 0,
        stale: bool = False,
    ) -> None:
        """Propose a transfer."""
        scene = self.scene(on)
        channel, party = scene.worlds.likely, self.role(who)
        payload = {"amount": _amount(channel, party, amount), "nonce": _new_nonce(channel, nonce, back)}
        self._push(scene, who, at, "propose_transfer", payload, sign, is_stale=stale)

    def do_acknowledge(
        self, who: Who, at: int, which: str, back: int, other: bool = False, sign: str = GOOD, on: int = 0
    ) -> None:
        """Acknowledge a transfer, or something that is none."""
        scene = self.scene(on)
        named = self.scene(on + 1) if which == "elsewhere" else scene
        payload = self._named(named, "pending" if which == "elsewhere" else which, back, is_other=other)
        if which == "elsewhere" and scene.worlds.likely.proposal(payload["nonce"]) is not None:
            raise NotApplicable
        who = self._who(scene, who, payload["nonce"])
        self._push(scene, who, at, "acknowledge_transfer", payload, sign)

    def do_reject(self, who: Who, at: int, which: str, back: int, on: int = 0) -> None:
        """Reject a transfer by its nonce, or the oldest one."""
        scene = self.scene(on)
        payload: dict[str, Any] = {"reason": "price"}
        if which != "oldest":
            payload["nonce"] = _old_nonce(scene.worlds.likely, which, back)
        who = self._who(scene, who, payload.get("nonce"))
        self.push(scene, who, at, Push(self.role(who), "reject_transfer", payload))

    def do_dispute(self, who: int, at: int, on: int = 0) -> None:
        """Open a dispute."""
        payload = {"reason": "service not rendered", "evidence": {"log": ["asked"]}}
        self.push(self.scene(on), who, at, Push(self.role(who), "dispute", payload))

    def do_close(self, who: int, at: int, final: str, sign: str = GOOD, on: int = 0) -> None:
        """Close the channel."""
        scene = self.scene(on)
        balances = _final(scene.worlds.likely, final)
        payload, flaw = signed_by_both(scene.stage, "close", balances, sign)
        self.push(scene, who, at, Push(self.role(who), "close", payload, flaw))

    def do_acknowledge_at_once(self, who: Who, back: int, on: int = 0) -> None:
        """Acknowledge one transfer on two connections at the same time."""
        scene = self.scene(on)
        named = self._named(scene, "pending", back)
        who = self._who(scene, who, named["nonce"])
        payload, flaw = signed(scene.stage, "acknowledge_transfer", self.name(who), named, GOOD)
        push = Push(self.role(who), "acknowledge_transfer", payload, flaw)
        self.at_once(scene, (who, 0, push), (who, 1, push))

    def do_acknowledge_two_at_once(self, who: int, back: int, on: int = 0) -> None:
        """Acknowledge two transfers on two connections at the same time."""
        scene = self.scene(on)
        mine = [each for each in scene.worlds.likely.pending if each.by != self.role(who)]
        if len(mine) < 2:
            raise NotApplicable
        pushes = []
        for proposal in (nth(mine, back), nth(mine, back + 1)):
            payload = {"amount": format_amount(proposal.amount), "nonce": proposal.nonce}
            made, flaw = signed(scene.stage, "acknowledge_transfer", self.name(who), payload, GOOD)
            pushes.append(Push(self.role(who), "acknowledge_transfer", made, flaw))
        self.at_once(scene, (who, 0, pushes[0]), (who, 1, pushes[1]))

    def _who(self, scene: Scene[Channel], who: Who, nonce: int | None) -> int:
        """Return a party by its number, or by its part in a proposal."""
        if isinstance(who, int):
            return who
        payer = next((party for party, taken in sorted(scene.worlds.likely.taken) if taken == nonce), None)
        if payer is None:
            raise NotApplicable
        return self.who(payer) if who == "payer" else 1 - self.who(payer)

    def _push(
        self,
        scene: Scene[Channel],
        who: int,
        at: int,
        event: str,
        payload: Values,
        sign: str,
        *,
        is_stale: bool = False,
    ) -> None:
        made, flaw = signed(scene.stage, event, self.name(who), payload, sign)
        self.push(scene, who, at, Push(self.role(who), event, made, flaw), is_stale=is_stale)

    def _named(
        self, scene: Scene[Channel], which: str, back: int, *, is_other: bool = False
    ) -> dict[str, Any]:
        """Return nonce and amount of a proposal, pending or not, or another amount."""
        channel, nonce = scene.worlds.likely, _old_nonce(scene.worlds.likely, which, back)
        amount = Decimal(1)
        for push in scene.pushed:
            if push.event == "propose_transfer" and push.payload["nonce"] == nonce:
                amount = Decimal(push.payload["amount"])
        pending = channel.proposal(nonce)
        amount = amount if pending is None else pending.amount
        return {"amount": format_amount(add(amount, SMALLEST) if is_other else amount), "nonce": nonce}


def _amount(channel: Channel, party: str, what: str) -> str | int:
    free, balance = channel.free(party), channel.balance(party)
    amounts = {
        "small": Decimal(1),
        "smallest": SMALLEST,
        "odd": Decimal("0.10000001"),
        "integer": Decimal(7),
        "free": free,
        "above-free": add(free, SMALLEST),
        "most": (free * Decimal("0.6")).quantize(SMALLEST),
        "balance": balance,
        "above-balance": add(balance, SMALLEST),
    }
    amount = amounts[what]
    if amount <= 0:
        raise NotApplicable
    return int(amount) if what == "integer" else format_amount(amount)


def _new_nonce(channel: Channel, what: str, back: int) -> int:
    """Return the next nonce, one that leaves a gap, or one that was in use."""
    pending = {each.nonce for each in channel.pending}
    used = channel.executed | channel.dropped | channel.refused_nonces | pending
    highest = max(used, default=0)
    if what == "next":
        return highest + 1
    if what == "gap":
        return highest + 2 + back
    if what == "below":
        below = nth(sorted(channel.executed | pending, reverse=True), back) - 1
        if below < 1:
            raise NotApplicable
        return int(below)
    return _old_nonce(channel, what, back)


def _old_nonce(channel: Channel, what: str, back: int) -> int:
    if what == "unheard-of":
        return 1_000_000 + back
    known = {
        "pending": [each.nonce for each in channel.pending],
        "executed": sorted(channel.executed, reverse=True),
        "dropped": sorted(channel.dropped, reverse=True),
    }
    return int(nth(known[what], back))


def _final(channel: Channel, what: str) -> dict[str, str]:
    a, b = channel.a, channel.b
    shift = min(a, Decimal(1)) if what == "other" else Decimal(0)
    surplus = {"more": SMALLEST, "less": -SMALLEST}.get(what, Decimal(0))
    final_b = add(add(b, shift), surplus)
    if final_b < 0 or (what == "other" and shift == 0):
        raise NotApplicable
    return {"final_balance_a": format_amount(subtract(a, shift)), "final_balance_b": format_amount(final_b)}


SIGNED = st.sampled_from(FORGED)
MOVES: Moves = {
    "propose": mostly(
        1,
        arguments(who=WHO, at=AT, amount=st.sampled_from(COVERED), nonce="next", back=0, on=ON),
        {"nonce": OPEN, "back": BACK, "pick": PICK},
        {"nonce": OPEN, "back": BACK, "pick": PICK},
        {"amount": st.sampled_from(("balance", "above-free", "above-balance"))},
        {"sign": SIGNED},
        {"stale": True},
    ),
    "acknowledge": mostly(
        1,
        arguments(who="payee", at=AT, which="pending", back=BACK, on=ON),
        {"who": "payer"},
        {"other": True},
        {"which": OPEN, "who": WHO, "pick": PICK},
        {"which": OPEN, "who": WHO, "pick": PICK},
        {"sign": SIGNED},
    ),
    "reject": mostly(
        1,
        arguments(who="payee", at=AT, which="pending", back=BACK, on=ON),
        {"which": "oldest", "who": WHO},
        {"which": OPEN, "who": WHO, "pick": PICK},
        {"who": "payer"},
    ),
    "dispute": arguments(who=WHO, at=AT, on=ON),
    "close": mostly(
        1,
        arguments(who=WHO, at=AT, final=st.sampled_from(("current", "current", "other")), on=ON, hasty=False),
        {"hasty": True},
        {"final": st.sampled_from(("other", "more", "less"))},
        {"sign": st.sampled_from(("swapped", "foreign-key"))},
    ),
    "acknowledge_at_once": arguments(who="payee", back=BACK, on=ON),
    "acknowledge_two_at_once": arguments(who=WHO, back=BACK, on=ON),
    "resend": arguments(who=WHO, at=AT, back=BACK, on=ON),
}
WEIGHTS = {"propose": 4, "acknowledge": 4, "reject": 2, "close": 2, "resend": 2}
