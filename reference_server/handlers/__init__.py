"""The effects of the events, one module a channel; importing the package enters them in the registry.

A module here holds what the documents cannot say and nothing else: by the time an effect runs, the payload fits, the sender may
send it, the state takes it and its signatures are good. An effect checks first and changes last.
"""

from reference_server.handlers import analytics, control, discovery, messages, negotiation, payment, task

__all__ = ["analytics", "control", "discovery", "messages", "negotiation", "payment", "task"]
