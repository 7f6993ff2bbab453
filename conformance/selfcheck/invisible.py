"""The exceptions: deviations of which a listed proof says that no client can see them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from importlib import resources

MOST_SHARE = 0.02
"""How much of a catalogue may be excepted."""


def listed() -> dict[str, str]:
    """Return the proof for every exception, by the name of the deviation."""
    text = (resources.files("conformance.selfcheck") / "invisible.json").read_text(encoding="utf-8")
    rows = json.loads(text)["exceptions"]
    found = {row["deviation"]: row["proof"] for row in rows}
    if len(found) < len(rows) or not all(proof.strip() for proof in found.values()):
        raise ValueError("an exception is listed twice or without a proof")
    return found


def faults_of(exceptions: Mapping[str, str], catalogue: Iterable[str]) -> list[str]:
    """Say what is wrong with the exceptions as a whole, one line each: unknown names, or too many of them."""
    known = set(catalogue)
    faults = [f"{name} is listed as an exception, but is no deviation" for name in exceptions.keys() - known]
    if len(exceptions) > MOST_SHARE * len(known):
        most = f"{MOST_SHARE:.0%} of {len(known)} deviations"
        faults.append(f"{len(exceptions)} exceptions are listed, more than {most}")
    return sorted(faults)
