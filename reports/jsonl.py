"""A run as JSON lines: a header, one line a case, a footer; each line is written out at once.

The lines conform to `schemas/run.schema.json`. A run that was killed leaves a file without a footer, whose cases can
still be read: `TruncatedRun` carries them.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, TypeAlias

from pydantic import Field, TypeAdapter, ValidationError

from .record import CaseResult, Run, RunFooter, RunHeader

if TYPE_CHECKING:
    from pathlib import Path
    from types import TracebackType
    from typing import Self

Line: TypeAlias = Annotated[RunHeader | CaseResult | RunFooter, Field(discriminator="type")]
_LINE: TypeAdapter[RunHeader | CaseResult | RunFooter] = TypeAdapter(Line)


class RunFileError(Exception):
    """A run file cannot be read as a whole run."""


class EmptyRun(RunFileError):
    """The file has no line."""


class TruncatedRun(RunFileError):
    """The file ends before the footer.

    Attributes:
        header: The header, or `None` where the file ends inside it.
        cases: Every case that was written whole.

    """

    def __init__(self, path: Path, header: RunHeader | None, cases: list[CaseResult]) -> None:
        self.header = header
        self.cases = cases
        super().__init__(
            f"{path}: the run has no footer; {len(cases)} cases were recorded before it broke off"
        )


class MalformedRun(RunFileError):
    """A line is not one of a run, or stands in the wrong place.

    Attributes:
        line: Its number, from 1.
        what: What is wrong with it, in one line.

    """

    def __init__(self, path: Path, line: int, what: str) -> None:
        self.line = line
        self.what = what
        super().__init__(f"{path}, line {line}: {what}")


class LineOutOfOrder(RuntimeError):
    """A line was written before the header, after the footer, or twice."""


class RunWriter:
    """Write a run while it happens. A context manager; the file must not exist yet.

    Call `header` once, then `case` for each case, then `footer` once. Left without a footer, the file says by that that
    the run broke off. Each call hands its line to the operating system before it returns.

    Args:
        path: File to create.

    Raises:
        FileExistsError: On construction, if there is such a file.

    """

    def __init__(self, path: Path) -> None:
        self._file = path.open("x", encoding="utf-8", newline="\n")
        self._expected: tuple[str, ...] = ("header",)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def header(self, header: RunHeader) -> None:
        """Write the header; the first line."""
        self._write(header, then=("case", "footer"))

    def case(self, result: CaseResult) -> None:
        """Write the result of one case."""
        self._write(result, then=("case", "footer"))

    def footer(self, footer: RunFooter) -> None:
        """Write the footer; the last line."""
        self._write(footer, then=())

    def close(self) -> None:
        """Close the file; may be called again."""
        self._file.close()

    def _write(self, line: RunHeader | CaseResult | RunFooter, *, then: tuple[str, ...]) -> None:
        if line.type not in self._expected:
            raise LineOutOfOrder(
                f"a {line.type} line cannot stand here; possible: {self._expected or 'none'}"
            )
        text = json.dumps(
            line.model_dump(mode="json"), ensure_ascii=False, allow_nan=False, separators=(",", ":")
        )
        self._file.write(text + "\n")
        self._file.flush()
        self._expected = then


def read_run(path: Path) -> Run:
    """Read a whole run.

    Args:
        path: A file that `RunWriter` wrote.

    Returns:
        The run, its cases in the order in which they were written.

    Raises:
        EmptyRun: If the file has no line.
        TruncatedRun: If there is no footer; holds what there is. A last line without line feed counts as not written.
        MalformedRun: If a line is not UTF-8, not JSON, not of the schema, or not where it belongs.
        OSError: If the file cannot be read.

    """
    lines = path.read_bytes().split(b"\n")
    unfinished = lines.pop()
    if not lines and not unfinished.strip():
        raise EmptyRun(f"{path}: the file holds no run")
    header: RunHeader | None = None
    cases: list[CaseResult] = []
    for number, text in enumerate(lines, 1):
        line = _parsed(path, number, text)
        if isinstance(line, RunHeader) != (number == 1):
            raise MalformedRun(path, number, "the header must be the first line, and only that")
        if isinstance(line, RunHeader):
            header = line
        elif isinstance(line, CaseResult):
            cases.append(line)
        elif number < len(lines) or unfinished:
            raise MalformedRun(path, number + 1, "there is a line after the footer")
        elif header is not None:
            return Run(header=header, cases=cases, footer=line)
    raise TruncatedRun(path, header, cases)


def _parsed(path: Path, number: int, text: bytes) -> RunHeader | CaseResult | RunFooter:
    try:
        return _LINE.validate_json(text)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise MalformedRun(path, number, f"{where}: {first['msg']}" if where else first["msg"]) from error
