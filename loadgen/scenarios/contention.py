"""Contention: agents do at once what a server must decide one after the other, on a fresh resource each time; the judge says whether it has.

No other scenario asks for such luck: a server that reads, decides and writes without a lock is right as long as everybody takes turns.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from loadgen.scenarios.scenario import Group, Scenario

if TYPE_CHECKING:
    from loadgen.client.channel import Channel

Push = tuple[str, str, dict[str, Any]]
"""Role, event and payload."""


@dataclass(frozen=True)
class Race:
    """What comes first, one after the other, what is done at once, and what is tried then, one after the other."""

    at_once: tuple[Push, ...]
    before: tuple[Push, ...] = ()
    after: tuple[Push, ...] = ()
    is_looked_at_again: bool = False
    """Whether somebody joins anew afterwards, and is told what was kept."""


@dataclass(frozen=True)
class Arena:
    """Races of one family.

    Attributes:
        roles: Roles of the family by those of the cast.
        barrier: A push that changes nothing and is told nobody, with which agents make sure that everything has arrived.

    """

    family: str
    roles: dict[str, str]
    barrier: tuple[str, dict[str, Any]]
    races: tuple[Race, ...]
    params: dict[str, Any] = field(default_factory=dict)


def _propose(role: str, nonce: int, amount: str = "12.5") -> Push:
    return role, "propose_transfer", {"amount": amount, "nonce": nonce}


def _acknowledge(role: str, nonce: int, amount: str = "12.5") -> Push:
    return role, "acknowledge_transfer", {"amount": amount, "nonce": nonce}


_PARTIES = {"a": "a", "a+": "a+", "b": "b", "b+": "b+"}
_SIDES = {"client": "a", "client+": "a+", "provider": "b", "provider+": "b+"}
_CLOSE: Push = ("b", "close", {"final_balance_a": "100", "final_balance_b": "50"})
_OFFERS: tuple[Push, ...] = (("client", "offer", {"amount": "100"}), ("provider", "offer", {"amount": "120"}))
_ACCEPT: Push = ("client", "accept", {"amount": "110"})
_COMPLETE: Push = ("provider", "complete", {"result": {"text": "done"}})
_CANCEL: Push = ("client", "cancel", {"reason": "late"})

ARENAS = {
    "payment": Arena(
        "payment",
        _PARTIES,
        ("reject_transfer", {"reason": "barrier", "nonce": 2**50}),
        (
            Race((_propose("a", 1), _propose("a+", 1, "20"))),
            Race((_acknowledge("b", 1), _acknowledge("b+", 1)), (_propose("a", 1),)),
            Race(
                (_acknowledge("b", 1), _acknowledge("b+", 2, "20")),
                (_propose("a", 1), _propose("a", 2, "20")),
            ),
            Race(
                (_acknowledge("b", 1), ("b+", "reject_transfer", {"reason": "no", "nonce": 1})),
                (_propose("a", 1),),
            ),
            Race(
                tuple(_acknowledge("b+" if nonce % 2 else "b", nonce, f"{nonce}") for nonce in range(1, 7)),
                tuple(_propose("a", nonce, f"{nonce}") for nonce in range(1, 7)),
            ),
            Race((_CLOSE, _propose("a", 1))),
            Race(
                (_CLOSE, ("a", "dispute", {"reason": "late", "evidence": {}})),
                is_looked_at_again=True,
            ),
        ),
        {"balance_a": "100", "balance_b": "50"},
    ),
    "negotiation": Arena(
        "negotiation",
        _SIDES,
        ("reject", {"reason": "barrier"}),
        (
            Race((_ACCEPT, ("provider", "reject", {"reason": "no"})), _OFFERS),
            Race((_ACCEPT, ("provider", "offer", {"amount": "130"})), _OFFERS),
            # Neither is the average of both latest offers, but of one of them and one that it has replaced.
            Race(
                (("client", "offer", {"amount": "90"}), ("provider", "offer", {"amount": "130"})),
                _OFFERS,
                (("client+", "accept", {"amount": "115"}), ("client+", "accept", {"amount": "105"})),
            ),
            Race((_ACCEPT, ("client+", *_ACCEPT[1:]), ("provider", *_ACCEPT[1:])), _OFFERS),
        ),
        {"base_price": "100"},
    ),
    "task": Arena(
        "task",
        _SIDES,
        ("output_complete", {"checksum": "0" * 64, "total_size": 2**40}),
        (
            Race((_COMPLETE, _CANCEL, ("provider+", "error", {"type": "internal", "details": {}}))),
            Race((_COMPLETE, ("provider+", *_COMPLETE[1:]))),
            Race(
                (
                    ("provider", "checkpoint", {"state": {"at": 1}, "seq": 1}),
                    ("provider+", "checkpoint", {"state": {"at": 0}, "seq": 0}),
                ),
                is_looked_at_again=True,
            ),
            Race(
                (
                    ("client", "input_stream", {"chunk": "a", "seq": 0}),
                    ("client+", "input_stream", {"chunk": "b", "seq": 0}),
                )
            ),
        ),
    ),
}


@dataclass
class Contention(Scenario):
    """One race an act.

    Attributes:
        on: What is raced on: payment, negotiation or task.

    """

    name: ClassVar[str] = "contention"
    cast: ClassVar[tuple[str, ...]] = ("a", "a+", "b", "b+")

    on: Literal["payment", "negotiation", "task"] = "payment"

    async def prepare(self, group: Group) -> None:
        """Give the agents the roles of the family."""
        group.memory = group.cast_as(ARENAS[self.on].roles)

    async def act(self, group: Group, start_us: int) -> None:
        """Race on a fresh resource."""
        arena: Arena = ARENAS[self.on]
        players: Group = group.memory
        race = group.random.choice(arena.races)
        topic = await players.new(arena.family, arena.params)
        channels = await players.join(topic, start_us)
        for channel in channels.values():
            if channel.receiver is not None:
                # Who loses a race is owed no relay; whether it was right is for the judge to say.
                tried = (*race.before, *race.at_once, *race.after)
                channel.receiver.excused = frozenset(event for _, event, _ in tried) | {arena.barrier[0]}
        for push in race.before:
            await self._send(players, channels, topic, push)
        # Signed before, so that nothing lies between the pushes.
        pushes = [
            (role, event, _signed(players, role, topic, event, payload))
            for role, event, payload in race.at_once
        ]
        group.random.shuffle(pushes)
        for call in [channels[role].probe(event, payload) for role, event, payload in pushes]:
            await call
        for push in race.after:
            await self._send(players, channels, topic, push)
        await players.settle(channels, *arena.barrier)
        if race.is_looked_at_again:
            agent = players.agents[next(reversed(arena.roles))]
            await agent.leave(topic)
            await agent.join(topic)
        await players.leave(topic)

    async def _send(self, players: Group, channels: dict[str, Channel], topic: str, push: Push) -> None:
        role, event, payload = push
        await channels[role].probe(event, _signed(players, role, topic, event, payload))


def _signed(players: Group, role: str, topic: str, event: str, payload: dict[str, Any]) -> dict[str, Any]:
    return players.signed(role.rstrip("+"), topic, event, dict(payload))
