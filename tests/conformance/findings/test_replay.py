"""`wireproof replay`: a finding is seen again where it was found, and not where it is not."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest

from conformance import replay
from conformance.catalogue import all_cases
from conformance.endpoint import Endpoint
from conformance.faults import Breach
from conformance.findings.finding_file import read
from conformance.fixtures.lab import Bench
from conformance.replay import _endpoint
from conformance.verdicts import Attempt
from specs.loader import load
from specs.model import Api
from tests.conformance.findings.checking import Checked, command


def test_a_finding_is_seen_again_where_it_was_found(checked: Checked) -> None:
    """Without a URL the endpoint of the file is asked; exit code 1."""
    done = command("replay", str(checked.file), "--json")
    told = json.loads(done.stdout)
    assert (done.returncode, told["reproduced"], told["times"]) == (1, 3, 3)
    assert told["observed"]


def test_a_finding_is_not_seen_at_an_honest_server(checked: Checked, honest_url: str) -> None:
    """Another URL may be named; exit code 0, and what the case comes to now is said."""
    done = command("replay", str(checked.file), honest_url, "--times", "2")
    assert done.returncode == 0, done
    assert "not reproduced: 0 of 2 times" in done.stdout
    assert "the case passes" in done.stdout


def test_nobody_there_could_not_be_tested(checked: Checked) -> None:
    """An endpoint that cannot be reached is one line and exit code 3."""
    done = command("replay", str(checked.file), "ws://127.0.0.1:9")
    assert (done.returncode, done.stdout, len(done.stderr.splitlines())) == (3, "", 1)


@pytest.mark.parametrize("vsn", ["1.0.0", "2.0.0"])
def test_an_endpoint_file_is_replayed_in_the_serializer_of_the_finding(
    checked: Checked, tmp_path: Path, vsn: str, api: Api, capsys: pytest.CaptureFixture[str]
) -> None:
    """The run may have been given another than the file; what differs from it is said."""
    table = checked.table()
    table["endpoint"]["profile"]["vsn"] = vsn
    path, endpoint = tmp_path / "finding.json", tmp_path / "endpoint.toml"
    path.write_text(json.dumps(table), encoding="utf-8")
    endpoint.write_text('url = "ws://127.0.0.1:9"\n[profile.timeouts]\nreply_s = 1\n', encoding="utf-8")
    with _endpoint(read(path), {"url": None}, endpoint, None, api) as described:
        assert described.profile.vsn == vsn
        assert described.profile.timeouts.reply_s == 1
    told = capsys.readouterr().err
    assert ("vsn is 2.0.0; 1.0.0 is used" in told) == (vsn == "1.0.0")
    assert "timeouts" in told
    assert "params" not in told


def pretend(run: Callable[..., Attempt], monkeypatch: pytest.MonkeyPatch) -> None:
    """Let an endpoint be there, and let attempts come to what `run` says."""
    monkeypatch.setattr(replay, "reach", lambda *_: None)
    monkeypatch.setattr(replay, "provisioning", lambda *_: nullcontext())
    monkeypatch.setattr(replay, "admit", lambda bench: bench.doubts.answer_times_s.append(0.02))
    monkeypatch.setattr(replay, "run_once", run)


@pytest.mark.parametrize(
    ("is_seen", "code", "told"), [(True, 1, "reproduced: 2 of 2"), (False, 3, "could not test: 0 of 2")]
)
def test_what_was_seen_before_an_interruption_is_told(
    checked: Checked,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    is_seen: bool,
    code: int,
    told: str,
) -> None:
    """What was seen stands; that nothing was is no verdict, for the rest might have shown it."""
    finding, api = read(checked.file), load()
    case = next(case for case in all_cases(api) if case.id == finding.case)
    breach = Breach(finding.requirement.id, "something", "something else")

    def run(_bench: Bench, _case: object, number: int, *_: object) -> Attempt:
        if number == 3:
            raise KeyboardInterrupt
        return Attempt((breach,) if is_seen else (), ())

    pretend(run, monkeypatch)
    done = replay._repeat(finding, case, api, Endpoint(url="ws://127.0.0.1:9"), 5)
    assert done.exit_code == code
    replay._show(finding, done, as_json=False)
    assert f"{told} times at ws://127.0.0.1:9 before it was interrupted" in capsys.readouterr().out


def test_each_time_has_the_patience_that_a_distant_endpoint_needs(
    checked: Checked, monkeypatch: pytest.MonkeyPatch
) -> None:
    """How far it is, is measured once; nothing else is known of the time before."""
    finding, api = read(checked.file), load()
    case = next(case for case in all_cases(api) if case.id == finding.case)
    benches: list[Bench] = []

    def run(bench: Bench, *_: object) -> Attempt:
        benches.append(bench)
        stretches.append(bench.doubts.stretch())
        bench.doubts.note_effect("payment", "some", has_come=False)
        return Attempt((), ())

    stretches: list[float] = []
    pretend(run, monkeypatch)
    replay._repeat(finding, case, api, Endpoint(url="ws://127.0.0.1:9"), 3)
    assert stretches == [2.0] * 3
    assert len({bench.run for bench in benches}) == 3
    assert [list(bench.doubts.missing_effects.values()) for bench in benches] == [[1]] * 3


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"case": "payment/no-such-case"}, "no case"),
        ({"documents": {"name": "Other", "version": "1", "digest": "0"}}, "--spec"),
        ({"format": 99}, "format 99"),
    ],
)
def test_a_file_that_does_not_fit_is_one_line(
    checked: Checked, tmp_path: Path, change: dict[str, Any], words: str
) -> None:
    """A newer format, other documents or an unknown case: exit code 2 and what to do."""
    path = tmp_path / "changed.json"
    path.write_text(json.dumps({**checked.table(), **change}), encoding="utf-8")
    done = command("replay", str(path))
    assert (done.returncode, done.stdout, len(done.stderr.splitlines())) == (2, "", 1)
    assert words in done.stderr
    assert "Traceback" not in done.stderr


def test_a_finding_at_an_own_server_is_replayed_at_one(checked: Checked, tmp_path: Path) -> None:
    """A finding of a run without a URL is run against a fresh reference server."""
    table = checked.table()
    table["endpoint"]["is_own"] = True
    path = tmp_path / "own.json"
    path.write_text(json.dumps(table), encoding="utf-8")
    done = command("replay", str(path), "--times", "1")
    assert done.returncode == 0, done
