"""TLS for the listener: the certificate, and how a connection ends whose half cannot be closed alone.

What TLS itself does is asyncio's, or uvloop's. Neither of them can close one direction of a TLS connection, which is how a plain
connection leaves its client time to read the close frame (`transport`); here stands what takes its place.
"""

from __future__ import annotations

import asyncio
import ssl
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

_OPENING_BYTE, _MASK_BIT = 0x88, 0x80
_HEAD_BYTES, _MASK_BYTES, _MAX_CONTROL_BYTES = 2, 4, 125
_LONGEST_CLOSE_BYTES = _HEAD_BYTES + _MASK_BYTES + _MAX_CONTROL_BYTES


class CertificateUnusable(ValueError):
    """The certificate and the key cannot serve; the message names the file and says what is wrong."""


class _KeyIsEncrypted(Exception):
    """OpenSSL asked for a password."""


def server_context(cert: Path, key: Path) -> ssl.SSLContext:
    """Return the context of a server with this certificate, for TLS 1.2 and later.

    Args:
        cert: PEM file of the certificate, with those between it and the root behind it.
        key: PEM file of its private key, without a password.

    Returns:
        The context.

    Raises:
        CertificateUnusable: If a file cannot be read or is no such file, the key is encrypted, or the two do not match.

    """
    _demand_pem(cert, b"-----BEGIN CERTIFICATE-----", "certificate")
    _demand_pem(key, b"PRIVATE KEY-----", "private key")
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    try:
        context.load_cert_chain(cert, key, password=_refuse_password)
    except _KeyIsEncrypted:
        raise CertificateUnusable(
            f"{key}: the key is encrypted; give one without a password (`openssl pkey -in {key.name} -out ...`)"
        ) from None
    except (ssl.SSLError, ValueError, OSError) as exc:
        raise CertificateUnusable(_reason(cert, key, exc)) from exc
    return context


def _reason(cert: Path, key: Path, exc: Exception) -> str:
    reason = getattr(exc, "reason", None)
    # The second is what OpenSSL says of a key of another kind.
    if reason in {"KEY_VALUES_MISMATCH", "NO_CERTIFICATE_ASSIGNED", "KEY_TYPE_MISMATCH"}:
        return f"{key}: is not the key of the certificate in {cert}"
    if reason is not None:
        return f"{cert} with {key}: cannot be used for TLS: {reason}"
    try:
        ssl.create_default_context().load_verify_locations(cafile=cert)
    except ssl.SSLError:
        return f"{cert}: cannot be used for TLS: the certificate in it is damaged"
    return f"{key}: cannot be used for TLS: the private key in it is damaged"


def _demand_pem(path: Path, mark: bytes, what: str) -> None:
    try:
        content = path.read_bytes()
    except OSError as exc:
        raise CertificateUnusable(f"{path}: cannot be read: {exc.strerror}") from exc
    if mark not in content:
        raise CertificateUnusable(f"{path}: holds no {what} in PEM form")


def _refuse_password() -> NoReturn:
    raise _KeyIsEncrypted


def ends_with_close_frame(data: bytes) -> bool:
    """Tell whether the last bytes of a client look like its close frame.

    Bytes of another frame may look so too; whoever asks must lose nothing by that.

    Example:
        >>> ends_with_close_frame(bytes.fromhex("01 88 82 00000000 03e8"))
        True

    """
    for length in range(_MAX_CONTROL_BYTES + 1):
        start = len(data) - length - _HEAD_BYTES - _MASK_BYTES
        if start < 0:
            return False
        if data[start] == _OPENING_BYTE and data[start + 1] == _MASK_BIT | length:
            return True
    return False


def close_half(
    transport: asyncio.Transport, on_lost: Callable[[Exception | None], None], *, is_answered: bool
) -> None:
    """Send the end of the stream: alone where TCP can do so, else with the whole connection, once the client has had its say.

    Args:
        transport: Of TCP or TLS.
        on_lost: Called as `connection_lost` of a protocol.
        is_answered: Whether no close frame of the client is waited for.

    """
    if transport.can_write_eof():
        transport.write_eof()
    elif is_answered:
        transport.close()
    else:
        Farewell(transport, on_lost)


class Farewell(asyncio.Protocol):
    """Takes over a TLS connection whose last bytes are written, until the client has answered the close frame.

    Closing at once would meet what the client still sends with a reset, which may cost it the close frame. How long it
    may take is up to whomever drops the transport in the end.

    Args:
        transport: The TLS transport.
        on_lost: Called as `connection_lost` of a protocol.

    """

    def __init__(self, transport: asyncio.Transport, on_lost: Callable[[Exception | None], None]) -> None:
        self._transport = transport
        self._on_lost = on_lost
        self._tail = b""
        transport.set_protocol(self)
        # A client that was slow to read was not read from either.
        transport.resume_reading()

    def data_received(self, data: bytes) -> None:
        """Close once the client's close frame is there; everything else is too late."""
        self._tail = (self._tail + data)[-_LONGEST_CLOSE_BYTES:]
        if ends_with_close_frame(self._tail):
            self._transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        """Pass the end on."""
        self._on_lost(exc)
