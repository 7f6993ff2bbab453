"""What a case works with: agents, connections and stages, made fresh for one attempt and cleared away after it."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

from conformance.doubts import Doubts
from conformance.endpoint import Endpoint
from conformance.faults import Breach, CannotTell, Violation
from conformance.monitor import Monitor, compiled
from conformance.peer import Peer
from conformance.provision import Agent, Provisioner
from conformance.transcript import Transcript
from conformance.wire import Deadline, HandshakeRefused, Unreachable, Wire
from specs.model import Api, Schema
from specs.participants import derive_participant
from specs.serializer import SERIALIZERS
from specs.validation import Validator


@dataclass(frozen=True, slots=True)
class Bench:
    """What is the same for all cases of a run."""

    api: Api
    endpoint: Endpoint
    provisioner: Provisioner
    seed: int
    run: str
    """Label that keeps the names of this run apart from those of others."""
    validators: dict[int, Validator] = field(default_factory=dict)
    doubts: Doubts = field(default_factory=Doubts)

    def validator(self, schema: Schema) -> Validator:
        """Return the compiled form of a schema of the documents."""
        return compiled(self.validators, schema)


class Lab:
    """The means of one attempt at one case."""

    def __init__(self, bench: Bench, case_id: str, attempt: int) -> None:
        timeouts = bench.endpoint.profile.timeouts
        self.bench = bench
        self.api = bench.api
        self.transcript = Transcript()
        self.deadline = Deadline(timeouts.case_s)
        self.reply_s = timeouts.reply_s
        self.breaches: list[Breach] = []
        self._label = f"{bench.run}/{case_id}/{attempt}"
        self._wires: list[Wire] = []
        self._names = 0

    def unique(self, name: str) -> str:
        """Return an identifier that no other attempt uses, the same for the same seed and run."""
        self._names += 1
        digest = hashlib.sha256(f"{self.bench.seed}/{self._label}/{name}/{self._names}".encode()).hexdigest()
        return f"{name}-{digest[:12]}"

    def agent(self, name: str, attributes: Mapping[str, Any] | None = None) -> Agent:
        """Make a fresh agent."""
        self._names += 1
        participant = derive_participant(self.bench.seed, f"{self._label}/{self._names}", name)
        agent = self.bench.provisioner.create_agent(participant, {"name": name, **(attributes or {})})
        self.transcript.hide(agent.api_key, agent.session_token)
        return agent

    def url(self, socket: str, params: Mapping[str, str], vsn: str | None) -> str:
        """Return the URL of a socket with a query; parameters are named as the deployment's profile says."""
        renamed = self.bench.endpoint.profile.params
        query = {renamed.get(name, name): value for name, value in params.items()}
        if vsn is not None:
            query["vsn"] = vsn
        return f"{self.bench.endpoint.socket_url(self.api, socket)}?{urlencode(query)}"

    def connect(
        self, agent: Agent, *, socket: str = "agent", vsn: str = "2.0.0", name: str | None = None
    ) -> Peer:
        """Open a connection for an agent.

        Raises:
            CannotTell: If it is refused or does not answer; the cases about the handshake judge that.

        """
        credentials = agent.credentials(self.api.sockets[socket].credentials[0])
        try:
            wire = self.open(self.url(socket, credentials, vsn), name or agent.participant.name)
        except (Unreachable, HandshakeRefused) as exc:
            raise CannotTell(
                f"{agent.participant.name} cannot connect to the {socket} socket: {exc}"
            ) from exc
        return self.peer(wire, socket=socket, vsn=vsn)

    def open(self, url: str, name: str, headers: dict[str, str] | None = None) -> Wire:
        """Open a WebSocket; what it raises is `Wire.connect`'s."""
        timeout_s = self.deadline.cap(self.bench.endpoint.profile.timeouts.connect_s) - self.deadline.cap(0)
        wire = Wire.connect(
            url, name=name, transcript=self.transcript, timeout_s=max(timeout_s, 0.001), headers=headers
        )
        self._wires.append(wire)
        return wire

    def peer(self, wire: Wire, *, socket: str = "agent", vsn: str | None = "2.0.0") -> Peer:
        """Put the Phoenix session and the monitor on an open connection."""
        serializer = SERIALIZERS[vsn or "1.0.0"]
        monitor = Monitor(
            self.api, socket, serializer, self.advise, self.bench.validators, doubts=self.bench.doubts
        )
        return Peer(
            wire, serializer, monitor, reply_s=self.reply_s, deadline=self.deadline, doubts=self.bench.doubts
        )

    def advise(self, requirement: str, expected: str, observed: str) -> None:
        """Record advice and go on; each requirement once in an attempt."""
        if all(breach.requirement != requirement for breach in self.breaches):
            self.breaches.append(Breach(requirement, expected, observed, is_advice=True))

    def mention(self, requirement: str, subject: str, expected: str, observed: str) -> None:
        """Record advice that would be the same in many cases: once a run for each subject."""
        if self.bench.doubts.is_new(requirement, subject):
            self.advise(requirement, expected, observed)

    def report(self, requirement: str, expected: str, observed: str) -> None:
        """Record a breach of an interpreted requirement and go on; end the case for a binding one."""
        if self.api.requirements[requirement].is_binding:
            raise Violation(requirement, expected, observed)
        self.advise(requirement, expected, observed)

    def demand(self, is_met: object, requirement: str, expected: str, observed: object) -> None:
        """Report a breach of a requirement unless it is met."""
        if not is_met:
            self.report(requirement, expected, str(observed))

    def close(self) -> None:
        """Close every connection of the attempt."""
        for wire in self._wires:
            wire.close()
