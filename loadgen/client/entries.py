"""What is taken down of a load for whoever judges it: entries, in the order in which they were made.

An entry is a tuple that begins with its kind. It is taken down by one call, which on the hot path is the `append` of a list.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

Entry = tuple[Any, ...]
Note = Callable[[Entry], object]
"""Takes an entry down."""

SENT: Final = 0
"""An agent is about to send a message: its number, the time in microseconds, the text."""
RECEIVED: Final = 1
"""It has got a message: likewise."""
OPENED: Final = 2
"""It has a connection: its number, and what the endpoint calls it."""
ENDED: Final = 3
"""Its connection is over: its number."""
GIVEN_UP: Final = 4
"""It waits no more for the answer to a message: its number, the ref."""
MADE: Final = 5
"""A resource was made: its topic, the agents by role, the parameters."""
SETTLED: Final = 6
"""Nothing of what was answered is on its way any more on a topic: the topic."""
