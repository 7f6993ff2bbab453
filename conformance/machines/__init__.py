"""Machines: Hypothesis lets several participants on several connections do what they may and may not, family by family.

What a participant does is a move: a name and symbolic arguments (which party, which of its connections, "the next nonce", "a
signature of another key"), so that a program, a list of moves, can be carried out again with fresh agents, nonces, keys and refs.
A move is judged by the model of its topic (`conformance.models`), and all that was observed by the history checker
(`specs.history`). A machine that finds something shortens the program that shows it, and leaves that to be carried out again.

Reading order: `moves`, `witness` (what one connection says and hears), `play` (one example), then one module a family;
`search` (drawing examples), `shortening`, `offered` (the cases).
"""
