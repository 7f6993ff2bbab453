"""Payment channels: proposals by nonce, their execution, disputes, the close (`reading.md` section 7).

Whatever happens, balance_a + balance_b stays the same and no balance gets below zero.
"""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from reference_server.context import Context, Refused
from reference_server.registry import creates, handles, joins
from specs.amounts import NotAnAmount, add, format_amount, parse_amount, subtract

if TYPE_CHECKING:
    from collections.abc import Mapping

PROPOSALS = "proposals"
TRANSFERS = "transfers"
"""What has become of each proposal, by its nonce; in the channel's data the number of those that were executed."""
UNEXECUTED = "unexecuted"
"""In the channel's data, the number of proposals that were rejected or dropped."""
EXECUTED, REJECTED, DROPPED = "executed", "rejected", "dropped"
UNKNOWN_TRANSFER = "unknown_transfer"


@creates("payment")
def create(_ctx: Context, params: Mapping[str, Any]) -> Mapping[str, Any]:
    """Begin with the balances that both parties have paid in."""
    return {name: format_amount(parse_amount(params[name])) for name in ("balance_a", "balance_b")}


@joins("payment")
def join(ctx: Context) -> Mapping[str, Any]:
    """Tell how the channel stands."""
    return {"channel": {"id": ctx.resource.id, "status": ctx.resource.state, **_balances(ctx)}}


@handles("payment", "propose_transfer")
def propose_transfer(ctx: Context) -> None:
    """Keep a proposal that the sender can pay beside all that it has proposed already."""
    amount, promised, pending = _amount(ctx, "amount"), Decimal(0), 1
    for _, proposal in ctx.store.entries(ctx.channel.topic, PROPOSALS):
        if proposal["by"] == ctx.role:
            promised = add(promised, Decimal(proposal["amount"]))
            pending += 1
    if add(promised, amount) > _balance(ctx, ctx.role):
        raise Refused("insufficient_balance")
    ctx.require_room(pending, ctx.limits.pending_proposals)
    for counter in (TRANSFERS, UNEXECUTED):
        transfers = ctx.resource.data.get(counter, 0) + len(ctx.resource.pending_nonces)
        ctx.require_room(transfers + 1, ctx.limits.transfers)
    proposal = {"by": ctx.role, "amount": format_amount(amount)}
    ctx.store.put_entry(ctx.channel.topic, PROPOSALS, int(ctx.payload["nonce"]), proposal)


@handles("payment", "acknowledge_transfer")
def acknowledge_transfer(ctx: Context) -> None:
    """Execute a proposal of the other party: move the money once and tell both."""
    nonce = int(ctx.payload["nonce"])
    proposal = _proposal_of_peer(ctx, nonce)
    amount = Decimal(proposal["amount"])
    if _amount(ctx, "amount") != amount:
        raise Refused("amount_mismatch")
    _settle(ctx, EXECUTED, nonce)
    payer, payee = proposal["by"], ctx.role
    balances = {
        f"balance_{payer}": format_amount(subtract(_balance(ctx, payer), amount)),
        f"balance_{payee}": format_amount(add(_balance(ctx, payee), amount)),
    }
    ctx.save(**balances)
    ctx.happened("transfer_executed", (ctx.agent_id,), amount)
    told = {"channel_id": ctx.resource.id, "nonce": nonce, "amount": format_amount(amount)}
    ctx.broadcast("transfer_complete", {**told, **_balances(ctx)})


@handles("payment", "reject_transfer")
def reject_transfer(ctx: Context) -> Mapping[str, Any]:
    """Drop a proposal of the other party: the named one, or its oldest."""
    nonce = int(ctx.payload["nonce"]) if "nonce" in ctx.payload else _oldest_of_peer(ctx)
    _proposal_of_peer(ctx, nonce)
    _drop(ctx, REJECTED, nonce)
    return {"nonce": nonce}


@handles("payment", "dispute")
def dispute(ctx: Context) -> None:
    """Keep the case; what is pending can no longer be carried out, so it is dropped."""
    _drop(ctx, DROPPED, *ctx.resource.pending_nonces)
    case = {"reason": ctx.payload["reason"], "evidence": ctx.payload["evidence"], "by": ctx.agent_id}
    ctx.save(dispute=case)


@handles("payment", "close")
def close(ctx: Context) -> None:
    """Settle on final balances of the same sum; other than the current ones only after a dispute."""
    if ctx.resource.pending_nonces:
        raise Refused("transfer_pending")
    final = {role: _amount(ctx, f"final_balance_{role}") for role in ("a", "b")}
    current = {role: _balance(ctx, role) for role in ("a", "b")}
    is_conserved = add(final["a"], final["b"]) == add(current["a"], current["b"])
    if not is_conserved or (final != current and ctx.resource.state != "disputed"):
        raise Refused("balance_mismatch")
    ctx.save(**{f"balance_{role}": format_amount(balance) for role, balance in final.items()})


def _balance(ctx: Context, role: str) -> Decimal:
    return Decimal(ctx.resource.data[f"balance_{role}"])


def _balances(ctx: Context) -> dict[str, Any]:
    return {name: ctx.resource.data[name] for name in ("balance_a", "balance_b")}


def _amount(ctx: Context, member: str) -> Decimal:
    try:
        return parse_amount(ctx.payload[member])
    except NotAnAmount as exc:
        raise Refused("invalid_payload", detail={"pointer": f"/{member}", "keyword": "pattern"}) from exc


def _proposal_of_peer(ctx: Context, nonce: int) -> Mapping[str, Any]:
    proposal: Mapping[str, Any] | None = ctx.store.entry(ctx.channel.topic, PROPOSALS, nonce)
    if proposal is None:
        raise Refused(UNKNOWN_TRANSFER)
    if proposal["by"] == ctx.role:
        raise Refused("forbidden")
    return proposal


def _oldest_of_peer(ctx: Context) -> int:
    # Nonces only rise, so the lowest pending one is the oldest.
    for nonce, proposal in ctx.store.entries(ctx.channel.topic, PROPOSALS):
        if proposal["by"] != ctx.role:
            return nonce
    raise Refused(UNKNOWN_TRANSFER)


def _settle(ctx: Context, status: str, *nonces: int) -> None:
    """Make history of proposals."""
    topic = ctx.channel.topic
    for nonce in nonces:
        proposal = ctx.store.entry(topic, PROPOSALS, nonce) or {}
        ctx.store.put_entry(topic, TRANSFERS, nonce, {**proposal, "status": status})
        ctx.store.delete_entry(topic, PROPOSALS, nonce)
    counter = TRANSFERS if status == EXECUTED else UNEXECUTED
    ctx.save(**{counter: ctx.resource.data.get(counter, 0) + len(nonces)})


def _drop(ctx: Context, status: str, *nonces: int) -> None:
    _settle(ctx, status, *nonces)
    remaining = tuple(nonce for nonce in ctx.resource.pending_nonces if nonce not in nonces)
    ctx.put(replace(ctx.resource, pending_nonces=remaining))
