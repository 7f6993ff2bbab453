"""A Locust user on websocket-client, as most people write it: what our generator is meant to leave far behind."""

from __future__ import annotations

# Importing Locust patches the whole process, so it comes first.
import locust  # isort: skip

import itertools
import json
import time

import websocket

NUMBERS = itertools.count(1)
counted = {"pairs": 0, "since_s": 0.0}


class NaiveUser(locust.User):
    """One connection with one push under way."""

    def on_start(self) -> None:
        self.topic = f"task:{next(NUMBERS)}"
        self.ref = 1
        self.socket = websocket.create_connection(f"{self.environment.host}/socket/websocket?vsn=2.0.0")
        self.socket.send(json.dumps(["1", "1", self.topic, "phx_join", {}]))
        self.socket.recv()

    @locust.task
    def push(self) -> None:
        self.ref += 1
        began_s = time.perf_counter()
        push = ["1", str(self.ref), self.topic, "checkpoint", {"state": {"text": ""}, "seq": self.ref}]
        self.socket.send(json.dumps(push))
        _, ref, _, event, payload = json.loads(self.socket.recv())
        if event != "phx_reply" or ref != str(self.ref) or payload["status"] != "ok":
            raise SystemExit(f"a wrong reply: {ref} {event} {payload}")
        took_ms = (time.perf_counter() - began_s) * 1000
        self.environment.events.request.fire(
            request_type="WS", name="checkpoint", response_time=took_ms, response_length=0, exception=None
        )
        counted["pairs"] += 1


@locust.events.spawning_complete.add_listener
def begin(user_count: int) -> None:
    counted.update(pairs=0, since_s=time.process_time())


@locust.events.test_stopping.add_listener
def end(environment: object) -> None:
    print(
        json.dumps({"pairs": counted["pairs"], "cpu_s": time.process_time() - counted["since_s"]}), flush=True
    )
