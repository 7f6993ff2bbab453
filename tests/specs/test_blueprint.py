"""Tests of `specs.blueprint`: a valid payload for every event, with all that a fault can be put into."""

from __future__ import annotations

import pytest

from specs.blueprint import blueprint
from specs.loader import load
from specs.model import Event
from specs.validation import Validator

EVENTS = [event for topic in load().topics.values() for event in topic.inbound()]


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: event.event)
def test_a_blueprint_is_a_whole_valid_payload(event: Event) -> None:
    """It keeps the schema, holds no symbol, and has the nonce and every signature of the event."""
    payload = blueprint(event)
    assert Validator(event.payload).faults(payload) == []
    assert not any(
        isinstance(one, dict) and any(name.startswith("$") for name in one) for one in payload.values()
    )
    derived = {rule.member for rule in event.signatures} | ({event.nonce.member} if event.nonce else set())
    assert derived <= payload.keys()
