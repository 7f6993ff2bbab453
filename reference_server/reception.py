"""How a connection gets from its first byte to a WebSocket, or to a response that says why not."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from websockets.http11 import Request

from reference_server.handshake import Accept, OnRequest, Refuse
from reference_server.http_responses import refusal, switching
from reference_server.request_head import RequestHead
from reference_server.structured_log import log_event

if TYPE_CHECKING:
    from collections.abc import Callable

    from reference_server.wire_protocol import WireProtocol

_log = logging.getLogger("reference_server.reception")


class Reception:
    """Takes the request of one connection, has it decided, and writes the answer.

    Args:
        wire: Of the connection; the answer is written there.
        on_request: Decides.
        most_bytes: How long the head of the request may be.
        count_refusal: Is told the status of the answer to what is no request; `on_request` counts its own.

    """

    __slots__ = ("_count_refusal", "_head", "_on_request", "_wire")

    def __init__(
        self, wire: WireProtocol, on_request: OnRequest, most_bytes: int, count_refusal: Callable[[int], None]
    ) -> None:
        self._wire = wire
        self._on_request = on_request
        self._count_refusal = count_refusal
        self._head = RequestHead(most_bytes)

    def take(self, data: bytes) -> tuple[Accept | None, bytes] | None:
        """Take bytes; once the request is whole, answer it and return who is let in, with what lies behind it."""
        head_and_rest = self._head.add(data)
        if head_and_rest is None:
            return None
        head, rest = head_and_rest
        too_long = self._head.refusal_status(head)
        if too_long is not None:
            self._wire.send_response(refusal(Refuse(too_long)))
            self._note(too_long)
            return None, b""
        # The library would go on to frames behind the request before it is answered.
        self._wire.receive_data(head)
        return self._answer(), rest

    def _answer(self) -> Accept | None:
        requests = [event for event in self._wire.events_received() if isinstance(event, Request)]
        if not requests:
            self._note(self._wire.refuse_garbage(refusal(Refuse(400))))
            return None
        decision = self._on_request(requests[0])
        if isinstance(decision, Accept):
            self._wire.send_response(switching(decision.key))
            return decision
        self._wire.send_response(refusal(decision) if isinstance(decision, Refuse) else decision)
        return None

    def _note(self, status: int) -> None:
        self._count_refusal(status)
        log_event(_log, logging.INFO, "handshake", status=status)
