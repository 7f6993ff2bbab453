"""The suite notices a sample of the deviations; what cannot be judged is told apart from what survives."""

from __future__ import annotations

import csv
import json
import os
import random
import re
import signal
import subprocess
import sys
import time
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest

from conformance.selfcheck.matrix import read_matrix
from conformance.selfcheck.trial import Fate
from reference_server.deviations.catalogue import catalogue
from specs.loader import load

ROOT = Path(__file__).parents[2]
DERIVED_COUNT = 20
UNRULY = f"{sys.executable} -m tests.deviations.unruly"


def a_sample() -> list[str]:
    """Return the names of one deviation of every module, and of some more of those that are derived."""
    chance = random.Random(3)  # noqa: S311
    derived, by_module = [], defaultdict(list)
    api = load()
    for one in catalogue(api).values():
        if api.requirements[one.breaks[0]].excluded is not None:
            continue
        by_module[one.install.__module__].append(one.name)
        if one.is_generated:
            derived.append(one.name)
    return sorted({*map(chance.choice, by_module.values()), *chance.sample(derived, DERIVED_COUNT)})


def test_a_sample_of_the_deviations_is_killed(wireproof: Any, tmp_path: Path) -> None:
    """Each is reported by the requirement that it breaks; `make selfcheck` tries all of them."""
    names = a_sample()
    done = wireproof("selfcheck", *names, "--json", "-j", "4", "--run-dir", str(tmp_path / "run"))
    assert done.stderr == ""
    found = json.loads(done.stdout)
    assert [row for row in found["deviations"] if row["fate"] != "killed"] == []
    assert (done.returncode, found["counts"]["killed"]) == (0, len(names))
    rows = list(csv.DictReader((tmp_path / "run" / "matrix.csv").read_text(encoding="utf-8").splitlines()))
    assert [row["deviation"] for row in rows] == names
    assert all(row["case"] and row["fate"] == "killed" for row in rows)


@pytest.mark.parametrize(("budget", "share", "code"), [("10m", "100.0%", 0), ("1ms", "0.0%", 1)])
def test_what_is_noticed_in_little_time_is_counted(
    wireproof: Any, budget: str, share: str, code: int
) -> None:
    """By whatever check; no deviation is listed for having been missed."""
    names = ["task/complete/skips-role-check", "task/complete/drops-reply"]
    done = wireproof("selfcheck", *names, "--include", "task/complete/*", "--suite-budget", budget)
    assert (done.returncode, done.stderr) == (code, "")
    span = {"10m": "600 s", "1ms": "0.001 s"}[budget]
    assert f"\nNoticed within {span}: {share} of those tried\n" in done.stdout
    assert "Silent" not in done.stdout


@pytest.fixture(scope="module")
def unruly(tmp_path_factory: pytest.TempPathFactory) -> subprocess.CompletedProcess[str]:
    """What is printed about servers that cannot be judged, with the run folder's path as the last word."""
    names = ["hangs", "dies", "never-listens", "does-nothing", "names-another-rule", "is-seen"]
    options = ["--include", "task/*/refuses/role/*", "--silence-s", "4", "--servers", UNRULY, "-j", "4"]
    folder = tmp_path_factory.mktemp("unruly") / "run"
    return subprocess.run(
        [sys.executable, "-m", "wireproof", "selfcheck", *names, *options, "--run-dir", str(folder)],
        capture_output=True,
        text=True,
        timeout=120,
        cwd=ROOT,
        env={**os.environ, "COLUMNS": "100"},
        check=False,
    )


@pytest.mark.parametrize(
    ("name", "fate", "told"),
    [
        ("hangs", Fate.UNTESTED, "nothing was heard for 4 s"),
        ("dies", Fate.UNTESTED, "the server died: exit code 3"),
        ("never-listens", Fate.UNTESTED, "RuntimeError: cannot be installed"),
        ("does-nothing", Fate.SILENT, "pass"),
        ("names-another-rule", Fate.BY_OTHERS, r"task/sender-role: reply ok \{\}"),
        ("is-seen", Fate.KILLED, r"reply ok \{\}"),
    ],
)
def test_what_became_of_a_server_is_told(
    unruly: subprocess.CompletedProcess[str], name: str, fate: Fate, told: str
) -> None:
    """A server that hangs, dies or never listens is neither killed nor a survivor; one that is seen only by others is told apart."""
    rows = {row.deviation: row for row in read_matrix(Path(unruly.stdout.split()[-1])).rows}
    assert rows[name].fate is fate
    assert re.search(told, rows[name].observed)
    assert (rows[name].case is None) == (fate in {Fate.UNTESTED, Fate.SILENT})


def test_whatever_was_not_killed_as_it_should_is_shown_and_fails_the_run(
    unruly: subprocess.CompletedProcess[str],
) -> None:
    """Each stands below its heading with its requirement; the last line counts them and names the exit code."""
    assert (unruly.returncode, unruly.stderr) == (1, "")
    assert "\nSilent: the suite saw nothing\ndoes-nothing  (task/sender-role)" in unruly.stdout
    assert "\nnames-another-rule  (task/malformed-payload-refused) by task/" in unruly.stdout
    assert "\nis-seen" not in unruly.stdout
    end = unruly.stdout.splitlines()[-2]
    assert end.startswith("1 killed, 1 killed by others, 1 silent, 3 could not test; ")
    assert end.endswith("exit code 1")


@pytest.mark.parametrize(
    ("servers", "told"),
    [
        (
            "dishonest",
            "the suite does not pass with an honest server, so nothing that it says of others counts",
        ),
        ("mute", "does not begin with its catalogue"),
    ],
)
def test_nothing_is_judged_where_an_honest_server_does_not_pass(
    tmp_path: Path, servers: str, told: str
) -> None:
    """Exit code 3 and one line; no deviation is called killed."""
    done = subprocess.run(
        [
            *(
                sys.executable,
                "-m",
                "wireproof",
                "selfcheck",
                "is-seen",
                "--include",
                "task/complete/refuses/role/*",
            ),
            *("--servers", f"{UNRULY} {servers}", "--run-dir", str(tmp_path / "run")),
        ],
        capture_output=True,
        text=True,
        timeout=120,
        cwd=ROOT,
        check=False,
    )
    assert (done.returncode, done.stdout, len(done.stderr.splitlines())) == (3, "", 1)
    assert told in done.stderr


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["no/such/*"], "no deviation or requirement matches 'no/such/*'"),
        (["--include", "no/such/*"], "no case, requirement or topic matches 'no/such/*'"),
        (["--servers", "'"], "--servers"),
        (["--servers", ""], "--servers"),
        (["--suite-budget", "soon"], "not a span of time: 'soon'"),
        (["--jobs", "0"], "--jobs"),
        (["--spec", "/no/such/folder"], "/no/such/folder"),
    ],
)
def test_wrong_usage_is_one_line(usage: Any, arguments: list[str], told: str) -> None:
    """Exit code 2, nothing on standard output, no traceback."""
    done = usage("selfcheck", *arguments)
    assert (done.returncode, done.stdout, len(done.stderr.splitlines())) == (2, "", 1)
    assert told in done.stderr


def test_a_command_that_cannot_be_run_is_no_judgement(wireproof: Any) -> None:
    """Exit code 3, in one line that names it."""
    done = wireproof("selfcheck", "--servers", "/no/such/program --serve")
    assert (done.returncode, done.stdout) == (3, "")
    assert done.stderr.startswith("wireproof: /no/such/program: cannot be run")


@pytest.mark.parametrize("whole_group", [False, True], ids=["the command alone", "as from a keyboard"])
def test_an_interrupted_self_check_reports_what_it_found(tmp_path: Path, whole_group: bool) -> None:
    """SIGINT ends it in order: the record is whole, the table is printed, no server is left, and the code is not 0."""
    folder = tmp_path / "run"
    process = subprocess.Popen(
        [
            sys.executable,
            "-m",
            "wireproof",
            "selfcheck",
            "task/progress/*",
            "--run-dir",
            str(folder),
            "-j",
            "2",
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        start_new_session=True,
    )
    record = folder / "matrix.jsonl"
    while not (record.exists() and record.read_text(encoding="utf-8").count('"type":"deviation"') > 2):
        assert process.poll() is None
        time.sleep(0.01)
    send = os.killpg if whole_group else os.kill
    send(process.pid, signal.SIGINT)
    printed, complaint = process.communicate(timeout=60)
    assert (process.returncode, complaint) == (3, "")
    matrix = read_matrix(folder)
    assert matrix.footer is not None
    assert matrix.footer.interrupted
    assert 2 < len(matrix.rows) < matrix.header.chosen
    assert "interrupted; " in printed
    assert (folder / "matrix.csv").exists()
