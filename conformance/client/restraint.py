"""What a run denies itself: more than so many frames a second, and everything that may change something.

Each connection asks before it opens and before it sends, so that nothing depends on what a case says of itself.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import NoReturn

from conformance.client.deadline import Deadline
from conformance.client.pace import Pace
from conformance.client.read_only import READ_ONLY, RawMessages, ReadOnly
from conformance.faults import CannotProvision, OutOfTime


@dataclass(slots=True)
class Restraint:
    """The restraint of one process; without arguments there is none."""

    pace: Pace | None = None
    read_only: ReadOnly | None = None
    deadline: Deadline | None = None
    """Of the attempt that is under way: what is spent on waiting for one's turn is given back to it."""
    has_denied: bool = False
    """Whether the attempt that is under way wanted to change something: then it says nothing, whatever it makes of that."""

    def wait(self) -> None:
        """Wait for one's turn to open a connection, to send, or to ask the provisioner for something.

        Raises:
            OutOfTime: If the time of the case is up before.

        """
        if self.pace is None:
            return
        wait_s = self.pace.turn_s()
        if wait_s <= 0:
            return
        if self.deadline is None:
            time.sleep(wait_s)
            return
        self.deadline.extend(wait_s)
        time.sleep(max(0.0, self.deadline.cap(wait_s) - time.monotonic()))
        if self.deadline.has_passed:
            raise OutOfTime("the time of the case is up")

    def check(self, data: bytes, *, is_text: bool) -> None:
        """Let a whole message pass.

        Raises:
            CannotProvision: If this is a read-only run, and it might change something.

        """
        if self.read_only is not None and not self.read_only.allows(data, is_text=is_text):
            self.deny()

    def deny(self) -> NoReturn:
        """Keep a case from changing something.

        Raises:
            CannotProvision: Always.

        """
        self.has_denied = True
        raise CannotProvision(READ_ONLY)

    def check_raw(self, messages: RawMessages, data: bytes) -> None:
        """Let bytes pass that are not written by a library; `messages` knows what went before on the connection.

        Raises:
            CannotProvision: If this is a read-only run, and they might change something.

        """
        if self.read_only is None:
            return
        for message in messages.read(data):
            for is_text in (True, False):
                self.check(message, is_text=is_text)
