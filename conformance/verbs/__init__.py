"""What cases are written with: expectations that name what they expected and observed, and longer actions.

`expectations` is for all; the others belong to a part of the protocol and say so.
"""
