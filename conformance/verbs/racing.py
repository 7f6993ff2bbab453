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
            outcome = self._settled(contest, *self._send(moves, draw.gaps_s))
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

    def _send(
        self, moves: Sequence[Move], gaps_s: Sequence[float]
    ) -> tuple[Mapping[str, Message], Mapping[str, int]]:
        marks = {name: peer.mark() for name, peer in self._arena.watchers.items()}
        return self._arena.send_at_once(moves, gaps_s), marks

    def _answers(self, sent: Mapping[str, Message], moves: Sequence[Move]) -> dict[str, Answer]:
        racers = self._arena.racers
        return {move.name: racers[move.racer].answer(sent[move.name], expecting="race") for move in moves}

    def _settled(self, contest: Contest[S], sent: Mapping[str, Message], marks: Mapping[str, int]) -> Outcome:
        """Return the outcome once all of it has arrived; what no order explains is given the time of a reply to complete."""
        moves = [move for move in contest.moves if move.name in sent]
        answers, racers = self._answers(sent, moves), self._arena.racers
        then = contest.then if len(moves) == len(contest.moves) else ()
        for move in then:
            self._arena.looks()
            more, _ = self._send([move], [0.0])
            answers |= self._answers(more, [move])
            sent = {**sent, **more}
        moves += then
        for is_last in (False, True):
            looks = self._arena.looks()
            answers = {
                move.name: racers[move.racer].late_answer(sent[move.name], answers[move.name])
                for move in moves
            }
            outcome = self._outcome(moves, answers, looks, marks)
            if is_last or self._explained(contest, moves, outcome):
                break
            self._let_arrive()
        return outcome

    def _let_arrive(self) -> None:
        for peer in self._arena.watchers.values():
            peer.wait_event(self._arena.topic, "", wait_s=self._lab.reply_s / len(self._arena.watchers))

    def _outcome(
        self,
        moves: Sequence[Move],
        answers: Mapping[str, Answer],
        looks: Sequence[Answer],
        marks: Mapping[str, int],
    ) -> Outcome:
        # Whether the sender's other connections hear a relay is left open.
        open_pairs = {(move.by, self._rules.relayed(move)) for move in moves}
        # What was done before the race was answered; what tells of it may come behind the reply (BC-3).
        earlier = {self._rules.relayed(move) for move in self._arena.before}
        told = Counter(
            (name, what)
            for name, peer in self._arena.watchers.items()
            for message in peer.inbox[marks[name] :]
            if message.topic == self._arena.topic
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
        """Return what the same pushes come to in every order, each sent when all of the one before has arrived."""
        if self._in_turn is None:
            count = len(self._prepared().moves)
            self._in_turn = [self._outcome_in_turn(order) for order in permutations(range(count))]
        return self._in_turn

    def _outcome_in_turn(self, order: Sequence[int]) -> Outcome:
        contest = self._prepared()
        marks = {name: peer.mark() for name, peer in self._arena.watchers.items()}
        answers: dict[str, Answer] = {}
        looks: list[Answer] = []
        for move in [*(contest.moves[index] for index in order), *contest.then]:
            sent, _ = self._send([move], [0.0])
            answers |= self._answers(sent, [move])
            looks = self._arena.looks()
        return self._outcome([*contest.moves, *contest.then], answers, looks, marks)

    def _require_alone(self) -> None:
        """Make sure that each push is taken as documented where nothing else is sent.

        Raises:
            CannotTell: If one is not; the cases about that event judge it.

        """
        for index in range(len(self._prepared().moves)):
            contest = self._prepared()
            move = contest.moves[index]
            outcome = self._settled(contest, *self._send([move], [0.0]))
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
