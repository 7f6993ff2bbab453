"""A standalone file ends as "reproduced" only where it says so, and whatever goes wrong shows no credential."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from urllib.parse import quote

import pytest
from websockets.exceptions import ConnectionClosedError
from websockets.frames import Close, CloseCode

from conformance.findings.execution import Place
from conformance.findings.rendering import code_of, file_text
from conformance.findings.reproducers import Bounds, Workshop
from conformance.findings.standalone.core import Agent, CannotRun, Connection, Endpoint
from conformance.findings.standalone.reading import event_of

REPRODUCED, NOT_REPRODUCED, COULD_NOT_RUN = 1, 0, 3
TOKEN = "operator/token+of the test"
URL = "ws://127.0.0.1:9"


def written(folder: Path, *statements: str, is_seen: str = "True") -> Path:
    """Write a standalone file with a conversation of its own."""
    constants = {"finding": {"requirement": "some/thing"}, "url": URL, "control": f"{URL}/control?token="}
    path = folder / "finding.py"
    path.write_text(file_text("A finding.", constants, statements, is_seen), encoding="utf-8")
    return path


def run(
    path: Path, *arguments: str, options: tuple[str, ...] = (), **environment: str
) -> subprocess.CompletedProcess[str]:
    known = {name: value for name, value in os.environ.items() if not name.startswith("WIREPROOF")}
    return subprocess.run(
        [sys.executable, *options, path.name, *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        cwd=path.parent,
        env={**known, "WIREPROOF_CONTROL_TOKEN": TOKEN, **environment},
        check=False,
    )


def assert_could_not_run(done: subprocess.CompletedProcess[str], *words: str) -> None:
    assert (done.returncode, done.stderr) == (COULD_NOT_RUN, "")
    last = done.stdout.splitlines()[-1]
    assert "could not run" in last
    for word in words:
        assert word in last
    assert TOKEN not in done.stdout
    assert quote(TOKEN) not in done.stdout


def test_it_ends_as_what_its_evidence_says(tmp_path: Path) -> None:
    """Seen is 1, not seen is 0, and the last line says the same."""
    for is_seen, code, told in (("True", 1, "now: reproduced"), ("False", 0, "now: not reproduced")):
        done = run(written(tmp_path, is_seen=is_seen))
        assert (done.returncode, done.stderr) == (code, "")
        assert told in done.stdout.splitlines()[-1]


@pytest.mark.parametrize(
    "arguments",
    [
        ["localhost:46102"],
        ["ws://local..host:46102"],
        [f"ws://{'h' * 70}.example"],
        ["ws://h:99999"],
        ["http://h"],
        ["ws://"],
        [""],
        ["--help"],
        [URL, URL],
    ],
)
def test_what_is_no_url_is_one_line(tmp_path: Path, arguments: list[str]) -> None:
    """A scheme forgotten, a host that is no name, a second argument: nothing is tried."""
    path = written(tmp_path, "endpoint.agent('alice')")
    assert_could_not_run(run(path, *arguments), "ws://host:port")


def test_what_goes_wrong_in_the_file_reproduces_nothing(tmp_path: Path) -> None:
    """By Python's own exit code it would; the text is one line, without the token as it is and as it stands in a URL."""
    path = written(
        tmp_path, "raise ValueError(f'at\\n{endpoint.control}{quote(endpoint.token)} {endpoint.token}')"
    )
    assert_could_not_run(run(path), "ValueError: at ", "token=*** ***")


def test_an_environment_that_it_cannot_read_reproduces_nothing(tmp_path: Path) -> None:
    """A patience that is no number, fixtures that are not there or are no JSON."""
    path, fixtures = written(tmp_path), tmp_path / "fixtures.json"
    fixtures.write_text("{", encoding="utf-8")
    assert_could_not_run(run(path, PATIENCE_S="soon"), "soon")
    assert_could_not_run(run(path, WIREPROOF_FIXTURES="nowhere.json"), "nowhere.json")
    assert_could_not_run(run(path, WIREPROOF_FIXTURES=str(fixtures)), "JSON")


def test_where_nobody_listens_nothing_is_said_of_the_finding(tmp_path: Path) -> None:
    """Neither what is not seen nor what goes another way acquits a server that is not there; a refusal that is the finding counts."""
    opening = "alice = endpoint.connect('alice', '/socket/websocket')"
    unseen = written(tmp_path, opening, is_seen="False")
    assert_could_not_run(run(unseen), f"nobody listens at {URL}")
    astray = written(tmp_path, opening, "alice.wait(event='phx_reply')")
    assert_could_not_run(run(astray), f"nobody listens at {URL}")
    seen = written(tmp_path, opening, is_seen="alice.comes(event='no answer')")
    assert run(seen).returncode == REPRODUCED


def test_missing_packages_reproduce_nothing(tmp_path: Path) -> None:
    """It says which two it needs."""
    assert_could_not_run(run(written(tmp_path), options=("-S",)), "websockets", "pynacl")


def test_a_terminal_that_lacks_characters_changes_nothing(tmp_path: Path) -> None:
    """What was said is shown with escapes."""
    path = written(tmp_path, "endpoint.show('alice', '>', '\\u2603 \\ud800')")
    done = run(path, PYTHONIOENCODING="ascii")
    assert (done.returncode, done.stderr) == (REPRODUCED, "")
    assert "\\u2603 \\ud800" in done.stdout


def test_a_refusal_of_the_control_topic_shows_no_reply(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever is in it, only its status and its reason are told."""
    response = {"reason": "quota", "api_key": "key-of-alice"}
    operator = Connection(Endpoint(URL, "", ""), "operator")
    operator.endpoint.is_quiet = True
    sent: list[str] = []

    def read(_until_s: float) -> bool:
        ref = json.loads(sent[-1])[1]
        operator.note(
            event_of(
                json.dumps(["1", ref, "control", "phx_reply", {"status": "error", "response": response}])
            )
        )
        return True

    monkeypatch.setattr(operator, "send_text", sent.append)
    monkeypatch.setattr(operator, "read", read)
    endpoint = Endpoint(URL, "", TOKEN)
    monkeypatch.setattr(endpoint, "_operator", operator)
    with pytest.raises(CannotRun, match=r"create_agent: status error, reason quota$"):
        endpoint.agent("alice")


def test_a_file_is_offered_as_reproducing_only_where_it_says_so(tmp_path: Path) -> None:
    """An exit code alone is what a crash has as well."""
    place = Place(URL, f"{URL}/control?token=", TOKEN)
    workshop = Workshop(place, place, Bounds(time.monotonic() + 60))
    path = tmp_path / "file.py"
    for text, code in (
        ("raise ValueError", COULD_NOT_RUN),
        ("print('now: reproduced'); print('x'); raise SystemExit(1)", COULD_NOT_RUN),
        ("print('         now: reproduced'); raise SystemExit(1)", REPRODUCED),
        ("print('         now: not reproduced: it is not'); raise SystemExit(0)", NOT_REPRODUCED),
    ):
        path.write_text(text, encoding="utf-8")
        assert workshop._run(path) == code


def shown(capsys: pytest.CaptureFixture[str], text: str, *agents: Agent) -> str:
    endpoint = Endpoint(URL, f"{URL}/control?token=", TOKEN)
    for number, agent in enumerate(agents):
        endpoint.keep(f"agent {number}", agent)
    endpoint.show("alice", ">", text)
    return capsys.readouterr().out


def test_a_close_without_a_code_can_be_written_down(monkeypatch: pytest.MonkeyPatch) -> None:
    """What it is held against later is source code, in which a member of an enumeration is none."""
    endpoint = Endpoint(URL, "", TOKEN)
    endpoint.is_quiet = True
    connection = Connection(endpoint, "alice")

    class Ended:
        def recv(self, timeout: float) -> str:
            raise ConnectionClosedError(Close(CloseCode.NO_STATUS_RCVD, ""), None)

    monkeypatch.setattr(connection, "ws", Ended())
    assert connection.read(0.0)
    assert code_of(connection.events[0].status) == "1005"


@pytest.mark.parametrize(
    "agent", [Agent(api_key="key/of+alice"), Agent(token="key/of+alice")], ids=["api_key", "token"]
)
def test_an_agent_may_have_one_kind_of_credential(capsys: pytest.CaptureFixture[str], agent: Agent) -> None:
    """It is hidden, as it is, quoted for a URL and escaped; all else is left as it is."""
    text = "/ws?key=key%2Fof%2Balice&also=key/of%2Balice and key/of+alice"
    assert shown(capsys, text, agent).strip() == "alice > /ws?key=***&also=*** and ***"


def test_a_credential_that_begins_like_another_is_hidden_whole(capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing of the longer one is left; the operator's token is hidden as well."""
    text = f"longer-key {TOKEN} key"
    agents = (Agent(api_key="longer"), Agent(api_key="longer-key"))
    assert shown(capsys, text, *agents).strip() == "alice > *** *** key"
