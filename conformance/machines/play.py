"""One example: the participants of a family and their connections, carrying out moves while model and history watch."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from conformance.client.equality import holds
from conformance.faults import CannotTell
from conformance.machines.forging import GOOD, SIGNATURES
from conformance.machines.ground import Ground, M, Scene
from conformance.machines.moves import Move, NotApplicable, Program, nth
from conformance.machines.witness import Witness
from conformance.models.expectation import Kind, Push
from conformance.models.worlds import Outcome

if TYPE_CHECKING:
    from conformance.client.peer import Answer
    from specs.message import Message

UNMATCHED = "unmatched topic"
EARLY = 4
"""Pushes on a topic before one that ends it is drawn."""
LATE = 3
"""Pushes on a topic that has ended before others are preferred."""


@dataclass(frozen=True, slots=True)
class Sent:
    """A push on its way."""

    scene: Scene[Any]
    push: Push
    witness: Witness
    message: Message
    marks: Mapping[str, int]
    """Where the inboxes stood, by connection."""


def _is_any(_payload: Any) -> bool:
    return True


def having(members: Mapping[str, Any]) -> Callable[[Any], bool]:
    """Return what tells whether a payload has members, among others."""
    return lambda payload: holds(payload, dict(members))


@dataclass(frozen=True, slots=True)
class Due:
    """Something that a connection has to be told."""

    witness: Witness
    event: str
    since: int
    """Where its inbox stood before."""
    is_it: Callable[[Any], bool] = _is_any
    """Tells by a payload whether it is this that has arrived."""


class Play(Ground[M]):
    """One example of one family. Subclasses add the moves `do_...` that the family has."""

    ENDINGS: ClassVar[frozenset[str]] = frozenset()
    PLAIN: ClassVar[Mapping[tuple[str, str], Any]] = {}
    """The simplest value of arguments that are words, by move and argument."""

    # What a family says of itself.

    def is_quiet(self, _scene: Scene[M], _push: Push) -> bool:
        """Tell whether an accepted push need not be relayed or broadcast."""
        return False

    def prelude(self, move: Move) -> Program:
        """Return what makes sense before a move that makes none yet."""
        return [{**move, "do": "rejoin"}] if move["do"] == "leave_stale" else []

    def ends(self, move: Move) -> bool:
        """Tell whether little is left to do on a topic after a move."""
        return move["do"] in self.ENDINGS

    def concrete(self, move: Move) -> Move:
        """Return a move that was drawn with what its arguments leave open filled in as things stand."""
        return move

    # What a breach means.

    @classmethod
    def cause(cls, requirement: str) -> str:
        """Return the same for requirements that are likely to be broken by one fault, as the shortest program tells best."""
        return "signature" if requirement in SIGNATURES else requirement

    @classmethod
    def refined(cls, requirement: str, _program: Program) -> str:
        """Return the requirement that a program breaks, which cannot do without any of its moves."""
        return requirement

    @classmethod
    def simpler(cls, move: Move) -> Iterator[Program]:
        """Yield what may stand in the place of a move, the simplest first."""
        for name, value in move.items():
            # The first participant, the first connection, the first topic, the latest of several; no.
            plain = type(value)(0) if isinstance(value, int) else cls.PLAIN.get((move["do"], name), value)
            if plain != value and not (name == "sign" and value == GOOD):
                yield [{**move, name: plain}]

    # Drawing.

    def steered(self, move: Move) -> Move | None:
        """Return a move that is of more use than one that was drawn; None for none at all."""
        if "on" not in move:
            return self.concrete(move)
        for index in range(len(self.VALUES)):
            on = (move["on"] + index) % len(self.VALUES)
            scene = self.known(on)
            if scene is None or scene.late < LATE:
                break
        else:
            return None
        move = self.concrete({**move, "on": on})
        is_early = self.ends(move) and (scene is None or len(scene.pushed) < EARLY)
        return next(iter(self.prelude(move)), None) if is_early else move

    # Carrying out.

    def carry_out(self, move: Move) -> bool:
        """Carry out one move; tell whether it made sense.

        Raises:
            Violation: If what was observed breaks a binding requirement.
            CannotTell: If nothing more can be told of this example.

        """
        carry = getattr(self, f"do_{move['do']}", None)
        if carry is None:
            raise CannotTell(f"the program has a move that {self.FAMILY} does not know: {move['do']!r}")
        if self.is_over:
            return False
        try:
            carry(**{name: value for name, value in move.items() if name != "do"})
        except NotApplicable:
            return False
        return True

    def finish(self) -> None:
        """Let everything arrive and judge what is missing."""
        if not self.is_over:
            self.settle()

    # Moves of every family.

    def do_rejoin(self, who: int, at: int, on: int = 0) -> None:
        """Join again on the same connection."""
        scene = self.scene(on)
        self.join(self.witness(who, at, scene), scene)

    def do_leave(self, who: int, at: int, on: int = 0) -> None:
        """Leave a topic."""
        scene = self.scene(on)
        witness = self._joined(who, at, scene)
        witness.leave(scene.topic)

    def do_reconnect(self, who: int, at: int, on: int = 0) -> None:
        """Lose the connection and come back on another."""
        scene = self.scene(on)
        self._joined(who, at, scene).end()
        self.witness(who, at, scene)

    def do_drop(self, who: int, at: int) -> None:
        """Lose the connection."""
        witness = self.witnesses.get((self.name(who), at))
        if witness is None or not witness.is_open:
            raise NotApplicable
        witness.end()

    def do_drop_all(self) -> None:
        """Lose every connection; whoever does something comes back for it."""
        if not self.present():
            raise NotApplicable
        for witness in self.present():
            witness.end()

    def do_leave_stale(self, who: int, at: int, on: int = 0) -> None:
        """Send a leave with the join_ref of a former join, which leaves nothing."""
        scene = self.scene(on)
        witness = self._joined(who, at, scene)
        mark = witness.peer.mark()
        message = witness.leave_stale(scene.topic)
        if message is None:
            raise NotApplicable
        witness.sync()
        answer = witness.peer.answer(message, 0)
        closed = [each for each in witness.peer.inbox[mark:] if each.event == "phx_close"]
        if answer.kind in {"ok", "error"} or (closed and scene.topic not in witness.joined):
            expected = "a phx_leave with the join_ref of a former join is ignored"
            self.blame("stale/leave-ignored", expected, str(answer))

    def do_settle(self) -> None:
        """Let everything arrive."""
        self.settle()

    def do_resend(self, who: int, at: int, back: int, on: int = 0) -> None:
        """Send an earlier push of a participant again, byte for byte but for its refs."""
        scene = self.scene(on)
        mine = [push for push in scene.pushed if push.by == self.role(who)]
        self.push(scene, who, at, nth(mine[::-1], back))

    def _joined(self, who: int, at: int, scene: Scene[M]) -> Witness:
        witness = self.witnesses.get((self.name(who), at))
        if witness is None or scene.topic not in witness.joined:
            raise NotApplicable
        return witness

    # Pushes.

    def push(self, scene: Scene[M], who: int, at: int, push: Push, *, is_stale: bool = False) -> Outcome:
        """Send a push, take what becomes of it, and let its effects arrive."""
        sent = self.send(scene, who, at, push, is_stale=is_stale)
        outcome = self.outcome(sent, is_stale=is_stale)
        self.judge((sent, outcome))
        return outcome

    def send(self, scene: Scene[M], who: int, at: int, push: Push, *, is_stale: bool = False) -> Sent:
        """Send a push and wait for nothing."""
        witness = self.witness(who, at, scene)
        refs = witness.join_refs[scene.topic]
        if is_stale and len(refs) == 1:
            raise NotApplicable
        marks = {each.connection: each.peer.mark() for each in self.present()}
        join_ref = refs[-2] if is_stale else None
        message = witness.push(scene.topic, push.event, push.payload, join_ref)
        scene.pushed.append(push)
        scene.late += scene.worlds.likely.is_over
        return Sent(scene, push, witness, message, marks)

    def at_once(self, scene: Scene[M], *pushes: tuple[int, int, Push]) -> None:
        """Send pushes on different connections without waiting in between; any order may explain their outcomes."""
        for who, at, _ in pushes:
            self.witness(who, at, scene)
        on_their_way = [self.send(scene, who, at, push) for who, at, push in pushes]
        self.judge(*[(sent, self.outcome(sent)) for sent in on_their_way])

    def in_one_go(self, scene: Scene[M], who: int, at: int, pushes: Iterable[Push]) -> None:
        """Send pushes on one connection without waiting in between; they are taken in that order."""
        on_their_way = [self.send(scene, who, at, push) for push in pushes]
        for sent, outcome in [(sent, self.outcome(sent)) for sent in on_their_way]:
            self.judge((sent, outcome))

    def outcome(self, sent: Sent, *, is_stale: bool = False) -> Outcome:
        """Wait for what becomes of a push."""
        if is_stale:
            # It may be dropped in silence: what is answered behind it shows whether an answer came.
            self.join(sent.witness, sent.scene)
            return self._meaning(sent, sent.witness.peer.answer(sent.message, 0))
        return self._meaning(sent, sent.witness.answer(sent.message))

    def _meaning(self, sent: Sent, answer: Answer) -> Outcome:
        match answer.kind:
            case "ok":
                return Outcome.ACCEPTED
            case "error":
                response = answer.response
                if isinstance(response, Mapping) and response.get("reason") == UNMATCHED:
                    raise CannotTell(f"{sent.witness.connection} is not on {sent.scene.topic} any more")
                return Outcome.REFUSED
            case "crash" if sent.scene.worlds.expects(sent.push) == {Kind.ACCEPT}:
                return Outcome.REFUSED
            case "disconnected":
                raise CannotTell(f"{sent.witness.connection}: {answer}")
        return Outcome.UNKNOWN

    def judge(self, *observed: tuple[Sent, Outcome]) -> None:
        """Hold outcomes of pushes that were on their way at once against the model, and let their effects arrive."""
        scene = observed[0][0].scene
        dues = [(sent, list(self.dues(sent))) for sent, outcome in observed if outcome is Outcome.ACCEPTED]
        contradiction = scene.worlds.observe(*((sent.push, outcome) for sent, outcome in observed))
        for sent, due in dues:
            for each in due:
                self.let_arrive(sent.scene.topic, each)
        if contradiction is not None:
            shown = contradiction.outcome.value
            self.blame(contradiction.requirement, contradiction.expected, f"it is {shown}")
            scene.worlds.insist(*((sent.push, outcome) for sent, outcome in observed))
        self.is_over |= scene.worlds.is_lost

    def dues(self, sent: Sent) -> Iterator[Due]:
        """Yield who has to be told of a push that is accepted."""
        event = self.family.events[sent.push.event]
        if self.is_quiet(sent.scene, sent.push):
            return
        for witness in self.present():
            if sent.scene.topic not in witness.joined or witness.connection not in sent.marks:
                continue
            since = sent.marks[witness.connection]
            if event.relay is not None and witness.agent_id != sent.witness.agent_id:
                yield Due(witness, event.event, since, having(sent.push.payload))
            for told in event.broadcasts:
                if witness is not sent.witness or not event.sender_may_miss_broadcast:
                    yield Due(witness, told, since)

    def let_arrive(self, topic: str, due: Due) -> None:
        """Wait for something that somebody has to be told; whether it is missing is judged later."""
        due.witness.peer.wait_event(topic, due.event, since=due.since, matches=due.is_it)
        due.witness.read()
