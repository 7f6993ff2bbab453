"""The order of a run, and its division into shards."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from conformance.case import Case, Phase
from conformance.catalogue import Choice, all_cases
from conformance.faults import ConfigurationFaulty
from conformance.ordering import arranged, kill_order, shard, shard_of
from specs.model import Api


def made(case_id: str, phase: Phase = Phase.GENERATED) -> Case:
    return Case(case_id, case_id.partition("/")[0], ("task/join",), "Something.", lambda _lab: None, phase)


CASES = [
    made("a/1", Phase.WRITTEN),
    made("a/2"),
    made("a/3"),
    made("b/1", Phase.RACE),
    made("b/2"),
    made("b/3", Phase.WRITTEN),
    made("b/4"),
]


def ids(cases: list[Case]) -> list[str]:
    return [case.id for case in cases]


def test_without_an_order_phases_follow_each_other_in_document_order() -> None:
    """Nothing else moves a case."""
    assert ids(arranged(CASES, (), across_phases=False)) == ["a/2", "a/3", "b/2", "b/4", "a/1", "b/3", "b/1"]


def test_without_an_order_and_in_a_hurry_the_order_is_that_of_the_documents() -> None:
    """Where nothing is measured, nothing is known of phases either."""
    assert arranged(CASES, (), across_phases=True) == CASES


def test_the_strongest_case_of_each_phase_comes_first() -> None:
    """The phases hold; unknown ids and repeated ones change nothing."""
    order = ("b/3", "gone/1", "b/4", "b/3", "b/1")
    assert ids(arranged(CASES, order, across_phases=False)) == [
        *("b/4", "a/2", "b/2", "a/3"),
        *("b/3", "a/1"),
        "b/1",
    ]


def test_in_a_hurry_the_strongest_case_comes_first_whatever_its_phase() -> None:
    """Those that were not measured follow, one of every topic at a time."""
    assert ids(arranged(CASES, ("b/1", "a/3"), across_phases=True)) == [
        *("b/1", "a/3"),
        *("a/1", "b/2", "a/2", "b/3", "b/4"),
    ]


def test_an_order_neither_loses_nor_repeats_a_case(api: Api) -> None:
    """Whatever the file holds, the same cases run."""
    cases = all_cases(api)
    order = ids(cases)[::7] * 2
    for across_phases in (False, True):
        assert sorted(ids(arranged(cases, order, across_phases=across_phases))) == sorted(ids(cases))


def test_an_order_is_read_from_its_file(tmp_path: Path) -> None:
    """No file is no order."""
    file = tmp_path / "kill_power.json"
    assert kill_order(file) == ()
    file.write_text(json.dumps({"format": 1, "order": ["b", "a"]}))
    assert kill_order(file) == ("b", "a")


@pytest.mark.parametrize(
    "text",
    ["", "[]", '{"order": []}', '{"format": 2, "order": []}', '{"format": 1, "order": [1]}', '{"format": 1}'],
)
def test_another_file_is_refused_in_words(tmp_path: Path, text: str) -> None:
    """It is named."""
    file = tmp_path / "kill_power.json"
    file.write_text(text)
    with pytest.raises(ConfigurationFaulty, match="kill_power"):
        kill_order(file)


@pytest.mark.parametrize("count", [1, 2, 3, 7])
def test_shards_are_disjoint_and_complete(api: Api, count: int) -> None:
    """Every case is in exactly one, in its order, and no shard has far more than another."""
    cases = all_cases(api)
    shards = [shard(cases, index, count) for index in range(1, count + 1)]
    assert sorted(name for part in shards for name in ids(part)) == sorted(ids(cases))
    places = {case.id: place for place, case in enumerate(cases)}
    for part in shards:
        assert [places[case.id] for case in part] == sorted(places[case.id] for case in part)
        assert len(part) > len(cases) / count / 2


def test_a_case_keeps_its_shard_when_others_come_or_go(api: Api) -> None:
    """Its id alone decides."""
    cases = all_cases(api)
    assert [case for case in shard(cases, 2, 3) if case in cases[::2]] == shard(cases[::2], 2, 3)
    assert ids(shard([made(f"x/{n}") for n in range(8)], 1, 2)) == PINNED


PINNED = ["x/1", "x/3", "x/5", "x/6"]


@pytest.mark.parametrize(
    "text", ["", "1", "0/2", "3/2", "1/0", "-1/2", "1/2/3", "a/b", "1 /2", "²/3", f"1/{'9' * 5000}"]
)
def test_a_shard_that_cannot_be_is_wrong_usage(text: str) -> None:
    """What was written is repeated."""
    with pytest.raises(ConfigurationFaulty, match="2/5"):
        shard_of(text)


def test_a_shard_is_read() -> None:
    """Index and count."""
    assert [shard_of("1/1"), shard_of("2/5")] == [(1, 1), (2, 5)]


def test_a_shard_without_cases_is_wrong_usage(api: Api) -> None:
    """A job that runs nothing must not be green."""
    cases = all_cases(api)[:1]
    empty = next(n for n in range(1, 9) if not shard(cases, n, 8))
    with pytest.raises(ConfigurationFaulty, match="shard"):
        Choice(shard=(empty, 8)).of(cases)
