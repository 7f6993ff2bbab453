"""Arrivals: what a user may write, and when things start."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from random import Random

import pytest

from loadgen.arrivals import WHOLE, Arrivals, Part, parse_arrivals, span_s
from loadgen.faults import ConfigurationFaulty


def starts(arrivals: Arrivals, part: Part = WHOLE, seed: int = 1) -> list[float]:
    return list(arrivals.starts_s(part, Random(seed)))  # noqa: S311 - no secret


@pytest.mark.parametrize(
    ("text", "offered"),
    [
        ("100/s", 1_000),
        ("soak:100/s", 1_000),
        ("ramp:0/s..200/s", 1_000),
        ("ramp:200/s..0/s", 1_000),
        ("steps:50/s,100/s,150/s,100/s", 1_000),
        ("spike:50/s,550/s@2s+1s", 1_000),
        ("100/s+poisson", 1_000),
    ],
)
def test_a_shape_has_as_many_arrivals_as_it_offers(text: str, offered: float) -> None:
    """All come in rising order within the duration; even ones are exactly as many as offered."""
    arrivals = parse_arrivals(text, 10)
    times = starts(arrivals)
    assert arrivals.offered == pytest.approx(offered)
    assert times == sorted(times)
    assert 0 <= times[0] <= times[-1] <= 10
    assert len(times) == pytest.approx(offered, abs=200 if arrivals.is_poisson else 1)


def test_a_spike_is_where_it_was_asked_for() -> None:
    """Of a spike's arrivals those in its second are ten times as many."""
    times = starts(parse_arrivals("spike:100/s,1000/s@4s+1s", 10))
    assert sum(4 <= at_s < 5 for at_s in times) == pytest.approx(1_000, abs=1)
    assert sum(at_s < 4 for at_s in times) == pytest.approx(400, abs=1)


def test_a_ramp_gets_denser() -> None:
    """The second half of a ramp from nothing has three quarters of its arrivals."""
    times = starts(parse_arrivals("ramp:0/s..200/s", 10))
    assert sum(at_s >= 5 for at_s in times) == pytest.approx(750, abs=1)


def test_processes_share_the_arrivals() -> None:
    """What each has of a shape adds up to the whole."""
    arrivals = parse_arrivals("ramp:10/s..300/s", 10)
    parts = [len(starts(arrivals, part, seed)) for seed, part in enumerate(((0, 0.5), (0.5, 0.8), (0.8, 1)))]
    assert sum(parts) == pytest.approx(arrivals.offered, abs=3)


def test_processes_deal_out_a_trace(tmp_path: Path) -> None:
    """Each entry is played by one of them, whatever their seeds; what each has is even, and as much as it should."""
    path = tmp_path / "trace"
    path.write_text("\n".join(f"{number / 100}" for number in range(1_000)))
    arrivals = parse_arrivals(f"trace:{path}", 10)
    cuts = (0, 1 / 3, 2 / 3, 1)
    parts = [starts(arrivals, part, seed) for seed, part in enumerate(pairwise(cuts))]
    assert sorted(at_s for part in parts for at_s in part) == list(arrivals.trace_s)
    for part in parts:
        assert len(part) == pytest.approx(333, abs=5)
        assert sum(at_s < 5 for at_s in part) == pytest.approx(167, abs=5)


def test_a_trace_is_replayed(tmp_path: Path) -> None:
    """Times of a file count from the first; what is beyond the duration is left out."""
    path = tmp_path / "trace"
    path.write_text("100.5\n100.0\n103\n250\n")
    assert starts(parse_arrivals(f"trace:{path}", 10)) == [0.0, 0.5, 3.0]


def test_the_closed_model_offers_nothing() -> None:
    """There is no rate to fall behind of."""
    arrivals = parse_arrivals("closed:2s", 10)
    assert (arrivals.model, arrivals.think_s, arrivals.offered) == ("closed", 2.0, None)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "fast",
        "100",
        "-5/s",
        "1.2.3/s",
        "ramp:5/s",
        "spike:1/s,2/s",
        "spike:1/s,2/s@9s+5s",
        "0/s",
        "100/s+poisson2",
        "closed:2",
        "closed:2s+poisson",
        "trace:arrivals.txt+poisson",
        f"{'9' * 400}/s",
    ],
)
def test_what_is_no_shape_is_refused_in_one_line(text: str) -> None:
    """The user is told what may be written."""
    with pytest.raises(ConfigurationFaulty) as refused:
        parse_arrivals(text, 10)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("content", ["", "a\n", "nan\n"])
def test_a_trace_without_times_is_refused(tmp_path: Path, content: str) -> None:
    """An empty file, or one with something else in it, is no trace."""
    (tmp_path / "trace").write_text(content)
    with pytest.raises(ConfigurationFaulty):
        parse_arrivals(f"trace:{tmp_path / 'trace'}", 10)
    with pytest.raises(ConfigurationFaulty):
        parse_arrivals(f"trace:{tmp_path / 'none'}", 10)


def test_times_have_units() -> None:
    """Milliseconds to hours; a bare number is none."""
    assert [span_s(text) for text in ("250ms", "2s", "1.5m", "1h")] == [0.25, 2, 90, 3_600]
    with pytest.raises(ConfigurationFaulty):
        span_s("5")


@pytest.mark.parametrize("text", [f"{'9' * 400}s", f"{'9' * 308}h"])
def test_a_time_without_end_is_refused(text: str) -> None:
    """A run has to end."""
    with pytest.raises(ConfigurationFaulty):
        span_s(text)
