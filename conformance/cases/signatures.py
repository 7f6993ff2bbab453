"""Signatures that must be refused wherever Ed25519 signatures are asked for: offers, acceptances, transfers, the close.

Each case forges one kind of signature for an offer of a negotiation and for a proposal of a payment channel; genuine ones
are accepted before and after, so that nothing but the signature can be the reason.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from conformance.faults import CannotProvision, CannotTell
from conformance.verbs.acting import done, must_refuse, staged
from conformance.verbs.ledger import PROPOSE
from conformance.written import case
from specs.signing import GROUP_ORDER, SIGNATURE_BYTES, decode_signature, malleable_twin

if TYPE_CHECKING:
    from conformance.fixtures.lab import Lab
    from conformance.fixtures.stage import Stage
    from specs.model import Event

OFFER = "offer"
ACCEPT = "accept"
CLOSE = "close"

_BITS = 8
_SCALAR_BYTES = 32


@dataclass(frozen=True, slots=True)
class Genuine:
    """A valid signed event that is about to be forged."""

    stage: Stage
    event: Event
    by: str
    payload: dict[str, Any]

    @property
    def signature(self) -> str:
        """Its signature."""
        return str(self.payload["signature"])

    @property
    def raw(self) -> bytes:
        """The bytes of its signature."""
        return decode_signature(self.signature)

    def data(self, **names: str) -> bytes:
        """Return the bytes that are signed; `topic` and `name` (of the event) may be replaced."""
        return self.stage.signed_bytes(self.event, self.event.signatures[0], self.payload, **names)

    def signed(self, data: bytes) -> str:
        """Sign other bytes with the sender's own key."""
        return self.stage.agents[self.by].participant.keys.sign(data)


Forge = Callable[[Genuine], Iterable[Any]]


def _stages(lab: Lab) -> Iterator[tuple[Stage, Event, str]]:
    """Yield a stage, an event that is signed by its sender, and that sender, of each family that asks for signatures."""
    session = staged(lab, "negotiation")
    yield session, session.event(OFFER), "client"
    channel = staged(lab, "payment")
    yield channel, channel.event(PROPOSE), "a"


def _forged_are_refused(lab: Lab, requirement: str, what: str, forge: Forge) -> None:
    """Send events with forged signatures, a genuine one before and one after; demand that they are refused.

    Each forgery is made from the very payload that carries it, so `forge` yields as many for one payload as for another.
    """
    for stage, event, by in _stages(lab):
        done(stage, by, event.event, amount="1")
        count = len(list(forge(Genuine(stage, event, by, stage.valid(event, by)))))
        for at in range(count):
            valid = stage.valid(event, by)
            forgery = list(forge(Genuine(stage, event, by, valid)))[at]
            sent = stage.push(by, event, {**valid, "signature": forgery})
            must_refuse(stage, sent, requirement, what, may_crash=True)
        done(stage, by, event.event, amount="1")


def _encoded(raw: bytes) -> str:
    return base64.b64encode(raw).decode()


@case("signatures/ed25519", "signatures/ed25519", topic="payment")
def ed25519(lab: Lab) -> None:
    """64 bytes of another scheme over the right bytes are refused where Ed25519 signatures are accepted."""

    def other_schemes(genuine: Genuine) -> Iterator[str]:
        key = genuine.stage.agents[genuine.by].participant.keys.public_key
        yield _encoded(hmac.digest(key, genuine.data(), "sha512"))
        yield _encoded(hashlib.sha512(genuine.data()).digest())
        yield _encoded(key + genuine.raw[_SCALAR_BYTES:])

    _forged_are_refused(lab, "signatures/ed25519", "64 bytes that are no Ed25519 signature", other_schemes)


@case("signatures/signed-bytes", "signatures/signed-bytes", topic="payment")
def signed_bytes(lab: Lab) -> None:
    """The signed bytes are the canonical JSON of the template; other JSON of the same object is not taken for it."""
    for stage, event, by in _stages(lab):
        valid = stage.valid(event, by)
        answer = stage.peers[by].answer(stage.push(by, event, valid).message)
        expected = f"{event.event} signed over its canonical JSON is accepted"
        lab.demand(answer.kind in {"ok", "silence"}, "signatures/signed-bytes", expected, answer)

    def other_texts(genuine: Genuine) -> Iterator[str]:
        signed = json.loads(genuine.data())
        yield genuine.signed(json.dumps(signed).encode())
        yield genuine.signed(json.dumps(dict(reversed(signed.items())), separators=(",", ":")).encode())
        yield genuine.signed(genuine.data() + b"\n")

    _forged_are_refused(
        lab, "signatures/signed-bytes", "a signature over other JSON of the same object", other_texts
    )


@case("signatures/encoding", "signatures/encoding", topic="payment")
def encoding(lab: Lab) -> None:
    """A signature in hexadecimal, in base32 or as an array of bytes is refused where base64 is accepted."""

    def other_encodings(genuine: Genuine) -> Iterator[Any]:
        yield genuine.raw.hex()
        yield base64.b32encode(genuine.raw).decode()
        yield list(genuine.raw)

    _forged_are_refused(lab, "signatures/encoding", "a signature that is not base64", other_encodings)


@case("signatures/missing", "signatures/missing-refused", topic="payment")
def missing(lab: Lab) -> None:
    """Offers, acceptances, proposals, acknowledgements and closes without a signature, or with none in it, are refused."""
    for stage, by, event, payload in _signed_events(lab):
        members = [rule.member for rule in event.signatures]
        for member in members:
            without = {key: value for key, value in payload.items() if key != member}
            for faulty in (
                without,
                {**payload, member: None},
                {**payload, member: ""},
                {**payload, member: True},
            ):
                must_refuse(
                    stage,
                    stage.push(by, event, faulty),
                    "signatures/missing-refused",
                    f"no {member}",
                    may_crash=True,
                )
        done(stage, by, event.event, **payload)


def _signed_events(lab: Lab) -> Iterator[tuple[Stage, str, Event, dict[str, Any]]]:
    """Yield every signed event, ready to be sent: stage, sender, event, payload."""
    for family in ("negotiation", "payment"):
        if family not in lab.api.topics:
            raise CannotProvision(f"the documents have no topic family {family!r}")
        for event in lab.api.topics[family].inbound():
            if event.signatures:
                stage = staged(lab, family)
                stage.perform(event.setup)
                by = stage.sender_of(event)
                yield stage, by, event, stage.valid(event, by)


@case("signatures/foreign-key", "signatures/foreign-key-refused", topic="payment")
def foreign_key(lab: Lab) -> None:
    """A signature by the other party's key, or by that of an agent elsewhere, is refused."""
    stranger = lab.agent("stranger")

    def by_others(genuine: Genuine) -> Iterator[str]:
        yield stranger.participant.keys.sign(genuine.data())
        for name, agent in genuine.stage.agents.items():
            if name != genuine.by:
                yield agent.participant.keys.sign(genuine.data())

    _forged_are_refused(lab, "signatures/foreign-key-refused", "another agent's signature", by_others)


@case("signatures/other-amount", "signatures/other-amount-refused", topic="payment")
def other_amount(lab: Lab) -> None:
    """A genuine signature for another amount is refused, be the amount ever so near."""

    def for_others(genuine: Genuine) -> Iterator[str]:
        for amount in ("2", "1.00000001", "0.99999999", "10", "11"):
            yield genuine.stage.sign(genuine.event, genuine.by, {**genuine.payload, "amount": amount})[
                "signature"
            ]

    _forged_are_refused(lab, "signatures/other-amount-refused", "a signature for another amount", for_others)


@case("signatures/bit-flips", "signatures/bit-flip-refused", topic="payment")
def bit_flips(lab: Lab) -> None:
    """A signature with one bit changed is refused, in each of its 64 bytes."""

    def flipped(genuine: Genuine) -> Iterator[str]:
        for index in range(SIGNATURE_BYTES):
            changed = bytearray(genuine.raw)
            changed[index] ^= 1 << index % _BITS
            yield _encoded(bytes(changed))

    _forged_are_refused(lab, "signatures/bit-flip-refused", "one bit of its signature changed", flipped)


@case("signatures/malleable", "signatures/malleable-refused", topic="payment")
def malleable(lab: Lab) -> None:
    """A signature whose scalar S is not below the group order is refused: S + L, and S + kL as far as it has room."""

    def twins(genuine: Genuine) -> Iterator[str]:
        yield malleable_twin(genuine.signature)
        scalar = int.from_bytes(genuine.raw[_SCALAR_BYTES:], "little")
        for times in (2, 7, 14):
            raised = scalar + times * GROUP_ORDER
            yield _encoded(genuine.raw[:_SCALAR_BYTES] + raised.to_bytes(_SCALAR_BYTES, "little"))

    _forged_are_refused(lab, "signatures/malleable-refused", "the malleable twin of its signature", twins)


@case("signatures/wrong-length", "signatures/wrong-length-refused", topic="payment")
def wrong_length(lab: Lab) -> None:
    """A signature of fewer or more than 64 bytes is refused."""

    def resized(genuine: Genuine) -> Iterator[str]:
        for length in (1, 31, 32, 63):
            yield _encoded(genuine.raw[:length])
        for more in (b"\0", genuine.raw[:_SCALAR_BYTES], genuine.raw):
            yield _encoded(genuine.raw + more)
            yield _encoded(more + genuine.raw)

    _forged_are_refused(lab, "signatures/wrong-length-refused", "a signature of another length", resized)


@case("signatures/not-base64", "signatures/not-base64-refused", topic="payment")
def not_base64(lab: Lab) -> None:
    """Text that does not decode to any bytes is refused."""
    texts = ("*" * 88, "signature", "\0" * 88, "é" * 88, "=" * 88, " " * 88)
    _forged_are_refused(
        lab, "signatures/not-base64-refused", "text that is not base64", lambda _genuine: texts
    )


@case("signatures/loose-base64", "signatures/strict-base64", topic="payment")
def loose_base64(lab: Lab) -> None:
    """Base64 that is unpadded, in the URL alphabet, with white space or with stray bits is refused."""

    def loosened(genuine: Genuine) -> Iterator[str]:
        text = genuine.signature
        unpadded = text.rstrip("=")
        yield unpadded
        yield f"{unpadded}="
        yield f"{text}="
        yield f"{text}\n"
        yield f" {text}"
        yield f"{text[:44]}\n{text[44:]}"
        # The last character carries two bits; the next one in the alphabet differs in the four that the padding drops.
        yield f"{unpadded[:-1]}{chr(ord(unpadded[-1]) + 1)}=="
        in_url_alphabet = text.replace("+", "-").replace("/", "_")
        # One signature in fifteen is the same in both alphabets; each of these is made for another payload.
        for _ in range(3):
            yield in_url_alphabet if in_url_alphabet != text else unpadded

    _forged_are_refused(lab, "signatures/strict-base64", "loosely written base64", loosened)


@case("signatures/refusal-reason", "signatures/refusal-reason", topic="payment")
def refusal_reason(lab: Lab) -> None:
    """The refusal of a bad signature gives invalid_signature as its reason."""
    stranger = lab.agent("stranger")
    for stage, event, by in _stages(lab):
        valid = stage.valid(event, by)
        data = stage.signed_bytes(event, event.signatures[0], valid)
        answer = stage.peers[by].answer(
            stage.push(by, event, {**valid, "signature": stranger.participant.keys.sign(data)}).message
        )
        if answer.kind in {"ok", "disconnected"}:
            raise CannotTell(f"a stranger's signature is not refused: {answer}")
        reason = answer.response.get("reason") if isinstance(answer.response, dict) else None
        is_named = reason == "invalid_signature"
        lab.demand(is_named, "signatures/refusal-reason", "the reason invalid_signature", answer)
