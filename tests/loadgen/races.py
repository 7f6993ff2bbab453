"""Whether load runs name what only concurrency shows: `python -m tests.loadgen.races`, from the root of the repository.

Each deviation gets a server of its own and one load of at most a minute; found is what the judge names with its requirement.
With `--clean RUNS` honest servers are loaded so often with each scenario of the table, and must not be accused. Exit code 0 when all are
found and nobody is accused, 1 otherwise.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.conftest import TOKEN, running

TRANSFERS = ("transfers", "--set", "twice=1")
TASKS = ("contention", "--set", "on=task")
PAYMENTS = ("contention", "--set", "on=payment")
MESSAGES = ("inboxes", "--set", "twice=1", "--set", "read_s=0")
NEGOTIATIONS = ("contention", "--set", "on=negotiation")

ONCE = "payment/concurrent-acknowledge-executes-once"
EXACT = "payment/transfer-complete-exact"

LOADS: dict[str, tuple[tuple[str, ...], str]] = {
    "executes-overlapping-acknowledgements": (TRANSFERS, ONCE),
    "acknowledges-from-stale-copy": (TRANSFERS, ONCE),
    "loses-overlapping-transfers": (TRANSFERS, EXACT),
    "loses-update-of-balances": (TRANSFERS, EXACT),
    "loses-concurrent-updates": (PAYMENTS, EXACT),
    "takes-nonce-twice-at-once": (PAYMENTS, "payment/nonce-above-pending"),
    "executes-what-is-being-rejected": (PAYMENTS, "payment/reject-drops-proposal"),
    "agrees-while-being-rejected": (NEGOTIATIONS, "negotiation/settled-is-final"),
    "agrees-on-former-average": (NEGOTIATIONS, "negotiation/concurrent-pushes-ordered"),
    "disputes-what-is-being-closed": (PAYMENTS, "payment/close-closes"),
    "loses-overlapping-offers": (NEGOTIATIONS, "negotiation/accept-is-average"),
    "completes-what-is-being-cancelled": (TASKS, "task/closed-is-final"),
    "keeps-state-per-connection": (TASKS, "task/closed-is-final"),
    "takes-overlapping-chunks": (TASKS, "task/seq-conflict-refused"),
    "keeps-lower-of-overlapping-checkpoints": (TASKS, "task/checkpoint-latest-wins"),
    "relays-before-it-decides": (TASKS, "task/refusal-has-no-effect"),
    "executes-what-is-being-disputed": (PAYMENTS, "payment/reject-drops-proposal"),
    "closes-while-something-is-proposed": (PAYMENTS, "payment/nonce-above-pending"),
    "settles-message-twice-at-once": (MESSAGES, "messages/unknown-id-refused"),
}
"""The load that is put on a server with each deviation, and the requirement that its history breaks: a judge of histories names the rule of
the family that no order can keep, where the suite's race cases name the race."""


@dataclass(frozen=True)
class Trial:
    """One load and what it named."""

    name: str
    wanted: str | None
    named: dict[str, int]
    is_judged: bool

    @property
    def is_well(self) -> bool:
        """Whether what was to be named was, or nothing where nothing was."""
        return self.is_judged and (self.wanted in self.named if self.wanted else not self.named)


def tried(
    name: str | None, scenario: tuple[str, ...], wanted: str | None, seed: int, duration_s: float
) -> Trial:
    """Load a server that has a deviation, or none."""
    deviation = () if name is None else ("--deviate", name)
    with (
        tempfile.TemporaryDirectory() as folder,
        running(["-m", "wireproof", "serve"], "--seed", str(seed), *deviation) as server,
    ):
        command = [sys.executable, "-m", "wireproof", "load", server.url, "--control-token", TOKEN, "--json"]
        command += [
            "--scenario",
            *scenario,
            "--agents",
            "32",
            "--duration",
            f"{duration_s}s",
            "--seed",
            str(seed),
        ]
        command += ["--run-dir", str(Path(folder) / "run")]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=600)
    if not done.stdout:
        raise SystemExit(f"{name or 'an honest server'}: {done.stderr}")
    told: dict[str, Any] = json.loads(done.stdout)
    named = {row["requirement"]: row["count"] for row in told["findings"]}
    return Trial(name or "honest", wanted, named, told["is_judged"])


def main(arguments: list[str] | None = None) -> int:
    """Run and show the table."""
    parser = argparse.ArgumentParser(prog="races", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help="deviations; all by default")
    parser.add_argument("--clean", type=int, default=0, metavar="RUNS", help="loads of honest servers")
    parser.add_argument("--duration-s", type=float, default=20.0)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args(arguments)
    trials = []
    names = options.names or ([] if options.clean else list(LOADS))
    loads = sorted({scenario for scenario, _ in LOADS.values()})
    for name in names:
        trials.append(tried(name, *LOADS[name], options.seed, options.duration_s))
        show(trials[-1])
    for number in range(options.clean):
        trials.append(
            tried(None, loads[number % len(loads)], None, options.seed + number, options.duration_s)
        )
        show(trials[-1])
    print(f"{sum(trial.is_well for trial in trials)} of {len(trials)} as they should be")
    return int(not all(trial.is_well for trial in trials))


def show(trial: Trial) -> None:
    """Print a row."""
    named = ", ".join(f"{name} ({count})" for name, count in trial.named.items()) or "nothing"
    verdict = "ok    " if trial.is_well else "FAILED"
    wanted = f", wanted {trial.wanted}" if trial.wanted else ""
    print(
        f"{verdict} {trial.name}{wanted}: named {named}{'' if trial.is_judged else '; not judged'}",
        flush=True,
    )


if __name__ == "__main__":
    sys.exit(main())
