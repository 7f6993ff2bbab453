"""The requirements that each machine can report, the main one first."""

from __future__ import annotations

from typing import Final


def _of(area: str, names: str) -> tuple[str, ...]:
    return tuple(f"{area}/{name}" for name in names.split())


_TOPIC: Final = (
    *_of("broadcast", "joined-only once-per-channel order-per-sender"),
    *_of("stale", "leave-ignored"),
)
_SIGNED: Final = _of(
    "signatures", "other-amount-refused other-event-refused other-topic-refused refusal-has-no-effect"
)

PAYMENT: Final = (
    *_of(
        "payment",
        """
        money-conserved balances-not-negative balances-across-reconnects
        nonce-executed-once nonce-increasing nonce-above-pending nonce-shared-by-parties nonce-may-skip
        nonce-spent-across-reconnects nonces-per-channel channels-isolated
        signed-event-accepted propose-within-balance propose-free-balance-refused propose-whole-balance-accepted
        propose-moves-nothing proposal-relayed propose-signature-verified
        acknowledge-executes acknowledge-once acknowledge-again-refused concurrent-acknowledge-executes-once
        acknowledge-by-other-party acknowledge-names-pending acknowledge-same-amount acknowledge-signature-verified
        transfer-broadcast transfer-broadcast-once transfer-complete-exact transfer-complete-same-for-both
        no-transfer-without-acknowledge
        reject-accepted reject-by-other-party reject-drops-proposal reject-frees-amount reject-moves-nothing
        reject-needs-pending reject-nonce reject-relayed
        dispute-accepted dispute-relayed disputed-stops-transfers
        close-closes close-conserves close-current-balances close-disputed-may-redistribute close-nothing-pending
        close-relayed close-signatures-verified closed-is-final
        no-relay-to-outsider refusal-has-no-effect
        """,
    ),
    *_SIGNED,
    *_of("signatures", "other-nonce-refused swapped-signers-refused"),
    *_TOPIC,
)

NEGOTIATION: Final = (
    *_of(
        "negotiation",
        """
        accept-is-average average-exact accept-needs-both-offers accept-signature-verified
        signed-event-accepted offer-bound offer-bound-exact offer-at-bound-accepted offer-count-limit offer-relayed
        offer-replaces offer-signature-verified
        agreed agreement-amount agreement-broadcast agreement-broadcast-once no-agreement-without-accept
        reject-accepted reject-relayed rejected settled-is-final ended-is-final
        sessions-isolated no-relay-to-outsider refusal-has-no-effect
        """,
    ),
    *_SIGNED,
    *_TOPIC,
)

TASK: Final = (
    *_of(
        "task",
        """
        valid-event-accepted stream-relayed relay-order progress-relayed progress-bounds every-connection-gets-relays
        seq-conflict-refused repeated-chunk-tolerated sender-role
        completion-accepted checksum-verified checksum-in-seq-order size-verified gap-refused
        stream-closed-after-completion
        closing-event-closes error-fails cancel-cancels cancel-by-either closed-is-final
        completion-broadcast completion-broadcast-once no-completion-without-complete task-completed-names-task
        checkpoint-saved checkpoint-returned checkpoint-latest-wins checkpoint-survives-reconnect
        tasks-isolated no-relay-to-outsider refusal-has-no-effect
        """,
    ),
    *_TOPIC,
)

MESSAGES: Final = (
    *_of(
        "messages",
        """
        delivered content-unchanged ids-unique order-kept delivered-to-addressee-only
        pending-redelivered offline-delivered-on-join redelivery-oldest-first redelivery-same-message
        acknowledged-not-redelivered rejected-not-redelivered
        event-accepted unknown-id-refused foreign-message-refused
        """,
    ),
    *_of("stale", "leave-ignored"),
)

DISCOVERY: Final = (
    *_of(
        "presence",
        """
        state-equals-folded-diffs joins-announced leaves-announced several-connections-several-metas
        key-gone-with-last-meta rejoin-replaces-meta update-is-one-diff phx-ref-unique
        """,
    ),
    *_of(
        "discovery",
        """
        presence-state-on-join presence-state-full presence-state-no-absent
        metadata-updates-presence metadata-in-presence
        valid-event-accepted announced-capabilities-found capability-filtered
        announce-broadcast announce-broadcast-once agent-updated-content
        """,
    ),
    *_of("stale", "leave-ignored"),
)
