"""A conversation for the cases about the Phoenix layer: a joined topic, and pushes on it that can be told apart.

The Phoenix layer needs some topic that can be joined and some event that does no harm. Both are taken from the documents, so
that another API can be described. Whether such a push reached its channel shows in its reply or in its relay.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from conformance.client.equality import holds, same
from conformance.client.monitor import UNMATCHED
from conformance.faults import CannotProvision, CannotTell
from conformance.fixtures.stage import Stage
from conformance.verbs.expectations import joined
from specs import message as phx

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from conformance.client.peer import Peer
    from conformance.fixtures.lab import Lab
    from specs.message import Message
    from specs.model import Event, Schema, Topic

_RESTRICTIONS = {"enum", "const", "pattern", "format", "maxLength"}
_OWN: Any = object()
"""Stands for the join_ref that the session itself would send."""


@dataclass(frozen=True, slots=True)
class Said:
    """One innocuous push, its payload, and where the listeners' inboxes stood when it was made."""

    peer: Peer
    message: Message
    payload: dict[str, Any]
    marks: Mapping[str, int]


class Conversation:
    """A joined topic with an event that may be pushed on it again and again."""

    def __init__(self, lab: Lab, stage: Stage, event: Event, vsn: str | None = None) -> None:
        self.lab = lab
        self.vsn = vsn or lab.bench.vsn
        """Serializer of the connections that are not asked to have another."""
        self.stage = stage
        self.event = event
        self.by = stage.sender_of(event)
        self.topic = stage.topic
        self.family = stage.family
        plain = lab.bench.plain.get(stage.family.name)
        self._answer = "ok" if plain is None else plain.answer

    @property
    def peer(self) -> Peer:
        """The connection of whoever may push the event."""
        return self.stage.peers[self.by]

    @property
    def listeners(self) -> dict[str, Peer]:
        """The connections of the other members of the cast."""
        return {name: self.stage.peers[name] for name in self.family.fixture.cast if name != self.by}

    def connect(self, name: str, connection: str, *, vsn: str | None = None) -> Peer:
        """Open a further connection of a member of the cast, which joins nothing."""
        return self.lab.connect(
            self.stage.agents[name], socket=self.family.socket, vsn=vsn or self.vsn, name=connection
        )

    def reconnect(self, *, vsn: str | None = None) -> Peer:
        """Let a fresh connection that has joined nothing take the place of the sender's."""
        self.peer.wire.close()
        self.stage.peers[self.by] = self.connect(self.by, f"{self.by} again", vsn=vsn)
        return self.peer

    def sibling(self) -> Conversation:
        """Make another topic of the same family; the same connections have joined it as well.

        Raises:
            CannotProvision: If the family has no resource of which there can be several.

        """
        stage = Stage(self.lab, self.family, self.stage.agents, self.another_topic())
        for name in self.family.fixture.cast:
            joined(self.stage.peers[name], stage.topic, self.family.join.rules["join"], name)
        stage.peers = dict(self.stage.peers)
        return Conversation(self.lab, stage, self.event, self.vsn)

    def another_topic(self) -> str:
        """Make another resource for the same cast and return its topic, which nobody has joined."""
        fixture = self.family.fixture
        if fixture.create != "resource":
            raise CannotProvision(f"there is but one topic of {self.family.name} for an agent")
        roles = {
            role: self.stage.agents[name].agent_id
            for name, role in fixture.cast.items()
            if self.family.roles[role].origin == "resource"
        }
        return self.lab.bench.provisioner.create_resource(self.family.name, roles, fixture.values)

    @property
    def label(self) -> str | None:
        """The member of the payload that holds a text of each push's own, by which its relay is recognised."""
        properties: Mapping[str, Schema] = self.event.payload.get("properties") or {}
        for name, schema in properties.items():
            if schema.get("type") == "string" and not schema.keys() & _RESTRICTIONS:
                return name
        return None

    @property
    def is_labelled(self) -> bool:
        """Whether each push carries a text of its own."""
        return self.label is not None

    def payload(self, ending: str = "") -> dict[str, Any]:
        """Return a valid payload that no other push has had, where the event has room for a label.

        Args:
            ending: Text at the end of the label.

        """
        made = self.stage.with_nonce(self.event, self.stage.sample(self.event))
        if self.label is not None:
            made[self.label] = f"{self.lab.unique('said')}{ending}"
        return self.stage.sign(self.event, self.by, made)

    def say(
        self, peer: Peer | None = None, *, join_ref: Any = _OWN, payload: Any = None, topic: str | None = None
    ) -> Said:
        """Push the event, with another join_ref, payload or topic than usual where one is given."""
        speaker, payload = peer or self.peer, self.payload() if payload is None else payload
        message = speaker.session.push(topic or self.topic, self.event.event, payload)
        if join_ref is not _OWN:
            message = replace(message, join_ref=join_ref)
        marks = {name: listener.mark() for name, listener in self.listeners.items()}
        return Said(speaker, speaker.send(message), payload, marks)

    def is_taken(self, said: Said) -> bool:
        """Tell whether a push reached its channel: its usual reply or, where none comes, the relay."""
        if self._answer == "none":
            # No answer is waited for; one that comes nevertheless comes before that to a later heartbeat, or not at all.
            said.peer.sync()
            return said.peer.answer(said.message, 0).kind == "silence" and self.is_heard(said)
        answer = said.peer.answer(said.message)
        if answer.message is not None and self.is_usual(answer.message):
            return True
        return answer.kind in {"silence", "status"} and self.is_heard(said)

    def is_usual(self, reply: Message) -> bool:
        """Tell whether a reply is what the channel answers to the event: ok, unless the endpoint file says otherwise."""
        if reply.event != phx.PHX_REPLY:
            return False
        status = reply.payload["status"]
        return status == "ok" or (status == self._answer and not same(reply.payload["response"], UNMATCHED))

    def is_heard(self, said: Said) -> bool:
        """Wait for the relay of a push at every listener; false also where the event has none."""
        return bool(self.event.relay and self.listeners) and all(
            listener.wait_event(
                self.topic,
                self.event.event,
                since=said.marks[name],
                matches=lambda got: holds(got, said.payload),
            )
            for name, listener in self.listeners.items()
        )

    def has_trace(self, said: Said) -> bool:
        """Tell whether a push has been relayed to anybody by now, without waiting."""
        return any(
            holds(heard.payload, said.payload)
            for name, listener in self.listeners.items()
            for heard in listener.seen(self.topic, self.event.event, said.marks[name])
        )

    def demand_taken(self, requirement: str, expected: str, peer: Peer | None = None) -> Said:
        """Push the event and demand that it reaches its channel; what was sent before has been handled then (O-3)."""
        said = self.say(peer)
        if not self.is_taken(said):
            answer = said.peer.answer(said.message, 0)
            self.lab.report(requirement, f"{expected}: a push is taken", str(answer))
        return said


def conversation(
    lab: Lab, *, vsn: str | None = None, wants: Callable[[Topic], bool] = lambda _family: True
) -> Conversation:
    """Build the stage of the first family that has an innocuous event, and see that a push of it is taken.

    Args:
        lab: Where to build.
        vsn: Serializer of the whole cast; that of the profile when None.
        wants: What else the family must be.

    Raises:
        CannotProvision: If no such family can be provisioned.
        CannotTell: If the control push is not taken.

    """
    reasons = []
    for family, event in _candidates(lab, wants):
        try:
            found = Conversation(lab, Stage.build(lab, family.name, vsn=vsn), event, vsn)
        except CannotProvision as exc:
            reasons.append(str(exc))
            continue
        if not found.is_taken(found.say()):
            raise CannotTell(f"the control is not taken: a valid {event.event} on {found.topic}")
        return found
    if reasons and not lab.bench.plain:
        raise CannotProvision(reasons[0])
    raise CannotProvision("no topic of the endpoint has an event that can be pushed again and again")


def _candidates(lab: Lab, wants: Callable[[Topic], bool]) -> list[tuple[Topic, Event]]:
    found = [
        (family, event)
        for family in tested_families(lab)
        if wants(family) and (event := _innocuous(family)) is not None
    ]
    return sorted(found, key=lambda pair: (pair[0].presence, pair[1].relay is None))


def tested_families(lab: Lab) -> list[Topic]:
    """Return the families of the endpoint that agents use: its plain ones, then those of the documents in their order."""
    documented = [
        family for family in lab.served.topics.values() if lab.api.sockets[family.socket].identity == "agent"
    ]
    return [*(plain.family for plain in lab.bench.plain.values()), *documented]


def _innocuous(family: Topic) -> Event | None:
    sent = set(family.fixture.cast.values())
    events = [
        event
        for event in family.inbound()
        if event.is_repeatable
        and not event.setup
        and family.initial_state in event.states
        and sent.intersection(event.roles)
    ]
    return next((event for event in events if event.relay), events[0] if events else None)


def is_restricted(family: Topic) -> bool:
    """Tell whether some agents may not join a family."""
    return not any(family.roles[role].origin == "any" for role in family.join.roles)


def may_be_joined_anew(lab: Lab, family: Topic) -> bool:
    """Tell whether what a join brings does not depend on a resource and its state."""
    return family.fixture.create != "resource" or family.name in lab.bench.plain


def refused_topic(lab: Lab) -> tuple[Conversation, str]:
    """Lead a conversation on a family with a topic that outsiders may not join; return that topic as well.

    Raises:
        CannotProvision: If nobody is refused anywhere.

    """
    refused = {name: plain.refused for name, plain in lab.bench.plain.items() if plain.refused is not None}
    talk = conversation(lab, wants=lambda family: is_restricted(family) or family.name in refused)
    return talk, refused.get(talk.family.name, talk.topic)


def pushing_stages(lab: Lab) -> Iterator[tuple[Stage, str]]:
    """Build a stage, not joined, of every family that pushes an event on join; with the name of that event.

    Raises:
        CannotProvision: If there is none.

    """
    count = 0
    for family in tested_families(lab):
        pushed = next((event.event for event in family.events.values() if event.pushed_on_join), None)
        if pushed is not None and may_be_joined_anew(lab, family):
            count += 1
            yield Stage.build(lab, family.name, joined=False), pushed
    if not count:
        raise CannotProvision("no family of the documents pushes an event on join")
