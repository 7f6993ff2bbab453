"""Tests of `reference_server.tls`: the server behind TLS, over real sockets, on both event loops."""

from __future__ import annotations

import asyncio
import json
import signal
import socket
import ssl
import struct
import threading
import time
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
import uvloop
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key
from cryptography.x509.oid import NameOID
from hypothesis import given
from hypothesis import strategies as st

from reference_server.assembly import Assembly
from reference_server.certificates import validity
from reference_server.server import Settings
from reference_server.tls import ends_with_close_frame, server_context
from reference_server.transport import Limits
from tests.conftest import certified, pem
from tests.variations import IS_WHOLE, MACHINES, options

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from specs.model import Api

TIMEOUT_S = 10.0
TOKEN = "operator"
TARGET = f"/control/websocket?token={TOKEN}&vsn=2.0.0"
UPGRADE = (
    "Host: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
)
#: Cases that tell of the bytes below, not of what the messages mean.
CONNECTIONS = (
    *("wire/*", "sockets/*", "handshake/*", "heartbeat/*", "frames/*", "binary/*", "malformed/*"),
    *("joining/*", "leaving/*", "ordering/*", "broadcast/*", "*/accepts/minimal"),
)
CONTENTS = ("wire/json/*", "wire/arrays/*", "wire/utf8/*", "wire/binary/*")
BEAT = b'[null,"1","phoenix","heartbeat",{}]'
#: RFC 5280 writes years in two digits from the one instant to the other.
FIRST, TURN = map(datetime.fromisoformat, ("1950-01-01", "2050-01-01"))
LOOPS = {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}


def masked(opcode: int, data: bytes) -> bytes:
    """One frame of a client with a mask of zeros."""
    return bytes([0x80 | opcode, 0x80 | len(data)]) + bytes(4) + data


class Client:
    """A blocking client that takes the end of TCP without the end of TLS for an error."""

    def __init__(self, port: int, ca: Path) -> None:
        tcp = socket.socket()
        # Fixed and small, so that a client that does not read is soon felt.
        tcp.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65_536)
        tcp.settimeout(TIMEOUT_S)
        tcp.connect(("127.0.0.1", port))
        context = ssl.create_default_context(cafile=ca)
        self.socket = context.wrap_socket(tcp, server_hostname="127.0.0.1", suppress_ragged_eofs=False)
        self._buffer = b""

    def ask(self, head: str) -> bytes:
        self.socket.sendall(f"{head}\r\n".encode())
        while b"\r\n\r\n" not in self._buffer:
            self._buffer += self.socket.recv(4096)
        answer, _, self._buffer = self._buffer.partition(b"\r\n\r\n")
        return answer

    def connected(self) -> Client:
        assert self.ask(f"GET {TARGET} HTTP/1.1\r\n{UPGRADE}").startswith(b"HTTP/1.1 101 ")
        return self

    def frame(self) -> tuple[int, bytes]:
        while len(self._buffer) < 2 or len(self._buffer) < 2 + self._buffer[1]:
            self._buffer += self.socket.recv(4096)
        end = 2 + self._buffer[1]
        frame, self._buffer = self._buffer[:end], self._buffer[end:]
        return frame[0] & 0x0F, frame[2:]

    def close_code(self) -> int:
        while (frame := self.frame())[0] != 8:
            pass
        return int(struct.unpack("!H", frame[1])[0])

    def is_cut_off(self) -> bool:
        """Tell whether TCP has ended without the end of TLS, which some versions of the library take for one."""
        try:
            return self.is_at_end()
        except (ssl.SSLError, ConnectionError):
            return True

    def is_at_end(self) -> bool:
        return not self._buffer and self.socket.recv(1) == b""


@pytest.fixture(params=LOOPS)
def start(
    request: pytest.FixtureRequest, api: Api, certificates: Any, serve_in_thread: Callable[..., Any]
) -> Iterator[Callable[..., tuple[Any, Callable[[], Client]]]]:
    """Start servers with limits of their own; gives each with a maker of clients."""
    with ExitStack() as stack:

        def begin(**limits: float) -> tuple[Any, Callable[[], Client]]:
            context = server_context(certificates.cert, certificates.key)
            settings = Settings(port=0, tls=context, limits=replace(Limits(), **limits))
            serving = serve_in_thread(Assembly(api, settings, control_token=TOKEN), LOOPS[request.param])

            def client() -> Client:
                made = Client(serving.server.port, certificates.ca)
                stack.callback(made.socket.close)
                return made

            return serving, client

        yield begin


def test_frames_pass_in_both_directions(start: Any) -> None:
    """A heartbeat is answered."""
    client = start()[1]().connected()
    client.socket.sendall(masked(1, BEAT))
    assert b'"ok"' in client.frame()[1]


def test_client_that_closes_gets_its_code_and_the_end_of_tls(start: Any) -> None:
    """The close frame is echoed, and TLS is closed before TCP."""
    client = start()[1]().connected()
    client.socket.sendall(masked(8, b"\x03\xe8"))
    assert client.close_code() == 1000
    assert client.is_at_end()


@pytest.mark.parametrize(
    ("cause", "code"), [(masked(1, b"{"), 1011), (masked(3, b""), 1002), (masked(1, b"\xff"), 1007)]
)
def test_client_that_is_closed_while_it_sends_reads_everything(start: Any, cause: bytes, code: int) -> None:
    """What was in flight costs it neither the close frame nor the end of TLS; nobody waits for the linger time."""
    client = start(linger_s=3600.0)[1]().connected()
    client.socket.sendall(cause + masked(1, BEAT) * 2000)
    assert client.close_code() == code
    # More than the kernel would take from a client of whom nobody reads any more.
    client.socket.sendall(masked(1, BEAT) * 200_000)
    client.socket.sendall(masked(8, struct.pack("!H", code)))
    assert client.is_at_end()


def test_client_that_does_not_answer_the_close_is_dropped(start: Any) -> None:
    """It has the linger time, no more."""
    serving, make = start(linger_s=0.05)
    client = make().connected()
    client.socket.sendall(masked(1, b"{"))
    assert client.close_code() == 1011
    assert client.is_cut_off()
    assert make().connected()
    assert serving.server.connection_count == 1


def test_slow_reader_that_is_closed_reads_to_the_end(start: Any) -> None:
    """Bytes that waited in the server leave it before TLS is closed, although it read no more from this client."""
    serving, make = start(linger_s=3600.0)
    client = make().connected()
    [server_side] = serving.server._live
    server_side._transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
    sender = threading.Thread(target=client.socket.sendall, args=(masked(1, BEAT) * 50_000,), daemon=True)
    sender.start()
    until_s = time.monotonic() + TIMEOUT_S
    while not server_side._is_paused and time.monotonic() < until_s:
        time.sleep(0.001)
    assert server_side._is_paused
    serving.loop.call_soon_threadsafe(server_side.close, 1001)
    sender.join(TIMEOUT_S)
    assert not sender.is_alive()
    assert client.close_code() == 1001
    client.socket.sendall(masked(8, struct.pack("!H", 1001)))
    assert client.is_at_end()


def test_refused_handshake_is_read_to_the_end(start: Any) -> None:
    """An HTTP answer is followed by the end of TLS."""
    client = start()[1]()
    assert client.ask(f"GET /nowhere HTTP/1.1\r\n{UPGRADE}").startswith(b"HTTP/1.1 404 ")
    while b"Not Found" not in client._buffer:
        client._buffer += client.socket.recv(4096)
    assert client._buffer == b"Not Found"
    client._buffer = b""
    assert client.is_at_end()


def test_drain_closes_in_order(start: Any) -> None:
    """A client that answers the close ends the drain."""
    serving, make = start(linger_s=3600.0)
    client = make().connected()
    drained = asyncio.run_coroutine_threadsafe(serving.server.drain(), serving.loop)
    assert client.close_code() == 1000
    client.socket.sendall(masked(8, struct.pack("!H", 1000)))
    assert client.is_at_end()
    client.socket.close()
    drained.result(TIMEOUT_S)


@pytest.mark.parametrize("said", [b"", b"\x16\x03\x01"])
def test_tls_handshake_that_does_not_come_ends_tcp(start: Any, said: bytes) -> None:
    """The handshake timeout holds for TLS too."""
    serving, _ = start(handshake_timeout_s=0.05)
    with socket.create_connection(("127.0.0.1", serving.server.port), TIMEOUT_S) as tcp:
        tcp.sendall(said)
        while tcp.recv(4096):
            pass


def test_request_that_does_not_come_behind_tls_ends_tcp(start: Any) -> None:
    """TLS alone is no handshake."""
    client = start(handshake_timeout_s=1.0)[1]()
    assert client.is_cut_off()


def test_plain_http_does_no_harm(start: Any) -> None:
    """It is ended, and the next client is served."""
    serving, make = start()
    with socket.create_connection(("127.0.0.1", serving.server.port), TIMEOUT_S) as tcp:
        tcp.sendall(f"GET {TARGET} HTTP/1.1\r\n{UPGRADE}\r\n".encode())
        while tcp.recv(4096):
            pass
    make().connected()


@given(st.binary(max_size=300), st.binary(max_size=125), st.binary(min_size=4, max_size=4))
def test_close_frame_is_seen_behind_anything(before: bytes, payload: bytes, mask: bytes) -> None:
    """Whatever came before it, whatever its reason."""
    assert ends_with_close_frame(before + bytes([0x88, 0x80 | len(payload)]) + mask + payload)


@pytest.mark.parametrize("data", [b"", b"\x88", masked(1, BEAT), masked(9, b"ping")])
def test_other_frames_are_no_close_frame(data: bytes) -> None:
    """Messages and pings may still follow."""
    assert not ends_with_close_frame(data)


def test_check_is_conformant_over_tls(start_server: Any, certificates: Any, wireproof: Any) -> None:
    """Every case that is about connections, and some of each topic, pass as without TLS; all with `make variations`."""
    server = start_server(*certificates.options)
    assert server.url.startswith("wss://127.0.0.1:")
    asked = () if IS_WHOLE else options(CONNECTIONS, (*MACHINES, *CONTENTS))
    done = wireproof(
        *("check", server.url, "--ca", str(certificates.ca), "--seed", "7"),
        *asked,
        WIREPROOF_CONTROL_TOKEN=server.token,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_signal_ends_with_0_while_a_tls_handshake_hangs(start_server: Any, certificates: Any) -> None:
    """A half-made connection does not keep the server."""
    server = start_server(*certificates.options)
    port = int(server.url.rpartition(":")[2])
    with socket.create_connection(("127.0.0.1", port), TIMEOUT_S):
        server.process.send_signal(signal.SIGTERM)
        assert server.process.wait(TIMEOUT_S) == 0


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--cert", "cert"), "--cert is given without --key"),
        (("--key", "key"), "--key is given without --cert"),
        (("--cert", "nowhere", "--key", "key"), "nowhere.pem: cannot be read: No such file"),
        (("--cert", "cert", "--key", "nowhere"), "nowhere.pem: cannot be read: No such file"),
        (("--cert", "key", "--key", "key"), "key.pem: holds no certificate in PEM form"),
        (("--cert", "cert", "--key", "cert"), "cert.pem: holds no private key in PEM form"),
        (("--cert", "cert", "--key", "other_key"), "is not the key of the certificate"),
        (("--cert", "cert", "--key", "encrypted_key"), "the key is encrypted"),
        (("--cert", "cert", "--key", "rsa_key"), "rsa_key.pem: is not the key of the certificate"),
        (("--cert", "broken", "--key", "key"), "broken.pem: cannot be used for TLS: the certificate in it"),
        (
            ("--cert", "cert", "--key", "broken_key"),
            "broken_key.pem: cannot be used for TLS: the private key",
        ),
    ],
)
def test_unusable_certificate_is_one_line_and_exit_code_2(
    usage: Any, certificates: Any, options: tuple[str, ...], words: str
) -> None:
    """File and fault are named."""
    folder = certificates.cert.parent
    for name, kind in (("broken", "CERTIFICATE"), ("broken_key", "PRIVATE KEY")):
        (folder / f"{name}.pem").write_text(f"-----BEGIN {kind}-----\nbm9uc2Vuc2U=\n-----END {kind}-----\n")
    (folder / "rsa_key.pem").write_bytes(pem(rsa.generate_private_key(public_exponent=65537, key_size=2048)))
    given = [part if part.startswith("--") else str(folder / f"{part}.pem") for part in options]
    done = usage("serve", "--port", "0", *given)
    assert (done.returncode, done.stdout) == (2, "")
    [line] = done.stderr.splitlines()
    assert line.startswith("wireproof serve: ")
    assert words in line


@pytest.mark.parametrize(
    ("own", "others", "told"),
    [
        ((-3, -2), (), ["the certificate has expired, on "]),
        ((2, 3), (), ["the certificate is not valid yet, only from "]),
        ((-1, 1), ((-3, -2), (-1, 1)), ["certificate 2 of the chain has expired, on "]),
        ((-1, 1), (), []),
    ],
    ids=["expired", "not yet valid", "expired in the chain", "valid"],
)
def test_certificate_that_is_not_valid_now_is_served_with_a_warning(
    start_server: Any,
    certificates: Any,
    tmp_path: Path,
    own: tuple[int, int],
    others: tuple[tuple[int, int], ...],
    told: list[str],
) -> None:
    """One line each; a client may be told not to look at it, or have another clock."""
    key = load_pem_private_key(certificates.key.read_bytes(), None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    cert = tmp_path / "cert.pem"
    cert.write_bytes(
        b"".join(pem(certified("localhost", key, "ca", key, days=days)) for days in (own, *others))
    )
    server = start_server("--cert", str(cert), "--key", str(certificates.key))
    lines = [json.loads(line) for line in server.logged().splitlines()]
    assert [(line["event"], line["level"], line["path"]) for line in lines] == [
        ("certificate_not_valid", "warning", str(cert)) for _ in told
    ]
    for line, words in zip(lines, told, strict=True):
        assert line["text"].startswith(words)


@given(st.datetimes(FIRST, TURN), st.datetimes(TURN))
def test_validity_is_what_the_certificate_says(begins: datetime, ends: datetime) -> None:
    """In both ways in which a time is written, with or without what is optional before it."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "x")])
    cert = (
        x509.CertificateBuilder(name, name, key.public_key(), 2**150)
        .not_valid_before(begins)
        .not_valid_after(ends)
        .sign(key, hashes.SHA256())
    )
    found = validity(cert.public_bytes(Encoding.DER))
    assert found == tuple(each.replace(tzinfo=UTC, microsecond=0) for each in (begins, ends))
