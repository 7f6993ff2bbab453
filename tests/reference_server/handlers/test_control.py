"""The operator's topic."""

from __future__ import annotations

import base64

import pytest

from specs.signing import SMALL_ORDER_KEYS


def test_an_agent_gets_credentials_that_authenticate_it(world):
    """Each of them names this agent and no other."""
    ann, ben = world.agent("ann"), world.agent("ben")
    assert len({ann.api_key, ann.session_token, ben.api_key, ben.session_token}) == 4
    assert world.identity(ann).agent_id == "ann"
    assert world.identity(ben, "user").agent_id == "ben"


def test_an_id_is_given_once(world):
    """The first agent of the id stays as it was."""
    ann = world.agent("ann")
    key = base64.b64encode(ann.keys.public_key).decode()
    assert world.operator.push("create_agent", agent_id="ann", public_key=key).response == {
        "reason": "agent_exists"
    }
    assert world.identity(ann).agent_id == "ann"


@pytest.mark.parametrize("public_key", [*SMALL_ORDER_KEYS, b"\xff" * 32])
def test_a_key_that_anybody_can_sign_for_is_not_registered(world, public_key):
    """Small-order and non-canonical keys are refused."""
    text = base64.b64encode(public_key).decode()
    assert world.operator.push("create_agent", public_key=text).response == {"reason": "unusable_key"}


@pytest.mark.parametrize(
    ("family", "roles", "params", "reason"),
    [
        ("nothing", {"client": "ann"}, {}, "unknown_family"),
        ("discovery", {"agent": "ann"}, {}, "unknown_family"),
        ("task", {"client": "ann", "boss": "ben"}, {}, "unknown_role"),
        ("task", {"client": "ann", "provider": "zoe"}, {}, "unknown_agent"),
        ("task", {"client": "ann"}, {}, "invalid_payload"),
        ("payment", {"a": "ann", "b": "ann"}, {"balance_a": "1", "balance_b": "1"}, "invalid_payload"),
        ("task", {"client": "ann", "provider": "ben"}, {"x": 1}, "invalid_payload"),
        ("negotiation", {"client": "ann", "provider": "ben"}, {}, "invalid_payload"),
        ("negotiation", {"client": "ann", "provider": "ben"}, {"base_price": "-1"}, "invalid_payload"),
    ],
)
def test_a_resource_that_its_family_does_not_describe_is_refused(world, family, roles, params, reason):
    """And counted nowhere."""
    world.agent("ann")
    world.agent("ben")
    outcome = world.operator.push("create_resource", family=family, roles=roles, params=params)
    assert outcome.response["reason"] == reason
    assert world.application.store.count_resources(family) == 0


def test_a_disconnect_names_the_agents_socket_and_no_other(world):
    """It is addressed to agent_socket:{agent_id}."""
    world.agent("ann")
    outcome = world.operator.push("disconnect_agent", agent_id="ann")
    assert outcome.disconnect == frozenset({world.identity(world.agents["ann"]).socket_id})
    assert world.operator.push("disconnect_agent", agent_id="zoe").response == {"reason": "unknown_agent"}


def test_a_message_to_nobody_and_an_alert_to_no_topic_are_refused(world):
    """An unknown addressee and a topic without alerts."""
    message = {"to": "zoe", "from_agent_id": "m", "type": "t", "payload": {}}
    assert world.operator.push_raw("send_message", message).response == {"reason": "unknown_agent"}
    alert = world.operator.push("raise_alert", topic="task:1", alert={})
    assert alert.response["reason"] == "invalid_payload"
