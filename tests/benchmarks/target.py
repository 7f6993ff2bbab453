"""Server processes to be measured: started, provisioned, looked at from outside through /proc, and always ended."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from conformance.endpoint import Endpoint
from conformance.fixtures.provision import Agent
from conformance.provisioner_settings import ControlSettings
from conformance.provisioning.control import ControlProvisioner
from specs.loader import load
from specs.participants import derive_participant

try:
    import resource
except ImportError:  # Windows, where /proc is missing, too
    resource = None  # type: ignore[assignment]

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
TOKEN = "operator-token-of-the-benchmarks"
SERVE = ("-m", "wireproof", "serve", "--port", "0")
ECHO = (str(HERE / "echo_server.py"),)
BARE_SENDS = (str(HERE / "bare_sends.py"),)

_TICKS_A_S = os.sysconf("SC_CLK_TCK")
_PAGE_KIB = os.sysconf("SC_PAGE_SIZE") / 1024
_SPARE_FILES = 200


class CannotMeasure(Exception):
    """This machine or server cannot be measured; the message says why."""


@dataclass(frozen=True)
class Target:
    """A running server."""

    url: str
    pid: int

    @property
    def port(self) -> int:
        """Where it listens on 127.0.0.1."""
        port = urlsplit(self.url).port
        assert port is not None
        return port

    def cpu_s(self) -> float:
        """Return the CPU seconds, in user and kernel mode, that all its threads have taken so far."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / _TICKS_A_S

    def resident_kib(self) -> float:
        """Return its resident memory in KiB."""
        return int(Path(f"/proc/{self.pid}/statm").read_text().split()[1]) * _PAGE_KIB


@contextmanager
def running(command: Sequence[str]) -> Iterator[Target]:
    """Run a server that prints a line ending in its URL once it listens, and end it."""
    if not Path("/proc/self/stat").exists():
        raise CannotMeasure("CPU time and memory of a server are read from /proc, which is not here")
    environment = {**os.environ, "WIREPROOF_CONTROL_TOKEN": TOKEN, "PYTHONPATH": str(ROOT)}
    process = subprocess.Popen(
        [sys.executable, *command], stdout=subprocess.PIPE, text=True, env=environment, cwd=ROOT
    )
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        if "ws://" not in line:
            raise CannotMeasure(f"{' '.join(command)} did not start")
        yield Target(line.split()[-1], process.pid)
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        assert process.stdout is not None
        process.stdout.close()


@dataclass(frozen=True)
class Tasks:
    """Two agents, and tasks of theirs."""

    client: Agent
    provider: Agent
    topics: list[str]


def make_tasks(target: Target, count: int) -> Tasks:
    """Let the operator make two agents and tasks that one orders and the other carries out."""
    provisioner = ControlProvisioner(
        Endpoint(url=target.url, provisioner=ControlSettings(token=TOKEN)), load(None)
    )
    provisioner.open()
    try:
        client, provider = (
            provisioner.create_agent(derive_participant(1, "benchmark", name), {})
            for name in ("client", "provider")
        )
        roles = {"client": client.agent_id, "provider": provider.agent_id}
        return Tasks(client, provider, [provisioner.create_resource("task", roles, {}) for _ in range(count)])
    finally:
        provisioner.close()


def allow_files(count: int) -> None:
    """Let this process, and the servers that it starts, have that many sockets open.

    Raises:
        CannotMeasure: If the machine does not let it.

    """
    needed = count + _SPARE_FILES
    if resource is None:
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < needed:
        raise CannotMeasure(f"{needed} open files are needed, `ulimit -Hn` allows {hard}")
    if soft != resource.RLIM_INFINITY and soft < needed:
        resource.setrlimit(resource.RLIMIT_NOFILE, (needed, hard))
