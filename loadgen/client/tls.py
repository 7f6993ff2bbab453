"""TLS without blocking, on the memory buffers of the standard library."""

from __future__ import annotations

import errno
import ssl
from typing import Any, Final

_CHUNK_BYTES: Final = 65_536
_NO_TLS_REASONS: Final = frozenset({"WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE", "HTTP_REQUEST"})
_PERHAPS_PLAIN: Final = "(is it ws:// instead of wss://?)"


class TlsStream:
    """Encrypts what one non-blocking socket carries; the handshake goes on with what is received.

    Args:
        context: Whom to trust.
        host: Name that the certificate must have.
        raw: The connected or connecting socket.

    """

    __slots__ = ("_incoming", "_is_shaken", "_object", "_outgoing", "_raw", "_unsent", "_waiting")

    def __init__(self, context: ssl.SSLContext, host: str, raw: Any) -> None:
        self._raw = raw
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._object = context.wrap_bio(self._incoming, self._outgoing, server_hostname=host)
        self._is_shaken = False
        self._waiting = b""
        self._unsent = b""

    @property
    def is_blocked(self) -> bool:
        """Whether the socket has not taken everything so far; `send` tries again, also with nothing more."""
        return bool(self._unsent)

    def send(self, data: bytes) -> int:
        """Take all of the data, and send what the socket takes of it.

        Raises:
            OSError: If the connection or its encryption fails.

        """
        self._waiting += data
        self._shake()
        self._push()
        return len(data)

    def receive(self, _count: int) -> bytes:
        """Return what has come, decrypted; nothing at the end.

        Raises:
            BlockingIOError: If nothing has come that can be read so far.
            OSError: If the connection or its encryption fails.

        """
        raw = self._raw.recv(_CHUNK_BYTES)
        if raw:
            self._incoming.write(raw)
        else:
            self._incoming.write_eof()
        self._shake()
        parts = []
        try:
            while self._is_shaken and (part := self._object.read(_CHUNK_BYTES)):
                parts.append(part)
        except ssl.SSLWantReadError:
            pass
        except (ssl.SSLZeroReturnError, ssl.SSLEOFError):
            raw = b""
        self._push()
        if not parts and raw:
            raise BlockingIOError
        return b"".join(parts)

    def _shake(self) -> None:
        if not self._is_shaken:
            try:
                self._object.do_handshake()
            except ssl.SSLWantReadError:
                return
            except ssl.SSLError as fault:
                raise ConnectionAbortedError(errno.ECONNABORTED, _why(fault)) from fault
            self._is_shaken = True

    def _push(self) -> None:
        if self._is_shaken and self._waiting:
            data, self._waiting = self._waiting, b""
            self._object.write(data)
        self._unsent += self._outgoing.read()
        while self._unsent:
            try:
                sent = self._raw.send(self._unsent)
            except BlockingIOError:
                return
            self._unsent = self._unsent[sent:]


def _why(fault: ssl.SSLError) -> str:
    """Say why there is no handshake, and what can be done where that can be known."""
    if isinstance(fault, ssl.SSLCertVerificationError):
        return f"its certificate is not trusted: {fault.verify_message} (--ca FILE names whom to trust)"
    if isinstance(fault, ssl.SSLEOFError):
        return f"the TLS handshake is not answered {_PERHAPS_PLAIN}"
    if fault.reason in _NO_TLS_REASONS:
        return f"it does not speak TLS {_PERHAPS_PLAIN}"
    return f"the TLS handshake fails: {fault.reason or fault}"
