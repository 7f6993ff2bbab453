"""Whom the suite trusts when it connects with TLS."""

from __future__ import annotations

import socket
import threading
from pathlib import Path
from typing import Any

import pytest

from conformance.client.wire import Unreachable, open_tcp
from conformance.endpoint import read_endpoint
from conformance.faults import ConfigurationFaulty


def refusal(wireproof: Any, url: str, *options: str) -> str:
    """Return the only line of a check that could not test."""
    done = wireproof("check", url, *options, WIREPROOF_CONTROL_TOKEN="some-token")
    assert (done.returncode, done.stdout) == (3, "")
    [line] = done.stderr.splitlines()
    return str(line)


def test_untrusted_certificates_are_said_with_the_way_out(
    wireproof: Any, start_server: Any, certificates: Any
) -> None:
    """Neither the system's CAs nor another one will do; the reason and the option are named."""
    server = start_server(*certificates.options)
    for options in ((), ("--ca", str(certificates.stranger))):
        line = refusal(wireproof, server.url, *options)
        assert "its certificate is not trusted: " in line
        assert "--ca FILE" in line


def test_a_certificate_for_another_host_is_refused(
    wireproof: Any, start_server: Any, certificates: Any
) -> None:
    """No CA helps there, and none is asked for."""
    server = start_server(*certificates.options, "--host", "127.0.0.2")
    line = refusal(wireproof, server.url, "--ca", str(certificates.ca))
    assert "IP address mismatch" in line
    assert "--ca" not in line


def test_a_server_that_waits_for_plain_http_is_said(
    wireproof: Any, reference_server: Any, tmp_path: Path
) -> None:
    """It takes the TLS handshake for a slow request: the likely mistake is named."""
    url = reference_server.url.replace("ws://", "wss://")
    file = tmp_path / "endpoint.toml"
    file.write_text("[profile.timeouts]\nconnect_s = 0.2\n")
    line = refusal(wireproof, url, "--endpoint", str(file))
    assert "the TLS handshake is not answered (is it ws://" in line


def test_a_server_that_waits_for_tls_is_said(wireproof: Any, start_server: Any, certificates: Any) -> None:
    """It hangs up on plain HTTP: the likely mistake is named, and not where only nothing comes."""
    server = start_server(*certificates.options)
    line = refusal(wireproof, server.url.replace("wss://", "ws://"))
    assert line.endswith("(is it wss:// instead of ws://?)")
    with socket.create_server(("127.0.0.1", 0)) as silent:
        line = refusal(wireproof, f"ws://127.0.0.1:{silent.getsockname()[1]}")
    assert line.endswith("no answer to the WebSocket handshake (time-out)")


def test_a_server_that_answers_in_plain_http_is_said() -> None:
    """Its first bytes are no TLS."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def refuse() -> None:
            connection, _ = listener.accept()
            connection.recv(4096)
            connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
            connection.close()

        thread = threading.Thread(target=refuse)
        thread.start()
        with pytest.raises(Unreachable, match="does not speak TLS"):
            open_tcp(f"wss://127.0.0.1:{listener.getsockname()[1]}", 10.0)
        thread.join()


def test_the_ca_of_an_endpoint_file_lies_beside_it(tmp_path: Path, certificates: Any) -> None:
    """A relative path is taken from the folder of the file; the command line's goes first."""
    (tmp_path / "ca.pem").write_bytes(certificates.ca.read_bytes())
    file = tmp_path / "endpoint.toml"
    file.write_text('url = "wss://market.example"\nca = "ca.pem"\n')
    assert read_endpoint(file, {}).ca == tmp_path / "ca.pem"
    assert read_endpoint(file, {"ca": certificates.stranger}).ca == certificates.stranger


@pytest.mark.parametrize(
    ("url", "ca", "words"),
    [
        ("wss://h", "nowhere", "nowhere.pem: cannot be read: No such file"),
        ("wss://h", "key", "key.pem: holds no CA certificate"),
        ("ws://h", "ca", "no URL that starts with wss://"),
    ],
)
def test_a_ca_that_cannot_be_used_is_a_fault_of_the_configuration(
    certificates: Any, url: str, ca: str, words: str
) -> None:
    """Said before anything is connected to."""
    with pytest.raises(ConfigurationFaulty, match=words):
        read_endpoint(None, {"url": url, "ca": certificates.ca.parent / f"{ca}.pem"})


def test_a_ca_without_a_url_is_wrong_usage(wireproof: Any, certificates: Any) -> None:
    """An own server is checked without TLS."""
    done = wireproof("check", "--ca", str(certificates.ca))
    assert done.returncode == 2
    assert "--ca is given, but no wss:// URL" in done.stderr
