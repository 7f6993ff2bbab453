"""Faults towards clients, for authors of clients who want to see theirs survive: `wireproof serve --chaos FILE|PRESET`.

To be read in this order: `rules` (the file, as a model), `draws` (which frame meets which fault: a seed, no clock), `record` (what is
written down of each fault), `shared` (what the connections have in common), `transport` (the connection that carries the faults out),
`installing` (into an `Assembly`). The honest server knows nothing of it.
"""
