"""Provisions by an object that a callable written in Python returns."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import metadata
from typing import Any

from conformance.endpoint import Endpoint
from conformance.faults import CannotProvision, CannotTell, CannotTest, ConfigurationFaulty
from conformance.fixtures.provision import Agent, PlainFamily, Provisioner
from conformance.provisioner_settings import PythonSettings
from conformance.provisioning.pools import Share
from specs.model import Api, Topic
from specs.participants import Participant

GROUP = "wireproof.provisioners"


@dataclass(frozen=True, slots=True)
class Commission:
    """What a callable gets to make a provisioner of."""

    url: str
    """Of the endpoint under test."""
    options: Mapping[str, Any]
    """The table `[provisioner.options]`."""
    api: Api
    share: Share


class PythonProvisioner(Provisioner):
    """Stands before somebody else's object: whatever it raises or returns wrongly is said in one line."""

    def __init__(self, settings: PythonSettings, endpoint: Endpoint, api: Api, share: Share) -> None:
        """Make the object.

        Raises:
            ConfigurationFaulty: If there is no such callable, it fails, or what it returns is no provisioner.

        """
        self._entry = settings.entry
        make = _callable(settings)
        try:
            self._made = make(Commission(endpoint.url, settings.options, api, share))
        except ConfigurationFaulty:
            raise
        except Exception as exc:
            raise ConfigurationFaulty(f"provisioner.entry: {self._entry}: {_shown(exc)}") from exc
        for name in ("create_agent", "create_resource"):
            if not callable(getattr(self._made, name, None)):
                raise ConfigurationFaulty(
                    f"provisioner.entry: {self._entry} returns an object without {name}"
                )

    def create_agent(self, participant: Participant, attributes: Mapping[str, Any]) -> Agent:
        """Make an agent."""
        with self._blamed("create_agent"):
            made = self._made.create_agent(participant, attributes)
        self._check("create_agent", made, Agent)
        return made  # type: ignore[no-any-return]

    def create_resource(self, family: str, roles: Mapping[str, str], params: Mapping[str, Any]) -> str:
        """Make a resource."""
        with self._blamed("create_resource"):
            made = self._made.create_resource(family, roles, params)
        self._check("create_resource", made, str)
        return made  # type: ignore[no-any-return]

    def request(self, event: str, payload: Mapping[str, Any]) -> Mapping[str, Any]:
        """Cause something, where the object can."""
        if not self._has("request"):
            return Provisioner.request(self, event, payload)
        with self._blamed("request"):
            said = self._made.request(event, payload)
        self._check("request", said, Mapping)
        return said  # type: ignore[no-any-return]

    def reserve(
        self, family: str, roles: Mapping[str, str | None], params: Mapping[str, Any]
    ) -> Mapping[str, str]:
        """Ask who plays which role, where the object wants to say so."""
        if not self._has("reserve"):
            return {}
        with self._blamed("reserve"):
            reserved = self._made.reserve(family, roles, params)
        self._check("reserve", reserved, Mapping)
        return reserved  # type: ignore[no-any-return]

    def lacks(self, family: Topic) -> str | None:
        """Return what the object says of a family."""
        if not self._has("lacks"):
            return None
        with self._blamed("lacks"):
            lack = self._made.lacks(family)
        return None if lack is None else str(lack)

    @property
    def plain(self) -> tuple[PlainFamily, ...]:
        """The plain topics of the object, where it has some."""
        return tuple(getattr(self._made, "plain", ()))

    def release(self) -> None:
        """Tell the object, where it wants to know; what it raises changes nothing any more."""
        self._tell("release")

    def close(self) -> None:
        """Let the object give up what it holds."""
        self._tell("close")

    def _tell(self, name: str) -> None:
        if not self._has(name):
            return
        try:
            with self._blamed(name):
                getattr(self._made, name)()
        except CannotProvision:
            return

    def _has(self, name: str) -> bool:
        return callable(getattr(self._made, name, None))

    def _check(self, operation: str, made: Any, wanted: Any) -> None:
        if not isinstance(made, wanted):
            kind = type(made).__name__
            raise CannotProvision(f"{self._entry}: {operation} returns {kind}, not {wanted.__name__}")

    @contextmanager
    def _blamed(self, operation: str) -> Iterator[None]:
        try:
            yield
        except (CannotProvision, CannotTell, CannotTest, ConfigurationFaulty):
            raise
        except Exception as exc:
            raise CannotProvision(f"{self._entry}: {operation} fails: {_shown(exc)}") from exc


def _callable(settings: PythonSettings) -> Callable[[Commission], Any]:
    """Return what `entry` names.

    Raises:
        ConfigurationFaulty: If that cannot be imported or is not there.

    """
    entry = settings.entry
    if ":" not in entry:
        return _installed(entry)
    if settings.path is not None:
        folder = str((settings.file.parent / settings.path).resolve())
        if folder not in sys.path:
            sys.path.insert(0, folder)
    module, _, attribute = entry.partition(":")
    try:
        found: Any = importlib.import_module(module)
        for name in attribute.split("."):
            found = getattr(found, name)
    except Exception as exc:
        raise ConfigurationFaulty(f"provisioner.entry: {entry}: {_shown(exc)}") from exc
    return _made_callable(found, entry)


def _installed(name: str) -> Callable[[Commission], Any]:
    installed = metadata.entry_points(group=GROUP)
    if name not in installed.names:
        known = ", ".join(sorted(installed.names)) or "none"
        raise ConfigurationFaulty(
            f"provisioner.entry: no entry point {name!r} of {GROUP} is installed ({known}), and no module:callable"
        )
    try:
        return _made_callable(installed[name].load(), name)
    except ConfigurationFaulty:
        raise
    except Exception as exc:
        raise ConfigurationFaulty(f"provisioner.entry: {name}: {_shown(exc)}") from exc


def _made_callable(found: Any, entry: str) -> Callable[[Commission], Any]:
    if not callable(found):
        raise ConfigurationFaulty(f"provisioner.entry: {entry} is not callable")
    return found  # type: ignore[no-any-return]


def _shown(exc: Exception) -> str:
    return " ".join(f"{type(exc).__name__}: {exc}".split())
