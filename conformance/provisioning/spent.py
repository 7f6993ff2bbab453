"""Remembers from run to run what was used up: a second use would be judged as if the first had not been."""

from __future__ import annotations

from pathlib import Path

from conformance.faults import ConfigurationFaulty


class Spent:
    """The names of one kind of thing in a file, a line each: `KIND NAME`."""

    def __init__(self, file: Path, kind: str) -> None:
        """Read what has been used up before.

        Raises:
            ConfigurationFaulty: If the file is there and cannot be read.

        """
        self._file = file
        self._kind = kind
        self.names = {name for kind_, _, name in map(_parts, self._lines()) if kind_ == kind}

    def _lines(self) -> list[str]:
        try:
            return self._file.read_text(encoding="utf-8").splitlines()
        except FileNotFoundError:
            return []
        except (OSError, UnicodeDecodeError) as exc:
            raise ConfigurationFaulty(f"{self._file}: what was used up cannot be read") from exc

    def add(self, name: str) -> None:
        """Remember a name, at once.

        Raises:
            ConfigurationFaulty: If the file cannot be written.

        """
        self.names.add(name)
        try:
            # A short line is appended whole, also where several workers write.
            with self._file.open("a", encoding="utf-8") as file:
                file.write(f"{self._kind} {name}\n")
        except OSError as exc:
            raise ConfigurationFaulty(
                f"{self._file}: what is used up cannot be written: {exc.strerror}"
            ) from exc


def _parts(line: str) -> tuple[str, str, str]:
    return line.partition(" ")
