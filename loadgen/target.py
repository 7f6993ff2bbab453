"""Whom a load is put on: an own reference server, or an endpoint of which the user has said that it is theirs."""

from __future__ import annotations

import ipaddress
import os
import secrets
import selectors
import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from loadgen.faults import CannotTest, ConfigurationFaulty
from loadgen.plan import TOKEN_VARIABLE
from specs.address import address_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

READY: Final = "wireproof serve: listening on "
START_S: Final = 30.0
END_S: Final = 10.0


@dataclass(frozen=True, slots=True)
class Target:
    """A server, and what the operator's token is."""

    url: str
    token: str
    pid: int | None = None
    """Of an own server."""


@contextmanager
def own_server(spec: Path | None, seed: int) -> Iterator[Target]:
    """Run a reference server on a free port of the loopback interface for the length of a `with` block.

    Raises:
        CannotTest: If it does not start.

    """
    token = secrets.token_urlsafe(24)
    command = [
        sys.executable,
        "-m",
        "wireproof",
        "serve",
        "--port",
        "0",
        "--seed",
        str(seed),
        "--log-level",
        "error",
    ]
    command += ["--spec", str(spec)] if spec else []
    environment = {**os.environ, TOKEN_VARIABLE: token}
    # A session of its own: Ctrl-C is for the load, which the server has to outlive.
    with subprocess.Popen(  # noqa: S603 - our own command
        command, stdout=subprocess.PIPE, env=environment, text=True, start_new_session=True
    ) as process:
        try:
            yield Target(_ready_url(process), token, process.pid)
        finally:
            process.terminate()
            try:
                process.wait(END_S)
            except subprocess.TimeoutExpired:
                process.kill()


def _ready_url(process: subprocess.Popen[str]) -> str:
    if process.stdout is None:
        raise CannotTest("the own reference server has no standard output")
    with selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ)
        until_s = time.monotonic() + START_S
        line = process.stdout.readline() if selector.select(until_s - time.monotonic()) else ""
    if not line.startswith(READY):
        raise CannotTest("the own reference server did not start")
    return line.removeprefix(READY).strip()


def checked_url(url: str, *, is_owned: bool) -> str:
    """Return the URL of a server that a load may be put on.

    Raises:
        ConfigurationFaulty: If it is no ws:// or wss:// URL, or neither loopback nor said to be the user's own.
        CannotTest: If its host has no address.

    """
    host, port = host_of(url)
    if not is_owned and not _is_loopback(host, port or 80):
        raise ConfigurationFaulty(
            f"{host} is another machine; a load test may bring it down: add --i-own-this-target if it is yours"
        )
    return url.rstrip("/")


def host_of(url: str) -> tuple[str, int | None]:
    """Return host and port of a URL; no port where it names none.

    Raises:
        ConfigurationFaulty: If it is no ws:// or wss:// URL, has a query or a password, or its host can be no name.

    """
    try:
        parts = address_of(url)
    except ValueError as fault:
        # There may be several URLs; but one with a password is not shown.
        raise ConfigurationFaulty(str(fault) if "@" in url else f"{url!r}: {fault}") from fault
    return parts.hostname or "", parts.port


def _is_loopback(host: str, port: int) -> bool:
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except OSError as fault:
        raise CannotTest(f"{host}: {fault.strerror}") from fault
    return all(ipaddress.ip_address(address[4][0]).is_loopback for address in found)
