"""A server as a set of pieces, before it is built.

The pieces of an honest server are the defaults. A deviation replaces one of them, mostly by a subclass, and leaves the
honest one as it is: several servers of one process do not know of each other's deviations.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

from reference_server.application import Application
from reference_server.broker import Broker
from reference_server.commits import Commits
from reference_server.connection import Connection
from reference_server.enforcement import Enforcement
from reference_server.handshake import Accept, Policy, Refuse, decide
from reference_server.ledger import Durability, Ledger
from reference_server.misfits import misfit
from reference_server.presence import PresenceTracker
from reference_server.registry import REGISTERED, Effects
from reference_server.server import Pieces, Server, Settings, serve
from reference_server.store import MemoryStore
from reference_server.transport import WebSocketTransport
from specs.serializer import SERIALIZERS, V1, V2

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from websockets.http11 import Request

    from specs.model import Api


@dataclass(slots=True)
class Assembly:
    """The pieces of a server, each of which may be replaced until `start`."""

    api: Api
    """What the server enforces; its own copy may say something else than the documents."""
    settings: Settings = field(default_factory=Settings)
    seed: int | None = None
    """Makes ids and credentials reproducible; None makes them unpredictable."""
    control_token: str | None = None
    """What an operator must show; None refuses every operator."""
    data: Path | None = None
    """Directory of the ledger; None lets everything end with the process."""
    durability: Durability = Durability.NORMAL
    store: Callable[[], MemoryStore] = MemoryStore
    commits: Commits = field(default_factory=Commits)
    ledger: type[Ledger] = Ledger
    application: type[Application] = Application
    effects: Effects = field(default_factory=REGISTERED.copy)
    enforcement: type[Enforcement] = Enforcement
    presence: type[PresenceTracker] = PresenceTracker
    broker: type[Broker] = Broker
    connection: type[Connection] = Connection
    transport: type[WebSocketTransport] = WebSocketTransport
    decide: Callable[[Request, Policy], Accept | Refuse] = decide
    serializers: dict[str, V1 | V2] = field(default_factory=lambda: dict(SERIALIZERS))

    async def start(self) -> Server:
        """Build the server and let it listen.

        Raises:
            LedgerUnusable: If the directory of the ledger, or what is in it, cannot be used.
            OSError: If the address cannot be bound.

        """
        store = self.store()
        if self.data is None:
            return await self._serve(store, None)
        ledger = self.ledger(self.data, self.durability, self.commits)
        ledger.load(store, partial(misfit, self.api))
        try:
            return await self._serve(store, ledger)
        except BaseException:
            await ledger.close()
            raise

    async def _serve(self, store: MemoryStore, ledger: Ledger | None) -> Server:
        application = self.application(
            self.api,
            store=store,
            seed=self.seed,
            run="" if ledger is None else ledger.run,
            control_token=self.control_token,
            effects=self.effects,
            enforcement=self.enforcement,
            presence=self.presence,
            limits=self.settings.limits,
        )
        pieces = Pieces(
            self.broker,
            self.connection,
            self.transport,
            self.decide,
            self.serializers,
            self.commits,
            ledger,
            plain_events=application.plain_events,
        )
        return await serve(application, self.api, self.settings, pieces)
