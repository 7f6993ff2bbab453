"""Tests of participants."""

from __future__ import annotations

from itertools import combinations

from specs.participants import derive_participant
from specs.signing import check_public_key, verify


def test_equal_arguments_give_an_equal_participant():
    """Ids and keys are the same on every machine and in every version, as written down here."""
    participant = derive_participant(1, "run", "provider")
    assert participant == derive_participant(1, "run", "provider")
    assert participant.name == "provider"
    assert participant.agent_id == "agent-8241948fa349307e"
    assert (
        participant.keys.public_key.hex()
        == "fa2d7c21f154dda88fecf5e7e3f46e4fc019e83bbd955f67a5e87c72c1000561"
    )


def test_any_other_argument_gives_another_participant():
    """Seeds by type, runs, names, and where one ends and the next begins all count."""
    arguments = [
        (1, "r", "n"),
        ("1", "r", "n"),
        (2, "r", "n"),
        (1, "s", "n"),
        (1, "r", "m"),
        (1, "rn", ""),
        (1, "", "rn"),
    ]
    participants = [derive_participant(*each) for each in arguments]
    for a, b in combinations(participants, 2):
        assert a.agent_id != b.agent_id
        assert a.keys.public_key != b.keys.public_key


def test_the_keys_of_a_participant_can_be_registered_and_sign():
    """The derived keys are ordinary ones."""
    keys = derive_participant("seed", "run", "client").keys
    check_public_key(keys.public_key)
    assert verify(keys.public_key, b"x", keys.sign(b"x"))
