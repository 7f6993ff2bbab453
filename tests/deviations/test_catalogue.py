"""The catalogue of deviations: whole, each entry well-formed and installable, and the honest server untouched by them."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from dataclasses import fields, replace
from typing import Any

import pytest

from conformance.case import Phase
from conformance.catalogue import all_cases
from conformance.selfcheck.judging import Means, put_on_trial
from conformance.selfcheck.trial import Deviation as Told
from conformance.selfcheck.trial import Outcome, Reach, trial_of
from reference_server.assembly import Assembly
from reference_server.deviations.catalogue import UnknownDeviation, catalogue, install, select
from reference_server.deviations.deviation import WRITTEN, Deviation, deviation
from reference_server.deviations.generated import generated
from reference_server.handshake import decide
from reference_server.registry import REGISTERED
from reference_server.server import Settings, run
from specs.loader import load
from specs.model import Api
from specs.serializer import SERIALIZERS

LEAST, LEAST_WRITTEN = 300, 60
SLUG = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
GENERATED = re.compile(r"[a-z_]+/[a-z_]+/[a-z]+(-[a-z0-9_]+)*(-?[A-Za-z-]*@[\w.]+)?(-[a-z-]+)?")
SHOWN_BY_THE_CRASH_TEST = {"payment/nonce-spent-across-restart", "payment/balances-across-restart"}
TOKEN = "token-of-two-servers"


@pytest.fixture(scope="module")
def api() -> Api:
    """The shipped documents."""
    return load()


@pytest.fixture(scope="module")
def every(api: Api) -> Mapping[str, Deviation]:
    """The whole catalogue."""
    return catalogue(api)


def test_there_are_enough(every: Mapping[str, Deviation]) -> None:
    """At least 300, of which at least 60 are written by hand."""
    assert len(every) >= LEAST
    assert sum(not one.is_generated for one in every.values()) >= LEAST_WRITTEN


def test_every_requirement_of_a_server_is_broken_by_one(api: Api, every: Mapping[str, Deviation]) -> None:
    """Nothing that the suite checks of a server is without a deviation that is about it."""
    broken = {one.breaks[0] for one in every.values()}
    checked = {row.id for row in api.requirements.values() if row.on == "server" and row.excluded is None}
    assert checked - broken == set()


def test_every_deviation_is_about_what_can_be_checked(api: Api, every: Mapping[str, Deviation]) -> None:
    """Every requirement that is named is there, and a test shows the first one; none is left out of the catalogue."""
    for one in every.values():
        assert set(one.breaks) <= api.requirements.keys(), one.name
        assert len(set(one.breaks)) == len(one.breaks) > 0, one.name
        if one.breaks[0] not in SHOWN_BY_THE_CRASH_TEST:
            assert api.requirements[one.breaks[0]].excluded is None, one.name
    assert WRITTEN.keys() <= every.keys()


def test_names_are_slugs(every: Mapping[str, Deviation]) -> None:
    """A generated one says topic, event and what; one by hand is what the server does wrong."""
    for name, one in every.items():
        pattern = GENERATED if one.is_generated else SLUG
        assert name == one.name
        assert pattern.fullmatch(name), name
        assert not re.search(r"\s", name)


def test_no_name_is_given_twice(api: Api, every: Mapping[str, Deviation], monkeypatch: Any) -> None:
    """Neither among the generated ones, nor among those by hand, nor between them."""
    names = [one.name for one in generated(api)]
    assert len(names) == len(set(names)) == len(every) - len(WRITTEN)
    with pytest.raises(ValueError, match="is there already"):
        deviation("task/sender-role", shows="Nothing.")(next(iter(WRITTEN.values())).install)
    twice = Deviation(names[0], ("task/sender-role",), "Nothing.", lambda _server: None)
    monkeypatch.setitem(WRITTEN, "twice", twice)
    with pytest.raises(ValueError, match=f"two deviations are called {names[0]}"):
        catalogue(api)


def test_what_a_client_would_see_is_one_sentence(every: Mapping[str, Deviation]) -> None:
    """It ends with a full stop, has no other one and no line break."""
    for one in every.values():
        assert re.fullmatch(r"[^\n]+[^.\s]\.", one.shows), one.name
        assert ". " not in one.shows, one.name


def pieces_of(server: Assembly) -> dict[str, Any]:
    """Return the pieces of an assembly in a form in which a replaced one differs."""
    found = {each.name: getattr(server, each.name) for each in fields(server)}
    effects = server.effects
    maps: dict[str, Mapping[Any, Any]] = {
        "events": effects.events,
        "joins": effects.joins,
        "creations": effects.creations,
    }
    found["effects"] = {(kind, name): one for kind, entries in maps.items() for name, one in entries.items()}
    return {**found, "serializers": dict(server.serializers)}


def honest_state(api: Api) -> dict[str, Any]:
    """Return all that an honest server is made of, down to the members of its classes and their bases."""
    pieces = pieces_of(Assembly(api, settings=Settings(), commits=None))  # type: ignore[arg-type]
    roots = [one for one in pieces.values() if isinstance(one, type)]
    roots += [type(one) for one in SERIALIZERS.values()]
    members = {
        (owner, name): member
        for root in roots
        for owner in root.__mro__
        for name, member in vars(owner).items()
    }
    registered = [dict(REGISTERED.events), dict(REGISTERED.joins), dict(REGISTERED.creations)]
    return {**pieces, "members": members, "registered": registered, "serializers": dict(SERIALIZERS)}


def test_each_changes_a_piece_and_leaves_the_honest_ones_alone(
    api: Api, every: Mapping[str, Deviation]
) -> None:
    """Installing any of them makes another assembly, and changes nothing that other servers of the process use."""
    before = honest_state(api)
    for name in every:
        server = Assembly(api)
        former = pieces_of(server)
        every[name].install(server)
        assert pieces_of(server) != former, name
    after = honest_state(api)
    assert after.pop("settings") == before.pop("settings")
    assert after == before
    assert Assembly(api).decide is decide


def test_all_can_be_installed_together(api: Api, every: Mapping[str, Deviation]) -> None:
    """No deviation is in the way of another one's installation."""
    server = Assembly(api)
    install(server, every)
    assert server.application is not Assembly(api).application


def test_two_servers_of_a_process_do_not_know_of_each_other(api: Api, every: Mapping[str, Deviation]) -> None:
    """Beside a server that deviates an honest one passes the same cases."""
    names = ("task/complete/skips-role-check", "accepts-replayed-nonce", "payment/dispute/drops-relay")
    means = Means(api, TOKEN, seed=1, reply_s=0.5)
    cases = [case for case in all_cases(api) if case.phase is not Phase.MACHINE]

    def is_seen(name: str, port: int) -> bool:
        trial = trial_of(Told(name, every[name].breaks, ""), cases, Reach.KILL)
        outcomes: list[Outcome] = []
        trouble = put_on_trial(replace(trial, rest=()), f"ws://127.0.0.1:{port}", means, outcomes.append)
        assert trouble is None
        return trial.is_killed(outcomes)

    async def sightings() -> list[bool]:
        deviating = Assembly(api, Settings(port=0), control_token=TOKEN)
        install(deviating, names)
        servers = [
            await Assembly(api, Settings(port=0), control_token=TOKEN).start(),
            await deviating.start(),
        ]
        found = [await asyncio.to_thread(is_seen, name, server.port) for server in servers for name in names]
        for server in servers:
            await server.close()
        return found

    assert run(sightings) == [False] * 3 + [True] * 3


def test_deviations_are_chosen_by_globs(every: Mapping[str, Deviation]) -> None:
    """By name or by requirement; a glob that matches none is named."""
    chosen = select(every.values(), ["task/complete/drops-*", "payment/nonce-may-skip"])
    names = {one.name for one in chosen}
    assert {"task/complete/drops-reply", "payment/propose_transfer/refuses-nonce-gap"} <= names
    assert all(
        one.name.startswith("task/complete/") or one.breaks[0].startswith("payment/") for one in chosen
    )
    assert len(select(every.values(), [])) == len(every)
    with pytest.raises(UnknownDeviation, match=r"no/such/\*"):
        select(every.values(), ["task/*", "no/such/*"])
