"""Turns what was done in an attempt into a script: the same steps, with names in the place of values that were made for it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from conformance.client.steps import (
    AgentMade,
    Arrived,
    Asked,
    Caused,
    Ended,
    LetGo,
    NameMade,
    Opened,
    ResourceMade,
    Sent,
    Signed,
    Step,
    StrangerMade,
    Waited,
)
from conformance.findings.forgeries import KnownSignature, expression_of
from conformance.findings.sending import said
from conformance.findings.standalone.reading import Event, canonical, event_of, part
from conformance.findings.symbols import SHORTEST, NotSymbolic, Symbols, lone, names_in

Line = dict[str, Any]
"""One step of a script, as JSON."""


@dataclass(frozen=True, slots=True)
class Seen:
    """One thing that came, with names in the place of values of this run."""

    event: Any
    topic: Any
    ref: Any
    status: Any
    frame: Any
    at: int
    """Number of the step at which it was taken."""


@dataclass(slots=True)
class _Source:
    """Where a text came from that a server has made."""

    line: Line
    path: tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Told:
    """An attempt as a script, and what came in it, with the names of the script."""

    lines: list[Line]
    seen: Mapping[str, list[Seen]]


def tell(steps: Iterable[Step], base_url: str) -> Told:
    """Tell an attempt as a script.

    Args:
        steps: What was done.
        base_url: URL of the endpoint, which is no part of a script.

    Raises:
        NotSymbolic: If something cannot be said without values of the attempt.

    """
    scribe = _Scribe(base_url)
    lines = scribe.write(steps)
    return Told(lines, scribe.seen)


_AGENTS = {"to", "from_agent_id", "agent_id"}
"""Members of an operator's requests that name agents."""


class _Scribe:
    """Writes the script of one attempt."""

    def __init__(self, base_url: str) -> None:
        self.lines: list[Line] = []
        self.seen: dict[str, list[Seen]] = {}
        self._base_url = base_url
        self._symbols = Symbols()
        self._keys: dict[bytes, str] = {}
        self._signatures: list[KnownSignature] = []
        self._connections: dict[int, str] = {}
        self._let_go: set[int] = set()
        self._said: set[str] = set()
        """Texts that this side has sent: what comes back of them is no news."""
        self._news: dict[str, _Source] = {}

    def write(self, steps: Iterable[Step]) -> list[Line]:
        """Return the script of steps."""
        for step in steps:
            self._step(step)
        return _used(self.lines)

    def _step(self, step: Step) -> None:
        match step:
            case AgentMade() | StrangerMade():
                self._agent(step)
            case ResourceMade():
                self._resource(step)
            case Caused():
                payload = {name: self._member(name, member) for name, member in step.payload.items()}
                line = self._line("request", event=step.event, payload=payload)
                self._learn(step.response, line, ())
            case NameMade():
                name = self._symbols.name(step.name)
                self._symbols.define(step.value, name)
                self._line("unique", **{"as": name, "prefix": step.name})
            case Signed():
                self._signed(step)
            case _:
                self._wire_step(step)

    def _wire_step(self, step: Step) -> None:
        match step:
            case Opened():
                self._opened(step)
            case Asked():
                name = self._symbols.name("answer")
                asked = {"as": name, "method": step.method, "headers": self._named(step.headers)}
                self._line("ask", target=self._target(step.url), **asked)
                self._came(name, Event("HTTP", status=step.status) if step.status else Event("no answer"))
            case Sent():
                self._learn_said(step)
                self._add(
                    {"on": self._connections[step.connection], **said(step, self._symbols, self._named)}
                )
            case Arrived():
                self._arrived(step)
            case Ended():
                if step.connection not in self._let_go:
                    self._wait(step.connection, {"event": "closed"})
                    self._came(self._connections[step.connection], Event("closed", status=step.code))
            case LetGo():
                if step.how != "half_close":
                    self._let_go.add(step.connection)
                self._line(step.how, on=self._connections[step.connection])
            case Waited():
                self._line("pause", seconds=round(step.seconds, 3))

    def _line(self, do: str, **members: Any) -> Line:
        return self._add({"do": do, **members})

    def _add(self, line: Line) -> Line:
        self.lines.append(line)
        return line

    # Who and what there is

    def _agent(self, step: AgentMade | StrangerMade) -> None:
        name = self._symbols.name(step.name)
        self._keys[step.public_key] = name
        if isinstance(step, StrangerMade):
            self._line("stranger", **{"as": name})
            return
        if not {step.api_key, step.session_token}.issuperset(filter(None, step.secrets)):
            raise NotSymbolic("an agent has credentials of another kind")
        self._line("agent", **{"as": name, "attributes": self._named(step.attributes)})
        symbols = self._symbols
        symbols.define(step.api_key, f"{name}.api_key", is_secret=True)
        symbols.define(step.session_token, f"{name}.token", is_secret=True)
        symbols.define(step.agent_id, f"{name}.id")
        symbols.define(step.owner, f"{name}.owner")

    def _resource(self, step: ResourceMade) -> None:
        name = self._symbols.name(step.family)
        roles = {role: self._symbols.id(agent_id) for role, agent_id in step.roles.items()}
        made = {"roles": roles, "params": self._named(step.params)}
        self._line("resource", **{"as": name, "family": step.family, **made})
        self._symbols.define(step.topic, name)
        self._symbols.define(step.topic.partition(":")[2], f"{name}.partition(':')[2]")

    def _signed(self, step: Signed) -> None:
        by = self._keys.get(step.public_key)
        if by is None:
            raise NotSymbolic("a key signs that nobody was given")
        name = self._symbols.name("signature")
        data = self._data(step.data)
        line = self._line("sign", **{"as": name, "by": by, "data": data})
        known = KnownSignature(step.signature, name, step.public_key, by, step.data, f"{name}_data")
        self._signatures.append(known)
        self._symbols.define(step.signature, name)
        line["data_as"] = known.data_name

    def _data(self, data: bytes) -> Any:
        """Return signed bytes as the JSON value of which they are the canonical text, or as the text."""
        try:
            value = json.loads(data)
            if canonical(value) == data:
                return {"json": self._named(value)}
        except (ValueError, NotSymbolic):
            pass
        return {"text": self._symbols.text(data.decode("latin-1"))}

    # Connections

    def _target(self, url: str) -> Any:
        if not url.startswith(self._base_url):
            raise NotSymbolic("a URL is not below that of the endpoint")
        return self._symbols.text(url[len(self._base_url) :], is_query=True)

    def _opened(self, step: Opened) -> None:
        name = self._symbols.name(f"{step.name} socket")
        self._connections[step.connection] = name
        opened: Line = {"as": name, "target": self._target(step.url)}
        if step.headers:
            opened["headers"] = self._named(step.headers)
        self._line("connect", **opened)
        if step.status is not None:
            came = Event("HTTP", status=step.status) if step.status else Event("no answer")
            self._wait(step.connection, self._pattern(came))
            self._came(name, came)

    def _arrived(self, step: Arrived) -> None:
        event = event_of(step.data.decode(errors="replace") if step.is_text else step.data)
        line = self._wait(step.connection, self._pattern(event))
        self._came(self._connections[step.connection], event)
        where: Any = 4 if isinstance(event.frame, list) else "payload"
        self._learn(part(event.frame, where), line, (where,))

    def _pattern(self, event: Event) -> Line:
        """Return what is waited for: a reply by its ref and status, anything else by its topic and event."""
        named = self._symbols.anything
        if event.status is not None and event.event == "phx_reply":
            return {"ref": named(event.ref), "status": named(event.status)}
        if event.topic is None and event.ref is None:
            status = {"status": event.status} if event.status is not None else {}
            return {"event": named(event.event), **status}
        return {"topic": named(event.topic), "event": named(event.event)}

    def _came(self, connection: str, event: Event) -> None:
        named, at = self._symbols.anything, len(self.lines) - 1
        ref, status = named(event.ref), named(event.status)
        seen = Seen(named(event.event), named(event.topic), ref, status, named(event.frame), at)
        self.seen.setdefault(connection, []).append(seen)

    def _wait(self, connection: int, wanted: Line) -> Line:
        return self._line("wait", on=self._connections[connection], **{"for": wanted})

    # Names

    def _named(self, value: Any) -> Any:
        """Return a value with names in it, those of forged signatures and of what the server has made included."""
        forged = expression_of(value, self._signatures) if isinstance(value, (str, list)) else None
        if forged is not None and self._symbols.expression_of(str(value)) is None:
            return lone(forged)
        if isinstance(value, str):
            self._take(value)
            return self._symbols.text(value)
        if isinstance(value, Mapping):
            whole = self._symbols.json(dict.fromkeys(value))
            return {name: self._named(value[name]) for name in whole}
        return [self._named(item) for item in value] if isinstance(value, (list, tuple)) else value

    def _member(self, name: str, value: Any) -> Any:
        """Return a member of an operator's request; those that name an agent hold its id."""
        return self._symbols.id(value) if name in _AGENTS else self._named(value)

    def _take(self, text: str) -> None:
        """Name a text that the server has made and this side now sends."""
        source = self._news.pop(text, None) if _is_made(text) else None
        if source is None or self._symbols.expression_of(text) is not None:
            return
        wish = next((step for step in reversed(source.path) if isinstance(step, str)), "made")
        name = self._symbols.name(wish)
        source.line.setdefault("keep", []).append({"as": name, "path": list(source.path)})
        self._symbols.define(text, name)

    def _learn(self, value: Any, line: Line, path: tuple[Any, ...]) -> None:
        """Remember where texts came from."""
        if isinstance(value, str) and value not in self._said and isinstance(self._symbols.text(value), str):
            self._news.setdefault(value, _Source(line, path))
        members: Iterable[tuple[Any, Any]] = ()
        if isinstance(value, Mapping):
            members = value.items()
        elif isinstance(value, list):
            members = enumerate(value)
        for step, member in members:
            self._learn(member, line, (*path, step))

    def _learn_said(self, sent: Sent) -> None:
        try:
            self._said |= _texts(json.loads(sent.parts[0]))
        except (ValueError, RecursionError):
            return


def _is_made(text: str) -> bool:
    """Tell whether a text looks like an id that a server has made, and not like a word or an amount."""
    return len(text) >= SHORTEST and any(map(str.isdigit, text)) and any(map(str.isalpha, text))


def _texts(value: Any) -> set[str]:
    if isinstance(value, str):
        return {value}
    members = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return {text for member in members for text in _texts(member)}


def _used(lines: list[Line]) -> list[Line]:
    """Return a script without names that nothing uses."""
    kept: list[Line] = []
    used: set[str] = set()
    for line in reversed(lines):
        names = {line["as"], line.get("data_as")} if line["do"] in {"unique", "sign", "stranger"} else None
        if names is not None and not names & used:
            continue
        used |= names_in(line) | {line.get("on", ""), line.get("by", "")}
        kept.append(line)
    return kept[::-1]
