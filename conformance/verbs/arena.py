"""Where races are run: a cast of which everybody watches on one connection and sends on others, topic after topic.

Who watches never races, so that what it hears is what anybody on the topic must hear.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from conformance.client.raw_frames import TEXT, raw_frame
from conformance.faults import CannotTell
from conformance.fixtures.stage import Stage
from conformance.verbs.acting import done
from conformance.verbs.orders import Move

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from conformance.client.peer import Answer, Peer
    from conformance.fixtures.lab import Lab
    from specs.message import Message

ORDINALS = ("first", "second", "third", "fourth", "fifth", "sixth")


def at_once(messages: Sequence[tuple[Peer, Message]], gaps_s: Sequence[float] | None = None) -> None:
    """Put messages on the wire, each on its connection, one right behind the other.

    All frames are complete before the first is sent, so that no more lies between two than a call of the system. A single
    thread does it: two that wait for each other are further apart, for they must be woken.

    Args:
        messages: What to send, in this order.
        gaps_s: How long to wait before each; not at all when None.

    """
    ready = [(peer.wire, raw_frame(TEXT, peer.prepare(message).data)) for peer, message in messages]
    for (wire, data), gap_s in zip(ready, gaps_s or [0.0] * len(ready), strict=True):
        wire.put(data, gap_s)


class Arena:
    """The connections of a race; they stay while its topics change.

    Args:
        lab: The attempt.
        family: The topic family.
        racers: On how many connections each member of the cast races.

    Raises:
        CannotProvision: If the documents have no such family, or the endpoint has not.

    """

    def __init__(self, lab: Lab, family: str, racers: Mapping[str, int]) -> None:
        topic = lab.family(family)
        self.lab = lab
        self.family = topic
        cast = topic.fixture.cast
        self.agents = {name: lab.agent(name, topic.fixture.agents.get(name)) for name in cast}
        self.watchers = {name: self._connect(name, f"{name} watching") for name in cast}
        self._racers = {
            name: [self._connect(name, f"{name} on its {ORDINALS[index]}") for index in range(count)]
            for name, count in racers.items()
        }
        self.stage = Stage(lab, topic, self.agents, "")
        self.before: list[Move] = []
        """What was done on the topic before its race."""

    def _connect(self, name: str, connection: str) -> Peer:
        return self.lab.connect(self.agents[name], socket=self.family.socket, name=connection)

    @property
    def racers(self) -> dict[str, Peer]:
        """The connections that race, by name."""
        return {peer.name: peer for peers in self._racers.values() for peer in peers}

    @property
    def topic(self) -> str:
        """The topic of this round."""
        return self.stage.topic

    def fresh(self, values: Mapping[str, Any] | None = None) -> Stage:
        """Go to a fresh topic and let those who watch join it.

        Raises:
            CannotTell: If one cannot.

        """
        fixture = self.family.fixture
        roles = {role: self.agents[name].agent_id for name, role in fixture.cast.items()}
        params = fixture.values if values is None else values
        return self.enter(self.lab.bench.provisioner.create_resource(self.family.name, roles, params))

    def enter(self, topic: str) -> Stage:
        """Let those who watch join a topic.

        Raises:
            CannotTell: If one cannot.

        """
        self.stage = Stage(self.lab, self.family, self.agents, topic)
        self.before = []
        self.stage.peers = dict(self.watchers)
        self._join(self.watchers.values())
        return self.stage

    def ready(self) -> None:
        """Let those who race join the topic, when all that comes before the race has happened.

        Raises:
            CannotTell: If one cannot.

        """
        self._join(self.racers.values())

    def _join(self, peers: Iterable[Peer]) -> None:
        for peer in peers:
            answer = peer.join(self.topic)
            if answer.kind != "ok":
                raise CannotTell(f"{peer.name} cannot join {self.topic}: {answer}")

    def done(self, by: str, event: str, **members: Any) -> Mapping[str, Any]:
        """Have an event accepted before the race, sent on the connection that watches, and return its payload.

        Raises:
            CannotTell: If it is not.

        """
        payload: Mapping[str, Any] = done(self.stage, by, event, **members).payload
        self.before.append(Move(f"{event} by {by} before", by, self.watchers[by].name, event, payload))
        return payload

    def move(self, by: str, index: int, event: str, **members: Any) -> Move:
        """Return a push to be sent on one of a member's racing connections, with nonce and signatures where it needs them."""
        known = self.stage.event(event)
        payload = self.stage.sign(known, by, self.stage.with_nonce(known, dict(members)))
        racer = self._racers[by][index].name
        return Move(f"{event} by {racer}", by, racer, event, payload)

    def send_at_once(self, moves: Sequence[Move], gaps_s: Sequence[float]) -> dict[str, Message]:
        """Put moves on the wire one right behind the other; all frames are complete before the first is sent.

        Args:
            moves: What to send, in this order.
            gaps_s: How long to wait before each.

        Returns:
            What was sent, by the names of the moves.

        """
        racers = self.racers
        sent = {
            move.name: racers[move.racer].session.push(self.topic, move.event, dict(move.payload))
            for move in moves
        }
        at_once([(racers[move.racer], sent[move.name]) for move in moves], gaps_s)
        return sent

    def looks(self) -> list[Answer]:
        """Let all that is on its way arrive, those that race first, and return what those that watch are then shown on a join.

        Raises:
            CannotTell: If a join is not answered.

        """
        for peer in self.racers.values():
            peer.barrier(self.topic)
        answers = []
        for peer in self.watchers.values():
            answer = peer.join(self.topic, peer.topics.get(self.topic))
            if answer.kind in {"silence", "disconnected"}:
                raise CannotTell(
                    f"{peer.name}: nothing can be observed on {self.topic}: {answer} to a new join"
                )
            answers.append(answer)
        return answers
