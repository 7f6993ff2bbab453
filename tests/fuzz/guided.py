"""One target under atheris, which looks for inputs that reach new code: `python -m tests.fuzz.guided TARGET RUNS SEED FOLDER`.

Ends with 0 after that many inputs, and otherwise at the first that misbehaves, which it writes to a file and names.
"""

from __future__ import annotations

import atexit
import signal
import sys
import tempfile
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["reference_server", "specs", "websockets"]):
    from tests.fuzz.targets import TARGETS

from tests.fuzz.mutation import Mutator

_LONGEST_BYTES = 6000


def main(name: str, runs: int, seed: int, corpus: Path) -> None:
    """Run a target, beginning with its seeds, which are written to an empty folder; does not return."""
    target, seeds = TARGETS[name]
    mutator = Mutator(seed)

    def mutate(data: bytes, max_size: int, _: int) -> bytes:
        # Half of the changes know what frames are made of.
        if mutator.random.random() < 0.5:
            return mutator.of((data, *seeds()[:50]))[:max_size]
        return bytes(atheris.Mutate(data, max_size))

    for number, data in enumerate(seeds()):
        (corpus / str(number)).write_bytes(data[:_LONGEST_BYTES])
    options = {
        "atheris_runs": runs,
        "seed": seed,
        "max_len": _LONGEST_BYTES,
        "timeout": 30,
        "rss_limit_mb": 1500,
        "artifact_prefix": f"{tempfile.gettempdir()}/wireproof-{name}-",
    }
    arguments = [sys.argv[0], *(f"-{option}={value}" for option, value in options.items()), str(corpus)]
    # The fuzzer's own timer outlives its handler, and would kill a process that is about to end well.
    atexit.register(signal.setitimer, signal.ITIMER_REAL, 0)
    atheris.Setup(arguments, target, custom_mutator=mutate)
    atheris.Fuzz()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), Path(sys.argv[4]))
