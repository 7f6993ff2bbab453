"""Servers that no suite can judge, tried out like any deviation; prints what became of each as JSON."""

from __future__ import annotations

import json
import os
import time
from dataclasses import asdict

from conformance.catalogue import all_cases
from reference_server.assembly import Assembly
from reference_server.deviations.deviation import Deviation
from reference_server.deviations.replacing import around
from specs.loader import load
from tests.deviations.forking import trials
from tests.deviations.trial import Suite

RULE = "task/sender-role"
TIME_LIMIT_S = 4.0


def hangs(server: Assembly) -> None:
    """Answer nothing once the first event has come."""
    server.enforcement = around(
        server.enforcement, "check_role", lambda _honest, *_: time.sleep(10 * TIME_LIMIT_S)
    )


def dies(server: Assembly) -> None:
    """End with the first event."""
    server.enforcement = around(server.enforcement, "check_role", lambda _honest, *_: os._exit(3))


def never_listens(_server: Assembly) -> None:
    """Fail before there is a server."""
    raise RuntimeError("cannot be installed")


def is_honest(_server: Assembly) -> None:
    """Change nothing."""


def main() -> None:
    """Try each of them."""
    api = load()
    unruly = [
        Deviation(one.__name__, (RULE,), "Much.", one) for one in (hangs, dies, never_listens, is_honest)
    ]
    unruly.append(Deviation("uncovered", ("clients/none",), "Nothing.", is_honest))
    suite = Suite(api, tuple(all_cases(api)))
    ended = trials(suite, unruly, jobs=2, time_limit_s=TIME_LIMIT_S)
    print(json.dumps({trial.deviation: asdict(trial) for trial in ended}))


if __name__ == "__main__":
    main()
