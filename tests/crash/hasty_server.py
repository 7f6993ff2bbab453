"""A server that answers before it has written: `python hasty_server.py [options of wireproof serve]`.

The negative control of the crash test: what it confirms may be lost with it.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence

import reference_server.cli
import wireproof
from reference_server.assembly import Assembly
from reference_server.ledger import Ledger
from reference_server.ledger.writer import Operation, Writer

LATE_S = 0.05


class LateWriter(Writer):
    """Writes some time after."""

    def write(self, group: Sequence[Operation]) -> None:
        """Wait, then write."""
        time.sleep(LATE_S)
        super().write(group)


class HastyLedger(Ledger):
    """Says that everything is kept as soon as it is made."""

    writer_type = LateWriter

    def hand_over(self, operation: Operation) -> None:
        """Say so first."""
        super().hand_over(operation)
        self._commits.keep(operation[0])

    def keep(self, number: int) -> None:
        """It was said before."""


class HastyAssembly(Assembly):
    """With that ledger."""

    def __init__(self, *arguments: object, **settings: object) -> None:
        super().__init__(*arguments, ledger=HastyLedger, **settings)  # type: ignore[arg-type]


if __name__ == "__main__":
    reference_server.cli.Assembly = HastyAssembly  # type: ignore[misc]
    sys.argv[1:1] = ["serve"]
    wireproof.main()
