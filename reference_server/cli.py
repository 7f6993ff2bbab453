"""The command `wireproof serve`."""

from __future__ import annotations

import asyncio
import logging
import os
import secrets
import signal
from datetime import UTC, datetime
from enum import StrEnum
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from reference_server.allocator import give_back_large_blocks
from reference_server.assembly import Assembly
from reference_server.certificates import untimely
from reference_server.chaos.installing import install as install_chaos
from reference_server.chaos.record import FileRecorder, LogRecorder
from reference_server.chaos.rules import ChaosFaulty, preset_names, read_rules
from reference_server.deviations.catalogue import UnknownDeviation, install
from reference_server.ledger import Durability, LedgerUnusable
from reference_server.limits import BadLimit, Limits
from reference_server.message_log import logging_messages
from reference_server.open_files import allow_as_many_as_possible
from reference_server.redaction import credential_names
from reference_server.server import Settings, run
from reference_server.structured_log import log_event, log_loop_exception, log_to_stderr
from reference_server.tls import CertificateUnusable, server_context
from reference_server.versions import PhoenixVersion, UnknownPhoenixVersion
from specs.loader import DocumentsInvalid, load, shipped_limits

if TYPE_CHECKING:
    import ssl

    from reference_server.server import Server
    from specs.model import Api

LEDGER_EXIT_CODE = 1
_log = logging.getLogger("reference_server.process")
USAGE_EXIT_CODE = 2
_SIGNAL_EXIT_BASE = 128

app = typer.Typer(add_completion=False)


class LogLevel(StrEnum):
    """How much is logged."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


@app.command("serve")
def serve_command(
    *,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port; 0 takes a free one.")] = 4000,
    seed: Annotated[int | None, typer.Option(help="Makes ids and credentials reproducible.")] = None,
    control_token: Annotated[
        str | None,
        typer.Option(
            envvar="WIREPROOF_CONTROL_TOKEN",
            show_envvar=True,
            help="What the control socket demands; without it, it refuses everybody.",
        ),
    ] = None,
    phoenix_version: Annotated[
        str, typer.Option(help="Release to behave as: 1.6, 1.7, 1.8, main, or one of their patches.")
    ] = "1.8",
    spec: Annotated[
        Path | None, typer.Option(help="Folder of documents; the shipped ones by default.")
    ] = None,
    idle_timeout_s: Annotated[
        float | None, typer.Option(help="Short for --limit idle_timeout_s=SECONDS.", show_default=False)
    ] = None,
    limit: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=VALUE", help="Sets a limit; may be repeated. --limits shows them."),
    ] = None,
    limits: Annotated[
        bool, typer.Option("--limits", help="Show every limit as it would be, and end.")
    ] = False,
    origin: Annotated[
        list[str] | None,
        typer.Option(help="Origin let in besides the own host and loopback; may be repeated."),
    ] = None,
    deviate: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="Fault of the catalogue to serve with; may be repeated."),
    ] = None,
    cert: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Certificate chain (PEM) for wss://; with --key.")
    ] = None,
    key: Annotated[Path | None, typer.Option(metavar="FILE", help="Its private key (PEM).")] = None,
    data: Annotated[
        str | None,
        typer.Option(metavar="DIR", help="Keeps everything; without it all ends with the process."),
    ] = None,
    durability: Annotated[
        Durability | None,
        typer.Option(
            help="What is confirmed survives the end of the server (normal) or of the machine, too."
        ),
    ] = None,
    chaos: Annotated[
        str | None,
        typer.Option(
            metavar="FILE|PRESET",
            help=f"Faults towards clients: a TOML file, or {', '.join(preset_names())}.",
        ),
    ] = None,
    chaos_log: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Where each fault is recorded; else in the log, at level info."),
    ] = None,
    log_level: Annotated[LogLevel, typer.Option(help="How much goes to standard error.")] = LogLevel.WARNING,
) -> None:
    """Run the reference server until SIGTERM or SIGINT, then drain and end with 0.

    It ends with 1 when --data can no longer be written, with 2 when it could not start.
    """
    if idle_timeout_s is not None and not 0 < idle_timeout_s < float("inf"):
        _refuse(f"--idle-timeout-s must be above 0, not {idle_timeout_s}")
    version, api = _version(phoenix_version), _documents(spec)
    settings = Settings(
        host=_address(host),
        port=port,
        version=version,
        origins=tuple(origin or ()),
        limits=_limits(api, limit or [], idle_timeout_s),
        tls=_tls(cert, key),
    )
    if limits:
        _show(settings.limits, api)
        return
    log_to_stderr(log_level, credential_names(api))
    _warn_of(cert)
    assembly = Assembly(api, settings, seed=seed, control_token=control_token or None)
    assembly.data, assembly.durability = _kept(data, durability)
    _deviate(assembly, deviate or [])
    _install_chaos(assembly, chaos, chaos_log)
    if log_level is LogLevel.DEBUG:
        assembly.connection = logging_messages(assembly.connection)
    allow_as_many_as_possible()
    give_back_large_blocks()
    raise typer.Exit(run(lambda: _serve(assembly)))


async def _serve(assembly: Assembly) -> int:
    asyncio.get_running_loop().set_exception_handler(log_loop_exception)
    settings = assembly.settings
    try:
        server = await assembly.start()
    except LedgerUnusable as exc:
        _refuse(str(exc))
    except (OSError, UnicodeError) as exc:
        reason = (exc.strerror or str(exc)) if isinstance(exc, OSError) else "no host has such a name"
        _refuse(f"cannot listen on {settings.host}:{settings.port}: {reason}")
    signals: asyncio.Queue[int] = asyncio.Queue()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, signals.put_nowait, number)
    scheme = "ws" if settings.tls is None else "wss"
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    try:
        typer.echo(f"wireproof serve: listening on {scheme}://{host}:{server.port}")
    except OSError as exc:
        # Nothing more can be written there, not even by the interpreter when it ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        await server.close()
        _refuse(f"cannot say on standard output where it listens: {exc.strerror}")
    asked = asyncio.create_task(signals.get())
    await asyncio.wait({asked, server.failed}, return_when=asyncio.FIRST_COMPLETED)
    if asked.done():
        return await _end(server, signals)
    asked.cancel()
    await server.drop()
    return LEDGER_EXIT_CODE


async def _end(server: Server, signals: asyncio.Queue[int]) -> int:
    draining, again = asyncio.create_task(server.drain()), asyncio.create_task(signals.get())
    await asyncio.wait({draining, again}, return_when=asyncio.FIRST_COMPLETED)
    if draining.done():
        again.cancel()
        draining.result()
        return LEDGER_EXIT_CODE if server.failed.done() else 0
    draining.cancel()
    await server.drop()
    return _SIGNAL_EXIT_BASE + again.result()


def _address(host: str) -> str:
    """Return what to listen on, without the brackets that an address has in a URL."""
    if host.strip() in {"", "*"}:
        _refuse(f"--host must name an address, not {host!r}; 0.0.0.0 or :: is every one of this machine")
    bare = host[1:-1] if host.startswith("[") and host.endswith("]") else host
    try:
        return str(ip_address(bare))
    except ValueError:
        if ":" in host or "/" in host or "[" in host:
            _refuse(f"--host must be one address or name, not {host!r}; the port is given with --port")
    return host


def _kept(data: str | None, durability: Durability | None) -> tuple[Path | None, Durability]:
    if data == "":
        _refuse("--data must name a directory")
    if durability is not None and data is None:
        _refuse("--durability says how --data is kept: name a directory with --data")
    return None if data is None else Path(data), durability or Durability.NORMAL


def _deviate(assembly: Assembly, names: list[str]) -> None:
    try:
        install(assembly, names)
    except UnknownDeviation as exc:
        _refuse(str(exc))


def _install_chaos(assembly: Assembly, name: str | None, log: Path | None) -> None:
    if name is None:
        if log is not None:
            _refuse("--chaos-log is given without --chaos")
        return
    try:
        rules = read_rules(name, assembly.api)
        recorder = LogRecorder() if log is None else FileRecorder(log)
    except ChaosFaulty as exc:
        _refuse(f"--chaos {exc}")
    except OSError as exc:
        _refuse(f"--chaos-log {log}: cannot be written: {exc.strerror}")
    seed = secrets.randbelow(2**32) if assembly.seed is None else assembly.seed
    install_chaos(assembly, rules, seed, recorder)
    log_event(_log, logging.WARNING, "chaos_begins", rules=name, seed=seed)


def _tls(cert: Path | None, key: Path | None) -> ssl.SSLContext | None:
    if cert is None or key is None:
        if cert is not key:
            given, lacking = ("--cert", "--key") if key is None else ("--key", "--cert")
            _refuse(f"{given} is given without {lacking}; TLS needs both")
        return None
    try:
        return server_context(cert, key)
    except CertificateUnusable as exc:
        _refuse(str(exc))


def _warn_of(cert: Path | None) -> None:
    for fault in () if cert is None else untimely(cert, datetime.now(UTC)):
        text = f"{fault}; clients that check it refuse to connect"
        log_event(_log, logging.WARNING, "certificate_not_valid", path=cert, text=text)


def _version(text: str) -> PhoenixVersion:
    try:
        return PhoenixVersion.parse(text)
    except UnknownPhoenixVersion as exc:
        _refuse(str(exc))


def _documents(directory: Path | None) -> Api:
    try:
        return load(directory)
    except DocumentsInvalid as exc:
        _refuse(*exc.lines)


def _limits(api: Api, given: list[str], idle_timeout_s: float | None) -> Limits:
    idle = [] if idle_timeout_s is None else [f"idle_timeout_s={idle_timeout_s}"]
    try:
        return Limits.of(api).with_settings([*idle, *given])
    except BadLimit as exc:
        _refuse(str(exc))


def _show(limits: Limits | None, api: Api) -> None:
    for name, row in {**{row.name: row for row in shipped_limits()}, **api.limits}.items():
        typer.echo(f"{name}={getattr(limits, name)}  {row.summary} Beyond it: {row.beyond}")


def _refuse(*lines: str) -> NoReturn:
    for line in lines:
        typer.echo(f"wireproof serve: {' '.join(line.split())}", err=True)
    raise typer.Exit(USAGE_EXIT_CODE)
