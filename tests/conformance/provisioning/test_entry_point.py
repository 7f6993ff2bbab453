"""Provisioning by an object written in Python: how it is found, and that its faults are told and not thrown."""

from __future__ import annotations

from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest

from conformance.endpoint import Endpoint
from conformance.faults import CannotProvision, ConfigurationFaulty
from conformance.provisioner_settings import PythonSettings
from conformance.provisioning.entry_point import GROUP, PythonProvisioner
from conformance.provisioning.pools import Share
from specs.model import Api
from specs.participants import derive_participant

SOMEONE = derive_participant(1, "python", "someone")
WHOLE = """
from conformance.faults import CannotProvision
from conformance.fixtures.provision import Agent

class Making:
    def __init__(self, commission):
        self.commission, self.released, self.closed = commission, 0, False

    def create_agent(self, participant, attributes):
        return Agent(participant, participant.agent_id, attributes.get("owner", ""), "key", "token")

    def create_resource(self, family, roles, params):
        if family == "payment":
            raise CannotProvision("no payments here")
        return f"{family}:1"

    def request(self, event, payload):
        return {"event": event}

    def reserve(self, family, roles, params):
        return {"client": "a"}

    def lacks(self, family):
        return "not deployed" if family.name == "discovery" else None

    def release(self):
        self.released += 1
        raise RuntimeError("nobody cares")

    def close(self):
        self.closed = True

class Least:
    create_agent = Making.create_agent
    create_resource = Making.create_resource

make, least = Making, lambda commission: Least()
"""


@pytest.fixture
def provide(tmp_path: Path, api: Api, monkeypatch: pytest.MonkeyPatch) -> Callable[..., PythonProvisioner]:
    """Make a provisioner of a module that is written for the test."""
    monkeypatch.setattr("sys.path", list(__import__("sys").path))

    def make(code: str, entry: str = "{module}:make", **options: Any) -> PythonProvisioner:
        module = f"making_{len(list(tmp_path.iterdir()))}_{abs(hash(code))}"
        (tmp_path / f"{module}.py").write_text(code, encoding="utf-8")
        table = {"kind": "python", "entry": entry.format(module=module), "path": ".", "options": options}
        settings = PythonSettings.model_validate(table, context={"file": tmp_path / "endpoint.toml"})
        return PythonProvisioner(settings, Endpoint(url="ws://h"), api, Share(2, 4))

    return make


def test_the_object_does_what_it_can(provide: Any, api: Api) -> None:
    """Everything that is asked goes to it, and it knows for whom it works."""
    provisioner = provide(WHOLE, size=3)
    commission = provisioner._made.commission
    assert (commission.url, commission.options, commission.share) == ("ws://h", {"size": 3}, Share(2, 4))
    assert provisioner.create_agent(SOMEONE, {"owner": "o"}).owner == "o"
    assert provisioner.create_resource("task", {}, {}) == "task:1"
    assert provisioner.request("raise_alert", {}) == {"event": "raise_alert"}
    assert provisioner.reserve("task", {}, {}) == {"client": "a"}
    assert provisioner.lacks(api.topics["discovery"]) == "not deployed"
    assert provisioner.plain == ()
    provisioner.release()
    provisioner.close()
    assert (provisioner._made.released, provisioner._made.closed) == (1, True)
    with pytest.raises(CannotProvision, match="no payments here"):
        provisioner.create_resource("payment", {}, {})


def test_two_methods_are_enough(provide: Any, api: Api) -> None:
    """What it does not have, it cannot do, and nothing breaks."""
    provisioner = provide(WHOLE, "{module}:least")
    assert provisioner.create_resource("task", {}, {}) == "task:1"
    assert (provisioner.reserve("task", {}, {}), provisioner.lacks(api.topics["task"])) == ({}, None)
    provisioner.release()
    provisioner.close()
    with pytest.raises(CannotProvision, match="cannot cause raise_alert"):
        provisioner.request("raise_alert", {})


@pytest.mark.parametrize(
    ("code", "entry", "said"),
    [
        (WHOLE, "no_such_module:make", "ModuleNotFoundError: No module named 'no_such_module'"),
        (WHOLE, "{module}:Missing", "has no attribute 'Missing'"),
        (WHOLE, "{module}:make.more", "has no attribute 'more'"),
        ("make = 7", "{module}:make", "is not callable"),
        ("1 / 0", "{module}:make", "ZeroDivisionError: division by zero"),
        ("def make(commission): raise KeyError('tenant')", "{module}:make", "KeyError: 'tenant'"),
        ("make = lambda commission: object()", "{module}:make", "an object without create_agent"),
        (WHOLE, "nobody-installed-this", f"no entry point 'nobody-installed-this' of {GROUP} is installed"),
    ],
)
def test_what_cannot_be_made_is_a_matter_of_configuration(
    provide: Any, code: str, entry: str, said: str
) -> None:
    """One line, without a traceback."""
    with pytest.raises(ConfigurationFaulty) as caught:
        provide(code, entry)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("return {}['tenant']", "create_agent fails: KeyError: 'tenant'"),
        ("return {'agent_id': 'a'}", "create_agent returns dict, not Agent"),
    ],
)
def test_a_method_that_fails_is_a_reason(provide: Any, body: str, said: str) -> None:
    """The case that needed it is not run."""
    code = f"class make:\n    def __init__(self, c): pass\n    def create_agent(self, p, a): {body}\n"
    provisioner = provide(f"{code}    def create_resource(self, f, r, p): return 7\n")
    with pytest.raises(CannotProvision, match=said):
        provisioner.create_agent(SOMEONE, {})
    with pytest.raises(CannotProvision, match="create_resource returns int, not str"):
        provisioner.create_resource("task", {}, {})


def test_an_installed_entry_point_is_found_by_name(provide: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """As a package declares it in its metadata."""
    provide(WHOLE)
    installed = metadata.EntryPoint("ours", "conformance.fixtures.provision:Agent", GROUP)
    monkeypatch.setattr(metadata, "entry_points", lambda **_group: metadata.EntryPoints([installed]))
    with pytest.raises(ConfigurationFaulty, match="ours: TypeError"):
        provide(WHOLE, "ours")
