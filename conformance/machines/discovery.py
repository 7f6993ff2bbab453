"""Discovery: three agents that come and go, say what they can do, and look for each other."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any, ClassVar

from hypothesis import strategies as st

from conformance.client.equality import same
from conformance.fixtures.stage import Stage
from conformance.machines.drawing import AT, Moves, arguments
from conformance.machines.ground import Scene
from conformance.machines.play import Due, Play, Sent
from conformance.machines.witness import Witness
from conformance.models.discovery import Directory
from conformance.models.expectation import Push
from conformance.models.worlds import Outcome
from specs.history.pictures import Picture, Refs
from specs.message import PHX_REPLY
from specs.presence import MalformedPresence

if TYPE_CHECKING:
    from conformance.fixtures.lab import Lab
    from specs.message import Message

STATE, DIFF, UPDATED = "presence_state", "presence_diff", "agent_updated"
PATIENCE = 3
"""How many times the usual wait a diff may take: it may come from another node of a cluster."""


class Watcher:
    """Who is present, as one connection was told."""

    def __init__(self, witness: Witness, topic: str) -> None:
        self._picture: Picture | None = None
        self._witness = witness
        self._topic = topic
        self._read = 0

    def refs(self, agents: set[str]) -> Refs:
        """Return the phx_refs of some agents."""
        inbox = self._witness.peer.inbox
        while self._read < len(inbox):
            self._fold(inbox[self._read])
            self._read += 1
        refs = self._picture.refs() if self._picture is not None else {}
        return {agent: refs.get(agent, frozenset()) for agent in agents}

    def _fold(self, message: Message) -> None:
        if message.topic != self._topic:
            return
        if message.event == PHX_REPLY and message.ref in self._witness.join_refs[self._topic]:
            self._picture = Picture(is_first=self._picture is None)
            self._picture.is_answered = True
        # What cannot be read is for the monitor and the history to judge.
        with suppress(MalformedPresence):
            if self._picture is not None and message.event == STATE:
                self._picture.state(message.payload)
            elif self._picture is not None and message.event == DIFF:
                self._picture.diff(message.payload)


class DiscoveryPlay(Play[Directory]):
    """Three agents on the one topic, which others may be on as well."""

    FAMILY = "discovery"
    NAMES = ("alice", "bob", "carol")
    VALUES: ClassVar[tuple[Mapping[str, Any], ...]] = ({},)

    def __init__(self, lab: Lab) -> None:
        self._watchers: dict[str, Watcher] = {}
        self._open: Counter[str] = Counter()
        """Announcements that were not answered, or told to nobody, by agent: what tells of them may come behind a later one."""
        self._owed: Counter[str] = Counter()
        """Announcements that everyone had been told of but the connection that sent it, by that: it may be told later."""
        self._words = [lab.unique("capability") for _ in range(3)]
        super().__init__(lab)

    def model(self, scene: int) -> Directory:  # noqa: ARG002 - there is but one
        """Return how things stand in the beginning."""
        return Directory()

    def first_stage(self) -> Stage:
        """Make the agents."""
        agents = {name: self.lab.agent(name) for name in self.NAMES}
        return Stage(self.lab, self.family, agents, self.family.topic_of(None))

    def add_scene(self, stage: Stage, number: int) -> None:
        """Take the topic, which was there before."""
        self.scenes.append(self.new_scene(stage, number))

    def role(self, who: int) -> str:
        """Return the name of an agent: all have the same role."""
        return self.name(who)

    def join(self, witness: Witness, scene: Scene[Directory]) -> None:
        """Join, and let the snapshot arrive."""
        since = witness.peer.mark()
        super().join(witness, scene)
        self._watchers.setdefault(witness.connection, Watcher(witness, scene.topic))
        witness.peer.wait_event(scene.topic, STATE, since=since, patience=PATIENCE)
        witness.read()

    def do_announce(self, who: int, at: int, words: list[int]) -> None:
        """Announce capabilities."""
        scene = self.scene(0)
        capabilities = [self._words[index] for index in dict.fromkeys(words)]
        sent = self.send(scene, who, at, Push(self.name(who), "announce", {"capabilities": capabilities}))
        outcome = self.outcome(sent)
        self.judge((sent, outcome))
        if outcome is Outcome.ACCEPTED:
            self._judge_told(sent, capabilities)
        elif outcome is Outcome.UNKNOWN:
            self._open[sent.witness.agent_id] += 1

    def dues(self, sent: Sent) -> Iterator[Due]:
        """Yield who has to be told of an announcement; others announce as well."""
        for due in super().dues(sent):
            yield Due(due.witness, due.event, due.since, is_it=self._is_about(sent.witness.agent_id))

    @staticmethod
    def _is_about(agent_id: str) -> Any:
        def is_it(payload: Any) -> bool:
            agent = payload.get("agent") if isinstance(payload, dict) else None
            return not isinstance(agent, dict) or agent.get("id", agent_id) == agent_id

        return is_it

    def _judge_told(self, sent: Sent, capabilities: list[str]) -> None:
        """Demand that everyone else is told once, and what was announced."""
        for due in self.dues(sent):
            due.witness.sync()
            told = [each.payload for each in due.witness.peer.seen(sent.scene.topic, UPDATED, due.since)]
            mine = [payload for payload in told if due.is_it(payload)]
            where = due.witness.connection
            if not mine:
                expected = f"{UPDATED} on {where} after the announcement of {sent.push.by}"
                self.blame("discovery/announce-broadcast", expected, "it does not come")
            elif len(mine) > 1 + self._open[sent.witness.agent_id] + self._owed[where]:
                expected = f"one {UPDATED} on {where} for one announcement"
                self.blame("discovery/announce-broadcast-once", expected, f"{len(mine)} of them")
            elif not any(_has(payload, capabilities) for payload in mine):
                expected = f"{UPDATED} with the capabilities {capabilities}"
                self.blame("discovery/agent-updated-content", expected, f"{mine[-1]}")
            self._owed[where] -= min(self._owed[where], max(len(mine) - 1, 0))
        self._note_owed(sent)

    def _note_owed(self, sent: Sent) -> None:
        """Note what may still come of an accepted announcement, behind its reply (BC-3)."""
        own = sent.witness
        told = own.peer.seen(sent.scene.topic, UPDATED, sent.marks[own.connection])
        if any(self._is_about(own.agent_id)(each.payload) for each in told):
            return
        if any(True for _ in self.dues(sent)):
            self._owed[own.connection] += 1
        else:
            # Nobody else was there to show that it has been told: who comes may be told of it, too.
            self._open[own.agent_id] += 1

    def do_discover(self, who: int, at: int, word: int) -> None:
        """Look for the agents that have a capability."""
        scene, capability = self.scene(0), self._words[word]
        push = Push(self.name(who), "discover", {"capability": capability, "filters": {}})
        sent = self.send(scene, who, at, push)
        outcome = self.outcome(sent)
        self.judge((sent, outcome))
        answer = sent.witness.peer.answer(sent.message, 0)
        agents = answer.response.get("agents") if isinstance(answer.response, dict) else None
        if outcome is not Outcome.ACCEPTED or not isinstance(agents, list):
            return
        found = {agent.get("id") for agent in agents if isinstance(agent, dict)}
        names = {name for name, agent in self.agents.items() if agent.agent_id in found}
        if any(names == model.capable(capability) for model in scene.worlds.models):
            return
        capable = scene.worlds.likely.capable(capability)
        rule = (
            "discovery/announced-capabilities-found" if capable - names else "discovery/capability-filtered"
        )
        self.blame(
            rule, f"{sorted(capable) or 'nobody'} by what was announced", f"{sorted(names) or 'nobody'}"
        )

    def do_update(self, who: int, at: int) -> None:
        """Change what presence shows of a connection."""
        scene = self.scene(0)
        # An update of a presence that is on its way itself would not be told apart.
        self.settle()
        metadata = {"n": len(scene.pushed), "tags": ["\u00e9"]}
        push = Push(self.name(who), "update_metadata", {"metadata": metadata})
        sent = self.send(scene, who, at, push)
        outcome = self.outcome(sent)
        self.judge((sent, outcome))
        if outcome is Outcome.ACCEPTED:
            self._judge_update(sent, metadata)

    def _judge_update(self, sent: Sent, metadata: Any) -> None:
        agent_id, topic = sent.witness.agent_id, sent.scene.topic

        def is_it(payload: Any) -> bool:
            # Where metas hide the metadata, waiting for it would be in vain.
            metas = _joined_metas(payload, agent_id)
            return any(same(meta.get("metadata", metadata), metadata) for meta in metas)

        for witness in self.present():
            if witness is sent.witness or topic not in witness.joined or witness.agent_id == agent_id:
                continue
            since = sent.marks[witness.connection]
            told = witness.peer.wait_event(topic, DIFF, since=since, matches=is_it, patience=PATIENCE)
            witness.read()
            expected = f"a presence_diff on {witness.connection} with the metadata {metadata}"
            if told is None:
                diffs = [each.payload for each in witness.peer.seen(topic, DIFF, since)]
                self.blame("discovery/metadata-updates-presence", expected, f"{diffs or 'no diff of it'}")
            elif all("metadata" not in meta for meta in _joined_metas(told.payload, agent_id)):
                self.blame("discovery/metadata-in-presence", expected, f"{told.payload}")
            elif agent_id not in told.payload["leaves"]:
                expected = "one presence_diff that leaves the old meta and joins the new one"
                self.blame("presence/update-is-one-diff", expected, f"{told.payload}")

    # Diffs come from a process of their own: no answer shows that none is on its way.

    def settle(self) -> None:
        """Wait until all connections tell the same and the right thing, or for as long as that may take."""
        until_s = time.monotonic() + PATIENCE * self.lab.reply_s
        while (behind := self._behind()) is not None:
            if time.monotonic() >= until_s:
                super().settle()
                return
            behind.peer.wait_event(self.scenes[0].topic, DIFF, since=behind.peer.mark(), wait_s=0.05)
        # Nothing is read any more: a diff that is late would be known to one and not yet to another.
        self.note_settled()

    def _behind(self) -> Witness | None:
        """Return a connection whose picture is not what it has to be."""
        topic = self.scenes[0].topic
        here = [witness for witness in self.present() if topic in witness.joined]
        counts = Counter(witness.agent_id for witness in here)
        agents = {agent.agent_id for agent in self.agents.values()}
        first: Refs | None = None
        for witness in here:
            witness.sync()
            refs = self._watchers[witness.connection].refs(agents)
            first = refs if first is None else first
            if refs != first or any(len(refs[agent]) != counts[agent] for agent in agents):
                return witness
        return None


def _joined_metas(payload: Any, key: str) -> list[dict[str, Any]]:
    entry = payload.get("joins", {}).get(key, {}) if isinstance(payload, dict) else {}
    return [meta for meta in entry.get("metas", ()) if isinstance(meta, dict)]


def _has(payload: Any, capabilities: list[str]) -> bool:
    agent = payload.get("agent") if isinstance(payload, dict) else None
    shown = agent.get("capabilities") if isinstance(agent, dict) else None
    return isinstance(shown, list) and set(map(str, shown)) == set(capabilities)


WHO = st.integers(0, len(DiscoveryPlay.NAMES) - 1)
WORDS = st.lists(st.integers(0, 2), min_size=0, max_size=3)
MOVES: Moves = {
    "announce": arguments(who=WHO, at=AT, words=WORDS),
    "discover": arguments(who=WHO, at=AT, word=st.integers(0, 2)),
    "update": arguments(who=WHO, at=AT),
    "settle": arguments(),
}
CONNECTIONS: Moves = {
    "rejoin": arguments(who=WHO, at=AT),
    "leave": arguments(who=WHO, at=AT),
    "reconnect": arguments(who=WHO, at=AT),
    "drop": arguments(who=WHO, at=AT),
    "drop_all": arguments(),
    "leave_stale": arguments(who=WHO, at=AT),
}
WEIGHTS = {"settle": 2}
