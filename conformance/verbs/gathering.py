"""A gathering on the topic that tracks presence: agents come and go, and each connection tells who is there.

Diffs come from a process of their own, so no barrier shows that one will not come: what must arrive is waited for. A topic
may be in use by others; only what concerns the case's own agents is judged. How keys are made is the application's choice.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from conformance.faults import CannotProvision, CannotTell, Violation
from conformance.fixtures.stage import Stage
from conformance.verbs.conversation import tested_families
from conformance.verbs.expectations import joined
from specs import message as phx
from specs.presence import MalformedPresence, PresenceView

if TYPE_CHECKING:
    from collections.abc import Callable

    from conformance.client.peer import Peer
    from conformance.fixtures.lab import Lab
    from conformance.fixtures.provision import Agent
    from specs.message import Message

STATE = "presence_state"
DIFF = "presence_diff"
PATIENCE = 3
"""How many times the usual wait a diff may take: it may come from another node of a cluster."""

UNDER_ID = "meta under the id of its agent"
"""As an effect that may keep staying out: a key may be something else."""

Meta = tuple[str, str]
"""Key and phx_ref."""
Refs = frozenset[Meta]


def refs_in(entries: Any) -> Refs:
    """Return the metas of entries in the shape of a presence_state."""
    return frozenset(
        (key, str(meta.get("phx_ref"))) for key, entry in entries.items() for meta in entry["metas"]
    )


@dataclass(slots=True)
class Watcher:
    """One connection on the topic, and who is present as its messages tell it."""

    lab: Lab
    topic: str
    agent: Agent
    peer: Peer
    view: PresenceView = field(default_factory=PresenceView)
    read: int = 0
    told: Refs = frozenset()
    """Every meta that has been in a snapshot or has joined, also those that have gone since."""

    @property
    def present(self) -> Refs:
        """Who is present now, as folded from what has arrived."""
        while self.read < len(self.peer.inbox):
            self._fold(self.peer.inbox[self.read])
            self.read += 1
        return refs_in(self.view.entries)

    def _fold(self, message: Message) -> None:
        if message.topic != self.topic:
            return
        try:
            if message.event == phx.PHX_REPLY and message.ref in self.peer.monitor.join_refs[self.topic]:
                # A join of this session: its ref is its join_ref.
                self.view.joined(message.ref)
            elif message.event == STATE:
                self.view.state(message.payload, self.peer.session.join_ref(self.topic))
                self.told |= refs_in(message.payload)
            elif message.event == DIFF:
                self.view.diff(message.payload)
                self.told |= refs_in(message.payload["joins"])
        except MalformedPresence as exc:
            rule = "presence/state-shape" if message.event == STATE else "presence/diff-shape"
            raise Violation(rule, f"{message.event} of metas by key", f"{exc}: {message}") from exc

    def states(self) -> list[Any]:
        """Return the presence_state payloads that have arrived."""
        return [message.payload for message in self.peer.seen(self.topic, STATE)]

    def diffs(self, since: int = 0) -> list[Any]:
        """Return the presence_diff payloads that have arrived."""
        return [message.payload for message in self.peer.seen(self.topic, DIFF, since)]

    def sees(self, is_so: Callable[[Refs], bool], wait_s: float | None = None) -> bool:
        """Wait until who is present is as told; false when it is not in time.

        Without `wait_s` each further diff is waited for as long as a diff may take.
        """
        until_s = None if wait_s is None else time.monotonic() + wait_s
        while not is_so(self.present):
            left_s = None if until_s is None else max(0.0, until_s - time.monotonic())
            told = self.peer.wait_event(
                self.topic, DIFF, since=self.peer.mark(), wait_s=left_s, patience=PATIENCE
            )
            if told is None:
                return is_so(self.present)
        return True

    def shown(self) -> str:
        """Return who is present in words, for a report."""
        listed = ", ".join(sorted(f"{key} {ref}" for key, ref in self.present))
        return f"{self.peer.name} sees {listed or 'nobody'}"


class Gathering:
    """The topic with presence; agents come and go."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        family = next((family for family in tested_families(lab) if family.presence), None)
        if family is None:
            raise CannotProvision("no family of the documents tracks presence")
        self.family = family
        self.stage = Stage.build(lab, family.name, joined=False)
        self.topic = self.stage.topic
        self.known: Refs = frozenset()
        """Every meta that has been seen by anybody."""

    @property
    def names(self) -> list[str]:
        """The members of the cast."""
        return list(self.stage.agents)

    def come(self, name: str, connection: str | None = None) -> Watcher:
        """Connect, join, and wait for the snapshot.

        Raises:
            Violation: If no presence_state comes.

        """
        agent = self.stage.agents[name]
        peer = self.lab.connect(agent, socket=self.family.socket, name=connection or name)
        joined(peer, self.topic, self.family.join.rules["join"], name)
        watcher = Watcher(self.lab, self.topic, agent, peer)
        self._await_state(watcher, 0)
        return watcher

    def _await_state(self, watcher: Watcher, since: int) -> None:
        found = watcher.peer.wait_event(self.topic, STATE, since=since, patience=PATIENCE)
        self.lab.demand(
            found, "presence/state-after-join", "presence_state after a join", "no presence_state came"
        )

    def come_again(self, watcher: Watcher) -> None:
        """Join once more on the same connection."""
        since = watcher.peer.mark()
        joined(watcher.peer, self.topic, self.family.join.rules["join"], watcher.peer.name)
        self._await_state(watcher, since)

    def own_meta(self, watcher: Watcher) -> Meta:
        """Return key and phx_ref of a newcomer's own meta; from then on it is known.

        It is the one under the agent's id. Where none comes, as an application may make keys in another way, it is what was
        not known before.

        Raises:
            Violation: If the newcomer sees no meta that was not known before.
            CannotTell: If it sees several, none of them under the agent's id.

        """
        own = self._under_id(watcher) if self._comes_under_id(watcher) else self._fresh(watcher)
        self.lab.demand(own, "presence/self-appears", "a newcomer finds a meta of its own", watcher.shown())
        if len(own) > 1:
            raise CannotTell(f"several metas are new at once: {watcher.shown()}")
        self.known |= watcher.present
        return next(iter(own))

    def _comes_under_id(self, watcher: Watcher) -> bool:
        """Wait for a newcomer's meta under its agent's id, which may come behind a snapshot of strangers."""
        if watcher.agent.is_anonymous:
            return False
        doubts, usual_s = self.lab.bench.doubts, PATIENCE * self.lab.reply_s
        wait_s = doubts.patience_s(self.family.name, UNDER_ID, usual_s)
        has_come = watcher.sees(lambda _present: bool(self._under_id(watcher)), wait_s)
        is_hasty = wait_s < usual_s
        doubts.note_effect(self.family.name, UNDER_ID, has_come=has_come, is_hasty=is_hasty)
        return has_come

    def _under_id(self, watcher: Watcher) -> Refs:
        return frozenset(one for one in watcher.present - self.known if one[0] == watcher.agent.agent_id)

    def _fresh(self, watcher: Watcher) -> Refs:
        watcher.sees(lambda present: bool(present - self.known))
        return watcher.present - self.known

    def watch(self) -> tuple[Watcher, Meta]:
        """Let the first of the cast come; return it and its own meta."""
        watcher = self.come(self.names[0])
        return watcher, self.own_meta(watcher)

    def newcomer(self, observer: Watcher, connection: str | None = None) -> tuple[Watcher, Meta]:
        """Let the second of the cast come while the first watches; return it and its own meta."""
        observer.peer.sync()
        self.known |= observer.present | observer.told
        watcher = self.come(self.names[-1], connection)
        return watcher, self.own_meta(watcher)

    def update(self, watcher: Watcher) -> None:
        """Let an agent send every event that may change what its presence shows; the documents do not say which do.

        Raises:
            CannotProvision: If there is none.
            CannotTell: If none is accepted.

        """
        name = next(name for name, agent in self.stage.agents.items() if agent is watcher.agent)
        events = [
            event
            for event in self.family.inbound()
            if event.is_repeatable and not event.setup and self.stage.role_of(name) in event.roles
        ]
        if not events:
            raise CannotProvision(f"no event of {self.topic} is known that might change what presence shows")
        answers = [
            watcher.peer.request(self.topic, event.event, self.stage.valid(event, name, "full"))
            for event in events
        ]
        if not any(answer.kind in {"ok", "silence"} for answer in answers):
            raise CannotTell(f"{name} can send no event: {', '.join(map(str, answers))}")
