"""Participants: identities with keys, derived from a seed so that a run can be repeated.

Nothing here is random or secret beyond its seed: these keys are for tests.
"""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass

from specs.signing import SEED_BYTES, SigningKeyPair

_DOMAIN = b"wireproof participant 1"
_ID_BYTES = 8


@dataclass(frozen=True, slots=True)
class Participant:
    """One identity: what a case calls it, what the marketplace calls it, and its keys."""

    name: str
    agent_id: str
    keys: SigningKeyPair


def derive_participant(seed: int | str, run: str, name: str) -> Participant:
    """Derive the participant of a name.

    Equal arguments give an equal participant; any other argument gives another id and other keys.

    Args:
        seed: Seed of the run; the number 1 and the text "1" differ.
        run: Tells runs with the same seed apart where an endpoint keeps its state.
        name: The role in a case, such as "provider".

    """
    secret = _expand(b"", _DOMAIN, _seed_bytes(seed), run.encode(), name.encode())
    agent_id = f"agent-{_expand(secret, b'agent id')[:_ID_BYTES].hex()}"
    return Participant(
        name, agent_id, SigningKeyPair.from_seed(_expand(secret, b"signing seed")[:SEED_BYTES])
    )


def _seed_bytes(seed: int | str) -> bytes:
    return f"{type(seed).__name__}:{seed}".encode()


def _expand(key: bytes, *labels: bytes) -> bytes:
    """Mix labels under a key; their lengths go in, so that ("ab", "c") and ("a", "bc") differ."""
    text = b"".join(len(label).to_bytes(4, "big") + label for label in labels)
    return hmac.new(key, text, hashlib.sha256).digest()
