"""The kill matrix as a record: a header, a line for each trial, a footer; and its table for people.

The lines are JSON, each written out at once, so that a matrix that broke off still holds what was found.
"""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from conformance.faults import ConfigurationFaulty
from conformance.selfcheck.trial import Ended, Fate, Reach
from reports.run_folder import FolderInUse, FolderNotWritable


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class MatrixHeader(_Model):
    """What was tried, and how."""

    type: Literal["header"] = "header"
    format: Literal[1] = 1
    tool_version: str
    started_at: str
    spec: str
    spec_version: str
    catalogue: int
    """How many deviations there are."""
    chosen: int
    """How many of them are tried."""
    cases: int
    """How many cases the suite has."""
    reach: Reach
    seed: int
    jobs: int
    reply_s: float
    budget_s: float | None = None
    """How long the suite may take for a deviation, where the question is what it notices in that time."""


class CaseTime(_Model):
    """One case in one trial."""

    ms: float
    verdict: str
    reported: list[str] = []
    """The requirements that it reported."""


class ControlRow(_Model):
    """An honest server before the same cases."""

    type: Literal["control"] = "control"
    cases: dict[str, CaseTime]
    duration_s: float
    trouble: str | None

    @classmethod
    def of(cls, ended: Ended) -> ControlRow:
        """Return the line of a trial without a deviation."""
        return cls(cases=_cases(ended), duration_s=ended.duration_s, trouble=ended.trouble)


class MatrixRow(_Model):
    """One deviation before the suite."""

    type: Literal["deviation"] = "deviation"
    deviation: str
    requirement: str
    fate: Fate
    case: str | None
    """The case that killed it."""
    observed: str
    """What that case saw; else what another one saw, or why none did."""
    others: list[str]
    """Other requirements that were reported."""
    cases: dict[str, CaseTime]
    duration_s: float
    is_stale: bool = False
    """Whether it is listed as an exception, but was seen."""

    @classmethod
    def of(cls, ended: Ended, *, is_listed: bool) -> MatrixRow:
        """Return the line of a trial."""
        deviation = ended.trial.deviation
        assert deviation is not None  # noqa: S101 - a control has a line of its own
        fate = ended.fate(is_listed=is_listed)
        killers = ended.killers or [one for one in ended.outcomes if one.reported]
        return cls(
            deviation=deviation.name,
            requirement=deviation.requirement,
            fate=fate,
            case=killers[0].case if killers and fate is not Fate.UNTESTED else None,
            observed=ended.why(),
            others=list(ended.others),
            cases=_cases(ended),
            duration_s=ended.duration_s,
            is_stale=is_listed and fate in {Fate.KILLED, Fate.BY_OTHERS},
        )

    @property
    def is_seen(self) -> bool:
        """Whether anything was reported."""
        return self.fate in {Fate.KILLED, Fate.BY_OTHERS}

    @property
    def is_good(self) -> bool:
        """Whether its own requirement reported it, or a listed proof says why none could."""
        return not self.is_stale and self.fate in {Fate.KILLED, Fate.INVISIBLE}


class MatrixFooter(_Model):
    """How it ended."""

    type: Literal["footer"] = "footer"
    finished_at: str
    duration_s: float
    counts: dict[str, int]
    """Deviations by fate."""
    faults: list[str]
    """What is wrong besides single deviations."""
    exit_code: int
    interrupted: bool
    note: str | None


Line = MatrixHeader | ControlRow | MatrixRow | MatrixFooter
_LINE: TypeAdapter[Line] = TypeAdapter(Annotated[Line, Field(discriminator="type")])


class Matrix(_Model):
    """A whole matrix."""

    header: MatrixHeader
    controls: list[ControlRow]
    rows: list[MatrixRow]
    footer: MatrixFooter | None

    def seen_share(self) -> float:
        """Return of how many of the deviations anything was reported."""
        return sum(row.is_seen for row in self.rows) / max(1, len(self.rows))


def tally(rows: Iterable[MatrixRow]) -> dict[str, int]:
    """Count deviations by fate; one entry for each, zero included."""
    found = Counter(row.fate for row in rows)
    return {fate.value: found[fate] for fate in Fate}


class MatrixFolder:
    """The folder of one self-check, made if it is not there.

    Raises:
        FolderInUse: If it holds a matrix.
        FolderNotWritable: If it cannot be made.

    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.lines = path / "matrix.jsonl"
        self.table = path / "matrix.csv"
        try:
            path.mkdir(parents=True, exist_ok=True)
            held = [file.name for file in (self.lines, self.table) if file.exists()]
        except OSError as exc:
            raise FolderNotWritable(f"cannot make the run folder {path}: {exc.strerror}") from exc
        if held:
            raise FolderInUse(f"{path} already holds a matrix ({', '.join(held)}); name another folder")

    def write(self, line: Line) -> None:
        """Add a line to the record."""
        with self.lines.open("a", encoding="utf-8") as file:
            file.write(line.model_dump_json() + "\n")

    def write_table(self, rows: Iterable[MatrixRow]) -> None:
        """Write the table."""
        self.table.write_text(as_csv(rows), encoding="utf-8")


def as_csv(rows: Iterable[MatrixRow]) -> str:
    """Return a table with a line for each deviation, sorted by name."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["deviation", "requirement", "fate", "case", "observed", "also reported"])
    for row in sorted(rows, key=lambda row: row.deviation):
        fate = f"{row.fate.value}, but listed as an exception" if row.is_stale else row.fate.value
        writer.writerow(
            [row.deviation, row.requirement, fate, row.case or "", row.observed, " ".join(row.others)]
        )
    return text.getvalue()


def read_matrix(path: Path) -> Matrix:
    """Read a matrix, given its folder or its file of JSON lines.

    Raises:
        ConfigurationFaulty: If it cannot be read, or is none; the message says where.

    """
    file = path / "matrix.jsonl" if path.is_dir() else path
    found = list(_lines(file))
    if not found or not isinstance(found[0], MatrixHeader):
        raise ConfigurationFaulty(f"{file}: not a kill matrix: it does not begin with a header")
    return Matrix(
        header=found[0],
        controls=[line for line in found if isinstance(line, ControlRow)],
        rows=[line for line in found if isinstance(line, MatrixRow)],
        footer=found[-1] if isinstance(found[-1], MatrixFooter) else None,
    )


def _lines(file: Path) -> Iterator[Line]:
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as exc:
        reason = exc.strerror if isinstance(exc, OSError) else "not a text file in UTF-8"
        raise ConfigurationFaulty(f"{file}: cannot be read: {reason}") from exc
    for number, line in enumerate(text.splitlines(), 1):
        try:
            yield _LINE.validate_json(line)
        except ValidationError as exc:
            raise ConfigurationFaulty(f"{file}, line {number}: not a line of a kill matrix") from exc


def _cases(ended: Ended) -> dict[str, CaseTime]:
    return {
        one.case: CaseTime(ms=one.duration_ms, verdict=one.verdict.value, reported=sorted(one.reported))
        for one in ended.outcomes
    }
