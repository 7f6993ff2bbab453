"""Clients that we did not write, against the reference server: each session is a program of its own that prints what it sees."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from conformance.endpoint import Endpoint
from conformance.fixtures.provision import Agent
from conformance.provisioner_settings import ControlSettings
from conformance.provisioning.control import ControlProvisioner
from specs.loader import load
from specs.participants import derive_participant
from tests.conftest import ROOT, RunningServer

HERE = Path(__file__).parent
PYTHON = ROOT / ".venv-clients" / "bin" / "python"
JAVASCRIPT = HERE / "javascript"
TIMEOUT_S = 90

CHUNK = {"chunk": "héllo 漢", "seq": 0}
REFUSED_CHUNK = {"reason": "invalid_payload", "detail": {"pointer": "/chunk", "keyword": "type"}}
UNKNOWN_EVENT = {"reason": "unknown_event", "event": "bogus"}


@dataclass(frozen=True)
class Cast:
    """Two agents on a server, and how to make what they share."""

    url: str
    provisioner: ControlProvisioner
    client: Agent
    provider: Agent

    def resource(self, family: str, client_role: str, provider_role: str) -> str:
        """Make a resource for the two and return its topic."""
        roles = {client_role: self.client.agent_id, provider_role: self.provider.agent_id}
        return self.provisioner.create_resource(family, roles, {})

    def environment(self, **more: str) -> dict[str, str]:
        """Return what a session is told."""
        keys = {"CLIENT_KEY": self.client.api_key, "PROVIDER_KEY": self.provider.api_key}
        return {"WIREPROOF_URL": self.url, "PROVIDER_ID": self.provider.agent_id, **keys, **more}


@contextmanager
def cast_on(server: RunningServer, name: str, spec: Path | None = None) -> Iterator[Cast]:
    """Make two agents on a server."""
    endpoint = Endpoint(url=server.url, provisioner=ControlSettings(token=server.token))
    provisioner = ControlProvisioner(endpoint, load(spec))
    provisioner.open()
    try:
        client, provider = (
            provisioner.create_agent(derive_participant(1, name, role), {}) for role in ("client", "provider")
        )
        yield Cast(server.url, provisioner, client, provider)
    finally:
        provisioner.close()


def session(command: list[str], environment: dict[str, str]) -> list[dict[str, Any]]:
    """Run a session to its end and return what it saw."""
    ended = subprocess.run(
        command,
        capture_output=True,
        encoding="utf-8",
        timeout=TIMEOUT_S,
        env={"PATH": os.environ["PATH"], "PYTHONIOENCODING": "utf-8", **environment},
        check=False,
    )
    assert ended.returncode == 0, f"{ended.stdout[-2000:]}\n{ended.stderr[-4000:]}"
    seen = [json.loads(line) for line in ended.stdout.splitlines()]
    assert seen[-1] == {"saw": "end"}
    return seen


def of(seen: list[dict[str, Any]], *kinds: str) -> list[dict[str, Any]]:
    """Return what was seen of these kinds, without the kind."""
    return [{key: each[key] for key in each if key != "saw"} for each in seen if each["saw"] in kinds]


def missing(what: str) -> None:
    """Skip where a client is not installed; fail where it has to be."""
    if os.environ.get("WIREPROOF_REQUIRE_CLIENTS") == "1":
        pytest.fail(f"{what} is missing: run `make clients`")
    pytest.skip(f"{what} is missing: run `make clients`")


@pytest.fixture
def node() -> str:
    """Return the command of Node.js, with the packages installed."""
    command = shutil.which("node")
    if command is None:
        missing("Node.js")
    elif not (JAVASCRIPT / "node_modules" / "phoenix").is_dir():
        missing("the npm package phoenix")
    return command or ""


@pytest.fixture
def python() -> str:
    """Return the interpreter of the Python clients' own environment."""
    if not (ROOT / ".venv-clients" / ".installed").exists():
        missing("the environment of the Python clients")
    return str(PYTHON)


def test_official_javascript_client_works_a_task_and_follows_presence(
    node: str, reference_server: RunningServer
) -> None:
    """The npm package `phoenix` joins, pushes text and binary, gets replies, relays, broadcasts and presence, and leaves."""
    with cast_on(reference_server, "javascript") as cast:
        topic = cast.resource("task", "client", "provider")
        seen = session([node, str(JAVASCRIPT / "session.js")], cast.environment(TASK_TOPIC=topic))
        ids = [cast.client.agent_id, cast.provider.agent_id]
    (join,) = of(seen, "join")
    assert join["status"] == "ok"
    assert join["response"]["task"]["status"] == "open"
    assert of(seen, "refused join") == [{"status": "error", "response": {"reason": "unauthorized"}}]
    assert of(seen, "push") == [{"status": "ok", "response": {}}] * 3
    assert of(seen, "relay") == [{"payload": CHUNK}]
    assert of(seen, "refused push") == [{"status": "error", "response": REFUSED_CHUNK}]
    assert of(seen, "unknown event") == [{"status": "error", "response": UNKNOWN_EVENT}]
    (binary,) = of(seen, "binary push")
    assert (binary["status"], binary["response"]["reason"]) == ("error", "invalid_payload")
    completed = [told["payload"]["task"] for told in of(seen, "broadcast")]
    assert [(task["status"], task["result"]) for task in completed] == [("completed", {"words": 2})] * 2
    assert of(seen, "leave") == [{"status": "ok", "response": {}}]
    assert of(seen, "pong") == [{"isAnswered": True}]
    _assert_presence_followed(seen, *ids)


def _assert_presence_followed(seen: list[dict[str, Any]], client_id: str, provider_id: str) -> None:
    lists = [sorted(listed["ids"]) for listed in of(seen, "presence list")]
    assert lists == [[client_id], sorted([client_id, provider_id]), [client_id]]
    joins, leaves = of(seen, "presence join"), of(seen, "presence leave")
    # Its own join reaches the watcher in presence_state and in a diff, in either order (PR-5).
    assert {each["id"] for each in joins} == {client_id, provider_id}
    assert [each["current"] for each in joins if each["id"] == provider_id] == [0, 1]
    assert [(each["id"], each["current"]) for each in leaves] == [(provider_id, 1), (provider_id, 0)]
    ((meta,),) = (each["metas"] for each in of(seen, "presence metas"))
    assert meta["metadata"] == {"load": 0.5}
    assert meta["phx_ref"] != meta["phx_ref_prev"]


@pytest.mark.parametrize("version", ["1.0", "2.0"])
def test_phoenix_channels_python_client_works_a_task_and_sees_presence(
    python: str, reference_server: RunningServer, version: str
) -> None:
    """`phoenix-channels-python-client` joins, pushes and gets replies and presence_state with either serializer.

    With serializer 2.0.0 it drops whatever has no join_ref, and so every broadcast of Phoenix (BC-1): relays and presence_diff
    are seen with serializer 1.0.0 only. It has no push of its own; its protocol handler sends.
    """
    with cast_on(reference_server, f"python {version}") as cast:
        told = cast.environment(
            TASK_TOPIC=cast.resource("task", "client", "provider"), PROTOCOL_VERSION=version
        )
        seen = session([python, str(HERE / "python" / "phoenix_channels_session.py")], told)
        ids = [cast.client.agent_id, cast.provider.agent_id]
    hears_broadcasts = version == "1.0"
    assert of(seen, "join", "leave") == [{}, {}]
    assert of(seen, "refused join") == [{"reason": "unauthorized"}]
    assert of(seen, "push") == [{"status": "ok", "response": {}}] * (2 if hears_broadcasts else 1)
    assert of(seen, "refused push") == [{"status": "error", "response": REFUSED_CHUNK}]
    assert of(seen, "unknown event") == [{"status": "error", "response": UNKNOWN_EVENT}]
    relays = [{"payload": CHUNK}, {"payload": {"percent": 100, "message": "done"}}]
    assert of(seen, "relay") == (relays if hears_broadcasts else [])
    assert of(seen, "presence state") == [{"ids": sorted(ids)}]
    assert of(seen, "presence leave") == ([{"ids": [ids[1]]}] if hears_broadcasts else [])


def test_realtime_client_broadcasts_and_follows_presence(
    python: str, start_server: Callable[..., RunningServer], tmp_path: Path
) -> None:
    """`realtime` joins, pushes, gets replies, broadcasts and presence from a room that is added to the documents.

    It puts `realtime:` before every topic and knows no events but its own, so that the marketplace's channels are out of its
    reach; it speaks serializer 1.0.0, sends its configuration as join payload and heartbeats with a null ref.
    """
    documents = tmp_path / "documents"
    shutil.copytree(ROOT / "specs" / "documents", documents)
    shutil.copy(HERE / "documents" / "realtime.json", documents / "topics")
    server = start_server("--spec", str(documents))
    with cast_on(server, "realtime", documents) as cast:
        told = cast.environment(ROOM_TOPIC=cast.resource("realtime", "host", "guest"))
        seen = session([python, str(HERE / "python" / "realtime_session.py")], told)
        client_id, provider_id = cast.client.agent_id, cast.provider.agent_id
    assert of(seen, "join") == [{"state": "SUBSCRIBED"}] * 2
    assert of(seen, "presence join") == [{"id": client_id}, {"id": provider_id}]
    assert of(seen, "presence state") == [{"ids": sorted([client_id, provider_id])}]
    assert of(seen, "push") == [{"status": "ok"}]
    greeting, answer = (each["payload"] for each in of(seen, "broadcast"))
    assert (greeting["event"], greeting["payload"]) == ("greeting", {"text": "héllo"})
    assert (answer["event"], answer["payload"]) == ("answer", {"text": "hello"})
    assert of(seen, "refused push", "unknown event") == [{"status": "error"}] * 2
    assert of(seen, "presence leave") == [{"id": provider_id}]
