"""A taste of `make fuzz`: few inputs of every kind, the same ones every time, and those that once did harm."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.conftest import running
from tests.fuzz import properties, targets
from tests.fuzz.conversations import UNLIMITED, Fuzzer
from tests.fuzz.mutation import Mutator
from tests.fuzz.targets import TARGETS

FEW = {"connection": 100, "request": 200, "wire": 200}


@pytest.mark.parametrize("name", TARGETS)
def test_altered_seeds_do_no_harm(name: str) -> None:
    """Every seed as it is, and some hundreds of altered ones."""
    target, seeds = TARGETS[name]
    mutator = Mutator(5)
    for data in (*seeds()[: FEW.get(name, 1000)], *(mutator.of(seeds()) for _ in range(FEW.get(name, 500)))):
        target(data)


@pytest.mark.parametrize("name", properties.INPUTS)
def test_made_up_inputs_do_no_harm(name: str) -> None:
    """What Hypothesis makes of the documents' messages and of frames."""
    assert properties.run(name, 25, is_repeatable=True) >= 25


def test_harm_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """A channel that crashes on something fails the target of whole connections, though the crash is contained."""

    def crash(*_: Any) -> None:
        raise KeyError

    monkeypatch.setattr("reference_server.enforcement.Enforcement.check_state", crash)
    target, seeds = TARGETS["connection"]
    try:
        with pytest.raises(AssertionError, match="crashed"):
            list(map(target, seeds()))
    finally:
        targets._world().close()
        targets._world.cache_clear()


@pytest.mark.parametrize("store", ["memory", "ledger"])
def test_inputs_over_sockets_harm_nobody(store: str, tmp_path: Path) -> None:
    """Both parties of conversations, altered frames and requests; another client is served all the while."""
    options = ("--data", str(tmp_path / "data")) if store == "ledger" else ()
    with running(["-m", "wireproof", "serve"], *UNLIMITED, *options) as server:
        fuzzer = Fuzzer(server, 3)
        assert fuzzer.run(1000).total >= 1000
        assert fuzzer.faults() == []
