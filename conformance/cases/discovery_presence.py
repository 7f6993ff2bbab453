"""Presence on the discovery topic: who is there, who comes and goes, and what an agent says of itself.

What every topic with presence has in common is judged in `presence`. An agent is recognised by its id in the key or
anywhere in its entry, since the page does not say what the key is.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from conformance.cases.discovery import EVENT_ACCEPTED, arrive, flush, topic_of
from conformance.client.equality import holds
from conformance.client.peer import Peer
from conformance.faults import CannotTell, Violation
from conformance.fixtures.lab import Lab
from conformance.fixtures.provision import Agent
from conformance.written import case

STATE = "presence_state"
DIFF = "presence_diff"
SNAPSHOTS = 3
"""How many newcomers are asked, within the time of a reply, before a snapshot counts as wrong."""


def entry_of(agent: Agent, entries: Any) -> Any:
    """Return an agent's entry in a snapshot or in one side of a diff; None where it is not there."""
    if not isinstance(entries, Mapping):
        return None
    if agent.agent_id in entries:
        return entries[agent.agent_id]
    name = json.dumps(agent.agent_id)
    return next((entry for entry in entries.values() if name in json.dumps(entry)), None)


def has(side: str, agent: Agent) -> Callable[[Any], bool]:
    """Return a test whether a diff joins or leaves an agent."""
    return lambda payload: isinstance(payload, Mapping) and entry_of(agent, payload.get(side)) is not None


def snapshot(lab: Lab, peer: Peer, since: int = 0) -> Mapping[str, Any]:
    """Return the latest snapshot that a connection has been pushed.

    Raises:
        Violation: If it has none.

    """
    states = peer.seen(topic_of(lab), STATE, since)
    if not states:
        found = peer.wait_event(topic_of(lab), STATE, since=since)
        if found is None:
            raise Violation(
                "discovery/presence-state-on-join", f"{peer.name} is pushed presence_state", "nothing"
            )
        states = [found]
    payload = states[-1].payload
    if not isinstance(payload, Mapping):
        raise Violation("presence/state-shape", "presence_state is an object", f"{payload!r}")
    return payload


def _settled_snapshot(lab: Lab, is_settled: Callable[..., bool]) -> Mapping[str, Any]:
    """Return what a newcomer is told; a later one's while nodes of a cluster may not agree yet (presence is replicated)."""
    for _ in range(SNAPSHOTS):
        newcomer = arrive(lab, lab.agent("newcomer"))
        state = snapshot(lab, newcomer)
        if is_settled(state):
            break
        newcomer.wait_closed(lab.reply_s / SNAPSHOTS)
    return state


def watched_arrival(lab: Lab, watcher: Peer, agent: Agent) -> Peer:
    """Bring an agent to the topic; a watcher must be told of it.

    Raises:
        Violation: If the watcher receives no presence_diff at all.
        CannotTell: If it receives some, but none in which the agent can be recognised.

    """
    topic, since = topic_of(lab), watcher.mark()
    peer = arrive(lab, agent)
    if watcher.wait_event(topic, DIFF, since=since, matches=has("joins", agent)) is None:
        _demand_recognisable(watcher.seen(topic, DIFF, since), "joins", agent)
    return peer


def _demand_recognisable(diffs: list[Any], side: str, agent: Agent) -> None:
    name = agent.participant.name
    if not any(isinstance(diff.payload, Mapping) and diff.payload.get(side) for diff in diffs):
        raise Violation(
            "discovery/presence-real-time",
            f"presence_diff with {name} in {side}",
            f"{[str(diff) for diff in diffs]}",
        )
    raise CannotTell(f"{name} cannot be recognised in what presence tells")


@case("discovery/presence/state-on-join", "discovery/presence-state-on-join", "discovery/presence-state-full")
def state_on_join(lab: Lab) -> None:
    """Each join is followed by one presence_state."""
    topic = topic_of(lab)
    for vsn in ("2.0.0", "1.0.0"):
        peer = arrive(lab, lab.agent("newcomer"), vsn=vsn, name=f"newcomer on {vsn}")
        snapshot(lab, peer)
        flush(lab, peer)
        count = len(peer.seen(topic, STATE))
        if count != 1:
            # The page asks for a snapshot; a second one replaces the first and harms nobody.
            lab.advise("discovery/presence-state-on-join", "one presence_state", f"{count} after one join")


@case("discovery/presence/state-full", "discovery/presence-state-full", "discovery/presence-key-agent-id")
def state_full(lab: Lab) -> None:
    """A newcomer's presence_state lists everyone who was on the topic before, each under its id."""
    residents = [lab.agent(f"resident-{number}") for number in range(3)]
    for agent in residents:
        arrive(lab, agent)
    state = _settled_snapshot(lab, lambda state: all(entry_of(agent, state) for agent in residents))
    missing = [agent.agent_id for agent in residents if entry_of(agent, state) is None]
    if len(missing) == len(residents) and len(state) >= len(residents):
        raise CannotTell("none of the agents can be recognised in presence_state")
    if missing:
        raise Violation(
            "discovery/presence-state-full", "everyone who is there", f"{missing} not in {sorted(state)}"
        )
    unkeyed = [agent.agent_id for agent in residents if agent.agent_id not in state]
    lab.demand(
        not unkeyed,
        "discovery/presence-key-agent-id",
        "the agent id as key",
        f"{unkeyed} not among {sorted(state)}",
    )


@case(
    "discovery/presence/state-without-absent",
    "discovery/presence-state-no-absent",
    "discovery/presence-real-time",
)
def state_without_absent(lab: Lab) -> None:
    """Who has left the topic or closed its connection is told of, and is not in a newcomer's presence_state."""
    topic = topic_of(lab)
    watcher = arrive(lab, lab.agent("watcher"))
    for way in ("leaves", "closes"):
        agent = lab.agent(f"who-{way}")
        peer = watched_arrival(lab, watcher, agent)
        since = watcher.mark()
        if way == "leaves":
            peer.answer(peer.leave(topic))
        else:
            peer.wire.close()
        if watcher.wait_event(topic, DIFF, since=since, matches=has("leaves", agent)) is None:
            _demand_recognisable(watcher.seen(topic, DIFF, since), "leaves", agent)
        state = _settled_snapshot(lab, lambda state, gone=agent: entry_of(gone, state) is None)
        if entry_of(agent, state) is not None:
            raise Violation(
                "discovery/presence-state-no-absent",
                f"nobody who has left ({way})",
                f"{entry_of(agent, state)}",
            )


@case("discovery/presence/meta", "discovery/presence-meta-members", "discovery/presence-real-time")
def meta_members(lab: Lab) -> None:
    """A meta tells since when the agent is there, its metadata and its status."""
    watcher = arrive(lab, lab.agent("watcher"))
    agent = lab.agent("newcomer", {"status": "online", "metadata": {"region": "eu"}})
    entry = entry_of(agent, snapshot(lab, watched_arrival(lab, watcher, agent)))
    if not holds(entry, {}) or not isinstance(entry.get("metas"), list):
        raise CannotTell("the newcomer cannot be recognised in its own presence_state")
    for meta in entry["metas"]:
        lab.demand(
            isinstance(meta, Mapping) and {"phx_ref", "online_at", "metadata", "status"} <= meta.keys(),
            "discovery/presence-meta-members",
            "a meta with online_at, metadata and status",
            f"{meta}",
        )


def update(lab: Lab, peer: Peer, metadata: Mapping[str, Any]) -> None:
    """Update an agent's metadata; that must not be refused."""
    answer = peer.request(topic_of(lab), "update_metadata", {"metadata": dict(metadata)})
    if answer.kind not in {"ok", "silence"}:
        raise Violation(EVENT_ACCEPTED, "update_metadata is accepted", str(answer))


@case("discovery/metadata/told", "discovery/metadata-updates-presence", "discovery/metadata-in-presence")
def metadata_told(lab: Lab) -> None:
    """An update of metadata changes the agent's presence: the others are told, and newcomers see it."""
    topic, marker = topic_of(lab), lab.unique("marker")
    watcher, agent = arrive(lab, lab.agent("watcher")), lab.agent("changing")
    peer = watched_arrival(lab, watcher, agent)
    since = watcher.mark()
    update(lab, peer, {"marker": marker, "deep": {"list": [1, "\u00e9\U0001f600", None]}})
    told = watcher.wait_event(topic, DIFF, since=since, matches=has("joins", agent))
    if told is None:
        raise Violation(
            "discovery/metadata-updates-presence",
            "presence_diff with the agent's new meta",
            f"{[str(diff) for diff in watcher.seen(topic, DIFF, since)]}",
        )
    state = snapshot(lab, arrive(lab, lab.agent("newcomer")))
    for where, entry in (
        ("presence_diff", entry_of(agent, told.payload["joins"])),
        ("a newcomer's presence_state", entry_of(agent, state)),
    ):
        lab.demand(
            marker in json.dumps(entry),
            "discovery/metadata-in-presence",
            f"the metadata in {where}",
            f"{entry}",
        )


@case("discovery/metadata/latest", "discovery/metadata-updates-presence", "discovery/metadata-in-presence")
def metadata_latest(lab: Lab) -> None:
    """Where presence shows metadata, it shows those of the last update and not those of an earlier one."""
    markers = [lab.unique("marker") for _ in range(3)]
    watcher, agent = arrive(lab, lab.agent("watcher")), lab.agent("changing")
    peer = watched_arrival(lab, watcher, agent)
    for marker in markers:
        update(lab, peer, {"marker": marker})

    def entry(state: Mapping[str, Any]) -> str:
        return json.dumps(entry_of(agent, state))

    shown = entry(_settled_snapshot(lab, lambda state: markers[-1] in entry(state)))
    if markers[-1] not in shown and any(marker in shown for marker in markers[:-1]):
        raise Violation("discovery/metadata-updates-presence", f"the metadata with {markers[-1]}", shown)
    lab.demand(markers[-1] in shown, "discovery/metadata-in-presence", "the last metadata", shown)


@case("discovery/metadata/stored", "discovery/metadata-stored")
def metadata_stored(lab: Lab) -> None:
    """An agent that connects again does not show the metadata that it had before the update."""
    before, after = lab.unique("before"), lab.unique("after")
    agent = lab.agent("changing", {"metadata": {"marker": before}})
    peer = arrive(lab, agent)
    if before not in json.dumps(entry_of(agent, snapshot(lab, peer))):
        raise CannotTell("presence does not show what is stored of an agent")
    update(lab, peer, {"marker": after})
    peer.wire.close()
    again = arrive(lab, agent, name="changing again")
    shown = json.dumps(entry_of(agent, snapshot(lab, again)))
    if after not in shown:
        raise Violation("discovery/metadata-stored", f"the stored metadata with {after}", shown)
