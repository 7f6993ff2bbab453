"""The process that serves deviations, seen from this side: `wireproof deviations --serve`, or another that speaks like it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from conformance.faults import CannotTest
from conformance.provisioner_settings import TOKEN_VARIABLE
from conformance.selfcheck.trial import Deviation

END_S = 10.0
_CHUNK_BYTES = 65536


def usual_command(spec: Path | None, seed: int) -> list[str]:
    """Return the command that serves the deviations of the reference server."""
    command = [sys.executable, "-m", "wireproof", "deviations", "--serve", "--seed", str(seed)]
    return command + (["--spec", str(spec)] if spec else [])


class Servers:
    """Starts and ends servers with deviations. A context manager; when it ends, so do they.

    Requests are numbered, and answered in any order: wait until `fileno` can be read, then take the `answers`.

    Args:
        command: What to run.
        token: What the servers' operators must show.

    Attributes:
        deviations: What the servers can be given.

    Raises:
        CannotTest: On construction, if the command cannot be run or does not greet with a catalogue.

    """

    def __init__(self, command: Sequence[str], token: str) -> None:
        environment = {**os.environ, TOKEN_VARIABLE: token}
        try:
            # In a group of its own, so that Ctrl-C does not end it before the report is written.
            self._process = subprocess.Popen(  # noqa: S603 - our own command, or the user's
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                env=environment,
                process_group=0,
            )
        except OSError as exc:
            raise CannotTest(f"{command[0]}: cannot be run: {exc.strerror}") from exc
        assert self._process.stdin is not None  # noqa: S101 - asked for above
        assert self._process.stdout is not None  # noqa: S101
        self._requests, self._answers = self._process.stdin, self._process.stdout
        self._rest = b""
        self._asked = 0
        try:
            self.deviations = _catalogue(self._answers.readline())
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Servers:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def fileno(self) -> int:
        """Return what can be read when there are answers."""
        return self._answers.fileno()

    def start(self, deviations: Sequence[str]) -> int:
        """Ask for a server; its number is in the answer, with `url` or `error`."""
        self._asked += 1
        self._ask({"id": self._asked, "start": list(deviations)})
        return self._asked

    def stop(self, number: int) -> None:
        """Ask for a server's end; the answer has `died`, where it had ended before."""
        self._ask({"id": number, "stop": True})

    def answers(self) -> Iterator[dict[str, Any]]:
        """Read what has come.

        Raises:
            CannotTest: If the process has ended.

        """
        read = os.read(self._answers.fileno(), _CHUNK_BYTES)
        if not read:
            raise CannotTest("the process that serves the deviations has ended")
        *lines, self._rest = (self._rest + read).split(b"\n")
        for line in lines:
            yield json.loads(line)

    def disown(self) -> None:
        """Let go of the process in a fork of this one, so that it ends with the original alone."""
        os.close(self._requests.fileno())

    def close(self) -> None:
        """End the process and with it all servers."""
        with suppress(BrokenPipeError):
            self._requests.close()
        try:
            self._process.wait(END_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._answers.close()

    def _ask(self, request: dict[str, Any]) -> None:
        try:
            self._requests.write(json.dumps(request).encode() + b"\n")
            self._requests.flush()
        except BrokenPipeError as exc:
            raise CannotTest("the process that serves the deviations has ended") from exc


def _catalogue(line: bytes) -> dict[str, Deviation]:
    try:
        rows = json.loads(line)["deviations"]
        found = [Deviation(row["name"], tuple(row["breaks"]), row["shows"]) for row in rows]
    except (ValueError, TypeError, KeyError) as exc:
        raise CannotTest("the process that serves the deviations does not begin with its catalogue") from exc
    return {one.name: one for one in found}
