"""A valid payload of an event before anybody is there to send it: what single faults are put into."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from specs import samples
from specs.signing import SIGNATURE_BYTES

if TYPE_CHECKING:
    from specs.model import Event


def blueprint(event: Event) -> dict[str, Any]:
    """Return a valid payload with every member of the fullest sample; symbols are replaced by any valid value."""
    sample: Mapping[str, Any] = event.samples.get("full") or samples.full(event.payload)
    properties = event.payload.get("properties") or {}
    definitions = event.payload.get("$defs", {})
    payload = {
        name: _any_valid(properties.get(name, {}), definitions) if _is_symbol(value) else value
        for name, value in sample.items()
    }
    if event.nonce:
        payload.setdefault(event.nonce.member, 1)
    for rule in event.signatures:
        payload.setdefault(rule.member, base64.b64encode(bytes(SIGNATURE_BYTES)).decode())
    return payload


def _is_symbol(value: Any) -> bool:
    return isinstance(value, Mapping) and len(value) == 1 and next(iter(value)).startswith("$")


def _any_valid(schema: Mapping[str, Any], definitions: Mapping[str, Any]) -> Any:
    return samples.minimal({**schema, "$defs": definitions})
