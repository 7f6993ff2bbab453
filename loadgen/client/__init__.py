"""Agents on gevent's own event loop: no greenlet and no thread a message.

Reading order: `frames` (the codec), `connection` (one WebSocket), `plays` (coroutines without asyncio), `calls` (a push and what became of
it), `relays` (what receivers are owed), `channel` (the hot path), `agent` (kept up, joined again), `site` (what all share).
"""
