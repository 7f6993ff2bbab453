"""Joining a topic: the reply, the refusals, what comes behind it, and joining again."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from conformance.client.equality import same
from conformance.faults import CannotTell
from conformance.verbs.conversation import Conversation, conversation, pushing_stages, refused_topic
from conformance.verbs.observations import (
    SHOWING,
    closes,
    demand_joined,
    demand_reply_join_ref,
    demand_unmatched,
    naming,
    phoenix_case,
    place,
    prerequisite,
    prompt_answer,
    replies,
    send_join,
)
from specs import message as phx

if TYPE_CHECKING:
    from conformance.client.peer import Answer, Peer
    from conformance.fixtures.lab import Lab
    from specs.message import Message

BURST = 20


@phoenix_case("joining/ok-reply")
def ok_reply(lab: Lab) -> None:
    """An accepted join is answered by one reply with status ok."""
    talk = conversation(lab)
    peer = talk.reconnect()
    join = send_join(peer, talk.topic)
    demand_joined(lab, peer, join, "joining/ok-reply", "a join")
    peer.sync()
    count = len(replies(peer, join))
    lab.demand(count == 1, "joining/ok-reply", "one reply to a join", f"{count} replies")


@phoenix_case("joining/refusal-is-reply")
def refusal_is_reply(lab: Lab) -> None:
    """A refused join is answered by one reply with status error, and by nothing else."""
    talk, topic = refused_topic(lab)
    outsider = lab.connect(lab.agent("outsider"), socket=talk.family.socket)
    answer = _refused_join(outsider, topic)
    rule = "joining/refusal-is-reply"
    lab.demand(answer.kind == "error", rule, "a refused join gets a phx_reply with status error", answer)
    outsider.sync()
    frames = [message for message in outsider.inbox if message.topic == topic]
    lab.demand(len(frames) == 1, rule, "nothing but the one reply", "; ".join(map(str, frames)))


def _refused_join(outsider: Peer, topic: str) -> Answer:
    answer = prompt_answer(outsider, send_join(outsider, topic))
    if answer.kind == "ok":
        raise CannotTell(f"the join of {topic} by an agent without a role is not refused")
    return answer


@phoenix_case("joining/unmatched-topic")
def unmatched_topic(lab: Lab) -> None:
    """A join of a topic that no channel serves gets "unmatched topic"."""
    talk = conversation(lab)
    for topic in (f"{lab.unique('nosuch')}:1", lab.unique("nosuch")):
        demand_unmatched(lab, talk.peer, send_join(talk.peer, topic), "joining/unmatched-topic")


@phoenix_case("joining/empty-topic-unmatched")
def empty_topic_unmatched(lab: Lab) -> None:
    """A join of the empty topic gets "unmatched topic"."""
    talk = conversation(lab)
    demand_unmatched(lab, talk.peer, send_join(talk.peer, ""), "joining/empty-topic-unmatched")


@phoenix_case("joining/case-sensitive-topic")
def case_sensitive_topic(lab: Lab) -> None:
    """A topic that can be joined is no topic with its prefix in capitals."""
    talk = conversation(lab)
    prefix = talk.family.prefix
    swapped = prefix.swapcase() + talk.topic[len(prefix) :]
    if lab.api.route(talk.family.socket, swapped) is not None:
        raise CannotTell(f"{swapped} is a topic of its own")
    demand_unmatched(lab, talk.peer, send_join(talk.peer, swapped), "joining/case-sensitive-topic")


@phoenix_case("joining/error-leaves-unjoined")
def error_leaves_unjoined(lab: Lab) -> None:
    """After a refused join a push on the topic gets "unmatched topic"."""
    talk, topic = refused_topic(lab)
    outsider = lab.connect(lab.agent("outsider"), socket=talk.family.socket)
    _refused_join(outsider, topic)
    rule = "joining/error-leaves-unjoined"
    demand_unmatched(lab, outsider, talk.say(outsider, topic=topic).message, rule)
    talk.demand_taken(rule, "the channels of others go on")


@phoenix_case("joining/nonobject-payload-answered")
def nonobject_payload_answered(lab: Lab) -> None:
    """A join whose payload is no object is answered, and the connection stays open."""
    talk = conversation(lab)
    rule = "joining/nonobject-payload-answered"
    payloads: list[Any] = ["text", [1, 2], None, 7, True]
    for payload in payloads:
        join = talk.peer.send(replace(talk.peer.session.join(talk.topic), payload=payload))
        answer = prompt_answer(talk.peer, join)
        lab.demand(
            answer.kind in {"ok", "error"}, rule, f"a join with payload {payload!r} gets a reply", answer
        )
    lab.demand(talk.peer.sync().kind == "ok", rule, "the connection stays open", str(talk.peer.wire.closed))


@phoenix_case("joining/reply-before-pushes")
def reply_before_pushes(lab: Lab) -> None:
    """What a channel pushes on join comes behind the reply to the join."""
    for stage, pushed in pushing_stages(lab):
        name = next(iter(stage.agents))
        peer = lab.connect(stage.agents[name], socket=stage.family.socket)
        join = send_join(peer, stage.topic)
        if prompt_answer(peer, join).kind != "ok" or peer.wait_event(stage.topic, pushed) is None:
            raise CannotTell(f"{stage.topic} is not joined, or {pushed} does not come")
        _demand_reply_first(lab, peer, stage.topic, join)


def _demand_reply_first(lab: Lab, peer: Peer, topic: str, join: Message) -> None:
    first = next(message for message in peer.inbox if message.topic == topic)
    is_reply = first.event == phx.PHX_REPLY and same(first.ref, join.ref)
    lab.demand(is_reply, "joining/reply-before-pushes", "the reply to the join before all else", first)


@phoenix_case("joining/reply-before-broadcasts", "joining/reply-before-pushes")
def reply_before_broadcasts(lab: Lab) -> None:
    """While others speak on a topic, the reply to a join still comes before what they say."""
    talk = conversation(lab)
    newcomer = talk.connect(next(iter(talk.listeners), talk.by), "newcomer")
    for _ in range(BURST):
        talk.say()
    join = send_join(newcomer, talk.topic)
    for _ in range(BURST):
        talk.say()
    if prompt_answer(newcomer, join).kind != "ok":
        raise CannotTell(f"a second connection cannot join {talk.topic}")
    if not talk.is_taken(talk.say()):
        raise CannotTell("the pushes of the others are not taken")
    newcomer.sync()
    _demand_reply_first(lab, newcomer, talk.topic, join)


@phoenix_case("joining/pipelined-push-after-join")
def pipelined_push_after_join(lab: Lab) -> None:
    """A push right behind its join is taken, and answered behind the join."""
    talk = conversation(lab)
    peer = talk.reconnect()
    rule = "joining/pipelined-push-after-join"
    join, said = send_join(peer, talk.topic), talk.say(peer)
    demand_joined(lab, peer, join, rule, "a join with a push behind it")
    lab.demand(talk.is_taken(said), rule, "the push behind the join is taken", peer.answer(said.message, 0))
    for reply in replies(peer, said.message):
        is_behind = place(peer, reply) > place(peer, replies(peer, join)[0])
        lab.demand(is_behind, rule, "the reply to the push comes behind that to the join", "it came before")


@phoenix_case("joining/join-blocks-connection")
def join_blocks_connection(lab: Lab) -> None:
    """A heartbeat behind a join is answered behind the join."""
    talk = conversation(lab)
    peer = talk.reconnect()
    rule = "joining/join-blocks-connection"
    join, beat = send_join(peer, talk.topic), peer.heartbeat()
    demand_joined(lab, peer, join, rule, "a join with a heartbeat behind it")
    if peer.answer(beat).kind != "ok":
        raise CannotTell("the heartbeat behind the join is not answered")
    is_behind = place(peer, replies(peer, beat)[0]) > place(peer, replies(peer, join)[0])
    lab.demand(is_behind, rule, "the reply to the heartbeat comes behind that to the join", "it came before")


@phoenix_case("joining/topics-independent")
def topics_independent(lab: Lab) -> None:
    """Two topics on one connection keep their own join_refs, and a refusal on a third changes neither."""
    talk = conversation(lab, vsn=SHOWING)
    other = talk.sibling()
    peer, rule = talk.peer, "joining/topics-independent"
    with prerequisite():
        demand_unmatched(lab, peer, send_join(peer, lab.unique("nosuch")), "joining/unmatched-topic")
    with naming(rule, "frames/reply-echoes-join-ref"):
        for each in (talk, other, talk):
            own = peer.session.join_ref(each.topic)
            demand_reply_join_ref(each, peer, rule, own, sent=own)


@phoenix_case("joining/same-topic-on-two-connections")
def same_topic_on_two_connections(lab: Lab) -> None:
    """A second connection of the same agent joins the same topic, and both go on."""
    talk = conversation(lab)
    rule = "joining/same-topic-on-two-connections"
    second = talk.connect(talk.by, f"{talk.by} second")
    answer = prompt_answer(second, send_join(second, talk.topic))
    if answer.kind == "error":
        # An application may let an agent join a topic once; that two agents share it has been seen by now.
        raise CannotTell(f"the second join of {talk.by} is refused: {answer}")
    lab.demand(answer.kind == "ok", rule, "a join on a second connection is answered ok", answer)
    for peer in (talk.peer, second, talk.peer):
        talk.demand_taken(rule, "on each of two connections", peer)
        lab.demand(not closes(peer, talk.topic), rule, "no channel is closed", closes(peer, talk.topic))


def _join_without_join_ref(talk: Conversation, requirement: str) -> tuple[Peer, Message]:
    peer = talk.reconnect()
    with naming(requirement, "frames/reply-echoes-join-ref"):
        join = peer.send(replace(peer.session.join(talk.topic), join_ref=None))
        demand_joined(talk.lab, peer, join, requirement, "a join with a null join_ref")
    return peer, join


@phoenix_case("joining/null-join-ref")
def null_join_ref(lab: Lab) -> None:
    """A join without join_ref is accepted, and its ref serves as the channel's join_ref."""
    talk = conversation(lab, vsn=SHOWING)
    peer, join = _join_without_join_ref(talk, "joining/null-join-ref")
    for _ in range(2):
        demand_reply_join_ref(talk, peer, "joining/null-join-ref", join.ref, sent=None)


@phoenix_case("joining/null-join-ref-then-ref")
def null_join_ref_then_ref(lab: Lab) -> None:
    """After a join without join_ref a push with its ref as join_ref is dropped or answered with it."""
    talk = conversation(lab, vsn=SHOWING)
    rule = "joining/null-join-ref-then-ref"
    with prerequisite():
        peer, join = _join_without_join_ref(talk, "joining/null-join-ref")
    said = talk.say(peer, join_ref=join.ref)
    demand_reply_join_ref(talk, peer, rule, join.ref, sent=None)
    for reply in replies(peer, said.message):
        lab.demand(same(reply.join_ref, join.ref), rule, f"a reply with join_ref {join.ref!r} or none", reply)
