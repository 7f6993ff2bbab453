from __future__ import annotations

import io
import sys

import pytest
from rich.console import Console

from reports.progress import Progress
from reports.record import Verdict


def drawn(*, terminal: bool, quiet: bool = False) -> tuple[bool, str]:
    file = io.StringIO()
    with Progress(
        3, quiet=quiet, console=Console(file=file, force_terminal=terminal, width=120, no_color=True)
    ) as bar:
        bar.topic("task:[red]x[/red]")
        for verdict in (Verdict.PASS, Verdict.PASS, Verdict.FAIL):
            bar.advance(verdict)
    return bar.is_shown, file.getvalue()


def test_a_terminal_sees_the_topic_and_the_counts() -> None:
    """The last drawing has the topic literally, and how many passed and failed."""
    is_shown, text = drawn(terminal=True)
    assert is_shown
    for part in ("task:[red]x[/red]", "3/3", "2 passed", "1 failed"):
        assert part in text


@pytest.mark.parametrize(("terminal", "quiet"), [(False, False), (True, True)])
def test_nothing_is_drawn_where_nobody_looks(terminal: bool, quiet: bool) -> None:
    """Not on a pipe, and not when quiet."""
    assert drawn(terminal=terminal, quiet=quiet) == (False, "")


def test_standard_output_stays_clean(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """While the bar is drawn on standard error, what others print on standard output goes there and alone."""
    monkeypatch.setenv("FORCE_COLOR", "1")
    before = sys.stdout
    with Progress(1) as bar:
        assert bar.is_shown
        assert sys.stdout is before
        bar.advance(Verdict.PASS)
        print("{}")
    captured = capsys.readouterr()
    assert captured.out == "{}\n"
    assert "1/1" in captured.err
