"""From the description of an endpoint to the provisioner that it names."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from conformance.endpoint import Endpoint
from conformance.fixtures.provision import Provisioner
from conformance.provisioner_settings import CommandSettings, PythonSettings, StaticSettings
from conformance.provisioning.command import CommandProvisioner
from conformance.provisioning.control import ControlProvisioner
from conformance.provisioning.entry_point import PythonProvisioner
from conformance.provisioning.pools import Share
from conformance.provisioning.static import StaticProvisioner
from specs.model import Api


@contextmanager
def provisioning(endpoint: Endpoint, api: Api, share: Share = Share()) -> Iterator[Provisioner]:  # noqa: B008 - is frozen
    """Open an endpoint's provisioner for the length of a `with` block.

    Args:
        endpoint: The description of the endpoint; it can be sent to another process, a provisioner cannot.
        api: The documents.
        share: Which of several workers this is; what is listed is divided among them.

    Raises:
        ConfigurationFaulty: If the description does not fit the documents, or a program or module is not there.
        CannotTest: If the provisioner cannot be reached or does not let us in.

    """
    provisioner = _made(endpoint, api, share)
    try:
        if isinstance(provisioner, ControlProvisioner | CommandProvisioner):
            provisioner.open()
        yield provisioner
    finally:
        provisioner.close()


def _made(endpoint: Endpoint, api: Api, share: Share) -> Provisioner:
    match endpoint.provisioner:
        case StaticSettings() as settings:
            return StaticProvisioner(settings, api, share)
        case CommandSettings() as settings:
            return CommandProvisioner(settings, endpoint, api, share)
        case PythonSettings() as settings:
            return PythonProvisioner(settings, endpoint, api, share)
        case _:
            return ControlProvisioner(endpoint, api)
