"""Lists of ready-made agents and resources: what is given out, to whom, how often, and why something is not."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from conformance.faults import CannotProvision, ConfigurationFaulty
from conformance.provisioner_settings import StaticSettings
from conformance.provisioning.pools import Share
from conformance.provisioning.static import StaticProvisioner
from specs.model import Api
from specs.participants import Participant, derive_participant
from specs.signing import SigningKeyPair

SEED = "11" * 32
PRICED = {"balance_a": "100", "balance_b": "50"}


def agent(name: str, **more: Any) -> dict[str, Any]:
    return {
        "agent_id": name,
        "api_key": f"key-{name}",
        "session_token": f"token-{name}",
        "seed": SEED,
        **more,
    }


def task(number: int, client: str, provider: str) -> dict[str, Any]:
    return {"family": "task", "topic": f"task:{number}", "roles": {"client": client, "provider": provider}}


def channel(number: int, a: str, b: str, **params: str) -> dict[str, Any]:
    params = params or PRICED
    return {"family": "payment", "topic": f"payment:{number}", "roles": {"a": a, "b": b}, "params": params}


@pytest.fixture
def pool(api: Api, tmp_path: Path) -> Callable[..., StaticProvisioner]:
    """Make a provisioner of lists; what it uses up is kept in the test's own folder."""

    def make(
        agents: list[dict[str, Any]], *resources: dict[str, Any], share: Share | None = None, **more: Any
    ) -> StaticProvisioner:
        table = {"kind": "static", "agents": agents, "resources": list(resources), **more}
        context = {"file": tmp_path / "endpoint.toml"}
        return StaticProvisioner(StaticSettings.model_validate(table, context=context), api, share or Share())

    return make


def someone(name: str = "someone") -> Participant:
    return derive_participant(1, "static", name)


def ask(provisioner: StaticProvisioner, **attributes: Any) -> str:
    return provisioner.create_agent(someone(), {"name": "any", **attributes}).agent_id


def test_an_agent_has_what_the_list_says(pool: Any) -> None:
    """Its name is the case's, all else the list's, its key included."""
    made = pool([agent("a", owner="x")]).create_agent(someone("client"), {})
    assert (made.agent_id, made.owner, made.api_key, made.session_token) == ("a", "x", "key-a", "token-a")
    assert made.participant.name == "client"
    assert made.participant.keys == SigningKeyPair.from_seed(bytes.fromhex(SEED))


def test_an_agent_is_given_once_in_an_attempt(pool: Any) -> None:
    """The third of two is not there; after the attempt the one that has rested longest comes first."""
    provisioner = pool([agent("a"), agent("b")])
    assert [ask(provisioner), ask(provisioner)] == ["a", "b"]
    with pytest.raises(CannotProvision, match="lists no free agent"):
        ask(provisioner)
    provisioner.release()
    assert ask(provisioner) == "a"
    provisioner.release()
    assert ask(provisioner) == "b"


def test_an_agent_without_a_given_owner_has_none_in_common_with_others(pool: Any) -> None:
    """As one that is made; where the same owner is asked for, the pool's agent of that owner is given."""
    provisioner = pool([agent("a", owner="x"), agent("b", owner="x"), agent("c", owner="y")])
    assert [ask(provisioner), ask(provisioner)] == ["a", "c"]
    assert ask(provisioner, owner="x") == "b"
    with pytest.raises(CannotProvision, match="of the same owner as another"):
        ask(provisioner, owner="x")


def test_an_agent_with_attributes_is_given_for_them_once(pool: Any) -> None:
    """Neither later in the run nor in the next one; without attributes it is the last that is given."""
    agents = [
        agent("a", attributes={"status": "online"}),
        agent("b"),
        agent("c", attributes={"status": "busy"}),
    ]
    provisioner = pool(agents)
    assert ask(provisioner) == "b"
    assert ask(provisioner, status="online") == "a"
    for again in (provisioner, pool(agents)):
        again.release()
        with pytest.raises(CannotProvision, match="no unused agent with exactly the status"):
            ask(again, status="online")
    assert ask(provisioner, status="busy") == "c"


def test_a_resource_brings_its_agents(pool: Any) -> None:
    """Who plays is told before the agents are chosen; then the resource is theirs, and theirs alone."""
    provisioner = pool([agent(name) for name in "abcd"], task(1, "a", "b"), task(2, "c", "d"))
    assert ask(provisioner) == "a"
    roles = provisioner.reserve("task", {"client": None, "provider": None}, {})
    assert roles == {"client": "c", "provider": "d"}
    assert {ask(provisioner, agent_id=agent_id) for agent_id in roles.values()} == {"c", "d"}
    assert provisioner.create_resource("task", roles, {}) == "task:2"


def test_a_resource_for_agents_of_the_case_is_theirs(pool: Any) -> None:
    """Where the case has chosen a role already, only a resource with that agent will do."""
    provisioner = pool([agent(name) for name in "abc"], task(1, "a", "b"), task(2, "a", "c"))
    assert provisioner.reserve("task", {"client": "a", "provider": "c"}, {}) == {
        "client": "a",
        "provider": "c",
    }
    assert provisioner.create_resource("task", {"client": "a", "provider": "c"}, {}) == "task:2"
    with pytest.raises(CannotProvision, match="no task resource left for the client, provider that the case"):
        provisioner.reserve("task", {"client": "a", "provider": "c"}, {})


def test_a_resource_is_given_once_in_this_run_and_all_later_ones(pool: Any) -> None:
    """What a run has used is not fresh in the next."""
    resources = (task(1, "a", "b"), task(2, "a", "b"))
    roles = {"client": "a", "provider": "b"}
    for number in (1, 2):
        assert (
            pool([agent("a"), agent("b")], *resources).create_resource("task", roles, {}) == f"task:{number}"
        )
    with pytest.raises(CannotProvision, match="the task resources that the provisioner lists are used up"):
        pool([agent("a"), agent("b")], *resources).create_resource("task", roles, {})


def test_a_resource_is_made_with_what_the_case_needs(pool: Any) -> None:
    """Another balance than asked for is no fit, and the reason names what is missing."""
    agents = [agent("a"), agent("b")]
    provisioner = pool(agents, channel(1, "a", "b", balance_a="7", balance_b="0"), channel(2, "a", "b"))
    nobody = {"a": None, "b": None}
    assert provisioner.reserve("payment", nobody, PRICED) == {"a": "a", "b": "b"}
    with pytest.raises(CannotProvision, match="no payment resource left that is made with balance_a '9'"):
        provisioner.reserve("payment", nobody, {"balance_a": "9", "balance_b": "0"})
    with pytest.raises(CannotProvision, match="lists no negotiation resource"):
        provisioner.reserve("negotiation", {"client": None, "provider": None}, {"base_price": "1"})


def test_a_worker_gives_out_its_share_alone(pool: Any) -> None:
    """Two workers give different things, and say so when theirs are gone."""
    agents = [agent(name) for name in "abcd"]
    resources = (task(1, "a", "b"), task(2, "c", "d"))
    workers = [pool(agents, *resources, share=Share(index, 2)) for index in range(2)]
    nobody = {"client": None, "provider": None}
    assert [set(worker.reserve("task", nobody, {}).values()) for worker in workers] == [
        {"a", "b"},
        {"c", "d"},
    ]
    assert {ask(workers[0]), ask(workers[0])} == {"a", "b"}
    with pytest.raises(CannotProvision, match="worker's share"):
        ask(workers[0])


def test_what_an_operator_can_do_is_not_on_a_list(pool: Any) -> None:
    """It is a reason not to run a case, not a fault."""
    with pytest.raises(CannotProvision, match="cannot cause send_message"):
        pool([agent("a")]).request("send_message", {})


def test_families_that_are_not_named_are_lacking(pool: Any, api: Api) -> None:
    """Without names all that need nothing made are there; a family with resources is a question of the pool."""
    discovery, tasks = api.topics["discovery"], api.topics["task"]
    assert pool([agent("a")]).lacks(discovery) is None
    named = pool([agent("a")], families=["messages"])
    assert "does not name the topic family discovery" in named.lacks(discovery)
    assert named.lacks(api.topics["messages"]) is None
    assert named.lacks(tasks) is None


def test_an_agent_may_connect_with_parameters_of_its_own(pool: Any, api: Api) -> None:
    """They open the agent socket in place of the documented credentials, and no other; what is checked is secret."""
    own = {"agent_id": "a", "params": {"locale": "en"}, "credentials": {"token": "s3cret"}}
    made = pool([own]).create_agent(someone(), {})
    assert made.opening(api.sockets["agent"]) == {"locale": "en", "token": "s3cret"}
    assert (made.checked, made.secrets) == ({"token"}, ("", "", "s3cret"))
    with pytest.raises(CannotProvision, match="gives agents no token"):
        made.opening(api.sockets["user"])


@pytest.mark.parametrize(
    ("resource", "more", "said"),
    [
        ({**task(1, "a", "b"), "family": "chess"}, {}, "no topic family 'chess' whose resources are made"),
        ({**task(1, "a", "b"), "family": "discovery"}, {}, "no topic family 'discovery' whose resources"),
        ({**task(1, "a", "b"), "topic": "job:1"}, {}, "job:1: no topic of task:{task_id}"),
        ({**task(1, "a", "b"), "roles": {"client": "a"}}, {}, "task:1: roles are client, provider"),
        (channel(1, "a", "keyless"), {}, "payment:1: events are signed, and agent keyless has no seed"),
        (task(1, "a", "b"), {"families": ["task"]}, "no topic family 'task' that needs nothing made"),
    ],
)
def test_lists_that_do_not_fit_the_documents_are_refused(
    pool: Any, resource: dict[str, Any], more: dict[str, Any], said: str
) -> None:
    """Before the run begins, in one line."""
    with pytest.raises(ConfigurationFaulty) as caught:
        pool([agent("a"), agent("b"), {"agent_id": "keyless"}], resource, **more)
    assert said in str(caught.value)
