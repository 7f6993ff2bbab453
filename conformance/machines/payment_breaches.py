"""What a breach on a payment channel means, as the shortest program that shows it tells."""

from __future__ import annotations

from conformance.machines.drawing import is_on_several
from conformance.machines.moves import Program
from conformance.models.payment import ACCEPTED

NONCES = frozenset(
    {"payment/nonce-increasing", "payment/nonce-above-pending", "payment/nonce-shared-by-parties"}
)
ACKNOWLEDGED = frozenset({"acknowledge", "acknowledge_at_once", "acknowledge_two_at_once", "resend"})


def refined(requirement: str, program: Program) -> str:
    """Return what a program breaks whose every move is needed."""
    done = {move["do"] for move in program}
    if requirement in NONCES and done & {"reconnect", "drop"}:
        return "payment/nonce-spent-across-reconnects"
    if requirement == "payment/acknowledge-names-pending" and is_on_several(program):
        return "payment/channels-isolated"
    if requirement in {ACCEPTED, "payment/nonce-may-skip"}:
        return _refined_refusal(requirement, program)
    if requirement == "payment/balances-across-reconnects" and not done & ACKNOWLEDGED:
        return "payment/reject-moves-nothing" if "reject" in done else "payment/propose-moves-nothing"
    return requirement


def _refined_refusal(requirement: str, program: Program) -> str:
    """Return what it means that a good push is refused."""
    last = program[-1]["do"] if program else ""
    if last not in {"propose", "resend"}:
        return requirement
    if is_on_several(program):
        return "payment/nonces-per-channel"
    if any(move["do"] == "reject" for move in program):
        return "payment/reject-frees-amount"
    return requirement
