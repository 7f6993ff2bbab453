"""Provisions over a control topic such as the reference server's (`specs/documents/control/`)."""

from __future__ import annotations

import base64
import time
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from conformance.client.tcp import Unanswered
from conformance.client.transcript import Transcript
from conformance.client.wire import HandshakeRefused, Unreachable, Wire
from conformance.endpoint import Endpoint
from conformance.faults import CannotProvision, CannotTest, ProvisionerGaveOut
from conformance.fixtures.provision import Agent, Provisioner
from conformance.provisioner_settings import ControlSettings
from conformance.trust import PERHAPS_TLS
from specs import message as phx
from specs.model import Api
from specs.participants import Participant
from specs.serializer import SERIALIZERS, MalformedFrame
from specs.session import Session

VSN = "2.0.0"
TOPIC = "control"
MISTAKEN_S = 0.25
"""How long to wait at least for the right reply once one with another ref has come."""


class ControlProvisioner(Provisioner):
    """Makes agents and resources as they are asked for, one request at a time."""

    def __init__(self, endpoint: Endpoint, api: Api) -> None:
        settings = endpoint.provisioner
        token = settings.secret() if isinstance(settings, ControlSettings) else None
        if not token:
            raise CannotTest(
                "no control token is given: use --control-token, WIREPROOF_CONTROL_TOKEN or [provisioner] token"
            )
        name = endpoint.profile.params.get("token", "token")
        self._shown = endpoint.control_url(api)
        self._url = f"{self._shown}?{urlencode({name: token, 'vsn': VSN})}"
        self._ca = endpoint.ca
        self._timeout_s = endpoint.profile.timeouts.connect_s
        self._transcript = Transcript()
        self._transcript.hide(token)
        self._wire: Wire | None = None
        self._session = Session(SERIALIZERS[VSN])
        self._is_misreferring = False

    def open(self) -> None:
        """Connect and join.

        Raises:
            CannotTest: If the control socket cannot be reached, refuses the token or the join.

        """
        self._session = Session(SERIALIZERS[VSN])
        try:
            self._wire = Wire.connect(
                self._url,
                name="control",
                transcript=self._transcript,
                timeout_s=self._timeout_s,
                ca=self._ca,
            )
        except Unreachable as exc:
            is_plain = isinstance(exc, Unanswered) and self._shown.startswith("ws://")
            hint = f" {PERHAPS_TLS}" if is_plain else ""
            raise CannotTest(f"control socket {self._shown}: {exc}{hint}") from exc
        except HandshakeRefused as exc:
            why = "the control token is refused" if exc.status in {401, 403} else "no WebSocket there"
            raise CannotTest(f"control socket {self._shown}: {why} ({exc})") from exc
        answer = self._exchange(self._session.join(TOPIC, {}))
        if answer is None:
            raise CannotTest(f"control socket {self._shown}: the join of {TOPIC!r} is not answered")
        if answer["status"] != "ok":
            why = self._transcript.redacted(str(answer["response"]))
            raise CannotTest(f"control socket {self._shown}: the join of {TOPIC!r} is refused: {why}")

    def create_agent(self, participant: Participant, attributes: Mapping[str, Any]) -> Agent:
        """Make an agent (`create_agent`)."""
        key = base64.b64encode(participant.keys.public_key).decode()
        try:
            made = self.request("create_agent", {**attributes, "public_key": key})
        except CannotProvision as exc:
            if attributes.keys() <= {"name"}:
                raise ProvisionerGaveOut(str(exc)) from exc
            raise
        names = ("agent_id", "owner", "api_key", "session_token")
        if not all(isinstance(made.get(name), str) for name in names):
            raise CannotProvision(f"the reply to create_agent lacks one of {', '.join(names)}")
        return Agent(participant, *(made[name] for name in names))

    def create_resource(self, family: str, roles: Mapping[str, str], params: Mapping[str, Any]) -> str:
        """Make a resource (`create_resource`)."""
        made = self.request(
            "create_resource", {"family": family, "roles": dict(roles), "params": dict(params)}
        )
        return str(made["topic"])

    def request(self, event: str, payload: Mapping[str, Any]) -> Mapping[str, Any]:
        """Send one control event and return its ok response."""
        answer = self._exchange(self._session.push(TOPIC, event, dict(payload)))
        if answer is None and self._may_ask_again(event):
            self.close()
            self.open()
            answer = self._exchange(self._session.push(TOPIC, event, dict(payload)))
        if answer is None:
            raise ProvisionerGaveOut(f"the control topic does not answer {event}")
        if answer["status"] != "ok" or not isinstance(answer["response"], Mapping):
            why = self._transcript.redacted(str(answer["response"]))
            raise CannotProvision(f"the control topic refuses {event}: {why}")
        return answer["response"]

    def _may_ask_again(self, event: str) -> bool:
        """Tell whether what was not answered can be asked for once more.

        Either the connection was lost, with a restart of the endpoint say, or doing it twice does no harm. What may only be late must
        not be done twice: the endpoint would be accused of the second message.
        """
        is_lost = self._wire is None or self._wire.closed is not None
        return is_lost or event in {"create_agent", "create_resource"}

    def close(self) -> None:
        """Close the control connection."""
        if self._wire is not None:
            self._wire.close()
            self._wire = None

    def _exchange(self, message: phx.Message) -> Mapping[str, Any] | None:
        """Send a request and return the payload of its reply; None when none comes.

        One request at a time is under way. Whether refs are echoed rightly is for the cases to judge, not a reason not to
        run them: a reply with another ref is taken where none with the right one follows.
        """
        if self._wire is None:
            return None
        began_s = time.monotonic()
        until_s = began_s + self._timeout_s
        self._wire.send(SERIALIZERS[VSN].encode_client(message))
        mistaken: phx.Message | None = None
        while (frame := self._wire.receive(until_s)) is not None:
            reply = self._reply_in(frame, message)
            if reply is not None and (reply.ref == message.ref or self._is_misreferring):
                return _object(reply.payload)
            if reply is not None:
                # The right one may take as long again as this one took.
                mistaken, now_s = reply, time.monotonic()
                until_s = min(until_s, now_s + max(MISTAKEN_S, now_s - began_s))
        self._is_misreferring = mistaken is not None
        return None if mistaken is None else _object(mistaken.payload)

    def _reply_in(self, frame: phx.Frame, message: phx.Message) -> phx.Message | None:
        try:
            received = SERIALIZERS[VSN].decode_server(frame)
        except MalformedFrame as exc:
            raise CannotTest(f"control socket {self._shown}: not a Phoenix frame: {exc}") from exc
        return received if received.event == phx.PHX_REPLY and received.topic == message.topic else None


def _object(payload: Any) -> Mapping[str, Any]:
    is_reply = isinstance(payload, Mapping) and {"status", "response"} <= payload.keys()
    return payload if is_reply else {"status": "malformed", "response": payload}
