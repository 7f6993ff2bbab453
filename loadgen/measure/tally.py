"""Values as they are recorded: a list's `append` on the hot path, counted by the interpreter's own fast counting some times a second.

What takes long, putting values that three digits cannot tell apart together, is done once at the end: a pause of the generator would
show in the latencies.
"""

from __future__ import annotations

from collections import Counter
from typing import Final

from loadgen.measure.histogram import Histogram, quantised

MOST_DISTINCT: Final = 200_000
"""Different values that are kept before they are put together after all."""
SAMPLE: Final = 40
"""Of each batch, about so many values are kept for what is shown while the load goes on."""


class Tally:
    """Values of one kind, in microseconds.

    Attributes:
        record: Takes a value.

    """

    __slots__ = ("_batch", "_counts", "_latest", "record")

    def __init__(self) -> None:
        self._batch: list[int] = []
        self.record = self._batch.append
        self._counts: Counter[int] = Counter()
        self._latest: list[tuple[int, int]] = []

    def flush(self) -> None:
        """Count what was recorded since the last time."""
        batch = self._batch
        if not batch:
            return
        self._counts.update(batch)
        stride = 1 + len(batch) // SAMPLE
        self._latest += [(value, stride) for value in batch[::stride]]
        batch.clear()
        if len(self._counts) > MOST_DISTINCT:
            counts: Counter[int] = Counter()
            for value, count in self._counts.items():
                counts[quantised(value)] += count
            self._counts = counts

    def clear(self) -> None:
        """Forget everything."""
        self._batch.clear()
        self._counts.clear()
        self._latest.clear()

    def histogram(self) -> Histogram:
        """Return everything as a histogram."""
        self.flush()
        histogram = Histogram()
        histogram.count_all(self._counts)
        return histogram

    def take_latest(self) -> list[tuple[int, int]]:
        """Return a sample of what has come since the last call: values, and for how many each stands."""
        latest, self._latest = self._latest, []
        return latest
