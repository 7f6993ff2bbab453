"""What the documents say of an inbound event, enforced before any effect.

In this order: the event is known, its payload names each member once where it is signed, and fits, the sender's role may send it, the state takes it, the nonce is fresh,
the signatures verify. The first rule that is broken refuses the event; nothing is changed here.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from reference_server.context import Context, Refused
from specs.canonical import NotCanonical
from specs.json_text import repeats_a_member
from specs.signing import MissingSignedMember, signed_bytes, verify
from specs.validation import Validator

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from reference_server.records import Resource
    from specs.model import Api, Event, Nonce, Signature, Topic

INVALID_PAYLOAD = "invalid_payload"
UNKNOWN_EVENT = "unknown_event"
FORBIDDEN = "forbidden"
STALE_NONCE = "stale_nonce"
UNKNOWN_TRANSFER = "unknown_transfer"
INVALID_SIGNATURE = "invalid_signature"


class Enforcement:
    """The rules of an API's documents, with every schema compiled once."""

    def __init__(self, api: Api) -> None:
        self._events = {
            (family.name, event.event): Validator(event.payload)
            for family in api.topics.values()
            for event in family.inbound()
        }
        self._joins = {family.name: Validator(family.join.payload) for family in api.topics.values()}
        self._params = {family.name: Validator(family.fixture.params) for family in api.topics.values()}

    def event_of(self, family: Topic, name: Any) -> Event:
        """Return the inbound event of that name, or refuse with `unknown_event`."""
        event = family.events.get(name) if isinstance(name, str) else None
        if event is None or not event.is_inbound:
            raise Refused(UNKNOWN_EVENT, event=name)
        return event

    def check_join_payload(self, family: Topic, payload: Any) -> Mapping[str, Any]:
        """Return the payload of a join that fits, or refuse with `invalid_payload`."""
        return _fitting(self._joins[family.name], payload)

    def check_params(self, family: Topic, params: Any) -> Mapping[str, Any]:
        """Return the params of a new resource that fit, or refuse with `invalid_payload`."""
        return _fitting(self._params[family.name], params)

    def check_payload(self, family: Topic, event: Event, payload: Any) -> Mapping[str, Any]:
        """Return a payload that is an object and fits, or refuse with `invalid_payload`."""
        if event.signatures:
            self.check_members_once(payload)
        return _fitting(self._events[family.name, event.event], payload)

    def fits(self, family: Topic, event: Event) -> Callable[[Any], bool]:
        """Return what tells whether an object out of JSON text fits the schema of an event's payload."""
        return self._events[family.name, event.event].is_valid_json

    def check_members_once(self, payload: Any) -> None:
        """Refuse a signed payload that names a member twice: what was signed, and what others read, may be the other one."""
        if repeats_a_member(payload):
            raise Refused(INVALID_PAYLOAD, detail={"pointer": "", "keyword": "uniqueMembers"})

    def check(self, ctx: Context, event: Event) -> None:
        """Refuse an event that the role, the state, the nonce rule or a signature forbids."""
        self.check_role(ctx, event)
        self.check_state(ctx, event)
        if event.nonce is not None:
            self.check_nonce(ctx, event.nonce)
        for signature in event.signatures:
            self.check_signature(ctx, event, signature)

    def check_role(self, ctx: Context, event: Event) -> None:
        """Refuse a sender whose role may not send the event."""
        if ctx.role not in event.roles:
            raise Refused(FORBIDDEN)

    def check_state(self, ctx: Context, event: Event) -> None:
        """Refuse an event that the present state does not take, with that state's reason."""
        if ctx.resource.state not in event.states:
            raise Refused(ctx.family.states[ctx.resource.state].reason)

    def check_nonce(self, ctx: Context, nonce: Nonce) -> None:
        """Refuse a nonce that is not above all before it, or that names nothing pending (`reading.md` section 7)."""
        value = _nonce_in(ctx, nonce)
        if nonce.rule == "increasing" and value <= ctx.resource.highest_nonce:
            raise Refused(STALE_NONCE)
        if nonce.rule == "pending" and value not in ctx.resource.pending_nonces:
            raise Refused(UNKNOWN_TRANSFER)

    def check_signature(self, ctx: Context, event: Event, signature: Signature) -> None:
        """Refuse a signature that the signer's key did not make over exactly these bytes (`reading.md` section 8)."""
        signer = (
            ctx.agent_id if signature.signer == "sender" else ctx.resource.roles.get(signature.signer, "")
        )
        agent = ctx.store.agent(signer)
        try:
            data = signed_bytes(
                signature.over, topic=ctx.channel.topic, event=event.event, payload=ctx.payload
            )
        except (MissingSignedMember, NotCanonical):
            raise Refused(INVALID_SIGNATURE) from None
        text = ctx.payload.get(signature.member)
        if agent is None or not verify(agent.public_key, data, text):
            raise Refused(INVALID_SIGNATURE, detail={"member": signature.member})


def follow_up(ctx: Context, event: Event) -> None:
    """Record what an accepted event does to its resource by the documents: the nonce and the next state."""
    resource = ctx.resource
    if event.nonce is not None:
        resource = _with_nonce(resource, event.nonce.rule, _nonce_in(ctx, event.nonce))
    if event.next_state is not None:
        resource = replace(resource, state=event.next_state)
    if resource is not ctx.resource:
        ctx.put(resource)


def _with_nonce(resource: Resource, rule: str, value: int) -> Resource:
    if rule == "increasing":
        return replace(resource, pending_nonces=(*resource.pending_nonces, value))
    remaining = tuple(nonce for nonce in resource.pending_nonces if nonce != value)
    executed = max(resource.executed_nonce, value)
    return replace(resource, pending_nonces=remaining, executed_nonce=executed)


def _nonce_in(ctx: Context, nonce: Nonce) -> int:
    value = ctx.payload.get(nonce.member)
    # JSON Schema calls 7.0 an integer, too.
    if isinstance(value, bool) or not isinstance(value, int | float) or value != int(value):
        raise Refused(INVALID_PAYLOAD, detail={"pointer": f"/{nonce.member}", "keyword": "type"})
    return int(value)


def _fitting(validator: Validator, payload: Any) -> Mapping[str, Any]:
    if not isinstance(payload, dict):
        raise Refused(INVALID_PAYLOAD, detail={"pointer": "", "keyword": "type"})
    if not validator.is_valid_json(payload):
        # A payload can hold millions of faults, and listing them would keep everybody waiting.
        fault = validator.first_fault(payload)
        detail = {} if fault is None else {"pointer": fault.pointer, "keyword": fault.keyword}
        raise Refused(INVALID_PAYLOAD, detail=detail)
    return payload
