"""What the checker keeps of a long history, and what it has forgotten."""

from __future__ import annotations

import pytest

from specs.history.checker import FINISHED
from tests.specs.history.story import TASK, Story


def agree(story: Story, name: str, *, is_settled: bool) -> None:
    """Let a session come to an agreement, and everybody leave."""
    topic, connections = f"negotiation:{name}", {f"c{name}": f"client{name}", f"p{name}": f"provider{name}"}
    roles = {"client": f"client{name}", "provider": f"provider{name}"}
    story.record.made(topic, roles, {"base_price": "100"})
    story.enter(topic, {"session": {"status": "open"}}, **connections)
    c, p = connections
    for by, to in ((c, p), (p, c)):
        call = story.push(by, topic, "offer", amount="80", signature="s")
        story.told(to, topic, "offer", amount="80", signature="s")
        story.ok(call)
    call = story.push(c, topic, "accept", amount="80", signature="s")
    for to in (c, p):
        story.told(to, topic, "negotiation_complete", amount="80")
    story.ok(call)
    if is_settled:
        story.settled(topic)
    for connection in connections:
        story.record.ended(connection)


def come_back(story: Story, name: str, status: str) -> list[str]:
    """Join a session anew, and be told its state."""
    story.enter(f"negotiation:{name}", {"session": {"status": status}}, **{f"c{name}again": f"client{name}"})
    return story.found


@pytest.mark.parametrize("is_settled", [True, False])
def test_who_comes_back_is_shown_how_it_ended(is_settled: bool) -> None:
    """A session that is over and that everybody has left is remembered."""
    story = Story()
    agree(story, "1", is_settled=is_settled)
    agree(story, "2", is_settled=is_settled)
    assert come_back(story, "2", "agreed") == []
    [found] = come_back(story, "1", "open")
    assert found.startswith("negotiation/")


@pytest.mark.parametrize("is_settled", [True, False])
def test_the_oldest_of_what_is_over_is_forgotten_and_accuses_nobody(is_settled: bool) -> None:
    """However many sessions there were, the latest are judged and no other."""
    story = Story()
    for number in range(FINISHED + 2):
        agree(story, f"{number}", is_settled=is_settled)
    assert come_back(story, "0", "open") == []
    assert come_back(story, "1", "open") == []
    assert len(come_back(story, "2", "open")) == 1


def test_a_session_that_somebody_has_come_back_to_is_not_forgotten() -> None:
    """Whoever is there is judged, whatever else comes to an end."""
    story = Story()
    agree(story, "0", is_settled=True)
    assert come_back(story, "0", "agreed") == []
    for number in range(1, FINISHED + 2):
        agree(story, f"{number}", is_settled=True)
    story.join("c0again", "negotiation:0", {"session": {"status": "open"}})
    assert len(story.found) == 1


def test_what_is_settled_once_everybody_has_left_is_remembered() -> None:
    """It is one of the latest that are over, like any other."""
    story = Story()
    agree(story, "1", is_settled=False)
    story.settled("negotiation:1")
    assert len(come_back(story, "1", "open")) == 1


def test_who_is_not_let_in_is_told_nothing() -> None:
    """broadcast/joined-only: a join that is refused is none; one that is made again and taken is."""
    story = Story().task()
    story.record.opened("c2", "client")
    story.error(story.record.invoked("c2", TASK, "phx_join", {}))
    for to in ("c", "c2"):
        story.told(to, TASK, "progress", percent=1, message="m")
    assert "broadcast/joined-only" in story.found
    other = Story().task()
    other.record.opened("c2", "client")
    other.error(other.record.invoked("c2", TASK, "phx_join", {}))
    other.join("c2", TASK)
    call = other.push("p", TASK, "progress", percent=1, message="m")
    for to in ("c", "c2"):
        other.told(to, TASK, "progress", percent=1, message="m")
    other.ok(call)
    assert other.settled(TASK) == []


def test_who_has_not_joined_sends_nothing() -> None:
    """malformed/push-unjoined-unmatched, whether an answer or an effect shows that it was taken."""
    for is_answered in (True, False):
        story = Story().task()
        story.record.opened("c2", "client")
        call = story.push("c2", TASK, "progress", percent=1, message="m")
        if is_answered:
            story.ok(call)
        else:
            story.told("p", TASK, "progress", percent=1, message="m")
        assert story.found == ["malformed/push-unjoined-unmatched"]
    other = Story().task()
    other.record.opened("c2", "client")
    other.refused("c2", TASK, "progress", percent=1, message="m")
    assert other.settled(TASK) == []
