"""The control provisioner: what is asked for twice, and what never is."""

from __future__ import annotations

from typing import Any

import pytest

from conformance.endpoint import Endpoint, Profile, Timeouts
from conformance.faults import CannotProvision, ProvisionerGaveOut
from conformance.provisioner_settings import ControlSettings
from conformance.provisioning.control import ControlProvisioner
from specs.model import Api
from specs.participants import derive_participant

AGENT = {"agent_id": "a", "owner": "o", "api_key": "k", "session_token": "t"}
ALICE = derive_participant(1, "test", "alice")


def asked(api: Api, url: str) -> ControlProvisioner:
    endpoint = Endpoint(
        url=url,
        profile=Profile(timeouts=Timeouts(connect_s=0.3)),
        provisioner=ControlSettings(token="t"),
    )
    provisioner = ControlProvisioner(endpoint, api)
    provisioner.open()
    return provisioner


def test_what_may_only_be_late_is_not_done_twice(api: Api, scripted: Any, react: Any) -> None:
    """A second message of an operator would be ours, and the endpoint accused of it."""
    late = react("none")
    second = react("ok", response={"message_id": "m-2"})
    provisioner = asked(api, scripted(send_message=[late, second]).url)
    with pytest.raises(ProvisionerGaveOut, match="does not answer send_message"):
        provisioner.request("send_message", {})
    assert provisioner.request("send_message", {}) == {"message_id": "m-2"}
    provisioner.close()


def test_what_makes_something_new_may_be_asked_for_again(api: Api, scripted: Any, react: Any) -> None:
    """An agent too many harms nobody."""
    script = [react("none"), react("ok", response=AGENT)]
    provisioner = asked(api, scripted(create_agent=script).url)
    assert provisioner.create_agent(ALICE, {"name": "alice"}).agent_id == "a"
    provisioner.close()


def test_a_lost_connection_is_made_again(api: Api, scripted: Any, react: Any) -> None:
    """Then nothing was done that could be done twice: the endpoint has restarted."""
    script = [react("close"), react("ok", response={"message_id": "m-1"})]
    provisioner = asked(api, scripted(send_message=script).url)
    assert provisioner.request("send_message", {}) == {"message_id": "m-1"}
    provisioner.close()


@pytest.mark.parametrize(("attributes", "is_given_out"), [({}, True), ({"owner": "o"}, False)])
def test_only_a_plain_agent_that_is_refused_says_that_there_are_none(
    api: Api, scripted: Any, react: Any, attributes: dict[str, Any], *, is_given_out: bool
) -> None:
    """One with something special may be refused for that."""
    provisioner = asked(api, scripted(create_agent=[react("error")]).url)
    with pytest.raises(CannotProvision, match="refuses create_agent") as refused:
        provisioner.create_agent(ALICE, {"name": "alice", **attributes})
    assert isinstance(refused.value, ProvisionerGaveOut) is is_given_out
    provisioner.close()
