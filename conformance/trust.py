"""Whose certificates are trusted when the suite connects with TLS, and what a refusal of one means."""

from __future__ import annotations

import ssl
from functools import cache
from pathlib import Path
from typing import Final

from conformance.faults import ConfigurationFaulty

#: OpenSSL's codes for a chain that ends with nobody known: self-signed, without its issuer, or not by that issuer.
_ISSUER_CODES: Final = frozenset({7, 18, 19, 20, 21})

_NO_TLS_REASONS: Final = frozenset({"WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE", "HTTP_REQUEST"})
_PERHAPS_PLAIN: Final = "(is it ws:// instead of wss://?)"
PERHAPS_TLS: Final = "(is it wss:// instead of ws://?)"
"""What is said of a server that does not answer a handshake without TLS in HTTP."""


@cache
def trusting(ca: Path | None) -> ssl.SSLContext:
    """Return the context of a client that trusts a CA of its own.

    Args:
        ca: PEM file with the certificates to trust; None for those of the system.

    Returns:
        The context, the same for the same file.

    Raises:
        ConfigurationFaulty: If the file cannot be read or holds no certificate.

    """
    try:
        return ssl.create_default_context(cafile=ca)
    except ssl.SSLError as exc:
        raise ConfigurationFaulty(f"{ca}: holds no CA certificate in PEM form") from exc
    except OSError as exc:
        raise ConfigurationFaulty(f"{ca}: cannot be read: {exc.strerror}") from exc


def tls_fault(exc: OSError) -> str:
    """Say why no TLS connection was made, and what can be done where the suite can know it."""
    if isinstance(exc, ssl.SSLCertVerificationError):
        text = f"its certificate is not trusted: {exc.verify_message}"
        if exc.verify_code in _ISSUER_CODES:
            text += " (name its CA with --ca FILE, or `ca` in the endpoint file)"
        return text
    if isinstance(exc, TimeoutError):
        return f"the TLS handshake is not answered {_PERHAPS_PLAIN}"
    if isinstance(exc, ssl.SSLError) and exc.reason in _NO_TLS_REASONS:
        return f"it does not speak TLS {_PERHAPS_PLAIN}"
    return f"the TLS handshake fails: {getattr(exc, 'reason', None) or exc}"
