"""The format of a ledger: its marks in the file's header, and the steps that lead from nothing to the newest version.

A step is never changed once it was released: a new format is one more step. Creating a ledger runs them all, opening an older
one runs those that it lacks. Numbers without an upper bound stand in ANY columns: as integers as far as SQLite's 64 bits go, as
decimal text beyond.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeAlias

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Sequence

#: "wpLg", in the header at byte 68.
APPLICATION_ID: Final = 0x77704C67
#: STRICT tables came with it.
OLDEST_SQLITE: Final = (3, 37, 0)

#: In meta: the sums of all rows, added up. A row from before there were sums has none.
TOTAL: Final = "total"

#: In meta: what the log of the last server holds. In the file alone it is `LOG_IS_EMPTY`, with the log, from the first commit
#: on, `LOG_IS_BEGUN`. So a file that says the former, and has no log beside it, has lost one; whoever carries a log into its file,
#: or makes a copy of both, leaves the latter. A server from before there was this leaves it as it finds it.
LOG: Final = "log"
LOG_IS_EMPTY, LOG_IS_BEGUN = 1, 2

Step: TypeAlias = "tuple[str, ...]"
"""The statements that lead from one version to the next."""

_TABLES: Final[Step] = (
    "CREATE TABLE meta (name TEXT PRIMARY KEY, value ANY NOT NULL) STRICT",
    """CREATE TABLE agents (
        id TEXT PRIMARY KEY, name TEXT NOT NULL, owner TEXT NOT NULL,
        api_key TEXT NOT NULL, session_token TEXT NOT NULL, public_key BLOB NOT NULL,
        capabilities TEXT NOT NULL, status TEXT NOT NULL, reputation TEXT NOT NULL, price TEXT NOT NULL,
        metadata TEXT NOT NULL
    ) STRICT""",
    # Other families may call something else a balance, so only those of payment channels are looked at.
    """CREATE TABLE resources (
        topic TEXT PRIMARY KEY, family TEXT NOT NULL, id TEXT NOT NULL, state TEXT NOT NULL,
        roles TEXT NOT NULL, inserted_at TEXT NOT NULL, data TEXT NOT NULL,
        executed_nonce ANY NOT NULL, pending_nonces TEXT NOT NULL,
        balance_a TEXT AS (CASE family WHEN 'payment' THEN json_extract(data, '$.balance_a') END),
        balance_b TEXT AS (CASE family WHEN 'payment' THEN json_extract(data, '$.balance_b') END),
        CHECK (balance_a IS NULL OR CAST(balance_a AS NUMERIC) >= 0),
        CHECK (balance_b IS NULL OR CAST(balance_b AS NUMERIC) >= 0)
    ) STRICT""",
    """CREATE TABLE entries (
        topic TEXT NOT NULL, collection TEXT NOT NULL, number ANY NOT NULL, value TEXT NOT NULL,
        PRIMARY KEY (topic, collection, number)
    ) STRICT, WITHOUT ROWID""",
    """CREATE TABLE messages (
        id TEXT PRIMARY KEY, number INTEGER NOT NULL, type TEXT NOT NULL, payload TEXT NOT NULL,
        from_agent_id TEXT NOT NULL, to_agent_id TEXT NOT NULL, protocol_version TEXT NOT NULL,
        inserted_at TEXT NOT NULL, status TEXT NOT NULL, reason TEXT
    ) STRICT""",
    """CREATE TABLE happenings (
        number INTEGER PRIMARY KEY, kind TEXT NOT NULL, at TEXT NOT NULL, agents TEXT NOT NULL,
        amount TEXT NOT NULL, family TEXT NOT NULL
    ) STRICT""",
)

# CASE, so that nothing but a transfer is read as JSON: SQLite nests less deeply than a client may.
_EXECUTIONS: Final[Step] = (
    # A nonce executes at most once: whatever the server believes, a second row of one nonce is impossible.
    "CREATE TABLE executions (topic TEXT, nonce ANY, PRIMARY KEY (topic, nonce)) STRICT, WITHOUT ROWID",
    """INSERT INTO executions SELECT topic, number FROM entries
        WHERE CASE collection WHEN 'transfers' THEN json_extract(value, '$.status') = 'executed' END""",
    """CREATE TRIGGER execution_by_insert AFTER INSERT ON entries
        WHEN CASE NEW.collection WHEN 'transfers' THEN json_extract(NEW.value, '$.status') = 'executed' END
        BEGIN INSERT INTO executions VALUES (NEW.topic, NEW.number); END""",
    """CREATE TRIGGER execution_by_update AFTER UPDATE ON entries
        WHEN CASE NEW.collection WHEN 'transfers' THEN json_extract(NEW.value, '$.status') = 'executed' END
        BEGIN INSERT INTO executions VALUES (NEW.topic, NEW.number); END""",
)


def _summed(table: str) -> Step:
    """Return what keeps the sum of a table's rows in the total, whoever writes them."""
    change = f"UPDATE meta SET value = value {{}} WHERE name = '{TOTAL}'"  # noqa: S608 - names of this module alone
    added, gone = "+ coalesce(NEW.sum, 0)", "- coalesce(OLD.sum, 0)"
    return (
        f"ALTER TABLE {table} ADD COLUMN sum INTEGER",
        f"CREATE TRIGGER {table}_added AFTER INSERT ON {table} BEGIN {change.format(added)}; END",
        f"CREATE TRIGGER {table}_changed AFTER UPDATE ON {table} BEGIN {change.format(f'{added} {gone}')}; END",
        f"CREATE TRIGGER {table}_gone AFTER DELETE ON {table} BEGIN {change.format(gone)}; END",
    )


# SQLite notices damage to its own structure, not to what stands in a row, nor that a page is an older or a foreign one.
_SUMS: Final[Step] = (
    f"INSERT INTO meta VALUES ('{TOTAL}', 0)",  # noqa: S608 - a name of this module alone
    *(
        statement
        for table in ("agents", "resources", "entries", "messages", "happenings")
        for statement in _summed(table)
    ),
)

STEPS: Final[tuple[Step, ...]] = (_TABLES, _EXECUTIONS, _SUMS)
"""Step n makes version n + 1."""


def version_of(connection: sqlite3.Connection) -> int:
    """Return the format version that a file says it has."""
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


def take_steps(connection: sqlite3.Connection, steps: Sequence[Step]) -> None:
    """Bring a file to the newest version; the caller holds a transaction.

    Raises:
        sqlite3.Error: If what the file holds does not allow it.

    """
    for version in range(version_of(connection), len(steps)):
        for statement in steps[version]:
            connection.execute(statement)
    connection.execute(f"PRAGMA user_version = {len(steps)}")
