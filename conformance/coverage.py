"""Which cases cover which requirement, as globs for the catalogue's `checks`.

`python -m conformance.coverage` writes them into the shipped documents after cases have come or gone; a test holds the
two together.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from fnmatch import fnmatchcase
from pathlib import Path

from conformance.case import Case
from conformance.catalogue import all_cases
from specs.loader import DOCUMENTS, load

_ROW = re.compile(r'"id": "(?P<id>[^"]+)"(?:(?!"id": ).)*?"checks": (?P<checks>\[[^\]]*\])', re.DOTALL)


def covering(requirement: str, cases: Iterable[Case]) -> list[str]:
    """Return globs that match the cases of a requirement and no other case, in the order of the cases."""
    everything = list(cases)
    own = {case.id for case in everything if requirement in case.requirements}
    globs: list[str] = []
    for case in everything:
        if case.id in own and not any(fnmatchcase(case.id, glob) for glob in globs):
            globs.append(_widest(case.id, own, everything))
    return globs


def _widest(case_id: str, own: set[str], cases: list[Case]) -> str:
    """Return the shortest prefix of a case id, as a glob, that takes in more cases of the same requirement and no other."""
    parts = case_id.split("/")
    for length in range(1, len(parts)):
        glob = "/".join(parts[:length]) + "/*"
        matched = {case.id for case in cases if fnmatchcase(case.id, glob)}
        if len(matched) > 1 and matched <= own:
            return glob
    return case_id


def _rewritten(text: str, cases: list[Case]) -> str:
    def replace(row: re.Match[str]) -> str:
        start, end = row.start("checks") - row.start(), row.end("checks") - row.start()
        whole = row.group()
        return whole[:start] + json.dumps(covering(row["id"], cases)) + whole[end:]

    return _ROW.sub(replace, text)


def main(directory: Path = DOCUMENTS) -> None:
    """Write the globs into every requirement document of a folder."""
    cases = all_cases(load(directory))
    for path in sorted(directory.rglob("*.json")):
        text = path.read_text(encoding="utf-8")
        if json.loads(text)["kind"] == "requirements":
            path.write_text(_rewritten(text, cases), encoding="utf-8")


if __name__ == "__main__":
    main()
