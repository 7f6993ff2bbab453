"""What a user of `wireproof load` may write."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import NoReturn

import msgspec
import pytest
from typer import Typer
from typer.testing import CliRunner

from loadgen.arrivals import parse_arrivals
from loadgen.capacity.cli import app as capacity_app
from loadgen.cli import app as load_app
from loadgen.command import Errand, carry_out
from loadgen.comparison.cli import app as comparison_app
from loadgen.faults import CannotTest
from loadgen.machines import Master
from loadgen.plan import TOKEN_VARIABLE, Plan


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["ws://192.0.2.1", "--control-token", "x"], "--i-own-this-target"),
        (["ws://127.0.0.1:9"], "no control token"),
        (["http://127.0.0.1:9", "--control-token", "x"], "ws://"),
        (["ws://me:word@127.0.0.1:9", "--control-token", "x"], "no user name or password"),
        (["--control", "ws://127.0.0.1:9"], "none is given"),
        (["ws://127.0.0.1:9", "--control-token", "x", "--control", "ws://host..name"], "host..name"),
        (["ws://host..name", "--control-token", "x", "--i-own-this-target"], "host..name"),
        (["--master", "--worker"], "either"),
        (["--worker", "ws://127.0.0.1:9"], "takes no URL"),
        (["--expect-workers", "2"], "add --master"),
        (["--bind", "127.0.0.1"], "add --master"),
        (["--scenario", "dancing"], "task-streaming"),
        (["--set", "burst"], "NAME=VALUE"),
        (["--set", "burst=quick"], "burst"),
        (["--set", "burst=NaN"], "burst"),
        (["--set", "burst=[1e999]"], "burst"),
        (["--duration", f"{'9' * 400}h"], "no number"),
        (["--arrivals", "often"], "spike"),
        (["--duration", "0s"], "longer than nothing"),
        (["--duration", "soon"], "90s"),
        (["--objective", "fast"], "objective"),
        (["--objective", "p99(task.output_straem.delivery) < 1s"], "task.output_stream"),
        (["--objective", "errors(tsak.*) == 0"], "tsak"),
        (["--objective", "lost(task.checkpoint) == 0"], "relayed"),
        (["--objective", "ok(act.pushes) > 1"], "act.pushes"),
        (["--objective", "findings(task/stream-relaid) == 0"], "task/stream-relayed"),
        (["--no-judge", "--objective", "findings(*) == 0"], "--no-judge"),
        (["--objective", "achieved() >= 99%"], "closed model"),
        (["--agents", "3"], "client, provider"),
        (["--plan", "missing.toml"], "missing.toml"),
        (["--provision", "magic"], "invented"),
        (["--spec", "missing"], "missing"),
        (["ws://127.0.0.1:9", "--control-token", "x", "--control", "ws://192.0.2.1"], "--i-own-this-target"),
        (["ws://127.0.0.1:9", "--control-token", "x", "--control", "ws://127.0.0.1:99999"], "99999"),
        (["ws://127.0.0.1:9", "--control-token", "x", "--control", "http://127.0.0.1:9"], "ws://"),
    ],
)
def test_wrong_usage_is_one_line(options: list[str], told: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is exit code 2, says what is wrong, and starts no server for it."""
    monkeypatch.delenv(TOKEN_VARIABLE, raising=False)
    monkeypatch.setattr("loadgen.cli.signal.signal", lambda *_: None)
    done = CliRunner().invoke(load_app, options)
    assert (done.exit_code, done.stdout) == (2, "")
    assert told in done.stderr
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("written", "options"),
    [
        ("connections_per_s = 0", []),
        ("connections_per_s = inf", []),
        ("connections_per_s = nan", []),
        ("agents = 0", []),
        ("agents_per_user = 0", []),
        ('url = "ws://127.0.0.1:9"\ni_own_this_target = true', ["ws://192.0.2.1"]),
        ('url = "ws://192.0.2.9"\ni_own_this_target = true', ["ws://192.0.2.1"]),
        ('url = "ws://192.0.2.9"\ni_own_this_target = true', ["--control", "ws://192.0.2.1"]),
        ("i_own_this_target = true", ["ws://192.0.2.1"]),
    ],
)
def test_a_plan_that_must_not_be_run_is_one_line(
    written: str, options: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Numbers out of range, and consent that was given for another server."""
    monkeypatch.setattr("loadgen.cli.signal.signal", lambda *_: None)
    monkeypatch.setattr("loadgen.cli.own_server", lambda *_: pytest.fail("a server was started"))
    monkeypatch.setattr("loadgen.command.carry_out", lambda *_: pytest.fail("a load was begun"))
    path = tmp_path / "plan.toml"
    path.write_text(written)
    arguments = [*options, "--plan", str(path), "--control-token", "x", "--run-dir", str(tmp_path / "run")]
    done = CliRunner().invoke(load_app, arguments)
    assert (done.exit_code, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    assert written.split()[0] in done.stderr or "--i-own-this-target" in done.stderr


@pytest.mark.parametrize(
    ("written", "options"),
    [
        ('url = "ws://192.0.2.1"\ni_own_this_target = true', []),
        ('url = "ws://192.0.2.1"\ni_own_this_target = true', ["ws://192.0.2.1/"]),
        ('url = "ws://192.0.2.1"\ni_own_this_target = true', ["--control", "ws://192.0.2.1:4001"]),
        ("", ["ws://192.0.2.1", "--control", "ws://192.0.2.2", "--i-own-this-target"]),
    ],
)
def test_ones_own_server_may_be_loaded(
    written: str, options: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The word in a plan is for the server beside it, the flag for whatever the command names."""
    monkeypatch.setattr("loadgen.cli.signal.signal", lambda *_: None)
    aimed: list[Plan] = []

    def carry_out(errand: Errand) -> NoReturn:
        aimed.append(errand.plan)
        raise CannotTest("far enough")

    monkeypatch.setattr("loadgen.command.carry_out", carry_out)
    path = tmp_path / "plan.toml"
    path.write_text(written)
    arguments = [*options, "--plan", str(path), "--control-token", "x", "--run-dir", str(tmp_path / "run")]
    done = CliRunner().invoke(load_app, arguments)
    assert (done.exit_code, "far enough" in done.stderr) == (3, True), done.stderr
    assert [plan.url for plan in aimed] == ["ws://192.0.2.1"]


def test_a_master_needs_no_sockets_for_agents(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """They are its workers'; a process that is alone needs them all."""
    asked: list[Plan] = []
    monkeypatch.setattr("loadgen.command._allow_sockets", asked.append)
    monkeypatch.setattr("loadgen.command._command", lambda _errand: ["false"])
    plan = Plan("ws://x", "ws://x", "pushes", parse_arrivals("closed", 1), 1.0, 2)
    for number, master in enumerate((Master("127.0.0.1", 5557, 2), None)):
        folder = tmp_path / f"{number}"
        folder.mkdir()
        with pytest.raises(CannotTest):
            carry_out(Errand(msgspec.structs.replace(plan, folder=str(folder)), master=master))
        assert len(asked) == number


@pytest.mark.parametrize("number", ["inf", "nan"])
@pytest.mark.parametrize(
    ("command", "option"),
    [
        (load_app, "--connections-per-s"),
        (capacity_app, "--from"),
        (capacity_app, "--to"),
        (capacity_app, "--knee-factor"),
        (capacity_app, "--at-least"),
        (comparison_app, "--tolerance"),
    ],
)
def test_what_is_no_figure_is_wrong_usage(command: Typer, option: str, number: str) -> None:
    """Infinity and NaN are read as numbers, but nobody can mean them."""
    folders = ["one", "other"] if command is comparison_app else []
    done = CliRunner().invoke(command, [*folders, option, number])
    assert (done.exit_code, done.stdout) == (2, "")
    assert option in done.stderr


@pytest.mark.parametrize("option", ["--web", "--metrics-port"])
def test_a_port_that_somebody_has_is_wrong_usage(
    option: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is said of the option, before a generator is started."""
    monkeypatch.setattr("loadgen.cli.signal.signal", lambda *_: None)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = f"{taken.getsockname()[1]}"
        options = ["--control-token", "x", "--run-dir", str(tmp_path / "run"), option, port]
        done = CliRunner().invoke(load_app, ["ws://127.0.0.1:9", *options])
    assert (done.exit_code, done.stdout, done.stderr) == (
        2,
        "",
        f"wireproof: {option} {port}: Address already in use\n",
    )


@pytest.mark.parametrize("port", ["0", "99999"])
def test_a_web_page_is_served_at_a_port(port: str) -> None:
    """Anything else is refused before a generator is started that shows none."""
    done = CliRunner().invoke(load_app, ["ws://127.0.0.1:9", "--control-token", "x", "--web", port])
    assert (done.exit_code, done.stdout) == (2, "")
    assert "--web" in done.stderr
