"""Signed payloads that name a member twice: one value verified, the other one acted on."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from reference_server.deviations.deviation import deviation
from reference_server.deviations.pretending import Read, over_what_was_sent
from reference_server.deviations.replacing import around, around_codec
from specs import json_text
from specs.json_text import RepeatedMembers

if TYPE_CHECKING:
    from reference_server.assembly import Assembly
    from specs.message import Frame


class _BothReadings(RepeatedMembers):
    """The first values, as they are verified, with the last ones beside them."""

    last: dict[str, Any]


@deviation(
    "signatures/repeated-member-not-acted-on",
    shows="Of a payload that names its amount twice, the first is verified and the last is acted on.",
)
def acts_on_unsigned_repetition(server: Assembly) -> None:
    """Let the check of the signature and the effect read the same text in two ways."""

    def decode_client(honest: Any, self: Any, frame: Frame) -> Any:
        message = honest(self, frame)
        if not isinstance(message.payload, RepeatedMembers):
            return message
        both = _BothReadings(message.payload)
        whole = json_text.decode(frame.data)
        both.last = whole["payload"] if isinstance(whole, dict) else whole[4]
        return replace(message, payload=both)

    def check_payload(honest: Any, self: Any, topic: Any, known: Any, payload: Any) -> Any:
        if not isinstance(payload, _BothReadings):
            return honest(self, topic, known, payload)
        understood = Read(honest(self, topic, known, payload.last))
        understood.sent = payload
        return understood

    around_codec(server, "decode_client", decode_client)
    server.enforcement = around(server.enforcement, "check_payload", check_payload)
    server.enforcement = around(server.enforcement, "check_signature", over_what_was_sent)
