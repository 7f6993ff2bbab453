"""A tab with our statistics on Locust's web page, by the extension points that its documentation names."""

from __future__ import annotations

from typing import Any, Final

import msgspec

KEY: Final = "wireproof"
TITLE: Final = "Wireproof"
COLUMNS: Final = {
    "name": "Event",
    "sent": "Sent",
    "ok": "Answered by ok",
    "errors": "Errors",
    "per_s": "Answered/s",
    "response": "Response p50 / p99 (ms)",
    "delivery": "Delivery p50 / p99 (ms)",
}


class Board:
    """What the tab shows: counts in all, rates and latencies of the latest second of each worker."""

    def __init__(self) -> None:
        self._totals: dict[str, dict[str, int]] = {}
        self._latest: dict[str, dict[str, dict[str, Any]]] = {}

    def row(self, row: dict[str, Any]) -> None:
        """Take a row of the conductor's progress; what was before the load does not count."""
        if row.get("phase") == "load":
            self._totals.clear()
        if "events" not in row:
            return
        worker = self._latest[row["worker"]] = {}
        for event in row["events"]:
            total = self._totals.setdefault(event["name"], {"sent": 0, "ok": 0, "errors": 0})
            for name in total:
                total[name] += event[name]
            worker[event["name"]] = event

    def rows(self) -> list[dict[str, Any]]:
        """Return the rows of the table."""
        return [{"name": name, **total, **self._now(name)} for name, total in sorted(self._totals.items())]

    def _now(self, name: str) -> dict[str, Any]:
        events = [worker[name] for worker in self._latest.values() if name in worker]
        shown: dict[str, Any] = {"per_s": sum(event["ok"] for event in events)}
        for measure in ("response", "delivery"):
            # Of several workers the slowest: percentiles cannot be added.
            latencies = [event[measure] for event in events if measure in event]
            pairs = [max(each[key] for each in latencies) / 1000 for key in ("p50_us", "p99_us") if latencies]
            shown[measure] = " / ".join(f"{value:.2f}" for value in pairs)
        return shown

    def show_on(self, web_ui: Any) -> None:
        """Add the tab to a page."""
        structure = [{"key": key, "title": title} for key, title in COLUMNS.items()]
        web_ui.template_args["extended_tabs"] = [{"title": TITLE, "key": KEY}]
        web_ui.template_args["extended_tables"] = [{"key": KEY, "structure": structure}]

        def extend(response: Any) -> Any:
            told = response.get_json(silent=True) if response.is_json else None
            if isinstance(told, dict) and {"state", "stats"} <= told.keys():
                told["extended_stats"] = [{"key": KEY, "data": self.rows()}]
                response.set_data(msgspec.json.encode(told))
            return response

        web_ui.app.after_request(extend)
