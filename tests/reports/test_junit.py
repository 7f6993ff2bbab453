from __future__ import annotations

from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

import pytest

from reports.junit import write_junit
from reports.record import Run, Verdict

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Builder


def parsed(run: Run, tmp_path: Path) -> ET.Element:
    write_junit(run, tmp_path / "junit.xml")
    return ET.parse(tmp_path / "junit.xml").getroot()  # noqa: S314 - our own file


@pytest.mark.parametrize(
    ("verdict", "tag", "kind"),
    [
        (Verdict.FAIL, "failure", "fail"),
        (Verdict.FLAKY, "failure", "flaky"),
        (Verdict.ERROR, "error", "error"),
        (Verdict.INCONCLUSIVE, "error", "inconclusive"),
        (Verdict.NOT_RUN, "skipped", None),
        (Verdict.ADVISORY, "system-out", None),
        (Verdict.PASS, None, None),
    ],
)
def test_each_verdict_has_its_own_element(
    build: Builder, tmp_path: Path, verdict: Verdict, tag: str | None, kind: str | None
) -> None:
    """A build server sees failure, error, skipped or pass; nothing but a pass and an advisory looks green."""
    case = parsed(build.run(build.case(verdict=verdict, reason="no token")), tmp_path).find(".//testcase")
    assert case is not None
    outcomes = [element for element in case if element.tag != "properties"]
    assert [element.tag for element in outcomes] == ([tag] if tag else [])
    assert [element.get("type") for element in outcomes] == ([kind] if tag else [])


def test_what_is_known_is_skipped(build: Builder, tmp_path: Path) -> None:
    """A case that fails by what a baseline explains turns no build red; its evidence is there all the same."""
    run = build.run(build.case("a/b", verdict=Verdict.FAIL), build.case("a/c", verdict=Verdict.FAIL))
    write_junit(run, tmp_path / "junit.xml", {"a/b": "to be mended"})
    root = ET.parse(tmp_path / "junit.xml").getroot()  # noqa: S314 - our own file
    assert [root.get(name) for name in ("failures", "skipped")] == ["1", "1"]
    known, new = root.findall(".//testcase")
    assert [skipped.get("message") for skipped in known.findall("skipped")] == ["known: to be mended"]
    assert "expected:" in known.findtext("system-out", "")
    assert [new.find("skipped"), new.find("failure") is not None] == [None, True]


def test_totals_agree_with_the_cases(build: Builder, tmp_path: Path) -> None:
    """The root counts all cases, each suite its own; times are seconds."""
    every = build.run_with_every_verdict().cases
    root = parsed(build.run(*every, build.case("d/one", topic="agents:discovery")), tmp_path)
    names = ("tests", "failures", "errors", "skipped", "time")
    assert [root.get(name) for name in names] == ["8", "2", "2", "1", "12.000"]
    assert [[suite.get(name) for name in ("name", *names)] for suite in root] == [
        ["task:{task_id}", "7", "2", "2", "1", "10.500"],
        ["agents:discovery", "1", "0", "0", "0", "1.500"],
    ]


def test_a_case_is_named_by_topic_and_id_and_lists_its_requirements(build: Builder, tmp_path: Path) -> None:
    """`classname` is the topic, `name` the id, and there is a property for each requirement."""
    root = parsed(build.run(build.case("a/b", requirements=["r/one", "r/two"])), tmp_path)
    case = root.find(".//testcase")
    assert case is not None
    assert (case.get("classname"), case.get("name"), case.get("time")) == ("task:{task_id}", "a/b", "1.500")
    assert [p.attrib for p in case.iter("property")] == [
        {"name": "requirement", "value": "r/one"},
        {"name": "requirement", "value": "r/two"},
    ]


def test_a_failure_says_requirement_expected_observed_and_transcript(build: Builder, tmp_path: Path) -> None:
    """Everything that a reader needs stands in the failure itself."""
    failure = parsed(build.run(build.case(verdict=Verdict.FAIL)), tmp_path).find(".//failure")
    assert failure is not None
    assert failure.get("message") == "task/progress-relayed: nothing before the barrier"
    for part in ("Progress is relayed", "expected: the relay", "12.3 ms  client sent: [", "MUST, stated"):
        assert part in (failure.text or "")


def test_a_case_not_run_says_why(build: Builder, tmp_path: Path) -> None:
    """The reason is the message of `skipped`."""
    skipped = parsed(build.run(build.case(verdict=Verdict.NOT_RUN, reason="no token")), tmp_path).find(
        ".//skipped"
    )
    assert skipped is not None
    assert skipped.get("message") == "no token"


def test_characters_that_xml_forbids_are_escaped(build: Builder, tmp_path: Path) -> None:
    """Control characters, surrogates and noncharacters of a frame leave a file that can be parsed."""
    nasty = "\x00\x1b\ud800\uffff]]><&\"'"
    finding = build.finding(observed=nasty, transcript=[build.entry(nasty, who=nasty)])
    run = build.run(build.case(nasty, Verdict.FAIL, topic=nasty, findings=[finding], requirements=[nasty]))
    root = parsed(run, tmp_path)
    failure = root.find(".//failure")
    assert failure is not None
    assert "observed: \\x00\\x1b\\ud800\\uffff]]><&\"'" in (failure.text or "")


def test_an_empty_run_is_a_file_without_suites(build: Builder, tmp_path: Path) -> None:
    """No case, no suite, no failure, and still a well-formed file."""
    root = parsed(build.run(exit_code=0), tmp_path)
    assert (root.tag, root.get("tests"), len(root)) == ("testsuites", "0", 0)


def test_a_flaky_case_holds_both_transcripts(build: Builder, tmp_path: Path) -> None:
    """The frames of both attempts are in the failure's text."""
    findings = [
        build.finding(verdict=Verdict.FLAKY, transcript=[build.entry("first-frame")]),
        build.finding(verdict=Verdict.FLAKY, attempt=2, transcript=[build.entry("second-frame")]),
    ]
    failure = parsed(
        build.run(build.case(verdict=Verdict.FLAKY, findings=findings, phase="generated")), tmp_path
    ).find(".//failure")
    assert failure is not None
    text = failure.text or ""
    assert text.index("first-frame") < text.index("attempt 2") < text.index("second-frame")


def test_why_a_run_is_partial_is_a_property(build: Builder, tmp_path: Path) -> None:
    """A build server that shows green shows beside it what was not looked at."""
    root = parsed(build.run(build.case(), partial=["out of budget"], note="stopped"), tmp_path)
    properties = {(one.get("name"), one.get("value")) for one in root.iter("property")}
    assert {("partial", "out of budget"), ("note", "stopped")} <= properties


@pytest.mark.parametrize(("code", "tag"), [(1, "failure"), (3, "error")])
def test_a_run_that_is_not_green_looks_green_nowhere(
    build: Builder, tmp_path: Path, code: int, tag: str
) -> None:
    """A baseline that does not fit, or an endpoint that cannot be tested, is no case's, and yet there."""
    for cases in ([], [build.case()], [build.case(verdict=Verdict.NOT_RUN)]):
        root = parsed(build.run(*cases, exit_code=code, note="why"), tmp_path)
        assert (root.get("tests"), root.get(f"{tag}s")) == (str(len(cases) + 1), "1")
        (whole,) = [case for case in root.iter("testcase") if case.get("name") == "run"]
        (outcome,) = whole
        assert (outcome.tag, outcome.get("message")) == (tag, f"exit code {code}: why")


def test_a_case_that_says_it_is_enough(build: Builder, tmp_path: Path) -> None:
    """What failed is not counted twice."""
    root = parsed(build.run(build.case(verdict=Verdict.FAIL), exit_code=1), tmp_path)
    assert (root.get("tests"), root.get("failures"), len(root)) == ("1", "1", 1)
