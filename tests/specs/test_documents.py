"""The shipped documents: complete, consistent, and valid by what they say themselves."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from specs.loader import DOCUMENTS, load
from specs.model import Api, Event, Step, Topic
from specs.validation import Validator

API = load()
SIGNATURE = "A" * 86 + "=="

EVENTS_OF_THE_PAGE: dict[str, dict[str, str | None]] = {
    "task": {
        "input_stream": "in_out",
        "input_complete": "in",
        "output_stream": "in_out",
        "output_complete": "in",
        "progress": "in_out",
        "complete": "in",
        "error": "in",
        "cancel": "in",
        "checkpoint": "in",
        "task_completed": "out",
    },
    "discovery": {
        "discover": "in",
        "update_metadata": "in",
        "announce": "in",
        "presence_state": "out",
        "agent_updated": "out",
    },
    "negotiation": {"offer": None, "accept": None, "reject": None, "negotiation_complete": "out"},
    "payment": {
        "propose_transfer": None,
        "acknowledge_transfer": None,
        "reject_transfer": None,
        "dispute": None,
        "close": None,
        "transfer_complete": "out",
    },
    "analytics_agent": dict.fromkeys(
        ("request_metrics", "request_time_series", "request_revenue", "request_heatmap", "subscribe_alerts")
    ),
    "analytics_user": dict.fromkeys(
        ("request_metrics", "request_time_series", "request_revenue", "request_heatmap", "subscribe_alerts")
    ),
    "analytics_global": {
        **dict.fromkeys(
            (
                "request_metrics",
                "request_time_series",
                "request_revenue",
                "request_heatmap",
                "subscribe_alerts",
            )
        ),
        "global_stats": "out",
    },
    "messages": {"new_message": "out", "acknowledge": "in", "reject": "in"},
}
"""The events of the source page's tables by topic; None where the page gives no direction."""

MEMBERS_OF_THE_PAGE = {
    ("task", "input_stream"): {"chunk", "seq"},
    ("task", "input_complete"): {"checksum", "total_size"},
    ("task", "output_stream"): {"chunk", "seq"},
    ("task", "output_complete"): {"checksum", "total_size"},
    ("task", "progress"): {"percent", "message"},
    ("task", "complete"): {"result"},
    ("task", "error"): {"type", "details"},
    ("task", "cancel"): {"reason"},
    ("task", "checkpoint"): {"state", "seq"},
    ("task", "task_completed"): {"task"},
    ("discovery", "discover"): {"capability", "filters"},
    ("discovery", "update_metadata"): {"metadata"},
    ("discovery", "announce"): {"capabilities"},
    ("negotiation", "offer"): {"amount", "signature"},
    ("negotiation", "accept"): {"amount", "signature"},
    ("negotiation", "reject"): {"reason"},
    ("payment", "propose_transfer"): {"amount", "nonce", "signature"},
    ("payment", "acknowledge_transfer"): {"amount", "nonce", "signature"},
    ("payment", "reject_transfer"): {"reason"},
    ("payment", "dispute"): {"reason", "evidence"},
    ("payment", "close"): {"final_balance_a", "final_balance_b", "signature_a", "signature_b"},
    ("analytics_agent", "request_metrics"): {"period"},
    ("analytics_agent", "request_time_series"): {"metric", "opts"},
    ("analytics_agent", "request_revenue"): {"period"},
    ("analytics_agent", "request_heatmap"): {"period"},
    ("analytics_global", "global_stats"): {"total_agents", "total_tasks", "system_load"},
    ("messages", "new_message"): {
        "id",
        "type",
        "payload",
        "from_agent_id",
        "protocol_version",
        "inserted_at",
    },
    ("messages", "acknowledge"): {"message_id"},
    ("messages", "reject"): {"message_id", "reason"},
}
"""The payload members that the page gives in braces."""

PATTERNS_OF_THE_PAGE = {
    "agents:discovery": "discovery",
    "task:7": "task",
    "negotiation:7": "negotiation",
    "payment:7": "payment",
    "analytics:agent:7": "analytics_agent",
    "analytics:user:7": "analytics_user",
    "analytics:global": "analytics_global",
}

ALL_EVENTS = [(topic, event) for topic in API.topics.values() for event in topic.events.values()]
WITH_SAMPLES = [(topic, event) for topic, event in ALL_EVENTS if event.samples]


def names(pairs: list[tuple[Topic, Event]]) -> list[str]:
    """Return readable test ids."""
    return [f"{topic.name}/{event.event}" for topic, event in pairs]


def resolved(value: Any) -> Any:
    """Put something plausible in the place of each symbolic value."""
    if not isinstance(value, Mapping):
        return value
    match list(value.items()):
        case [("$count", _)]:
            return 0
        case [("$last", [_, member])]:
            return 1 if member == "nonce" else "message-1"
        case [("$agent" | "$owner", name)]:
            return f"id-of-{name}"
    return {member: resolved(inner) for member, inner in value.items()}


def completed(event: Event, payload: Mapping[str, Any]) -> dict[str, Any]:
    """Resolve a payload and fill in what a sample leaves to the one who sends it."""
    left_out: dict[str, Any] = {signature.member: SIGNATURE for signature in event.signatures}
    if event.nonce is not None:
        left_out[event.nonce.member] = 1
    return {**left_out, **resolved(payload)}


def steps_of(topic: Topic) -> Iterator[Step]:
    """Return all steps of a topic's document."""
    for state in topic.states.values():
        yield from state.reach
    for event in topic.events.values():
        yield from event.setup


def requirement_marks(schema: Any) -> Iterator[str]:
    """Return every `x-requirement` inside a schema."""
    if isinstance(schema, Mapping):
        if "x-requirement" in schema:
            yield schema["x-requirement"]
        for inner in schema.values():
            yield from requirement_marks(inner)
    elif isinstance(schema, list):
        for inner in schema:
            yield from requirement_marks(inner)


def test_the_shipped_documents_load() -> None:
    """Every socket that the API names is there, with topics on it."""
    assert isinstance(API, Api)
    assert set(API.sockets) == {"agent", "user", "control"}
    assert set(API.topics) == {*EVENTS_OF_THE_PAGE, "control"}


@pytest.mark.parametrize("name", EVENTS_OF_THE_PAGE)
def test_every_row_of_the_page_has_an_event_of_its_direction(name: str) -> None:
    """An event of the page's tables is in the document of its topic, with the direction the page gives."""
    events = API.topics[name].events
    for event, direction in EVENTS_OF_THE_PAGE[name].items():
        assert event in events
        assert direction is None or events[event].direction == direction


@pytest.mark.parametrize(("name", "event"), MEMBERS_OF_THE_PAGE)
def test_every_payload_member_of_the_page_is_described(name: str, event: str) -> None:
    """The payload schema of an event describes each member that the page gives it."""
    schema = API.topics[name].events[event].payload
    described = schema.get("properties") or schema["$defs"]["completion"]["properties"]
    assert MEMBERS_OF_THE_PAGE[name, event] <= set(described)


@pytest.mark.parametrize("topic", PATTERNS_OF_THE_PAGE)
def test_a_topic_of_the_page_is_routed_to_its_family(topic: str) -> None:
    """Each topic of the page's table is served on the agent socket, by one family."""
    family = API.route("agent", topic)
    assert family is not None
    assert family.name == PATTERNS_OF_THE_PAGE[topic]


def test_the_analytics_topics_describe_their_common_events_alike() -> None:
    """What analytics:global shares with analytics:agent differs in the roles only."""
    shared = API.topics["analytics_agent"].events
    for name, event in shared.items():
        other = API.topics["analytics_global"].events[name]
        assert (event.payload, event.reply, event.samples) == (other.payload, other.reply, other.samples)


def test_messages_are_on_the_user_socket_alone() -> None:
    """The user socket has one topic family, and the agent socket does not have it."""
    assert [topic.name for topic in API.topics_of("user")] == ["messages"]
    assert API.route("agent", "messages:7") is None


@pytest.mark.parametrize(("topic", "event"), WITH_SAMPLES, ids=names(WITH_SAMPLES))
@pytest.mark.parametrize("size", ["minimal", "full"])
def test_a_sample_fits_the_schema_of_its_event(topic: Topic, event: Event, size: str) -> None:
    """A sample is a valid payload once its symbols are resolved and signatures and nonces filled in."""
    payload = completed(event, event.samples[size])
    assert Validator(event.payload).faults(payload) == [], topic.name


@pytest.mark.parametrize("name", API.topics)
def test_every_step_carries_a_valid_payload(name: str) -> None:
    """A step of a fixture pushes a valid payload by a role that may send it."""
    topic = API.topics[name]
    for step in steps_of(topic):
        if step.control is not None:
            event = API.topics["control"].events[step.control]
        else:
            event = topic.events[step.event or ""]
            assert topic.fixture.cast[step.by or ""] in event.roles
        assert Validator(event.payload).faults(completed(event, step.payload)) == []


@pytest.mark.parametrize("name", API.topics)
def test_the_fixture_of_a_topic_can_be_made(name: str) -> None:
    """The values of a fixture fit its params, and its agents' attributes fit the control event that makes them."""
    fixture = API.topics[name].fixture
    assert Validator(fixture.params).faults(resolved(fixture.values)) == []
    make_agent = Validator(API.topics["control"].events["create_agent"].payload)
    for attributes in fixture.agents.values():
        public_key = "11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="
        assert make_agent.faults({"public_key": public_key, **resolved(attributes)}) == []


@pytest.mark.parametrize("name", API.topics)
def test_every_state_but_the_first_can_be_reached(name: str) -> None:
    """A state that is not the initial one says how a fresh fixture gets there, by a last step that leads to it."""
    topic = API.topics[name]
    for state in topic.states.values():
        if state.name != topic.initial_state:
            last = topic.events[state.reach[-1].event or ""]
            assert last.next_state == state.name


@pytest.mark.parametrize(("topic", "event"), ALL_EVENTS, ids=names(ALL_EVENTS))
def test_a_broadcast_event_is_an_outbound_event_of_the_topic(topic: Topic, event: Event) -> None:
    """What an accepted event sends to everyone is described as outbound beside it."""
    for name in event.broadcasts:
        assert topic.events[name].direction == "out"


@pytest.mark.parametrize(("topic", "event"), ALL_EVENTS, ids=names(ALL_EVENTS))
def test_no_event_is_sent_in_a_terminal_state(topic: Topic, event: Event) -> None:
    """A terminal state takes no event."""
    assert not [state for state in event.states if topic.states[state].terminal]


@pytest.mark.parametrize(("topic", "event"), ALL_EVENTS, ids=names(ALL_EVENTS))
def test_somebody_in_the_cast_may_send_every_inbound_event(topic: Topic, event: Event) -> None:
    """Without such a participant no case could send the event."""
    assert not event.is_inbound or set(event.roles) & set(topic.fixture.cast.values())


@pytest.mark.parametrize(("topic", "event"), ALL_EVENTS, ids=names(ALL_EVENTS))
def test_signatures_and_nonces_name_described_members(topic: Topic, event: Event) -> None:
    """A signature covers members that the payload must have, and is itself one; so is a nonce."""
    required = set(event.payload.get("required", ()))
    members = {signature.member for signature in event.signatures}
    for signature in event.signatures:
        covered = {over for over in signature.over.values() if over.startswith("$payload.")}
        members |= {over.removeprefix("$payload.") for over in covered}
    assert members | ({event.nonce.member} if event.nonce else set()) <= required, topic.name


@pytest.mark.parametrize(("topic", "event"), ALL_EVENTS, ids=names(ALL_EVENTS))
def test_every_requirement_mark_is_in_the_catalogue(topic: Topic, event: Event) -> None:
    """An `x-requirement` of a payload or reply schema names a requirement that there is."""
    marks = {*requirement_marks(event.payload), *requirement_marks(event.reply)}
    assert marks <= set(API.requirements), topic.name


@pytest.mark.parametrize("rule", ["payload", "reply", "role"])
def test_what_the_page_leaves_open_never_fails_a_server(rule: str) -> None:
    """Types, replies and the split of roles are our reading: their requirements do not bind a server."""
    for topic in API.topics.values():
        for event in topic.inbound() if topic.socket != "control" else ():
            requirement = API.requirements[event.rules[rule]]
            assert requirement.basis == "interpreted" or requirement.excluded is not None, requirement.id


def test_requirement_ids_begin_with_the_area_of_their_document() -> None:
    """An id tells the document in which it stands."""
    for path in sorted((DOCUMENTS / "requirements").glob("*.json")):
        document = json.loads(path.read_text(encoding="utf-8"))
        for row in document["requirements"]:
            assert row["id"].partition("/")[0] == document["area"], row["id"]


def test_requirements_on_clients_are_excluded() -> None:
    """What binds clients is never checked at a server, and is kept with the reason."""
    on_clients = [row for row in API.requirements.values() if row.on == "client"]
    assert on_clients
    assert all(row.excluded for row in on_clients)


def test_every_requirement_names_its_source() -> None:
    """A requirement is from the page, the wire facts, our reading or an RFC; a stated one is from the page."""
    known = ("page:", "phoenix-wire.md", "reading.md", "RFC")
    for row in API.requirements.values():
        assert any(word in row.source for word in known), row.id
        assert row.basis != "stated" or "page:" in row.source, row.id
