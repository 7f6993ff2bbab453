"""Races: pushes on several connections at once, round after round on fresh topics, each round judged as a whole.

What some order of the pushes explains is accepted, and nothing else. Before an endpoint is accused, each push is shown to be
taken as documented when it is alone; and where another reading than ours would explain the outcome, the endpoint must show
in turn that the reading is not its own.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import permutations
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

from conformance.faults import CannotTell
from conformance.verbs.orders import Explained, Move, Outcome, Rules, explained

if TYPE_CHECKING:
    from collections.abc import Iterator

    from conformance.client.peer import Answer
    from conformance.fixtures.lab import Lab
    from conformance.verbs.arena import Arena
    from specs.message import Message

S = TypeVar("S")

ROUNDS = 8
MORE_ROUNDS = 3
"""How many times as many when a finding is to be confirmed: a race that was lost once need not be lost every time."""
REPEATS = 4
"""How often a round that showed something is tried again first."""
GAPS_S = (0.0, 0.0, 0.0, 0.0002, 0.001)
"""What may lie between two frames: mostly nothing; also as much as a server may need to begin with the first."""
MOST_IN_TURN = 3
"""Of how many pushes every order is tried in turn."""
WAITS = (1 / 16, 1 / 16, 1 / 8, 1 / 4, 1 / 2)
"""In which parts the time of a reply is waited for what is told late; most of it comes soon."""


class FamilyRules(Rules[S], Protocol[S]):
    """The rules of a family, and how its messages tell of an outcome."""

    def heard(self, message: Message) -> str | None:
        """Return what a relay or a broadcast tells, in the same words on every fixture; None for what is not of interest."""

    def relayed(self, move: Move) -> str | None:
        """Return what `heard` makes of the relay of a push; None where it has none."""

    def shown(self, response: Any) -> Mapping[str, Any]:
        """Return what the reply to a join shows, as far as it is there under the documented names."""


@dataclass(frozen=True, slots=True)
class Contest(Generic[S]):
    """One round: the state of its fresh topic, and the pushes that are sent at once."""

    start: S
    moves: tuple[Move, ...]
    then: tuple[Move, ...] = ()
    """What is sent one by one when all has settled, to show what the others have come to."""


@dataclass(frozen=True, slots=True)
class _Draw:
    """How a round is run: the order in which the moves are sent, by their places, and the gaps before them."""

    order: tuple[int, ...]
    gaps_s: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class _Played:
    """What was sent on a topic, and what is needed to find what comes of it."""

    topic: str
    before: tuple[Move, ...]
    marks: Mapping[str, int]
    """The ends of the inboxes of those who watch, as they were before."""
    moves: tuple[Move, ...]
    sent: Mapping[str, Message]
    answers: Mapping[str, Answer]


class Race(Generic[S]):
    """Rounds of one race.

    Args:
        arena: Where.
        rules: What the pushes may come to.
        requirement: What an outcome that no order explains breaks.
        prepare: Makes a fresh topic for a round; the same one each time, but for its name and keys.

    """

    def __init__(
        self, arena: Arena, rules: FamilyRules[S], requirement: str, prepare: Callable[[], Contest[S]]
    ) -> None:
        self._arena = arena
        self._lab: Lab = arena.lab
        self._rules = rules
        self._requirement = requirement
        self._prepare = prepare
        self._in_turn: list[Outcome] | None = None

    def run(self, rounds: int = ROUNDS) -> None:
        """Run rounds until one has an outcome that no order explains.

        Raises:
            CannotTell: If a push is not even alone taken as documented.

        """
        earlier, self._lab.program = self._lab.program, None
        for draw in self._draws(rounds, earlier):
            contest = self._prepared()
            moves = [contest.moves[index] for index in draw.order]
            outcome = self._settled(contest, self._played(moves, draw.gaps_s, contest.then))
            if not self._is_accepted(contest, outcome):
                self._lab.program = {"order": list(draw.order), "gaps_s": list(draw.gaps_s)}
                shown = "; or ".join(
                    ", then ".join(move.name for move in order) for order in _few(contest.moves)
                )
                self._lab.report(
                    self._requirement, f"the outcome of some order: {shown}", f"sent at once: {outcome}"
                )
                return

    def _draws(self, rounds: int, earlier: Any) -> Iterator[_Draw]:
        chance = random.Random(f"{self._lab.bench.seed}/{self._requirement}")  # noqa: S311 - no secret
        count = len(self._prepared().moves)
        if isinstance(earlier, Mapping):
            again = _Draw(tuple(earlier["order"]), tuple(earlier["gaps_s"]))
            yield from [again] * REPEATS
            rounds *= MORE_ROUNDS
        for _ in range(rounds):
            gaps_s = [0.0, *(chance.choice(GAPS_S) for _ in range(count - 1))]
            yield _Draw(tuple(chance.sample(range(count), count)), tuple(gaps_s))

    def _prepared(self) -> Contest[S]:
        contest = self._prepare()
        self._arena.ready()
        return contest

    # Observing

    def _answers(self, sent: Mapping[str, Message], moves: Sequence[Move]) -> dict[str, Answer]:
        racers = self._arena.racers
        return {move.name: racers[move.racer].answer(sent[move.name], expecting="race") for move in moves}

    def _played(
        self, at_once: Sequence[Move], gaps_s: Sequence[float], one_by_one: Sequence[Move] = ()
    ) -> _Played:
        """Send moves at once and then others, each when all of the ones before it has been answered."""
        arena = self._arena
        marks = {name: peer.mark() for name, peer in arena.watchers.items()}
        sent = arena.send_at_once(at_once, gaps_s) if at_once else {}
        answers = self._answers(sent, at_once)
        for move in one_by_one:
            if sent:
                arena.looks()
            more = arena.send_at_once([move], [0.0])
            answers |= self._answers(more, [move])
            sent |= more
        moves = (*at_once, *one_by_one)
        return _Played(arena.topic, tuple(arena.before), marks, moves, sent, answers)

    def _settled(self, contest: Contest[S], played: _Played) -> Outcome:
        """Return the outcome once all of it has arrived; what needs more to be explained by our reading is given its time.

        Another reading may be what is told so far of an outcome that our own explains: a relay may come behind the reply
        to its push (BC-3).
        """
        looks = self._arena.looks()
        for share in WAITS:
            outcome = self._outcome(played, looks)
            if self._is_whole(contest, played, outcome):
                return outcome
            self._let_arrive(share)
        return self._outcome(played, self._arena.looks())

    def _is_whole(self, contest: Contest[S], played: _Played, outcome: Outcome) -> bool:
        """Tell whether nothing that may still come is needed to accept an outcome."""
        how = self._explained(contest, played.moves, outcome)
        if how is not Explained.BY_ANOTHER_READING:
            return how is Explained.BY_OURS
        is_compared = len(played.moves) > 1 and len(contest.moves) <= MOST_IN_TURN
        return not is_compared or any(_is_same(outcome, other) for other in self._in_turn or ())

    def _let_arrive(self, share: float) -> None:
        """Let all that is told late arrive, for a share of the time of a reply."""
        wait_s = share * self._lab.reply_s / len(self._arena.watchers)
        for peer in self._arena.watchers.values():
            peer.wait_event(self._arena.topic, "", wait_s=wait_s)

    def _outcome(self, played: _Played, looks: Sequence[Answer]) -> Outcome:
        racers = self._arena.racers
        answers = {
            move.name: racers[move.racer].late_answer(played.sent[move.name], played.answers[move.name])
            for move in played.moves
        }
        # Whether the sender's other connections hear a relay is left open.
        open_pairs = {(move.by, self._rules.relayed(move)) for move in played.moves}
        # What was done before the race was answered; what tells of it may come behind the reply (BC-3).
        earlier = {self._rules.relayed(move) for move in played.before}
        told = Counter(
            (name, what)
            for name, peer in self._arena.watchers.items()
            for message in peer.inbox[played.marks[name] :]
            if message.topic == played.topic
            and (what := self._rules.heard(message)) is not None
            and (name, what) not in open_pairs
            and what not in earlier
        )
        shown = tuple(self._rules.shown(look.response) for look in looks if look.kind == "ok")
        return Outcome({name: _is_accepted(answer) for name, answer in answers.items()}, told, shown)

    # Judging

    def _is_accepted(self, contest: Contest[S], outcome: Outcome) -> bool:
        how = self._explained(contest, [*contest.moves, *contest.then], outcome)
        if how is Explained.BY_OURS:
            return True
        if how is Explained.BY_ANOTHER_READING:
            is_few = len(contest.moves) <= MOST_IN_TURN
            return not is_few or any(_is_same(outcome, other) for other in self._outcomes_in_turn())
        self._require_alone()
        return False

    def _explained(self, contest: Contest[S], moves: Sequence[Move], outcome: Outcome) -> Explained:
        then = tuple(move for move in moves if move in contest.then)
        at_once = [move for move in moves if move not in then]
        return explained(self._rules, contest.start, at_once, outcome, then)

    def _outcomes_in_turn(self) -> list[Outcome]:
        """Return what the same pushes come to in every order, each sent when the one before has been answered."""
        if self._in_turn is None:
            count = len(self._prepared().moves)
            played = [self._played_in_turn(order) for order in permutations(range(count))]
            # What is told late is waited for once, for all orders together: no reading says when the last of it has come.
            self._let_arrive(1.0)
            self._arena.looks()
            self._in_turn = [self._outcome(one, looks) for one, looks in played]
        return self._in_turn

    def _played_in_turn(self, order: Sequence[int]) -> tuple[_Played, list[Answer]]:
        contest = self._prepared()
        moves = [contest.moves[index] for index in order]
        return self._played((), (), (*moves, *contest.then)), self._arena.looks()

    def _require_alone(self) -> None:
        """Make sure that each push is taken as documented where nothing else is sent.

        Raises:
            CannotTell: If one is not; the cases about that event judge it.

        """
        for index in range(len(self._prepared().moves)):
            contest = self._prepared()
            move = contest.moves[index]
            outcome = self._settled(contest, self._played([move], [0.0]))
            if not self._explained(contest, [move], outcome):
                raise CannotTell(f"{move.name} alone is not taken as documented: {outcome}")


def _is_accepted(answer: Answer) -> bool | None:
    return {"ok": True, "error": False}.get(answer.kind)


def _is_same(one: Outcome, other: Outcome) -> bool:
    """Tell whether two outcomes are the same, as far as both are known."""
    is_answered_alike = all(
        None in {answer, other.answers[name]} or answer == other.answers[name]
        for name, answer in one.answers.items()
    )
    return is_answered_alike and one.told == other.told and one.shown == other.shown


def _few(moves: Sequence[Move]) -> Sequence[Sequence[Move]]:
    """Return the orders of a few moves; of many only the given one."""
    return list(permutations(moves)) if len(moves) <= MOST_IN_TURN else [moves]
