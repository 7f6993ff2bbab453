"""Credentials are compared in a time that tells nothing of them: as digests of one length, and nowhere else."""

from __future__ import annotations

import hmac
from typing import Any

import pytest

from reference_server.application import Application

TOKEN = "operator-token"


class Secret(str):
    """A credential that may be encoded, and neither compared nor searched for nor measured."""

    __slots__ = ()

    def encode(self, *args: Any) -> bytes:
        return str.encode(str.__str__(self), *args)

    def _refuse(self, *_: Any) -> Any:
        raise AssertionError("a credential was looked at otherwise than through its digest")

    __eq__ = __ne__ = __lt__ = __le__ = __gt__ = __ge__ = _refuse
    __len__ = __contains__ = __iter__ = __getitem__ = _refuse
    __hash__ = _refuse  # type: ignore[assignment]


@pytest.fixture
def compared(monkeypatch: pytest.MonkeyPatch) -> list[tuple[bytes, bytes]]:
    """Note every pair that is compared in constant time."""
    pairs: list[tuple[bytes, bytes]] = []
    honest = hmac.compare_digest

    def compare(one: bytes, other: bytes) -> bool:
        pairs.append((one, other))
        return honest(one, other)

    monkeypatch.setattr(hmac, "compare_digest", compare)
    return pairs


def _asked(application: Application, socket: str, **params: str) -> str | None:
    secrets = {name: value if name == "agent_id" else Secret(value) for name, value in params.items()}
    identity = application.authenticate(application.api.sockets[socket], secrets)
    return None if identity is None else identity.agent_id


@pytest.mark.parametrize("wrong", ["", "x", "é" * 5000, "\ud800"])
def test_every_way_in_compares_digests_of_one_length(
    world: Any, wrong: str, compared: list[tuple[bytes, bytes]]
) -> None:
    """Right or wrong, long or short, for agents that exist and for those that do not: one comparison, of 32 bytes each."""
    ada = world.agent("ada")
    application = world.application
    asked = [
        _asked(application, "agent", api_key=ada.api_key),
        _asked(application, "agent", session_token=ada.session_token),
        _asked(application, "user", agent_id=ada.id, token=ada.session_token),
        _asked(application, "agent", api_key=wrong),
        _asked(application, "agent", session_token=wrong),
        _asked(application, "user", agent_id=ada.id, token=wrong),
        _asked(application, "user", agent_id="nobody", token=wrong),
        _asked(application, "user", agent_id="nobody", token=ada.session_token),
        _asked(application, "control", token=wrong),
    ]
    assert asked == [ada.id] * 3 + [None] * 6
    assert [(len(one), len(other)) for one, other in compared] == [(32, 32)] * 9


@pytest.mark.parametrize(("control_token", "is_let_in"), [(TOKEN, True), (None, False), ("", False)])
def test_the_operator_is_compared_likewise(
    api: Any, compared: list[tuple[bytes, bytes]], control_token: str | None, is_let_in: bool
) -> None:
    """Where there is no token nobody gets in, not with an empty one either, and the comparison takes place all the same."""
    application = Application(api, control_token=control_token)
    assert (_asked(application, "control", token=TOKEN) is not None) is is_let_in
    assert _asked(application, "control", token="") is None
    assert [(len(one), len(other)) for one, other in compared] == [(32, 32)] * 2
