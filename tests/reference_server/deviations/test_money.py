"""Tests of `reference_server.deviations.money`: amounts read otherwise, and money moved as no honest server does."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from reference_server.assembly import Assembly
from reference_server.deviations import money
from reference_server.deviations.replacing import around_effect


def deviant(world: Any, server: Assembly) -> Any:
    """Return the application of a marketplace, rebuilt from an assembly."""
    world.application = server.application(
        server.api,
        store=world.application.store,
        now=lambda: world.now,
        effects=server.effects,
        enforcement=server.enforcement,
    )
    return world.application


def kept(world: Any, seat: Any) -> tuple[str, str]:
    data = world.application.store.resource_by_topic(seat.channel.topic).data
    return data["balance_a"], data["balance_b"]


@pytest.mark.parametrize(("amount", "left"), [("0.5", ("99.5", "50.5")), ("120", ("-20", "170"))])
def test_money_moves_to_the_other_party_and_none_is_lost(
    api: Any, world: Any, amount: str, left: tuple[str, str]
) -> None:
    """Below zero, too, which no honest server lets happen."""
    a, _ = world.payment()
    server = Assembly(api)

    def propose(_honest: Any, ctx: Any) -> None:
        assert (money.other_party("a"), money.other_party("b")) == ("b", "a")
        money.move(ctx, ctx.role, Decimal(amount))
        assert money.balance_of(ctx, "a") == Decimal(left[0])
        assert money.balances(ctx) == dict(zip(("balance_a", "balance_b"), left, strict=True))

    around_effect(server, money.PAYMENT, money.PROPOSE, propose)
    assert deviant(world, server)
    assert a.push_signed(money.PROPOSE, amount="1", nonce=1).status == "ok"
    assert kept(world, a) == left


def test_what_follows_a_transfer_is_what_is_told_of_it(api: Any, world: Any) -> None:
    """It is given the balances from before; the honest ones are kept and told nowhere."""
    a, b = world.payment()
    server = Assembly(api)
    before: list[dict[str, str]] = []

    def then(ctx: Any, balances: dict[str, str]) -> None:
        before.append(balances)
        ctx.save(balance_a="1", balance_b="2")

    money.after_transfer(server, then)
    assert deviant(world, server)
    assert a.push_signed(money.PROPOSE, amount="10", nonce=1).status == "ok"
    assert before == []
    (told,) = b.push_signed(money.ACKNOWLEDGE, amount="10", nonce=1).broadcasts
    assert before == [{"balance_a": "100", "balance_b": "50"}]
    assert (told.payload["balance_a"], told.payload["balance_b"]) == kept(world, a) == ("1", "2")
    assert told.payload["amount"] == "10"


def test_a_proposal_can_be_kept_beyond_its_execution(api: Any, world: Any) -> None:
    a, b = world.payment()
    server = Assembly(api)
    found: list[Any] = []

    def acknowledge(honest: Any, ctx: Any) -> Any:
        found.append(money.pending_proposal(ctx))
        response = honest(ctx)
        found.append(money.pending_proposal(ctx))
        money.propose_again(ctx, found[0])
        return response

    around_effect(server, money.PAYMENT, money.ACKNOWLEDGE, acknowledge)
    application = deviant(world, server)
    a.push_signed(money.PROPOSE, amount="10", nonce=1)
    assert b.push_signed(money.ACKNOWLEDGE, amount="10", nonce=1).status == "ok"
    proposal = {"by": "a", "amount": "10"}
    assert found == [proposal, None]
    assert application.store.entry(a.channel.topic, money.PROPOSALS, 1) == proposal


def test_amounts_are_read_otherwise_in_the_named_events_only(api: Any, world: Any) -> None:
    """In the named members that are there, and what was signed is what was sent."""
    a, b = world.payment()
    server = Assembly(api)
    members = ("amount", "no_such_member")
    money.reads_amounts(server, money.PAYMENT, [money.PROPOSE], money.unsigned, members)
    assert deviant(world, server)
    assert a.push_signed(money.PROPOSE, amount="-5", nonce=1).status == "ok"
    refused = b.push_signed(money.ACKNOWLEDGE, amount="-5", nonce=1)
    assert refused.response["reason"] == "invalid_payload"
    assert b.push_signed(money.ACKNOWLEDGE, amount="5", nonce=1).status == "ok"
    assert kept(world, a) == ("95", "55")


@pytest.mark.parametrize(
    ("read", "sent", "understood"),
    [
        (money.any_number, "1e2", "100"),
        (money.any_number, "+007.50", "7.50"),
        (money.any_number, " 5\n", "5"),
        (money.any_number, "-0", "0"),
        (money.any_number, "-5", "-5"),
        (money.any_number, "NaN", "NaN"),
        (money.any_number, "Infinity", "Infinity"),
        (money.any_number, "five", "five"),
        (money.any_number, 5, 5),
        (money.any_number, None, None),
        (money.any_float, 0.1, "0.10000000"),
        (money.any_float, -0.1, -0.1),
        (money.any_float, "0.1", "0.1"),
        (money.any_float, 1, 1),
        (money.unsigned, "-5", "5"),
        (money.unsigned, "5", "5"),
        (money.unsigned, -5, 5),
        (money.unsigned, 5, 5),
        (money.unsigned, None, None),
        (money.at_least_the_least, "0", "0.00000001"),
        (money.at_least_the_least, 0, "0.00000001"),
        (money.at_least_the_least, "0.00000000", "0.00000001"),
        (money.at_least_the_least, "0.1", "0.1"),
        (money.at_least_the_least, False, False),
        (money.at_least_the_least, None, None),
    ],
)
def test_an_amount_is_read_as_a_careless_server_reads_it(read: Any, sent: Any, understood: Any) -> None:
    """What the reading does not know stays as it was sent, to be refused."""
    found = read(sent)
    assert (found, type(found)) == (understood, type(understood))
