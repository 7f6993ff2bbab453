"""Signed transfers."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest

from loadgen.client.calls import Call, CallFailed
from loadgen.client.plays import Play
from loadgen.measure.statistics import Figures
from loadgen.scenarios.scenario import Group
from loadgen.scenarios.transfers import Account, Transfers


class Refusing:
    """A channel on which every push is refused."""

    def __init__(self) -> None:
        self.pushed: list[dict[str, Any]] = []

    def push(self, _event: str, payload: dict[str, Any], _intended_us: int) -> Call:
        self.pushed.append(payload)
        return Call(Figures("payment", "propose_transfer"), 1, 1, "error", {"reason": "no"})


class Proposing(Transfers):
    """Transfers whose proposals need no keys."""

    def sign_next(self, group: Group) -> None:
        """Let one party propose one."""
        account: Account = group.memory
        account.nonce += 1
        account.signed.append(("a", {"nonce": account.nonce}))


def test_an_act_after_one_that_failed_proposes_anew() -> None:
    """What was signed for the failed one is gone; an act that sent nothing would be well without having done anything."""
    channel, faults = Refusing(), list[BaseException | None]()
    account = Account(cast("Any", {"a": channel}), "payment:1")
    group = cast("Group", SimpleNamespace(memory=account))
    for _ in range(2):
        Play(Proposing().act(group, 1), faults.append)
    assert [payload["nonce"] for payload in channel.pushed] == [1, 2]
    with pytest.raises(CallFailed, match="no"):
        raise cast("CallFailed", faults[1])
