"""How Locust is started and ended."""

from __future__ import annotations

import select
import subprocess
from itertools import pairwise

from loadgen.arrivals import parse_arrivals
from loadgen.command import Errand, _command, _end
from loadgen.plan import Plan


def test_processes_of_one_run_meet_on_a_port_of_their_own() -> None:
    """On Locust's own port the workers of another run on the machine would work for this one's master, and be counted."""
    plan = Plan("ws://x", "ws://x", "pushes", parse_arrivals("closed", 1), 1.0, 4, processes=2)
    ports = set()
    for _ in range(2):
        command = _command(Errand(plan))
        told = dict(pairwise(command))
        assert told["--master-bind-host"] == told["--master-host"] == "127.0.0.1"
        assert told["--master-bind-port"] == told["--master-port"] != "5557"
        ports.add(told["--master-port"])
    assert len(ports) == 2


def test_whom_locust_has_forked_ends_with_it() -> None:
    """Workers of a master that has ended by itself would look for another."""
    with subprocess.Popen(
        ["/bin/sh", "-c", "sleep 600 & echo forked"], stdout=subprocess.PIPE, start_new_session=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"forked\n"
        process.wait()
        _end(process)
        # The pipe ends with the last process that holds it.
        is_readable, _, _ = select.select([process.stdout], [], [], 30)
        assert is_readable
        assert process.stdout.read() == b""
