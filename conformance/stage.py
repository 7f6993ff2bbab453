"""A topic ready to be exercised: its resource, its cast of participants, joined and able to send what the documents describe.

Payloads are symbolic until they are sent: samples of the documents may name counters, participants and members of earlier
payloads, and nonces and signatures are made for the moment. So a failing case can be repeated on fresh fixtures.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from conformance.faults import CannotProvision, CannotTell
from conformance.lab import Lab
from conformance.peer import Answer, Peer
from conformance.provision import Agent
from specs import samples
from specs.canonical import NotCanonical
from specs.message import Message
from specs.model import Event, Signature, Step, Topic
from specs.signing import MissingSignedMember, signed_bytes


@dataclass(frozen=True, slots=True)
class Sent:
    """One push, and where the inboxes stood when it was made."""

    by: str
    event: Event
    payload: Any
    message: Message
    marks: Mapping[str, int]


class Stage:
    """One instance of a topic family with its cast."""

    def __init__(self, lab: Lab, family: Topic, agents: Mapping[str, Agent], topic: str) -> None:
        self.lab = lab
        self.family = family
        self.agents = agents
        self.topic = topic
        self.peers: dict[str, Peer] = {}
        self._counters: dict[str, int] = {}
        self._last: dict[str, Mapping[str, Any]] = {}
        self._nonce = 0

    @classmethod
    def build(cls, lab: Lab, family: str, *, vsn: str = "2.0.0", joined: bool = True) -> Stage:
        """Make the agents and the resource of a family; connect and join the whole cast unless told otherwise."""
        topic = lab.api.topics[family]
        agents = _cast(lab, topic)
        stage = cls(lab, topic, agents, _resource(lab, topic, agents))
        if joined:
            for name in topic.fixture.cast:
                stage.enter(name, vsn=vsn)
        return stage

    def enter(self, name: str, *, vsn: str = "2.0.0", connection: str | None = None) -> Peer:
        """Connect a member of the cast and join the topic; the peer takes the place of an earlier one unless named."""
        peer = self.lab.connect(
            self.agents[name], socket=self.family.socket, vsn=vsn, name=connection or name
        )
        answer = peer.join(self.topic)
        if answer.kind != "ok":
            # The join cases judge this; here it is only what the case needs.
            raise CannotTell(f"{name} ({self.role_of(name)}) cannot join {self.topic}: {answer}")
        self.peers[connection or name] = peer
        return peer

    def role_of(self, name: str) -> str:
        """Return the role of a member of the cast."""
        return self.family.fixture.cast[name]

    def sender_of(self, event: Event) -> str:
        """Return the member of the cast who sends the valid twin of an event."""
        for role in event.roles:
            for name, played in self.family.fixture.cast.items():
                if played == role:
                    return name
        raise CannotProvision(f"nobody in the cast of {self.family.name} has a role that sends {event.event}")

    def others(self, name: str) -> dict[str, Peer]:
        """Return the connections of everyone but one."""
        return {other: peer for other, peer in self.peers.items() if other != name}

    def event(self, name: str) -> Event:
        """Return an event of the family."""
        return self.family.events[name]

    # Payloads

    def sample(self, event: Event, which: str = "minimal") -> dict[str, Any]:
        """Return a valid payload as things stand, without nonce and signatures where the sample leaves them out."""
        if which in event.samples:
            return dict(self.resolve(event.samples[which]))
        make = samples.minimal if which == "minimal" else samples.full
        made = make(event.payload)
        members = self._derived_members(event)
        return {name: value for name, value in made.items() if name not in members}

    def valid(self, event: Event, by: str, which: str = "minimal") -> dict[str, Any]:
        """Return a valid payload with nonce and signatures, ready to be sent by a member of the cast."""
        return self.sign(event, by, self.with_nonce(event, self.sample(event, which)))

    def with_nonce(self, event: Event, payload: dict[str, Any]) -> dict[str, Any]:
        """Fill in the next nonce where the event has one that increases and the payload has none."""
        if event.nonce and event.nonce.rule == "increasing" and event.nonce.member not in payload:
            self._nonce += 1
            return {**payload, event.nonce.member: self._nonce}
        return payload

    def give_back_nonce(self, event: Event) -> None:
        """Let the next push take the nonce of one that was refused, which an endpoint need not have spent."""
        if event.nonce and event.nonce.rule == "increasing":
            self._nonce -= 1

    def skip_nonces(self, count: int) -> None:
        """Let the next nonce be higher by `count`."""
        self._nonce += count

    def sign(self, event: Event, by: str, payload: dict[str, Any]) -> dict[str, Any]:
        """Put valid signatures over a payload; a member that cannot be signed over leaves them as they are."""
        signed = dict(payload)
        for rule in event.signatures:
            try:
                data = self.signed_bytes(event, rule, payload)
            except (MissingSignedMember, NotCanonical):
                signed.setdefault(rule.member, self.agents[by].participant.keys.sign(b""))
                continue
            signed[rule.member] = self.agents[self.signer_of(rule, by)].participant.keys.sign(data)
        return signed

    def signed_bytes(
        self,
        event: Event,
        rule: Signature,
        payload: Any,
        *,
        topic: str | None = None,
        name: str | None = None,
    ) -> bytes:
        """Return what a signature covers; `topic` and `name` (of the event) may be replaced to forge."""
        return signed_bytes(rule.over, topic=topic or self.topic, event=name or event.event, payload=payload)

    def signer_of(self, rule: Signature, by: str) -> str:
        """Return the member of the cast whose key signs."""
        if rule.signer == "sender":
            return by
        return next(name for name, role in self.family.fixture.cast.items() if role == rule.signer)

    def resolve(self, value: Any) -> Any:
        """Replace the symbols of a sample by what they stand for now."""
        if isinstance(value, Mapping):
            symbol = next(iter(value)) if len(value) == 1 else ""
            if symbol.startswith("$"):
                return self._symbol(symbol, value[symbol])
            return {name: self.resolve(member) for name, member in value.items()}
        return [self.resolve(item) for item in value] if isinstance(value, list) else copy.copy(value)

    def _symbol(self, symbol: str, of: Any) -> Any:
        match symbol:
            case "$count":
                count = self._counters.get(of, -1) + 1
                self._counters[of] = count
                return count
            case "$agent":
                return self.agents[of].agent_id
            case "$owner":
                return self.agents[of].owner
            case "$last":
                event, member = of
                if event not in self._last:
                    raise CannotTell(f"no {event} has been accepted before")
                return self._last[event][member]
        raise ValueError(f"unknown symbol {symbol} in a sample of {self.family.name}")

    def _derived_members(self, event: Event) -> set[str]:
        members = {rule.member for rule in event.signatures}
        return members | ({event.nonce.member} if event.nonce and event.nonce.rule == "increasing" else set())

    # Acting

    def push(self, by: str, event: Event, payload: Any) -> Sent:
        """Send an event as a member of the cast."""
        marks = {name: peer.mark() for name, peer in self.peers.items()}
        message = self.peers[by].push(self.topic, event.event, payload)
        if isinstance(payload, Mapping):
            self._last[event.event] = payload
        return Sent(by, event, payload, message, marks)

    def perform(self, steps: Iterable[Step]) -> None:
        """Carry out the steps that a fixture needs.

        Raises:
            CannotTell: If one is not accepted; the cases about that event judge it.

        """
        for step in steps:
            payload = dict(self.resolve(step.payload))
            if step.control is not None:
                self._last[step.control] = self.lab.bench.provisioner.request(step.control, payload)
            elif step.by is not None and step.event is not None:
                self._perform_push(step.by, self.event(step.event), payload)

    def _perform_push(self, by: str, event: Event, payload: dict[str, Any]) -> None:
        sent = self.push(by, event, self.sign(event, by, self.with_nonce(event, payload)))
        answer = self.peers[by].answer(sent.message)
        is_ended = answer.kind == "closed-channel" and event.next_state is not None
        if not is_ended and answer.kind in {"error", "crash", "disconnected", "closed-channel"}:
            raise CannotTell(f"a step before the case is not accepted: {event.event} by {by}: {answer}")
        # What the step causes must not be taken for what the case causes.
        for name, peer in self.others(by).items():
            for caused in (*event.broadcasts, *((event.event,) if event.relay else ())):
                peer.wait_event(self.topic, caused, since=sent.marks[name])

    def settle(self) -> None:
        """Wait until everything on its way to anybody has arrived; whoever lost its channel joins again."""
        for peer in self.peers.values():
            peer.barrier(self.topic)

    def ask(self, by: str, event: str, payload: Any) -> Answer:
        """Send an event with a payload as it stands and return the answer."""
        return self.peers[by].answer(self.push(by, self.event(event), payload).message)


def _cast(lab: Lab, topic: Topic) -> dict[str, Agent]:
    agents: dict[str, Agent] = {}
    for name in topic.fixture.cast:
        attributes = {
            key: agents[value["$owner"]].owner if isinstance(value, Mapping) and "$owner" in value else value
            for key, value in topic.fixture.agents.get(name, {}).items()
        }
        agents[name] = lab.agent(name, attributes)
    return agents


def _resource(lab: Lab, topic: Topic, agents: Mapping[str, Agent]) -> str:
    if topic.fixture.create == "resource":
        roles = {
            role: agents[name].agent_id
            for name, role in topic.fixture.cast.items()
            if topic.roles[role].origin == "resource"
        }
        return lab.bench.provisioner.create_resource(topic.name, roles, topic.fixture.values)
    if topic.fixture.variable is None:
        return topic.topic_of(None)
    kind, _, name = topic.fixture.variable.removeprefix("$").partition(".")
    return topic.topic_of(agents[name].agent_id if kind == "agent" else agents[name].owner)
