"""A program that answers a line of JSON on its standard output for every line of JSON on its standard input."""

from __future__ import annotations

import os
import selectors
import subprocess
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from conformance.faults import ConfigurationFaulty

END_S = 5.0
LONGEST_LINE_BYTES = 1_000_000
_READ_BYTES = 65_536
_SHOWN_CHARACTERS = 200


class ProgramFailed(Exception):
    """The program has ended, does not answer in time, or answers with what is no line of text."""


class Program:
    """A running program; ended with `close`."""

    def __init__(self, argv: Sequence[str], folder: Path) -> None:
        """Start it.

        Raises:
            ConfigurationFaulty: If it cannot be started.

        """
        self._name = argv[0]
        self._log = tempfile.TemporaryFile("w+b")  # noqa: SIM115 - lives as long as the program
        self._pending = b""
        try:
            self._process = subprocess.Popen(  # noqa: S603 - the program that the user names
                [self._found(argv[0], folder), *argv[1:]],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._log,
                cwd=folder,
            )
        except OSError as exc:
            self._log.close()
            raise ConfigurationFaulty(f"provisioner.argv: {argv[0]}: {exc.strerror}") from exc

    @staticmethod
    def _found(name: str, folder: Path) -> str:
        """Return the path of a program beside the endpoint file, or its name where there is none."""
        beside = folder / name
        return str(beside.absolute()) if beside.is_file() else name

    def ask(self, line: bytes, timeout_s: float) -> bytes:
        """Write a line and return the line that comes back, both without their ends.

        Raises:
            ProgramFailed: If none comes in time.

        """
        if self._process.stdin is None or self._process.stdout is None:
            raise ProgramFailed(f"{self._name} has no standard input or output")
        until_s = time.monotonic() + timeout_s
        try:
            self._process.stdin.write(line + b"\n")
            self._process.stdin.flush()
        except OSError as exc:
            raise ProgramFailed(self._ended()) from exc
        with selectors.DefaultSelector() as selector:
            selector.register(self._process.stdout, selectors.EVENT_READ)
            while b"\n" not in self._pending:
                if len(self._pending) > LONGEST_LINE_BYTES:
                    raise ProgramFailed(f"{self._name} writes a line of more than {LONGEST_LINE_BYTES} bytes")
                if not selector.select(max(until_s - time.monotonic(), 0)):
                    raise ProgramFailed(f"{self._name} does not answer within {timeout_s:g} s{self._said()}")
                data = os.read(self._process.stdout.fileno(), _READ_BYTES)
                if not data:
                    raise ProgramFailed(self._ended())
                self._pending += data
        answer, _, self._pending = self._pending.partition(b"\n")
        return answer

    def close(self) -> None:
        """Let the program end by itself, and end it where it does not."""
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                try:
                    pipe.close()
                except OSError:
                    # What was still to be written has no reader any more.
                    continue
        try:
            self._process.wait(END_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._log.close()

    def _ended(self) -> str:
        try:
            code = self._process.wait(END_S)
        except subprocess.TimeoutExpired:
            return f"{self._name} has closed its standard output{self._said()}"
        return f"{self._name} has ended with code {code}{self._said()}"

    def _said(self) -> str:
        """Return the last line that the program has written to standard error."""
        # Reading at a place of its own leaves the place alone where the program writes.
        file = self._log.fileno()
        size = os.fstat(file).st_size
        lines = os.pread(file, _READ_BYTES, max(size - _READ_BYTES, 0)).decode(errors="replace").split("\n")
        last = next((line.strip() for line in reversed(lines) if line.strip()), "")
        return f": {last[:_SHOWN_CHARACTERS]}" if last else ""
