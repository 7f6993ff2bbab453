"""Programs are shortened to what it takes, within an allowance."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

from conformance.client.transcript import Transcript
from conformance.faults import Breach
from conformance.machines.evidence import Evidence
from conformance.machines.moves import Program
from conformance.machines.play import Play
from conformance.machines.shortening import Allowance, shortened


class Family(Play[Any]):
    """A family whose words have a simplest one."""

    PLAIN: ClassVar[dict[tuple[str, str], Any]] = {("pay", "amount"): "small"}


def move(name: str, **arguments: object) -> dict[str, object]:
    """A move."""
    return {"do": name, **arguments}


def endpoint(is_broken: Callable[[list[str]], bool], seen: list[Program]) -> Callable[[Program], Evidence]:
    """An endpoint that shows a breach for some programs; notes every program that is carried out."""

    def again(program: Program) -> Evidence:
        seen.append(program)
        breaches = (Breach("r", "e", "o"),) if is_broken([each["do"] for each in program]) else ()
        return Evidence(program, breaches, Transcript())

    return again


def shows(evidence: Evidence) -> bool:
    """Tell whether there is any breach."""
    return bool(evidence.breaches)


def needs(*names: str) -> Callable[[list[str]], bool]:
    """Tell whether moves are there, in this order."""

    def is_broken(done: list[str]) -> bool:
        rest = iter(done)
        return all(name in rest for name in names)

    return is_broken


def test_only_what_it_takes_is_left() -> None:
    """Of twenty moves those two that matter, in their order, and it is known that none can be left out."""
    program = [move(f"m{index}") for index in range(20)]
    again = endpoint(needs("m3", "m17"), seen := [])
    best, is_shortest = shortened(again(program), shows, again, Family.simpler, Allowance(200, 60.0))
    assert [each["do"] for each in best.program] == ["m3", "m17"]
    assert is_shortest
    assert len(seen) < 100


def test_arguments_are_simplified() -> None:
    """Numbers to 0, no to no, words to the simplest; a good signature stays good."""
    program = [move("pay", who=1, at=2, amount="odd", sign="good", stale=True)]
    again = endpoint(needs("pay"), [])
    best, _ = shortened(again(program), shows, again, Family.simpler, Allowance(200, 60.0))
    assert best.program == [move("pay", who=0, at=0, amount="small", sign="good", stale=False)]


def test_the_allowance_is_counted() -> None:
    """After so many executions the best so far is returned, and nobody says that it is the shortest."""
    program = [move(f"m{index}") for index in range(20)]
    again = endpoint(needs("m3", "m17"), seen := [])
    best, is_shortest = shortened(again(program), shows, again, Family.simpler, Allowance(5, 60.0))
    assert len(seen) == 1 + 5
    assert shows(best)
    assert not is_shortest


def test_the_allowance_is_timed() -> None:
    """Where no time is left, nothing is tried."""
    again = endpoint(needs("a"), seen := [])
    found = again([move("a"), move("b")])
    best, is_shortest = shortened(found, shows, again, Family.simpler, Allowance(100, 0.0))
    assert (best, is_shortest, len(seen)) == (found, False, 1)


def test_an_endpoint_that_shows_it_once_is_left_as_it_is() -> None:
    """What was seen is returned, though it is never seen again."""
    again = endpoint(lambda _done: False, [])
    found = Evidence([move("a"), move("b")], (Breach("r", "e", "o"),), Transcript())
    best, _ = shortened(found, shows, again, Family.simpler, Allowance(100, 60.0))
    assert best is found
