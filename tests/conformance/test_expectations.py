"""What counts as acceptance and as refusal, against an endpoint that does what a script says."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from conformance.faults import CannotTell, Violation
from conformance.fixtures.lab import Lab
from conformance.fixtures.stage import Stage
from conformance.verbs.expectations import (
    accepted,
    control,
    join_refused,
    joined,
    refused,
    refused_between_twins,
    still_usable,
)

RELAYED, SILENT_IN, CLOSING = "input_stream", "checkpoint", "complete"
BINDING, INTERPRETED = "task/closed-is-final", "task/malformed-payload-refused"
DONE = ("task_completed", {"task": {"id": "made-1", "status": "completed", "result": "done"}})

Staged = Callable[..., tuple[Stage, Lab]]


@pytest.fixture
def staged(scripted: Any, lab_at: Any) -> Staged:
    """Build the stage of a task at an endpoint with a script."""

    def build(**script: Any) -> tuple[Stage, Lab]:
        lab = lab_at(scripted(**script))
        return Stage.build(lab, "task"), lab

    return build


def send(stage: Stage, event: str) -> Any:
    known = stage.event(event)
    by = stage.sender_of(known)
    return stage.push(by, known, stage.valid(known, by))


def requirements_of(lab: Lab) -> list[str]:
    return [breach.requirement for breach in lab.breaches]


@pytest.mark.parametrize("altered", [{}, {"from": "the client"}])
def test_ok_with_the_relay_is_an_acceptance(staged: Staged, react: Any, altered: Any) -> None:
    """A reply ok and the relay, with more members or not, leave nothing to report."""
    stage, lab = staged(input_stream=[react(relays=1, altered=altered)])
    assert accepted(stage, send(stage, RELAYED), exactly_once=True).kind == "ok"
    assert not lab.breaches


def test_an_effect_without_a_reply_is_an_acceptance_with_advice(staged: Staged, react: Any) -> None:
    """The relay alone shows acceptance; the missing reply is advised."""
    stage, lab = staged(input_stream=[react("silence", relays=1)])
    accepted(stage, send(stage, RELAYED))
    assert requirements_of(lab) == ["task/events-answered"]
    assert not lab.api.requirements["task/events-answered"].is_binding


def test_neither_reply_nor_observable_effect_cannot_tell(staged: Staged, react: Any) -> None:
    """Silence about an event that shows nothing to others accuses nobody."""
    stage, _ = staged(checkpoint=[react("silence")])
    with pytest.raises(CannotTell):
        accepted(stage, send(stage, SILENT_IN))


def test_an_error_reply_to_an_event_that_is_relayed_is_a_refusal_with_an_effect(
    staged: Staged, react: Any
) -> None:
    """An event must not be refused and relayed at once."""
    stage, _ = staged(input_stream=[react("error", relays=1)])
    with pytest.raises(Violation) as caught:
        accepted(stage, send(stage, RELAYED))
    assert caught.value.breach.requirement == "task/refusal-has-no-effect"


@pytest.mark.parametrize(("answer", "relays"), [("error", 0), ("crash", 1), ("close", 1)])
def test_a_refusal_of_a_valid_event_is_a_violation(
    staged: Staged, react: Any, answer: str, relays: int
) -> None:
    """An error reply, a crash and a closed connection are no acceptance."""
    stage, _ = staged(input_stream=[react(answer, relays=relays)])
    with pytest.raises(Violation) as caught:
        accepted(stage, send(stage, RELAYED))
    assert caught.value.breach.requirement == "task/valid-event-accepted"


@pytest.mark.parametrize(
    "reaction",
    [{"relays": 0}, {"relays": 1, "altered": {"chunk": "another"}}, {"relays": 1, "altered": {"seq": False}}],
)
def test_an_acceptance_without_the_relay_of_what_was_sent_is_a_violation(
    staged: Staged, react: Any, reaction: Any
) -> None:
    """No relay, or one with another value or type, breaks the relay's requirement."""
    stage, _ = staged(input_stream=[react(**reaction)])
    with pytest.raises(Violation) as caught:
        accepted(stage, send(stage, RELAYED))
    assert caught.value.breach.requirement == "task/stream-relayed"


@pytest.fixture
def negotiating(scripted: Any, lab_at: Any) -> Staged:
    """Build the stage of a negotiation at an endpoint with a script."""

    def build(**script: Any) -> tuple[Stage, Lab]:
        lab = lab_at(scripted(**script))
        return Stage.build(lab, "negotiation"), lab

    return build


def test_another_sender_in_a_relay_is_about_the_relay(negotiating: Staged, react: Any) -> None:
    """That the event was answered is not in doubt."""
    stage, lab = negotiating(offer=[react(relays=1, altered={"agent_id": "another"})])
    accepted(stage, send(stage, "offer"))
    assert requirements_of(lab) == ["negotiation/offer-relayed"]


def test_an_altered_relay_of_an_unsigned_event_is_not_about_signatures(
    negotiating: Staged, react: Any
) -> None:
    """A rejection carries no signature that could no longer fit; an offer does."""
    stage, lab = negotiating(reject=[react(relays=1, altered={"reason": "another"})])
    accepted(stage, send(stage, "reject"))
    assert requirements_of(lab) == ["negotiation/reject-relayed"]
    stage, lab = negotiating(offer=[react(relays=1, altered={"amount": "1"})])
    with pytest.raises(Violation) as caught:
        accepted(stage, send(stage, "offer"))
    assert caught.value.breach.requirement == "signatures/relayed-signature-fits"


def test_a_missing_reply_is_not_about_its_content(scripted: Any, lab_at: Any, react: Any) -> None:
    """Where a reply holds data, that there is one at all is another requirement."""
    lab = lab_at(scripted(request_revenue=[react("silence")]))
    stage = Stage.build(lab, "analytics_agent")
    with pytest.raises(CannotTell):
        accepted(stage, send(stage, "request_revenue"))
    assert requirements_of(lab) == ["analytics/events-answered"]


def test_a_relay_that_comes_twice_is_a_violation(staged: Staged, react: Any) -> None:
    """Exactly once means that a second relay is reported."""
    stage, _ = staged(input_stream=[react(relays=2)])
    with pytest.raises(Violation) as caught:
        accepted(stage, send(stage, RELAYED), exactly_once=True)
    assert "2 times" in caught.value.breach.observed


def test_an_acceptance_needs_its_broadcast(staged: Staged, react: Any) -> None:
    """A completion is told to everyone on the topic, or its requirement is broken."""
    stage, lab = staged(complete=[react(events=(DONE,)), react()])
    accepted(stage, send(stage, CLOSING), exactly_once=True)
    assert not lab.breaches
    with pytest.raises(Violation) as caught:
        accepted(stage, send(stage, CLOSING))
    assert caught.value.breach.requirement == "task/completion-broadcast"


def test_a_broadcast_that_comes_twice_is_a_violation(staged: Staged, react: Any) -> None:
    """Exactly once holds for broadcasts as well."""
    stage, _ = staged(complete=[react(events=(DONE, DONE))])
    with pytest.raises(Violation) as caught:
        accepted(stage, send(stage, CLOSING), exactly_once=True)
    assert caught.value.breach.requirement == "task/completion-broadcast"


def refuse(stage: Stage, event: str = RELAYED, *, may_crash: bool = False) -> None:
    refused(stage, send(stage, event), BINDING, "a fault", may_crash=may_crash)


def test_an_error_reply_is_a_refusal(staged: Staged, react: Any) -> None:
    """An error reply with a reason, and nothing at the others, leaves nothing to report."""
    stage, lab = staged(input_stream=[react("error")])
    refuse(stage)
    assert not lab.breaches


def test_an_error_reply_without_a_reason_is_advised(staged: Staged, react: Any) -> None:
    """That refusals carry a string reason is an interpretation."""
    stage, lab = staged(input_stream=[react("error", response={"code": 7})])
    refuse(stage)
    assert requirements_of(lab) == ["task/events-answered"]


def test_silence_without_effect_is_a_refusal_with_advice(staged: Staged, react: Any) -> None:
    """No reply and no effect is accepted as a refusal, and advised."""
    stage, lab = staged(input_stream=[react("silence")])
    refuse(stage)
    assert requirements_of(lab) == ["task/events-answered"]


@pytest.mark.parametrize(("may_crash", "advised"), [(True, []), (False, ["task/events-answered"])])
def test_a_crash_refuses_where_the_event_has_no_clause(
    staged: Staged, react: Any, may_crash: bool, advised: list[str]
) -> None:
    """phx_error refuses a malformed payload in full; elsewhere it is advised. The topic is joined again."""
    stage, lab = staged(input_stream=[react("crash")])
    refuse(stage, may_crash=may_crash)
    assert requirements_of(lab) == advised
    assert all(stage.topic in peer.topics for peer in stage.peers.values())


@pytest.mark.parametrize(
    "reaction", [{"answer": "ok"}, {"answer": "close"}, {"answer": "error", "relays": 1}, {"relays": 1}]
)
def test_ok_an_effect_or_a_closed_socket_is_no_refusal(staged: Staged, react: Any, reaction: Any) -> None:
    """An ok reply, a relay behind whatever answer, and a closed connection break the requirement."""
    stage, _ = staged(input_stream=[react(**reaction)])
    with pytest.raises(Violation) as caught:
        refuse(stage)
    assert caught.value.breach.requirement == BINDING


def test_silence_with_an_effect_is_no_refusal(staged: Staged, react: Any) -> None:
    """What reaches the others was not refused, reply or none."""
    stage, _ = staged(complete=[react("silence", events=(DONE,))])
    with pytest.raises(Violation):
        refuse(stage, CLOSING)


def test_an_interpreted_requirement_is_only_advised(staged: Staged, react: Any) -> None:
    """What one reading alone demands is advice, and the case goes on."""
    stage, lab = staged(input_stream=[react("ok")])
    refused(stage, send(stage, RELAYED), INTERPRETED, "a fault")
    assert requirements_of(lab) == [INTERPRETED]


def between(stage: Stage) -> None:
    refused_between_twins(stage, stage.event(RELAYED), lambda valid: valid, BINDING, "a fault")


def test_a_refusal_between_accepted_twins_passes(staged: Staged, react: Any) -> None:
    """Valid, faulty, valid: accepted, refused, accepted."""
    stage, lab = staged(input_stream=[react(relays=1), react("error"), react(relays=1)])
    between(stage)
    assert not lab.breaches


def test_an_endpoint_that_refuses_everything_passes_nothing(staged: Staged, react: Any) -> None:
    """Without an accepted twin a refusal shows nothing."""
    stage, _ = staged(input_stream=[react("error")])
    with pytest.raises(CannotTell):
        between(stage)


def test_a_topic_that_is_dead_after_a_refusal_is_a_violation(staged: Staged, react: Any) -> None:
    """A refused event changes nothing: the twin after it is accepted."""
    relayed = react(relays=1)
    stage, _ = staged(input_stream=[relayed, react("error"), react("error"), relayed])
    with pytest.raises(Violation) as caught:
        between(stage)
    assert caught.value.breach.requirement == BINDING


def test_advice_about_a_twin_is_not_advice_about_the_case(staged: Staged, react: Any) -> None:
    """A control without a reply leaves no advice behind."""
    stage, lab = staged(input_stream=[react("silence", relays=1)])
    event = stage.event(RELAYED)
    control(stage, event, "client")
    still_usable(stage, event, "client", BINDING, "nothing changes")
    assert not lab.breaches


def test_controls_that_keep_failing_are_not_tried_for_ever(staged: Staged, react: Any) -> None:
    """After two failed controls of an event the next case cannot tell, even where it would now succeed."""
    stage, _ = staged(input_stream=[react("error"), react("error"), react(relays=1)])
    for _ in range(3):
        with pytest.raises(CannotTell):
            control(stage, stage.event(RELAYED), "client")


def test_a_join_that_is_let_in_is_no_refusal(staged: Staged) -> None:
    """`joined` and `join_refused` disagree about the same endpoint."""
    stage, _ = staged()
    peer = stage.peers["client"]
    assert joined(peer, "task:other", BINDING, "the client").kind == "ok"
    with pytest.raises(Violation):
        join_refused(peer, "task:other", BINDING, "the client")
