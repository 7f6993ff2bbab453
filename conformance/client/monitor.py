"""Judges every frame that an endpoint sends, whatever the case is about.

The monitor knows what was sent on its connection. It reports breaches of the wire's own rules (F-1, F-3, F-5, F-7) and of
the documented content of what the server pushes. It accepts everything that some supported Phoenix version shows.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from conformance.client.doubts import Doubts
from conformance.client.equality import same
from conformance.faults import Violation
from specs import message as phx
from specs.message import Frame, Message
from specs.model import Api, Event, Topic
from specs.schema_nodes import requirement_at
from specs.serializer import V1, V2, MalformedFrame
from specs.validation import Validator

UNMATCHED = {"reason": "unmatched topic"}


@dataclass(slots=True)
class Sent:
    """A message that was sent and may be answered."""

    message: Message
    answers: int = 0


@dataclass(slots=True)
class Monitor:
    """The rules for one connection."""

    api: Api
    socket: str
    serializer: V1 | V2
    advise: Callable[..., None]
    """Takes requirement, expected, observed, and the subject of what is said once a run; records it and goes on."""
    validators: dict[int, Validator]
    """Compiled payload schemas, shared over a run, by identity of the schema."""
    sent: list[Sent] = field(default_factory=list)
    join_refs: dict[str, list[Any]] = field(default_factory=dict)
    """Every join_ref under which a topic was joined on this connection, as sent and as Phoenix completes it."""
    doubts: Doubts = field(default_factory=Doubts)
    repeated_answers: int = 0
    """Replies to pushes that had been answered already."""

    def note_sent(self, message: Message) -> None:
        """Remember what goes out."""
        self.sent.append(Sent(message))
        if message.event == phx.PHX_JOIN and isinstance(message.topic, str):
            refs = self.join_refs.setdefault(message.topic, [])
            refs.append(message.join_ref)
            if message.join_ref is None:
                refs.append(message.ref)

    def read(self, frame: Frame) -> Message:
        """Decode and judge one frame.

        Raises:
            Violation: If the frame breaks a rule of the wire.

        """
        rule = "frames/v2-five-elements" if isinstance(self.serializer, V2) else "frames/v1-object-keys"
        try:
            message = self.serializer.decode_server(frame)
        except MalformedFrame as exc:
            shown = frame.data[:200].decode(errors="replace") if frame.is_text else frame.data[:60].hex(" ")
            raise Violation(rule, "a well-formed frame of the server", f"{exc}: {shown}") from exc
        self._judge(message)
        return message

    def _judge(self, message: Message) -> None:
        if message.event == phx.PHX_REPLY:
            self._judge_reply(message)
        elif message.event in {phx.PHX_CLOSE, phx.PHX_ERROR}:
            self._judge_end(message)
        else:
            self._judge_push(message)

    def _judge_reply(self, message: Message) -> None:
        payload = message.payload
        self._judge_base(message)
        asked = [
            sent
            for sent in self.sent
            if same(_echoed(sent.message.ref, payload), message.ref)
            and same(sent.message.topic, message.topic)
        ]
        if not asked:
            raise Violation(
                "frames/reply-echoes-ref",
                "a reply carries the ref and the topic of a push that was sent on this connection",
                f"a reply with ref {message.ref!r} on topic {message.topic!r}",
            )
        sent = next((sent for sent in asked if sent.answers == 0), asked[-1])
        self.repeated_answers += sent.answers > 0
        sent.answers += 1
        if isinstance(self.serializer, V2):
            self._judge_reply_join_ref(message, sent.message)

    def _judge_base(self, message: Message) -> None:
        """Judge the payload of an event that belongs to the protocol itself."""
        event = self.api.protocol.events[message.event]
        payload = message.payload
        if isinstance(payload, dict) and isinstance(payload.get("response"), bytes):
            payload = {**payload, "response": None}
        faults = self.validator(event).faults(payload)
        if faults:
            raise Violation(
                event.rules["payload"],
                f"the payload of {event.event} as Phoenix sends it",
                f"{faults[0].pointer or '/'}: {faults[0].message}; in {message}",
            )

    def _judge_reply_join_ref(self, message: Message, push: Message) -> None:
        response = message.payload["response"]
        if push.topic == phx.PHOENIX_TOPIC or (
            response == UNMATCHED and message.payload["status"] == "error"
        ):
            allowed = [None]
        elif push.event == phx.PHX_JOIN:
            allowed = [push.join_ref]
        else:
            # The answer to a stale push carries the channel's own join_ref on Phoenix 1.7 (section 17).
            known = self.join_refs.get(push.topic, ()) if isinstance(push.topic, str) else ()
            allowed = [push.join_ref, *known]
        if not any(same(_echoed(ref, message.payload), message.join_ref) for ref in allowed):
            raise Violation(
                "frames/reply-echoes-join-ref",
                f"the reply to {push.event} on {push.topic} carries join_ref {allowed[0]!r}",
                f"join_ref {message.join_ref!r}",
            )

    def _judge_end(self, message: Message) -> None:
        self._judge_base(message)
        known = self.join_refs.get(message.topic, []) if isinstance(message.topic, str) else []
        if not any(same(ref, message.ref) for ref in known):
            raise Violation(
                "leaving/end-carries-join-ref",
                f"{message.event} carries the join_ref of a join of its topic as ref",
                f"{message}",
            )

    def _judge_push(self, message: Message) -> None:
        if message.ref is not None:
            raise Violation(
                "frames/push-has-null-ref",
                "ref is null on a push or a broadcast",
                f"ref {message.ref!r}: {message}",
            )
        known = self.join_refs.get(message.topic, []) if isinstance(message.topic, str) else []
        if not known:
            raise Violation(
                "broadcast/joined-only",
                "nothing is pushed or broadcast on a topic of which this connection has sent no join",
                f"{message}",
            )
        if message.join_ref is not None and not any(same(ref, message.join_ref) for ref in known):
            raise Violation(
                "frames/push-carries-join-ref",
                "a push carries the join_ref of a join of its topic on this connection, a broadcast carries null",
                f"{message}",
            )
        family = self.api.route(self.socket, message.topic)
        if family is not None:
            self._judge_content(message, family)

    def family_of(self, topic: str) -> str:
        """Return the name of a topic's family; an empty string where no family of the socket has it."""
        family = self.api.route(self.socket, topic)
        return "" if family is None else family.name

    def _judge_content(self, message: Message, family: Topic) -> None:
        event = family.outbound().get(message.event)
        if event is None:
            subject = f"{family.name}/{message.event}"
            if self.doubts.is_new("frames/known-event", subject):
                self.advise(
                    "frames/known-event",
                    f"only documented events of {family.pattern}",
                    f"event {message.event!r} on {message.topic}",
                    subject,
                )
        elif event.direction == "out":
            for fault in self.validator(event).faults(message.payload):
                self.report(
                    requirement_at(event.payload, fault.pointer) or event.rules["payload"],
                    f"the content of {event.event} as documented",
                    f"{fault.pointer or '/'}: {fault.message}; in {message}",
                )

    def report(self, requirement: str, expected: str, observed: str) -> None:
        """Raise for a binding requirement, advise for another."""
        if self.api.requirements[requirement].is_binding:
            raise Violation(requirement, expected, observed)
        self.advise(requirement, expected, observed)

    def validator(self, event: Event) -> Validator:
        """Return the compiled payload schema of an event."""
        return compiled(self.validators, event.payload)


def compiled(cache: dict[int, Validator], schema: Mapping[str, Any]) -> Validator:
    """Return the compiled form of a schema of the documents; they live as long as the run, so identity is a key."""
    key = id(schema)
    if key not in cache:
        cache[key] = Validator(dict(schema))
    return cache[key]


def _echoed(ref: Any, payload: Mapping[str, Any]) -> Any:
    """Return a ref as it comes back: text in a binary reply (F-6), else as it was sent."""
    if isinstance(payload.get("response"), bytes):
        return "" if ref is None else str(ref)
    return ref
