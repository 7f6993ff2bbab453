"""Races on the messages of an agent: each is settled once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from conformance.case import Phase
from conformance.cases.messages import NEW_MESSAGE, post
from conformance.faults import CannotTell
from conformance.verbs.arena import Arena
from conformance.verbs.orders import Move, Step
from conformance.verbs.racing import Contest, Race
from conformance.written import case

if TYPE_CHECKING:
    from conformance.fixtures.lab import Lab
    from specs.message import Message

SOME_ORDER = "messages/concurrent-settling-ordered"
WHO = "recipient"


class _SettlingRules:
    """The rules of one message; the state is whether it is pending."""

    def steps(self, state: bool, _move: Move) -> Iterator[Step[bool]]:
        """Return all that settling the message may come to; ours first."""
        yield Step(state=False, is_accepted=state)
        if not state:
            # That a message which is settled cannot be settled again is our reading.
            yield Step(state=False, is_accepted=True, is_ours=False)

    def shows(self, _state: bool) -> Mapping[str, Any]:
        """Return nothing: what is pending is pushed, not told in the reply to a join."""
        return {}

    def heard(self, _message: Message) -> str | None:
        """Return nothing: nobody is told that a message is settled."""
        return None

    def relayed(self, _move: Move) -> str | None:
        """Return nothing: nothing is relayed."""
        return None

    def shown(self, _response: Any) -> Mapping[str, Any]:
        """Return nothing."""
        return {}


def _race(lab: Lab, *ways: str) -> None:
    arena = Arena(lab, "messages", {WHO: len(ways)})
    arena.enter(arena.family.topic_of(arena.agents[WHO].agent_id))

    def prepare() -> Contest[bool]:
        posted = post(lab, arena.agents[WHO])
        watcher = arena.watchers[WHO]
        got = watcher.wait_event(arena.topic, NEW_MESSAGE, matches=posted.is_in)
        if got is None:
            raise CannotTell(f"no {NEW_MESSAGE} has come")
        settling = {"message_id": got.payload.get("id")}
        reasons = {"acknowledge": {}, "reject": {"reason": "not for me"}}
        moves = [arena.move(WHO, index, way, **settling, **reasons[way]) for index, way in enumerate(ways)]
        return Contest(True, tuple(moves))

    Race(arena, _SettlingRules(), SOME_ORDER, prepare).run()


@case("messages/race/acknowledge-twice", SOME_ORDER, phase=Phase.RACE)
def acknowledge_twice(lab: Lab) -> None:
    """Of two acknowledgements of one message, sent at once on two connections, as many are taken as in turn."""
    _race(lab, "acknowledge", "acknowledge")


@case("messages/race/acknowledge-against-reject", SOME_ORDER, phase=Phase.RACE)
def acknowledge_against_reject(lab: Lab) -> None:
    """Of an acknowledgement and a rejection of one message, sent at once, as many are taken as in turn."""
    _race(lab, "acknowledge", "reject")
