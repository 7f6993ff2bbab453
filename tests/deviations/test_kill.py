"""The suite notices a sample of the deviations; what cannot be judged is told apart from what survives."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest

from reference_server.deviations.catalogue import catalogue
from specs.loader import load

ROOT = Path(__file__).parents[2]
DERIVED_COUNT = 20


def run(*arguments: str, timeout_s: float = 300) -> subprocess.CompletedProcess[str]:
    """Run a module of this folder in a process without threads, as forking asks for."""
    return subprocess.run(
        [sys.executable, "-m", *arguments],
        capture_output=True,
        text=True,
        timeout=timeout_s,
        cwd=ROOT,
        check=False,
    )


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


def test_a_sample_of_the_deviations_is_killed() -> None:
    """Each is reported by the requirement that it breaks; `make deviations` tries all of them."""
    names = a_sample()
    done = run("tests.deviations.kill", *names, "--json", "-j", "4")
    found = json.loads(done.stdout)
    assert [row for row in found["deviations"] if row["fate"] != "killed"] == []
    assert (done.returncode, found["counts"]) == (0, {"killed": len(names)})


def test_a_survivor_is_shown_and_fails_the_run(tmp_path: Path) -> None:
    """What no case sees is named with its requirement; the exit code says so."""
    hidden = tmp_path / "hidden.py"
    hidden.write_text(
        "import sys\n"
        "from reference_server.deviations.deviation import deviation\n"
        "@deviation('task/sender-role', shows='Nothing.')\n"
        "def does_nothing(server):\n"
        "    pass\n"
        "from tests.deviations.kill import main\n"
        "sys.exit(main(['does-nothing']))\n"
    )
    done = subprocess.run(
        [sys.executable, str(hidden)],
        capture_output=True,
        text=True,
        timeout=60,
        env={"PYTHONPATH": str(ROOT)},
        cwd=ROOT,
        check=False,
    )
    assert done.returncode == 1, done.stderr
    assert done.stdout.startswith("survived    does-nothing (task/sender-role)")
    assert done.stdout.endswith("1 deviations: 1 survived\n")


def test_a_glob_that_matches_nothing_is_wrong_usage() -> None:
    """One line names it."""
    done = run("tests.deviations.kill", "no/such/*")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "kill: no deviation or requirement matches 'no/such/*'\n"


@pytest.fixture(scope="module")
def unruly() -> dict[str, Any]:
    """What became of servers that cannot be judged."""
    done = run("tests.deviations.unruly")
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@pytest.mark.parametrize(
    ("name", "fate", "told"),
    [
        ("hangs", "out of time", "hangs"),
        ("dies", "server died", ""),
        ("never_listens", "server died", "RuntimeError: cannot be installed"),
        ("is_honest", "survived", "pass"),
        ("uncovered", "not tested", "no case covers it"),
    ],
)
def test_what_cannot_be_judged_has_not_survived(
    unruly: dict[str, Any], name: str, fate: str, told: str
) -> None:
    """A server that hangs, dies or never listens is neither killed nor a survivor; nor is what no case is about."""
    assert unruly[name]["fate"] == fate
    assert told in unruly[name]["observed"]
    assert unruly[name]["case"] is None
