"""Known findings, as a file that people keep: what a gate lets pass, why, and until when.

The file is TOML, written in one order so that a change of it shows as what it is. Comments in it are not kept when it is
updated; what is to be said about an entry is its reason. An entry without a reason excuses nothing.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterable
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from conformance.faults import ConfigurationFaulty
from reports.fingerprint import fingerprint
from reports.record import Finding, Verdict

FORMAT: Final = 1
_HEAD = """\
# Findings that are known. `wireproof check --baseline` passes while nothing else is found and all of these still are.
# An entry needs a reason; without one, or past the day that `expires` names, it excuses nothing.
# `--update-baseline` adds what is new and drops what is gone; it keeps reason, link and expires, and no comments.
"""

Key = tuple[str, str, str]
"""Requirement, case, fingerprint."""


class KnownFinding(BaseModel):
    """One entry."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid")

    requirement: str = Field(min_length=1)
    case: str = Field(min_length=1)
    fingerprint: str = ""
    """What it has in common with the same finding of another run; any finding of that requirement and case when empty."""
    reason: str = ""
    link: str = ""
    expires: date | None = None
    """The last day on which it excuses."""
    flaky: bool = False
    """Whether it is not seen in every run, so that its absence is no change."""

    @property
    def key(self) -> Key:
        """What no other entry has."""
        return self.requirement, self.case, self.fingerprint

    def covers(self, finding: Finding) -> bool:
        """Tell whether a finding is this one."""
        return (self.requirement, self.case) == (finding.requirement, finding.case) and self.fingerprint in {
            "",
            fingerprint(finding),
        }

    def is_expired(self, today: date) -> bool:
        """Tell whether its last day is over."""
        return self.expires is not None and self.expires < today


class Baseline(BaseModel):
    """All entries of a file."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid")

    format: Literal[1] = FORMAT
    known: list[KnownFinding] = Field(default_factory=list)

    def entry_of(self, finding: Finding) -> KnownFinding | None:
        """Return the entry that covers a finding, one with a fingerprint before one without."""
        covering = [entry for entry in self.known if entry.covers(finding)]
        return max(covering, key=lambda entry: entry.fingerprint, default=None)


def entry_for(finding: Finding) -> KnownFinding:
    """Make the entry of a new finding; its reason is for people to give."""
    return KnownFinding(
        requirement=finding.requirement,
        case=finding.case,
        fingerprint=fingerprint(finding),
        flaky=finding.verdict is Verdict.FLAKY,
    )


def today() -> date:
    """Return the present day in UTC."""
    return datetime.now(UTC).date()


def read(path: Path, *, may_be_missing: bool = False) -> Baseline:
    """Read a file of known findings.

    Args:
        path: The file.
        may_be_missing: Whether no file is an empty one.

    Raises:
        ConfigurationFaulty: If it cannot be read, or holds what no baseline has.

    """
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError as exc:
        if may_be_missing:
            return Baseline()
        raise ConfigurationFaulty(f"{path}: no such baseline; --update-baseline makes it") from exc
    except OSError as exc:
        raise ConfigurationFaulty(f"{path}: cannot be read: {exc.strerror}") from exc
    except UnicodeDecodeError as exc:
        raise ConfigurationFaulty(f"{path}: not a text file in UTF-8") from exc
    return _parsed(path, text)


def _parsed(path: Path, text: str) -> Baseline:
    try:
        baseline = Baseline.model_validate(tomllib.loads(text))
    except ValidationError as exc:
        first = exc.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise ConfigurationFaulty(f"{path}: {where}: {first['msg']}") from exc
    # Not only what the parser says of itself: an integer may have more digits than Python takes.
    except (ValueError, RecursionError) as exc:
        raise ConfigurationFaulty(f"{path}: not TOML: {exc}") from exc
    keys = [entry.key for entry in baseline.known]
    for key in keys:
        if keys.count(key) > 1:
            raise ConfigurationFaulty(f"{path}: two entries for {key[0]} in {key[1]}")
    return baseline


def write(path: Path, known: Iterable[KnownFinding]) -> None:
    """Write a file of known findings, in order.

    Raises:
        ConfigurationFaulty: If it cannot be written.

    """
    tables = [_table(entry) for entry in sorted(known, key=lambda entry: entry.key)]
    try:
        path.write_text("\n".join([f"{_HEAD}format = {FORMAT}\n", *tables]), encoding="utf-8")
    except OSError as exc:
        raise ConfigurationFaulty(f"{path}: cannot be written: {exc.strerror}") from exc


def demand_writable(path: Path) -> None:
    """Make sure that a file of known findings can be written, and leave everything as it is.

    Raises:
        ConfigurationFaulty: If it cannot.

    """
    is_new = not path.exists()
    try:
        path.open("ab").close()
        if is_new:
            path.unlink()
    except OSError as exc:
        raise ConfigurationFaulty(f"{path}: cannot be written: {exc.strerror}") from exc


def _table(entry: KnownFinding) -> str:
    lines = ["[[known]]"]
    for name, value in entry:
        if value is None or (name in {"link", "flaky", "fingerprint"} and not value):
            continue
        lines.append(f"{name} = {_toml(value)}")
    return "\n".join(lines) + "\n"


def _toml(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, date):
        return value.isoformat()
    # A JSON string is one of TOML, but for this character.
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
