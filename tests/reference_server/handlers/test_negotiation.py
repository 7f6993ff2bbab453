"""Negotiations."""

from __future__ import annotations

from decimal import localcontext

import pytest


def test_an_offer_is_relayed_with_the_senders_id(world):
    """The payload is unchanged but for agent_id."""
    client, _ = world.negotiation()
    payload = client.signed("offer", amount="12.50")
    outcome = client.push_raw("offer", dict(payload))
    (sent,) = outcome.broadcasts
    assert (sent.event, sent.payload) == ("offer", {**payload, "agent_id": client.agent.id})
    assert sent.exclude is client.channel


@pytest.mark.parametrize(
    ("amount", "status"),
    [("200", "ok"), (200, "ok"), ("200.00000000", "ok"), ("200.00000001", "error"), (201, "error")],
)
def test_an_offer_is_bounded_by_exactly_twice_the_base_price(world, amount, status):
    """The bound itself is allowed; the smallest fraction above is not."""
    client, _ = world.negotiation(base_price="100")
    outcome = client.push_signed("offer", amount=amount)
    assert outcome.status == status
    assert status == "ok" or outcome.response == {"reason": "offer_too_high"}


def test_the_bound_is_exact_for_long_decimals(world):
    """No decimal context rounds the comparison."""
    with localcontext() as context:
        context.prec = 6
        client, _ = world.negotiation(base_price="123456789012345678901234567.12345678")
        over = client.push_signed("offer", amount="246913578024691357802469134.24691357")
        at = client.push_signed("offer", amount="246913578024691357802469134.24691356")
    assert (over.response["reason"], at.status) == ("offer_too_high", "ok")


def test_acceptance_needs_an_offer_of_each_side(world):
    """Two offers of one side are not enough."""
    client, provider = world.negotiation()
    client.push_signed("offer", amount="100")
    client.push_signed("offer", amount="110")
    assert provider.push_signed("accept", amount="105").response == {"reason": "offers_missing"}


def test_acceptance_takes_the_exact_average_of_the_latest_offers(world):
    """A replaced offer does not count, and the last digit does."""
    client, provider = world.negotiation()
    client.push_signed("offer", amount="1")
    client.push_signed("offer", amount="10.00000002")
    provider.push_signed("offer", amount="20")
    for wrong in ("10.5", "15", "15.00000002"):
        assert client.push_signed("accept", amount=wrong).response == {"reason": "not_the_average"}
    outcome = client.push_signed("accept", amount="15.00000001")
    (sent,) = outcome.broadcasts
    assert (sent.event, sent.exclude) == ("negotiation_complete", None)
    session_id = client.channel.topic.removeprefix("negotiation:")
    assert (sent.payload["session_id"], sent.payload["amount"]) == (session_id, "15.00000001")


def test_an_average_is_not_rounded_to_the_digits_of_an_amount(world):
    """Where the average has a ninth fraction digit, neither neighbour is accepted."""
    client, provider = world.negotiation()
    client.push_signed("offer", amount="10.00000001")
    provider.push_signed("offer", amount="20")
    for near in ("15", "15.00000001"):
        assert client.push_signed("accept", amount=near).response == {"reason": "not_the_average"}


def test_an_agreed_session_is_over(world):
    """A second acceptance is refused and broadcasts nothing."""
    client, provider = world.negotiation()
    client.push_signed("offer", amount="100")
    provider.push_signed("offer", amount="120")
    assert provider.push_signed("accept", amount=110).status == "ok"
    for seat in (client, provider):
        assert seat.push_signed("accept", amount="110").response == {"reason": "session_closed"}
        assert seat.push("reject", reason="").response == {"reason": "session_closed"}
        assert seat.push_signed("offer", amount="1").response == {"reason": "session_closed"}
    assert world.join(client.agent, client.channel.topic).joined.response["session"]["status"] == "agreed"


def test_a_rejection_is_told_to_the_other_side_and_ends_the_session(world):
    """The relay names who rejected."""
    client, provider = world.negotiation()
    (sent,) = client.push("reject", reason="no").broadcasts
    assert (sent.event, sent.payload) == ("reject", {"reason": "no", "agent_id": client.agent.id})
    assert provider.push_signed("offer", amount="1").response == {"reason": "session_closed"}


def test_a_side_makes_ten_offers_at_most(world):
    """The eleventh is refused; the other side still has its ten; refused offers do not count."""
    client, provider = world.negotiation()
    client.push_signed("offer", amount="201")
    for number in range(1, 11):
        assert client.push_signed("offer", amount=number).status == "ok"
    assert client.push_signed("offer", amount=11).response == {"reason": "too_many_offers"}
    assert provider.push_signed("offer", amount=11).status == "ok"


def test_a_session_lasts_thirty_minutes(world):
    """At thirty minutes it still goes on, after them it is closed."""
    client, _ = world.negotiation()
    world.pass_time(minutes=30)
    assert client.push_signed("offer", amount=1).status == "ok"
    world.pass_time(seconds=1)
    assert client.push_signed("offer", amount=1).response == {"reason": "session_closed"}


@pytest.mark.parametrize(
    "amount", ["0", "0.0", "-1", "01", "1e2", "1.", " 1", "1.000000001", 0, -1, 1.5, True, None, 10**30]
)
def test_what_is_no_positive_amount_is_refused(world, amount):
    """A number of another form never becomes an offer."""
    client, _ = world.negotiation(base_price="9" * 30)
    payload = {**client.signed("offer", amount="1"), "amount": amount}
    outcome = client.push_raw("offer", payload)
    assert outcome.status == "error"
    assert world.join(client.agent, client.channel.topic).joined.response["session"]["offers"] == {}
