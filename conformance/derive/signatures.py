"""Signatures that do not fit are refused: missing, foreign, altered, malleable, or made for something else."""

from __future__ import annotations

import base64
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

from conformance.case import Case
from conformance.fixtures.lab import Lab
from conformance.fixtures.stage import Stage
from conformance.verbs.expectations import refused_between_twins
from specs.model import Event, Signature, Topic
from specs.schema_nodes import requirement_at
from specs.signing import decode_signature, malleable_twin


@dataclass(frozen=True, slots=True)
class _Forging:
    """What a forgery can see."""

    stage: Stage
    event: Event
    rule: Signature
    by: str
    payload: dict[str, Any]

    @property
    def signature(self) -> str:
        return str(self.payload[self.rule.member])

    def signed(self, payload: dict[str, Any] | None = None, **names: str) -> str:
        """Return a genuine signature of the rightful signer over something else."""
        data = self.stage.signed_bytes(self.event, self.rule, payload or self.payload, **names)
        signer = self.stage.signer_of(self.rule, self.by)
        return self.stage.agents[signer].participant.keys.sign(data)


def _foreign(forging: _Forging) -> str:
    stranger = forging.stage.lab.stranger("stranger")
    return stranger.keys.sign(forging.stage.signed_bytes(forging.event, forging.rule, forging.payload))


def _other_party(forging: _Forging) -> str:
    signer = forging.stage.signer_of(forging.rule, forging.by)
    other = next(name for name in forging.stage.agents if name != signer)
    data = forging.stage.signed_bytes(forging.event, forging.rule, forging.payload)
    return forging.stage.agents[other].participant.keys.sign(data)


def _flipped(index: int) -> Callable[[_Forging], str]:
    def flip(forging: _Forging) -> str:
        signature = bytearray(decode_signature(forging.signature))
        signature[index] ^= 1
        return base64.b64encode(signature).decode()

    return flip


def _other_member(forging: _Forging) -> str:
    members = [
        value.removeprefix("$payload.") for value in forging.rule.over.values() if "$payload." in value
    ]
    value = forging.payload[members[0]]
    other = value + 1 if isinstance(value, int) else f"{value}1" if "." in str(value) else f"1{value}"
    return forging.signed({**forging.payload, members[0]: other})


_FORGERIES: dict[str, tuple[str, Callable[[_Forging], str | None]]] = {
    "missing": ("no signature", lambda _forging: None),
    "empty": ("an empty signature", lambda _forging: ""),
    "foreign": ("a stranger's signature", _foreign),
    "other-party": ("the other participant's signature", _other_party),
    "altered-r": ("a signature whose first half is altered by one bit", _flipped(0)),
    "altered-s": ("a signature whose second half is altered by one bit", _flipped(32)),
    "malleable": (
        "the malleable twin (S + L) of its signature",
        lambda forging: malleable_twin(forging.signature),
    ),
    "other-amount": ("a signature over another amount", _other_member),
    "other-event": (
        "a signature made for another event",
        lambda forging: forging.signed(name="another_event"),
    ),
    "other-topic": (
        "a signature made for another topic",
        lambda forging: forging.signed(
            topic=forging.stage.family.topic_of(forging.stage.lab.unique("other"))
        ),
    ),
    "short": (
        "a signature of 63 bytes",
        lambda forging: base64.b64encode(decode_signature(forging.signature)[:-1]).decode(),
    ),
    "long": (
        "a signature of 65 bytes",
        lambda forging: base64.b64encode(decode_signature(forging.signature) + b"\0").decode(),
    ),
    "zero": ("a signature of 64 zero bytes", lambda _forging: base64.b64encode(bytes(64)).decode()),
    "not-base64": ("a signature that is no base64", lambda _forging: "*" * 88),
    "unpadded": ("a signature without padding", lambda forging: forging.signature.rstrip("=")),
    "white-space": (
        "a signature with a line break in it",
        lambda forging: f"{forging.signature[:44]}\n{forging.signature[44:]}",
    ),
}

_KIND_RULES = {
    "missing": "signatures/missing-refused",
    "foreign": "signatures/foreign-key-refused",
    "other-party": "signatures/swapped-signers-refused",
    "altered-r": "signatures/bit-flip-refused",
    "altered-s": "signatures/bit-flip-refused",
    "malleable": "signatures/malleable-refused",
    "other-amount": "signatures/other-amount-refused",
    "other-event": "signatures/other-event-refused",
    "other-topic": "signatures/other-topic-refused",
    "short": "signatures/wrong-length-refused",
    "long": "signatures/wrong-length-refused",
    "not-base64": "signatures/not-base64-refused",
    "unpadded": "signatures/strict-base64",
    "white-space": "signatures/strict-base64",
}
"""The general requirement that a kind of forgery is about, where the documents have it."""

_OPEN_KINDS = frozenset({"other-event", "other-topic", "unpadded", "white-space"})
"""Kinds that depend on how the signed bytes and their encoding are read, so that the general requirement comes first."""


def cases(topic: Topic, event: Event, requirements: Collection[str]) -> Iterator[Case]:
    """Return a case for every signature of an event and every way in which it may not fit."""
    for rule in event.signatures:
        for kind, (what, _) in _FORGERIES.items():
            if len(topic.fixture.cast) < 2 and kind == "other-party":
                continue
            slug = kind if len(event.signatures) == 1 else f"{kind}@{rule.member}"
            covered = _covered(event, rule, kind, requirements)
            yield Case(
                f"{topic.name}/{event.event}/refuses/signature/{slug}",
                topic.name,
                covered,
                f"{event.event} with {what} is refused",
                partial(_refuses, topic=topic, event=event, rule=rule, kind=kind, requirement=covered[0]),
            )


def _covered(event: Event, rule: Signature, kind: str, requirements: Collection[str]) -> tuple[str, ...]:
    """Return what a kind of forgery covers: first the requirement that an acceptance breaks, then the general one."""
    own = event.rules["signature"]
    if kind in {"missing", "empty"}:
        # That there is a signature may be another requirement than that it fits.
        own = requirement_at(event.payload, f"/{rule.member}") or own
    general = _KIND_RULES.get(kind)
    if general is None or general not in requirements:
        return (own,)
    return (general,) if kind in _OPEN_KINDS else (own, general)


def _refuses(lab: Lab, topic: Topic, event: Event, rule: Signature, kind: str, requirement: str) -> None:
    stage = Stage.build(lab, topic.name)
    stage.perform(event.setup)
    by = stage.sender_of(event)
    what, forge = _FORGERIES[kind]

    def forged(valid: dict[str, Any]) -> dict[str, Any]:
        signature = forge(_Forging(stage, event, rule, by, valid))
        rest = {name: value for name, value in valid.items() if name != rule.member}
        return rest if signature is None else {**rest, rule.member: signature}

    refused_between_twins(stage, event, forged, requirement, what, may_crash=kind in _MALFORMED)


_MALFORMED = frozenset({"missing", "empty", "short", "long", "not-base64", "unpadded", "white-space"})
"""Kinds that a channel need have no clause for: a crash of the channel is a refusal as well."""
