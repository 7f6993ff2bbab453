"""Wrong usage and endpoints that cannot be tested: one clear line on standard error, the right exit code, no traceback."""

from __future__ import annotations

import http.server
import shutil
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from specs.loader import DOCUMENTS

USAGE, COULD_NOT_TEST = 2, 3
TOKEN = {"WIREPROOF_CONTROL_TOKEN": "some-token"}
NOBODY = "ws://127.0.0.1:9"


def assert_one_line(done: Any, code: int, *words: str) -> None:
    lines = done.stderr.splitlines()
    assert (done.returncode, done.stdout, len(lines)) == (code, "", 1), done
    assert lines[0].startswith("wireproof")
    assert "Traceback" not in lines[0]
    for word in words:
        assert word in lines[0]


@pytest.fixture
def silent_port() -> Iterator[int]:
    """A port that takes connections and never says anything."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]


@pytest.fixture
def web_port() -> Iterator[int]:
    """A web server without WebSockets."""

    class Quiet(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self.send_error(404)

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Quiet) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server.server_address[1]
        server.shutdown()
        thread.join()


def test_an_unreachable_url_could_not_be_tested(wireproof: Any) -> None:
    """Nobody listens: the URL is named."""
    assert_one_line(wireproof("check", NOBODY, **TOKEN), COULD_NOT_TEST, NOBODY)


def test_an_unknown_host_could_not_be_tested(wireproof: Any) -> None:
    """A name that no resolver knows is no endpoint."""
    assert_one_line(wireproof("check", "ws://nobody.invalid", **TOKEN), COULD_NOT_TEST, "nobody.invalid")


def test_a_listener_that_never_answers_could_not_be_tested(
    wireproof: Any, silent_port: int, tmp_path: Path
) -> None:
    """The handshake is given up after the connect time-out of the endpoint file."""
    file = tmp_path / "endpoint.toml"
    file.write_text(f'url = "ws://127.0.0.1:{silent_port}"\n[profile.timeouts]\nconnect_s = 0.5\n')
    done = wireproof("check", "--endpoint", str(file), timeout_s=30, **TOKEN)
    assert_one_line(done, COULD_NOT_TEST, "no answer")


def test_a_web_server_could_not_be_tested(wireproof: Any, web_port: int) -> None:
    """HTTP without a WebSocket is said with its status."""
    assert_one_line(wireproof("check", f"ws://127.0.0.1:{web_port}", **TOKEN), COULD_NOT_TEST, "HTTP 404")


def test_a_wrong_token_could_not_test(wireproof: Any, reference_server: Any) -> None:
    """A refused token is said, with the status by which somebody on the way may have refused it, and not shown."""
    done = wireproof("check", reference_server.url, "--control-token", "wrong-one")
    assert_one_line(done, COULD_NOT_TEST, "the control token is refused (HTTP 403)")
    assert "wrong-one" not in done.stderr


def test_no_token_could_not_test(wireproof: Any, reference_server: Any) -> None:
    """A missing token is said with the ways to give one."""
    assert_one_line(
        wireproof("check", reference_server.url), COULD_NOT_TEST, "--control-token", "WIREPROOF_CONTROL_TOKEN"
    )


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("url = ", ["not TOML"]),
        ('url = "ws://h"\nspeed = 1\n', ["speed", "unknown key"]),
        ('url = "ws://h"\n[profile]\nnmae = "x"\n', ["profile.nmae", "unknown key"]),
        ("url = 7\n", ["url"]),
        ('url = "ws://h"\n[profile.timeouts]\nreply_s = "soon"\n', ["profile.timeouts.reply_s"]),
        ('url = "ws://h"\n[profile.timeouts]\nreply_s = 0\n', ["profile.timeouts.reply_s"]),
        ('url = "ws://h"\nprovisioner = 7\n', ["provisioner"]),
        ('url = "http://h"\n', ["ws://"]),
        ("[profile]\n", ["no url"]),
    ],
)
def test_a_malformed_endpoint_file_is_wrong_usage(
    usage: Any, tmp_path: Path, text: str, words: list[str]
) -> None:
    """The file and the place in it are named."""
    file = tmp_path / "endpoint.toml"
    file.write_text(text, encoding="utf-8")
    assert_one_line(usage("check", "--endpoint", str(file), **TOKEN), USAGE, "endpoint.toml", *words)


def test_an_endpoint_file_that_is_not_text_is_wrong_usage(wireproof: Any, tmp_path: Path) -> None:
    """Bytes that are no UTF-8 are said to be none."""
    file = tmp_path / "endpoint.toml"
    file.write_bytes(b"\xff\xfe\x00")
    assert_one_line(wireproof("check", "--endpoint", str(file), **TOKEN), USAGE, "UTF-8")


def test_a_missing_endpoint_file_is_wrong_usage(wireproof: Any) -> None:
    """The file that is not there is named."""
    assert_one_line(wireproof("check", "--endpoint", "nowhere.toml", **TOKEN), USAGE, "nowhere.toml")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["check", "http://127.0.0.1:4000"], ["ws://"]),
        (["check", "127.0.0.1:4000"], ["ws://"]),
        (["check", "ws://"], ["host"]),
        (["check", "ws://127.0.0.1:99999"], ["URL"]),
        (["check", "ws://h?api_key=k"], ["query"]),
        (["check", "ws://host..name:4000"], ["host..name"]),
        (["check", NOBODY, "--control", "ws://host..name"], ["control", "host..name"]),
        (["check", NOBODY, "--control", "http://h"], ["control"]),
        (["check", "--control", "ws://127.0.0.1:1"], ["--control"]),
        (["check", "--include", "nothing/like-this"], ["nothing/like-this"]),
        (["check", "--exclude", "nothing/like-this"], ["nothing/like-this"]),
        (["check", "--exclude", "*"], ["no case"]),
        (["list", "--include", "nothing/like-this"], ["nothing/like-this"]),
        (["check", "--spec", "nowhere"], ["nowhere"]),
        (["list", "--spec", "nowhere"], ["nowhere"]),
        (["check", "--seed", "many"], ["--seed"]),
        (["check", "--seed", "-1"], ["--seed"]),
        (["check", "--workers", "0"], ["--workers"]),
        (["check", "--budget", "soon"], ["soon", "90s"]),
        (["check", "--budget", "0s"], ["0s"]),
        (["check", "--rate", "inf"], ["--rate"]),
        (["check", "--shard", "3/2"], ["3/2"]),
        (["check", "--include", "heartbeat/answered", "--shard", "1/50"], ["shard"]),
        (["check", "--nonsense"], ["--nonsense"]),
        (["check", NOBODY, "another"], ["another"]),
        (["list", "--nonsense"], ["--nonsense"]),
        (["--nonsense"], ["--nonsense"]),
        (["nonsense"], ["nonsense"]),
    ],
)
def test_wrong_usage_is_one_line(usage: Any, arguments: list[str], words: list[str]) -> None:
    """What is wrong is named, and nothing is started."""
    assert_one_line(usage(*arguments, **TOKEN), USAGE, *words)


def test_a_run_folder_that_holds_a_run_is_not_written_over(
    wireproof: Any, reference_server: Any, tmp_path: Path
) -> None:
    """The run that is there stays as it is."""
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "run.jsonl").write_text("earlier\n")
    done = wireproof(
        *("check", reference_server.url, "--run-dir", "run"), WIREPROOF_CONTROL_TOKEN=reference_server.token
    )
    assert_one_line(done, USAGE, "run.jsonl")
    assert (tmp_path / "run" / "run.jsonl").read_text() == "earlier\n"


def test_a_run_folder_that_cannot_be_made_is_wrong_usage(
    wireproof: Any, reference_server: Any, tmp_path: Path
) -> None:
    """A file where the folder should be is said."""
    (tmp_path / "run").write_text("a file")
    done = wireproof(
        *("check", reference_server.url, "--run-dir", "run"), WIREPROOF_CONTROL_TOKEN=reference_server.token
    )
    assert_one_line(done, USAGE, "run")


def test_faulty_documents_are_one_line_a_fault(wireproof: Any, tmp_path: Path) -> None:
    """Every fault of every document is named with its file, in one go."""
    spec = tmp_path / "documents"
    shutil.copytree(DOCUMENTS, spec)
    (spec / "topics" / "task.json").write_text("{", encoding="utf-8")
    (spec / "topics" / "payment.json").write_text('{"kind": "topic"}', encoding="utf-8")
    for command in ("check", "list"):
        done = wireproof(command, "--spec", str(spec))
        lines = done.stderr.splitlines()
        assert (done.returncode, done.stdout) == (USAGE, "")
        assert len(lines) >= 2
        assert all(line.startswith("wireproof: topics/") and "#" in line for line in lines)
        assert {line.split("#")[0].rpartition("/")[2] for line in lines} == {"task.json", "payment.json"}
