"""How every standalone file begins and ends: what it is called with, and what its last line and its exit code say."""

from __future__ import annotations

import io
import os
import sys
from contextlib import suppress
from typing import Any

from conformance.findings.standalone.core import (
    COULD_NOT_RUN,
    NOT_REPRODUCED,
    REPRODUCED,
    CannotRun,
    Endpoint,
    WentOtherwise,
)
from conformance.findings.standalone.reading import is_websocket_url, without


def url_of(arguments: list[str], usual: str) -> str:
    """Return the URL that the command line names, or the usual one."""
    url = arguments[0].rstrip("/") if arguments else usual
    if len(arguments) > 1 or not is_websocket_url(url):
        raise CannotRun(f"{' '.join(arguments) or usual}: not one URL such as ws://host:port")
    return url


def main(conversation: Any, finding: dict[str, str], url: str, control: str) -> None:
    """Hold the conversation with the URL of the command line, or that of the finding, and exit with what came of it."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")
    token, endpoint = os.environ.get("WIREPROOF_CONTROL_TOKEN", ""), None
    try:
        given = url_of(sys.argv[1:], url)
        endpoint = Endpoint(given, control.replace(url, given, 1), token)
        code = REPRODUCED if conversation(endpoint) else NOT_REPRODUCED
        told = "reproduced" if code else "not reproduced: what shows it does not come"
    except WentOtherwise as what:
        code, told = NOT_REPRODUCED, f"not reproduced: the conversation goes another way: {what}"
    except Exception as why:  # noqa: BLE001 - by Python's own exit code the finding would be reproduced
        kind = "" if isinstance(why, CannotRun) else f"{type(why).__name__}: "
        code, told = COULD_NOT_RUN, f"could not run: {kind}{why}"
    if endpoint and code == NOT_REPRODUCED and endpoint.is_unreached:
        code, told = COULD_NOT_RUN, f"could not run: nobody listens at {endpoint.url}"
    told = endpoint.redacted(told) if endpoint else without([token], told)
    with suppress(Exception):
        for name, text in {**finding, "now": " ".join(told.split())}.items():
            print(f"{name:>12}: {text}")  # noqa: T201
        if endpoint:
            endpoint.close()
    sys.exit(code)
