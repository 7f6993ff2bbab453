"""Tests of `wireproof serve --data`: the command in a process of its own, ended in every way."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from reference_server.ledger import Ledger
from reference_server.records import Resource
from reference_server.store import MemoryStore
from specs.loader import DOCUMENTS
from specs.participants import derive_participant
from tests.crash.phoenix import Client, Gone
from tests.reference_server.ledger.stores import digests, loaded, untouched, with_ledger

TIMEOUT_S = 30.0
TOKEN = "op"
NAME = "ledger.sqlite3"
READY = "wireproof serve: listening on "
LIMITED = "import resource, sys; resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv.pop(1)),) * 2); import wireproof; wireproof.main()"


class Serving:
    """The command, ready to be connected to."""

    def __init__(self, *options: str, command: tuple[str, ...] = ("-m", "wireproof")) -> None:
        self.process = subprocess.Popen(
            [sys.executable, *command, "serve", "--port", "0", "--control-token", TOKEN, *options],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        )
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line.startswith(READY):
            pytest.fail(f"did not start: {self.end()}")
        self.url = line.removeprefix(READY).strip()

    def end(self, *signals: int) -> tuple[int, str, str]:
        for number in signals:
            self.process.send_signal(number)
        out, err = self.process.communicate(timeout=TIMEOUT_S)
        return self.process.returncode, out, err


Start = Callable[..., Serving]


@pytest.fixture
def serving() -> Iterator[Start]:
    started: list[Serving] = []

    def start(*options: str, **others: Any) -> Serving:
        started.append(Serving(*options, **others))
        return started[-1]

    yield start
    for each in started:
        if each.process.poll() is None:
            each.process.kill()
        each.process.communicate()


def refused(*options: str) -> str:
    """Run the command with something wrong; return its one line on standard error."""
    done = subprocess.run(
        [sys.executable, "-m", "wireproof", "serve", "--port", "0", *options],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        timeout=TIMEOUT_S,
        check=False,
    )
    assert (done.returncode, done.stdout) == (2, "")
    [line] = done.stderr.splitlines()
    assert line.startswith("wireproof serve: ")
    return line


def events(log: str, name: str) -> list[dict[str, Any]]:
    """Return the lines of a log that are about one kind of event."""
    return [line for line in map(json.loads, log.splitlines()) if line["event"] == name]


async def create_agents(url: str, *names: str, status: str = "online") -> list[Any]:
    """Register agents and return what was confirmed."""
    operator = await Client.open(f"{url}/control/websocket", token=TOKEN)
    await operator.join("control")
    public_key = base64.b64encode(derive_participant(7, "", "x").keys.public_key).decode()
    pushes = [
        operator.push(
            "control", "create_agent", {"agent_id": name, "public_key": public_key, "status": status}
        )
        for name in names
    ]
    answers = await asyncio.gather(*pushes, return_exceptions=True)
    await operator.close()
    return [answer for answer in answers if isinstance(answer, dict)]


async def lets_in(url: str, agent: Any) -> None:
    """Connect with the credentials of an agent, in every way."""
    for params in ({"api_key": agent["api_key"]}, {"session_token": agent["session_token"]}):
        await (await Client.open(f"{url}/socket/websocket", **params)).close()
    params = {"agent_id": agent["agent_id"], "token": agent["session_token"]}
    await (await Client.open(f"{url}/user_socket/websocket", **params)).close()


@pytest.mark.parametrize(
    ("durability", "number"),
    [((), signal.SIGKILL), ((), signal.SIGTERM), (("--durability", "full"), signal.SIGKILL)],
)
def test_what_was_confirmed_is_there_at_the_next_start(
    serving: Start, tmp_path: Path, durability: tuple[str, ...], number: int
) -> None:
    """However the server ends; after an orderly end there is one file, and nothing was said about it."""
    first = serving("--data", str(tmp_path / "data"), *durability)
    [agent] = asyncio.run(create_agents(first.url, "ann"))
    code, out, err = first.end(number)
    if number == signal.SIGTERM:
        assert (code, out, err) == (0, "", "")
        assert list(digests(tmp_path / "data")) == [NAME]
    second = serving("--data", str(tmp_path / "data"), "--log-level", "info")
    asyncio.run(lets_in(second.url, agent))
    code, _, err = second.end(signal.SIGTERM)
    assert code == 0
    [opened] = events(err, "ledger_opened")
    shown = {name: opened[name] for name in ("path", "records", "durability")}
    assert shown == {"path": str(tmp_path / "data" / NAME), "records": 1, "durability": "normal"}


def test_a_seeded_server_makes_other_ids_after_a_restart(serving: Start, tmp_path: Path) -> None:
    """The first start makes those that it makes without a ledger."""

    def credentials(*options: str) -> str:
        server = serving("--seed", "7", *options)
        name = f"agent-{len(list(tmp_path.rglob('*')))}-{os.urandom(4).hex()}"
        [agent] = asyncio.run(create_agents(server.url, name))
        assert server.end(signal.SIGTERM)[0] == 0
        return str(agent["api_key"])

    data = ("--data", str(tmp_path / "data"))
    made = [credentials(), *(credentials(*data) for _ in range(2))]
    assert made[0] == made[1]
    assert len(set(made[1:])) == 2


def test_a_ledger_that_cannot_be_written_ends_the_server(serving: Start, tmp_path: Path) -> None:
    """Exit code 1 and one line; whatever was confirmed before is there, and the file is in order."""
    data = tmp_path / "data"
    with_ledger(data, lambda _store, _ledger: None)
    server = serving("--data", str(data), command=("-c", LIMITED, "400000"))
    confirmed: list[Any] = []

    async def fill() -> None:
        for batch in range(100):
            names = [f"agent-{batch}-{number}" for number in range(20)]
            answers = await create_agents(server.url, *names, status="x" * 1000)
            confirmed.extend(answers)
            if len(answers) < len(names):
                return

    with pytest.raises(Gone):
        asyncio.run(raise_when_gone(fill))
    code, out, err = server.end()
    assert (code, out) == (1, "")
    [line] = map(json.loads, err.splitlines())
    assert (line["event"], line["path"]) == ("ledger_failed", str(data))
    assert "cannot be written any more" in line["text"]
    store = loaded(data)
    assert confirmed
    for agent in confirmed:
        kept = store.agent(agent["agent_id"])
        assert kept is not None
        assert kept.api_key == agent["api_key"]


async def raise_when_gone(fill: Callable[[], Any]) -> None:
    """Take the end of the server for what it is, also where it was noticed between two batches."""
    await fill()
    raise Gone


def test_a_broken_rule_of_the_file_ends_the_server(serving: Start, tmp_path: Path) -> None:
    """An operation that the file refuses is never confirmed; those of the same read before it are."""
    data = tmp_path / "data"
    with_ledger(data, lambda _store, _ledger: None)
    with closing(sqlite3.connect(data / NAME)) as connection:
        connection.execute(
            "CREATE TRIGGER never BEFORE INSERT ON agents WHEN NEW.id = 'bad' BEGIN SELECT RAISE(ABORT, 'never'); END"
        )
    server = serving("--data", str(data))
    confirmed = asyncio.run(create_agents(server.url, "good", "fine", "bad", "late"))
    code, _, err = server.end()
    assert code == 1
    assert [line["reason"] for line in events(err, "ledger_failed")] == ["never"]
    assert [agent["agent_id"] for agent in confirmed] == ["good", "fine"][: len(confirmed)]
    assert [loaded(data).agent(name) is not None for name in ("good", "fine", "bad", "late")] == [
        True,
        True,
        False,
        False,
    ]


@pytest.mark.parametrize("taken", [NAME, f"{NAME}-wal", ""])
@pytest.mark.parametrize("others", ["none", "same"])
def test_a_ledger_that_is_taken_away_ends_the_server(
    serving: Start, tmp_path: Path, taken: str, others: str
) -> None:
    """What could be written to the files, but is found by nobody, is never confirmed; the line names what is missing."""
    data = tmp_path / "data"
    server = serving("--data", str(data))
    assert len(asyncio.run(create_agents(server.url, "ann"))) == 1
    (data / taken).rename(tmp_path / "elsewhere")
    if others == "same":
        copy = shutil.copy if taken else shutil.copytree
        copy(tmp_path / "elsewhere", data / taken)
    assert asyncio.run(create_agents(server.url, "bob")) == []
    code, out, err = server.end()
    assert (code, out) == (1, "")
    [line] = map(json.loads, err.splitlines())
    assert line["event"] == "ledger_failed"
    assert line["reason"] == f"{data / (taken or NAME)} was removed or replaced by another file"
    assert "taken away" in line["text"]


def test_a_second_server_is_refused(serving: Start, tmp_path: Path) -> None:
    """One line, exit code 2; the first goes on."""
    first = serving("--data", str(tmp_path))
    assert f"{tmp_path / NAME} is in use by another process" in refused("--data", str(tmp_path))
    [agent] = asyncio.run(create_agents(first.url, "ann"))
    asyncio.run(lets_in(first.url, agent))
    first.end(signal.SIGKILL)
    assert loaded(tmp_path).count_agents() == 1


@pytest.mark.parametrize("damage", ["header", "version"])
def test_a_ledger_that_cannot_be_used_is_refused_and_left_alone(tmp_path: Path, damage: str) -> None:
    """One line, exit code 2, and no byte differs."""
    with_ledger(tmp_path, lambda _store, _ledger: None)
    with (tmp_path / NAME).open("r+b") as file:
        file.seek({"header": 0, "version": 60}[damage])
        file.write(b"damage!!"[:4])
    with untouched(tmp_path):
        line = refused("--data", str(tmp_path))
    assert str(tmp_path / NAME) in line


@pytest.mark.parametrize("family", ["task", "job"])
def test_a_ledger_in_a_state_that_the_documents_do_not_have_is_refused_and_left_alone(
    tmp_path: Path, family: str
) -> None:
    """Its channels would crash; also where the family of the topic has another name by now."""
    documents, data = tmp_path / "documents", tmp_path / "data"
    shutil.copytree(DOCUMENTS, documents)
    tasks = documents / "topics" / "task.json"
    with_ledger(data, finished_tasks)
    topics = json.loads(tasks.read_text().replace('"completed"', '"finished"'))
    tasks.write_text(json.dumps({**topics, "name": family}))
    for requirements in (documents / "requirements").glob("*.json"):
        requirements.write_text(requirements.read_text().replace('"task"', f'"{family}"'))
    with untouched(data):
        line = refused("--data", str(data), "--spec", str(documents))
    assert f"{data / NAME} has the topic task:2 in the state completed" in line
    assert f"the documents have for {family} only open, finished, failed, cancelled" in line


def finished_tasks(store: MemoryStore, _ledger: Ledger) -> None:
    """Put a task into a store that is open, and one that is completed."""
    with store.transaction():
        for number, state in enumerate(("open", "completed"), 1):
            task = Resource("task", str(number), f"task:{number}", state, {}, datetime.now(UTC))
            store.put_resource(task)


def test_a_ledger_whose_topics_the_documents_no_longer_have_is_served(serving: Start, tmp_path: Path) -> None:
    """Nobody can join them, so nothing of them can crash; what else there is can be used."""
    documents, data = tmp_path / "documents", tmp_path / "data"
    shutil.copytree(DOCUMENTS, documents)
    tasks = documents / "topics" / "task.json"
    with_ledger(data, finished_tasks)
    tasks.write_text(
        tasks.read_text().replace('"task:{task_id}"', '"job:{task_id}"').replace('"completed"', '"finished"')
    )
    server = serving("--data", str(data), "--spec", str(documents))
    assert len(asyncio.run(create_agents(server.url, "ann"))) == 1
    assert server.end(signal.SIGTERM) == (0, "", "")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--durability", "full"), "name a directory with --data"),
        (("--data", ""), "--data must name a directory"),
        (("--data", "/dev/null"), "/dev/null is not a directory"),
        (("--durability", "some", "--data", "x"), "some"),
    ],
)
def test_wrong_usage_is_one_line_and_exit_code_2(options: tuple[str, ...], words: str) -> None:
    """It says what to do."""
    assert words in refused(*options)


def test_a_port_in_use_lets_go_of_the_ledger(tmp_path: Path) -> None:
    """The refusal is the usual one, and the directory can be used at once."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        line = refused("--data", str(tmp_path), "--port", str(taken.getsockname()[1]))
    assert "cannot listen on" in line
    assert list(digests(tmp_path)) == [NAME]
