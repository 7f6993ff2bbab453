"""Why a directory cannot serve as a ledger; each message is one line that says what to do."""

from __future__ import annotations


class LedgerUnusable(Exception):
    """The directory or a file in it cannot be used; nothing in it was changed."""


class LedgerInUse(LedgerUnusable):
    """Another process has the ledger open."""


class LedgerRemoved(Exception):
    """A file of an open ledger is no longer where it was; the message names it."""
