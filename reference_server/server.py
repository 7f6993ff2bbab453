"""The listening server: accepts connections, and ends them in order."""

from __future__ import annotations

import asyncio
import importlib
import logging
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar, cast

from reference_server.admission import Admission
from reference_server.broker import Broker
from reference_server.commits import Commits, Keeper
from reference_server.connection import Backend, Connection
from reference_server.counts import Counts
from reference_server.doorstep import Doorstep
from reference_server.handshake import Accept, OnRequest, Policy, Refuse, decide
from reference_server.limits import Limits
from reference_server.open_files import accepted_at_once, room_for_sockets
from reference_server.plain_events import PlainEvents
from reference_server.redaction import credential_names, shown_method, shown_target
from reference_server.structured_log import log_event
from reference_server.transport import WebSocketTransport
from reference_server.versions import PhoenixVersion
from specs.serializer import SERIALIZERS, V1, V2

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Coroutine, Mapping

    from websockets.http11 import Request, Response

    from reference_server.monitoring import Monitoring
    from reference_server.outcome import Application
    from specs.model import Api

_BACKLOG = 1024

_log = logging.getLogger("reference_server.server")

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Settings:
    """How to serve."""

    host: str = "127.0.0.1"
    port: int = 4000
    """0 for any free port."""
    version: PhoenixVersion = field(default_factory=lambda: PhoenixVersion.parse("1.8"))
    origins: tuple[str, ...] = ()
    limits: Limits | None = None
    """What a client may take up; what the documents say when None."""
    drain_timeout_s: float = 4.0
    """How long clients may take to close after `drain`."""
    tls: ssl.SSLContext | None = None
    """With a certificate; None serves without TLS."""


@dataclass(frozen=True, slots=True)
class Pieces:
    """What a server is put together from below the application; another piece makes it behave otherwise."""

    broker: Callable[[], Broker] = Broker
    connection: type[Connection] = Connection
    transport: type[WebSocketTransport] = WebSocketTransport
    decide: Callable[[Request, Policy], Accept | Refuse] = decide
    serializers: Mapping[str, V1 | V2] = field(default_factory=lambda: SERIALIZERS)
    commits: Commits = field(default_factory=Commits)
    """Counts the transactions of the application's store."""
    keeper: Keeper | None = None
    """Keeps them; None where they end with the process."""
    counts: Counts = field(default_factory=Counts)
    """Counts everything else."""
    plain_events: PlainEvents | None = None
    """Those of the application that need not go through it."""


class Server:
    """A server that listens on `port`; made by `serve`."""

    def __init__(
        self,
        listener: asyncio.Server,
        live: set[WebSocketTransport],
        settings: Settings,
        monitoring: Monitoring,
        keeper: Keeper | None = None,
    ) -> None:
        self._listener = listener
        self._live = live
        self._settings = settings
        self._monitoring = monitoring
        self._keeper = keeper
        self.failed = asyncio.get_running_loop().create_future() if keeper is None else keeper.failed
        """Done when nothing more can be kept, so that all clients wait in vain; `drop` is all that is left."""
        self.port: int = listener.sockets[0].getsockname()[1]

    @property
    def connection_count(self) -> int:
        """How many TCP connections are open."""
        return len(self._live)

    async def drain(self) -> None:
        """Let nobody in, close sockets with channels with 1012 and the others with 1000, then wait for TCP to end.

        Until then new handshakes are refused with 503, and `/healthz` says that the server drains. What has not ended after
        `Settings.drain_timeout_s` is dropped. Returns when everything is kept. May be cancelled at any await; call `drop` then.

        Source:
            `phoenix-wire.md` T-5.

        """
        self._monitoring.is_draining = True
        for transport in tuple(self._live):
            transport.drain()
        await self._all_gone(self._settings.drain_timeout_s)
        await self.close()

    async def close(self) -> None:
        """Drop every connection, and return when everything is kept and released."""
        await self.drop()
        if self._keeper is not None:
            await self._keeper.close()

    async def drop(self) -> None:
        """Stop at once: what is not kept by now was confirmed to nobody."""
        self.abort()
        await self._all_gone(None)

    async def _all_gone(self, timeout_s: float | None) -> None:
        futures = [transport.gone for transport in self._live]
        if futures:
            await asyncio.wait(futures, timeout=timeout_s)

    def abort(self) -> None:
        """Accept no more and drop every connection."""
        self._listener.close()
        for transport in tuple(self._live):
            transport.abort()


async def serve(
    application: Application, api: Api, settings: Settings | None = None, pieces: Pieces | None = None
) -> Server:
    """Listen for clients.

    Args:
        application: The channel side.
        api: The protocol that it serves; gives the sockets and the topics.
        settings: Address, version and limits; the defaults when None.
        pieces: What it is put together from; the usual ones when None.

    Returns:
        The server; it accepts connections already.

    Raises:
        OSError: If the address cannot be bound.
        BadLimit: If the documents have a limit that the server does not know.

    """
    # The Prometheus client takes its time, and only a server that starts needs it.
    from reference_server.monitoring import Monitoring

    settings = settings or Settings()
    pieces = pieces or Pieces()
    limits = settings.limits or Limits.of(api)
    admission = Admission(limits, room_for_sockets(accepted_at_once()))
    backend = Backend(
        api,
        application,
        pieces.broker(),
        settings.version,
        pieces.commits,
        pieces.connection,
        limits,
        admission,
        counts=pieces.counts,
        plain_events=pieces.plain_events,
    )
    monitoring = Monitoring(api, pieces.counts, pieces.commits)
    policy = Policy(
        tuple(api.sockets.values()), application, settings.version, settings.origins, pieces.serializers
    )
    on_request = _reception(policy, pieces, monitoring, admission, credential_names(api))
    live: set[WebSocketTransport] = set()
    pieces.commits.readers = live

    def make_transport() -> WebSocketTransport:
        return pieces.transport(backend, on_request, limits, live)

    def make_doorstep() -> Doorstep:
        return Doorstep(cast("ssl.SSLContext", settings.tls), limits, admission, make_transport)

    listener = await _listen(make_transport if settings.tls is None else make_doorstep, settings)
    return Server(listener, live, settings, monitoring, pieces.keeper)


async def _listen(make_protocol: Callable[[], asyncio.Protocol], settings: Settings) -> asyncio.Server:
    listener = await asyncio.get_running_loop().create_server(
        make_protocol, settings.host, settings.port, backlog=accepted_at_once()
    )
    for listening in listener.sockets:
        # For asyncio both are one number: how many it accepts at once, and how many may wait for that.
        with listening.dup() as same:
            same.listen(_BACKLOG)
    return listener


def _reception(
    policy: Policy, pieces: Pieces, monitoring: Monitoring, admission: Admission, names: frozenset[str]
) -> OnRequest:
    """Return what decides on every request, counts it and logs it."""
    paths = frozenset(path for socket in policy.sockets for path in socket.paths)

    def on_request(request: Request) -> Accept | Refuse | Response:
        answer = monitoring.answer(request)
        if answer is not None:
            return answer
        decision = Refuse(503) if monitoring.is_draining else pieces.decide(request, policy)
        if isinstance(decision, Accept):
            decision = admission.refusal(decision.identity) or decision
        if isinstance(decision, Refuse):
            pieces.counts.refuse(decision.status)
        if _log.isEnabledFor(logging.INFO):
            _log_handshake(decision, shown_method(request.method), shown_target(request.path, paths, names))
        return decision

    return on_request


def _log_handshake(decision: Accept | Refuse, method: str, target: str) -> None:
    identity = decision.identity if isinstance(decision, Accept) else None
    log_event(
        _log,
        logging.INFO,
        "handshake",
        method=method,
        target=target,
        status=decision.status if isinstance(decision, Refuse) else 101,
        socket=identity.socket.name if identity else None,
        agent=identity.agent_id if identity else None,
    )


def run(main: Callable[[], Coroutine[Any, Any, Result]]) -> Result:
    """Run a coroutine function in an event loop of its own: uvloop's where that is installed."""
    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        return runner.run(main())


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    try:
        uvloop = importlib.import_module("uvloop")
    except ImportError:
        return None
    return cast("Callable[[], asyncio.AbstractEventLoop]", uvloop.new_event_loop)
