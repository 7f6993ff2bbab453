"""Random histories of all families that the checker knows: honest ones, and what becomes of them when facts are tampered with.

All is drawn from one `random.Random`, so that a seed always gives the same facts.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from copy import deepcopy
from decimal import Decimal
from random import Random
from typing import Any

from specs.history.facts import Answered, Ended, Fact, Invoked, Left, Opened, Received, Recorder
from specs.history.messages import SEND

SIGNED = {"signature": "c2ln"}


class Ground:
    """A history as it is told, with as many connections of each agent as were opened."""

    def __init__(self, draw: Random) -> None:
        self.facts: list[Fact] = []
        self.record = Recorder(self.facts.append)
        self.draw = draw

    def join(self, topic: str, connection: str, response: Any) -> None:
        """Join and be let in."""
        # What is answered later may be told otherwise.
        told = deepcopy(response)
        self.record.answered(self.record.invoked(connection, topic, "phx_join", {}), "ok", told)

    def enter(self, topic: str, connections: list[str], response: Any) -> None:
        """Open connections, each of the agent that stands before the stroke, and join."""
        for connection in connections:
            self.record.opened(connection, connection.partition("/")[0])
            self.join(topic, connection, response)

    def push(
        self, topic: str, by: str, event: str, payload: Any, to: list[str], told: Any = None, **as_: Any
    ) -> None:
        """Push, be answered, and let some be told: the order of answer and arrivals is drawn."""
        call = self.record.invoked(by, topic, event, payload)
        answer = self.draw.randrange(len(to) + 1)
        status = as_.get("status", "ok")
        for index, connection in enumerate([*to, ""]):
            if index == answer:
                self.record.answered(call, status, as_.get("response", {}))
            if connection and status != "error":
                self.record.received(connection, topic, as_.get("as_event", event), told or dict(payload))

    def refused(self, topic: str, by: str, event: str, payload: Any) -> None:
        """Push and be refused."""
        self.push(topic, by, event, payload, [], status="error", response={"reason": "no"})


def payment(ground: Ground, number: str) -> Iterator[None]:
    """Transfers both ways, some rejected or refused; joins that tell the balances; a dispute, perhaps, and a close."""
    topic, draw, balances = f"payment:{number}", ground.draw, [Decimal(100), Decimal(50)]
    sides = [[f"a{number}/1", f"a{number}/2"], [f"b{number}/1", f"b{number}/2"]]

    def shown(status: str = "open") -> dict[str, Any]:
        told = {"id": number, "status": status}
        return {"channel": {**told, "balance_a": f"{balances[0]}", "balance_b": f"{balances[1]}"}}

    ground.record.made(topic, {"a": f"a{number}", "b": f"b{number}"}, {"balance_a": "100", "balance_b": "50"})
    ground.enter(topic, sides[0] + sides[1], shown())
    for nonce in range(1, draw.randrange(8, 30)):
        payer = draw.randrange(2)
        payee = 1 - payer
        amount = draw.choice(["0.5", "1", "2.25", "0.00000001", "7"])
        by, back = draw.choice(sides[payer]), draw.choice(sides[payee])
        proposed = {"amount": amount, "nonce": nonce, **SIGNED}
        if draw.random() < 0.1 or Decimal(amount) > balances[payer]:
            ground.refused(topic, by, "propose_transfer", {**proposed, "amount": "100000"})
            continue
        ground.push(topic, by, "propose_transfer", proposed, sides[payee])
        if draw.random() < 0.15:
            ground.push(topic, back, "reject_transfer", {"reason": "no", "nonce": nonce}, sides[payer])
            continue
        balances[payer] -= Decimal(amount)
        balances[payee] += Decimal(amount)
        told = {"nonce": nonce, "amount": amount, **shown()["channel"]}
        arrivals, as_event = sides[0] + sides[1], "transfer_complete"
        ground.push(topic, back, "acknowledge_transfer", proposed, arrivals, told, as_event=as_event)
        if draw.random() < 0.1:
            ground.refused(topic, back, "acknowledge_transfer", proposed)
        if draw.random() < 0.1:
            ground.join(topic, draw.choice(sides[payer]), shown())
        if draw.random() < 0.2:
            ground.record.settled(topic)
        yield
    if draw.random() < 0.3:
        disputed = {"reason": "r", "evidence": {"nonce": 1}}
        ground.push(topic, sides[0][0], "dispute", disputed, sides[1])
    final = {"final_balance_a": f"{balances[0]}", "final_balance_b": f"{balances[1]}"}
    ground.push(topic, sides[1][0], "close", {**final, "signature_a": "", "signature_b": ""}, sides[0])
    ground.join(topic, sides[0][1], shown("closed"))
    yield
    ground.refused(topic, sides[0][0], "propose_transfer", {"amount": "1", "nonce": 999, **SIGNED})
    ground.record.settled(topic)


def task(ground: Ground, number: str) -> Iterator[None]:
    """Chunks both ways, checkpoints that come back on a join, completions, an end."""
    topic, draw = f"task:{number}", ground.draw
    client, provider = [f"c{number}/1", f"c{number}/2"], [f"p{number}/1"]
    told: dict[str, Any] = {"task": {"id": number, "status": "open"}, "checkpoint": None}
    ground.record.made(topic, {"client": f"c{number}", "provider": f"p{number}"}, {})
    ground.enter(topic, client + provider, told)
    content = ""
    for seq in range(draw.randrange(6, 20)):
        chunk = draw.choice(["bright", "cold", "day", "april"])
        content += chunk
        ground.push(topic, provider[0], "output_stream", {"chunk": chunk, "seq": seq}, client)
        if draw.random() < 0.7:
            asked = {"chunk": draw.choice("abc"), "seq": seq}
            ground.push(topic, draw.choice(client), "input_stream", asked, provider)
        if draw.random() < 0.3:
            told["checkpoint"] = {"state": {"at": [seq]}, "seq": seq}
            ground.push(topic, provider[0], "checkpoint", told["checkpoint"], [])
            ground.join(topic, draw.choice(client + provider), told)
        if draw.random() < 0.2:
            ground.push(topic, provider[0], "progress", {"percent": seq, "message": "so far"}, client)
        if draw.random() < 0.2:
            ground.record.settled(topic)
        yield
    data = content.encode()
    whole = {"checksum": hashlib.sha256(data).hexdigest(), "total_size": len(data)}
    ground.refused(topic, provider[0], "output_complete", {**whole, "total_size": 1})
    ground.push(topic, provider[0], "output_complete", whole, [])
    yield
    done = {"task": {"id": number, "status": "completed", "result": {"is": "done"}}}
    arrivals, result = client + provider, {"result": {"is": "done"}}
    ground.push(topic, provider[0], "complete", result, arrivals, done, as_event="task_completed")
    yield
    ground.refused(topic, client[0], "cancel", {"reason": "late"})
    ground.join(topic, client[1], {**told, **done})
    ground.record.settled(topic)
    for connection in client + provider:
        ground.record.ended(connection)


def negotiation(ground: Ground, number: str) -> Iterator[None]:
    """Sessions: offers, some refused, an agreement or a rejection, and a look at what came of it."""
    draw = ground.draw
    for session in range(draw.randrange(3, 9)):
        topic, told = f"negotiation:{number}.{session}", {"session": {"id": number, "status": "open"}}
        sides = [f"nc{number}.{session}/1", f"np{number}.{session}/1"]
        ground.record.made(topic, {"client": sides[0][:-2], "provider": sides[1][:-2]}, {"base_price": "100"})
        ground.enter(topic, sides, told)
        for amounts in [
            (draw.randrange(80, 90), draw.randrange(90, 120)) for _ in range(draw.randrange(1, 4))
        ]:
            for side, amount in enumerate(amounts):
                offered = {"amount": f"{amount}", **SIGNED}
                heard = {**offered, "agent_id": sides[side][:-2]}
                ground.push(topic, sides[side], "offer", offered, [sides[1 - side]], heard)
        ground.refused(topic, sides[0], "offer", {"amount": "200.5", **SIGNED})
        yield
        if draw.random() < 0.2:
            ground.push(topic, sides[1], "reject", {"reason": "no"}, [sides[0]])
            told["session"]["status"] = "rejected"
        else:
            agreed = {"amount": f"{Decimal(sum(amounts)) / 2}", **SIGNED}
            heard = {"session_id": number, "amount": agreed["amount"]}
            ground.push(topic, sides[0], "accept", agreed, sides, heard, as_event="negotiation_complete")
            told["session"]["status"] = "agreed"
        ground.refused(topic, sides[0], "offer", {"amount": "1", **SIGNED})
        if draw.random() < 0.7:
            ground.record.settled(topic)
        for connection in sides:
            ground.record.ended(connection)
        if draw.random() < 0.4:
            ground.enter(topic, [f"{sides[0]}again"], told)
            ground.record.settled(topic)
        yield


def messages(ground: Ground, number: str) -> Iterator[None]:
    """Messages that are sent, delivered, again after a join, acknowledged or rejected."""
    agent, operator, draw = f"m{number}", f"operator{number}", ground.draw
    topic, connections = f"messages:{agent}", [f"{agent}/1", f"{agent}/2"]
    pending: dict[str, Any] = {}
    ground.record.made(topic, {"recipient": agent}, {})
    ground.record.opened(operator, "operator")
    ground.enter(topic, connections, {})
    for each in range(draw.randrange(8, 24)):
        content = {"type": "notice", "payload": {"n": each, "of": [number]}, "from_agent_id": "x"}
        name = f"{number}-{each}"
        pending[name] = {"id": name, "protocol_version": "1.0", "inserted_at": f"{each}", **content}
        as_ = {"as_event": "new_message", "response": {"message_id": name}}
        ground.push(topic, operator, SEND, {"to": agent, **content}, connections, pending[name], **as_)
        if draw.random() < 0.15:
            connection = draw.choice(connections)
            ground.join(topic, connection, {})
            for letter in pending.values():
                ground.record.received(connection, topic, "new_message", dict(letter))
        if draw.random() < 0.7:
            name = draw.choice(list(pending))
            del pending[name]
            event = draw.choice(["acknowledge", "reject"])
            settled = {"message_id": name, "reason": "r"}
            ground.push(topic, draw.choice(connections), event, settled, [])
            if draw.random() < 0.2:
                ground.refused(topic, connections[0], event, settled)
        if draw.random() < 0.2:
            ground.record.settled(topic)
        yield
    ground.record.settled(topic)


def presence(ground: Ground, number: str) -> Iterator[None]:
    """Agents that come, tell of it, and leave."""
    topic, draw, here = "agents:discovery", ground.draw, dict[str, str]()
    for each in range(draw.randrange(4, 10)):
        connection = f"d{number}.{each}/1"
        agent, ref = connection[:-2], {"metas": [{"phx_ref": f"{number}.{each}"}]}
        ground.enter(topic, [connection], {})
        here[connection] = agent
        metas = {name: {"metas": [{"phx_ref": name[1:]}]} for name in here.values()}
        ground.record.received(connection, topic, "presence_state", metas)
        for other in here:
            if other != connection:
                ground.record.received(other, topic, "presence_diff", {"joins": {agent: ref}, "leaves": {}})
        ground.record.settled(topic)
        if len(here) > 2 and draw.random() < 0.5:
            gone = draw.choice(list(here))
            agent = here.pop(gone)
            call = ground.record.invoked(gone, topic, "phx_leave", {})
            ground.record.answered(call, "ok", {})
            ground.record.left(gone, topic)
            diff = {"joins": {}, "leaves": {agent: {"metas": [{"phx_ref": agent[1:]}]}}}
            for other in here:
                ground.record.received(other, topic, "presence_diff", diff)
            ground.record.settled(topic)
        yield


FAMILIES: dict[str, Callable[[Ground, str], Iterator[None]]] = {
    "payment": payment,
    "task": task,
    "negotiation": negotiation,
    "messages": messages,
    "presence": presence,
}


def honest(family: str, draw: Random, topics: int = 2) -> list[Fact]:
    """Return a history of some topics, whose steps are mixed at random."""
    ground = Ground(draw)
    topics = 1 if family == "presence" else topics
    tellers = [FAMILIES[family](ground, f"{number}") for number in range(topics)]
    while tellers:
        teller = draw.choice(tellers)
        if next(teller, teller) is teller:
            tellers.remove(teller)
    return ground.facts


def corrupted(facts: list[Fact], draw: Random, times: int) -> list[Fact]:
    """Return a history in which some facts are left out, doubled, moved, or altered; what the recorder forbids is mended."""
    facts = list(facts)
    for _ in range(times):
        at = draw.randrange(len(facts))
        fact = facts[at]
        match draw.choice(["drop", "double", "move", "alter", "alter"]):
            case "drop":
                del facts[at]
            case "double":
                facts.insert(at + draw.randrange(1, 6), fact)
            case "move":
                facts.insert(max(0, at + draw.choice([-9, -4, -2, -1, 1, 2, 4, 9])), facts.pop(at))
            case _:
                facts[at] = _altered(fact, facts[draw.randrange(len(facts))], draw)
    return mended(facts)


def _altered(fact: Fact, other: Fact, draw: Random) -> Fact:
    if isinstance(fact, Answered) and draw.random() < 0.6:
        return fact._replace(status=draw.choice(["ok", "error", "unknown"]))
    if isinstance(fact, Received | Invoked | Left | Ended) and draw.random() < 0.2:
        return fact._replace(connection=getattr(other, "connection", fact.connection))
    if isinstance(fact, Invoked | Received) and draw.random() < 0.05:
        return fact._replace(payload=_altered_value(None, draw))
    if isinstance(fact, Invoked | Received) and isinstance(fact.payload, dict) and fact.payload:
        return fact._replace(payload=_altered_value(fact.payload, draw))
    if isinstance(fact, Answered) and isinstance(fact.response, dict):
        return fact._replace(response=_altered_value(fact.response, draw))
    return fact


def _altered_value(value: Any, draw: Random) -> Any:
    """Return another value of much the same shape, or of none that is understood."""
    match value:
        case dict() if value:
            name = draw.choice(list(value))
            if draw.random() < 0.1:
                return {key: each for key, each in value.items() if key != name}
            return {**value, name: _altered_value(value[name], draw)}
        case bool():
            return not value
        case int():
            return draw.choice([value + 1, value - 1, float(value), value + 0.5, -value, f"{value}", value])
        case str() if value[:1].isdigit():
            changes = [value + "0", "0.50", "1", "-1", "1e3", f" {value}", "2.25", value[:-1], value[::-1], 7]
            return draw.choice(changes)
        case str():
            return draw.choice(["open", "closed", "completed", "agreed", value.upper(), 0, None, [value]])
    return draw.choice([None, True, [], {}, "x", 3])


def mended(facts: list[Fact]) -> list[Fact]:
    """Return the facts numbered anew, without those that name a connection or a call that is not open."""
    kept: list[Fact] = []
    calls: dict[str, set[int]] = {}
    opened: set[str] = set()
    for number, each in enumerate(facts, 1):
        fact = each
        if isinstance(fact, Opened):
            if fact.connection in opened:
                continue
            opened.add(fact.connection)
            calls[fact.connection] = set()
        elif isinstance(fact, Invoked | Answered | Received | Left | Ended):
            open_calls = calls.get(fact.connection)
            if open_calls is None or (isinstance(fact, Answered) and fact.call not in open_calls):
                continue
            if isinstance(fact, Invoked) and fact.call in open_calls:
                fact = fact._replace(call=number + 10**6)
            _follow(fact, calls)
        kept.append(fact._replace(number=number) if hasattr(fact, "number") else fact)
    return kept


def _follow(fact: Fact, calls: dict[str, set[int]]) -> None:
    if isinstance(fact, Answered):
        calls[fact.connection].remove(fact.call)
    elif isinstance(fact, Invoked):
        calls[fact.connection].add(fact.call)
    elif isinstance(fact, Ended):
        del calls[fact.connection]
