"""The `[provisioner]` table of an endpoint file: what each kind may say, where secrets come from, what is refused."""

from __future__ import annotations

import base64
import pickle
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from conformance.endpoint import Endpoint, read_endpoint
from conformance.faults import ConfigurationFaulty
from conformance.provisioner_settings import CommandSettings, PythonSettings, StaticSettings, signing_seed

SEED = bytes(range(32))
AGENT = '[[provisioner.agents]]\nagent_id = "a"\n'
PLAIN = '[[provisioner.plain]]\ntopic = "room:{id}"\n'


@pytest.fixture
def read(tmp_path: Path) -> Any:
    """Read an endpoint file that consists of a provisioner."""

    def read(text: str, **overrides: str) -> Endpoint:
        path = tmp_path / "endpoint.toml"
        path.write_text(f'url = "ws://h"\n[provisioner]\n{text}', encoding="utf-8")
        return read_endpoint(path, overrides)

    return read


def test_secrets_come_from_where_the_file_says(
    read: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A text, an environment variable and a file beside the endpoint file all give the secret, and none shows it."""
    monkeypatch.setenv("ITS_TOKEN", "from the environment")
    (tmp_path / "seed").write_text(f"{SEED.hex()}\n", encoding="utf-8")
    text = 'kind = "static"\n' + AGENT
    text += 'api_key = "in the clear"\nsession_token = { env = "ITS_TOKEN" }\nseed = { file = "seed" }\n'
    endpoint = read(text + 'credentials = { token = "one of its own" }')
    assert isinstance(endpoint.provisioner, StaticSettings)
    (agent,) = endpoint.provisioner.agents
    secrets = [agent.api_key, agent.session_token, agent.seed, agent.credentials["token"]]
    values = [secret.get_secret_value() for secret in secrets if secret is not None]
    assert values == ["in the clear", "from the environment", SEED.hex(), "one of its own"]
    assert all(value not in f"{endpoint!r} {endpoint.model_dump()}" for value in values)


def test_a_description_can_be_sent_to_another_process(read: Any) -> None:
    """Workers get the endpoint, its secrets included, and make provisioners of their own from it."""
    endpoint = read('kind = "static"\n' + AGENT + 'api_key = "secret"')
    assert pickle.loads(pickle.dumps(endpoint)) == endpoint  # noqa: S301 - our own


@pytest.mark.parametrize("text", [SEED.hex(), SEED.hex().upper(), base64.b64encode(SEED).decode()])
def test_a_seed_is_base64_or_hexadecimal(text: str) -> None:
    """Both forms give the same 32 bytes."""
    assert signing_seed(SecretStr(text)) == SEED


@pytest.mark.parametrize("text", ["", "00" * 31, base64.b64encode(SEED[:31]).decode(), "not a seed!"])
def test_what_is_no_seed_is_refused(text: str) -> None:
    """Another length or alphabet is said so, without the value."""
    with pytest.raises(ValueError, match="no seed of 32 bytes") as caught:
        signing_seed(SecretStr(text))
    assert not text or text not in str(caught.value)


def test_programs_and_modules_know_where_the_file_is(read: Any, tmp_path: Path) -> None:
    """Paths in the file are relative to its folder."""
    command = read('kind = "command"\nargv = ["./make"]\ntimeout_s = 3').provisioner
    python = read('kind = "python"\nentry = "m:make"\n[provisioner.options]\nsize = 3').provisioner
    assert isinstance(command, CommandSettings)
    assert isinstance(python, PythonSettings)
    assert command.file == python.file == tmp_path / "endpoint.toml"
    assert (command.argv, command.timeout_s, python.options) == (["./make"], 3, {"size": 3})


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('kind = "magic"', "provisioner.kind: not one of control, static, command, python"),
        ('kind = "static"', "provisioner: agents: none is listed"),
        ('kind = "static"\ntoken = "t"\n' + AGENT, "provisioner.token: unknown key"),
        ('kind = "static"\n' + AGENT + "more = 1", "provisioner.agents.0.more: unknown key"),
        ('kind = "static"\n' + AGENT + AGENT, "agents: a is listed twice"),
        ('kind = "static"\n' + AGENT + 'seed = "00"', "agents.0.seed: no seed of 32 bytes"),
        (
            'kind = "static"\n' + AGENT + 'api_key = { env = "NO_SUCH_VARIABLE" }',
            "agents.0.api_key: the environment variable NO_SUCH_VARIABLE is not set",
        ),
        (
            'kind = "static"\n' + AGENT + 'api_key = { file = "no/such" }',
            "agents.0.api_key: the file no/such cannot be read",
        ),
        (
            'kind = "static"\n' + AGENT + 'api_key = { vault = "x" }',
            'neither a text nor { env = "VARIABLE" }',
        ),
        (
            'kind = "static"\n' + AGENT + '[[provisioner.resources]]\nfamily = "task"\ntopic = "task:1"\n'
            'roles = { client = "a", provider = "b" }',
            "resources: task:1: no agent b is listed",
        ),
        ('kind = "static"\n[[provisioner.plain]]\ntopic = "a{b}c"', "at most one {name}, at its end"),
        ('kind = "static"\n' + PLAIN + 'event = "e"\nlabel = "l"', "the payload has no text under 'l'"),
        ('kind = "static"\n' + PLAIN + "relayed = true", "event: it is not named"),
        (
            'kind = "static"\n' + PLAIN + 'event = "e"\nanswer = "none"',
            "an event without one must be relayed",
        ),
        ('kind = "command"', "provisioner.argv: Field required"),
        ('kind = "command"\nargv = []', "provisioner.argv: List should have at least 1 item"),
        ('kind = "command"\nargv = ["x"]\nfile = "y"', "provisioner: file: unknown key"),
        ('kind = "python"\nentry = ""', "provisioner.entry: String should have at least 1 character"),
        ('kind = "control"\nargv = ["x"]', "provisioner.argv: unknown key"),
    ],
)
def test_what_a_kind_does_not_have_is_one_line(read: Any, text: str, said: str) -> None:
    """The line names the file, the place and what is wrong."""
    with pytest.raises(ConfigurationFaulty) as caught:
        read(text)
    assert said in str(caught.value)
    assert "endpoint.toml" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_control_url_is_for_the_kind_that_has_one(read: Any) -> None:
    """With another kind --control is a contradiction; a token may be set for other runs."""
    text = 'kind = "static"\n' + AGENT
    assert isinstance(read(text, control_token="t").provisioner, StaticSettings)
    with pytest.raises(ConfigurationFaulty, match="--control is given, but the provisioner is 'static'"):
        read(text, control="ws://c")
