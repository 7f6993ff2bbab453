"""The results of a run as a person reads them in a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from rich.console import Console

MS = ("p50_ms", "p99_ms", "p99.9_ms", "max_ms")
SHOWN_FINDINGS = 20
SHOWN_AWAKE = 0.005
"""Less of a core is shown as nothing."""


def render(summary: dict[str, Any], console: Console) -> None:
    """Show the summary of a run."""
    console.print(Text(_headline(summary), style="bold"))
    style = "bold yellow" if summary["groups"].get("failed") else ""
    console.print(Text(_second_line(summary), style=style))
    console.print(_events(summary))
    _findings(summary, console)
    _objectives(summary, console)
    if summary["is_interrupted"]:
        told = f"interrupted after {summary['load_s']:.1f} s of load: not all that was asked for was measured"
        console.print(Text(told, style="bold yellow"), soft_wrap=True)
    for note in summary["notes"]:
        console.print(Text(f"note: {note}", style="yellow"), soft_wrap=True)
    if summary["losses"]:
        lost = ", ".join(f"{reason} {count}" for reason, count in summary["losses"].items())
        console.print(Text(f"connections: {lost}"), soft_wrap=True)
    for gap in summary["gaps"]:
        console.print(Text(_gap(gap)), soft_wrap=True)
    console.print(Text(_generator(summary)), soft_wrap=True)
    for bottleneck in summary["bottlenecks"]:
        console.print(Text(f"latency is not valid: {bottleneck}", style="bold yellow"), soft_wrap=True)


def _headline(summary: dict[str, Any]) -> str:
    return (
        f"{summary['scenario']}  {summary['url']}  {summary['agents']} agents, {summary['model']} model"
        f" ({summary['arrivals']}), {summary['load_s']:.1f} s"
    )


def _second_line(summary: dict[str, Any]) -> str:
    acts = summary["acts"]
    line = f"{acts.get('started', 0)} started, {acts.get('finished', 0)} finished"
    if summary["achieved"] is not None:
        line += f"; {summary['achieved']:.2%} of {summary['offered']:.0f} offered"
        if acts.get("waited"):
            line += f", {acts['waited']} waited for a free agent"
    opened, failed = (summary["groups"].get(name, 0) for name in ("opened", "failed"))
    who = f"only {opened} of {opened + failed} groups of agents" if failed else "all"
    if not summary["load_s"]:
        # It was interrupted, or given up, before the load.
        who = f"not all, but {opened} groups of agents,"
    return f"{line}; {who} were ready after {summary['opening_s']:.1f} s"


def _events(summary: dict[str, Any]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("event", no_wrap=True)
    for name in (
        "ok",
        "errors",
        "/s",
        "measure",
        "p50 ms",
        "p99",
        "p99.9",
        "max",
        "lost",
        "doubled",
        "reordered",
        "altered",
    ):
        table.add_column(name, justify="right", no_wrap=True)
    for event in summary["events"]:
        first = (
            event["name"],
            f"{event['ok']}",
            f"{sum(event['errors'].values())}",
            f"{event['rate_per_s']:.1f}",
        )
        measures = [name for name in ("service", "response", "delivery") if name in event]
        if event.get("service") == event.get("response") and "response" in measures:
            measures.remove("service")
        broken = tuple(
            f"{event[name]}" if name in event else "" for name in ("lost", "doubled", "reordered", "altered")
        )
        for number, name in enumerate(measures or [""]):
            shown = event.get(name, {})
            cells = tuple(f"{shown[key]:.2f}" if key in shown else "" for key in MS)
            table.add_row(
                *(first if not number else ("",) * 4), name, *cells, *(broken if not number else ())
            )
    return table


def _findings(summary: dict[str, Any], console: Console) -> None:
    for row in summary["findings"][:SHOWN_FINDINGS]:
        verdict = "broken" if row["is_binding"] else "advisory"
        console.print(
            Text(f"{verdict}: {row['requirement']} ({row['count']}): {row['statement']}", style="red"),
            soft_wrap=True,
        )
        for example in row["examples"][:1]:
            console.print(
                Text(f"  {example['topic']}: expected {example['expected']}; observed {example['observed']}"),
                soft_wrap=True,
            )


def _objectives(summary: dict[str, Any], console: Console) -> None:
    for row in summary["objectives"]:
        word = {True: "reached", False: "missed", None: "cannot tell"}[row["is_met"]]
        why = f" ({row['why']})" if row["why"] else ""
        style = {True: "green", False: "red", None: "yellow"}[row["is_met"]]
        console.print(Text(f"{word}: {row['text']}: {row['shown']}{why}", style=style), soft_wrap=True)


def _gap(gap: dict[str, Any]) -> str:
    end = (
        "not all were back when the load was over"
        if gap["to_s"] is None
        else f"all were back at {gap['to_s']:.0f} s"
    )
    least = f"at the worst {gap['least']} of {gap['of']} were connected"
    return f"gap: from {gap['from_s']:.0f} s, {least}; {end}; {gap['unanswered']} requests of that time were not answered"


def _generator(summary: dict[str, Any]) -> str:
    line = f"generator: {'; '.join(map(_process, summary['generator']))}"
    if summary["load_s"]:
        if summary["judged_facts"]:
            line += f". judge: {summary['judged_facts']} messages, {summary['judge_cpu_s']:.1f} s of CPU"
        if summary["server_cpu_s"] is not None:
            line += f". server: {summary['server_cpu_s'] / summary['load_s']:.0%} of a core"
    return line


def _process(each: dict[str, Any]) -> str:
    told = f"{each['cpu_mean']:.0%} of a core (at most {each['cpu_max']:.0%})"
    if each["awake_mean"] >= SHOWN_AWAKE:
        told += f" and {each['awake_mean']:.0%} to be awake in time"
    return f"{told}, p99 of lag {each['lag_p99_ms']:.2f} ms"
