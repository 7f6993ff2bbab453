"""How generators and their conductor speak with each other, over a runner that hands messages to itself."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any, cast

import gevent
import gevent.event
import pytest

from loadgen.engine.generator import Generator
from loadgen.engine.stage import HELLO, RESULT, SECOND, SILENT_S, LocustStage, Player


class Loop:
    """A runner of a process that is alone."""

    def __init__(self) -> None:
        self._handlers: dict[str, Callable[..., object]] = {}

    def register_message(self, name: str, handler: Callable[..., object]) -> None:
        self._handlers[name] = handler

    def send_message(self, name: str, data: Any = None, _to: str | None = None) -> None:
        self._handlers[name](environment=None, msg=SimpleNamespace(node_id="local", data=data))


class Pretending:
    """A generator whose groups come to rest when they are let, and whose judge likewise."""

    player: Player

    def __init__(self) -> None:
        self.opened, self.failed = 1, 0
        self.faults: list[str] = []
        self.parts: list[tuple[float, float]] = []
        self.stopped = self.written_off = 0
        self.on_end: Callable[[BaseException | None], object] = lambda _fault: None
        self.is_judged = gevent.event.Event()
        self.tape = self

    def begin(self, part: tuple[float, float]) -> None:
        self.parts.append(part)

    def stop(self) -> None:
        self.stopped += 1

    def finish(
        self, on_end: Callable[[BaseException | None], object], on_drained: Callable[[], object]
    ) -> None:
        self.on_end = on_end
        on_drained()

    def write_off(self) -> None:
        self.written_off += 1

    def result(self) -> dict[str, Any]:
        return {"process": 0, "written_off": self.written_off}

    def second(self) -> dict[str, Any]:
        return {}

    def shut(self) -> None:
        pass

    def verdict(self, _within_s: float | None) -> dict[str, Any]:
        self.is_judged.wait()
        return {"is_complete": True, "findings": [], "facts": 3}


@pytest.fixture
def both() -> Iterator[tuple[LocustStage, Pretending]]:
    """The conductor's side, and a generator that is ready."""
    runner, generator = Loop(), Pretending()
    stage = LocustStage(runner, 1)
    generator.player = Player(runner, cast("Generator", generator))
    until(stage.is_complete)
    yield stage, generator
    generator.is_judged.set()


def until(is_so: Callable[[], object]) -> None:
    with gevent.Timeout(20):
        while not is_so():
            gevent.sleep(0.01)


def test_what_was_measured_is_told_before_what_takes_long(both: tuple[LocustStage, Pretending]) -> None:
    """Once acts are over, and again before the judge is waited for; it is not taken for judged, nor for all."""
    stage, generator = both
    stage.stop(None)
    until(stage.told)
    [early] = stage.told()
    assert (early["written_off"], early["judge"]["is_complete"], stage.results()) == (0, False, None)
    generator.on_end(None)
    until(lambda: stage.told()[0]["written_off"])
    assert (stage.told()[0]["judge"]["is_complete"], stage.results()) == (False, None)
    generator.is_judged.set()
    until(stage.results)
    judge = {"is_complete": True, "findings": [], "facts": 3}
    assert stage.told() == [{"process": 0, "written_off": 1, "has_left": False, "judge": judge}]


def test_arrivals_are_shared_by_groups(both: tuple[LocustStage, Pretending]) -> None:
    """Who is alone has all of them."""
    stage, generator = both
    stage.begin()
    assert generator.parts == [(0.0, 1.0)]


def test_who_is_hurried_ends_though_groups_are_not_at_rest(both: tuple[LocustStage, Pretending]) -> None:
    """A second stop with a time shortens an end that had none; the load is over only once."""
    stage, generator = both
    generator.is_judged.set()
    stage.stop(None)
    stage.stop(0.05)
    until(stage.results)
    assert (generator.stopped, generator.written_off) == (1, 1)


def test_who_is_gone_is_waited_for_no_longer(monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that was killed tells nothing more; what the others have told is not kept back for it."""
    runner = Loop()
    stage = LocustStage(runner, 2)

    def tell(worker: str, name: str, **data: Any) -> None:
        runner._handlers[name](environment=None, msg=SimpleNamespace(node_id=worker, data=data))

    for worker in ("killed", "alive"):
        tell(worker, HELLO, ready=1, failed=0)
    tell("killed", RESULT, json=b'{"process": 1}', is_final=False)
    now_s = time.monotonic()
    monkeypatch.setattr(time, "monotonic", lambda: now_s + 2 * SILENT_S)
    tell("alive", SECOND, json=b"{}")
    assert stage.results() is None
    tell("alive", RESULT, json=b'{"process": 0}', is_final=True)
    assert stage.results() == [{"process": 1}, {"process": 0}]


def test_who_is_slow_is_waited_for() -> None:
    """As long as a process says how it fares, its results are to come."""
    runner = Loop()
    stage = LocustStage(runner, 1)
    runner._handlers[HELLO](None, SimpleNamespace(node_id="slow", data={"ready": 1, "failed": 0}))
    assert stage.results() is None


@pytest.mark.parametrize("is_asked", [True, False])
def test_who_leaves_unasked_says_so(both: tuple[LocustStage, Pretending], is_asked: bool) -> None:
    """A worker that is ended while the load goes on does not seem to have done its part."""
    stage, generator = both
    generator.is_judged.set()
    if is_asked:
        stage.stop(None)
    generator.player.leave()
    until(lambda: stage.results() is not None)
    assert stage.told()[0]["has_left"] is not is_asked
