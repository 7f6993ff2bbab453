"""Carries out one load test: writes the plan, runs Locust as a process of its own, follows it, and puts the results down."""

from __future__ import annotations

import json
import math
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Final

import msgspec

from loadgen.engine.conductor import PROGRESS_FILE, RESULT_FILE
from loadgen.exports import export
from loadgen.faults import CannotTest, ConfigurationFaulty
from loadgen.gaps import gaps_of
from loadgen.machines import LOCUSTFILE
from loadgen.plan import COMMAND_VARIABLE, PLAN_VARIABLE, TOKEN_VARIABLE, Plan, write_plan
from loadgen.results import Results, results_of
from loadgen.run_folder import SUMMARY_FILE, refuse_used
from loadgen.users import groups_per_user, users_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from loadgen.machines import Master
    from loadgen.objectives import Objective
    from loadgen.target import Target

PLAN_FILE: Final = "plan.json"
LOG_FILE: Final = "locust.log"
LOOPBACK: Final = "127.0.0.1"
LOOK_S: Final = 0.1
SPARE_FILES: Final = 500
OWN_WORD: Final = "wireproof: "
ENDING_S: Final = 3.0
"""How long Locust may take to end once all results are there."""
INTERRUPTED_S: Final = 10.0
"""How long Locust may take to end after Ctrl-C."""
INTERRUPTED: Final = "it was interrupted before anything was measured"
"""Why there are no results of a generator that was still starting: whatever it says of that itself is nobody's fault."""


@dataclass
class Errand:
    """What is to be done, and how it is shown.

    Attributes:
        server_pid: Of an own server, whose share of the machine is told.
        web_port: Where Locust's web page is served; None for none.
        master: Where workers on other machines find it; None where there are none.
        on_row: Is called with each row of progress.

    """

    plan: Plan
    objectives: list[Objective] = field(default_factory=list)
    token: str = ""
    server_pid: int | None = None
    web_port: int | None = None
    master: Master | None = None
    on_row: Callable[[dict[str, Any]], object] | None = None

    def aim(self, target: Target, folder: Path) -> None:
        """Say whom it is put on, and where what is measured goes."""
        control_url = self.plan.control_url or target.url
        self.plan = msgspec.structs.replace(
            self.plan, url=target.url, control_url=control_url, folder=str(folder)
        )
        self.token, self.server_pid = target.token, target.pid


def carry_out(errand: Errand) -> Results:
    """Run a load test and write its summary into the run folder.

    Raises:
        FolderInUse: If the folder holds what another run has measured.
        CannotTest: If Locust does not start, or ends without results.

    """
    plan, folder = errand.plan, Path(errand.plan.folder)
    refuse_used(folder)
    if errand.master is None:
        _allow_sockets(plan)
    write_plan(plan, folder / PLAN_FILE)
    (folder / PROGRESS_FILE).touch()
    server_cpu = _ServerCpu(errand.server_pid)
    with (folder / LOG_FILE).open("wb") as log, _scratch() as scratch:
        environment = {**os.environ, PLAN_VARIABLE: str(folder / PLAN_FILE), TOKEN_VARIABLE: errand.token}
        # Of a session of its own: who is asked to end it is the conductor, once.
        process = subprocess.Popen(  # noqa: S603 - our own command
            _command(errand),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env=environment | {"TMPDIR": scratch, COMMAND_VARIABLE: f"{os.getpid()}"},
            start_new_session=True,
        )
        try:
            cut = _follow(errand, process, server_cpu)
        finally:
            _end(process)
    try:
        outcome = msgspec.json.decode((folder / RESULT_FILE).read_bytes())
    except OSError:
        cause = cut or _cause(folder / LOG_FILE, process.returncode)
        raise CannotTest(f"the generator has ended without results: {cause}") from None
    rows = [msgspec.json.decode(line) for line in (folder / PROGRESS_FILE).read_bytes().splitlines()]
    seen = len({row["worker"] for row in rows if "worker" in row})
    measured = results_of(plan, outcome, errand.objectives, server_cpu.taken_s, seen)
    results = replace(measured, gaps=gaps_of(rows))
    if not results.groups["opened"] and results.notes:
        raise CannotTest("; ".join(results.notes))
    export(results, folder)
    (folder / SUMMARY_FILE).write_text(json.dumps(results.to_json(), indent=2) + "\n", encoding="utf-8")
    return results


@contextmanager
def _scratch() -> Iterator[str]:
    """Give the processes of the generator a folder for their tapes, which does not outlive them, however they end."""
    with tempfile.TemporaryDirectory(prefix="wireproof-load-", ignore_cleanup_errors=True) as folder:
        yield folder


def _allow_sockets(plan: Plan) -> None:
    """Let the processes of the generator have as many sockets as agents, and some files besides.

    Raises:
        ConfigurationFaulty: If the system does not let them.

    """
    if sys.platform == "win32":
        return
    import resource

    needed = plan.agents + SPARE_FILES
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < needed:
        raise ConfigurationFaulty(
            f"{plan.agents} agents need {needed} open files, and the system allows {hard} (ulimit -Hn): take fewer agents"
        )
    if soft != resource.RLIM_INFINITY and soft < needed:
        resource.setrlimit(resource.RLIMIT_NOFILE, (needed, hard))


def _command(errand: Errand) -> list[str]:
    plan = errand.plan
    rate = plan.connections_per_s / (
        groups_per_user(plan) * plan.agents / (users_of(plan) * groups_per_user(plan))
    )
    command = [sys.executable, "-m", "locust", "-f", str(LOCUSTFILE), "--loglevel", "WARNING"]
    command += [
        "--users",
        str(users_of(plan)),
        "--spawn-rate",
        f"{max(rate, 0.1):.3f}",
        "--stop-timeout",
        "1",
    ]
    if errand.master is not None:
        command += errand.master.flags
    elif plan.processes > 1:
        command += ["--processes", f"{plan.processes}", *_own_port()]
    if errand.web_port is None:
        return [*command, "--headless", "--only-summary"]
    return [*command, "--autostart", "--web-host", "127.0.0.1", "--web-port", str(errand.web_port)]


def _own_port() -> list[str]:
    """Return what lets a master and its own workers meet where no other run's are: Locust's port is the same for all."""
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        port = f"{probe.getsockname()[1]}"
    return [
        "--master-bind-host", LOOPBACK, "--master-bind-port", port, "--master-host", LOOPBACK, "--master-port", port
    ]  # fmt: skip


def _follow(errand: Errand, process: subprocess.Popen[bytes], server_cpu: _ServerCpu) -> str | None:
    """Hand on rows of progress until Locust has ended; the first Ctrl-C asks for an orderly end, a second ends it at once.

    Returns:
        Why it is not waited for any longer, or why it may have no results; None where it has ended by itself.

    """
    with (Path(errand.plan.folder) / PROGRESS_FILE).open("rb") as file:
        return _hand_on(errand, process, server_cpu, _rows(file))


def _hand_on(
    errand: Errand,
    process: subprocess.Popen[bytes],
    server_cpu: _ServerCpu,
    rows: Callable[[], Iterator[dict[str, Any]]],
) -> str | None:
    interrupted_s: float | None = None
    told, told_s = Path(errand.plan.folder) / RESULT_FILE, math.inf
    while True:
        try:
            is_over = process.poll() is not None
            for row in rows():
                server_cpu.see(row)
                if errand.on_row is not None:
                    errand.on_row(row)
            told_s = min(told_s, time.monotonic()) if told.exists() else told_s
            # Locust would wait for ever for workers that never came.
            if is_over or time.monotonic() - told_s > ENDING_S:
                return None if interrupted_s is None else INTERRUPTED
            if interrupted_s is not None and time.monotonic() - interrupted_s > INTERRUPTED_S:
                return f"it has not ended within {INTERRUPTED_S:g} s of Ctrl-C"
            time.sleep(LOOK_S)
        except KeyboardInterrupt:
            if interrupted_s is not None:
                return "a second Ctrl-C has ended it at once"
            interrupted_s = time.monotonic()
            process.send_signal(signal.SIGINT)


def _end(process: subprocess.Popen[bytes]) -> None:
    # Workers that Locust has forked are of the same group, and may be left where it has ended by itself.
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _rows(file: BinaryIO) -> Callable[[], Iterator[dict[str, Any]]]:
    """Return what yields the whole lines that have come since its last call."""
    rest = b""

    def read() -> Iterator[dict[str, Any]]:
        nonlocal rest
        *lines, rest = (rest + file.read()).split(b"\n")
        yield from map(msgspec.json.decode, lines)

    return read


class _ServerCpu:
    """The CPU time that an own server takes while the load goes on."""

    def __init__(self, pid: int | None) -> None:
        self._stat = None if pid is None else Path(f"/proc/{pid}/stat")
        self._began_s: float | None = None
        self.taken_s: float | None = None

    def see(self, row: dict[str, Any]) -> None:
        """Look when a phase begins."""
        if row.get("phase") == "load":
            self._began_s = self._cpu_s()
        elif row.get("phase") == "drain" and self._began_s is not None:
            self.taken_s = (self._cpu_s() or self._began_s) - self._began_s

    def _cpu_s(self) -> float | None:
        try:
            fields = self._stat.read_text(encoding="ascii").rpartition(")")[2].split() if self._stat else None
        except OSError:
            return None
        return None if fields is None else (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _cause(path: Path, code: int = 0) -> str:
    """Return what says best why a process has ended: what we say ourselves, a signal, the first fault, or the last line of its log."""
    lines = [line for line in path.read_text(encoding="utf-8", errors="replace").splitlines() if line.strip()]
    own = (line.removeprefix(OWN_WORD) for line in lines if line.startswith(OWN_WORD))
    first = next((at for at, line in enumerate(lines) if line.startswith("Traceback ")), len(lines))
    # Others that hung on it end with faults of their own.
    faults = (line for line in lines[first + 1 :] if not line.startswith(" "))
    last = lines[-1] if lines else "it has said nothing"
    killed = f"signal {signal.Signals(-code).name} has ended it" if code < 0 else None
    return next(own, None) or killed or next(faults, last)
