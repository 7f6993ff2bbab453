from __future__ import annotations

import io
from typing import TYPE_CHECKING

import pytest
from rich.console import Console

from reports.record import PhaseResult, Run, Verdict
from reports.terminal import render_summary, result_sentence

if TYPE_CHECKING:
    from conftest import Builder


def shown(run: Run, width: int = 80) -> str:
    console = Console(file=io.StringIO(), width=width, force_terminal=False)
    render_summary(run, console)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def squeezed(text: str) -> str:
    return " ".join(text.split())


@pytest.mark.parametrize(
    ("verdicts", "fields", "sentence"),
    [
        (
            [Verdict.PASS, Verdict.ADVISORY, Verdict.ADVISORY, Verdict.NOT_RUN],
            {},
            "conformant: 1 passed, 0 failed, 2 advisories, 1 not run; exit code 0",
        ),
        ([Verdict.FAIL, Verdict.ADVISORY], {}, "not conformant: 0 passed, 1 failed, 1 advisory; exit code 1"),
        (
            [Verdict.PASS, Verdict.INCONCLUSIVE],
            {},
            "inconclusive: 1 passed, 0 failed, 1 inconclusive; exit code 4",
        ),
        ([], {}, "could not test: 0 passed, 0 failed; exit code 3"),
        (
            [Verdict.PASS],
            {"interrupted": True, "exit_code": 3},
            "interrupted (could not test so far): 1 passed, 0 failed; exit code 3",
        ),
        ([Verdict.PASS], {"exit_code": 130}, "ended abnormally: 1 passed, 0 failed; exit code 130"),
    ],
)
def test_the_last_line_says_the_result_in_words(
    build: Builder, verdicts: list[Verdict], fields: dict[str, int], sentence: str
) -> None:
    """One unbroken sentence with the counts and the exit code ends the report."""
    run = build.run(*(build.case(f"c/{n}", verdict) for n, verdict in enumerate(verdicts)), **fields)
    assert result_sentence(run) == sentence
    assert shown(run, width=40).splitlines()[-1] == sentence


@pytest.mark.parametrize("width", [80, 120])
def test_every_verdict_has_a_column_that_fits(build: Builder, width: int) -> None:
    """Even with all seven verdicts, all levels and a long topic no heading is cut and no table line is too long."""
    cases = build.run_with_every_verdict().cases
    levels = [
        build.case(f"c/{level}", level=level, topic="negotiation:{session_id}") for level in ("SHOULD", "MAY")
    ]
    table = shown(build.run(*cases, *levels), width).split("Findings:")[0]
    assert "…" not in table
    assert max(map(len, table.splitlines())) <= width
    for heading in ("MUST", "SHOULD", "MAY", "pass", "fail", "flaky", "error"):
        assert heading in table.split("\n\n", maxsplit=1)[0].split()


def test_a_row_counts_passed_of_total_by_level_and_cases_by_verdict(build: Builder) -> None:
    """A case that did not run counts in the total of its level and not as passed."""
    cases = [
        build.case("a", topic="task"),
        build.case("b", topic="task"),
        build.case("c", Verdict.NOT_RUN, topic="task"),
        build.case("d", Verdict.FAIL, topic="payment", level="SHOULD"),
    ]
    rows = [line.split() for line in shown(build.run(*cases), 120).splitlines()]
    assert ["channel", "MUST", "SHOULD", "pass", "fail", "not", "run"] in rows
    assert ["task", "2/3", "-", "2", "-", "1"] in rows
    assert ["payment", "-", "0/1", "-", "1", "-"] in rows
    assert ["all", "2/3", "0/1", "2", "1", "1"] in rows


def test_a_finding_shows_requirement_statement_expected_observed_and_transcript(build: Builder) -> None:
    """What a reader needs to believe a failure is on the screen."""
    text = shown(build.run(build.case(verdict=Verdict.FAIL)))
    for part in (
        "fail task/progress-relayed MUST, stated",
        "Progress is relayed to the other participant.",
        "1 case: task/one",
        "expected the relay",
        "observed nothing before the barrier",
        '12.3 ms client > ["1","2","task:t","progress",{}]',
    ):
        assert part in squeezed(text)


def test_ids_are_never_broken(build: Builder) -> None:
    """Ids longer than the screen stay whole, so that they can be copied."""
    requirement, case = "payment/" + "very-long-" * 9 + "slug", "payment/" + "case-" * 20
    findings = [
        build.finding(case, requirement=requirement),
        build.finding(case + "2", requirement=requirement),
    ]
    advisory = build.finding(case, Verdict.ADVISORY, requirement=requirement + "-advisory")
    text = shown(build.run(build.case(case, Verdict.FAIL, findings=[*findings, advisory])))
    for name in (requirement, case, case + "2", requirement + "-advisory"):
        assert any(name in line for line in text.splitlines())


def test_findings_against_one_requirement_are_shown_once_with_at_most_eight_other_cases(
    build: Builder,
) -> None:
    """Twelve cases: the first in full, eight by id, the rest as a number."""
    text = shown(build.run(*(build.case(f"case-{n:02}", Verdict.FAIL) for n in range(12))))
    assert text.count("task/progress-relayed") == 1
    assert "12 cases, the first: case-00" in text
    assert "case-08" in text
    assert "case-09" not in text
    assert "and 3 more" in text


def test_a_long_transcript_keeps_its_last_thirty_entries(build: Builder) -> None:
    """The end is where the failure is; how many came before is said."""
    transcript = [build.entry(f"frame-{n:02}") for n in range(33)]
    text = shown(
        build.run(build.case(verdict=Verdict.FAIL, findings=[build.finding(transcript=transcript)])),
        width=120,
    )
    assert "... 3 earlier entries" in text
    assert [f"frame-{n:02}" in text for n in (2, 3, 32)] == [False, True, True]


def test_a_long_frame_is_elided(build: Builder) -> None:
    """A frame of ten thousand characters does not fill the screen; its start and end stay."""
    finding = build.finding(transcript=[build.entry("start" + "x" * 10_000 + "end")])
    text = shown(build.run(build.case(verdict=Verdict.FAIL, findings=[finding])))
    assert len(text.splitlines()) < 30
    assert "start" in text
    assert "xend" in text
    assert "...[+" in text


def test_square_brackets_and_escape_sequences_of_a_frame_are_shown_and_not_obeyed(build: Builder) -> None:
    """No text of the endpoint or of the record acts as markup, as an emoji code or on the terminal."""
    nasty = "[red]a[/red][/] :smile: \x1b[2J"
    fields = dict.fromkeys(("requirement", "case", "expected", "observed", "statement", "basis"), nasty)
    finding = build.finding(**fields, transcript=[build.entry(nasty, who=nasty)])
    advisory = build.finding(**{**fields, "verdict": Verdict.ADVISORY})
    missing = build.case(nasty, Verdict.NOT_RUN, topic=nasty, reason=nasty)
    run = build.run(build.case(nasty, Verdict.FAIL, findings=[finding, advisory]), missing, note=nasty)
    text = shown(run, width=400)
    visible = "[red]a[/red][/] :smile: \\x1b[2J"
    assert "\x1b" not in text
    assert text.count(visible) == 13


def test_without_a_terminal_there_is_no_colour(build: Builder) -> None:
    """The report is plain text where it is piped."""
    assert "\x1b" not in shown(build.run_with_every_verdict())


def test_advisories_are_short(build: Builder) -> None:
    """Requirement, number of cases, and one line that fits the screen."""
    finding = build.finding(verdict=Verdict.ADVISORY, observed="no reply " * 30)
    cases = [build.case(f"c/{n}", Verdict.ADVISORY, findings=[finding]) for n in range(2)]
    cases.append(build.case("d", Verdict.ADVISORY, findings=[build.finding("d", Verdict.ADVISORY)]))
    lines = shown(build.run(*cases)).split("Advisories: 1 requirement\n")[1].splitlines()
    assert lines[0] == "task/progress-relayed  2 cases"
    assert len(lines[1]) <= 80
    assert lines[1].endswith(" ...")
    assert lines[2] == ""


def test_cases_not_run_are_grouped_by_reason(build: Builder) -> None:
    """Each reason once, with its number of cases."""
    missing = [build.case(f"c/{n}", Verdict.NOT_RUN, reason="no user token") for n in range(3)]
    assert "Not run 3 no user token" in squeezed(shown(build.run(*missing)))


def test_the_header_says_what_was_checked(build: Builder) -> None:
    """Endpoint, documents, seed and filters."""
    header = build.header(strict=True, include=["payment/*"], exclude=["payment/slow"])
    text = squeezed(shown(Run(header=header, cases=[], footer=build.footer([]))))
    assert text.startswith(
        "wireproof 0.1.0 ws://127.0.0.1:4000 Agrenting 1.0, seed 42, strict, 30.5 s only payment/* without payment/slow"
    )


def test_a_partial_run_never_calls_an_endpoint_conformant(build: Builder) -> None:
    """With code 0 the last line speaks of the part that was run, and the reason stands above it."""
    run = build.run(build.case(), build.case("b", Verdict.NOT_RUN), partial=["out of budget: 1 of 2 cases"])
    assert result_sentence(run) == (
        "no finding in the part that was run: 1 passed, 0 failed, 1 not run; exit code 0"
    )
    text = shown(run)
    assert "out of budget: 1 of 2 cases" in text
    assert "conformant" not in text


def test_a_partial_run_with_a_failure_is_not_conformant(build: Builder) -> None:
    """A failure is a failure, however little was run."""
    run = build.run(build.case(verdict=Verdict.FAIL), partial=["shard 1/4"])
    assert result_sentence(run).startswith("not conformant: ")


def test_each_part_of_the_run_says_how_it_went(build: Builder) -> None:
    """Those without a case say why."""
    rows = [("reach", 0, 0, None), ("generated", 5, 4, "out of budget"), ("races", 0, 0, "filtered out")]
    phases = [
        PhaseResult(phase=name, cases=cases, ran=ran, duration_s=1.0, reason=reason)
        for name, cases, ran, reason in rows
    ]
    text = squeezed(shown(build.run(build.case(), phases=phases)))
    assert "phases: reach, generated 4/5 (out of budget), races (filtered out)" in text


def test_a_flaky_case_shows_both_transcripts(build: Builder) -> None:
    """What was seen once and what was seen then stand one below the other."""
    findings = [
        build.finding(verdict=Verdict.FLAKY, transcript=[build.entry("first-frame")]),
        build.finding(
            verdict=Verdict.FLAKY, attempt=2, observed="it passed", transcript=[build.entry("second-frame")]
        ),
    ]
    text = shown(build.run(build.case(verdict=Verdict.FLAKY, findings=findings)))
    parts = ["attempt 1", "nothing before", "first-frame", "attempt 2", "it passed", "second-frame"]
    assert [text.index(part) for part in parts] == sorted(text.index(part) for part in parts)


def test_other_ways_to_break_a_requirement_are_shown_shorter(build: Builder) -> None:
    """Their observations are there, their transcripts are not, and beyond five they are counted."""
    words = ["none", "two", "three", "altered", "late", "empty", "garbled"]
    cases = [
        build.case(
            f"task/{word}",
            Verdict.FAIL,
            findings=[
                build.finding(f"task/{word}", observed=word, transcript=[build.entry(f"{word}-frame")])
            ],
        )
        for word in words
    ]
    text = shown(build.run(*cases))
    assert "none-frame" in text
    assert "two-frame" not in text
    assert [f"case: task/{word}" in text for word in words] == [True] * 5 + [False] * 2
    assert "and in 2 other ways" in text
