"""Several machines: who conducts (Locust's master), and who works for it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from loadgen.faults import ConfigurationFaulty
from loadgen.plan import FOLDER_VARIABLE, PLAN_VARIABLE, TOKEN_VARIABLE

LOCUSTFILE: Final = Path(__file__).with_name("locustfile.py")
PORT: Final = 5557
"""Locust's own."""
ANYWHERE: Final = "*"


@dataclass(frozen=True, slots=True)
class Master:
    """Where the master listens, and for how many workers it waits."""

    host: str
    port: int
    workers: int

    @property
    def flags(self) -> list[str]:
        """What Locust is to be told."""
        bind = ["--master-bind-host", self.host, "--master-bind-port", f"{self.port}"]
        return ["--master", "--expect-workers", f"{self.workers}", *bind]


def master_at(bind: str | None, workers: int | None) -> Master:
    """Read where a master is to listen.

    Raises:
        ConfigurationFaulty: If that is no address, or no worker is expected.

    Example:
        >>> master_at("127.0.0.1:5600", 2).port
        5600

    """
    if workers is None:
        raise ConfigurationFaulty("--master needs --expect-workers: how many processes will work for it")
    return Master(*address_of(bind or ANYWHERE, "--bind"), workers)


def address_of(text: str, flag: str) -> tuple[str, int]:
    """Read HOST or HOST:PORT.

    Raises:
        ConfigurationFaulty: If it is neither.

    """
    host, colon, port = text.rpartition(":")
    if not colon:
        return text, PORT
    if not host or not port.isdecimal() or not 0 < int(port) < 2**16:
        raise ConfigurationFaulty(f"{flag} {text!r}: write HOST or HOST:PORT")
    return host, int(port)


def work_for(master: str, processes: int, token: str, folder: Path | None) -> int:
    """Work for a master until it lets go; return the exit code of Locust.

    Args:
        master: HOST or HOST:PORT.
        processes: How many of this machine.
        token: Of the operator of the endpoint.
        folder: Where each process keeps what it has measured; None for nowhere.

    Raises:
        ConfigurationFaulty: If the master's address is none.

    """
    host, port = address_of(master, "--master-host")
    command = [sys.executable, "-m", "locust", "-f", str(LOCUSTFILE), "--loglevel", "WARNING", "--worker"]
    command += ["--master-host", host, "--master-port", f"{port}"]
    command += ["--processes", f"{processes}"] if processes > 1 else []
    environment = {name: value for name, value in os.environ.items() if name != PLAN_VARIABLE}
    environment[TOKEN_VARIABLE] = token
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
        environment[FOLDER_VARIABLE] = str(folder.resolve())
    _allow_all_sockets()
    with subprocess.Popen(command, env=environment, start_new_session=True) as process:  # noqa: S603 - our own command
        while True:
            try:
                return process.wait()
            except KeyboardInterrupt:
                # What it has measured is told to the master before it ends.
                process.send_signal(signal.SIGTERM)


def _allow_all_sockets() -> None:
    """Let the processes have as many sockets as the system allows: how many agents there will be is not known yet."""
    if sys.platform == "win32":
        return
    import resource

    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
