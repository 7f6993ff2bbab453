"""What Locust runs, as far as it can be seen without a run."""

from __future__ import annotations

import subprocess
import sys

AWAKE = """
import loadgen.locustfile
import gevent, psutil
from locust import runners
from locust.env import Environment

psutil.Process.cpu_percent = lambda self: 99.0
runners.CPU_MONITOR_INTERVAL = 0.01
runner = Environment().create_local_runner()
while not runner.current_cpu_usage:
    gevent.sleep(0.01)
gevent.sleep(0.01)
print(runner.cpu_warning_emitted)
"""


def test_locust_does_not_warn_of_a_generator_that_is_awake() -> None:
    """What a process takes of its core is judged by the generator, which knows what of it was work."""
    run = [sys.executable, "-c", AWAKE]
    told = subprocess.run(run, capture_output=True, text=True, check=True, timeout=60)
    assert (told.stdout.strip(), told.stderr) == ("False", "")
