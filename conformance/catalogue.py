"""All cases for a set of documents, the choice among them, and the order in which they run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from conformance.case import PHOENIX, Case
from conformance.derive import derived_cases
from conformance.faults import ConfigurationFaulty
from conformance.machines.offered import machine_cases
from conformance.ordering import arranged, kill_order, shard
from conformance.written import written_cases
from specs.model import Api


def all_cases(api: Api) -> list[Case]:
    """Return every case: the Phoenix layer first, then topic by topic; written before derived, machines last.

    Cases about a topic or a requirement that the documents do not have are left out.
    """
    written, machines = (
        [case for case in cases if _is_about(case, api)] for cases in (written_cases(), machine_cases())
    )
    order = {PHOENIX: -1, **{name: index for index, name in enumerate(api.topics)}}
    return sorted([*written, *derived_cases(api), *machines], key=lambda case: order[case.topic])


def _is_about(case: Case, api: Api) -> bool:
    is_known = case.topic in {PHOENIX, *api.topics}
    return is_known and all(name in api.requirements for name in case.requirements)


def select(cases: list[Case], include: list[str], exclude: list[str]) -> list[Case]:
    """Choose cases by globs over case id, requirement id and topic.

    Raises:
        ConfigurationFaulty: If a glob matches nothing, or no case is left.

    """
    for glob in (*include, *exclude):
        if not any(_matches(case, glob) for case in cases):
            raise ConfigurationFaulty(
                f"no case, requirement or topic matches {glob!r}; `wireproof list` shows them all"
            )
    chosen = [
        case
        for case in cases
        if (not include or any(_matches(case, glob) for glob in include))
        and not any(_matches(case, glob) for glob in exclude)
    ]
    if not chosen:
        raise ConfigurationFaulty("the filters leave no case to run")
    return chosen


@dataclass(frozen=True, slots=True)
class Choice:
    """Which cases a run has, as the command line says it."""

    include: Sequence[str] = ()
    exclude: Sequence[str] = ()
    shard: tuple[int, int] | None = None
    """Index, from 1, and count of the parts into which the cases are divided."""
    is_hurried: bool = False
    """Whether the strongest cases come first, whatever their phase, since there may be no time for all."""

    def of(self, cases: list[Case]) -> list[Case]:
        """Return the chosen cases in the order in which they run.

        Raises:
            ConfigurationFaulty: If a glob matches nothing, or no case is left.

        """
        chosen = self.left_by_filters(cases)
        if self.shard is not None:
            chosen = shard(chosen, *self.shard)
        if not chosen:
            raise ConfigurationFaulty("the shard has no case to run: there are more shards than cases")
        return arranged(chosen, kill_order(), across_phases=self.is_hurried)

    def left_by_filters(self, cases: list[Case]) -> list[Case]:
        """Return the cases of all shards.

        Raises:
            ConfigurationFaulty: If a glob matches nothing.

        """
        return select(cases, list(self.include), list(self.exclude))


def _matches(case: Case, glob: str) -> bool:
    return any(fnmatchcase(name, glob) for name in (case.id, case.topic, *case.requirements))
