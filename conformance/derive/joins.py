"""Who may join a topic: every role of the cast, and nobody else where the topic is not open to all."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from conformance.case import Case
from conformance.faults import Violation
from conformance.fixtures.lab import Lab
from conformance.fixtures.stage import Stage
from conformance.verbs.expectations import join_refused, joined
from specs.model import Topic


def cases(topic: Topic) -> Iterator[Case]:
    """Return the join cases of a topic."""
    rule = topic.join.rules["join"]
    for name, role in topic.fixture.cast.items():
        if role in topic.join.roles:
            yield Case(
                f"{topic.name}/join/accepts/{name}",
                topic.name,
                (rule, topic.join.rules["reply"]),
                f"{name} ({role}) may join {topic.pattern}",
                partial(_accepts, topic=topic, name=name),
            )
    if not any(topic.roles[role].origin == "any" for role in topic.join.roles):
        outsider = topic.join.rules["outsider"]
        yield Case(
            f"{topic.name}/join/refuses/outsider",
            topic.name,
            (outsider,),
            f"an agent without a role may not join {topic.pattern} and hears nothing of it",
            partial(_refuses_outsider, topic=topic),
        )
        yield Case(
            f"{topic.name}/join/refuses/unknown",
            topic.name,
            (topic.join.rules.get("unknown", outsider),),
            f"{topic.pattern} with an unknown id cannot be joined",
            partial(_refuses_unknown, topic=topic),
        )


def _accepts(lab: Lab, topic: Topic, name: str) -> None:
    stage = Stage.build(lab, topic.name, joined=False)
    peer = lab.connect(stage.agents[name], socket=topic.socket)
    answer = joined(peer, stage.topic, topic.join.rules["join"], f"{name} ({stage.role_of(name)})")
    faults = lab.bench.validator(topic.join.reply).faults(answer.response)
    lab.demand(
        not faults,
        topic.join.rules["reply"],
        "the documented reply to a join",
        f"{'; '.join(str(fault) for fault in faults[:3])}; in {answer}",
    )
    for event in topic.events.values():
        if event.pushed_on_join and peer.wait_event(stage.topic, event.event) is None:
            lab.report(
                event.rules.get("join", event.rules["payload"]),
                f"{event.event} is pushed after a join",
                "nothing came",
            )


def _refuses_outsider(lab: Lab, topic: Topic) -> None:
    """Join as a stranger; then let the members speak and see that the stranger hears nothing."""
    rule = topic.join.rules["outsider"]
    stage = Stage.build(lab, topic.name)
    outsider = lab.connect(lab.agent("outsider"), socket=topic.socket)
    join_refused(outsider, stage.topic, rule, "an outsider")
    since = outsider.mark()
    for event in topic.inbound():
        if event.is_repeatable and not event.setup and (event.relay or event.broadcasts):
            by = stage.sender_of(event)
            stage.peers[by].answer(stage.push(by, event, stage.valid(event, by)).message)
            break
    outsider.sync()
    overheard = [message for message in outsider.inbox[since:] if message.topic == stage.topic]
    if overheard:
        raise Violation(rule, "nothing of the topic reaches an outsider", f"{overheard[0]}")


def _refuses_unknown(lab: Lab, topic: Topic) -> None:
    stage = Stage.build(lab, topic.name)
    member = next(iter(stage.peers.values()))
    rule = topic.join.rules.get("unknown", topic.join.rules["outsider"])
    join_refused(member, topic.topic_of(lab.unique("unknown")), rule, "anyone")
