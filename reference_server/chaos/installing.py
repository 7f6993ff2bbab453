"""Puts chaos into an assembly."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reference_server.chaos.shared import Chaos
from reference_server.chaos.transport import ChaoticTransport

if TYPE_CHECKING:
    from reference_server.assembly import Assembly
    from reference_server.chaos.record import Recorder
    from reference_server.chaos.rules import Rules


def install(server: Assembly, rules: Rules, seed: int, recorder: Recorder) -> Chaos:
    """Put chaos into a server that has not started, on top of whatever was replaced in it before."""
    chaos = Chaos(rules, seed, recorder)
    server.transport = type("ChaoticTransport", (ChaoticTransport, server.transport), {"chaos": chaos})
    server.decide = chaos.deciding(server.decide)
    return chaos
