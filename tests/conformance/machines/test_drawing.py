"""What becomes of the examples that are drawn, without an endpoint: found, shortened, left, or given up."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conformance.client.transcript import Transcript
from conformance.faults import CannotTell, CannotTest, Violation
from conformance.fixtures.lab import Bench, Lab
from conformance.machines.drawing import Moves, arguments, machine_of, mostly
from conformance.machines.moves import Move
from conformance.machines.search import Effort, Search, run_program

MOVES: Moves = {"add": arguments(n=st.integers(0, 9)), "halve": arguments(), "rest": arguments()}
CONNECTIONS: Moves = {"rejoin": arguments(who=0)}
MACHINE = machine_of("Sums", MOVES, {}, CONNECTIONS)
EFFORT = Effort(examples=40, moves=10, drawing_s=60.0, shortening=60, shortening_s=60.0)


class Sums:
    """A family without an endpoint: moves add up, and something is wrong beyond a sum."""

    simpler: ClassVar[Callable[[Move], Any]] = staticmethod(lambda _move: ())
    broken: ClassVar[Callable[[int], str | None]] = staticmethod(lambda _sum: None)
    begun: ClassVar[int] = 0

    def __init__(self, lab: Lab) -> None:
        type(self).begun += 1
        self.lab = lab
        self.sum = 0
        self.is_over = False

    @classmethod
    def cause(cls, requirement: str) -> str:
        return requirement

    @classmethod
    def refined(cls, requirement: str, program: list[Move]) -> str:
        is_so = requirement == "payment/money-conserved" and len(program) == 1
        return "payment/channels-isolated" if is_so else requirement

    def steered(self, move: Move) -> Move:
        return move

    def prelude(self, _move: Move) -> None:
        return None

    def carry_out(self, move: Move) -> bool:
        if move["do"] == "rest":
            return False
        self.sum = self.sum + move["n"] if move["do"] == "add" else self.sum // 2
        requirement = self.broken(self.sum)
        if requirement is not None:
            self.lab.report(requirement, "a small sum", f"{self.sum}")
        return True

    def finish(self) -> None:
        self.broken(self.sum)


@pytest.fixture
def sums() -> type[Sums]:
    """A family of its own for each test."""
    return type("OwnSums", (Sums,), {"begun": 0})


@pytest.fixture
def lab(bench_at: Callable[..., Bench]) -> Lab:
    """A lab that connects to nothing."""
    return Lab(bench_at(), "payment/machine", 1)


def test_what_is_binding_is_shortened_and_raised(lab: Lab, sums: Any) -> None:
    """The lab is left as if it had seen the shortest example alone; what that breaches is told by what it takes."""
    sums.broken = staticmethod(lambda total: "payment/money-conserved" if total > 7 else None)
    before = lab.transcript
    with pytest.raises(Violation) as caught:
        Search(lab, sums, EFFORT).run(MACHINE)
    assert caught.value.breach.requirement == "payment/channels-isolated"
    assert lab.program == {"moves": [{"do": "add", "n": 9}], "is_shortest": True} or lab.program == {
        "moves": [{"do": "add", "n": 8}],
        "is_shortest": True,
    }
    assert [breach.requirement for breach in lab.breaches] == ["payment/channels-isolated"]
    assert isinstance(lab.transcript, Transcript)
    assert lab.transcript is not before


def test_what_was_left_is_found_again(lab: Lab, bench_at: Callable[..., Bench], sums: Any) -> None:
    """The same program in another attempt raises the same."""
    sums.broken = staticmethod(lambda total: "payment/money-conserved" if total > 7 else None)
    with pytest.raises(Violation) as first:
        Search(lab, sums, EFFORT).run(MACHINE)
    again = Lab(bench_at(), "payment/machine", 2, lab.program)
    with pytest.raises(Violation) as second:
        run_program(again, sums)
    assert first.value.breach.requirement == second.value.breach.requirement
    assert again.program == lab.program


def test_advice_is_left_and_not_raised(lab: Lab, sums: Any) -> None:
    """An interpreted requirement ends nothing: all examples are drawn."""
    sums.broken = staticmethod(lambda total: "payment/nonce-may-skip" if total > 7 else None)
    Search(lab, sums, EFFORT).run(MACHINE)
    assert [breach.is_advice for breach in lab.breaches] == [True]
    assert lab.program
    assert sums.begun >= EFFORT.examples


def test_what_is_binding_comes_before_advice(lab: Lab, sums: Any) -> None:
    """Advice that was found first does not hide it."""
    sums.broken = staticmethod(
        lambda total: (
            "payment/money-conserved" if total > 10 else "payment/nonce-may-skip" if total > 3 else None
        )
    )
    with pytest.raises(Violation):
        Search(lab, sums, EFFORT).run(MACHINE)
    assert not lab.breaches[0].is_advice


def test_nothing_is_left_where_nothing_is_found(lab: Lab, sums: Any) -> None:
    """No breach, and no program either."""
    Search(lab, sums, EFFORT).run(MACHINE)
    assert (lab.breaches, lab.program) == ([], None)


def test_what_is_seen_once_is_left_as_it_was_seen(lab: Lab, sums: Any) -> None:
    """An endpoint that fails once is accused by what was seen: the engine calls it flaky when it is not seen again."""
    shown = iter(["payment/money-conserved"])
    sums.broken = staticmethod(lambda total: next(shown, None) if total > 7 else None)
    with pytest.raises(Violation) as caught:
        Search(lab, sums, EFFORT).run(MACHINE)
    assert caught.value.breach.requirement == "payment/money-conserved"
    assert lab.program


def test_examples_in_vain_are_given_up(lab: Lab, sums: Any) -> None:
    """Where an endpoint does not let anything be told, no hundred examples wait for it."""

    def cut_short(_total: int) -> None:
        raise CannotTell("the time is up")

    sums.broken = staticmethod(cut_short)
    with pytest.raises(CannotTell, match="0 of 5 examples could be carried to their end: the time is up"):
        Search(lab, sums, EFFORT).run(MACHINE)
    assert sums.begun == 5


def test_what_goes_wrong_beside_the_endpoint_is_raised_as_it_is(lab: Lab, sums: Any) -> None:
    """That nobody can be reached any more ends the run; a fault of ours is an error."""
    for fault in (CannotTest("nobody is there"), ZeroDivisionError("ours")):

        def fail(_total: int, fault: Exception = fault) -> None:
            # In the middle of an example that begins like others before it.
            if sums.begun > 3:
                raise fault

        sums.broken, sums.begun = staticmethod(fail), 0
        with pytest.raises(type(fault)) as caught:
            Search(lab, sums, EFFORT).run(MACHINE)
        assert caught.value is fault


def test_the_same_seed_draws_the_same(bench_at: Callable[..., Bench], sums: Any) -> None:
    """Another run of the same case carries out the same moves; another case draws others."""

    def drawn(case: str) -> list[int]:
        totals: list[int] = []
        sums.broken = staticmethod(totals.append)
        Search(Lab(bench_at(), case, 1), sums, EFFORT).run(MACHINE)
        return totals

    assert drawn("payment/machine") == drawn("payment/machine") != drawn("task/machine")


@given(mostly(1, arguments(a=0, b=0), {"a": 1}, {"b": 1}))
def test_a_fault_is_laid_over_good_arguments_now_and_then(drawn: dict[str, int]) -> None:
    """Only one of several faults at a time."""
    assert drawn in [{"a": 0, "b": 0}, {"a": 1, "b": 0}, {"a": 0, "b": 1}]
