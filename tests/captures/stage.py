"""What the names of a recording stand for on a reference server: its agents, topics, URLs and payloads."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

from conformance.fixtures.provision import Agent
from conformance.provisioning.control import ControlProvisioner
from specs.participants import derive_participant

#: Topics of the recording that stand for a task of ours; the one with many x is its longest.
TASK = re.compile(r'"(task:(?:t1|t2|slow|m[0-9]+|x{50,}))"')
INBOX = re.compile(r'"messages:([au]1)"')
API_KEY = re.compile(r"api_key=key_([a-z][0-9])")
USER = re.compile(r"agent_id=([a-z][0-9])&token=t\b")
API_KEY_IN_LIST = re.compile(r"api_key\[\]=key_([a-z][0-9])")

#: What we send in place of the recording's payload, which its app took as it came.
PAYLOADS: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {
    "progress": lambda sent: {"percent": 50, "message": sent.get("unicode", "at work")},
    "input_stream": lambda sent: {"chunk": sent.get("unicode", "a"), "seq": 0},
    "update_metadata": lambda sent: {"metadata": sent},
    "discover": lambda sent: {"capability": "translation", **sent},
}


class Stage:
    """The agents and tasks of one recorded row, made when the row first names them."""

    def __init__(self, provisioner: ControlProvisioner, row: str) -> None:
        self.provisioner = provisioner
        self._row = row
        self._agents: dict[str, Agent] = {}
        self._topics: dict[str, str] = {}
        self.relayed: dict[str, dict[str, Any]] = {}
        """The payload that we sent last, by event."""

    def agent(self, name: str) -> Agent:
        """Return the agent of a name such as `a1`."""
        if name not in self._agents:
            participant = derive_participant(1, self._row, name)
            self._agents[name] = self.provisioner.create_agent(participant, {})
        return self._agents[name]

    def name_of(self, agent_id: str) -> str:
        """Return the recording's name of an agent, or the id of one that it has not."""
        return next((name for name, agent in self._agents.items() if agent.agent_id == agent_id), agent_id)

    def task(self, topic: str) -> str:
        """Return the topic of the task that a recorded topic stands for: `a1` orders it, `z9` carries it out."""
        if topic not in self._topics:
            roles = {"client": self.agent("a1").agent_id, "provider": self.agent("z9").agent_id}
            self._topics[topic] = self.provisioner.create_resource("task", roles, {})
        return self._topics[topic]

    def target(self, recorded: str) -> str:
        """Return the path and query that a recorded one stands for."""
        target = API_KEY.sub(lambda match: f"api_key={self.agent(match[1]).api_key}", recorded)
        target = API_KEY_IN_LIST.sub(lambda match: f"api_key[]={self.agent(match[1]).api_key}", target)
        if "session_token=key_s" in target:
            target = target.replace("=key_s", f"={self.agent('s').session_token}")
        target = USER.sub(lambda match: self._user_query(match[1]), target)
        return re.sub(r"^/socket_(short|origin)/", "/socket/", target)

    def _user_query(self, name: str) -> str:
        user = self.agent(name)
        return f"agent_id={user.agent_id}&token={user.session_token}"

    def named(self, text: str) -> str:
        """Return a recorded frame with our topics in it, otherwise as it stands."""
        text = TASK.sub(lambda match: json.dumps(self.task(match[1])), text)
        return INBOX.sub(lambda match: json.dumps(f"messages:{self.agent(match[1]).agent_id}"), text)

    def sent(self, text: str) -> str:
        """Return what we send for a recorded frame: our topics, and a payload that our documents know."""
        text = self.named(text)
        try:
            frame = json.loads(text)
        except ValueError:
            return text
        has_fields = (isinstance(frame, list) and len(frame) >= 5) or isinstance(frame, dict)
        if not has_fields or not self._is_ours(field(frame, "topic")):
            return text
        event, payload = field(frame, "event"), field(frame, "payload")
        if not isinstance(event, str) or event not in PAYLOADS or not isinstance(payload, dict):
            return text
        self.relayed[event] = PAYLOADS[event](payload)
        return json.dumps(with_payload(frame, self.relayed[event]))

    def _is_ours(self, topic: Any) -> bool:
        return topic == "agents:discovery" or topic in self._topics.values()


def field(frame: Any, name: str) -> Any:
    """Return a field of a frame of either serializer."""
    if isinstance(frame, dict):
        return frame.get(name)
    return frame[("join_ref", "ref", "topic", "event", "payload").index(name)]


def with_payload(frame: Any, payload: Any) -> Any:
    """Return a frame with another payload."""
    return {**frame, "payload": payload} if isinstance(frame, dict) else [*frame[:4], payload, *frame[5:]]
