"""What one process has measured so far: for each event of each topic family counts, errors by reason, and latencies.

On the hot path a figure is an attribute that grows or a list's `append`; `flush` counts what has come since the last time.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import accumulate
from typing import Any, Final

from loadgen.measure.histogram import Histogram
from loadgen.measure.tally import Tally

SERVICE: Final = "service"
"""From the push, join or connect as it was really sent, to its answer."""
RESPONSE: Final = "response"
"""From when it should have been sent: what somebody feels who does not wait for others first."""
DELIVERY: Final = "delivery"
"""From the sender's push to each receiver's frame."""
MEASURES: Final = (SERVICE, RESPONSE, DELIVERY)

LASTING: Final = ("connect", "phx_join")
"""Events that happen before the load as well, and are told of all the time."""

OWN_FAMILIES: Final = ("socket", "client", "act")
"""Families of what is no push to the endpoint: connections, the cost of the client, whole acts."""

SKETCH: Final[tuple[int, ...]] = (*range(0, 100, 5), 99, 100)
"""Percents of a second's latencies whose values are told: enough to see how alike the seconds are."""

INTEGRITY: Final = ("lost", "doubled", "reordered", "altered")


class Figures:
    """The figures of one event of one family.

    Attributes:
        sent: Pushes that were sent.
        ok: Those answered by ok.
        before: Those that were so before the load began: joins and connects alone are kept from then.
        in_time: Those that were so while the load lasted; None as long as it does.
        errors: Those that were not, by reason.
        relays: How often one was to reach a receiver.
        delivered: How often it has.
        broken: Relays lost, doubled, reordered or altered, by which.
        took: Records the service time of what was sent when it should have been, which is its response time, too.
        took_late: Records the service time of what was sent later; `took_in_all` its response time.
        was_delivered: Records a delivery latency.

    """

    __slots__ = (
        "_known",
        "_tallies",
        "_told",
        "before",
        "broken",
        "delivered",
        "errors",
        "event",
        "family",
        "in_time",
        "ok",
        "relays",
        "sent",
        "took",
        "took_in_all",
        "took_late",
        "was_delivered",
    )

    def __init__(self, family: str, event: str) -> None:
        self.family = family
        self.event = event
        self.sent = self.ok = self.relays = self.delivered = self.before = 0
        self.in_time: int | None = None
        self.errors: Counter[str] = Counter()
        self.broken: Counter[str] = Counter()
        self._tallies = tuple(Tally() for _ in range(4))
        self.took, self.took_late, self.took_in_all, self.was_delivered = (
            each.record for each in self._tallies
        )
        self._known = {measure: Histogram() for measure in MEASURES}
        self._told = (0, 0, 0)

    @property
    def name(self) -> str:
        """How objectives and reports name it."""
        return f"{self.family}.{self.event}"

    @property
    def histograms(self) -> dict[str, Histogram]:
        """The latencies by measure."""
        punctual, late, in_all, deliveries = (tally.histogram() for tally in self._tallies)
        parts = {SERVICE: (punctual, late), RESPONSE: (punctual, in_all), DELIVERY: (deliveries,)}
        merged = {}
        for measure, known in self._known.items():
            merged[measure] = Histogram(known.counts)
            for part in parts[measure]:
                merged[measure].merge(part)
        return merged

    def flush(self) -> None:
        """Count what was recorded since the last time."""
        for tally in self._tallies:
            tally.flush()

    @property
    def has_recent(self) -> bool:
        """Whether anything has happened since `recent_json` was last called."""
        return self._told != self._counts()

    def recent_json(self) -> dict[str, Any]:
        """Return what has happened since the last call; latencies are of a sample of it."""
        told, self._told = self._told, self._counts()
        sent, ok, errors = (now - before for now, before in zip(self._told, told, strict=True))
        row: dict[str, Any] = {"name": self.name, "sent": sent, "ok": ok, "errors": errors}
        punctual, _, in_all, deliveries = (tally.take_latest() for tally in self._tallies)
        for measure, sample in ((RESPONSE, punctual + in_all), (DELIVERY, deliveries)):
            if sample:
                p50_us, p99_us, *sketch_us = _values_at((50, 99, *SKETCH), sample)
                row[measure] = {"p50_us": p50_us, "p99_us": p99_us, "sketch_us": sketch_us}
        return row

    @property
    def has_any(self) -> bool:
        """Whether anything is known of it: what was only heard of, or happened before the load, would stand there as none at all."""
        counted = (*self._counts(), self.relays, self.delivered, self.broken.total())
        return any(counted) or any(each.total for each in self.histograms.values())

    def _counts(self) -> tuple[int, int, int]:
        return self.sent, self.ok, self.errors.total()

    def clear(self) -> None:
        """Forget everything."""
        self.sent = self.ok = self.relays = self.delivered = 0
        self.errors.clear()
        self.broken.clear()
        self._told = (0, 0, 0)
        for tally in self._tallies:
            tally.clear()

    def merge(self, other: Figures) -> None:
        """Add the figures of another process."""
        self.sent += other.sent
        self.ok += other.ok
        self.in_time = (self.in_time or 0) + (other.ok if other.in_time is None else other.in_time)
        self.relays += other.relays
        self.delivered += other.delivered
        self.errors.update(other.errors)
        self.broken.update(other.broken)
        for measure, histogram in other.histograms.items():
            self._known[measure].merge(histogram)

    def to_json(self) -> dict[str, Any]:
        """Return everything as JSON, without loss."""
        histograms = {
            name: sorted(each.counts.items()) for name, each in self.histograms.items() if each.total
        }
        return {
            "family": self.family,
            "event": self.event,
            "sent": self.sent,
            "ok": self.ok,
            "in_time": self.in_time,
            "relays": self.relays,
            "delivered": self.delivered,
            "errors": dict(self.errors),
            "broken": dict(self.broken),
            "histograms": histograms,
        }

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> Figures:
        """Return what `to_json` was given."""
        figures = cls(value["family"], value["event"])
        figures.sent, figures.ok, figures.in_time = value["sent"], value["ok"], value["in_time"]
        figures.relays, figures.delivered = value["relays"], value["delivered"]
        figures.errors.update(value["errors"])
        figures.broken.update(value["broken"])
        for measure, counts in value["histograms"].items():
            figures._known[measure] = Histogram(dict(counts))
        return figures


class Statistics:
    """The figures of all events."""

    def __init__(self) -> None:
        self._figures: dict[tuple[str, str], Figures] = {}
        self._is_over = False

    def __iter__(self) -> Iterator[Figures]:
        return iter(self._figures.values())

    def of(self, family: str, event: str) -> Figures:
        """Return the figures of an event, empty ones at first."""
        key = (family, event)
        figures = self._figures.get(key)
        if figures is None:
            figures = self._figures[key] = Figures(family, event)
            if self._is_over:
                figures.in_time = 0
        return figures

    def flush(self) -> None:
        """Count what was recorded since the last time."""
        for figures in self._figures.values():
            figures.flush()

    def begin_anew(self) -> None:
        """Forget everything but the objects, which are known to those who record; joins and connects were before the load, and stay."""
        self.flush()
        for figures in self._figures.values():
            if figures.event in LASTING:
                figures.before = figures.ok
            else:
                figures.clear()

    def load_is_over(self) -> None:
        """Keep how much was answered until now: what comes later is not of the rate. Only the first call counts."""
        if self._is_over:
            return
        self._is_over = True
        for figures in self._figures.values():
            figures.in_time = figures.ok - figures.before

    def least_p99_us(self) -> int | None:
        """Return the lowest 99th percentile of the response time of any event of the load itself; None where there is none."""
        asked = (
            figures
            for figures in self._figures.values()
            if figures.family not in OWN_FAMILIES and figures.event not in LASTING
        )
        known = (figures.histograms[RESPONSE].percentile(99) for figures in asked)
        return min((value for value in known if value is not None), default=None)

    def merge(self, other: Statistics) -> None:
        """Add the figures of another process."""
        for figures in other:
            self.of(figures.family, figures.event).merge(figures)

    def to_json(self) -> list[dict[str, Any]]:
        """Return everything as JSON, without loss."""
        self.flush()
        return [figures.to_json() for figures in self._figures.values()]

    @classmethod
    def from_json(cls, value: list[dict[str, Any]]) -> Statistics:
        """Return what `to_json` was given."""
        statistics = cls()
        for row in value:
            figures = Figures.from_json(row)
            statistics._figures[(figures.family, figures.event)] = figures
        return statistics


def _values_at(percents: Sequence[int], sample: list[tuple[int, int]]) -> list[int]:
    """Return the values at percents of what a sample of values and their weights stands for."""
    sample.sort()
    below = list(accumulate(weight for _, weight in sample))
    last = len(sample) - 1
    return [sample[min(bisect_right(below, percent * below[-1] / 100), last)][0] for percent in percents]
