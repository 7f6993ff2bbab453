"""Answers HTTP requests as real Phoenix did."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from conformance.client.plain_http import UPGRADE, HttpAnswer

Step = dict[str, Any]
_OWN_KEY = "key_a1"
_NOT_SENT = {"host", "content-length"}
_IRRELEVANT = {"user-agent"}


class RecordedHttp:
    """The handshakes of one run of the recording, by what was asked."""

    def __init__(self, rows: list[dict[str, Any]]) -> None:
        steps = [step for row in rows for step in row["log"]]
        self._opened = {step["open"]: step["status"] for step in steps if "open" in step}
        self._raw = [_parsed(step) for step in steps if "raw_send" in step]
        self.answered = 0
        """How many requests have been answered."""

    @property
    def refused_versions(self) -> tuple[str, ...]:
        """The values of vsn that were refused."""
        prefix = f"/socket/websocket?api_key={_OWN_KEY}&vsn="
        return tuple(
            target.removeprefix(prefix)
            for target, status in self._opened.items()
            if target.startswith(prefix) and status == 403
        )

    def ask(
        self,
        url: str,
        headers: Mapping[str, str],
        *,
        timeout_s: float,
        method: str = "GET",
        ca: Path | None = None,
    ) -> HttpAnswer:
        """Answer as `conformance.client.plain_http.ask` would have been.

        Raises:
            AssertionError: If nothing like it was recorded.

        """
        self.answered += 1
        asked = {name.lower(): value for name, value in headers.items() if name.lower() not in _IRRELEVANT}
        target = _likened(url)
        for raw_method, raw_target, raw_headers, answer in self._raw:
            if (raw_method, raw_target, raw_headers) == (method, target, asked):
                return answer
        is_upgrade = method == "GET" and asked == {name.lower(): value for name, value in UPGRADE.items()}
        assert is_upgrade, f"{method} {target} with {asked} was not recorded"
        assert target in self._opened, f"{target} was not recorded"
        return HttpAnswer(self._opened[target], {})


def _likened(url: str) -> str:
    """Return the recorded target that is like a URL of a case: any wrong key is as good as another."""
    parts = urlsplit(url)
    if "%ff" in parts.query:
        return f"{parts.path}?api_key=%ff&vsn=2.0.0"
    pairs = []
    for pair in parts.query.split("&"):
        name, _, value = unquote(pair).partition("=")
        is_wrong = name == "api_key" and value not in {"", _OWN_KEY}
        pairs.append(f"{name}={'bad' if is_wrong else value}")
    path = f"{parts.path.removesuffix('/further')}/extra" if parts.path.endswith("/further") else parts.path
    return f"{path}?{'&'.join(pairs)}"


def _parsed(step: Step) -> tuple[str, str, dict[str, str], HttpAnswer]:
    request, _, _ = step["raw_send"].partition("\r\n\r\n")
    method, target, _ = request.split("\r\n")[0].split(" ")
    head, _, _ = step["raw_recv"].partition("\r\n\r\n")
    status = int(head.split(" ", 2)[1])
    asked = {name: value for name, value in _headers(request).items() if name not in _NOT_SENT}
    return method, target, asked, HttpAnswer(status, _headers(head))


def _headers(head: str) -> dict[str, str]:
    lines = [line.partition(":") for line in head.split("\r\n")[1:]]
    return {name.lower(): value.strip() for name, _, value in lines}
