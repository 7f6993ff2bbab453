"""The verbs that judge: what acceptance and refusal of an event look like from outside.

An endpoint is judged by effect first (`reading.md` section 3). Acceptance shows its effect: the relay, the broadcast, the
changed state. A refusal shows none, and may be an error reply, for an unknown event or a malformed payload also a crash of
the channel, or silence. What is missing only in form (no reply, a reply of another shape) is an advisory.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from conformance.client.equality import holds, same
from conformance.client.peer import Answer, Peer
from conformance.faults import CannotTell, Violation
from conformance.fixtures.stage import Sent, Stage
from specs.message import Message
from specs.model import Event, Relay

Change = Callable[[dict[str, Any]], Any]


def accepted(stage: Stage, sent: Sent, *, exactly_once: bool = False) -> Answer:
    """Demand that a push is accepted and has its documented effect.

    Args:
        stage: Where it was sent.
        sent: The push.
        exactly_once: Whether to make sure as well that relays and broadcasts come once and the sender's channel lives.

    Returns:
        The answer.

    Raises:
        Violation: If it is refused, or an effect is missing, altered or doubled.
        CannotTell: If there is neither a reply nor an effect that could be observed.

    """
    event, rules = sent.event, sent.event.rules
    peer = stage.peers[sent.by]
    answer = peer.answer(sent.message, expecting=f"reply to {event.event}")
    if answer.kind not in {"ok", "silence"} and not (
        answer.kind == "closed-channel" and _is_last(stage, event)
    ):
        _demand_effectless(stage, sent, answer)
        raise Violation(
            rules["accepted"], f"{event.event} by {stage.role_of(sent.by)} is accepted", str(answer)
        )
    has_effect = _demand_relay(stage, sent) | _demand_broadcasts(stage, sent)
    if exactly_once:
        stage.settle()
        _demand_once(stage, sent)
    answer = peer.late_answer(sent.message, answer)
    _judge_reply(stage, event, answer)
    if answer.kind == "silence" and not has_effect:
        raise CannotTell(f"{event.event} has neither a reply nor an effect that can be observed")
    return answer


def _demand_effectless(stage: Stage, sent: Sent, answer: Answer) -> None:
    """Report an event that is refused and yet has its effect."""
    if answer.kind == "error":
        stage.settle()
        rule = sent.event.rules.get("refusal", sent.event.rules["accepted"])
        _demand_no_trace(stage, sent, rule, f"{sent.event.event}, answered with an error, has no effect")


def _is_last(stage: Stage, event: Event) -> bool:
    """Tell whether a server may stop the channel behind an event (L-6), since nothing more can follow it."""
    return event.next_state is not None and stage.family.states[event.next_state].terminal


def _judge_reply(stage: Stage, event: Event, answer: Answer) -> None:
    if answer.kind != "ok":
        subject = f"{stage.family.name}/{event.event}"
        rule = stage.family.answer_rule(event)
        stage.lab.mention(rule, subject, f"a reply to {event.event}", str(answer))
        return
    faults = stage.lab.bench.validator(event.reply).faults(answer.response)
    if faults:
        shown = "; ".join(f"{fault.pointer or '/'}: {fault.message}" for fault in faults[:3])
        stage.lab.report(
            event.rules["reply"], f"the documented reply to {event.event}", f"{shown}; in {answer}"
        )


def _demand_relay(stage: Stage, sent: Sent) -> bool:
    """Report a relay that does not come; tell whether any came."""
    is_seen = False
    if sent.event.relay is None:
        return is_seen
    expected = dict(sent.payload)
    for name, peer in stage.others(sent.by).items():
        found = peer.wait_event(
            stage.topic, sent.event.event, since=sent.marks[name], matches=lambda got: holds(got, expected)
        )
        if found is None:
            others = peer.seen(stage.topic, sent.event.event, sent.marks[name])
            _judge_resigned(stage, sent, others)
            stage.lab.report(
                sent.event.rules["relay"],
                f"{name} receives {sent.event.event} with the payload that was sent",
                f"{others[0]}" if others else f"nothing within {peer.waited_s:g} s",
            )
        else:
            is_seen = True
            _judge_added(stage, sent, sent.event.relay, found.payload)
    return is_seen


def _judge_resigned(stage: Stage, sent: Sent, relayed: list[Message]) -> None:
    """Report a signed event that is relayed so that its signature no longer fits."""
    rule = sent.event.rules.get("relayed_signature")
    if rule and relayed and sent.event.signatures:
        stage.lab.report(rule, f"{sent.event.event} is relayed as it was signed", f"{relayed[0]}")


def _judge_added(stage: Stage, sent: Sent, relay: Relay, payload: Mapping[str, Any]) -> None:
    for member, meaning in relay.add.items():
        value = {"$agent_id": stage.agents[sent.by].agent_id}[meaning]
        if payload.get(member) != value:
            stage.lab.report(
                sent.event.rules["relay"],
                f"the relayed {sent.event.event} names its sender in {member!r}",
                f"{member}: {payload.get(member)!r}",
            )


def _demand_broadcasts(stage: Stage, sent: Sent) -> bool:
    """Report a broadcast that does not come; tell whether any came."""
    is_seen = False
    for event in sent.event.broadcasts:
        hearers = stage.others(sent.by) if sent.event.sender_may_miss_broadcast else stage.peers
        for name, peer in hearers.items():
            since = sent.marks[name]
            if peer.wait_event(stage.topic, event, since=since, matches=stage.is_ours) is not None:
                is_seen = True
                continue
            stage.lab.report(
                sent.event.rules["broadcast"],
                f"{name} receives {event} after {sent.event.event}",
                f"nothing within {peer.waited_s:g} s",
            )
    return is_seen


def _demand_once(stage: Stage, sent: Sent) -> None:
    for name in stage.peers:
        for event in sent.event.broadcasts:
            count = len(stage.heard(name, event, sent.marks[name]))
            if count > 1:
                stage.lab.report(
                    sent.event.rules["broadcast"], f"{name} receives {event} once", f"{count} times"
                )
    if sent.event.relay is None:
        return
    for name, peer in stage.others(sent.by).items():
        relayed = peer.seen(stage.topic, sent.event.event, sent.marks[name])
        if len(relayed) > 1:
            stage.lab.report(
                sent.event.rules["relay"], f"{name} receives {sent.event.event} once", f"{len(relayed)} times"
            )


def refused(stage: Stage, sent: Sent, requirement: str, what: str, *, may_crash: bool = False) -> None:
    """Demand that a push is refused and leaves no trace at the others.

    Args:
        stage: Where it was sent.
        sent: The push.
        requirement: What an acceptance would break.
        what: What is wrong with the push, in words.
        may_crash: Whether `phx_error` on the topic is a refusal too (unknown events and malformed payloads).

    """
    lab, peer = stage.lab, stage.peers[sent.by]
    expected = f"{sent.event.event} with {what} is refused"
    answer = peer.answer(sent.message, expecting="refusal")
    if answer.kind != "disconnected":
        stage.settle()
        answer = peer.late_answer(sent.message, answer)
    if answer.kind in {"ok", "disconnected"}:
        lab.report(requirement, expected, str(answer))
    elif answer.kind != "crash" or not may_crash:
        _judge_refusal(stage, sent.event, answer)
    if answer.kind != "disconnected":
        _demand_no_trace(stage, sent, requirement, expected)


def _judge_refusal(stage: Stage, event: Event, answer: Answer) -> None:
    """Give advice about the form of a refusal."""
    response, subject = answer.response, f"{stage.family.name}/{event.event}"
    rule = stage.family.answer_rule(event)
    if answer.kind != "error":
        stage.lab.mention(rule, f"{subject} refused", "an error reply", str(answer))
    elif not isinstance(response, Mapping) or not isinstance(response.get("reason"), str):
        expected = "an error reply with a string reason"
        stage.lab.mention(rule, f"{subject} reason", expected, str(answer))


def _demand_no_trace(stage: Stage, sent: Sent, requirement: str, expected: str) -> None:
    for name, peer in stage.peers.items():
        relayed = peer.seen(stage.topic, sent.event.event, sent.marks[name]) if sent.event.relay else []
        # An earlier push may be echoed late; only what holds this payload comes from this push.
        traces = [message for message in relayed if _is_of(message.payload, sent.payload)]
        for event in sent.event.broadcasts:
            traces += stage.heard(name, event, sent.marks[name])
        if traces:
            stage.lab.report(requirement, f"{expected}: nothing reaches {name}", f"{traces[0]}")


def _is_of(relayed: Any, payload: Any) -> bool:
    return holds(relayed, payload) if isinstance(payload, dict) else same(relayed, payload)


def refused_between_twins(
    stage: Stage, event: Event, change: Change, requirement: str, what: str, *, may_crash: bool = False
) -> None:
    """Demand that an event with one fault is refused, between two pushes without it that are accepted.

    Where the event cannot be repeated on a fixture, the twin before it runs on a fixture of its own.

    Args:
        stage: Where to send; the event's own setup has been performed.
        event: The event.
        change: Makes the faulty payload from a full valid one, complete with nonce and signatures.
        requirement: What an acceptance would break.
        what: The fault in words.
        may_crash: As for `refused`.

    """
    by = stage.sender_of(event)
    if event.is_repeatable:
        control(stage, event, by)
    else:
        control_on_fresh_stage(stage, event)
    sent = stage.push(by, event, change(stage.valid(event, by, "full")))
    refused(stage, sent, requirement, what, may_crash=may_crash)
    still_usable(stage, event, by, requirement, f"{event.event} with {what} changes nothing")


def control(stage: Stage, event: Event, by: str) -> None:
    """Push the valid twin; where it is not accepted, nothing can be concluded from a refusal."""
    doubts, names = stage.lab.bench.doubts, (stage.family.name, event.event)
    if doubts.keeps_failing(*names):
        raise CannotTell(f"the valid twin of {event.event} was not accepted in the cases before")
    # What is only advice about the twin is for the cases about the twin.
    breaches = list(stage.lab.breaches)
    try:
        accepted(stage, stage.push(by, event, stage.valid(event, by)))
        # What is still on its way because of the twin must not be taken for a trace of what follows.
        stage.settle()
    except Violation as exc:
        doubts.note_control(*names, was_accepted=False)
        raise CannotTell(f"the valid twin of {event.event} is not accepted: {exc}") from exc
    doubts.note_control(*names, was_accepted=True)
    stage.lab.breaches[:] = breaches


def control_on_fresh_stage(stage: Stage, event: Event) -> None:
    """Push the valid twin on another fixture of the same kind."""
    fresh = Stage.build(stage.lab, stage.family.name)
    fresh.perform(event.setup)
    control(fresh, event, fresh.sender_of(event))


def still_usable(stage: Stage, event: Event, by: str, requirement: str, expected: str) -> None:
    """Demand that a valid push is accepted after a refused one: nothing has changed, and the topic is in use.

    Whether a refused push spends its nonce is open, so that nonce and the one after it are tried.
    """
    if stage.topic not in stage.peers[by].topics:
        raise Violation(requirement, f"{expected}: the topic can be joined again", "the join is refused")
    has_nonce = event.nonce is not None and event.nonce.rule == "increasing"
    stage.give_back_nonce(event)
    breaches = list(stage.lab.breaches)
    observed = ""
    for _ in range(2 if has_nonce else 1):
        try:
            accepted(stage, stage.push(by, event, stage.valid(event, by)))
        except Violation as exc:
            observed = exc.breach.observed
        else:
            stage.lab.breaches[:] = breaches
            return
    control_on_fresh_stage(stage, event)
    stage.lab.report(requirement, f"{expected}: a valid one is accepted afterwards", observed)


def joined(peer: Peer, topic: str, requirement: str, who: str) -> Answer:
    """Demand that a join is accepted."""
    answer = peer.join(topic)
    if answer.kind != "ok":
        raise Violation(requirement, f"{who} joins {topic}", str(answer))
    return answer


def join_refused(peer: Peer, topic: str, requirement: str, who: str) -> Answer:
    """Demand that a join is refused by an error reply, and that the topic is not joined afterwards."""
    answer = peer.join(topic)
    if answer.kind == "silence":
        raise CannotTell(f"the join of {topic} by {who} is not answered")
    if answer.kind != "error":
        raise Violation(requirement, f"the join of {topic} by {who} is refused", str(answer))
    return answer
