"""Joining again: a second join replaces the first, also beyond the number of channels that a connection may have."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from conformance.client.equality import same
from conformance.faults import CannotTell
from conformance.verbs.conversation import Conversation, conversation, pushing_stages
from conformance.verbs.observations import (
    SHOWING,
    closes,
    demand_joined,
    demand_one_close,
    demand_reply_join_ref,
    naming,
    phoenix_case,
    place,
    prompt_answer,
    replies,
    send_join,
)
from specs import message as phx

if TYPE_CHECKING:
    from conformance.client.peer import Answer, Peer
    from conformance.fixtures.lab import Lab
    from specs.message import Message

TRIED_CHANNELS = 110
"""Joins on one connection after which it counts as one without a limit; Phoenix's own is 100 (J-5)."""
TOO_MANY = {"reason": "too many channels joined"}


@phoenix_case("joining/duplicate-join-replaces")
def duplicate_join_replaces(lab: Lab) -> None:
    """A second join of a joined topic is answered ok, and its join_ref counts from then on."""
    talk = conversation(lab)
    rule = "joining/duplicate-join-replaces"
    join = send_join(talk.peer, talk.topic)
    demand_joined(lab, talk.peer, join, rule, "a second join")
    for _ in range(2):
        demand_reply_join_ref(talk, talk.peer, rule, join.join_ref, sent=join.join_ref)


@phoenix_case("joining/duplicate-join-closes-old")
def duplicate_join_closes_old(lab: Lab) -> None:
    """A second join of a joined topic brings one phx_close of the first, behind the reply."""
    talk = conversation(lab)
    peer, rule = talk.reconnect(), "joining/duplicate-join-closes-old"
    first, second = _join_twice(lab, talk, peer, rule)
    with naming(rule, "leaving/end-carries-join-ref"):
        demand_one_close(talk, peer, first, second, rule)


def _join_twice(lab: Lab, talk: Conversation, peer: Peer, rule: str) -> tuple[Message, Message]:
    first = send_join(peer, talk.topic)
    demand_joined(lab, peer, first, rule, "a join")
    second = send_join(peer, talk.topic)
    demand_joined(lab, peer, second, rule, "a second join")
    return first, second


@phoenix_case("joining/duplicate-join-close-before-pushes")
def duplicate_join_close_before_pushes(lab: Lab) -> None:
    """The phx_close of a replaced channel comes before what the new channel pushes."""
    for stage, pushed in pushing_stages(lab):
        agent = stage.agents[next(iter(stage.agents))]
        peer = lab.connect(agent, socket=stage.family.socket, vsn=SHOWING)
        joins = [send_join(peer, stage.topic)]
        prompt_answer(peer, joins[0])
        since = peer.mark() if peer.wait_event(stage.topic, pushed) else 0
        joins.append(send_join(peer, stage.topic))
        if not all(prompt_answer(peer, join).kind == "ok" for join in joins):
            raise CannotTell(f"{stage.topic} is not joined twice")
        again = _pushed_after(peer, joins[0], pushed, since)
        closed = peer.wait_event(stage.topic, phx.PHX_CLOSE, since=since)
        if again is None or closed is None:
            raise CannotTell(f"{pushed} or phx_close does not come after the second join")
        lab.demand(
            place(peer, closed) < place(peer, again),
            "joining/duplicate-join-close-before-pushes",
            f"phx_close of the replaced channel before {pushed} of the new one",
            "it came behind",
        )


def _pushed_after(peer: Peer, former: Message, pushed: str, since: int) -> Message | None:
    """Wait for an event that is none of a former join, which may push it again until it is replaced."""
    found = peer.wait_event(former.topic, pushed, since=since)
    while found is not None and same(found.join_ref, former.join_ref):
        found = peer.wait_event(former.topic, pushed, since=place(peer, found) + 1)
    return found


@phoenix_case("joining/duplicate-join-same-join-ref")
def duplicate_join_same_join_ref(lab: Lab) -> None:
    """A second join with the join_ref of the first replaces it like any other."""
    talk = conversation(lab)
    peer, rule = talk.reconnect(), "joining/duplicate-join-same-join-ref"
    first = send_join(peer, talk.topic)
    demand_joined(lab, peer, first, rule, "a join")
    second = peer.send(replace(peer.session.join(talk.topic), join_ref=first.join_ref))
    demand_joined(lab, peer, second, rule, "a second join with the same join_ref")
    peer.wait_event(talk.topic, phx.PHX_CLOSE)
    demand_reply_join_ref(talk, peer, rule, first.join_ref, sent=first.join_ref)
    ends = closes(peer, talk.topic)
    lab.demand(
        [(end.event, end.ref) for end in ends] == [(phx.PHX_CLOSE, first.join_ref)]
        and place(peer, ends[0]) > place(peer, replies(peer, second)[0]),
        rule,
        "one phx_close, behind the reply to the second join",
        "; ".join(map(str, ends)) or "none",
    )


@phoenix_case("joining/pipelined-duplicate-join")
def pipelined_duplicate_join(lab: Lab) -> None:
    """Two joins of one topic in one go are both answered, in order, and the first is closed."""
    talk = conversation(lab)
    peer, rule = talk.reconnect(), "joining/pipelined-duplicate-join"
    joins = [send_join(peer, talk.topic), send_join(peer, talk.topic)]
    for join in joins:
        demand_joined(lab, peer, join, rule, "each of two joins")
    places = [place(peer, replies(peer, join)[0]) for join in joins]
    lab.demand(places[0] < places[1], rule, "the joins are answered in order", "in the other order")
    with naming(rule, "leaving/end-carries-join-ref"):
        demand_one_close(talk, peer, joins[0], joins[1], rule)


def _fill(talk: Conversation) -> tuple[str, Answer] | None:
    """Join one topic after another on the sender's connection; return the one that is refused, None where none is."""
    for _ in range(TRIED_CHANNELS):
        topic = talk.another_topic()
        answer = talk.peer.join(topic)
        if answer.kind == "ok":
            continue
        if answer.kind != "error":
            raise CannotTell(f"a join among many is not answered: {answer}")
        if not _is_limit(talk, topic):
            raise CannotTell(f"a join among many is refused for another reason: {answer}")
        return topic, answer
    return None


def _is_limit(talk: Conversation, refused: str) -> bool:
    """Tell whether the number of channels was why: on a connection of its own the topic can be joined."""
    return talk.connect(talk.by, f"{talk.by} elsewhere").join(refused).kind == "ok"


@phoenix_case("joining/channel-limit")
def channel_limit(lab: Lab) -> None:
    """Where a connection's channels are limited, a join too many says so and disturbs none."""
    talk = conversation(lab)
    full = _fill(talk)
    if full is not None:
        topic, answer = full
        if not same(answer.response, TOO_MANY):
            # An application may have a limit of its own, and a reason of its own for it.
            lab.advise(
                "joining/channel-limit",
                f"the join of {topic} beyond the limit is refused with {TOO_MANY}",
                str(answer),
            )
    talk.demand_taken("joining/channel-limit", "the channels joined before go on")


@phoenix_case("joining/rejoin-at-limit")
def rejoin_at_limit(lab: Lab) -> None:
    """A joined topic can be joined again also when its connection can have no more channels."""
    talk = conversation(lab)
    full = _fill(talk)
    if full is not None and not same(full[1].response, TOO_MANY):
        raise CannotTell(f"joins are limited by the application, not by Phoenix: {full[1]}")
    join = send_join(talk.peer, talk.topic)
    demand_joined(lab, talk.peer, join, "joining/rejoin-at-limit", "a join of a joined topic at the limit")
    talk.demand_taken("joining/rejoin-at-limit", "after a join at the limit")
