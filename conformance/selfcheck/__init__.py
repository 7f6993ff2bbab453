"""The suite judged: it is run against every named deviation of the reference server, and must notice each.

What comes out is the kill matrix; `docs/decisions/0010-the-kill-matrix.md` says how to read it. The servers are a process of
their own (`servers`), which is spoken to as `wireproof deviations --serve` describes; each is judged in a process of its own, too.
"""
