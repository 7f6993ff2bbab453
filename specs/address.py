"""The address of an endpoint: a ws:// or wss:// URL without credentials."""

from __future__ import annotations

from urllib.parse import SplitResult, urlsplit


def address_of(url: str) -> SplitResult:
    """Take a URL apart that names an endpoint.

    Raises:
        ValueError: If it is none; the message says what is wrong, and never quotes a password.

    """
    try:
        parts = urlsplit(url)
        has_host = bool(parts.hostname) and parts.port != 0
    except ValueError as fault:
        raise ValueError(f"not a URL: {fault}") from fault
    if parts.scheme not in {"ws", "wss"}:
        raise ValueError("the URL must start with ws:// or wss://")
    if not has_host:
        raise ValueError("the URL names no host")
    if not _is_name(parts.hostname or ""):
        raise ValueError(f"the URL names no host: {parts.hostname!r} is no name")
    if parts.query or parts.fragment:
        raise ValueError("the URL must have no query: credentials come from the provisioner")
    if "@" in parts.netloc:
        raise ValueError("the URL must have no user name or password: it stands in every report")
    return parts


def _is_name(host: str) -> bool:
    try:
        return host.isprintable() and bool(host.encode("idna"))
    except UnicodeError:
        return False
