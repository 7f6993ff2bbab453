"""A push, a join, a leave or a connect, and what became of it: to be awaited by a play."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import msgspec

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from loadgen.client.plays import Play
    from loadgen.measure.statistics import Figures

UNSENT: Final = "not connected"
UNKNOWN: Final = "connection lost"
TIMED_OUT: Final = "timeout"
UNANSWERED: Final = "unanswered at the end"
"""Of what was still open when nobody waited any longer."""


class CallFailed(Exception):
    """A push, join or connect was not answered by ok; `reason` says why."""

    def __init__(self, what: str, reason: str) -> None:
        super().__init__(f"{what}: {reason}")
        self.reason = reason


class Call(msgspec.Struct, eq=False, gc=False):
    """A push, and what became of it; to be awaited.

    Attributes:
        status: `ok`, `error`, or `unknown` where nobody knows; None as long as it is open.
        response: What was answered, once there is a status.
        waiter: The play to be resumed then.

    """

    # A struct, for one is made for every push, and that takes a third of the time of a class. It is in no cycle once it is answered
    # or given up, so that the collector need not know it.
    figures: Figures
    sent_us: int
    intended_us: int
    status: str | None = None
    response: Any = None
    waiter: Play | None = None

    def __await__(self) -> Generator[Call, None, Call]:
        """Wait, unless it is answered already."""
        if self.status is None:
            yield self
        return self

    @property
    def is_ok(self) -> bool:
        """Whether it was answered by ok."""
        return self.status == "ok"

    def demand(self) -> Any:
        """Return the response of an ok.

        Raises:
            CallFailed: If it is none.

        """
        if self.status != "ok":
            raise CallFailed(self.figures.name, _reason_in(self.response))
        return self.response

    def answered(self, payload: Any, at_us: int) -> None:
        """Take the payload of the reply."""
        figures, sent_us = self.figures, self.sent_us
        try:
            status = payload["status"]
            self.response = payload["response"]
        except (TypeError, KeyError):
            status, self.response = "error", {"reason": "malformed reply"}
        if status == "ok":
            figures.ok += 1
            if self.intended_us == sent_us:
                # Taken out first: CPython 3.11 is slow to call what a slot holds.
                took = figures.took
                took(at_us - sent_us)
            else:
                figures.took_late(at_us - sent_us)
                figures.took_in_all(at_us - self.intended_us)
            self.status = "ok"
        else:
            figures.errors[_reason_in(self.response)] += 1
            self.status = "error"
        waiter = self.waiter
        if waiter is not None:
            waiter.resume()

    def lost(self, reason: str) -> None:
        """Take that there will be no answer."""
        self.figures.errors[reason] += 1
        self.status = "unknown"
        self.response = {"reason": reason}
        if self.waiter is not None:
            self.waiter.resume()


class Probe(Call, eq=False, gc=False):
    """A push of which only the answer matters, whatever it says."""

    def answered(self, payload: Any, at_us: int) -> None:
        """Take any reply for ok."""
        super().answered({"status": "ok", "response": payload}, at_us)


class Request(Call, eq=False, gc=False):
    """A join, a leave, a heartbeat or a connect: what the session follows, too.

    Attributes:
        on_answer: Is called once it is answered, besides who waits for it.

    """

    on_answer: Callable[[Call], object] | None = None

    def answered(self, payload: Any, at_us: int) -> None:
        """Take the payload of the reply."""
        super().answered(payload, at_us)
        if self.on_answer is not None:
            self.on_answer(self)

    def lost(self, reason: str) -> None:
        """Take that there will be no answer."""
        super().lost(reason)
        if self.on_answer is not None:
            self.on_answer(self)


def _reason_in(response: Any) -> str:
    reason = response.get("reason") if isinstance(response, dict) else None
    return reason if isinstance(reason, str) else "no reason"
