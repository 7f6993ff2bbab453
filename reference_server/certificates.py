"""When certificates are valid, read from their own bytes: the library tells it only of those that it has verified."""

from __future__ import annotations

import base64
import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_PEM = re.compile(rb"-----BEGIN CERTIFICATE-----(.+?)-----END CERTIFICATE-----", re.DOTALL)
_EXPLICIT_VERSION, _UTC_TIME = 0xA0, 0x17
#: Two digits of a year from here on are of the century before (RFC 5280, 4.1.2.5.1).
_CENTURY_TURNS: Final = 50


def untimely(path: Path, now: datetime) -> Iterator[str]:
    """Yield a sentence for each certificate of a PEM file that is not valid now; the first is the server's own.

    Args:
        path: The file; what cannot be read in it is passed over.
        now: An instant with its zone.

    """
    for number, found in enumerate(_PEM.finditer(path.read_bytes()), 1):
        try:
            begins, ends = validity(base64.b64decode(found[1]))
        except (ValueError, IndexError):
            continue
        which = "the certificate" if number == 1 else f"certificate {number} of the chain"
        if now > ends:
            yield f"{which} has expired, on {ends:%Y-%m-%d at %H:%M:%S} UTC"
        elif now < begins:
            yield f"{which} is not valid yet, only from {begins:%Y-%m-%d at %H:%M:%S} UTC on"


def validity(der: bytes) -> tuple[datetime, datetime]:
    """Return the first and the last instant at which a certificate is valid.

    Args:
        der: The certificate, in DER.

    Raises:
        ValueError: If it is none.
        IndexError: If it ends too early.

    Source:
        RFC 5280, 4.1.

    """
    body, _ = _content(der, 0)
    at, _ = _content(der, body)
    # An optional version, then serial number, algorithm and issuer.
    for _ in range(4 if der[at] == _EXPLICIT_VERSION else 3):
        at = _content(der, at)[1]
    first, _ = _content(der, at)
    return _instant(der, first), _instant(der, _content(der, first)[1])


def _content(der: bytes, at: int) -> tuple[int, int]:
    """Return where the content of the element there begins and ends."""
    length, at = der[at + 1], at + 2
    if length >= 0x80:
        more = length - 0x80
        length, at = int.from_bytes(der[at : at + more]), at + more
    return at, at + length


def _instant(der: bytes, at: int) -> datetime:
    start, end = _content(der, at)
    text = der[start:end].decode("ascii")
    if der[at] == _UTC_TIME:
        text = ("19" if int(text[:2]) >= _CENTURY_TURNS else "20") + text
    return datetime.strptime(text, "%Y%m%d%H%M%SZ").replace(tzinfo=UTC)
