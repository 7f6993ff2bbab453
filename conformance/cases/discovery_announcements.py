"""Announcements on the discovery topic: the others are told, and searches find what was announced."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from conformance.cases.discovery import EVENT_ACCEPTED, Offer, arrive, offer, search, searcher, topic_of
from conformance.client.peer import Peer
from conformance.faults import Violation
from conformance.fixtures.lab import Lab
from conformance.written import case

AGENT_UPDATED = "agent_updated"


@case("discovery/announce/found", "discovery/announced-capabilities-found", "discovery/discover-complete")
def announced_is_found(lab: Lab) -> None:
    """An agent is found under what it has announced, at once and by everyone, and not before."""
    capabilities = [lab.unique("capability"), lab.unique("capability")]
    announcer, seeker = offer(lab, "announcer"), searcher(lab)
    for capability in capabilities:
        if search(lab, seeker, capability, {}):
            raise Violation("discovery/capability-filtered", "nobody before the announcement", "an agent")
    announce(lab, announcer.peer, capabilities)
    for capability in capabilities:
        found = [str(each["id"]) for each in search(lab, seeker, capability, {})]
        if announcer.agent.agent_id not in found:
            raise Violation(
                "discovery/announced-capabilities-found",
                "the announcer is found",
                f"agents {found} for {capability}",
            )


def announce(lab: Lab, peer: Peer, capabilities: list[str]) -> None:
    """Announce capabilities; the announcement must not be refused."""
    answer = peer.request(topic_of(lab), "announce", {"capabilities": capabilities})
    if answer.kind not in {"ok", "silence"}:
        raise Violation(EVENT_ACCEPTED, "announce is accepted", str(answer))


@case(
    "discovery/announce/told",
    "discovery/announce-broadcast",
    "discovery/announce-broadcast-once",
    "discovery/agent-updated-content",
)
def announced_is_told(lab: Lab) -> None:
    """Each connection of the others gets one agent_updated for one announcement, with agent and capabilities."""
    topic, capabilities = topic_of(lab), [lab.unique("capability"), lab.unique("capability")]
    announcer, listener = offer(lab, "announcer"), lab.agent("listener")
    peers = [arrive(lab, listener), arrive(lab, listener, name="listener-2", vsn="1.0.0"), searcher(lab)]
    marks = [peer.mark() for peer in peers]
    announce(lab, announcer.peer, capabilities)
    for peer, since in zip(peers, marks, strict=True):
        if peer.wait_event(topic, AGENT_UPDATED, since=since) is None:
            raise Violation("discovery/announce-broadcast", f"{peer.name} receives agent_updated", "nothing")
    marker = json.dumps(capabilities[0])
    for peer, since in zip(peers, marks, strict=True):
        peer.barrier(topic)
        told = [message.payload for message in peer.seen(topic, AGENT_UPDATED, since)]
        # Others may announce meanwhile; what names the new capability is about this announcement.
        ours = [payload for payload in told if marker in json.dumps(payload)]
        if len(ours) > 1:
            raise Violation(
                "discovery/announce-broadcast-once", f"{peer.name} receives one", f"{len(ours)}: {ours[:2]}"
            )
        _judge_content(lab, announcer, capabilities, ours or told)


def _judge_content(lab: Lab, announcer: Offer, capabilities: list[str], told: list[Any]) -> None:
    agent = told[0].get("agent") if told and isinstance(told[0], Mapping) else None
    is_told = (
        isinstance(agent, Mapping)
        and str(agent.get("id")) == announcer.agent.agent_id
        and set(capabilities) <= set(agent.get("capabilities") or ())
    )
    lab.demand(
        is_told,
        "discovery/agent-updated-content",
        f"the agent with id and capabilities {capabilities}",
        f"{told[:1]}",
    )
