"""Who may connect and join, and that a refused or crashed event leaves no trace."""

from __future__ import annotations

import copy

import pytest

from reference_server import registry
from reference_server.application import Application
from reference_server.context import UndocumentedEvent


def _authenticate(world, socket, **params):
    identity = world.application.authenticate(world.api.sockets[socket], params)
    return None if identity is None else identity.agent_id


def test_an_api_key_or_a_session_token_names_its_agent(world):
    """Either is enough on the agent socket."""
    ann = world.agent("ann")
    assert _authenticate(world, "agent", api_key=ann.api_key) == "ann"
    assert _authenticate(world, "agent", session_token=ann.session_token) == "ann"


def test_both_credentials_must_name_the_same_agent(world):
    """One wrong one among two refuses the connection."""
    ann, ben = world.agent("ann"), world.agent("ben")
    assert _authenticate(world, "agent", api_key=ann.api_key, session_token=ann.session_token) == "ann"
    assert _authenticate(world, "agent", api_key=ann.api_key, session_token=ben.session_token) is None
    assert _authenticate(world, "agent", api_key=ann.api_key, session_token="wrong") is None


@pytest.mark.parametrize(
    "params", [{}, {"api_key": ""}, {"api_key": "é"}, {"agent_id": "ann"}, {"token": "x"}]
)
def test_no_or_a_wrong_credential_is_refused(world, params):
    """Nor does the name of an agent alone help."""
    world.agent("ann")
    assert _authenticate(world, "agent", **params) is None
    assert _authenticate(world, "user", **params) is None


def test_credentials_are_not_interchangeable(world):
    """An API key is no session token, and the other way round."""
    ann = world.agent("ann")
    assert _authenticate(world, "agent", api_key=ann.session_token) is None
    assert _authenticate(world, "agent", session_token=ann.api_key) is None
    assert _authenticate(world, "user", agent_id="ann", token=ann.api_key) is None


def test_the_user_socket_takes_the_token_of_exactly_that_agent(world):
    """Another agent's token is refused."""
    ann, ben = world.agent("ann"), world.agent("ben")
    assert _authenticate(world, "user", agent_id="ann", token=ann.session_token) == "ann"
    assert _authenticate(world, "user", agent_id="ann", token=ben.session_token) is None
    assert _authenticate(world, "user", agent_id="zoe", token=ann.session_token) is None


@pytest.mark.parametrize("token", [None, "", "op"])
def test_an_operator_shows_the_control_token(api, token):
    """Without a configured token nobody is an operator, not even with an empty one."""
    application = Application(api, control_token=token)
    expected = "operator" if token else None
    identity = application.authenticate(api.sockets["control"], {"token": token or ""})
    assert (identity and identity.agent_id) == expected
    assert application.authenticate(api.sockets["control"], {"token": "other"}) is None
    assert application.authenticate(api.sockets["control"], {}) is None


def test_an_outsiders_join_reads_the_same_whether_the_resource_exists_or_not(world):
    """For every family whose resources are made."""
    eve = world.agent("eve")
    for first, _ in (world.task(), world.negotiation(), world.payment()):
        prefix = first.channel.family.prefix
        answers = [
            world.join(eve, topic).joined for topic in (first.channel.topic, f"{prefix}nothing", prefix)
        ]
        assert [(answer.status, answer.response) for answer in answers] == [
            ("error", {"reason": "unauthorized"})
        ] * 3


def test_a_role_on_one_resource_is_none_on_another(world):
    """Nor does the id of one family open a topic of another."""
    client, _ = world.task()
    other, _ = world.task()
    assert world.join(client.agent, other.channel.topic).joined.status == "error"
    assert (
        world.join(client.agent, client.channel.topic.replace("task:", "payment:")).joined.status == "error"
    )


def _snapshot(world):
    store = world.application.store
    return copy.deepcopy({name: value for name, value in vars(store).items() if name != "_undo"})


def test_a_refused_event_leaves_no_trace(world):
    """Whatever refuses it."""
    a, b = world.payment()
    client, provider = world.task()
    a.push_signed("propose_transfer", amount=1, nonce=5)
    client.push("input_stream", chunk="x", seq=0)
    before = _snapshot(world)
    refused = [
        a.push_signed("propose_transfer", amount=1, nonce=5),
        a.push_signed("propose_transfer", amount=1000, nonce=6),
        a.push_signed("acknowledge_transfer", amount=1, nonce=5),
        b.push_signed("acknowledge_transfer", amount=2, nonce=5),
        b.push_signed("close", final_balance_a=100, final_balance_b=50),
        client.push("input_stream", chunk="y", seq=0),
        client.push("input_complete", checksum="0" * 64, total_size=1),
        client.push("complete", result=1),
        provider.push("progress", percent=101, message=""),
    ]
    assert {outcome.status for outcome in refused} == {"error"}
    assert _snapshot(world) == before


def test_a_crash_in_an_effect_leaves_no_trace(world, monkeypatch):
    """What the effect had stored is undone, and the crash is the caller's to see."""
    _, provider = world.task()
    before = _snapshot(world)

    def crash(ctx):
        ctx.save(result="half")
        ctx.happened("task_completed", ("x",))
        raise ZeroDivisionError

    monkeypatch.setitem(registry.EVENT_EFFECTS, ("task", "complete"), crash)
    with pytest.raises(ZeroDivisionError):
        provider.push("complete", result=1)
    assert _snapshot(world) == before
    monkeypatch.undo()
    assert provider.push("complete", result=1).status == "ok"


def test_an_effect_sends_only_what_the_documents_name(world, monkeypatch):
    """Another broadcast is a crash, with no trace."""
    _, provider = world.task()
    monkeypatch.setitem(
        registry.EVENT_EFFECTS, ("task", "complete"), lambda ctx: ctx.broadcast("task_failed", {})
    )
    with pytest.raises(UndocumentedEvent):
        provider.push("complete", result=1)


def test_every_registered_effect_belongs_to_a_documented_event(api):
    """A misspelt name would never run."""
    assert all(api.topics[family].events[event].is_inbound for family, event in registry.EVENT_EFFECTS)
    assert set(registry.JOIN_EFFECTS) | set(registry.CREATIONS) <= set(api.topics)


def _made(world):
    agent = world.agent("ann")
    topic = world.resource("task", {"client": agent, "provider": world.agent("ben")})
    return {agent.api_key, agent.session_token, agent.owner, topic}


def test_a_seed_and_a_run_label_decide_ids_and_credentials(make_world):
    """The same two repeat them; another label or another seed shares none; no seed never repeats."""
    first = _made(make_world(seed=1, run="a"))
    assert _made(make_world(seed=1, run="a")) == first
    for settings in ({"seed": 1, "run": "b"}, {"seed": 2, "run": "a"}, {"seed": None}, {"seed": None}):
        other = _made(make_world(**settings))
        assert not first & other
    assert not _made(make_world(seed=None)) & _made(make_world(seed=None))
