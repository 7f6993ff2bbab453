"""A search and its answer as a person reads them in a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from rich.console import Console

    from loadgen.capacity.step import Step

STYLES = {"holds": "green", "gives way": "red", "cannot tell": "yellow"}


def step_line(step: Step) -> Text:
    """Return what is shown as soon as a step is over."""
    line = f"{step.rate_per_s:g}/s for {step.duration_s:.1f} s: {step.verdict}"
    if step.reasons:
        line += f" ({step.reasons[0].told})"
    return Text(line, style=STYLES[step.verdict])


def render(summary: dict[str, Any], console: Console) -> None:
    """Show the answer."""
    console.print(Text(_headline(summary), style="bold"))
    console.print(_steps(summary))
    console.print(Text(summary["told"], style="bold"), soft_wrap=True)
    first = "what gave way first" if summary["generator_limit_per_s"] is None else "what was the bottleneck"
    for reason in summary["gave_way"]:
        console.print(Text(f"{first}: {reason['kind']}: {reason['told']}"), soft_wrap=True)
    console.print(Text(_knee(summary)), soft_wrap=True)
    short = [step for step in summary["steps"] if step["samples"] < step["samples_wanted"]]
    if short:
        wanted = max(step["samples_wanted"] for step in short)
        told = f"note: {len(short)} of {len(summary['steps'])} steps have fewer than the {wanted} samples that the percentile needs: see --longest-step"
        console.print(Text(told, style="yellow"), soft_wrap=True)


def _headline(summary: dict[str, Any]) -> str:
    objectives = ", ".join(summary["objectives"]) or "none but what is achieved"
    return f"{summary['scenario']}  {summary['url']}  {summary['agents']} agents, open model; objectives: {objectives}"


def _steps(summary: dict[str, Any]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("offered /s", "s", "answered /s", "achieved", "samples", "p99 ms"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("verdict")
    for step in sorted(summary["steps"], key=lambda step: (step["rate_per_s"], step["folder"])):
        p99_ms = "not valid" if step["p99_ms"] is None else f"{step['p99_ms']:.2f}"
        why = f": {step['reasons'][0]['told']}" if step["reasons"] else ""
        table.add_row(
            f"{step['rate_per_s']:g}",
            f"{step['duration_s']:.1f}",
            f"{step['answered_per_s']:.1f}",
            f"{step['achieved']:.2%}",
            f"{step['samples']}",
            p99_ms,
            Text(f"{step['verdict']}{why}", style=STYLES[step["verdict"]]),
        )
    return table


def _knee(summary: dict[str, Any]) -> str:
    rule = summary["rules"]["knee"]
    if summary["knee_per_s"] is None:
        return f"knee: cannot be told ({rule})"
    if not summary["is_knee_passed"]:
        return f"knee: not before {summary['knee_per_s']:g}/s ({rule})"
    return f"knee: {summary['knee_per_s']:g}/s ({rule})"
