"""Verbs for cases that tell a longer story: fixtures with chosen values, steps that must succeed, steps that must not.

A step that must succeed accuses nobody when it does not: the cases about that event judge it, this one cannot tell.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from conformance.faults import CannotTell, Violation
from conformance.fixtures.stage import Sent, Stage
from conformance.verbs.expectations import refused

if TYPE_CHECKING:
    from conformance.client.peer import Answer, Peer
    from conformance.fixtures.lab import Lab
    from conformance.fixtures.provision import Agent

Values = Mapping[str, Any]


def staged(
    lab: Lab,
    family: str,
    *,
    agents: Mapping[str, Agent] | None = None,
    values: Values | None = None,
    joined: bool = True,
) -> Stage:
    """Build a stage whose agents and resource are chosen, as far as they are given.

    Args:
        lab: The attempt.
        family: A topic family whose resource the provisioner makes.
        agents: Agent by cast name; who is missing is made afresh.
        values: Params of the resource, in place of the fixture's.
        joined: Whether the whole cast connects and joins.

    Raises:
        CannotProvision: If the documents have no such family, or its resource cannot be made.

    """
    return Stage.build(lab, family, agents=agents, values=values, joined=joined)


def tried(stage: Stage, by: str, event: str, **members: Any) -> Sent:
    """Push an event, with nonce and signatures where they are not given, and judge nothing."""
    known = stage.event(event)
    payload = stage.with_nonce(known, dict(members))
    return stage.push(by, known, {**stage.sign(known, by, payload), **members})


def done(stage: Stage, by: str, event: str, **members: Any) -> Sent:
    """Push an event that has to be accepted for the case to go on, and let its effects arrive.

    Raises:
        CannotTell: If it is not accepted.

    """
    sent = tried(stage, by, event, **members)
    answer = stage.peers[by].answer(sent.message)
    if answer.kind not in {"ok", "silence"}:
        raise CannotTell(f"a valid {event} by {by} is not accepted: {answer}")
    let_arrive(stage, sent)
    return sent


def let_arrive(stage: Stage, sent: Sent) -> None:
    """Wait for the relay and the broadcasts of an accepted push; that one is missing is for other cases to judge."""
    for name, peer in stage.peers.items():
        for caused in sent.event.broadcasts:
            peer.wait_event(stage.topic, caused, since=sent.marks[name])
        if sent.event.relay is not None and name != sent.by:
            peer.wait_event(stage.topic, sent.event.event, since=sent.marks[name])


def must_refuse(stage: Stage, sent: Sent, requirement: str, what: str, *, may_crash: bool = False) -> None:
    """Demand that a push is refused and leaves no trace; the case ends where it is not, whatever the basis.

    Raises:
        Violation: If the requirement is broken, so that later steps are not judged on what this one has spoilt.

    """
    refused(stage, sent, requirement, what, may_crash=may_crash)
    for breach in stage.lab.breaches:
        if breach.requirement == requirement:
            raise Violation(breach.requirement, breach.expected, breach.observed)


def refuses(
    stage: Stage, requirement: str, what: str, by: str, event: str, *, may_crash: bool = False, **members: Any
) -> None:
    """Demand that an event, rightly signed, is refused for `what` is wrong with it and leaves no trace."""
    # What is still on its way because of earlier pushes must not be taken for a trace of this one.
    stage.settle()
    must_refuse(stage, tried(stage, by, event, **members), requirement, what, may_crash=may_crash)


def respond(stage: Stage, by: str, event: str, **members: Any) -> Any:
    """Return the response of a request that has to be answered with ok for the case to go on.

    Raises:
        CannotTell: If it is not.

    """
    answer = stage.peers[by].answer(tried(stage, by, event, **members).message)
    if answer.kind != "ok":
        raise CannotTell(f"a valid {event} by {by} is not answered with ok: {answer}")
    return answer.response


def another_connection(stage: Stage, name: str, label: str = "again") -> Peer:
    """Open one more connection for a member of the cast, joined, beside that of the stage.

    Raises:
        CannotTell: If the join is refused.

    """
    peer = stage.lab.connect(stage.agents[name], socket=stage.family.socket, name=f"{name} {label}")
    answer: Answer = peer.join(stage.topic)
    if answer.kind != "ok":
        raise CannotTell(f"{name} cannot join on a second connection: {answer}")
    return peer


def reconnect(stage: Stage, *names: str) -> None:
    """Close the connections of members of the cast and let them come back on new ones."""
    for name in names:
        stage.peers[name].wire.close()
    for name in names:
        stage.enter(name)


def traces(stage: Stage, sent: Sent, event: str) -> dict[str, int]:
    """Count by member of the cast what has arrived of an event since a push."""
    return {name: len(peer.seen(stage.topic, event, sent.marks[name])) for name, peer in stage.peers.items()}
