"""What some order of a few moves explains, and what none does: the rules of races, without any endpoint."""

from __future__ import annotations

from collections import Counter
from decimal import Decimal
from itertools import permutations
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conformance.verbs.negotiation_orders import NegotiationRules, Session
from conformance.verbs.orders import Explained, Move, Outcome, explained
from conformance.verbs.payment_orders import Channel, PaymentRules, Pending
from conformance.verbs.task_orders import Task, TaskRules
from specs.message import Message

CHANNEL = Channel(Decimal(100), Decimal(50), (Pending("a", 1, Decimal("12.5")),), highest=1)
SESSION = Session(Decimal(100), Decimal(120))


def move(event: str, by: str, name: str = "", **payload: Any) -> Move:
    """Return a move whose name is its event, if not told."""
    return Move(name or event, by, f"{by} racing", event, payload)


ACKNOWLEDGE = move("acknowledge_transfer", "b", amount="12.5", nonce=1)
REJECT = move("reject_transfer", "b", reason="no", nonce=1)
DISPUTE = move("dispute", "a", reason="x", evidence={})
CLOSE = move("close", "b", final_balance_a="100", final_balance_b="50")
PROPOSE = move("propose_transfer", "a", amount="20", nonce=2)
MOVED = {
    ("a", "transfer_complete 1 with balances of 87.5 and 62.5"),
    ("b", "transfer_complete 1 with balances of 87.5 and 62.5"),
}


def judged(
    rules: Any, start: Any, moves: list[Move], answers: list[bool | None], told: Any = (), **shown: Any
) -> Explained:
    """Judge an outcome, the answers in the order of the moves."""
    named = {each.name: answer for each, answer in zip(moves, answers, strict=True)}
    return explained(rules, start, moves, Outcome(named, Counter(told), (shown,) if shown else ()))


@pytest.mark.parametrize(
    ("answers", "told", "balance_a", "how"),
    [
        ([True, False], MOVED, "87.5", Explained.BY_OURS),
        ([False, True], {("a", "reject_transfer no")}, "100", Explained.BY_OURS),
        ([True, True], {*MOVED, ("a", "reject_transfer no")}, "87.5", Explained.BY_ANOTHER_READING),
        ([None, None], MOVED, "87.5", Explained.BY_OURS),
        ([None, True], {("a", "reject_transfer no")}, "100", Explained.BY_OURS),
        ([True, False], MOVED, "100", Explained.NOT),
        ([False, False], (), "100", Explained.NOT),
        ([True, True], {("a", "reject_transfer no")}, "100", Explained.NOT),
        ([False, True], MOVED, "87.5", Explained.NOT),
    ],
)
def test_one_of_two_decisions_counts(answers: Any, told: Any, balance_a: str, how: Explained) -> None:
    """Money moves where the acknowledgement is told, and never where the rejection came first."""
    shown = {"balance_a": Decimal(balance_a)}
    assert judged(PaymentRules(), CHANNEL, [ACKNOWLEDGE, REJECT], answers, told, **shown) is how


def test_a_transfer_is_executed_once() -> None:
    """Four acknowledgements of one transfer tell of it once; that others are answered ok, too, is another reading."""
    moves = [move("acknowledge_transfer", "b", str(index), amount="12.5", nonce=1) for index in range(4)]
    assert judged(PaymentRules(), CHANNEL, moves, [False, True, False, False], MOVED) is Explained.BY_OURS
    assert judged(PaymentRules(), CHANNEL, moves, [True] * 4, MOVED) is Explained.BY_ANOTHER_READING
    twice = Counter(dict.fromkeys(MOVED, 2))
    assert judged(PaymentRules(), CHANNEL, moves, [True, True, False, False], twice) is Explained.NOT


def test_every_transfer_counts_in_the_balances_that_it_tells() -> None:
    """Each transfer tells balances that hold all before it, in some order; those of a lost update hold in none."""
    start = Channel(
        Decimal(100), Decimal(50), (Pending("a", 1, Decimal(10)), Pending("a", 2, Decimal(20))), 2
    )
    moves = [
        move("acknowledge_transfer", "b", str(nonce), amount=str(nonce * 10), nonce=nonce) for nonce in (1, 2)
    ]

    def told(first: str, second: str) -> Counter[tuple[str, str]]:
        texts = (
            f"transfer_complete 1 with balances of {first}",
            f"transfer_complete 2 with balances of {second}",
        )
        return Counter((party, text) for party in "ab" for text in texts)

    for shown in (("90 and 60", "70 and 80"), ("70 and 80", "80 and 70")):
        assert judged(PaymentRules(), start, moves, [True, True], told(*shown)) is Explained.BY_OURS
    assert judged(PaymentRules(), start, moves, [True, True], told("90 and 60", "80 and 70")) is Explained.NOT


def test_nothing_comes_behind_a_close_and_no_close_before_what_is_pending() -> None:
    """A close and a proposal are both taken in no order that we read; that a close may leave out what is pending is a reading."""
    start = Channel(Decimal(100), Decimal(50), highest=1)
    relayed = {("a", "close"), ("b", "propose_transfer 2 of 20")}
    rules = PaymentRules()
    assert (
        judged(rules, start, [CLOSE, PROPOSE], [True, False], {("a", "close")}, status="closed")
        is Explained.BY_OURS
    )
    assert (
        judged(rules, start, [CLOSE, PROPOSE], [True, True], relayed, status="closed")
        is Explained.BY_ANOTHER_READING
    )
    assert judged(rules, start, [CLOSE, PROPOSE], [True, True], relayed, status="open") is Explained.NOT
    assert judged(rules, start, [CLOSE, DISPUTE], [True, True], (), status="disputed") is Explained.NOT


def test_a_stale_average_settles_nothing() -> None:
    """An acceptance and an offer that changes the average are both taken only where the offer does not count."""
    accept = move("accept", "client", amount="110")
    offer = move("offer", "provider", amount="130")
    complete = {(side, "negotiation_complete") for side in ("client", "provider")}
    relayed = {("client", "offer of 130")}
    rules = NegotiationRules()
    assert judged(rules, SESSION, [accept, offer], [True, False], complete) is Explained.BY_OURS
    assert judged(rules, SESSION, [accept, offer], [False, True], relayed) is Explained.BY_OURS
    assert (
        judged(rules, SESSION, [accept, offer], [True, True], {*complete, *relayed})
        is Explained.BY_ANOTHER_READING
    )
    assert judged(rules, SESSION, [accept, offer], [True, True], complete) is Explained.NOT


@given(st.permutations([0, 1, 2]), st.integers(min_value=0, max_value=3))
def test_whatever_order_a_task_ends_in_it_ends_once(order: list[int], accepted: int) -> None:
    """Of three ends exactly one is accepted, whichever; the state is its own."""
    ends = [
        move("complete", "provider", result={"text": "done"}),
        move("cancel", "client", reason="late"),
        move("error", "provider", type="internal", details={}),
    ]
    moves = [ends[index] for index in order]
    answers: list[bool | None] = [index < accepted for index in range(3)]
    told = (
        {(who, 'task_completed with {"text":"done"}') for who in ("client", "provider")}
        if moves[0].event == "complete" and accepted
        else set()
    )
    status = {"complete": "completed", "cancel": "cancelled", "error": "failed"}[moves[0].event]
    how = judged(TaskRules(), Task(), moves, answers, told, status=status)
    assert how is (Explained.BY_OURS if accepted == 1 else Explained.NOT)


@given(st.data())
def test_what_the_rules_do_in_turn_is_explained(data: st.DataObject) -> None:
    """The outcome of any order, by any reading, is explained; by ours where each step was ours."""
    moves = [ACKNOWLEDGE, REJECT, DISPUTE, CLOSE, PROPOSE]
    chosen = data.draw(
        st.lists(st.sampled_from(moves), min_size=1, max_size=3, unique_by=lambda each: each.name)
    )
    rules, state, told, is_ours = PaymentRules(), CHANNEL, Counter[tuple[str, str]](), True
    answers: dict[str, bool | None] = {}
    for each in data.draw(st.permutations(chosen)):
        step = data.draw(st.sampled_from(list(rules.steps(state, each))))
        state, is_ours = step.state, is_ours and step.is_ours
        told.update(step.told)
        answers[each.name] = data.draw(st.sampled_from([step.is_accepted, None]))
    how = explained(rules, CHANNEL, chosen, Outcome(answers, told, (rules.shows(state),)))
    assert how is Explained.BY_OURS or (how is Explained.BY_ANOTHER_READING and not is_ours)


def test_every_state_has_a_step_for_every_move() -> None:
    """Whatever came before, a push is answered in some way."""
    moves = [ACKNOWLEDGE, REJECT, DISPUTE, CLOSE, PROPOSE]
    for first, second in permutations(moves, 2):
        for step in PaymentRules().steps(CHANNEL, first):
            assert list(PaymentRules().steps(step.state, second))


def test_what_is_sent_afterwards_comes_last_in_every_order() -> None:
    """Two offers of one moment both count in the average that is accepted afterwards; a lost one would show."""
    offers = [move("offer", "client", "one", amount="110"), move("offer", "provider", "other", amount="130")]
    accept = move("accept", "client", amount="120")
    relayed = [("provider", "offer of 110"), ("client", "offer of 130")]
    complete = [(side, "negotiation_complete") for side in ("client", "provider")]
    for is_accepted, told, how in (
        (True, [*relayed, *complete], Explained.BY_OURS),
        (False, relayed, Explained.BY_ANOTHER_READING),
    ):
        answers = {"one": True, "other": True, "accept": is_accepted}
        seen = Outcome(answers, Counter(told))
        assert explained(NegotiationRules(), SESSION, offers, seen, (accept,)) is how


@pytest.mark.parametrize("rules", [PaymentRules(), TaskRules()])
def test_a_whole_number_may_be_written_as_a_decimal(rules: Any) -> None:
    """1 and 1.0 are one number in JSON (RFC 8785 writes both as 1), so what is told is the same."""
    payloads = {
        "propose_transfer": {"amount": "20", "nonce": 2.0},
        "transfer_complete": {"nonce": 1.0, "balance_a": "87.5", "balance_b": "62.5"},
        "output_stream": {"chunk": "a", "seq": 3.0},
        "task_completed": {"task": {"result": {"text": "x", "numbers": [1.0, 0.5]}}},
    }
    as_integers = {
        "propose_transfer": {"amount": "20", "nonce": 2},
        "transfer_complete": {"nonce": 1, "balance_a": "87.5", "balance_b": "62.5"},
        "output_stream": {"chunk": "a", "seq": 3},
        "task_completed": {"task": {"result": {"numbers": [1, 0.5], "text": "x"}}},
    }
    told = {
        event: rules.heard(Message(None, None, "t", event, payload)) for event, payload in payloads.items()
    }
    for event, payload in as_integers.items():
        assert told[event] == rules.heard(Message(None, None, "t", event, payload))
    assert {told[event] for event in payloads} != {None}
