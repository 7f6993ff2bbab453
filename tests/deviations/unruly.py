"""Serves as `wireproof deviations --serve` does, with some servers more that no suite can judge.

With `dishonest` as argument the server without a deviation breaks a rule, too; with `mute` it never greets.
"""

from __future__ import annotations

import os
import sys
import time

from reference_server.assembly import Assembly
from reference_server.deviations.deviation import deviation
from reference_server.deviations.replacing import around
from reference_server.enforcement import Enforcement
from reference_server.fleet import Fleet
from specs.loader import load

RULE = "task/sender-role"
LONG_S = 600.0


@deviation(RULE, shows="Nothing is answered once the first event has come.")
def hangs(server: Assembly) -> None:
    server.enforcement = around(server.enforcement, "check_role", lambda _honest, *_: time.sleep(LONG_S))


@deviation(RULE, shows="It ends with the first event.")
def dies(server: Assembly) -> None:
    server.enforcement = around(server.enforcement, "check_role", lambda _honest, *_: os._exit(3))


@deviation(RULE, shows="It fails before there is a server.")
def never_listens(_server: Assembly) -> None:
    raise RuntimeError("cannot be installed")


@deviation(RULE, shows="Nothing.")
def does_nothing(_server: Assembly) -> None:
    pass


@deviation("task/malformed-payload-refused", shows="Roles are not looked at.")
def names_another_rule(server: Assembly) -> None:
    server.enforcement = around(server.enforcement, "check_role", lambda _honest, *_: None)


@deviation(RULE, shows="Roles are not looked at.")
def is_seen(server: Assembly) -> None:
    server.enforcement = around(server.enforcement, "check_role", lambda _honest, *_: None)


def main() -> None:
    """Serve."""
    if "mute" in sys.argv:
        return
    if "dishonest" in sys.argv:
        Enforcement.check_role = lambda *_: None  # type: ignore[method-assign]
    Fleet(load(), 1, os.environ["WIREPROOF_CONTROL_TOKEN"]).serve()


if __name__ == "__main__":
    main()
