"""Fixtures for tests that need a running server."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import IO

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
)
from cryptography.x509.oid import NameOID
from hypothesis import settings

from wireproof import main

# That the machine is busy is no reason to fail.
settings.register_profile("wireproof", deadline=None)
settings.load_profile("wireproof")

TOKEN = "operator-token-of-the-tests"
READY = "wireproof serve: listening on "
ROOT = Path(__file__).parents[1]
# `wireproof serve` without the other rooms, which take as long to read as this one; the command has tests of its own.
SERVE = [
    "-c",
    "import sys; from reference_server.cli import app; sys.exit(app(prog_name='wireproof serve', standalone_mode=False))",
]


@dataclass(frozen=True)
class RunningServer:
    """A server process and how to reach it."""

    url: str
    process: subprocess.Popen[str]
    token: str = TOKEN
    log: IO[str] | None = None

    def logged(self) -> str:
        """Return what the process has written to standard error so far."""
        if self.log is None:
            return ""
        # Reading at a place of its own leaves the place alone where the process writes.
        file = self.log.fileno()
        return os.pread(file, os.fstat(file).st_size, 0).decode()


@contextmanager
def running(command: list[str], *options: str) -> Iterator[RunningServer]:
    """Run a server command on a free port and end it; what it logs is kept out of the tests' output."""
    environment = {**os.environ, "WIREPROOF_CONTROL_TOKEN": TOKEN, "PYTHONPATH": str(ROOT)}
    with tempfile.TemporaryFile("w+") as log:
        process = subprocess.Popen(
            [sys.executable, *command, "--port", "0", *options],
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            env=environment,
            cwd=ROOT,
        )
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            if not line.startswith(READY):
                log.seek(0)
                pytest.fail(f"{command} did not start: {line!r} {log.read()[-2000:]}")
            yield RunningServer(line.removeprefix(READY).strip(), process, log=log)
        finally:
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            if process.stdout is not None:
                process.stdout.close()


@pytest.fixture(scope="module")
def reference_server() -> Iterator[RunningServer]:
    """An honest reference server of the newest Phoenix version."""
    with running(SERVE) as server:
        yield server


@dataclass(frozen=True)
class Certificates:
    """PEM files of a CA and of what it has certified for `localhost` and 127.0.0.1."""

    ca: Path
    cert: Path
    key: Path
    other_key: Path
    """A key that belongs to nothing."""
    encrypted_key: Path
    stranger: Path
    """A CA that has certified nothing here."""

    @property
    def options(self) -> tuple[str, ...]:
        """What `wireproof serve` needs."""
        return ("--cert", str(self.cert), "--key", str(self.key))


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    """Certificates made for this run."""
    folder = tmp_path_factory.mktemp("certificates")
    ca_key, key, other = (ec.generate_private_key(ec.SECP256R1()) for _ in range(3))
    ca, stranger = certified("ca", ca_key, "ca", ca_key), certified("stranger", other, "stranger", other)
    files = {
        "ca": pem(ca),
        "cert": pem(certified("localhost", key, "ca", ca_key)),
        "key": pem(key),
        "other_key": pem(other),
        "encrypted_key": pem(key, BestAvailableEncryption(b"secret")),
        "stranger": pem(stranger),
    }
    for name, content in files.items():
        (folder / f"{name}.pem").write_bytes(content)
    return Certificates(**{name: folder / f"{name}.pem" for name in files})


def certified(
    name: str,
    key: ec.EllipticCurvePrivateKey,
    issuer: str,
    by: ec.EllipticCurvePrivateKey,
    *,
    days: tuple[int, int] = (-1, 1),
) -> x509.Certificate:
    """Return a certificate for a key that is valid today, or from one day to another counted from today."""
    today, names = (
        datetime.now(UTC),
        [x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, n)]) for n in (name, issuer)],
    )
    hosts = x509.SubjectAlternativeName([x509.DNSName("localhost"), x509.IPAddress(ip_address("127.0.0.1"))])
    return (
        x509.CertificateBuilder()
        .subject_name(names[0])
        .issuer_name(names[1])
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(today + timedelta(days=days[0]))
        .not_valid_after(today + timedelta(days=days[1]))
        .add_extension(x509.BasicConstraints(ca=name == issuer, path_length=None), critical=True)
        .add_extension(hosts, critical=False)
        .sign(by, hashes.SHA256())
    )


def pem(
    item: x509.Certificate | ec.EllipticCurvePrivateKey,
    encryption: KeySerializationEncryption = NoEncryption(),  # noqa: B008 - has no state
) -> bytes:
    """Return a certificate or a key as the content of a PEM file."""
    if isinstance(item, x509.Certificate):
        return item.public_bytes(Encoding.PEM)
    return item.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption)


@pytest.fixture
def start_server() -> Iterator[Callable[..., RunningServer]]:
    """Start servers with options of their own; all are ended after the test."""
    with ExitStack() as stack:

        def start(*options: str, command: list[str] | None = None) -> RunningServer:
            return stack.enter_context(running(command or SERVE, *options))

        yield start


@pytest.fixture
def usage(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run the command line in this process, for what it says before it starts anything; an exception that escapes is raised."""
    for name in [name for name in os.environ if name.startswith("WIREPROOF_")]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        monkeypatch.setattr(sys, "argv", ["wireproof", *arguments])
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        with pytest.raises(SystemExit) as ended:
            main()
        return subprocess.CompletedProcess(arguments, ended.value.code or 0, *capfd.readouterr())  # type: ignore[arg-type]

    return run


@pytest.fixture
def wireproof(tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run the command line and return what it printed; run folders go to the test's own folder."""

    def run(*arguments: str, timeout_s: float = 240, **environment: str) -> subprocess.CompletedProcess[str]:
        known = {name: value for name, value in os.environ.items() if not name.startswith("WIREPROOF_")}
        return subprocess.run(
            [sys.executable, "-m", "wireproof", *arguments],
            capture_output=True,
            text=True,
            timeout=timeout_s,
            cwd=tmp_path,
            # Standalone files have tests of their own.
            env={**known, "PYTHONPATH": str(ROOT), "WIREPROOF_REPRODUCER_TIME": "none", **environment},
            check=False,
        )

    return run
