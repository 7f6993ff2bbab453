"""What the connections of a server share: their numbers, who is shut out after a cut, and where records go."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from itertools import count
from typing import TYPE_CHECKING, Protocol

from reference_server.chaos.draws import FaultStream
from reference_server.chaos.record import FaultRecord, now_as_text
from reference_server.handshake import Accept, Refuse
from reference_server.membership import OPERATOR

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from websockets.http11 import Request

    from reference_server.chaos.draws import Carried
    from reference_server.chaos.record import Recorder
    from reference_server.chaos.rules import Cut, Rules
    from reference_server.chaos.rules import Refuse as RefuseRule
    from reference_server.handshake import Policy
    from reference_server.outcome import Identity


class Target(Protocol):
    """A connection that a rule can strike from outside."""

    def cut(self, rule: Cut) -> None:
        """End the connection as a rule says."""


@dataclass(slots=True)
class _Closure:
    """An agent that is not let in."""

    number: int
    rule: RefuseRule
    until_s: float
    refused: int = 0


class Chaos:
    """What the connections of a server share.

    Args:
        rules: What may happen.
        seed: Makes it happen again.
        recorder: Takes a record of every fault.

    """

    def __init__(self, rules: Rules, seed: int, recorder: Recorder) -> None:
        self._rules = rules
        self._seed = seed
        self._recorder = recorder
        self._numbers = count(1)
        self._closures: dict[str, _Closure] = {}
        self.live: dict[Target, None] = {}
        """Connections that faults can strike, in the order of their numbers."""

    def admit(self, identity: Identity) -> FaultStream | None:
        """Return the faults of a new connection; None for operators, who are spared."""
        if identity.socket.identity == OPERATOR:
            return None
        return FaultStream(self._rules, self._seed, next(self._numbers))

    def record(
        self,
        number: int,
        identity: Identity,
        fault: Any,
        carried: Carried | None,
        **detail: int | float | str,
    ) -> None:
        """Write a fault down."""
        self._recorder.write(
            FaultRecord(
                time=now_as_text(),
                connection=number,
                socket=identity.socket.name,
                agent=identity.agent_id,
                fault=fault,
                topic=carried.topic if carried else None,
                event=carried.event if carried else None,
                detail=detail,
            )
        )

    def shut_out(self, identity: Identity, faults: FaultStream) -> float | None:
        """Draw whether the agent of a connection that was cut is refused, and return for how many seconds."""
        longest: float | None = None
        for rule, for_s in faults.refusals():
            until_s = asyncio.get_running_loop().time() + for_s
            if longest is None or for_s > longest:
                self._closures[identity.agent_id] = _Closure(faults.number, rule, until_s)
                longest = for_s
        return longest

    def deciding(
        self, honest: Callable[[Request, Policy], Accept | Refuse]
    ) -> Callable[..., Accept | Refuse]:
        """Return a decision on handshakes that refuses agents for a while after a cut."""

        def decide(request: Request, policy: Policy) -> Accept | Refuse:
            decision = honest(request, policy)
            if isinstance(decision, Refuse) or decision.identity.socket.identity == OPERATOR:
                return decision
            return self._refusal(decision.identity) or decision

        return decide

    def _refusal(self, identity: Identity) -> Refuse | None:
        closure = self._closures.get(identity.agent_id)
        if closure is None:
            return None
        is_over = asyncio.get_running_loop().time() >= closure.until_s
        if is_over or closure.refused == closure.rule.attempts:
            del self._closures[identity.agent_id]
            return None
        closure.refused += 1
        self.record(closure.number, identity, "refuse", None, status=closure.rule.status)
        return Refuse(closure.rule.status)
