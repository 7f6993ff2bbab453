"""From the counts of a run to the exit code of the command."""

from __future__ import annotations

from enum import IntEnum
from typing import TYPE_CHECKING

from .record import Verdict

if TYPE_CHECKING:
    from collections.abc import Mapping


class ExitCode(IntEnum):
    """What the exit code of `wireproof check` means."""

    CONFORMANT = 0
    #: At least one requirement is not met, or was once and could not be confirmed.
    FINDINGS = 1
    #: Wrong usage or configuration.
    USAGE = 2
    #: Unreachable, credentials refused, nothing ran, or a fault of our own.
    COULD_NOT_TEST = 3
    #: Some cases could not tell, and nothing worse.
    INCONCLUSIVE = 4


def decide(counts: Mapping[str, int]) -> ExitCode:
    """Decide the exit code of a run that came to its end.

    A failure outweighs all else; one that was not confirmed is not green; our own fault and an empty run are no
    judgement; an advisory alone does not fail a run.

    Args:
        counts: Cases by verdict; a missing verdict counts as none.

    Returns:
        Any code but `USAGE`.

    Source:
        design.md "The command" and "Verdicts".

    Example:
        >>> decide({"pass": 3, "advisory": 1}).name
        'CONFORMANT'
        >>> decide({"not_run": 3}).name
        'COULD_NOT_TEST'

    """
    if _sum(counts, Verdict.FAIL, Verdict.FLAKY):
        return ExitCode.FINDINGS
    if _sum(counts, Verdict.ERROR) or not _sum(counts, Verdict.PASS, Verdict.ADVISORY, Verdict.INCONCLUSIVE):
        return ExitCode.COULD_NOT_TEST
    return ExitCode.INCONCLUSIVE if _sum(counts, Verdict.INCONCLUSIVE) else ExitCode.CONFORMANT


def _sum(counts: Mapping[str, int], *verdicts: Verdict) -> int:
    return sum(counts.get(verdict, 0) for verdict in verdicts)
