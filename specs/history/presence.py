"""Presence: whoever is on the topic stands in everybody's picture of it, and nobody else of this history (`phoenix-wire.md` PR-1 to PR-8)."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from specs.history.pictures import Picture, Refs
from specs.history.subject import Outline, Subject
from specs.presence import MalformedPresence

if TYPE_CHECKING:
    from collections.abc import Collection

    from specs.history.deliveries import Key
    from specs.history.facts import Received, Settled
    from specs.history.findings import Findings
    from specs.history.holders import Member


@dataclass(slots=True)
class Told:
    """What one membership was told."""

    picture: Picture
    is_odd: bool = False
    """Whether something came that cannot be read; other checks judge that."""


class Presence(Subject):
    """A topic that tracks who is on it."""

    __slots__ = ("_departed", "_has_changed")

    def __init__(self, topic: str, outline: Outline, findings: Findings) -> None:
        super().__init__(topic, outline, findings)
        self._departed: dict[str, int] = {}
        """When the last membership of an agent ended, until it is settled."""
        self._has_changed = False

    def on_joining(self, member: Member, _former: Member | None) -> None:
        """Begin a picture."""
        member.memo = Told(Picture(is_first=member.is_first))
        self._departed.pop(member.agent, None)
        self._has_changed = True

    def on_joined(self, member: Member) -> None:
        """From now on diffs are of this membership."""
        member.memo.picture.is_answered = True

    def on_gone(self, member: Member, at: int) -> None:
        """Note who is gone for good."""
        self._departed[member.agent] = at
        self._has_changed = True

    def on_received(
        self, member: Member | None, fact: Received, event: str, payload: Any, _key: Key | None
    ) -> None:
        """Fold what is told into the picture."""
        if member is None or event not in {"presence_state", "presence_diff"}:
            return
        told: Told = member.memo
        self._has_changed = True
        try:
            if event == "presence_diff":
                told.picture.diff(payload)
                return
            told.picture.state(payload)
        except MalformedPresence:
            told.is_odd = True
            return
        if told.picture.snapshots > 1 and member.is_first:
            rule = "discovery/presence-state-on-join"
            self.findings.accuse(rule, self.topic, "one presence_state a join", "another one", fact)

    def on_settled(self, fact: Settled) -> None:
        """Hold all pictures against each other, and against who is here."""
        if not self._has_changed:
            return
        self._has_changed = False
        sure = Counter(m.agent for m in self.members.values() if m.steady_from is not None)
        possible = Counter(m.agent for m in self.members.values())
        pictures: list[tuple[Member, Refs]] = []
        for member in self.members.values():
            if member.steady_from is None or member.memo.is_odd:
                continue
            if not member.memo.picture.is_synced:
                rule = "discovery/presence-state-on-join"
                self.findings.accuse(rule, self.topic, "a presence_state after the join", "none", fact)
                continue
            pictures.append((member, member.memo.picture.refs()))
        agents = sure.keys() | possible.keys() | self._departed.keys()
        # Where no key is an agent's id, the keys mean something else, and only the pictures can be compared.
        if any(agents & refs.keys() for _, refs in pictures):
            for member, refs in pictures:
                self._judge_unique(member, refs, fact)
                for agent in sorted(agents):
                    found = len(refs.get(agent, ()))
                    self._judge_agent(agent, found, sure[agent], possible[agent], member, fact)
            # Others come and go while it is settled: of them the pictures need not tell the same.
            self._compare([(member, _of(refs, agents)) for member, refs in pictures], fact)
        self._departed = {agent: when for agent, when in self._departed.items() if possible[agent]}

    def _judge_agent(
        self, agent: str, found: int, least: int, most: int, member: Member, fact: Settled
    ) -> None:
        if found < least and not found:
            was_here = self._is_older(agent, member)
            rule = "discovery/presence-state-full" if was_here else "presence/joins-announced"
        elif found < least:
            rule = "presence/several-connections-several-metas"
        elif found > most == 0:
            was_gone = self._departed.get(agent, member.asked_at) < member.asked_at
            rule = "discovery/presence-state-no-absent" if was_gone else "presence/leaves-announced"
        elif found > most:
            rule = "presence/key-gone-with-last-meta"
        else:
            return
        expected = f"{least} metas of {agent}" if least == most else f"{least} to {most} metas of {agent}"
        observed = f"{found} in the picture of {member.connection}"
        self.findings.accuse(rule, self.topic, expected, observed, fact, about=(agent, member.connection))

    def _is_older(self, agent: str, member: Member) -> bool:
        """Tell whether an agent surely was here when a member asked to join."""
        return any(
            each.agent == agent and each.steady_from is not None and each.steady_from < member.asked_at
            for each in self.members.values()
        )

    def _judge_unique(self, member: Member, refs: Refs, fact: Settled) -> None:
        if len(frozenset().union(*refs.values())) < member.memo.picture.metas():
            rule, expected = "presence/phx-ref-unique", "no two metas of a topic with the same phx_ref"
            observed = f"some in the picture of {member.connection}"
            self.findings.accuse(rule, self.topic, expected, observed, fact)

    def _compare(self, pictures: list[tuple[Member, Refs]], fact: Settled) -> None:
        for member, refs in pictures[1:]:
            first, its_refs = pictures[0]
            if refs != its_refs:
                keys = sorted(
                    key for key in refs.keys() | its_refs.keys() if refs.get(key) != its_refs.get(key)
                )
                expected = f"{member.connection} and {first.connection} have the same picture"
                observed = f"they differ in {', '.join(keys)}"
                rule = "presence/state-equals-folded-diffs"
                self.findings.accuse(rule, self.topic, expected, observed, fact, about=member.connection)


def _of(refs: Refs, agents: Collection[str]) -> Refs:
    return {key: each for key, each in refs.items() if key in agents}
