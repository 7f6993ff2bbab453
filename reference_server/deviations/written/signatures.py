"""Signatures that an honest server refuses, each taken for one wrong reason, and all others still refused."""

from __future__ import annotations

import base64
import hmac
import json
import re
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from reference_server.context import Refused
from reference_server.deviations.deviation import deviation
from reference_server.deviations.replacing import around
from specs.amounts import NotAnAmount, add, format_amount, parse_amount
from specs.signing import GROUP_ORDER, SIGNATURE_BYTES, signed_bytes, verify

if TYPE_CHECKING:
    from collections.abc import Callable

    from reference_server.assembly import Assembly

_SCALAR_AT = 32
_TOP_BITS = 0x1F
_UNIT = Decimal("0.00000001")


@dataclass(frozen=True, slots=True)
class _Presented:
    """A signature that an honest server has refused."""

    ctx: Any
    event: Any
    rule: Any

    @property
    def text(self) -> str:
        """The signature as it was sent; empty where it is no text."""
        text = self.ctx.payload.get(self.rule.member)
        return text if isinstance(text, str) else ""

    @property
    def key(self) -> bytes:
        """The public key that must have signed."""
        is_sender = self.rule.signer == "sender"
        signer = self.ctx.agent_id if is_sender else self.ctx.resource.roles[self.rule.signer]
        return bytes(self.ctx.store.agent(signer).public_key)

    def data(self, topic: str | None = None, name: str | None = None, **members: Any) -> bytes:
        """Return the signed bytes, of another topic, event or payload where they are given."""
        return signed_bytes(
            self.rule.over,
            topic=topic or self.ctx.channel.topic,
            event=name or self.event.event,
            payload={**self.ctx.payload, **members},
        )

    def fits(self, text: str, data: bytes | None = None) -> bool:
        """Tell whether a text is the signer's signature, of other data where they are given."""
        return verify(self.key, self.data() if data is None else data, text)


def takes_also(server: Assembly, is_taken: Callable[[_Presented], bool]) -> None:
    """Take the signatures, too, that `is_taken` tells."""

    def check(honest: Any, self: Any, ctx: Any, event: Any, rule: Any) -> None:
        try:
            honest(self, ctx, event, rule)
        except Refused:
            if not is_taken(_Presented(ctx, event, rule)):
                raise

    server.enforcement = around(server.enforcement, "check_signature", check)


def _takes_rewritten(server: Assembly, rewrite: Callable[[str], str]) -> None:
    """Take also a text that is a signature once it is rewritten."""
    takes_also(server, lambda presented: presented.fits(rewrite(presented.text)))


def _takes_converted(server: Assembly, convert: Callable[[bytes], bytes]) -> None:
    """Take also a text whose bytes are a signature once they are converted."""

    def rewrite(text: str) -> str:
        try:
            raw = base64.b64decode(text, validate=True)
        except ValueError:
            return ""
        is_strict = base64.b64encode(raw).decode() == text
        return base64.b64encode(convert(raw)).decode() if is_strict else ""

    _takes_rewritten(server, rewrite)


@deviation(
    "signatures/ed25519", shows="64 bytes of a keyed hash under the public key are taken for a signature."
)
def takes_hmac_under_public_key(server: Assembly) -> None:
    """Let the sender of a signature choose its scheme."""

    def is_hash(presented: _Presented) -> bool:
        digest = hmac.digest(presented.key, presented.data(), "sha512")
        return presented.text == base64.b64encode(digest).decode()

    takes_also(server, is_hash)


@deviation("signatures/signed-bytes", shows="A signature over JSON with spaces in it is taken.")
def verifies_over_spaced_json(server: Assembly) -> None:
    """Verify over what the JSON library of the server happens to write, too."""
    takes_also(
        server,
        lambda presented: presented.fits(presented.text, json.dumps(json.loads(presented.data())).encode()),
    )


@deviation("signatures/encoding", shows="A signature in hexadecimal digits is taken.")
def takes_hexadecimal_signature(server: Assembly) -> None:
    """Read hexadecimal digits where they stand for 64 bytes."""

    def rewrite(text: str) -> str:
        is_hex = re.fullmatch(r"[0-9a-f]{128}", text)
        return base64.b64encode(bytes.fromhex(text)).decode() if is_hex else ""

    _takes_rewritten(server, rewrite)


@deviation("signatures/missing-refused", shows="A signed event with null for its signature is taken.")
def takes_null_for_signature(server: Assembly) -> None:
    """Verify a signature only where there is one."""

    def check(honest: Any, self: Any, topic: Any, event: Any, payload: Any) -> Any:
        members = [rule.member for rule in event.signatures]
        if not isinstance(payload, dict) or all(payload.get(member, "") is not None for member in members):
            return honest(self, topic, event, payload)
        honest(self, topic, event, {**payload, **dict.fromkeys(members, "none")})
        return payload

    server.enforcement = around(server.enforcement, "check_payload", check)
    takes_also(server, lambda presented: presented.ctx.payload.get(presented.rule.member, "") is None)


@deviation("signatures/foreign-key-refused", shows="An event is taken with the signature of the other party.")
def takes_signature_of_other_party(server: Assembly) -> None:
    """Ask only that somebody of the topic has signed what its sender should have."""

    def is_of_the_topic(presented: _Presented) -> bool:
        if presented.rule.signer != "sender":
            return False
        ctx, data = presented.ctx, presented.data()
        agents = [ctx.store.agent(agent_id) for agent_id in ctx.resource.roles.values()]
        return any(agent is not None and verify(agent.public_key, data, presented.text) for agent in agents)

    takes_also(server, is_of_the_topic)


@deviation("signatures/swapped-signers-refused", shows="A close whose two signatures are exchanged is taken.")
def takes_close_signatures_in_any_order(server: Assembly) -> None:
    """Ask that each signature of a close is one of the parties', whichever."""

    def is_of_a_party(presented: _Presented) -> bool:
        if presented.rule.signer == "sender":
            return False
        ctx, data = presented.ctx, presented.data()
        agents = [ctx.store.agent(agent_id) for agent_id in ctx.resource.roles.values()]
        return any(agent is not None and verify(agent.public_key, data, presented.text) for agent in agents)

    takes_also(server, is_of_a_party)


@deviation("signatures/other-amount-refused", shows="A signature for a hundred-millionth more is taken.")
def takes_signature_of_rounded_amount(server: Assembly) -> None:
    """Verify over the next amount, too, as if the one that was sent had been rounded."""

    def is_near(presented: _Presented) -> bool:
        try:
            amount = format_amount(add(parse_amount(presented.ctx.payload.get("amount")), _UNIT))
        except NotAnAmount:
            return False
        return presented.fits(presented.text, presented.data(amount=amount))

    takes_also(server, is_near)


@deviation(
    "signatures/other-nonce-refused", shows="The signature of a proposal serves for the next nonce as well."
)
def takes_signature_of_former_nonce(server: Assembly) -> None:
    """Verify over the nonce before, too."""

    def is_of_former(presented: _Presented) -> bool:
        nonce = presented.ctx.payload.get("nonce")
        return isinstance(nonce, int) and presented.fits(presented.text, presented.data(nonce=nonce - 1))

    takes_also(server, is_of_former)


@deviation(
    "signatures/other-event-refused",
    shows="The signature of an offer serves to accept, that of a proposal to acknowledge it.",
)
def takes_signature_of_other_event(server: Assembly) -> None:
    """Verify over the other events of the topic, too."""
    takes_also(
        server,
        lambda presented: any(
            presented.fits(presented.text, presented.data(name=other.event))
            for other in presented.ctx.family.inbound()
            if other.signatures
        ),
    )


@deviation(
    "signatures/other-topic-refused",
    shows="A signature that was made for another session or channel of the same agents is taken.",
)
def takes_signature_of_other_topic(server: Assembly) -> None:
    """Verify over the other topics, too, on which the signer has signed."""
    topics: dict[bytes, list[str]] = {}

    def is_of_another(presented: _Presented) -> bool:
        known = topics.get(presented.key, ())
        return any(presented.fits(presented.text, presented.data(topic=topic)) for topic in known)

    takes_also(server, is_of_another)

    def check(honest: Any, self: Any, ctx: Any, event: Any, rule: Any) -> None:
        honest(self, ctx, event, rule)
        known = topics.setdefault(_Presented(ctx, event, rule).key, [])
        if ctx.channel.topic not in known:
            known.append(ctx.channel.topic)

    server.enforcement = around(server.enforcement, "check_signature", check)


@deviation("signatures/bit-flip-refused", shows="A signature is taken whatever its last three bits.")
def ignores_top_bits_of_signature(server: Assembly) -> None:
    """Clear the bits that the scalar of an honest signature never has."""
    _takes_converted(server, lambda raw: raw[:-1] + bytes([raw[-1] & _TOP_BITS]))


@deviation("signatures/malleable-refused", shows="The malleable twin (R, S + L) of a signature is taken.")
def takes_malleable_signature(server: Assembly) -> None:
    """Verify by the group equation alone, in which S counts modulo the group order L."""

    def reduced(raw: bytes) -> bytes:
        scalar = int.from_bytes(raw[_SCALAR_AT:], "little") % GROUP_ORDER
        return raw[:_SCALAR_AT] + scalar.to_bytes(_SCALAR_AT, "little")

    _takes_converted(server, lambda raw: reduced(raw) if len(raw) == SIGNATURE_BYTES else raw)


@deviation("signatures/wrong-length-refused", shows="A signature with more bytes behind it is taken.")
def ignores_bytes_behind_signature(server: Assembly) -> None:
    """Verify the first 64 bytes, however many there are."""
    _takes_converted(server, lambda raw: raw[:SIGNATURE_BYTES])


@deviation(
    "signatures/not-base64-refused", shows="Text that decodes to no bytes at all is taken for a signature."
)
def takes_undecodable_signature(server: Assembly) -> None:
    """Verify nothing where decoding leaves nothing to verify."""
    takes_also(server, lambda presented: re.fullmatch(r"[^A-Za-z0-9+/=_-]+", presented.text) is not None)


@deviation("signatures/strict-base64", shows="A signature without its padding is taken.")
def takes_unpadded_signature(server: Assembly) -> None:
    """Add the padding that is missing."""
    _takes_rewritten(server, lambda text: text if text.endswith("=") else f"{text}==")


@deviation("signatures/strict-base64", shows="A signature with white space in it is taken.")
def takes_signature_with_white_space(server: Assembly) -> None:
    """Drop white space before decoding."""
    _takes_rewritten(server, lambda text: "".join(text.split()))


@deviation("signatures/strict-base64", shows="A signature in the URL alphabet is taken.")
def takes_signature_in_url_alphabet(server: Assembly) -> None:
    """Read both alphabets of base64."""
    _takes_rewritten(server, lambda text: text.replace("-", "+").replace("_", "/"))


@deviation("signatures/strict-base64", shows="A signature with bits set behind its last byte is taken.")
def ignores_stray_bits_of_base64(server: Assembly) -> None:
    """Decode as most libraries do, which drop the bits that the padding leaves over."""

    def rewrite(text: str) -> str:
        try:
            return base64.b64encode(base64.b64decode(text, validate=True)).decode()
        except ValueError:
            return ""

    _takes_rewritten(server, rewrite)


@deviation("signatures/refusal-reason", shows="A bad signature is refused with the reason unauthorized.")
def hides_reason_of_bad_signature(server: Assembly) -> None:
    """Say nothing of the signature in the refusal."""

    def check(honest: Any, self: Any, ctx: Any, event: Any, rule: Any) -> None:
        try:
            honest(self, ctx, event, rule)
        except Refused:
            raise Refused("unauthorized") from None

    server.enforcement = around(server.enforcement, "check_signature", check)
