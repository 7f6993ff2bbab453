"""One seed gives one run; what a run says of itself agrees everywhere; the catalogue of cases is sound."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from conformance.catalogue import all_cases
from conformance.written import written_cases
from reports.jsonl import read_run
from reports.record import Run, Verdict
from specs.model import Api
from tests.variations import IS_WHOLE, OTHERS_TESTS, options

ROOT = Path(__file__).parents[2]
LEFT_OUT = options((), () if IS_WHOLE else OTHERS_TESTS)
SLUG = re.compile(r"[a-z0-9_]+(/[\w@.*$+~-]+)+")


@dataclass(frozen=True)
class Checked:
    """A finished run: what it printed, and its folder."""

    summary: dict[str, Any]
    run: Run
    junit: ET.Element


@pytest.fixture(scope="module")
def checked(tmp_path_factory: pytest.TempPathFactory) -> tuple[Checked, Checked]:
    """Two runs with one seed, each against an own server: of everything with `make variations`, else without what takes the most time."""
    folder = tmp_path_factory.mktemp("runs")
    first, second = (_started(folder / name, "--json", *LEFT_OUT) for name in ("first", "second"))
    return _finished(first, folder / "first"), _finished(second, folder / "second")


def _started(folder: Path, *options: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "wireproof", "check", "--seed", "17", "--run-dir", str(folder), *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        start_new_session=True,
    )


def _finished(process: subprocess.Popen[str], folder: Path) -> Checked:
    printed, complaint = process.communicate(timeout=240)
    assert (process.returncode, complaint) == (0, "")
    return Checked(json.loads(printed), read_run(folder / "run.jsonl"), _junit(folder))


def _junit(folder: Path) -> ET.Element:
    return ET.parse(folder / "junit.xml").getroot()  # noqa: S314 - written by ourselves


def test_one_seed_gives_the_same_cases_in_the_same_order_with_the_same_verdicts(
    checked: tuple[Checked, Checked],
) -> None:
    """Two runs with one seed differ in times only."""
    first, second = ([(case.case, case.verdict) for case in one.run.cases] for one in checked)
    assert first == second
    assert len(first) >= 300


def test_the_list_is_the_order_of_a_run(checked: tuple[Checked, Checked], wireproof: Any) -> None:
    """`wireproof list` shows exactly the cases that run, as they run, with their titles and requirements."""
    listed = json.loads(wireproof("list", "--json", *LEFT_OUT).stdout)["cases"]
    ran = [(case.case, case.topic, case.title, case.requirements) for case in checked[0].run.cases]
    assert [(row["id"], row["topic"], row["title"], row["requirements"]) for row in listed] == ran


def test_json_junit_and_record_tell_the_same(checked: tuple[Checked, Checked]) -> None:
    """Counts, cases and exit code of the three outputs of a run agree."""
    for one in checked:
        counts = one.summary["counts"]
        assert counts == one.run.footer.counts
        assert sum(counts.values()) == one.summary["cases"] == len(one.run.cases)
        assert one.summary["exit_code"] == one.run.footer.exit_code == 0
        tests = list(one.junit.iter("testcase"))
        assert len(tests) == len(one.run.cases)
        assert len(list(one.junit.iter("skipped"))) == counts["not_run"]
        assert not list(one.junit.iter("failure"))
        assert not list(one.junit.iter("error"))


def test_the_own_server_passes_over_all_topic_families(checked: tuple[Checked, Checked], api: Api) -> None:
    """At least 300 checks pass, some in each family and in the Phoenix layer, and none is red."""
    run = checked[0].run
    assert run.footer.counts["pass"] >= 300
    families = {name for name, topic in api.topics.items() if topic.socket != "control"}
    assert {case.topic for case in run.cases if case.verdict is Verdict.PASS} == families | {"phoenix"}


def test_ids_are_slugs_and_unique(api: Api) -> None:
    """No id stands for two cases, and none holds what a shell or a report would trip over."""
    ids = [case.id for case in all_cases(api)]
    assert sorted(ids) == sorted(set(ids))
    assert [name for name in ids if not SLUG.fullmatch(name)] == []


def test_every_requirement_on_servers_has_a_case_or_a_reason(api: Api) -> None:
    """What is not excluded is covered, and what is excluded is not claimed."""
    covered = {name for case in all_cases(api) for name in case.requirements}
    excluded = {row.id for row in api.requirements.values() if row.excluded}
    assert [name for name in api.requirements if name not in covered | excluded] == []
    assert covered & excluded == set()
    assert covered <= api.requirements.keys()


def test_every_case_says_what_it_is_about(api: Api) -> None:
    """Each has a requirement, each of them once, and a title of one line."""
    for case in all_cases(api):
        assert case.requirements, case.id
        assert len(set(case.requirements)) == len(case.requirements), case.id
        assert case.title.strip() == case.title != "", case.id
        assert "\n" not in case.title, case.id
        assert not case.title.endswith(("..", ",", ";", ":", " .")), case.id


def test_no_case_is_lost_between_the_modules_and_the_catalogue(api: Api) -> None:
    """With the shipped documents no written case is left out for a requirement that they do not have."""
    assert {case.id for case in written_cases()} <= {case.id for case in all_cases(api)}


@pytest.mark.parametrize("whole_group", [False, True], ids=["the command alone", "as from a keyboard"])
def test_an_interrupted_run_reports_what_it_found(tmp_path: Path, whole_group: bool) -> None:
    """SIGINT ends a run in order: record and JUnit are whole, the summary is printed, and the code is not 0."""
    process = _started(tmp_path / "run")
    record = tmp_path / "run" / "run.jsonl"
    while not (record.exists() and record.read_bytes().count(b"\n") > 20):
        assert process.poll() is None
        time.sleep(0.01)
    send = os.killpg if whole_group else os.kill
    send(process.pid, signal.SIGINT)
    printed, complaint = process.communicate(timeout=60)
    assert complaint == ""
    assert process.returncode not in {0, 1}
    run = read_run(record)
    assert run.footer.interrupted
    assert 20 <= len(run.cases) < 700
    assert run.footer.counts["pass"] + run.footer.counts["not_run"] == len(run.cases)
    *cases, whole = _junit(tmp_path / "run").iter("testcase")
    assert len(cases) == len(run.cases)
    # No case says why the run is not green, so that one of the run itself does.
    assert (whole.get("name"), [each.tag for each in whole]) == ("run", ["error"])
    assert "interrupted" in printed.lower()
    assert str(tmp_path / "run") in printed
