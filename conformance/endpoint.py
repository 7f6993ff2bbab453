"""The description of what is tested: address, profile and provisioner, from an endpoint file (TOML) and the command line."""

from __future__ import annotations

import tomllib
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit, urlunsplit

from pydantic import Field, ValidationError, field_validator

from conformance.faults import ConfigurationFaulty
from conformance.provisioner_settings import (
    KINDS,
    ControlSettings,
    ProvisionerSettings,
    Section,
    StaticSettings,
)
from conformance.trust import trusting
from specs.address import address_of
from specs.model import Api


class Timeouts(Section):
    """How long to wait, in seconds."""

    connect_s: float = Field(default=5.0, gt=0, le=120)
    reply_s: float = Field(default=2.0, gt=0, le=60)
    case_s: float = Field(default=30.0, gt=0, le=600)


class Waiver(Section):
    """A requirement that this deployment is known not to meet."""

    reason: str = Field(min_length=1)
    until: date | None = None

    def is_in_force(self) -> bool:
        """Whether the waiver has not expired (the day named is the last one)."""
        return self.until is None or datetime.now(UTC).date() <= self.until


class Profile(Section):
    """What the protocol leaves open and this deployment has chosen."""

    name: str = "default"
    paths: dict[str, str] = Field(default_factory=dict)
    """Request path by socket name, where it is not the first of the socket's document."""
    params: dict[str, str] = Field(default_factory=dict)
    """Query parameter name of the deployment by the name in the documents."""
    vsn: Literal["1.0.0", "2.0.0"] = "2.0.0"
    """The serializer of every case that does not choose one itself."""
    timeouts: Timeouts = Timeouts()
    waived: dict[str, Waiver] = Field(default_factory=dict)


class Endpoint(Section):
    """One deployment under test."""

    url: str
    ca: Path | None = None
    """PEM file with the certificates to trust in place of the system's; in a file, relative to its folder."""
    profile: Profile = Profile()
    provisioner: ProvisionerSettings = Field(default=ControlSettings(), discriminator="kind")

    @field_validator("provisioner", mode="before")
    @classmethod
    def _has_kind(cls, table: Any) -> Any:
        return {"kind": "control", **table} if isinstance(table, dict) else table

    @field_validator("url")
    @classmethod
    def _is_websocket_url(cls, url: str) -> str:
        return checked_url(url)

    def socket_url(self, api: Api, socket: str) -> str:
        """Return the URL of a socket without its query."""
        path = self.profile.paths.get(socket, api.sockets[socket].paths[0])
        return base_of(self.url, api) + path

    def control_url(self, api: Api) -> str:
        """Return the URL of the control socket without its query."""
        path = self.profile.paths.get("control", api.sockets["control"].paths[0])
        return base_of(self.operator_url or self.url, api) + path

    @property
    def is_pooled(self) -> bool:
        """Whether agents are listed, so that several workers have to divide them among themselves."""
        return isinstance(self.provisioner, StaticSettings) and bool(self.provisioner.agents)

    @property
    def operator_url(self) -> str | None:
        """The URL of a control socket that is not at the endpoint itself."""
        return self.provisioner.url if isinstance(self.provisioner, ControlSettings) else None


def checked_url(url: str) -> str:
    """Return the URL of an endpoint; raise ValueError naming what is wrong."""
    address_of(url)
    return url.rstrip("/")


def base_of(url: str, api: Api) -> str:
    """Return the URL without a socket's own path at its end, so that base and socket URLs may both be given."""
    parts = urlsplit(url)
    path = parts.path.rstrip("/")
    own = sorted((path for socket in api.sockets.values() for path in socket.paths), key=len, reverse=True)
    for known in own:
        if path.endswith(known):
            path = path[: -len(known)]
            break
    return urlunsplit((parts.scheme, parts.netloc, path.rstrip("/"), "", ""))


def read_endpoint(path: Path | None, overrides: dict[str, Any], api: Api | None = None) -> Endpoint:
    """Read an endpoint file and lay the command line's values over it.

    Args:
        path: TOML file with `url`, `ca`, `[profile]` and `[provisioner]`; None for none.
        overrides: `url`, `ca`, `control`, `control_token` and `vsn` of the command line; None values are ignored.
        api: The documents in which the requirements and sockets that the file names are to be; None where they are not asked.

    Returns:
        The endpoint.

    Raises:
        ConfigurationFaulty: If the file cannot be read, is not TOML, or holds what no endpoint or document has.

    """
    table = _table(path) if path else {}
    where = str(path) if path else "command line"
    if path and isinstance(table.get("ca"), str):
        table["ca"] = path.parent / table["ca"]
    _lay_over(table, overrides, where)
    if "url" not in table:
        raise ConfigurationFaulty(f"{where}: no url is given")
    try:
        endpoint = Endpoint.model_validate(table, context={"file": path or Path("endpoint.toml")})
        if endpoint.operator_url:
            checked_url(endpoint.operator_url)
    except ValidationError as exc:
        raise ConfigurationFaulty(f"{where}: {_sentence(exc)}") from exc
    except ValueError as exc:
        raise ConfigurationFaulty(f"{where}: control URL: {exc}") from exc
    if endpoint.ca is not None:
        _check_ca(endpoint, endpoint.ca, where)
    if path and api is not None:
        _demand_known(endpoint, api, path)
    return endpoint


def _demand_known(endpoint: Endpoint, api: Api, path: Path) -> None:
    """Make sure that what a profile waives or has at another path is there: else it would have no effect, and nobody would know."""
    profile = endpoint.profile
    for table, names, known in (
        ("waived", profile.waived, set(api.requirements)),
        ("paths", profile.paths, set(api.sockets)),
    ):
        strange = sorted(names.keys() - known)
        if strange:
            kind = "requirement" if table == "waived" else "socket"
            raise ConfigurationFaulty(f"{path}: profile.{table}: the documents have no {kind} {strange[0]!r}")


def _lay_over(table: dict[str, Any], overrides: dict[str, Any], where: str) -> None:
    table.update((name, overrides[name]) for name in ("url", "ca") if overrides.get(name))
    profile, provisioner = table.setdefault("profile", {}), table.setdefault("provisioner", {})
    if overrides.get("vsn") and isinstance(profile, dict):
        profile["vsn"] = overrides["vsn"]
    if not isinstance(provisioner, dict):
        return
    kind = provisioner.get("kind", "control")
    if kind != "control":
        # The token may come from a variable that is set for other runs; a control URL is meant for this one.
        if overrides.get("control"):
            raise ConfigurationFaulty(f"{where}: --control is given, but the provisioner is {kind!r}")
        return
    for key, name in (("url", "control"), ("token", "control_token")):
        if overrides.get(name):
            provisioner[key] = overrides[name]


def _check_ca(endpoint: Endpoint, ca: Path, where: str) -> None:
    if not any((url or "").startswith("wss:") for url in (endpoint.url, endpoint.operator_url)):
        raise ConfigurationFaulty(f"{where}: a CA is given, but no URL that starts with wss://")
    trusting(ca)


def _table(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as exc:
        raise ConfigurationFaulty(f"{path}: cannot be read: {exc.strerror}") from exc
    except UnicodeDecodeError as exc:
        raise ConfigurationFaulty(f"{path}: not a text file in UTF-8") from exc
    # Not only what the parser says of itself: an integer may have more digits than Python takes.
    except (ValueError, RecursionError) as exc:
        raise ConfigurationFaulty(f"{path}: not TOML: {exc}") from exc


def _sentence(exc: ValidationError) -> str:
    rows = []
    for error in exc.errors(include_url=False, include_input=False):
        # The kind of the provisioner is in the place of a key that no file has.
        parts = [str(part) for part in error["loc"]]
        where = ".".join(part for at, part in enumerate(parts) if at != 1 or part not in KINDS)
        message = error["msg"].removeprefix("Value error, ")
        if error["type"] == "extra_forbidden":
            message = "unknown key"
        elif error["type"] == "union_tag_invalid":
            where, message = f"{where}.kind", f"not one of {', '.join(KINDS)}"
        rows.append(f"{where or 'the file'}: {message}")
    return "; ".join(rows)
