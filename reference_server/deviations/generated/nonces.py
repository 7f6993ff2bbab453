"""Servers that take a nonce which is not above all before it, or refuse one that leaves a gap."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from reference_server.context import Refused
from reference_server.enforcement import STALE_NONCE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from reference_server.deviations.deviation import Deviation
    from reference_server.deviations.generated.subject import Subject


def deviations(subject: Subject) -> Iterator[Deviation]:
    """Return the deviations of an event whose nonces increase."""
    event, nonce = subject.event, subject.event.nonce
    if nonce is None or nonce.rule != "increasing":
        return
    rule, gap = event.rules["nonce"], event.rules.get("nonce_gap", event.rules["nonce"])

    def unless(is_meant: Callable[[int, int], bool]) -> Any:
        def check(honest: Callable[[], None], ctx: Any, _nonce: Any) -> None:
            if not is_meant(int(ctx.payload[nonce.member]), ctx.resource.highest_nonce):
                honest()

        return subject.enforced("check_nonce", check)

    def refuse_gap(honest: Callable[[], None], ctx: Any, _nonce: Any) -> None:
        honest()
        if ctx.resource.highest_nonce and ctx.payload[nonce.member] > ctx.resource.highest_nonce + 1:
            raise Refused(STALE_NONCE)

    name = event.event
    yield subject.deviation(
        "takes-nonce-again", (rule,), f"{name} is taken with the highest nonce so far.", unless(int.__eq__)
    )
    yield subject.deviation(
        "takes-lower-nonce", (rule,), f"{name} is taken with a nonce below the highest.", unless(int.__lt__)
    )
    yield subject.deviation(
        "refuses-nonce-gap",
        (gap,),
        f"{name} is refused unless its nonce is the next one.",
        subject.enforced("check_nonce", refuse_gap),
    )
