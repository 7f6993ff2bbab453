"""What a run consists of: a header, the result of every case with its findings, and a footer.

The models are frozen and strict: a value of another type is refused, not converted. All text is made printable on the
way in, so no rendering has to think of escape sequences in a frame. Reading and writing files is in `jsonl`.
"""

from __future__ import annotations

from collections import Counter
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeAlias

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, JsonValue, field_validator

from .printable import printable

if TYPE_CHECKING:
    from collections.abc import Iterable


class Verdict(StrEnum):
    """What a case came to. Only `PASS` is a pass."""

    PASS = "pass"  # noqa: S105
    FAIL = "fail"
    #: A SHOULD or an `interpreted` requirement is not met.
    ADVISORY = "advisory"
    #: Neither effect nor reply could be observed.
    INCONCLUSIVE = "inconclusive"
    #: Seen, but not confirmed on fresh fixtures.
    FLAKY = "flaky"
    #: Our own fault, not the endpoint's.
    ERROR = "error"
    NOT_RUN = "not_run"

    @property
    def label(self) -> str:
        """The verdict as people read it."""
        return self.value.replace("_", " ")


#: Verdicts that are neither a pass, nor an advisory, nor a case that never ran; the most serious first.
RED: tuple[Verdict, ...] = (Verdict.FAIL, Verdict.FLAKY, Verdict.ERROR, Verdict.INCONCLUSIVE)

#: The levels of RFC 2119 that a requirement can have, the strongest first.
LEVELS: tuple[str, ...] = ("MUST", "SHOULD", "MAY")

Direction: TypeAlias = Literal["sent", "received", "opened", "closed", "note"]


def _printable(value: Any) -> Any:
    if isinstance(value, dict):
        return {_printable(key): _printable(member) for key, member in value.items()}
    if isinstance(value, list):
        return [_printable(member) for member in value]
    return printable(value) if isinstance(value, str) else value


Text: TypeAlias = Annotated[str, BeforeValidator(_printable)]
Level: TypeAlias = Annotated[str, Field(pattern=r"^(MUST|SHOULD|MAY)\z")]
Instant: TypeAlias = Annotated[
    str, Field(pattern=r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?(Z|\+00:00)\z")
]
Span: TypeAlias = Annotated[float, Field(ge=0)]


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, strict=True, extra="forbid", allow_inf_nan=False)


class TranscriptEntry(_Model):
    """One thing that happened on a connection. Credentials are already taken out of `text`."""

    at_ms: float
    """Milliseconds since the start of the case."""
    who: Text
    """Name of the connection."""
    direction: Direction
    """Seen from the suite: `sent` went to the endpoint."""
    text: Text


class Finding(_Model):
    """Evidence against one requirement, from one case."""

    requirement: Text
    case: Text
    verdict: Verdict
    level: Level
    basis: Text
    statement: Text
    """The requirement in words."""
    expected: Text
    observed: Text
    transcript: list[TranscriptEntry]
    attempt: Annotated[int, Field(ge=1)] = 1
    """In which attempt at the case; a flaky case has findings of each, so that both transcripts are there."""


class CaseResult(_Model):
    """What one case came to."""

    type: Literal["case"] = "case"
    case: Text
    topic: Text
    """Topic family, or `phoenix` for the layer below."""
    requirements: list[Text]
    title: Text
    level: Level
    basis: Text
    verdict: Verdict
    """Final: strictness and waivers are already applied."""
    reason: Text | None
    """Why the case did not run, or could not tell."""
    duration_ms: Span
    findings: list[Finding]
    attempts: Annotated[int, Field(ge=0)]
    """How often it was run; 0 where it was not."""
    phase: Text = ""
    """Part of the run that it belongs to."""

    def evidence(self) -> list[Finding]:
        """Give the findings, or one made of `reason` where a case that is no pass came without.

        Returns:
            The findings; never empty for a red or advisory case, so such a case cannot be lost from a report.

        """
        accusing = RED if self.verdict in RED else (Verdict.ADVISORY,)
        accused = any(finding.verdict in accusing for finding in self.findings)
        if accused or self.verdict not in (*RED, Verdict.ADVISORY):
            return self.findings
        return [*self.findings, self._finding_of_reason()]

    def _finding_of_reason(self) -> Finding:
        return Finding(
            requirement=self.requirements[0] if self.requirements else self.case,
            case=self.case,
            verdict=self.verdict,
            level=self.level,
            basis=self.basis,
            statement="",
            expected="",
            observed=self.reason or "no reason was recorded",
            transcript=[],
        )


class RunHeader(_Model):
    """What was checked, with what, and how: enough to run the same again."""

    type: Literal["header"] = "header"
    format: Literal[1]
    tool_version: Text
    started_at: Instant
    """ISO 8601, UTC."""
    url: Text
    """Checked endpoint, without credentials."""
    spec: Text
    """Name of the documents."""
    spec_version: Text
    profile: Annotated[dict[str, JsonValue], BeforeValidator(_printable)]
    seed: int
    strict: bool
    """Whether advisories count as failures."""
    include: list[Text]
    """Case filters that were given; empty means all cases."""
    exclude: list[Text]
    versions: dict[str, Text]
    """Python and the packages that matter, by name."""
    options: dict[str, JsonValue] = Field(default_factory=dict)
    """How it was run, as far as that was asked for: workers, budget, shard, rate and the like, by name."""


class PhaseResult(_Model):
    """How one part of a run went."""

    phase: Text
    cases: Annotated[int, Field(ge=0)]
    """How many were chosen; 0 for a part that has none."""
    ran: Annotated[int, Field(ge=0)]
    """How many of them were run."""
    duration_s: Span
    """What it took, over all workers together."""
    reason: Text | None = None
    """Why not everything of it was run; None where it was."""


class RunFooter(_Model):
    """How the run ended."""

    type: Literal["footer"] = "footer"
    finished_at: Instant
    duration_s: Span
    counts: dict[str, Annotated[int, Field(ge=0)]]
    """Cases by verdict, all seven keys, as `tally` gives them."""
    exit_code: Annotated[int, Field(ge=0, le=255)]
    interrupted: bool
    note: Text | None
    phases: list[PhaseResult] = Field(default_factory=list)
    """Every part of the run, in order, those that did not run included."""
    partial: list[Text] = Field(default_factory=list)
    """Why what was run is only a part of what could be checked, where somebody asked for that; empty otherwise."""

    @field_validator("counts")
    @classmethod
    def _has_every_verdict(cls, counts: dict[str, int]) -> dict[str, int]:
        if set(counts) != {verdict.value for verdict in Verdict}:
            raise ValueError(f"counts must have exactly the keys {', '.join(Verdict)}")
        return counts


class Run(_Model):
    """A whole run."""

    header: RunHeader
    cases: list[CaseResult]
    footer: RunFooter


def tally(cases: Iterable[CaseResult]) -> dict[str, int]:
    """Count cases by verdict.

    Args:
        cases: Results in any order.

    Returns:
        One entry for each of the seven verdicts, zero included.

    """
    found = Counter(result.verdict for result in cases)
    return {verdict.value: found[verdict] for verdict in Verdict}
