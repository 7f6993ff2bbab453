"""One example: the participants of a family and their connections, carrying out moves while model and history watch."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar

from conformance.client.equality import holds
from conformance.faults import CannotTell
from conformance.fixtures.stage import Stage
from conformance.machines.forging import GOOD, SIGNATURES
from conformance.machines.moves import Move, NotApplicable, Program, nth
from conformance.machines.witness import Witness
from conformance.models.expectation import Kind, Model, Push
from conformance.models.worlds import Outcome, Worlds
from specs.history.checker import Checker
from specs.history.facts import Recorder

if TYPE_CHECKING:
    from conformance.client.peer import Answer
    from conformance.fixtures.lab import Lab
    from specs.history.findings import Finding
    from specs.message import Message

M = TypeVar("M", bound=Model)

UNMATCHED = "unmatched topic"
EARLY = 4
"""Pushes on a topic before one that ends it is drawn."""
LATE = 3
"""Pushes on a topic that has ended before others are preferred."""


@dataclass(slots=True)
class Scene(Generic[M]):
    """One topic of the family, and how it stands."""

    stage: Stage
    worlds: Worlds[M]
    pushed: list[Push] = field(default_factory=list)
    """What was sent, to be sent again."""
    late: int = 0
    """How much of it after the end."""

    @property
    def topic(self) -> str:
        """The topic."""
        return self.stage.topic


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


class Play(Generic[M]):
    """One example of one family. Subclasses add the moves `do_...` that the family has."""

    FAMILY: ClassVar[str]
    VALUES: ClassVar[tuple[Mapping[str, Any], ...]]
    """What the resources of the scenes are made with, one scene each."""
    ENDINGS: ClassVar[frozenset[str]] = frozenset()
    PLAIN: ClassVar[Mapping[tuple[str, str], Any]] = {}
    """The simplest value of arguments that are words, by move and argument."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        self.family = lab.family(self.FAMILY)
        self.is_over = False
        """Whether nothing more can be concluded of this example."""
        self.scenes: list[Scene[M]] = []
        self.witnesses: dict[tuple[str, int], Witness] = {}
        self._opened: dict[str, int] = {}
        self._checker = Checker(lab.api, self._found)
        self.record = Recorder(self._checker.feed)
        first = self.first_stage()
        self.agents = first.agents
        self.cast = list(first.agents)
        self.add_scene(first, 0)
        self.gather()

    # What a family says of itself.

    def model(self, scene: int) -> M:
        """Return how a fresh topic stands."""
        raise NotImplementedError

    def first_stage(self) -> Stage:
        """Make the agents and the first topic."""
        return Stage.build(self.lab, self.FAMILY, joined=False)

    def gather(self) -> None:
        """Let everybody come to the first topic."""
        for who in range(len(self.cast)):
            self.witness(who, 0, self.scenes[0])

    def is_quiet(self, _scene: Scene[M], _push: Push) -> bool:
        """Tell whether an accepted push need not be relayed or broadcast."""
        return False

    def prelude(self, move: Move) -> Move | None:
        """Return what makes sense before a move that makes none yet; None for nothing."""
        return {**move, "do": "rejoin"} if move["do"] == "leave_stale" else None

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
        return self.prelude(move) if is_early else move

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

    def settle(self) -> None:
        """Let everything arrive that is on its way."""
        for witness in self.present():
            witness.sync()
        for scene in self.scenes:
            self.record.settled(scene.topic)

    # Scenes and connections.

    def scene(self, on: int) -> Scene[M]:
        """Return a scene, and make it where it is the first time."""
        index = on % len(self.VALUES)
        while len(self.scenes) <= index:
            number = len(self.scenes)
            roles = {role: self.agents[name].agent_id for name, role in self.family.fixture.cast.items()}
            values = self.VALUES[number]
            topic = self.lab.bench.provisioner.create_resource(self.FAMILY, roles, values)
            self.add_scene(Stage(self.lab, self.family, self.agents, topic), number)
        return self.scenes[index]

    def known(self, on: int) -> Scene[M] | None:
        """Return a scene that has been made already."""
        index = on % len(self.VALUES)
        return self.scenes[index] if index < len(self.scenes) else None

    def add_scene(self, stage: Stage, number: int) -> None:
        """Take a topic that was made for this example."""
        roles = {role: self.agents[name].agent_id for name, role in self.family.fixture.cast.items()}
        self.record.made(stage.topic, roles, self.VALUES[number])
        self.scenes.append(self.new_scene(stage, number))

    def new_scene(self, stage: Stage, number: int) -> Scene[M]:
        """Return a scene where nothing has happened."""
        return Scene(stage, Worlds(self.model(number)))

    def role(self, who: int) -> str:
        """Return the role of a participant."""
        return self.family.fixture.cast[self.name(who)]

    def who(self, role: str) -> int:
        """Return the participant who has a role."""
        return next(index for index in range(len(self.cast)) if self.role(index) == role)

    def name(self, who: int) -> str:
        """Return the name of a participant in the cast."""
        return self.cast[who % len(self.cast)]

    def present(self) -> list[Witness]:
        """Return the connections that are open."""
        return [witness for witness in self.witnesses.values() if witness.is_open]

    def witness(self, who: int, at: int, scene: Scene[M]) -> Witness:
        """Return a connection of a participant that has joined a scene; it is opened and joined where it is not.

        The serializer of a connection is given by its place, so that both are in use.
        """
        name = self.name(who)
        witness = self.witnesses.get((name, at))
        if witness is None or not witness.is_open:
            witness = self.witnesses[name, at] = self.open(name, "1.0.0" if (who + at) % 2 else "2.0.0")
        if scene.topic not in witness.joined:
            self.join(witness, scene)
        return witness

    def open(self, name: str, vsn: str) -> Witness:
        """Open a connection."""
        self._opened[name] = count = self._opened.get(name, 0) + 1
        shown = name if count == 1 else f"{name} {count}"
        agent = self.agents[name]
        peer = self.lab.connect(agent, socket=self.family.socket, vsn=vsn, name=shown)
        return Witness(self.record, peer, shown, agent.agent_id)

    def join(self, witness: Witness, scene: Scene[M]) -> None:
        """Join a scene.

        Raises:
            CannotTell: If the join is not accepted; other cases judge that.

        """
        answer = witness.join(scene.topic)
        if answer.kind != "ok":
            raise CannotTell(f"{witness.connection} cannot join {scene.topic}: {answer}")

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

    # Blame.

    def blame(self, requirement: str, expected: str, observed: str) -> None:
        """Report a breach: it ends the example where it is binding, and is kept as advice where not."""
        self.lab.report(requirement, expected, observed)

    def _found(self, finding: Finding) -> None:
        observed = f"{finding.observed} (on {finding.topic})"
        self.blame(finding.requirement, finding.expected, observed)
