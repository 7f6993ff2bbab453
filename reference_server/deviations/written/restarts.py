"""What a server on a ledger forgets at its start; only a client that sees it killed and started again can tell."""

from __future__ import annotations

from dataclasses import replace
from decimal import ROUND_DOWN, Decimal
from typing import TYPE_CHECKING, Any

from reference_server.deviations.deviation import deviation
from reference_server.deviations.replacing import around_rows

if TYPE_CHECKING:
    from reference_server.assembly import Assembly


@deviation(
    "payment/nonce-spent-across-restart", shows="After a restart a nonce that was executed is taken again."
)
def forgets_nonces_at_restart(server: Assembly) -> None:
    """Load every channel as one that has executed nothing."""
    around_rows(server, "resource", lambda honest, self, *row: replace(honest(self, *row), executed_nonce=0))


@deviation("payment/balances-across-restart", shows="After a restart the balances have lost their fractions.")
def rounds_balances_at_restart(server: Assembly) -> None:
    """Load balances as whole numbers."""

    def resource(honest: Any, self: Any, *row: Any) -> Any:
        kept = honest(self, *row)
        rounded = {
            name: str(Decimal(value).to_integral_value(ROUND_DOWN))
            for name, value in kept.data.items()
            if name.startswith("balance_")
        }
        return replace(kept, data={**kept.data, **rounded})

    around_rows(server, "resource", resource)
