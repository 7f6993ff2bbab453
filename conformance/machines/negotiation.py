"""Negotiations: signed offers and what becomes of them, on three sessions of the same pair."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any, ClassVar

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
    is_on_several,
    mostly,
)
from conformance.machines.forging import FORGED, GOOD, signed
from conformance.machines.ground import Scene
from conformance.machines.moves import Move, NotApplicable, Program, concrete, nth
from conformance.machines.play import Play
from conformance.models.expectation import Push
from conformance.models.negotiation import SMALLEST, Session
from specs.amounts import add, average, format_amount, subtract

ROUNDS_TO = Decimal("0.01")
HIGHEST_NUMBER = 2**53 - 1
"""Beyond it canonical JSON has no integers."""
OPEN = "?"
"""To be chosen as things stand."""
WRONG = ("rounded", "off", "client", "provider", "former", "all", "only", "half")


class NegotiationPlay(Play[Session]):
    """A client and a provider, and three sessions of theirs."""

    FAMILY = "negotiation"
    VALUES: ClassVar[tuple[Mapping[str, Any], ...]] = (
        {"base_price": "100"},
        {"base_price": "90071992547409930.1"},
        {"base_price": "0.30000003"},
    )
    ENDINGS = frozenset({"reject", "accept_at_once"})
    PLAIN: ClassVar[Mapping[tuple[str, str], Any]] = {
        ("offer", "amount"): "whole",
        ("offer", "sign"): "foreign-key",
        ("accept", "sign"): "foreign-key",
    }

    def model(self, scene: int) -> Session:
        """Return how a fresh session stands."""
        return Session(Decimal(self.VALUES[scene]["base_price"]))

    @classmethod
    def refined(cls, requirement: str, program: Program) -> str:
        """Return what a program breaks whose every move is needed."""
        if is_on_several(program):
            return "negotiation/sessions-isolated"
        accepts = [move for move in program if move["do"] == "accept"]
        if requirement.startswith("negotiation/") and any(
            move.get("sign", GOOD) != GOOD for move in program[:-1]
        ):
            return "signatures/refusal-has-no-effect" if accepts else requirement
        return requirement

    @classmethod
    def simpler(cls, move: Move) -> Iterator[Program]:
        """Yield pushes in turn in the place of those at once, whose outcome may be another each time."""
        if move["do"] == "accept_at_once":
            one = {"do": "accept", "who": 0, "at": 0, "amount": "average", "on": move["on"]}
            other = (
                {**one, "who": 1}
                if move["second"] == "accept"
                else {"do": "reject", "who": 1, "at": 0, "on": move["on"]}
            )
            yield [one]
            yield [one, other]
        yield from super().simpler(move)

    def prelude(self, move: Move) -> Program:
        """Make an offer before anything is accepted."""
        if move["do"] == "offer" or move["do"] in COMMON:
            return super().prelude(move)
        scene = self.scene(move["on"])
        has_offered = [bool(scene.worlds.likely.side(self.role(who)).offers) for who in (0, 1)]
        who = has_offered.index(False) if False in has_offered else 1 - move.get("who", 0)
        amount = OFFERED[(len(scene.pushed) + move.get("at", 0)) % len(OFFERED)]
        return [{"do": "offer", "who": who, "at": 0, "amount": amount, "back": 0, "on": move["on"]}]

    def ends(self, move: Move) -> bool:
        """Tell whether a move is likely to end the session."""
        is_good = move.get("amount") == "average" and move.get("sign", GOOD) == GOOD
        return super().ends(move) or (move["do"] == "accept" and is_good)

    def concrete(self, move: Move) -> Move:
        """Choose among the wrong amounts that there are."""
        scene = self.known(move.get("on", 0))
        wrong = _wrong_amounts(scene.worlds.likely) if scene is not None else []
        elsewhere = self.known(move.get("on", 0) + 1)
        if elsewhere is not None and elsewhere.worlds.likely.middle is not None:
            wrong += ["elsewhere"] * 2
        return concrete(move, "amount", OPEN, wrong or ["average"])

    def do_offer(
        self, who: int, at: int, amount: str, back: int, sign: str = GOOD, on: int = 0, stale: bool = False
    ) -> None:
        """Make an offer."""
        scene = self.scene(on)
        offered = _offer(scene, self.role(who), amount, back)
        self._push(scene, who, at, "offer", {"amount": offered}, sign, is_stale=stale)

    def do_accept(self, who: int, at: int, amount: str, sign: str = GOOD, on: int = 0) -> None:
        """Accept the average, or something that is none."""
        scene = self.scene(on)
        offers = self.scene(on + 1) if amount == "elsewhere" else scene
        accepted = _accepted(offers.worlds.likely, "average" if amount == "elsewhere" else amount)
        if amount == "elsewhere" and accepted == scene.worlds.likely.middle:
            raise NotApplicable
        self._push(scene, who, at, "accept", {"amount": format_amount(accepted)}, sign)

    def do_reject(self, who: int, at: int, on: int = 0) -> None:
        """Break off."""
        self.push(self.scene(on), who, at, Push(self.role(who), "reject", {"reason": "too expensive"}))

    def do_accept_at_once(self, second: str, on: int = 0) -> None:
        """Accept by both sides at the same time, or accept while the other side rejects or offers."""
        scene = self.scene(on)
        payload = {"amount": format_amount(_accepted(scene.worlds.likely, "average"))}
        accept = Push("client", "accept", signed(scene.stage, "accept", self.name(0), payload, GOOD)[0])
        if second == "reject":
            other = Push("provider", "reject", {"reason": "price"})
        else:
            other = Push("provider", second, signed(scene.stage, second, self.name(1), payload, GOOD)[0])
        self.at_once(scene, (0, 0, accept), (1, 0, other))

    def _push(
        self,
        scene: Scene[Session],
        who: int,
        at: int,
        event: str,
        payload: Mapping[str, Any],
        sign: str,
        *,
        is_stale: bool = False,
    ) -> None:
        made, flaw = signed(scene.stage, event, self.name(who), payload, sign)
        self.push(scene, who, at, Push(self.role(who), event, made, flaw), is_stale=is_stale)


def _offer(scene: Scene[Session], role: str, what: str, back: int) -> str | int:
    session = scene.worlds.likely
    base, bound = session.base_price, session.bound
    if what == "integer":
        return min(max(1, int(base) - back), HIGHEST_NUMBER)
    amounts = {
        "whole": base,
        "odd": (base * Decimal("0.7")).quantize(SMALLEST) - SMALLEST * (2 * back),
        "fraction": base - SMALLEST * (1 + 2 * back),
        "high": base + (base / 2).quantize(SMALLEST) - SMALLEST * back,
        "bound": bound,
        "above": add(bound, SMALLEST),
        "far-above": add(add(bound, bound), Decimal(back)),
    }
    if what == "same":
        other = session.side("provider" if role == "client" else "client").latest
        if other is None:
            raise NotApplicable
        return format_amount(other)
    if amounts[what] <= 0:
        raise NotApplicable
    return format_amount(amounts[what])


def _accepted(session: Session, what: str) -> Decimal:
    one, other = session.client.latest, session.provider.latest
    if what == "only":
        if (one is None) == (other is None):
            raise NotApplicable
        return one or other or Decimal(1)
    if what == "half":
        return _writable(average(_accepted(session, "only"), Decimal(0)))
    middle = session.middle
    if middle is None or one is None or other is None:
        raise NotApplicable
    former = [average(mine, yours) for mine in session.client.offers for yours in session.provider.offers]
    amounts = {
        "average": middle,
        "rounded": middle.quantize(ROUNDS_TO),
        "off": add(middle, SMALLEST),
        "client": one,
        "provider": other,
        "former": nth([each for each in former if each != middle] or [middle], 0),
        "all": _mean((*session.client.offers, *session.provider.offers)),
    }
    return _writable(amounts[what])


def _wrong_amounts(session: Session) -> list[str]:
    """Return what may be accepted by mistake as things stand."""
    wrong = []
    for what in WRONG:
        try:
            amount = _accepted(session, what)
        except NotApplicable:
            continue
        if amount != session.middle:
            wrong.append(what)
    return wrong


def _mean(offers: tuple[Decimal, ...]) -> Decimal:
    total = Decimal(0)
    for offer in offers:
        total = add(total, offer)
    return (total / len(offers)).quantize(SMALLEST)


def _writable(amount: Decimal) -> Decimal:
    """Return an amount that has no more fraction digits than an amount may have."""
    rounded = amount.quantize(SMALLEST)
    if rounded <= 0:
        raise NotApplicable
    return subtract(rounded, Decimal(0))


OFFERED = ("whole", "odd", "fraction", "high", "integer", "same", "bound")
MOVES: Moves = {
    "offer": mostly(
        1,
        arguments(who=WHO, at=AT, amount=st.sampled_from(OFFERED), back=BACK, on=ON),
        {"amount": st.sampled_from(("above", "far-above"))},
        {"sign": st.sampled_from(FORGED)},
        {"stale": True},
    ),
    "accept": mostly(
        1,
        arguments(who=WHO, at=AT, amount="average", on=ON),
        {"amount": OPEN, "pick": PICK},
        {"amount": OPEN, "pick": PICK},
        {"sign": st.sampled_from(FORGED)},
    ),
    "reject": arguments(who=WHO, at=AT, on=ON),
    "accept_at_once": arguments(second=st.sampled_from(("accept", "reject", "offer")), on=ON),
    "resend": arguments(who=WHO, at=AT, back=BACK, on=ON),
}
WEIGHTS = {"offer": 4, "accept": 3, "resend": 2}
