"""The protocol as data, and the pure code that gives it meaning: no sockets, no clock, no randomness.

Reading order: `model` (the protocol as values), `loader`, `build` and `lint` (from the documents to the values),
`validation`, `samples` and `faults` (payloads), `message`, `serializer` and `binary_frames` (the wire), `session` and
`presence` (a client without I/O), `canonical`, `signing` and `participants` (who signs what).
"""
