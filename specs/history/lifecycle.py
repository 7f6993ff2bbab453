"""The states of a resource as the documents give them, and which of them an observation leaves possible."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from specs.history.holders import Call

if TYPE_CHECKING:
    from specs.history.facts import Fact
    from specs.history.findings import Findings
    from specs.model import Event, Topic


class States:
    """What is reachable from where in a family of topics."""

    def __init__(self, family: Topic) -> None:
        self.family = family
        events = family.inbound()
        step = {
            name: {e.next_state for e in events if e.next_state is not None and name in e.states}
            for name in family.states
        }
        self.reach = {name: _closure(name, step) for name in family.states}
        self.takes = {
            name: frozenset(e.event for e in events if reachable.intersection(e.states))
            for name, reachable in self.reach.items()
        }
        """Events that are acceptable in a state or in any after it."""

    @cached_property
    def causes(self) -> dict[str, str]:
        """The state that a broadcast tells of, by its event."""
        return {
            told: event.next_state
            for event in self.family.inbound()
            if event.next_state is not None
            for told in event.broadcasts
        }

    @cached_property
    def status_member(self) -> str | None:
        """The member of a join's reply in which the status stands, if the documents have one."""
        definitions = self.family.join.reply.get("$defs", {})
        for name, schema in (self.family.join.reply.get("properties") or {}).items():
            referred = definitions.get(schema.get("$ref", "").rpartition("/")[2], schema)
            if "status" in referred.get("properties", {}):
                return str(name)
        return None

    def rule(self, state: str, event: Event) -> str | None:
        """Return the requirement that taking an event in a state breaks."""
        return self.family.states[state].rule or event.rules.get("state")


def _closure(start: str, step: dict[str, set[str]]) -> frozenset[str]:
    reached, ahead = {start}, [start]
    while ahead:
        new = step.get(ahead.pop(), set()) - reached
        reached |= new
        ahead += new
    return frozenset(reached)


@dataclass(slots=True, eq=False)
class Entry:
    """A state that the resource has surely entered."""

    state: str
    known_at: int
    fact: Fact | None
    call: Call | None
    """What entered it; None where several calls may have."""


class Lifecycle:
    """Which states one resource has surely entered, and by what."""

    __slots__ = ("_entries", "_findings", "_states", "_topic", "_tried", "is_fresh", "latest")

    def __init__(self, topic: str, states: States, findings: Findings) -> None:
        self._topic = topic
        self._states = states
        self._findings = findings
        self._entries: tuple[Entry, ...] = ()
        self.latest: Entry | None = None
        """The state furthest on that was surely entered, the last of the entries."""
        self._tried: dict[str, list[int]] = {}
        """By state: how many calls into it were invoked, and how many of them refused."""
        self.is_fresh = False

    @property
    def is_over(self) -> bool:
        """Whether a terminal state was surely entered."""
        return self.latest is not None and self._states.family.states[self.latest.state].terminal

    def invoked(self, next_state: str) -> None:
        """Note a call that may enter a state."""
        self._tried.setdefault(next_state, [0, 0])[0] += 1

    def refused(self, next_state: str) -> None:
        """Note that a call into a state was refused."""
        self._tried.setdefault(next_state, [0, 0])[1] += 1

    def may_have_entered(self, state: str) -> bool:
        """Tell whether any call into a state may have been accepted."""
        if any(entry.state == state for entry in self._entries) or not self.is_fresh:
            return True
        invoked, refused = self._tried.get(state, (0, 0))
        return invoked > refused

    def accepted(self, call: Call, event: Event, at: int, fact: Fact) -> None:
        """Judge a call that was surely accepted, and follow it."""
        for entry in self._entries:
            if entry.call is not call and not self._agree(call, event, entry):
                self._accuse(call, event, entry, fact)
                return
        if event.next_state is not None:
            self._enter(event.next_state, at, fact, call)

    def learned(self, state: str, at: int, fact: Fact) -> None:
        """Note that a state was told by the endpoint, whoever caused it; it must agree with what was told before."""
        latest, reach = self.latest, self._states.reach
        if latest is not None and latest.state == state:
            return
        if state == self._states.family.initial_state or any(e.state == state for e in self._entries):
            return
        if latest is None or state in reach[latest.state]:
            self._append(Entry(state, at, fact, None))
        elif latest.state not in reach[state]:
            into = next(e for e in self._states.family.inbound() if e.next_state == state)
            expected = f"nothing but {latest.state} once the state is {latest.state}"
            rule = self._states.rule(latest.state, into)
            self._findings.accuse(rule, self._topic, expected, state, latest.fact, fact, about=state)

    def looked(self, status: Any, before: Entry | None, at: int, fact: Fact, asked: Fact) -> None:
        """Judge a status that was told on a join, `before` being the latest state known when it was asked for."""
        family = self._states.family
        if not isinstance(status, str) or status not in family.states:
            return
        if before is not None and status not in self._states.reach[before.state]:
            event = before.call.event if before.call is not None else None
            rule = event.rules.get("next_state") if event else family.join.rules.get("reply")
            self._findings.accuse(
                rule, self._topic, f"the state {before.state}", status, before.fact, asked, fact
            )
        elif status != family.initial_state and not self.may_have_entered(status):
            was_tried = self._tried.get(status, (0, 0))[0]
            rule = family.rules.get("refusal") if was_tried else family.join.rules.get("reply")
            expected = f"no {status} without an accepted event that leads there"
            self._findings.accuse(rule, self._topic, expected, status, asked, fact)
        else:
            self.learned(status, at, fact)

    def _agree(self, call: Call, event: Event, entry: Entry) -> bool:
        """Tell whether some order of an accepted call and an entry is legal."""
        if event.event in self._states.takes[entry.state]:
            return True
        if entry.known_at < call.at or (entry.call is not None and entry.call.precedes(call)):
            return False
        if event.next_state is None or (entry.call is None and entry.state == event.next_state):
            # It may have come before; or it is what entered the state.
            return True
        if entry.call is None or entry.call.event is None:
            return entry.state in self._states.reach[event.next_state]
        return entry.call.event.event in self._states.takes[event.next_state]

    def _enter(self, state: str, at: int, fact: Fact, call: Call) -> None:
        for entry in self._entries:
            if entry.state == state and entry.call is None:
                entry.call = call
                return
        latest = self.latest
        if latest is None or state in self._states.reach[latest.state]:
            self._append(Entry(state, at, fact, call))
        else:
            self._entries = (Entry(state, at, fact, call), *self._entries)

    def _append(self, entry: Entry) -> None:
        self._entries = (*self._entries, entry)
        self.latest = entry

    def _accuse(self, call: Call, event: Event, entry: Entry, fact: Fact) -> None:
        rule = self._states.rule(entry.state, event)
        expected = f"{event.event} is refused once the state is {entry.state}"
        by = entry.call.fact if entry.call is not None else None
        self._findings.accuse(
            rule, self._topic, expected, "it is accepted", by, entry.fact, call.fact, fact, about=call.at
        )
