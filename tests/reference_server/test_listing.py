"""Tests of `wireproof deviations`: the list for people and for programs, and wrong usage in one line."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest


def test_the_list_is_one_line_a_deviation(wireproof: Any) -> None:
    """Name, requirement and what a client would see, whole however narrow the terminal is; and how many there are."""
    done = wireproof("deviations", "--include", "payment/close/skips-state-check@closed", COLUMNS="40")
    assert (done.returncode, done.stderr) == (0, "")
    heading, row, empty, count = done.stdout.splitlines()
    assert heading.split() == ["deviation", "breaks", *["what", "a", "client", "would", "see"]]
    assert row.split("  ") == [
        "payment/close/skips-state-check@closed",
        "payment/closed-is-final",
        "close is taken once the topic is closed.",
    ]
    assert (empty, count) == ("", "1 deviations: 1 derived from the documents, 0 written by hand")


def test_programs_get_one_json_object(wireproof: Any) -> None:
    """With every requirement that a deviation breaks; globs are over names and requirements."""
    done = wireproof(
        "deviations", "--json", "--include", "accepts-replayed-nonce", "--include", "task/sender-role"
    )
    rows = {row["name"]: row for row in json.loads(done.stdout)["deviations"]}
    nonce, role = rows["accepts-replayed-nonce"], rows["task/complete/skips-role-check"]
    assert nonce["breaks"] == ["payment/nonce-above-pending"]
    assert nonce["shows"]
    assert (nonce["generated"], role["generated"]) == (False, True)


def test_every_listed_name_can_be_served(wireproof: Any, start_server: Any) -> None:
    """What the list shows is what `--deviate` takes."""
    done = wireproof("deviations", "--json", "--include", "task/complete/*")
    names = [row["name"] for row in json.loads(done.stdout)["deviations"]]
    assert len(names) > 10
    start_server(*(word for name in names for word in ("--deviate", name)))


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--include", "no/such/*"), "no deviation or requirement matches 'no/such/*'"),
        (("--spec", "/no/such/folder"), "/no/such/folder: no such folder"),
        (("--nonsense",), "--nonsense"),
    ],
)
def test_wrong_usage_is_one_line(usage: Any, arguments: tuple[str, ...], told: str) -> None:
    """Exit code 2, nothing on standard output, no traceback."""
    done = usage("deviations", *arguments)
    assert (done.returncode, done.stdout, len(done.stderr.splitlines())) == (2, "", 1)
    assert done.stderr.startswith("wireproof deviations: ")
    assert told in done.stderr


def test_a_reader_that_goes_early_is_content(tmp_path: Path) -> None:
    """`wireproof deviations | head -n 1` ends with 0 and says nothing on standard error."""
    root = Path(__file__).parents[2]
    done = subprocess.run(
        ["bash", "-o", "pipefail", "-c", f"{sys.executable} -m wireproof deviations | head -n 1"],
        capture_output=True,
        text=True,
        timeout=60,
        cwd=root,
        check=False,
    )
    assert (done.returncode, done.stderr, len(done.stdout.splitlines())) == (0, "", 1)
