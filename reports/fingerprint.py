r"""What makes two findings the same one: their requirement, and what was expected and observed without what varies.

Ids, refs, keys, signatures, times, ports, counts and bytes differ from run to run and from seed to seed, and so they are
masked. Status codes stay, since HTTP 200 in place of 403 is another fault than HTTP 500. The case is not part of it: one
fault shows in many cases.
"""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from .record import Finding

MASK: Final = "#"
_DIGITS: Final = 16
#: Where a text was cut off depends on the ids before; what is beyond this many characters is not looked at.
_COMPARED_CHARACTERS: Final = 120

_CODE: Final = re.compile(r"\b(HTTP|code) (\d{3,4})\b")
_HEX_DUMP: Final = re.compile(r"\b[0-9a-f]{2}(?: [0-9a-f]{2})+\b")
_BASE64: Final = re.compile(
    r"(?=[A-Za-z/+]*\d)(?=[a-z\d/+]*[A-Z])[A-Za-z\d+/]{16,}={0,2}|[A-Za-z\d+/]{60,}={0,2}"
)
#: What follows the family in a topic, and the host in a URL; the members of JSON have a quote before the colon.
_NAMED: Final = re.compile(r"\b([a-z_]+):(?=[^\s:])[^\s'\",;\]})]+")
_WITH_DIGIT: Final = re.compile(r"[-\w]*\d(?:[-\w.:+]*[-\w])?")
_MIXED_CASE: Final = re.compile(r"\b(?![-\w]*Error\b)(?=[-\w]*[a-z][-\w]*[A-Z])[-\w]{8,}")
_FOREIGN: Final = re.compile(r"[^\x00-\x7f]+")
_QUOTED_MASK: Final = re.compile(rf"(['\"]){MASK}\1")
_MASKED_LIST: Final = re.compile(rf"{MASK}(?:[, ]+{MASK})+")


def fingerprint(finding: Finding) -> str:
    """Return what a finding has in common with the same finding of another run, seed, port or case.

    Args:
        finding: Any finding.

    Returns:
        16 hexadecimal digits.

    """
    parts = (finding.requirement, shape(finding.expected), shape(finding.observed))
    return hashlib.sha256("\0".join(parts).encode("utf-8", "surrogatepass")).hexdigest()[:_DIGITS]


def shape(text: str) -> str:
    """Return a text with `#` for everything that differs from run to run, cut after some 120 characters.

    Args:
        text: What was expected or observed.

    Returns:
        Its lasting part.

    Example:
        >>> shape("reply error {'reason': 'task_closed', 'seq': 7} on task:task_3fK0aVb1")
        "reply error {'reason': 'task_closed', 'seq': #} on task:#"
        >>> shape("HTTP 403 after 12.5 ms")
        'HTTP 403 after # ms'

    """
    kept: list[str] = []

    def keep(found: re.Match[str]) -> str:
        kept.append(found.group(2))
        return f"{found.group(1)} \0"

    text = _CODE.sub(keep, text.replace("\0", MASK))
    text = _FOREIGN.sub(MASK, text)
    for pattern in (_HEX_DUMP, _BASE64):
        text = pattern.sub(MASK, text)
    text = _NAMED.sub(rf"\1:{MASK}", text)
    for pattern in (_WITH_DIGIT, _MIXED_CASE, _QUOTED_MASK, _MASKED_LIST):
        text = pattern.sub(MASK, text)
    codes = iter(kept)
    return re.sub("\0", lambda _: next(codes), " ".join(text.split()))[:_COMPARED_CHARACTERS]
