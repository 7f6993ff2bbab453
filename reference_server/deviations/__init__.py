"""Named faults of the server, each one small replacement, to show what a conformance suite is worth.

`generated` derives them from the documents, the modules of `written` hold those that need a thought; `catalogue` has them all.
"""
