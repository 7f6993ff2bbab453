"""The end of the time of a case accuses nobody, whatever the case makes of its doubts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from conformance.client.deadline import Deadline
from conformance.faults import CannotTell, OutOfTime, Violation
from conformance.fixtures.lab import Lab
from conformance.verbs.conversation import conversation
from conformance.verbs.endings import goes_on, marks_of


def test_there_is_time_until_there_is_none() -> None:
    """Asking whether to go on does nothing as long as it may."""
    Deadline(60).check("anybody")
    with pytest.raises(OutOfTime, match="anybody: the time of the case is up"):
        Deadline(-1).check("anybody")


@pytest.mark.parametrize(("vain_s", "is_told"), [(29.0, False), (31.0, True)])
def test_what_to_set_is_said_where_most_of_the_time_went_on_waiting_in_vain(
    vain_s: float, is_told: bool
) -> None:
    """A case that was merely long is not helped by shorter waits."""
    deadline = Deadline(60, latest_s=0)
    deadline.note_vain(vain_s)
    with pytest.raises(OutOfTime) as caught:
        deadline.check("anybody")
    assert ("set [profile.timeouts] reply_s of the endpoint file lower" in str(caught.value)) is is_told


def test_a_case_that_nobody_answers_says_what_to_set(
    lab_at: Callable[..., Lab], scripted: Any, react: Any
) -> None:
    """Each reply is waited for in full until the time is up."""
    lab = lab_at(scripted(progress=[react("silence")]), case_s=2.0, reply_s=0.9)
    peer = lab.connect(lab.agent("client"))
    peer.join("task:1")
    with pytest.raises(OutOfTime, match="reply_s of the endpoint file lower"):
        all(peer.request("task:1", "progress", {}) for _ in range(60))


def test_the_latest_time_cannot_be_put_off() -> None:
    """More time is given within it only."""
    deadline = Deadline(60, latest_s=0)
    deadline.extend(60)
    assert deadline.has_passed


def test_no_verb_takes_the_end_of_the_time_for_a_breach(lab_at: Callable[..., Lab], scripted: Any) -> None:
    """A fresh connection that nobody could wait for is no connection that does not work."""
    lab = lab_at(scripted())
    talk = conversation(lab)
    marks = marks_of(talk)
    goes_on(talk, marks, "malformed/other-connections-unaffected")
    lab.deadline = Deadline(-1)
    with pytest.raises(OutOfTime):
        goes_on(talk, marks, "malformed/other-connections-unaffected")
    assert not issubclass(OutOfTime, CannotTell | Violation)


def test_an_endpoint_that_is_not_there_is_not_out_of_time(lab_at: Callable[..., Lab], scripted: Any) -> None:
    """As long as there is time, what cannot be reached is what it was."""
    lab = lab_at(scripted())
    agent = lab.agent("someone")
    lab.connect(agent)
    with pytest.raises(CannotTell, match="cannot connect"):
        _elsewhere(lab).connect(agent)


def _elsewhere(lab: Lab) -> Lab:
    """Return a lab whose endpoint listens nowhere."""
    endpoint = lab.bench.endpoint.model_copy(update={"url": "ws://127.0.0.1:9"})
    return Lab(type(lab.bench)(lab.api, endpoint, lab.bench.provisioner, 1, "test"), "test/case", 1)
