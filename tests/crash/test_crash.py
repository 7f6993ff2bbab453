"""A server that is killed under load has lost nothing that any client was told."""

from __future__ import annotations

import asyncio
import os
import random
from pathlib import Path

import pytest

from tests.crash import rounds

ROUNDS = int(os.environ.get("WIREPROOF_CRASH_ROUNDS", "2"))
SEED = int(os.environ.get("WIREPROOF_CRASH_SEED", random.SystemRandom().randrange(10**6)))
HASTY = (str(Path(__file__).with_name("hasty_server.py")),)
FEWEST_CONFIRMED = 20
MANY = 20
"""Rounds for what one round may miss; the first finding ends them."""


@pytest.mark.parametrize("durability", ["full", "normal"])
def test_nothing_that_was_confirmed_is_lost(tmp_path: Path, durability: str) -> None:
    """Every effect is there, no nonce executes twice, balances are conserved, no message is lost; round after round."""
    market = asyncio.run(rounds.run(tmp_path, ROUNDS, SEED, "--durability", durability))
    assert market.findings == [], f"repeat with WIREPROOF_CRASH_SEED={SEED} WIREPROOF_CRASH_ROUNDS={ROUNDS}"
    assert market.confirmed > FEWEST_CONFIRMED * ROUNDS
    print(f"{durability}: {market.confirmed} confirmed effects in {ROUNDS} rounds, seed {SEED}")


@pytest.mark.parametrize(
    ("deviation", "finding"),
    [("forgets-nonces-at-restart", "nonce"), ("rounds-balances-at-restart", "balances")],
)
def test_a_server_that_forgets_at_its_start_is_caught(tmp_path: Path, deviation: str, finding: str) -> None:
    """The named deviations that only a restart can show are shown here."""
    market = asyncio.run(rounds.run(tmp_path, MANY, SEED, "--deviate", deviation))
    assert any(finding in found for found in market.findings), market.findings


def test_a_server_that_answers_before_it_has_written_is_caught(tmp_path: Path) -> None:
    """The negative control: the test can fail."""
    market = asyncio.run(rounds.run(tmp_path, MANY, SEED, command=HASTY))
    assert any("was confirmed and is lost" in finding for finding in market.findings)
