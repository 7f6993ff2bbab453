"""The description of an endpoint: file, command line, defaults."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from conformance import cli
from conformance.endpoint import Endpoint, Waiver, base_of, checked_url, read_endpoint
from conformance.faults import ConfigurationFaulty
from specs.model import Api

WHOLE = """
url = "wss://market.example/api"

[profile]
name = "staging"
paths = { agent = "/agents/websocket" }
params = { api_key = "apikey" }

[profile.timeouts]
reply_s = 0.5

[profile.waived."task/stream-relayed"]
reason = "known"
until = 2030-01-02

[provisioner]
url = "ws://127.0.0.1:4001"
token = "s3cret"
"""


@pytest.fixture
def written(tmp_path: Path) -> Any:
    """Write an endpoint file."""

    def write(text: str) -> Path:
        path = tmp_path / "endpoint.toml"
        path.write_text(text, encoding="utf-8")
        return path

    return write


def test_a_whole_file_is_read(written: Any, api: Api) -> None:
    """Every table of an endpoint file has its effect; what is left out has a default."""
    endpoint = read_endpoint(written(WHOLE), {})
    assert endpoint.socket_url(api, "agent") == "wss://market.example/api/agents/websocket"
    assert endpoint.control_url(api).startswith("ws://127.0.0.1:4001/")
    assert (endpoint.profile.timeouts.reply_s, endpoint.profile.timeouts.connect_s) == (0.5, 5.0)
    assert endpoint.profile.waived["task/stream-relayed"].reason == "known"
    assert endpoint.provisioner.secret() == "s3cret"


def test_the_command_line_outweighs_the_file(written: Any, api: Api) -> None:
    """URL, control socket and token of the command line take the place of the file's."""
    overrides = {"url": "ws://other:1", "control": "ws://third:2", "control_token": "given"}
    endpoint = read_endpoint(written(WHOLE), overrides)
    assert endpoint.url == "ws://other:1"
    assert endpoint.control_url(api).startswith("ws://third:2/")
    assert endpoint.provisioner.secret() == "given"
    assert endpoint.profile.name == "staging"


def test_no_file_is_needed(api: Api) -> None:
    """A URL alone describes an endpoint whose control socket is at the same place."""
    endpoint = read_endpoint(None, {"url": "ws://host:4000/", "control": None, "control_token": None})
    assert endpoint.socket_url(api, "agent") == f"ws://host:4000{api.sockets['agent'].paths[0]}"
    assert endpoint.control_url(api) == f"ws://host:4000{api.sockets['control'].paths[0]}"


def test_a_token_comes_from_the_environment(monkeypatch: Any) -> None:
    """The variable is `WIREPROOF_CONTROL_TOKEN` unless the file names another; an empty one is none."""
    monkeypatch.setenv("WIREPROOF_CONTROL_TOKEN", "usual")
    monkeypatch.setenv("OTHER", "other")
    named = Endpoint.model_validate({"url": "ws://h", "provisioner": {"token_env": "OTHER"}})
    assert Endpoint(url="ws://h").provisioner.secret() == "usual"
    assert named.provisioner.secret() == "other"
    monkeypatch.setenv("OTHER", "")
    assert named.provisioner.secret() is None


def test_a_token_is_not_shown() -> None:
    """Whoever prints an endpoint prints no token."""
    endpoint = Endpoint.model_validate({"url": "ws://h", "provisioner": {"token": "s3cret"}})
    assert "s3cret" not in f"{endpoint!r} {endpoint} {endpoint.model_dump()}"


@pytest.mark.parametrize("url", ["ws://h", "ws://h/", "ws://h:80/socket/websocket", "wss://[::1]:4000/a"])
def test_base_and_socket_urls_are_both_taken(api: Api, url: str) -> None:
    """A socket's own path at the end of the URL is taken for what it is."""
    assert checked_url(url) == url.rstrip("/")
    assert not base_of(url, api).endswith(("/websocket", "/"))


@pytest.mark.parametrize(
    "url",
    [
        *(
            "",
            "h:1",
            "http://h",
            "ws://",
            "ws://:80",
            "ws://h:0",
            "ws://h:x",
            "ws://h?a=b",
            "ws://h#f",
            "ws://me:word@h",
        ),
        *("ws://host..name", f"ws://{'h' * 70}.example", "ws://.h", "ws://h\0h"),
    ],
)
def test_what_is_no_websocket_url_is_refused(url: str) -> None:
    """Each is refused with a reason."""
    with pytest.raises(ValueError, match="URL"):
        checked_url(url)


@pytest.mark.parametrize(
    "text",
    [
        'url = "ws://h"\nmore = 1',
        "profile = 1",
        f"profile = {'[' * 100_000}",
        f"profile = {'1' * 5_000}",
        'url = "ws://h"\n[profile.waived."a/b"]\nreason = ""',
        'url = "ws://h"\n[provisioner]\nkind = "magic"',
        'url = "ws://h"\n[profile.timeouts]\ncase_s = -1',
    ],
)
def test_a_file_with_what_no_endpoint_has_is_refused(written: Any, text: str) -> None:
    """Unknown keys, wrong types and values out of range are one line, with the file."""
    with pytest.raises(ConfigurationFaulty, match=r"endpoint\.toml") as caught:
        read_endpoint(written(text), {})
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (
            '[profile.waived."task/streams-relayed"]\nreason = "known"',
            "no requirement 'task/streams-relayed'",
        ),
        ('[profile.paths]\nagents = "/agents/websocket"', "no socket 'agents'"),
    ],
)
def test_a_profile_about_what_is_not_there_is_refused(written: Any, api: Api, text: str, told: str) -> None:
    """It would have no effect, and nobody would know; one about what is there is let in."""
    path = written(f'url = "ws://h"\n{text}')
    with pytest.raises(ConfigurationFaulty, match=rf"endpoint\.toml: profile.*{told}"):
        read_endpoint(path, {}, api)
    done = CliRunner().invoke(cli.app, ["check", "--endpoint", str(path)])
    assert (done.exit_code, done.stderr.count("\n"), told in done.stderr) == (2, 1, True)
    assert read_endpoint(written(WHOLE), {}, api).profile.waived


def test_a_waiver_is_in_force_through_its_last_day() -> None:
    """The day that is named is the last one; without one there is no end."""
    today = datetime.now(UTC).date()
    assert Waiver(reason="known").is_in_force()
    assert Waiver(reason="known", until=today).is_in_force()
    assert not Waiver(reason="known", until=today - timedelta(days=1)).is_in_force()
