"""Puts first what a report already says was observed: one fault shows in many ways, and a reader looks for the one he was told."""

from __future__ import annotations

import re
from collections.abc import Iterable

from conformance.findings.evidence import Evidence
from conformance.findings.scripting import Line

_MESSAGE = re.compile(r"\[\S+ \S+\] \S+ (\S+) ")
"""A message as a report shows it: its refs, its topic and its event."""
_EVENT = re.compile(r"event=\"(\w+)\"")
_OF_OTHERS = frozenset({"presence_state", "presence_diff"})
_LONGEST_VALUE = 60


def told_of(lines: list[Line], observed: str) -> list[Line]:
    """Return the steps of a script that wait for an event which a report says was observed; a shorter script keeps them."""
    shown = {match[1] for match in _MESSAGE.finditer(f"{observed} ")}
    told = [line for line in lines if line["do"] == "wait" and line["for"].get("event") in shown]
    return told[-1:]


def by_relevance(found: Iterable[Evidence], observed: str, expected: str) -> list[Evidence]:
    """Return evidence with what fits an observation first, then what is of an event that was expected, otherwise in its order.

    What comes and goes with others on the same topic is last, unless it is what the finding is about.
    """
    signs, told = _signs(observed), {*re.findall(r"\w+", f"{observed} {expected}")}

    def rank(one: Evidence) -> tuple[int, int]:
        events = {*_EVENT.findall(one.code)}
        is_foreign = bool(events & _OF_OTHERS) and not events & told
        return -sum(bool(re.search(sign, one.code)) for sign in signs), is_foreign - bool(events & told)

    return sorted(found, key=rank)


def _signs(observed: str) -> list[str]:
    """Return what the code of fitting evidence matches."""
    signs: list[str] = []
    if status := re.match(r"reply (ok|error)\b", observed):
        signs.append(rf"^\S*\.comes\(ref=.*status=\"{status[1]}\"")
    if re.match(r"(no reply|nothing|no \w+ )", observed):
        signs.append(r"^not ")
    if times := re.match(r"(\d+) times", observed):
        signs.append(rf"comes\({times[1]},")
    if code := re.search(r"\bcode (\d{4})", observed):
        signs.append(rf"event=\"closed\", status={code[1]}\b")
    if status := re.search(r"\bHTTP (\d{3})", observed):
        signs.append(rf"event=\"HTTP\", status={status[1]}\b")
    if event := re.search(r"\b(phx_error|phx_close)\b", observed):
        signs.append(rf"event=\"{event[1]}\"")
    signs += [rf"event=\"{re.escape(match[1])}\"" for match in _MESSAGE.finditer(f"{observed} ")]
    if observed and len(observed) <= _LONGEST_VALUE:
        signs.append(re.escape(f'"{observed}"'))
    return signs
