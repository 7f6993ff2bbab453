"""Coroutines that act as agents do, carried on by callbacks of the event loop: what they wait for resumes them.

They are no asyncio tasks and no greenlets: a resumption costs a tenth of a switch. Anything that has a `waiter` can be awaited: an answer
to a push, a pause, an event, other plays.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Coroutine, Generator, Iterable, Iterator
from typing import TYPE_CHECKING, Any, Self

import gevent

if TYPE_CHECKING:
    from loadgen.client.timers import Timers

Script = Coroutine[Any, Any, object]


class Awaitable:
    """What a play can wait for, once; `done` says that it has come."""

    __slots__ = ("is_done", "waiter")

    def __init__(self) -> None:
        self.is_done = False
        self.waiter: Play | None = None

    def __await__(self) -> Generator[Awaitable, None, Self]:
        """Wait, unless it has come already."""
        if not self.is_done:
            yield self
        return self

    def done(self) -> None:
        """Resume who waits."""
        self.is_done = True
        waiter = self.waiter
        if waiter is not None:
            self.waiter = None
            waiter.resume()


class Play(Awaitable):
    """One running coroutine.

    Args:
        script: What is played.
        on_end: Is called with the fault that ended it, or None.

    """

    __slots__ = ("_on_end", "_script", "fault")

    def __init__(
        self, script: Script, on_end: Callable[[BaseException | None], object] | None = None
    ) -> None:
        super().__init__()
        self._script = script
        self._on_end = on_end
        self.fault: BaseException | None = None
        self.resume()

    def resume(self) -> None:
        """Go on until it waits again or ends."""
        try:
            self._script.send(None).waiter = self
        except StopIteration:
            self._end(None)
        except Exception as fault:  # noqa: BLE001 - a fault of a script ends that script alone
            self._end(fault)

    @property
    def awaits(self) -> object:
        """What it waits for; None where that cannot be told."""
        # Looked up in the coroutine: to keep it would cost every resumption, and make a cycle of each push.
        inner: Any = self._script
        while (deeper := getattr(inner, "cr_await", None)) is not None:
            inner = deeper
        frame = getattr(inner, "gi_frame", None)
        return None if frame is None else frame.f_locals.get("self")

    def stop(self) -> None:
        """End it where it stands."""
        if not self.is_done:
            self.is_done = True
            self._script.close()

    def _end(self, fault: Exception | None) -> None:
        self.fault = fault
        if self.is_done:
            return
        if self._on_end is not None:
            self.is_done = True
            self._on_end(fault)
        elif fault is not None:
            gevent.get_hub().handle_error(self, *sys.exc_info())
        self.done()


class Pause(Awaitable):
    """A wait until a time."""

    __slots__ = ()

    def __init__(self, timers: Timers, delay_s: float) -> None:
        super().__init__()
        timers.after(delay_s, self._ring)

    def _ring(self, _due_us: int) -> None:
        self.done()


class All(Awaitable):
    """The end of several plays; `faults` are theirs, `plays` are there until all have ended."""

    __slots__ = ("_left", "faults", "plays")

    def __init__(self, scripts: Iterable[Script]) -> None:
        super().__init__()
        self.faults: list[BaseException] = []
        self.plays: list[Play] = []
        self._left = 1
        for script in scripts:
            self._left += 1
            self.plays.append(Play(script, self._one))
        self._one(None)

    def _one(self, fault: BaseException | None) -> None:
        if fault is not None:
            self.faults.append(fault)
        self._left -= 1
        if not self._left:
            self.plays.clear()
            self.done()


def awaited(play: Play) -> Iterator[object]:
    """Yield what must come from elsewhere before a play goes on; nothing where it makes a pause of its own."""
    if play.is_done:
        return
    what = play.awaits
    if isinstance(what, All):
        for inner in what.plays:
            yield from awaited(inner)
    elif isinstance(what, Play):
        yield from awaited(what)
    elif what is not None and not isinstance(what, Pause):
        yield what
