"""A run as JUnit XML, as build servers read it: a suite a topic, a test case a case.

A failed or flaky case is a `failure`, an error of our own and an inconclusive case are an `error`, a case that did not run is
`skipped`, as is one that failed by what is known already; an advisory passes and says so in `system-out`. A run that does not
end with 0 though no case has failed, such as one that could not test, has one more test case that says why.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

from .exit_codes import ExitCode
from .printable import one_line, printable
from .record import CaseResult, Finding, Run, TranscriptEntry, Verdict

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

_TAGS = {
    Verdict.FAIL: "failure",
    Verdict.FLAKY: "failure",
    Verdict.ERROR: "error",
    Verdict.INCONCLUSIVE: "error",
    Verdict.NOT_RUN: "skipped",
}
_WHOLE = "run"
"""Suite and test case of what is no case's."""


def write_junit(run: Run, path: Path, known: Mapping[str, str] | None = None) -> None:
    """Write a run as JUnit XML, in UTF-8; times are in seconds.

    Args:
        run: A whole run.
        path: File to write; replaced if it is there.
        known: Why a case may fail, by its id: the reasons of a baseline.

    Raises:
        OSError: If it cannot be written.

    """
    tree = ET.ElementTree(junit_tree(run, known or {}))
    ET.indent(tree)
    tree.write(path, encoding="utf-8", xml_declaration=True)


def junit_tree(run: Run, known: Mapping[str, str]) -> ET.Element:
    """Build the `testsuites` element of a run: one `testsuite` a topic, in the order of the run."""
    totals = _totals(run.cases, known)
    root = ET.Element("testsuites", {"name": "wireproof", **totals})
    by_topic: dict[str, list[CaseResult]] = {}
    for case in run.cases:
        by_topic.setdefault(case.topic, []).append(case)
    for topic, cases in by_topic.items():
        suite = ET.SubElement(
            root,
            "testsuite",
            {"name": printable(topic), "timestamp": run.header.started_at, **_totals(cases, known)},
        )
        _add_properties(suite, _run_properties(run))
        for case in cases:
            _add_case(suite, case, known.get(case.case))
    if run.footer.exit_code != ExitCode.CONFORMANT and totals["failures"] == totals["errors"] == "0":
        _add_whole(root, run)
    return root


def _add_whole(root: ET.Element, run: Run) -> None:
    """Add why a run is not green of which no case says so: nobody shall take what little it did for a success."""
    tag = "failure" if run.footer.exit_code == ExitCode.FINDINGS else "error"
    counts = {"tests": "1", f"{tag}s": "1"}
    for name in counts:
        root.set(name, str(int(root.get(name, "0")) + 1))
    zeros = {"tests": "0", "failures": "0", "errors": "0", "skipped": "0", "time": _seconds(0)}
    suite = ET.SubElement(
        root, "testsuite", {"name": _WHOLE, "timestamp": run.header.started_at, **zeros, **counts}
    )
    _add_properties(suite, _run_properties(run))
    element = ET.SubElement(suite, "testcase", {"classname": _WHOLE, "name": _WHOLE, "time": _seconds(0)})
    told = run.footer.note or ("interrupted" if run.footer.interrupted else "nothing was tested")
    message = one_line(f"exit code {run.footer.exit_code}: {told}")
    ET.SubElement(element, tag, {"message": message, "type": tag})


def _totals(cases: Sequence[CaseResult], known: Mapping[str, str]) -> dict[str, str]:
    tags = ["skipped" if case.case in known else _TAGS.get(case.verdict) for case in cases]
    return {
        "tests": str(len(cases)),
        "failures": str(tags.count("failure")),
        "errors": str(tags.count("error")),
        "skipped": str(tags.count("skipped")),
        "time": _seconds(sum(case.duration_ms for case in cases)),
    }


def _run_properties(run: Run) -> list[tuple[str, str]]:
    header = run.header
    return [
        ("url", header.url),
        ("spec", f"{header.spec} {header.spec_version}"),
        ("wireproof", header.tool_version),
        ("seed", str(header.seed)),
        ("interrupted", "yes" if run.footer.interrupted else "no"),
        *(("partial", reason) for reason in run.footer.partial),
        *([("note", run.footer.note)] if run.footer.note else []),
    ]


def _add_case(suite: ET.Element, case: CaseResult, known: str | None) -> None:
    element = ET.SubElement(
        suite,
        "testcase",
        {
            "classname": printable(case.topic),
            "name": printable(case.case),
            "time": _seconds(case.duration_ms),
        },
    )
    phase = [("phase", case.phase)] if case.phase else []
    _add_properties(element, phase + [("requirement", requirement) for requirement in case.requirements])
    if known is not None:
        ET.SubElement(element, "skipped", {"message": one_line(f"known: {known}")})
        ET.SubElement(element, "system-out").text = printable(_body(case))
    elif case.verdict is Verdict.ADVISORY:
        ET.SubElement(element, "system-out").text = printable("advisory\n" + _body(case))
    elif case.verdict in _TAGS:
        outcome = ET.SubElement(element, _TAGS[case.verdict], {"message": _message(case)})
        if case.verdict is not Verdict.NOT_RUN:
            outcome.set("type", case.verdict.value)
            outcome.text = printable(_body(case))


def _add_properties(parent: ET.Element, properties: list[tuple[str, str]]) -> None:
    if not properties:
        return
    element = ET.SubElement(parent, "properties")
    for name, value in properties:
        ET.SubElement(element, "property", {"name": name, "value": printable(value)})


def _message(case: CaseResult) -> str:
    evidence = case.evidence()
    if evidence:
        return one_line(f"{evidence[0].requirement}: {evidence[0].observed}")
    return one_line(case.reason or "no reason was recorded")


def _body(case: CaseResult) -> str:
    reason = [case.reason] if case.reason else []
    return "\n\n".join([case.title, *reason, *map(_finding_text, case.evidence())])


def _finding_text(finding: Finding) -> str:
    lines = [
        f"requirement: {finding.requirement} ({finding.level}, {finding.basis})"
        + (f", attempt {finding.attempt}" if finding.attempt > 1 else ""),
        f"statement: {finding.statement}",
        f"expected: {finding.expected}",
        f"observed: {finding.observed}",
        *map(_entry_text, finding.transcript),
    ]
    return "\n".join(lines)


def _entry_text(entry: TranscriptEntry) -> str:
    return f"{entry.at_ms:10.1f} ms  {entry.who} {entry.direction}: {one_line(entry.text)}"


def _seconds(duration_ms: float) -> str:
    return f"{duration_ms / 1000:.3f}"
