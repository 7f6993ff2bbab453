"""Nonces: each is spent once, also after a restart and under concurrent acknowledgements."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reference_server.deviations.deviation import deviation
from reference_server.deviations.replacing import around

if TYPE_CHECKING:
    from reference_server.assembly import Assembly


@deviation("payment/nonce-above-pending", shows="A proposal is taken whatever its nonce.")
def accepts_replayed_nonce(server: Assembly) -> None:
    """Ask nothing of a nonce."""
    server.enforcement = around(server.enforcement, "check_nonce", lambda _honest, _self, _ctx, _nonce: None)
