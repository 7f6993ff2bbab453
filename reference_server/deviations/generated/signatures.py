"""Servers that take signatures which do not fit: none looked at, or one way of forging them let through."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from specs.signing import (
    GROUP_ORDER,
    SIGNATURE_BYTES,
    MalformedSignature,
    MissingSignedMember,
    decode_signature,
    signed_bytes,
    verify,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from reference_server.deviations.deviation import Deviation
    from reference_server.deviations.generated.subject import Subject
    from specs.model import Signature

Takes = Callable[[Any, "Signature", str], bool]
"""Whether a server that deviates takes a signature which does not verify, from context, rule and text."""


def deviations(subject: Subject) -> Iterator[Deviation]:
    """Return a deviation for every signature of the event and every way in which it may be checked wrongly."""
    for rule in subject.event.signatures:
        for what, (takes, general, is_open, shows) in _WAYS.items():
            if what == "takes-other-party" and len(subject.topic.fixture.cast) < 2:
                continue
            slug = what if len(subject.event.signatures) == 1 else f"{what}@{rule.member}"
            own = subject.event.rules["signature"]
            # Where it is open how the source reads, the general requirement says so.
            breaks = tuple(filter(None, (general, own) if is_open else (own, general)))
            yield subject.deviation(
                slug,
                breaks,
                f"{subject.event.event} is taken {shows} as its {rule.member}.",
                subject.enforced("check_signature", _check(rule, takes)),
            )


def _check(rule: Signature, takes: Takes) -> Callable[..., None]:
    def check(honest: Callable[[], None], ctx: Any, _event: Any, signature: Signature) -> None:
        if signature.member != rule.member or not takes(ctx, signature, ctx.payload.get(signature.member)):
            honest()

    return check


def _any(_ctx: Any, _rule: Signature, _text: str) -> bool:
    return True


def _well_formed(_ctx: Any, _rule: Signature, text: str) -> bool:
    return _decoded(text) is not None


def _of_other_party(ctx: Any, rule: Signature, text: str) -> bool:
    return any(_fits(ctx, rule, text, agent_id) for agent_id in ctx.resource.roles.values())


def _flipped(ctx: Any, rule: Signature, text: str) -> bool:
    signature = _decoded(text) or b""
    return any(
        _fits(ctx, rule, _encoded(signature[:at] + bytes([signature[at] ^ 1]) + signature[at + 1 :]))
        for at in range(len(signature))
    )


def _malleable(ctx: Any, rule: Signature, text: str) -> bool:
    signature = _decoded(text) or bytes(SIGNATURE_BYTES)
    reduced = int.from_bytes(signature[32:], "little") % GROUP_ORDER
    return _fits(ctx, rule, _encoded(signature[:32] + reduced.to_bytes(32, "little")))


def _too_long(ctx: Any, rule: Signature, text: str) -> bool:
    return _fits(ctx, rule, _encoded(_loosely_decoded(text)[:SIGNATURE_BYTES]))


def _of_other_length(_ctx: Any, _rule: Signature, text: str) -> bool:
    return len(_loosely_decoded(text)) not in {0, SIGNATURE_BYTES}


def _zero(_ctx: Any, _rule: Signature, text: str) -> bool:
    return _decoded(text) == bytes(SIGNATURE_BYTES)


def _undecodable(_ctx: Any, _rule: Signature, text: str) -> bool:
    return not _loosely_decoded(text)


def _unpadded(ctx: Any, rule: Signature, text: str) -> bool:
    return _fits(ctx, rule, text + "=" * (-len(text) % 4))


def _with_white_space(ctx: Any, rule: Signature, text: str) -> bool:
    return _fits(ctx, rule, "".join(text.split()))


_WAYS: dict[str, tuple[Takes, str | None, bool, str]] = {
    "skips-signature-check": (_any, None, False, "with anything"),
    "checks-signature-form-only": (
        _well_formed,
        "signatures/foreign-key-refused",
        False,
        "with any 64 bytes in base64",
    ),
    "takes-other-party": (
        _of_other_party,
        "signatures/swapped-signers-refused",
        False,
        "with the other participant's signature",
    ),
    "takes-flipped-bit": (
        _flipped,
        "signatures/bit-flip-refused",
        False,
        "with a signature of which one bit is wrong",
    ),
    "takes-malleable": (
        _malleable,
        "signatures/malleable-refused",
        False,
        "with the malleable twin of a signature",
    ),
    "takes-longer-signature": (
        _too_long,
        "signatures/wrong-length-refused",
        False,
        "with a signature and further bytes behind it",
    ),
    "takes-other-length": (
        _of_other_length,
        "signatures/wrong-length-refused",
        False,
        "with anything that has not 64 bytes",
    ),
    "takes-zeros": (_zero, None, False, "with 64 zero bytes"),
    "takes-not-base64": (
        _undecodable,
        "signatures/not-base64-refused",
        False,
        "with a text that is no base64",
    ),
    "takes-unpadded": (_unpadded, "signatures/strict-base64", True, "with a signature without padding"),
    "takes-white-space": (
        _with_white_space,
        "signatures/strict-base64",
        True,
        "with a signature with white space in it",
    ),
}


def _fits(ctx: Any, rule: Signature, text: str, agent_id: str | None = None) -> bool:
    signer = agent_id or (
        ctx.agent_id if rule.signer == "sender" else ctx.resource.roles.get(rule.signer, "")
    )
    agent = ctx.store.agent(signer)
    try:
        data = signed_bytes(rule.over, topic=ctx.channel.topic, event=ctx.event.event, payload=ctx.payload)
    except MissingSignedMember:
        return False
    return agent is not None and verify(agent.public_key, data, text)


def _decoded(text: str) -> bytes | None:
    try:
        return decode_signature(text)
    except MalformedSignature:
        return None


def _loosely_decoded(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return b""


def _encoded(signature: bytes) -> str:
    return base64.b64encode(signature).decode("ascii")
