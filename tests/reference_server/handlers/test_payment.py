"""Payment channels."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st


def _balances(world, seat):
    channel = world.join(seat.agent, seat.channel.topic).joined.response["channel"]
    return channel["balance_a"], channel["balance_b"]


def _propose(seat, amount, nonce):
    return seat.push_signed("propose_transfer", amount=amount, nonce=nonce)


def _acknowledge(seat, amount, nonce):
    return seat.push_signed("acknowledge_transfer", amount=amount, nonce=nonce)


def test_a_proposal_is_relayed_and_moves_nothing(world):
    """The other party gets it unchanged with its sender as from."""
    a, _ = world.payment()
    payload = a.signed("propose_transfer", amount="12.5", nonce=3)
    (sent,) = a.push_raw("propose_transfer", dict(payload)).broadcasts
    assert sent.payload == {**payload, "from": a.agent.id}
    assert _balances(world, a) == ("100", "50")


def test_an_acknowledged_transfer_is_executed_and_told_to_both(world):
    """Exactly the amount moves from the proposer to the other party."""
    a, b = world.payment()
    _propose(a, "12.50000001", 3)
    (sent,) = _acknowledge(b, "12.50000001", 3).broadcasts
    assert (sent.event, sent.exclude) == ("transfer_complete", None)
    assert sent.payload == {
        "channel_id": a.channel.topic.removeprefix("payment:"),
        "nonce": 3,
        "amount": "12.50000001",
        "balance_a": "87.49999999",
        "balance_b": "62.50000001",
    }
    assert _balances(world, b) == ("87.49999999", "62.50000001")


def test_b_can_pay_a(world):
    """The roles of payer and payee follow the proposal."""
    a, b = world.payment()
    _propose(b, 50, 1)
    assert _acknowledge(a, "50.0", 1).status == "ok"
    assert _balances(world, a) == ("150", "0")


def test_an_executed_nonce_never_executes_again(world):
    """Neither by a second acknowledgement nor by a new proposal, on a new connection either."""
    a, b = world.payment()
    _propose(a, 1, 5)
    _acknowledge(b, 1, 5)
    again = world.join(b.agent, b.channel.topic)
    for seat in (b, again):
        assert _acknowledge(seat, 1, 5).response == {"reason": "unknown_transfer"}
    for seat in (a, b):
        assert _propose(seat, 1, 5).response == {"reason": "stale_nonce"}
    assert _balances(world, a) == ("99", "51")


@pytest.mark.parametrize("nonce", [1, 6, 7])
def test_a_nonce_must_exceed_every_pending_and_executed_one(world, nonce):
    """Both parties draw from one sequence; gaps are allowed."""
    a, b = world.payment()
    _propose(a, 1, 7)
    assert _propose(b, 1, nonce).response == {"reason": "stale_nonce"}
    assert _propose(b, 1, 70).status == "ok"


def test_a_nonce_refused_for_another_reason_is_not_spent(world):
    """A refused proposal leaves its nonce free."""
    a, _ = world.payment()
    assert _propose(a, 101, 4).response == {"reason": "insufficient_balance"}
    assert _propose(a, 100, 4).status == "ok"


def test_pending_proposals_bind_the_balance(world):
    """The sum of what is pending never exceeds the balance; what the peer proposes does not count."""
    a, b = world.payment()
    _propose(b, 50, 1)
    assert _propose(a, "60", 2).status == "ok"
    assert _propose(a, "40.00000001", 3).response == {"reason": "insufficient_balance"}
    assert _propose(a, "40", 3).status == "ok"


def test_only_the_other_party_acknowledges_or_rejects(world):
    """A party has no say over its own proposal."""
    a, _ = world.payment()
    _propose(a, 1, 1)
    assert _acknowledge(a, 1, 1).response == {"reason": "forbidden"}
    assert a.push("reject_transfer", reason="", nonce=1).response == {"reason": "forbidden"}
    assert a.push("reject_transfer", reason="").response == {"reason": "unknown_transfer"}


def test_an_acknowledgement_names_the_same_amount(world):
    """Another amount is refused and the proposal stays."""
    a, b = world.payment()
    _propose(a, "2", 1)
    assert _acknowledge(b, "2.00000001", 1).response == {"reason": "amount_mismatch"}
    assert _acknowledge(b, "2.0", 1).status == "ok"


def test_a_rejected_proposal_is_gone_and_nothing_has_moved(world):
    """It cannot be acknowledged any more, and the balance is free again."""
    a, b = world.payment()
    _propose(a, 100, 1)
    outcome = b.push("reject_transfer", reason="no", nonce=1)
    assert outcome.broadcasts[0].payload == {"reason": "no", "nonce": 1, "from": b.agent.id}
    assert _acknowledge(b, 100, 1).response == {"reason": "unknown_transfer"}
    assert _balances(world, a) == ("100", "50")
    assert _propose(a, 100, 2).status == "ok"


def test_a_rejection_without_nonce_is_of_the_peers_oldest_proposal(world):
    """An older proposal of one's own is passed over."""
    a, b = world.payment()
    _propose(b, 1, 1)
    _propose(a, 2, 2)
    _propose(a, 3, 10)
    b.push("reject_transfer", reason="")
    assert _acknowledge(b, 2, 2).response == {"reason": "unknown_transfer"}
    assert _acknowledge(b, 3, 10).status == "ok"
    assert b.push("reject_transfer", reason="").response == {"reason": "unknown_transfer"}


def test_a_lower_pending_proposal_can_still_be_executed_after_a_higher_one(world):
    """Execution order is the acknowledging party's."""
    a, b = world.payment()
    _propose(a, 1, 1)
    _propose(a, 2, 2)
    assert [_acknowledge(b, 2, 2).status, _acknowledge(b, 1, 1).status] == ["ok", "ok"]
    assert _balances(world, a) == ("97", "53")


def test_a_disputed_channel_takes_nothing_but_a_close(world):
    """What was pending is void, and the balances may be shared out anew at the same sum."""
    a, b = world.payment()
    _propose(a, 1, 1)
    assert a.push("dispute", reason="", evidence=None).status == "ok"
    assert _propose(a, 1, 2).response == {"reason": "channel_disputed"}
    assert _acknowledge(b, 1, 1).response == {"reason": "channel_disputed"}
    assert b.push("dispute", reason="", evidence=None).response == {"reason": "channel_disputed"}
    unequal = b.push_signed("close", final_balance_a="100", final_balance_b="50.00000001")
    assert unequal.response == {"reason": "balance_mismatch"}
    assert b.push_signed("close", final_balance_a="0", final_balance_b="150").status == "ok"
    assert _balances(world, a) == ("0", "150")


def test_a_close_is_of_the_current_balances_with_nothing_pending(world):
    """Another split of the same sum and a pending proposal are both refused; closed is final."""
    a, b = world.payment()
    _propose(a, 1, 1)
    assert a.push_signed("close", final_balance_a="100", final_balance_b="50").response == {
        "reason": "transfer_pending"
    }
    _acknowledge(b, 1, 1)
    assert a.push_signed("close", final_balance_a="100", final_balance_b="50").response == {
        "reason": "balance_mismatch"
    }
    (sent,) = a.push_signed("close", final_balance_a="99.0", final_balance_b=51).broadcasts
    assert (sent.event, sent.payload["from"]) == ("close", a.agent.id)
    assert a.push_signed("close", final_balance_a="99", final_balance_b="51").response == {
        "reason": "channel_closed"
    }
    assert _propose(a, 1, 9).response == {"reason": "channel_closed"}


def test_a_close_needs_each_party_s_own_signature(world):
    """Exchanged signatures and one signer for both are refused."""
    a, b = world.payment()
    good = a.signed("close", final_balance_a="100", final_balance_b="50")
    swapped = {**good, "signature_a": good["signature_b"], "signature_b": good["signature_a"]}
    for bad in (swapped, {**good, "signature_b": good["signature_a"]}):
        assert b.push_raw("close", bad).response["reason"] == "invalid_signature"
    assert b.push_raw("close", good).status == "ok"


def test_channels_do_not_share_nonces_or_signatures(world):
    """A signature made for one channel does not move money on another."""
    first, _ = world.payment()
    roles = world.parties[first.channel.topic]
    topic = world.resource("payment", roles, balance_a="100", balance_b="50")
    second = world.join(first.agent, topic)
    _propose(first, 1, 9)
    replayed = first.signed("propose_transfer", amount=1, nonce=10)
    assert second.push_raw("propose_transfer", replayed).response["reason"] == "invalid_signature"
    assert _propose(second, 1, 1).status == "ok"


def test_a_nonce_written_as_a_whole_float_is_the_same_nonce(world):
    """7.0 is stale after 7."""
    a, _ = world.payment()
    _propose(a, 1, 7)
    assert _propose(a, 1, 7.0).response == {"reason": "stale_nonce"}


_STEPS = st.tuples(
    st.sampled_from(["propose", "propose", "acknowledge", "acknowledge", "reject", "dispute", "close"]),
    st.integers(0, 1),
    st.sampled_from(["0.00000001", "20", "20.0", "50", "99.99999999", "100", "150"]),
    st.integers(1, 4),
)


def _take(seats, step):
    action, side, amount, nonce = step
    seat = seats[side]
    if action == "propose":
        return _propose(seat, amount, nonce)
    if action == "acknowledge":
        return _acknowledge(seat, amount, nonce)
    if action == "reject":
        return seat.push("reject_transfer", reason="", nonce=nonce)
    if action == "dispute":
        return seat.push("dispute", reason="", evidence=None)
    return seat.push_signed("close", final_balance_a=amount, final_balance_b="50")


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(_STEPS, max_size=25))
def test_money_is_conserved_and_each_nonce_executes_at_most_once(make_world, steps):
    """Whatever is tried in whatever order."""
    world = make_world()
    seats = world.payment()
    executed = []
    for step in steps:
        outcome = _take(seats, step)
        executed += [
            sent.payload["nonce"] for sent in outcome.broadcasts if sent.event == "transfer_complete"
        ]
        balances = [Decimal(text) for text in _balances(world, seats[0])]
        assert sum(balances) == 150
        assert min(balances) >= 0
    assert len(executed) == len(set(executed))
