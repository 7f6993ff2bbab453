"""The operator's topic: makes agents and resources of any family, sends messages and alerts, disconnects agents."""

from __future__ import annotations

import base64
import binascii
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from reference_server.context import Context, Refused
from reference_server.handlers.analytics import ALERT_SUBSCRIPTION
from reference_server.handlers.messages import NEW_MESSAGE, view
from reference_server.membership import needs_resource
from reference_server.records import Agent, Message, Resource
from reference_server.registry import handles
from specs.amounts import NotAnAmount, parse_amount
from specs.signing import UnusableKey, check_public_key

if TYPE_CHECKING:
    from collections.abc import Mapping

    from specs.model import Socket, Topic

AGENT_SOCKET = "agent"
MESSAGES = "messages"
ALERT = "alert"

DEFAULT_PROTOCOL_VERSION = "1.0"


@handles("control", "create_agent")
def create_agent(ctx: Context) -> Mapping[str, Any]:
    """Register an agent and return its credentials."""
    agent_id = ctx.payload.get("agent_id") or ctx.identifiers.new_id("agent")
    if ctx.store.agent(agent_id) is not None:
        raise Refused("agent_exists")
    agent = Agent(
        id=agent_id,
        name=ctx.payload.get("name", agent_id),
        owner=ctx.payload.get("owner") or ctx.identifiers.new_id("owner"),
        api_key=ctx.identifiers.new_credential("ak"),
        session_token=ctx.identifiers.new_credential("st"),
        public_key=_public_key(ctx.payload["public_key"]),
        capabilities=tuple(ctx.payload.get("capabilities", ())),
        status=ctx.payload.get("status", "online"),
        reputation=Decimal(str(ctx.payload.get("reputation", 0))),
        price=_amount(ctx.payload.get("price", 0)),
        metadata=ctx.payload.get("metadata", {}),
    )
    ctx.store.put_agent(agent)
    credentials = {"api_key": agent.api_key, "session_token": agent.session_token}
    return {"agent_id": agent.id, "owner": agent.owner, **credentials}


@handles("control", "create_resource")
def create_resource(ctx: Context) -> Mapping[str, Any]:
    """Make a resource in the first state of its family."""
    family = ctx.api.topics.get(ctx.payload["family"])
    if family is None or not needs_resource(family):
        raise Refused("unknown_family")
    params = ctx.surroundings.check_params(family, ctx.payload["params"])
    roles = _assigned_roles(ctx, family, ctx.payload["roles"])
    creation = ctx.surroundings.creations.get(family.name)
    resource_id = ctx.identifiers.new_id(family.name)
    topic = family.topic_of(resource_id)
    data = creation(ctx, params) if creation else params
    ctx.store.put_resource(
        Resource(family.name, resource_id, topic, family.initial_state, roles, ctx.now, data)
    )
    return {"topic": topic, "id": resource_id}


@handles("control", "send_message")
def send_message(ctx: Context) -> Mapping[str, Any]:
    """Keep a message for an agent and push it to wherever that agent listens."""
    addressee, inbox = ctx.payload["to"], ctx.api.topics.get(MESSAGES)
    if ctx.store.agent(addressee) is None:
        raise Refused("unknown_agent")
    message = Message(
        id=ctx.identifiers.new_id("message"),
        type=ctx.payload["type"],
        payload=ctx.payload["payload"],
        from_agent_id=ctx.payload["from_agent_id"],
        to_agent_id=addressee,
        protocol_version=ctx.payload.get("protocol_version", DEFAULT_PROTOCOL_VERSION),
        inserted_at=ctx.now,
        number=ctx.store.next_message_number(),
    )
    ctx.store.put_message(message)
    if inbox is not None:
        ctx.send(inbox, inbox.topic_of(addressee), NEW_MESSAGE, view(message))
    return {"message_id": message.id}


@handles("control", "disconnect_agent")
def disconnect_agent(ctx: Context) -> None:
    """Close the agent's sockets, as a broadcast to their socket id does (`phoenix-wire.md` T-4)."""
    agent_id = ctx.payload["agent_id"]
    if ctx.store.agent(agent_id) is None:
        raise Refused("unknown_agent")
    ids = (socket.socket_id for socket in _agent_sockets(ctx))
    ctx.disconnects |= {template.format(agent_id=agent_id) for template in ids if template is not None}


@handles("control", "raise_alert")
def raise_alert(ctx: Context) -> None:
    """Push an alert to the subscribers of a topic."""
    topic = ctx.payload["topic"]
    family = next((each for each in ctx.api.topics.values() if _takes_alerts(each, topic)), None)
    if family is None:
        raise Refused("invalid_payload", detail={"pointer": "/topic", "keyword": "enum"})
    ctx.send(family, topic, ALERT, ctx.payload["alert"], subscribers_of=ALERT_SUBSCRIPTION)


def _takes_alerts(family: Topic, topic: str) -> bool:
    return family.matches(topic) and ALERT in family.outbound()


def _agent_sockets(ctx: Context) -> list[Socket]:
    sockets = [socket for socket in ctx.api.sockets.values() if socket.identity == "agent"]
    # The page's socket id is the agent socket's; the one for messages has another and stays open.
    return [socket for socket in sockets if socket.name == AGENT_SOCKET] or sockets


def _assigned_roles(ctx: Context, family: Topic, given: Mapping[str, str]) -> dict[str, str]:
    needed = {name for name, role in family.roles.items() if role.origin == "resource"}
    if set(given) - needed:
        raise Refused("unknown_role", roles=sorted(set(given) - needed))
    if needed - set(given) or len(set(given.values())) < len(given):
        raise Refused("invalid_payload", detail={"pointer": "/roles", "keyword": "required"})
    unknown = sorted(role for role, agent_id in given.items() if ctx.store.agent(agent_id) is None)
    if unknown:
        raise Refused("unknown_agent", roles=unknown)
    return dict(given)


def _public_key(text: str) -> bytes:
    try:
        public_key = base64.b64decode(text, validate=True)
        check_public_key(public_key)
    except (binascii.Error, UnusableKey) as exc:
        raise Refused("unusable_key") from exc
    return public_key


def _amount(value: Any) -> Decimal:
    try:
        return parse_amount(value)
    except NotAnAmount as exc:
        raise Refused("invalid_payload", detail={"pointer": "/price", "keyword": "pattern"}) from exc
