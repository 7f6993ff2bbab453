"""Many servers of one warm process, each with deviations of its own: cheap enough to start one for each of a catalogue.

It is spoken to in JSON lines. It greets with its catalogue, `{"deviations": [{"name": .., "breaks": [..], ..}, ..]}`, and answers
each line of its input by one of its output, which need not be in the same order:

    {"id": 1, "start": ["accepts-replayed-nonce"]}   {"id": 1, "url": "ws://127.0.0.1:40001", "pid": 4711}
                                                     {"id": 1, "error": "RuntimeError: cannot be installed"}
    {"id": 1, "stop": true}                          {"id": 1, "stopped": true, "died": null}
                                                     {"id": 1, "stopped": true, "died": "exit code 3; OSError: .."}

`died` says that the server had ended before it was asked to, and how. A server is a forked process in a group of its own; a stop
ends the group, however the server hangs. All are ended when the input ends, and end by themselves when this process does.
"""

from __future__ import annotations

import asyncio
import gc
import json
import logging
import os
import select
import selectors
import signal
import sys
import tempfile
import threading
import time
import traceback
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Any, Final, NoReturn

from reference_server.assembly import Assembly
from reference_server.deviations.catalogue import catalogue
from reference_server.open_files import allow_as_many_as_possible
from reference_server.server import Settings, run

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from reference_server.deviations.deviation import Deviation
    from specs.model import Api

START_S: Final = 30.0
"""How long a server may take until it listens; on a busy machine that may be long."""
_CHUNK_BYTES: Final = 65536
_READY = "ready"


@dataclass(slots=True)
class _Running:
    """A server process, from its fork to its stop."""

    id: Any
    pid: int
    life: int
    """Reading end of a pipe: the port comes from it, and its end when the process has ended."""
    log: IO[str]
    until_s: float
    is_listening: bool = False
    died: str | None = None


class Fleet:
    """Starts and ends servers as it is asked to.

    Args:
        api: What they serve.
        seed: Of their ids and credentials; None makes them unpredictable.
        control_token: What an operator must show.

    """

    def __init__(self, api: Api, seed: int | None, control_token: str | None) -> None:
        self._api = api
        self._seed = seed
        self._control_token = control_token
        self._known: Mapping[str, Deviation] = catalogue(api)
        self._running: dict[Any, _Running] = {}
        # Unlike the default one it takes files, too, which standard input may be.
        self._selector = selectors.PollSelector()
        self._held, self._holds = os.pipe()

    def serve(self) -> None:
        """Greet, then answer requests until standard input ends; ends every server that is left."""
        # What the first server would read and make, all shall find there.
        import reference_server.monitoring  # noqa: F401

        allow_as_many_as_possible()
        gc.freeze()
        self._say({"deviations": [as_row(one) for one in self._known.values()]})
        self._selector.register(sys.stdin.fileno(), selectors.EVENT_READ)
        rest = b""
        try:
            while True:
                ready = [key.data for key, _ in self._selector.select(self._patience_s())]
                # Requests come last: a stop takes away what its server has told.
                for one in filter(None, ready):
                    self._hear(one)
                self._give_up_the_late()
                if None not in ready:
                    continue
                read = os.read(sys.stdin.fileno(), _CHUNK_BYTES)
                if not read:
                    return
                *lines, rest = (rest + read).split(b"\n")
                for line in lines:
                    self._answer(line)
        finally:
            for one in tuple(self._running.values()):
                self._stop(one)

    def _answer(self, line: bytes) -> None:
        try:
            asked = json.loads(line)
            key = asked["id"]
            if "start" in asked:
                self._start(key, asked["start"])
                return
            one = self._running[key]
        except (ValueError, TypeError, KeyError, RecursionError) as exc:
            self._say({"id": None, "error": f"no such request: {line[:200]!r} ({type(exc).__name__})"})
            return
        if one.died is None and select.select([one.life], [], [], 0)[0]:
            # It has told something since, its end perhaps.
            self._hear(one)
        if key not in self._running:
            return
        self._stop(one)
        self._say({"id": key, "stopped": True, "died": one.died})

    def _start(self, key: Any, names: list[str]) -> None:
        unknown = [name for name in names if name not in self._known]
        if unknown or key in self._running:
            reason = f"no deviation is called {unknown[0]!r}" if unknown else "that id is in use"
            self._say({"id": key, "error": reason})
            return
        life, telling = os.pipe()
        log = tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace")  # noqa: SIM115 - closed by the stop
        pid = os.fork()
        if pid == 0:
            os.close(self._holds)
            _be_a_server(lambda: self._assembly(names), telling, self._held, log)
        os.close(telling)
        one = _Running(key, pid, life, log, time.monotonic() + START_S)
        self._running[key] = one
        self._selector.register(life, selectors.EVENT_READ, one)

    def _assembly(self, names: list[str]) -> Assembly:
        assembly = Assembly(self._api, Settings(port=0), seed=self._seed, control_token=self._control_token)
        for name in names:
            self._known[name].install(assembly)
        return assembly

    def _hear(self, one: _Running) -> None:
        """Take what a server tells: its port; or that it is no more."""
        told = os.read(one.life, _CHUNK_BYTES)
        if told:
            one.is_listening = True
            self._say({"id": one.id, "url": f"ws://127.0.0.1:{told.decode()}", "pid": one.pid})
            return
        self._selector.unregister(one.life)
        _, status = os.waitpid(one.pid, 0)
        one.died = f"{_end_of(status)}{_last_line(one.log)}"
        if not one.is_listening:
            self._refuse(one, one.died)

    def _give_up_the_late(self) -> None:
        now_s = time.monotonic()
        for one in tuple(self._running.values()):
            if not one.is_listening and one.until_s <= now_s:
                self._refuse(one, f"it does not listen after {START_S:g} s")

    def _refuse(self, one: _Running, reason: str) -> None:
        self._stop(one)
        self._say({"id": one.id, "error": reason})

    def _patience_s(self) -> float | None:
        waited_for = [one.until_s for one in self._running.values() if not one.is_listening]
        return max(0.0, min(waited_for) - time.monotonic()) if waited_for else None

    def _stop(self, one: _Running) -> None:
        """End a server with its group, and forget it."""
        del self._running[one.id]
        try:
            os.killpg(one.pid, signal.SIGKILL)
        except ProcessLookupError:
            # It has ended, or has not yet got so far as to have a group.
            if one.died is None:
                os.kill(one.pid, signal.SIGKILL)
        if one.died is None:
            self._selector.unregister(one.life)
            os.waitpid(one.pid, 0)
        os.close(one.life)
        one.log.close()

    def _say(self, message: dict[str, Any]) -> None:
        sys.stdout.write(json.dumps(message) + "\n")
        sys.stdout.flush()


def as_row(one: Deviation) -> dict[str, Any]:
    """Return a deviation as programs read it."""
    return {"name": one.name, "breaks": one.breaks, "shows": one.shows, "generated": one.is_generated}


def _be_a_server(assemble: Callable[[], Assembly], telling: int, held: int, log: IO[str]) -> NoReturn:
    """Serve until the process is ended; `held` has an end when the process is gone from which this one was forked."""
    try:
        os.setpgid(0, 0)
        nowhere = os.open(os.devnull, os.O_RDWR)
        for taken, stream in ((nowhere, 0), (nowhere, 1), (log.fileno(), 2)):
            os.dup2(taken, stream)
        logging.basicConfig(level=logging.CRITICAL)
        threading.Thread(target=_end_after, args=(held,), daemon=True).start()
        run(lambda: _listen(assemble(), telling))
    except BaseException:  # noqa: BLE001 - however it ends, it must not go on with what its parent does
        traceback.print_exc()
        sys.stderr.flush()
    finally:
        os._exit(1)


async def _listen(assembly: Assembly, telling: int) -> None:
    server = await assembly.start()
    os.write(telling, str(server.port).encode())
    await asyncio.Event().wait()


def _end_after(held: int) -> None:
    os.read(held, 1)
    os.killpg(0, signal.SIGKILL)


def _end_of(status: int) -> str:
    code = os.waitstatus_to_exitcode(status)
    return f"exit code {code}" if code >= 0 else f"signal {signal.Signals(-code).name}"


def _last_line(log: IO[str]) -> str:
    log.seek(0)
    last = log.read().strip().rpartition("\n")[2]
    return f"; {last}" if last else ""
