"""The generators of a run as their conductor sees them: messages of Locust, which a runner without workers hands to itself."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final

import gevent
import msgspec

if TYPE_CHECKING:
    from pathlib import Path

    from loadgen.engine.generator import Generator

HELLO: Final = "wireproof-hello"
BEGIN: Final = "wireproof-begin"
STOP: Final = "wireproof-stop"
SECOND: Final = "wireproof-second"
RESULT: Final = "wireproof-result"

UNJUDGED: Final = {"fault": "the judge was not waited for", "facts": 0, "findings": [], "is_complete": False}

OPENING_S: Final = 0.1
SECOND_S: Final = 1.0
SILENT_S: Final = 20.0
"""A process tells how it fares every second, to its very end; one that has not for so long is gone."""
LEAVING_S: Final = 2.0
"""How long a process that has to end waits for its judge."""


class LocustStage:
    """All generators, reached over the runner of the master or of a process that is alone.

    Args:
        runner: Of Locust.
        groups: How many there are to be.

    """

    def __init__(self, runner: Any, groups: int) -> None:
        self._runner = runner
        self._wanted = groups
        self._ready: dict[str, tuple[int, int]] = {}
        self._seconds: list[dict[str, Any]] = []
        self._results: dict[str, dict[str, Any]] = {}
        self._final: set[str] = set()
        self._heard_s: dict[str, float] = {}
        runner.register_message(HELLO, self._on_hello)
        runner.register_message(SECOND, self._on_second)
        runner.register_message(RESULT, self._on_result)

    def groups(self) -> tuple[int, int]:
        """Return how many groups are ready, and how many have failed."""
        counts = list(self._ready.values())
        return sum(ready for ready, _ in counts), sum(failed for _, failed in counts)

    def is_complete(self) -> bool:
        """Whether all groups are ready or have failed."""
        return sum(self.groups()) >= self._wanted

    def begin(self) -> None:
        """Let all begin, each with its share of the arrivals."""
        total, before = self.groups()[0], 0
        for worker, (ready, _) in self._ready.items():
            self._send(BEGIN, {"part": (before / total, (before + ready) / total)}, worker)
            before += ready

    def stop(self, within_s: float | None) -> None:
        """Let all start nothing more, and tell their results; within a time, whatever is under way, where one is given."""
        for worker in self._ready.keys() - self._final:
            self._send(STOP, {"within_s": within_s}, worker)

    def results(self) -> list[dict[str, Any]] | None:
        """Return what all have to tell that are still there; None as long as some have not."""
        until_s = time.monotonic() - SILENT_S
        awaited = {worker for worker in self._ready if self._heard_s[worker] > until_s}
        return None if awaited - self._final else list(self._results.values())

    def told(self) -> list[dict[str, Any]]:
        """Return what has been told so far, of some perhaps without what their judge says."""
        return list(self._results.values())

    def seconds(self) -> list[dict[str, Any]]:
        """Return what happened in the seconds since the last call."""
        seconds, self._seconds = self._seconds, []
        return seconds

    def quit(self) -> None:
        """End the processes; a web page would go on without a runner."""
        web_ui = self._runner.environment.web_ui
        self._runner.quit()
        if web_ui is not None:
            web_ui.stop()

    def _send(self, name: str, data: dict[str, Any], worker: str) -> None:
        self._runner.send_message(name, data, None if worker == "local" else worker)

    def _on_hello(self, environment: Any, msg: Any, **_more: Any) -> None:  # noqa: ARG002 - Locust's signature
        self._heard_s[msg.node_id] = time.monotonic()
        self._ready[msg.node_id] = (msg.data["ready"], msg.data["failed"])

    def _on_second(self, environment: Any, msg: Any, **_more: Any) -> None:  # noqa: ARG002 - Locust's signature
        self._heard_s[msg.node_id] = time.monotonic()
        self._seconds.append({"worker": msg.node_id, **msgspec.json.decode(msg.data["json"])})

    def _on_result(self, environment: Any, msg: Any, **_more: Any) -> None:  # noqa: ARG002 - Locust's signature
        self._heard_s[msg.node_id] = time.monotonic()
        self._results[msg.node_id] = msgspec.json.decode(msg.data["json"])
        if msg.data["is_final"]:
            self._final.add(msg.node_id)


class Player:
    """One generator, as a worker of Locust: it takes the conductor's messages and tells how it fares.

    Args:
        runner: Of Locust.
        generator: Of this process.
        folder: Where what it has measured is kept, too; None for nowhere.

    """

    def __init__(self, runner: Any, generator: Generator, folder: Path | None = None) -> None:
        self._runner = runner
        self._folder = folder
        self._generator = generator
        self._is_open = True
        self._is_stopping = self._is_ended = self._has_left = False
        self._within_s: float | None = None
        runner.register_message(BEGIN, self._on_begin)
        runner.register_message(STOP, self._on_stop)
        gevent.spawn(self._say_hello)
        gevent.spawn(self._tell_seconds)

    def leave(self) -> None:
        """Tell what was measured, if that is not done: this process is about to end, whatever the others do."""
        if not self._is_ended:
            self._is_ended, self._is_open = True, False
            self._has_left = not self._is_stopping
            self._within_s = LEAVING_S
            self._generator.stop()
            self._tell_result()

    def _say_hello(self) -> None:
        while self._is_open:
            self._send(HELLO, {"ready": self._generator.opened, "failed": self._generator.failed})
            gevent.sleep(OPENING_S)

    def _tell_seconds(self) -> None:
        while True:
            gevent.sleep(SECOND_S)
            second = {"is_judging": self._is_ended, **self._generator.second()}
            self._send(SECOND, {"json": msgspec.json.encode(second)})

    def _on_begin(self, environment: Any, msg: Any, **_more: Any) -> None:  # noqa: ARG002 - Locust's signature
        self._is_open = False
        since, until = msg.data["part"]
        self._generator.begin((since, until))

    def _on_stop(self, environment: Any, msg: Any, **_more: Any) -> None:  # noqa: ARG002 - Locust's signature
        self._is_open = False
        within_s = self._within_s = msg.data["within_s"]
        if within_s is not None:
            gevent.spawn_later(within_s, self._hurry if self._is_ended else self._ended, None)
        # Who has waited long enough for an orderly end asks again, with a time.
        if not self._is_stopping:
            self._is_stopping = True
            self._generator.stop()
            self._generator.finish(self._ended, lambda: gevent.spawn(self._tell_so_far))

    def _ended(self, fault: BaseException | None) -> None:
        if self._is_ended:
            return
        self._is_ended = True
        if fault is not None:
            self._generator.faults.append(f"{type(fault).__name__}: {fault}")
        # The judge and a message are waited for; this is a callback of the event loop.
        gevent.spawn(self._tell_result)

    def _hurry(self, _fault: None) -> None:
        if self._generator.tape is not None:
            self._generator.tape.hurry()

    def _tell_so_far(self) -> None:
        """Tell what was measured before what may take long, so that it is not lost with that."""
        if not self._is_ended:
            self._send_result(self._generator.result(), is_final=False)

    def _tell_result(self) -> None:
        self._generator.write_off()
        result = self._generator.result() | {"has_left": self._has_left}
        self._generator.shut()
        if self._generator.tape is not None:
            self._send_result(result, is_final=False)
            result["judge"] = self._generator.tape.verdict(self._within_s)
        self._send_result(result, is_final=True)

    def _send_result(self, result: dict[str, Any], *, is_final: bool) -> None:
        if self._generator.tape is not None and "judge" not in result:
            result = {**result, "judge": UNJUDGED}
        json = msgspec.json.encode(result)
        if self._folder is not None:
            (self._folder / f"worker-{result['process']}.json").write_bytes(json)
        self._send(RESULT, {"json": json, "is_final": is_final})

    def _send(self, name: str, data: dict[str, Any]) -> None:
        self._runner.send_message(name, data)
