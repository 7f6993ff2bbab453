"""A provisioner program for `wireproof check`: makes agents and resources over the reference server's control topic.

It reads a JSON object a line from standard input and writes one a line to standard output, as
`conformance/provisioning/schemas/command.schema.json` says. For a deployment of your own, put calls of its API in the place of
`control`; the rest can stay. What cannot be made is answered with `{"id": .., "error": "why, in one line"}`.

The operator's token is read from WIREPROOF_CONTROL_TOKEN.
"""

from __future__ import annotations

import json
import os
import sys
from itertools import count
from typing import Any
from urllib.parse import urlencode

from websockets.sync.client import ClientConnection, connect

FORMAT = 1
REFS = count(1)


class Refused(Exception):
    """What was asked for cannot be made."""


def control(socket: ClientConnection, event: str, payload: Any) -> Any:
    """Send one event to the control topic and return the response to it."""
    ref = str(next(REFS))
    socket.send(json.dumps(["1", ref, "control", event, payload]))
    while True:
        _, answered, _, name, reply = json.loads(socket.recv(timeout=10))
        if name == "phx_reply" and answered == ref:
            if reply["status"] != "ok":
                raise Refused(reply["response"].get("reason", "refused"))
            return reply["response"]


def create_agent(socket: ClientConnection, asked: Any) -> Any:
    """Make an agent whose signatures verify with the public key that is asked for."""
    made = control(socket, "create_agent", {"public_key": asked["public_key"], **asked["attributes"]})
    return {name: made[name] for name in ("agent_id", "owner", "api_key", "session_token")}


def create_resource(socket: ClientConnection, asked: Any) -> Any:
    """Make a task, a negotiation session or a payment channel."""
    made = control(socket, "create_resource", {name: asked[name] for name in ("family", "roles", "params")})
    return {"topic": made["topic"]}


def cause(socket: ClientConnection, asked: Any) -> Any:
    """Do what only an operator can."""
    return control(socket, asked["event"], asked["payload"])


def release(_socket: ClientConnection, _asked: Any) -> Any:
    """Keep what was made; a deployment of your own may want it removed."""
    return {}


ANSWERS = {
    "create_agent": create_agent,
    "create_resource": create_resource,
    "cause": cause,
    "release": release,
}


def main() -> None:
    """Answer one request after the other until there are no more."""
    hello = json.loads(sys.stdin.readline())
    query = urlencode({"token": os.environ["WIREPROOF_CONTROL_TOKEN"], "vsn": "2.0.0"})
    with connect(f"{hello['url']}/control/websocket?{query}") as socket:
        control(socket, "phx_join", {})
        print(json.dumps({"id": hello["id"], "ok": {"format": FORMAT}}), flush=True)
        for line in sys.stdin:
            asked = json.loads(line)
            try:
                answer = {"ok": ANSWERS[asked["request"]](socket, asked)}
            except Refused as exc:
                answer = {"error": str(exc)}
            print(json.dumps({"id": asked["id"], **answer}), flush=True)


if __name__ == "__main__":
    main()
