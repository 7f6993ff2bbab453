"""How a frame that we received is held against the recorded one: as JSON, less what the recording's own app chose."""

from __future__ import annotations

import json
from typing import Any

from tests.captures.stage import Stage, field, with_payload

THE_APP = "<chosen by the app>"
PRESENCE = {"presence_state", "presence_diff"}


class Comparison:
    """Compares the frames of one row.

    Args:
        stage: What the names of the recording stand for.
        reasons: The reason that we give where the recording's app gave another one.

    """

    def __init__(self, stage: Stage, reasons: dict[str, str]) -> None:
        self._stage = stage
        self._reasons = reasons
        self._join_refs: list[Any] = []
        self._recorded_refs: dict[str, str] = {}
        self._observed_refs: dict[str, str] = {}

    def note_sent(self, text: str) -> None:
        """Remember the refs of joins, whose response is the app's."""
        try:
            frame = json.loads(text)
            if field(frame, "event") == "phx_join":
                self._join_refs.append(field(frame, "ref"))
        except (ValueError, TypeError, IndexError):
            return

    def pair(self, recorded_text: str, observed_text: str) -> tuple[str, str]:
        """Return both frames in a form in which they must be equal."""
        recorded, observed = json.loads(self._stage.named(recorded_text)), json.loads(observed_text)
        event = field(recorded, "event")
        if event != field(observed, "event"):
            return _canonical(recorded), _canonical(observed)
        if event == "phx_reply":
            recorded, observed = self._replies(recorded, observed)
        elif event in PRESENCE:
            recorded = self._presence(recorded, self._recorded_refs, is_ours=False)
            observed = self._presence(observed, self._observed_refs, is_ours=True)
        elif event in self._stage.relayed and field(recorded, "ref") is None:
            recorded = with_payload(recorded, self._stage.relayed[event])
        return _canonical(recorded), _canonical(observed)

    def _replies(self, recorded: Any, observed: Any) -> tuple[Any, Any]:
        reply, response = field(recorded, "payload"), field(recorded, "payload")["response"]
        ours = field(observed, "payload")
        if set(ours) != {"status", "response"}:
            return recorded, observed
        is_of_app = bool(response) or field(recorded, "ref") in self._join_refs
        if reply["status"] == "ok" and is_of_app:
            reply, ours = {**reply, "response": THE_APP}, {**ours, "response": THE_APP}
        elif isinstance(response, dict) and response.get("reason") in self._reasons:
            reply = {**reply, "response": self._reasons[response["reason"]]}
            ours = {**ours, "response": ours["response"]["reason"]}
        return with_payload(recorded, reply), with_payload(observed, ours)

    def _presence(self, frame: Any, refs: dict[str, str], *, is_ours: bool) -> Any:
        def shape(state: dict[str, Any]) -> dict[str, Any]:
            names = {self._stage.name_of(key) if is_ours else key: value for key, value in state.items()}
            return {name: self._metas(names[name]["metas"], refs) for name in sorted(names)}

        payload = field(frame, "payload")
        if field(frame, "event") == "presence_state":
            return with_payload(frame, shape(payload))
        return with_payload(frame, {side: shape(payload[side]) for side in sorted(payload)})

    @staticmethod
    def _metas(metas: list[dict[str, Any]], refs: dict[str, str]) -> list[dict[str, str]]:
        """Keep the refs of metas, numbered in the order in which the row shows them; the rest is the app's."""
        kept = [
            {
                name: refs.setdefault(meta[name], f"ref {len(refs)}")
                for name in ("phx_ref", "phx_ref_prev")
                if name in meta
            }
            for meta in metas
        ]
        return sorted(kept, key=lambda meta: meta["phx_ref"])


def _canonical(frame: Any) -> str:
    # As text, since 1, 1.0 and true are equal in Python.
    return json.dumps(frame, sort_keys=True)
