"""Tests of `reference_server.deviations.pretending`: honest code that is shown something else, or whose words are changed."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from reference_server.application import Application
from reference_server.assembly import Assembly
from reference_server.deviations import pretending
from reference_server.deviations.replacing import around_effect
from reference_server.outcome import Broadcast

PROPOSE = "propose_transfer"


@pytest.fixture
def server(api: Any) -> Assembly:
    """An assembly to be changed before `deviant` builds from it."""
    return Assembly(api)


def deviant(world: Any, server: Assembly) -> Any:
    """Return a marketplace that goes on with the pieces of an assembly."""
    world.application = server.application(
        server.api,
        store=world.application.store,
        now=lambda: world.now,
        effects=server.effects,
        enforcement=server.enforcement,
    )
    return world


def with_ten_more(sent: dict[str, Any]) -> dict[str, Any]:
    return {**sent, "amount": str(int(sent["amount"]) + 10)}


def proposed(world: Any, seat: Any) -> dict[int, Any]:
    return dict(world.application.store.entries(seat.channel.topic, "proposals"))


def test_an_event_is_carried_out_as_it_was_read_and_verified_as_it_was_sent(world, server) -> None:
    a, b = world.payment()
    pretending.reads(server, "payment", PROPOSE, with_ten_more)
    deviant(world, server)
    (relay,) = a.push_signed(PROPOSE, amount="1", nonce=1).broadcasts
    assert proposed(world, a) == {1: {"by": "a", "amount": "11"}}
    assert relay.payload["amount"] == "11"
    assert b.push_signed("acknowledge_transfer", amount="1", nonce=1).response == {
        "reason": "amount_mismatch"
    }


def test_a_signature_over_what_was_read_is_none(world, server) -> None:
    a, _ = world.payment()
    pretending.reads(server, "payment", PROPOSE, with_ten_more)
    deviant(world, server)
    payload = a.signed(PROPOSE, amount="11", nonce=1)
    outcome = a.push_raw(PROPOSE, {**payload, "amount": "1"})
    assert outcome.response["reason"] == "invalid_signature"
    assert proposed(world, a) == {}


def test_a_payload_that_is_no_object_is_refused_unread(world, server) -> None:
    a, _ = world.payment()
    pretending.reads(server, "payment", PROPOSE, lambda _sent: pytest.fail("read"))
    assert deviant(world, server)
    assert a.push_raw(PROPOSE, ["1"]).response["reason"] == "invalid_payload"


def test_what_is_seen_instead_is_seen_for_one_block_only(world, server) -> None:
    """Also where the block raises."""
    a, _ = world.payment()
    seen: list[tuple[str, str]] = []

    def look(ctx: Any) -> None:
        seen.append((ctx.payload["amount"], ctx.resource.data["balance_a"]))

    def fail(ctx: Any) -> None:
        with pretending.seeing(
            ctx, payload={"amount": "7"}, resource=pretending.with_data(ctx, balance_a="9")
        ):
            look(ctx)
            raise LookupError

    def propose(honest: Any, ctx: Any) -> Any:
        with pytest.raises(LookupError):
            fail(ctx)
        look(ctx)
        return honest(ctx)

    around_effect(server, "payment", PROPOSE, propose)
    assert deviant(world, server)
    assert a.push_signed(PROPOSE, amount="1", nonce=1).status == "ok"
    assert seen == [("7", "9"), ("1", "100")]


def test_the_store_has_what_is_put_while_another_resource_is_seen(world, server) -> None:
    """Only the context goes back to what it showed before; to keep what was put, it must be put there again."""
    a, _ = world.payment()
    seen: list[str] = []

    def propose(honest: Any, ctx: Any) -> Any:
        with pretending.seeing(ctx, resource=ctx.resource):
            ctx.save(balance_b="0")
        seen.append(ctx.resource.data["balance_b"])
        seen.append(ctx.store.resource_by_topic(a.channel.topic).data["balance_b"])
        return honest(ctx)

    around_effect(server, "payment", PROPOSE, propose)
    assert deviant(world, server)
    assert a.push_signed(PROPOSE, amount="1", nonce=1).status == "ok"
    assert seen == ["50", "0"]


def test_a_broadcast_is_retold_in_its_place_and_stays_as_it_was() -> None:
    told = [Broadcast("t", event, {"x": 1, "y": 2}) for event in ("before", "told", "after")]

    ctx: Any = SimpleNamespace(broadcasts=list(told))
    pretending.retells(
        ctx, "told", lambda each: (pretending.retold(each, x=3), pretending.without(each, "y"))
    )
    assert [(each.event, each.payload) for each in ctx.broadcasts] == [
        ("before", {"x": 1, "y": 2}),
        ("told", {"x": 3, "y": 2}),
        ("told", {"x": 1}),
        ("after", {"x": 1, "y": 2}),
    ]
    assert told[1].payload == {"x": 1, "y": 2}
    pretending.retells(ctx, "told", lambda _each: ())
    assert [each.event for each in ctx.broadcasts] == ["before", "after"]


def test_what_follows_an_event_takes_the_place_of_its_outcome(world, server) -> None:
    """Of a refused one, too, and of no other; it changes the store in a transaction of its own."""
    a, _ = world.payment()

    def then(application: Application, channel: Any, payload: Any, outcome: Any) -> Any:
        resource = application.store.resource_by_topic(channel.topic)
        with application.store.transaction():
            application.store.put_resource(
                replace(resource, data={**resource.data, "seen": payload["nonce"]})
            )
        return replace(outcome, response={"was": outcome.status})

    pretending.after_event(server, "payment", PROPOSE, then)
    application = deviant(world, server).application

    def handled(event: str, payload: Any) -> Any:
        return application.handle(a.channel, event, payload).response

    assert handled(PROPOSE, a.signed(PROPOSE, amount="1", nonce=1)) == {"was": "ok"}
    assert handled(PROPOSE, a.signed(PROPOSE, amount="1000", nonce=2)) == {"was": "error"}
    assert application.store.resource_by_topic(a.channel.topic).data["seen"] == 2
    assert "was" not in handled("dispute", {})
