"""A whole check of an honest server that is far away: `python -m tests.delaying_proxy.check [--delay-ms 20] [options of check]`.

It ends with 0 only where nothing is found, nothing is flaky, nothing is left open and nothing is our own fault.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from tests.conftest import ROOT, TOKEN, RunningServer, running

SERVE = Path(__file__).parent / "serve.py"
CLEAN = {"pass", "not_run"}


@contextmanager
def distant(server: RunningServer, delay_ms: float) -> Iterator[RunningServer]:
    """Put a proxy before a server."""
    target = urlsplit(server.url).netloc
    with running([str(SERVE)], "--target", target, "--delay-ms", str(delay_ms)) as proxy:
        yield proxy


def main() -> int:
    """Run the check and print what it found."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--delay-ms", type=float, default=20.0)
    given, options = parser.parse_known_args()
    with running(["-m", "wireproof", "serve"]) as server, distant(server, given.delay_ms) as proxy:
        command = [sys.executable, "-m", "wireproof", "check", proxy.url, "--json", "--control", server.url]
        done = subprocess.run(
            [*command, "--control-token", TOKEN, *options], cwd=ROOT, stdout=subprocess.PIPE, check=False
        )
    if not done.stdout:
        # It has said why on standard error.
        return done.returncode
    summary = json.loads(done.stdout)
    print(json.dumps(summary, indent=2))
    is_clean = {verdict for verdict, count in summary["counts"].items() if count} <= CLEAN
    return 0 if is_clean and done.returncode == 0 else 1


if __name__ == "__main__":
    sys.exit(main())
