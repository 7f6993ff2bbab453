"""Reference servers with one rule broken each, as processes: `python serve.py NAME [options of wireproof serve]`.

Each name is a claim about what the server does wrong.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import wireproof
from reference_server.application import Application
from reference_server.broker import Broker
from reference_server.enforcement import Enforcement
from specs.message import PHOENIX_TOPIC, PHX_REPLY
from specs.serializer import V2


def accepts_replayed_nonce() -> None:
    """A proposal is taken whatever its nonce."""
    Enforcement.check_nonce = lambda _self, _ctx, _nonce: None  # type: ignore[method-assign]


def skips_signature_of_accept() -> None:
    """Anybody's signature will do under an accept."""
    honest = Enforcement.check_signature

    def check(self: Enforcement, ctx: Any, event: Any, signature: Any) -> None:
        if event.event != "accept":
            honest(self, ctx, event, signature)

    Enforcement.check_signature = check  # type: ignore[method-assign]


def drops_relay() -> None:
    """What one participant sends never reaches the other."""
    _on_broadcast(lambda broadcast: None if broadcast.exclude is not None else broadcast)


def echoes_wrong_ref() -> None:
    """Replies carry the ref of the push before."""
    honest = V2.encode_server

    def encode(self: V2, message: Any) -> Any:
        is_reply = message.event == PHX_REPLY and message.topic != PHOENIX_TOPIC
        if is_reply and isinstance(message.ref, str) and message.ref.isdigit() and int(message.ref) > 1:
            message = replace(message, ref=str(int(message.ref) - 1))
        return honest(self, message)

    V2.encode_server = encode  # type: ignore[method-assign]


def omits_presence_state() -> None:
    """Newcomers to discovery are not told who is there."""
    honest = Application._arrival

    def arrival(self: Application, ctx: Any) -> Any:
        diff = honest(self, ctx)
        ctx.pushes.clear()
        return diff

    Application._arrival = arrival  # type: ignore[method-assign]


def miscounts_balance() -> None:
    """transfer_complete tells one unit too many."""

    def alter(broadcast: Any) -> Any:
        if broadcast.event != "transfer_complete":
            return broadcast
        balance = str(int(float(broadcast.payload["balance_a"])) + 1)
        return replace(broadcast, payload={**broadcast.payload, "balance_a": balance})

    _on_broadcast(alter)


def _on_broadcast(change: Callable[[Any], Any]) -> None:
    honest = Broker.broadcast

    def broadcast(self: Broker, sent: Any) -> None:
        changed = change(sent)
        if changed is not None:
            honest(self, changed)

    Broker.broadcast = broadcast  # type: ignore[method-assign]


FAULTS = {
    fault.__name__.replace("_", "-"): fault
    for fault in (
        accepts_replayed_nonce,
        skips_signature_of_accept,
        drops_relay,
        echoes_wrong_ref,
        omits_presence_state,
        miscounts_balance,
    )
}

if __name__ == "__main__":
    FAULTS[sys.argv[1]]()
    sys.argv[1:] = ["serve", *sys.argv[2:]]
    wireproof.main()
