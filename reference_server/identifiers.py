"""Ids and credentials: reproducible from a seed, else from the operating system's randomness."""

from __future__ import annotations

import base64
import hashlib
import random
import secrets
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

_ID_BYTES = 9
_CREDENTIAL_BYTES = 24
_PHX_REF_BYTES = 12


class Identifiers:
    """A source of ids and credentials that never gives the same one twice.

    Args:
        seed: Makes every value reproducible; None takes them from `secrets`.
        run: Label of the run; different labels give different values for the same seed.

    """

    def __init__(self, seed: int | None, run: str = "") -> None:
        # A seeded server exists for reproducible tests; its credentials protect nothing.
        self._random_bytes: Callable[[int], bytes] = (
            secrets.token_bytes if seed is None else random.Random(f"{seed}/{run}").randbytes  # noqa: S311
        )

    def new_id(self, prefix: str) -> str:
        """Make an id such as `task_3fK0...`; the prefix says what it names."""
        return f"{prefix}_{self._text(_ID_BYTES)}"

    def new_credential(self, prefix: str) -> str:
        """Make an API key or a session token of 192 random bits."""
        return f"{prefix}_{self._text(_CREDENTIAL_BYTES)}"

    def new_phx_ref(self) -> str:
        """Make a presence reference: 16 characters of base64url (`phoenix-wire.md` PR-3)."""
        return self._text(_PHX_REF_BYTES)

    def _text(self, size_bytes: int) -> str:
        return base64.urlsafe_b64encode(self._random_bytes(size_bytes)).decode("ascii").rstrip("=")


def credential_digest(credential: str) -> bytes:
    """Return the 32 bytes by which a credential is looked up and compared, so that the time tells not how much of a guess is right."""
    return hashlib.sha256(credential.encode("utf-8", "surrogatepass")).digest()
