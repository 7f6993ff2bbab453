"""What the `[provisioner]` table of an endpoint file may say, by kind.

Whatever is secret may stand in the file, in an environment variable or in a file of its own; it is read when the endpoint
file is, and shown nowhere.
"""

from __future__ import annotations

import base64
import binascii
import os
import re
from collections import Counter
from pathlib import Path
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    ValidationInfo,
    field_validator,
    model_validator,
)

from specs.signing import SEED_BYTES

TOKEN_VARIABLE = "WIREPROOF_CONTROL_TOKEN"  # noqa: S105 - the name of a variable, not a token

_HEXADECIMAL = re.compile(r"[0-9a-fA-F]{64}")
_PATTERN = re.compile(r"[^{}]+(\{[a-z_]+\})?")


class Section(BaseModel):
    """A table of the endpoint file; unknown keys are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def file_of(info: ValidationInfo) -> Path:
    """Return the endpoint file, to whose folder paths in it are relative."""
    return Path((info.context or {}).get("file", "endpoint.toml"))


class Placed(Section):
    """A table of the endpoint file that knows where that file is."""

    file: Path = Path("endpoint.toml")
    """The endpoint file; no file says so itself."""

    @model_validator(mode="before")
    @classmethod
    def _note_file(cls, table: Any, info: ValidationInfo) -> Any:
        if not isinstance(table, dict):
            return table
        if "file" in table:
            raise ValueError("file: unknown key")
        return {**table, "file": file_of(info)}


def _read_secret(value: Any, info: ValidationInfo) -> Any:
    """Return a secret that is given, or that an environment variable or a file holds.

    Raises:
        ValueError: If it is nowhere.

    """
    if not isinstance(value, dict):
        return value
    match list(value.items()):
        case [("env", str(name))]:
            found = os.environ.get(name)
            if not found:
                raise ValueError(f"the environment variable {name} is not set")
            return found
        case [("file", str(name))]:
            try:
                return (file_of(info).parent / name).read_text(encoding="utf-8").strip()
            except (OSError, UnicodeDecodeError) as exc:
                raise ValueError(f"the file {name} cannot be read") from exc
    raise ValueError('neither a text nor { env = "VARIABLE" } nor { file = "PATH" }')


Secret: TypeAlias = Annotated[SecretStr, BeforeValidator(_read_secret)]
"""A text, `{ env = "VARIABLE" }` or `{ file = "PATH" }`."""


def signing_seed(secret: SecretStr) -> bytes:
    """Return the 32 bytes of an Ed25519 private key seed in base64 or hexadecimal.

    Raises:
        ValueError: If it is neither, or of another length.

    """
    text = secret.get_secret_value()
    if _HEXADECIMAL.fullmatch(text):
        return bytes.fromhex(text)
    try:
        seed = base64.b64decode(text, validate=True)
    except binascii.Error:
        seed = b""
    if len(seed) != SEED_BYTES:
        raise ValueError(f"no seed of {SEED_BYTES} bytes in base64 or hexadecimal")
    return seed


class ControlSettings(Section):
    """Agents and resources are made over a control topic such as the reference server's."""

    kind: Literal["control"] = "control"
    url: str | None = None
    """The control socket: a base URL or the full one; that of the endpoint itself when absent."""
    token: Secret | None = None
    token_env: str | None = None

    def secret(self) -> str | None:
        """Return the operator's token: given, from the named variable, or from `WIREPROOF_CONTROL_TOKEN`."""
        if self.token is not None:
            return self.token.get_secret_value()
        return os.environ.get(self.token_env or TOKEN_VARIABLE) or None


class PooledAgent(Section):
    """A ready-made agent of the deployment."""

    agent_id: str = Field(min_length=1)
    owner: str = ""
    """Who it belongs to; two agents without one belong to nobody together."""
    api_key: Secret | None = None
    session_token: Secret | None = None
    seed: Secret | None = None
    """Seed of its Ed25519 private key."""
    attributes: dict[str, Any] = Field(default_factory=dict)
    """What the deployment knows of it, as the documents name it: `capabilities`, `status`, `price`, ..."""
    params: dict[str, str] = Field(default_factory=dict)
    """Query parameters with which it connects in place of the documented ones."""
    credentials: dict[str, Secret] = Field(default_factory=dict)
    """The same, but secret, and checked by the server: with another value there is no connection."""

    @field_validator("seed")
    @classmethod
    def _is_seed(cls, seed: SecretStr | None) -> SecretStr | None:
        if seed is not None:
            signing_seed(seed)
        return seed


class PooledResource(Section):
    """A ready-made resource, fresh, for one use."""

    family: str
    topic: str = Field(min_length=1)
    roles: dict[str, str]
    """Agent id by role."""
    params: dict[str, Any] = Field(default_factory=dict)
    """What it was made with, as the documents name it: `base_price`, `balance_a`, ..."""


class PlainTopic(Section):
    """A topic of a Phoenix server that the documents do not have, and what may be done on it."""

    topic: str
    """Joinable with an empty payload by every agent; a name in braces at its end stands for any text (`room:{room}`)."""
    event: str | None = None
    """An event that does no harm and may be pushed again and again."""
    payload: dict[str, Any] = Field(default_factory=dict)
    label: str | None = None
    """Member of the payload that may hold any text; it tells one push from another."""
    answer: Literal["ok", "error", "none"] = "ok"
    """How the event is answered."""
    relayed: bool = False
    """Whether the event goes to the others on the topic, with its payload."""
    pushed_on_join: str | None = None
    """An event that is pushed to whoever has joined."""
    presence: bool = False
    """Whether the topic tracks presence."""
    refused: str | None = None
    """A topic of the same channel whose join is refused."""

    @model_validator(mode="after")
    def _fits(self) -> PlainTopic:
        if not _PATTERN.fullmatch(self.topic):
            raise ValueError("topic: a text, with at most one {name}, at its end")
        if self.label is not None and not isinstance(self.payload.get(self.label), str):
            raise ValueError(f"label: the payload has no text under {self.label!r}")
        if self.event is None and (self.payload or self.relayed or self.label):
            raise ValueError("event: it is not named, but its payload or effect is")
        if self.answer == "none" and self.event and not (self.relayed and self.label):
            raise ValueError("answer: an event without one must be relayed, and its payload needs a label")
        return self


class StaticSettings(Placed):
    """Agents and resources are ready-made and listed."""

    kind: Literal["static"]
    agents: list[PooledAgent] = Field(default_factory=list)
    resources: list[PooledResource] = Field(default_factory=list)
    families: list[str] | None = None
    """Topic families of the documents for which nothing has to be made; all when absent, none beside plain topics."""
    plain: list[PlainTopic] = Field(default_factory=list)
    """Topics that the documents do not have."""
    spent: str | None = None
    """File that keeps what runs have used up; beside the endpoint file and named after it when absent."""

    @property
    def spent_file(self) -> Path:
        """The file that keeps what runs have used up."""
        return self.file.parent / (self.spent or f"{self.file.name}.spent")

    @model_validator(mode="after")
    def _is_consistent(self) -> StaticSettings:
        ids = [agent.agent_id for agent in self.agents]
        for what, names in (("agents", ids), ("resources", [each.topic for each in self.resources])):
            twice = next((name for name, count in Counter(names).items() if count > 1), None)
            if twice is not None:
                raise ValueError(f"{what}: {twice} is listed twice")
        for resource in self.resources:
            unknown = sorted(set(resource.roles.values()).difference(ids))
            if unknown:
                raise ValueError(f"resources: {resource.topic}: no agent {unknown[0]} is listed")
        if not self.agents and not self.plain:
            raise ValueError("agents: none is listed")
        return self


class CommandSettings(Placed):
    """A program makes agents and resources: a request a line on its standard input, an answer a line on its output."""

    kind: Literal["command"]
    argv: list[str] = Field(min_length=1)
    """The program and its arguments; it runs in the folder of the endpoint file."""
    timeout_s: float = Field(default=30.0, gt=0, le=600)


class PythonSettings(Placed):
    """An object written in Python makes agents and resources."""

    kind: Literal["python"]
    entry: str = Field(min_length=1)
    """`module:callable`, or the name of an installed entry point of the group `wireproof.provisioners`."""
    path: str | None = None
    """Folder in which the module is looked for first, relative to that of the endpoint file."""
    options: dict[str, Any] = Field(default_factory=dict)
    """Handed to the callable as they stand."""


ProvisionerSettings: TypeAlias = ControlSettings | StaticSettings | CommandSettings | PythonSettings
KINDS = ("control", "static", "command", "python")
