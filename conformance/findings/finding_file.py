"""A finding as a file: all that is known of it, and what it takes to see it again on fresh fixtures.

The files conform to `finding.schema.json`. No credential is ever in one: agents and keys are named, not held.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue, ValidationError

from conformance.faults import ConfigurationFaulty
from reports.record import Instant, Level, Text, TranscriptEntry, Verdict

FORMAT: Final = 1
KIND: Final = "wireproof finding"


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, strict=True, extra="forbid", allow_inf_nan=False)


class Documents(_Model):
    """The documents by which the endpoint was judged."""

    name: Text
    version: Text
    digest: Text
    """Changes with anything the documents say."""


class CheckedEndpoint(_Model):
    """Where it was found, without credentials."""

    url: Text
    is_own: bool
    """Whether it was a reference server that the run itself had started."""
    profile: dict[str, JsonValue]
    provisioner: Text
    """Kind of the provisioner."""
    control_url: Text | None = None


class RequirementText(_Model):
    """The requirement that is not met, as the documents have it."""

    id: Text
    level: Level
    basis: Text
    text: Text


class Reproducer(_Model):
    """The standalone file of a finding, and how often it was seen to reproduce it before it was offered."""

    file: Text | None = None
    """Beside this file; None where there is none."""
    reason: Text | None = None
    """Why there is none."""
    runs: Annotated[int, Field(ge=0)] = 0
    reproduced: Annotated[int, Field(ge=0)] = 0
    evidence: Text | None = None
    """What it looks for, in words."""
    frames: dict[str, int] = Field(default_factory=dict)
    """How many frames are sent, by connection."""
    frames_before: dict[str, int] = Field(default_factory=dict)
    """The same before it was made shorter."""
    script: list[dict[str, JsonValue]] = Field(default_factory=list)
    """Its conversation, symbolically."""


class FindingFile(_Model):
    """One finding."""

    kind: Literal["wireproof finding"] = KIND
    format: Literal[1] = FORMAT
    tool_version: Text
    found_at: Instant
    documents: Documents
    endpoint: CheckedEndpoint
    seed: int
    requirement: RequirementText
    case: Text
    case_title: Text
    verdict: Verdict
    expected: Text
    observed: Text
    fingerprint: Text
    """What it has in common with the same finding of another run."""
    transcripts: Annotated[list[list[TranscriptEntry]], Field(min_length=1)]
    """What was sent and received; of a flaky finding in each of the attempts."""
    program: JsonValue = None
    """The steps of a case that draws its own."""
    reproducer: Reproducer = Reproducer()


def write(path: Path, finding: FindingFile) -> None:
    """Write a finding file."""
    text = json.dumps(finding.model_dump(mode="json"), ensure_ascii=False, allow_nan=False, indent=2)
    path.write_text(text + "\n", encoding="utf-8")


def read(path: Path) -> FindingFile:
    """Read a finding file.

    Raises:
        ConfigurationFaulty: If it cannot be read, is no finding file, or is of a format that this version does not know.

    """
    table = _table(path)
    if table.get("kind") != KIND:
        raise ConfigurationFaulty(f"{path}: not a finding file; they are in the folder `findings` of a run")
    if table.get("format") != FORMAT:
        raise ConfigurationFaulty(
            f"{path}: format {table.get('format')!r}, but this version reads format {FORMAT}; use a wireproof that fits"
        )
    try:
        return FindingFile.model_validate_json(json.dumps(table))
    except ValidationError as exc:
        first = exc.errors(include_url=False, include_context=False, include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise ConfigurationFaulty(f"{path}: {where}: {first['msg']}") from exc


def _table(path: Path) -> dict[str, Any]:
    try:
        table = json.loads(path.read_text(encoding="utf-8"))
    except OSError as exc:
        raise ConfigurationFaulty(f"{path}: cannot be read: {exc.strerror}") from exc
    except (ValueError, RecursionError) as exc:
        raise ConfigurationFaulty(f"{path}: not a finding file: it is not JSON in UTF-8") from exc
    return table if isinstance(table, dict) else {}
