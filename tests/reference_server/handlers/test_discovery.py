"""Discovery."""

from __future__ import annotations

import pytest

TOPIC = "agents:discovery"


def _found(seat, capability, **filters):
    return [
        agent["id"]
        for agent in seat.push("discover", capability=capability, filters=filters).response["agents"]
    ]


@pytest.fixture
def market(world):
    """Seat one agent in a market of four."""
    world.agent("ann", capabilities=["t"], status="online", reputation=4.5, price="10")
    world.agent("ben", capabilities=["t", "s"], status="busy", reputation=0.1, price="12.5")
    world.agent("cas", capabilities=["s"], status="online", reputation=5, price="0")
    return world.join(
        world.agent("dot", capabilities=["t"], status="online", reputation=4, price="10.00000001"), TOPIC
    )


@pytest.mark.parametrize(
    ("capability", "filters", "expected"),
    [
        ("t", {}, ["ann", "ben", "dot"]),
        ("s", {}, ["ben", "cas"]),
        ("T", {}, []),
        ("t", {"status": "online"}, ["ann", "dot"]),
        ("t", {"min_reputation": 4.5}, ["ann"]),
        ("t", {"min_reputation": 0.1}, ["ann", "ben", "dot"]),
        ("t", {"max_price": "10"}, ["ann"]),
        ("t", {"max_price": "12.5"}, ["ann", "ben", "dot"]),
        ("t", {"status": "online", "min_reputation": 4, "max_price": "10.00000001"}, ["ann", "dot"]),
        ("s", {"max_price": 0}, ["cas"]),
    ],
)
def test_discover_returns_exactly_those_who_have_the_capability_and_meet_every_filter(
    market, capability, filters, expected
):
    """Bounds are included, and a tenth is a tenth."""
    assert _found(market, capability, **filters) == expected


def test_filters_may_be_left_out_but_not_invented(market):
    """An unknown filter is refused, none at all is not."""
    assert len(market.push("discover", capability="t").response["agents"]) == 3
    refused = market.push("discover", capability="t", filters={"colour": "red"})
    assert refused.response["reason"] == "invalid_payload"


def test_an_agent_is_shown_as_it_is(market):
    """Reputation is a number, price an amount, credentials are not there."""
    shown = market.push("discover", capability="s", filters={"status": "busy"}).response["agents"]
    assert shown == [
        {
            "id": "ben",
            "name": "ben",
            "capabilities": ["t", "s"],
            "status": "busy",
            "reputation": 0.1,
            "price": "12.5",
        }
    ]


def test_announced_capabilities_replace_the_former_ones_and_are_told_to_everyone(market):
    """agent_updated carries the agent; discover finds it under the new capability only, once."""
    (sent,) = market.push("announce", capabilities=["x", "x", "y"]).broadcasts
    assert (sent.event, sent.exclude) == ("agent_updated", None)
    assert (sent.payload["agent"]["id"], sent.payload["agent"]["capabilities"]) == ("dot", ["x", "y"])
    assert (_found(market, "x"), _found(market, "t")) == (["dot"], ["ann", "ben"])


def test_a_join_pushes_the_full_presence_state_and_tells_the_others(world):
    """The diff carries the meta that the state shows."""
    seat = world.join(world.agent("ann", status="busy", metadata={"m": 1}), TOPIC)
    other = world.join(world.agent("ben"), TOPIC)
    (push,) = other.joined.pushes
    assert push.event == "presence_state"
    assert set(push.payload) == {"ann", "ben"}
    (meta,) = push.payload["ann"]["metas"]
    online_at = int(world.now.timestamp())
    assert meta == {
        "phx_ref": meta["phx_ref"],
        "online_at": online_at,
        "metadata": {"m": 1},
        "status": "busy",
    }
    (diff,) = other.joined.late_broadcasts
    assert diff.payload == {"joins": {"ben": push.payload["ben"]}, "leaves": {}}
    assert seat.joined.pushes[0].payload == {"ann": {"metas": [meta]}}


def test_update_metadata_is_stored_and_told_as_one_diff(world):
    """The old meta leaves and the new one joins in the same diff, after the reply."""
    seat = world.join(world.agent("ann", metadata={"m": 1}), TOPIC)
    (old,) = seat.joined.pushes[0].payload["ann"]["metas"]
    outcome = seat.push("update_metadata", metadata={"m": [2]})
    (diff,) = outcome.late_broadcasts
    assert (outcome.broadcasts, diff.event, diff.exclude) == ((), "presence_diff", None)
    (new,) = diff.payload["joins"]["ann"]["metas"]
    assert diff.payload["leaves"] == {"ann": {"metas": [old]}}
    assert (new["metadata"], new["phx_ref_prev"]) == ({"m": [2]}, old["phx_ref"])
    assert world.join(seat.agent, TOPIC).joined.pushes[0].payload["ann"]["metas"][-1]["metadata"] == {
        "m": [2]
    }


def test_a_leave_is_told_once(world):
    """The diff holds the leaver's meta; leaving again tells nothing."""
    seat = world.join(world.agent("ann"), TOPIC)
    (diff,) = seat.leave()
    assert diff.payload == {"joins": {}, "leaves": seat.joined.pushes[0].payload}
    assert seat.leave() == ()
