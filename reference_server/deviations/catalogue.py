"""Every deviation of a set of documents, by name."""

from __future__ import annotations

import difflib
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

import reference_server.deviations.written  # noqa: F401 - its modules enter their deviations
from reference_server.deviations.deviation import WRITTEN, Deviation
from reference_server.deviations.generated import generated

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from reference_server.assembly import Assembly
    from specs.model import Api


class UnknownDeviation(ValueError):
    """No deviation has that name."""


def catalogue(api: Api) -> Mapping[str, Deviation]:
    """Return the deviations whose requirements these documents have, by name, generated ones first.

    Raises:
        ValueError: If two deviations have the same name.

    """
    known = [one for one in WRITTEN.values() if api.requirements.keys() >= set(one.breaks)]
    found: dict[str, Deviation] = {}
    for one in (*generated(api), *known):
        if found.setdefault(one.name, one) is not one:
            raise ValueError(f"two deviations are called {one.name}")
    return found


def select(deviations: Iterable[Deviation], globs: Sequence[str]) -> list[Deviation]:
    """Choose deviations by globs over their names and the requirement that each is about; all where there is no glob.

    Raises:
        UnknownDeviation: If a glob matches none; the message names it.

    """
    known = list(deviations)
    for glob in globs:
        if not any(_matches(one, glob) for one in known):
            raise UnknownDeviation(f"no deviation or requirement matches {glob!r}")
    return [one for one in known if not globs or any(_matches(one, glob) for glob in globs)]


def install(server: Assembly, names: Iterable[str]) -> None:
    """Install deviations by name into a server that has not started.

    Raises:
        UnknownDeviation: If a name is in no catalogue; the message names the nearest ones.

    """
    chosen = tuple(names)
    known = catalogue(server.api) if chosen else {}
    for name in chosen:
        if name not in known:
            raise UnknownDeviation(_unknown(name, known))
        known[name].install(server)


def _matches(deviation: Deviation, glob: str) -> bool:
    return any(fnmatchcase(name, glob) for name in (deviation.name, deviation.breaks[0]))


def _unknown(name: str, known: Iterable[str]) -> str:
    near = difflib.get_close_matches(name, known, n=3)
    hint = f"did you mean {' or '.join(near)}?" if near else "`wireproof deviations` lists them"
    return f"no deviation is called {name!r}; {hint}"
