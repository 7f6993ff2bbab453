"""What outlives the process: the records of a server in an SQLite file.

Memory is the working set; this is what is durable (`docs/decisions/0004-memory-first-ledger-behind.md`). Reading order: `format` (the
tables and how they came to be), `rows` (records to statements and back), `inspection`, `log_inspection` and `opening` (from a
directory to a connection), `writer` (the thread that commits), `whereabouts` (whether the files are still there), `ledger` (all
of it, as the server sees it).
"""

from reference_server.ledger.faults import LedgerInUse, LedgerUnusable
from reference_server.ledger.ledger import Ledger
from reference_server.ledger.opening import Durability

__all__ = ["Durability", "Ledger", "LedgerInUse", "LedgerUnusable"]
