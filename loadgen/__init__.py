"""Load scenarios: the room for them. `wireproof` has no load command yet."""
