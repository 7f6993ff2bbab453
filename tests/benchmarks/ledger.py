"""What durability costs: transfers, each a proposal and its acknowledgement, in memory, with a ledger, and with a full one.

Sixty-four payment channels, one transfer under way on each. Everything is signed beforehand. Transfers a second are those of
client and server together, where they share the cores; transfers a CPU second are the server's. Not shown: another disk than that
of the temporary directory (`TMPDIR`).
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import tempfile
import time
from dataclasses import dataclass, field

from report import Row, finish, parser
from sockets import Socket, masked, opened, target_of
from target import SERVE, TOKEN, CannotMeasure, Target, allow_files, running

from conformance.endpoint import Endpoint
from conformance.fixtures.provision import Agent
from conformance.provisioner_settings import ControlSettings
from conformance.provisioning.control import ControlProvisioner
from specs.loader import load
from specs.participants import derive_participant
from specs.signing import signed_bytes

API = load(None)
AMOUNT = "0.01"
BALANCES = {"balance_a": "1000000", "balance_b": "0"}
MODES: dict[str, tuple[str, ...]] = {
    "in memory": (),
    "--durability normal": ("--durability", "normal"),
    "--durability full": ("--durability", "full"),
}
TIMEOUT_S = 300.0


@dataclass(frozen=True)
class Part:
    """What one party of a payment channel sends, and what it waits for before it sends the next."""

    agent: Agent
    topic: str
    event: str
    awaited: bytes

    def frames(self, count: int) -> list[bytes]:
        """Sign and encode that many events."""
        (signature,) = API.topics["payment"].events[self.event].signatures
        frames = []
        for nonce in range(1, count + 1):
            payload = {"amount": AMOUNT, "nonce": nonce}
            data = signed_bytes(signature.over, topic=self.topic, event=self.event, payload=payload)
            payload[signature.member] = self.agent.participant.keys.sign(data)
            frames.append(masked(json.dumps(["j", str(nonce), self.topic, self.event, payload]).encode()))
        return frames


class Party(Socket):
    """A socket that sends its next frame whenever it sees what it waits for; `done` when it has seen all."""

    def __init__(self, part: Part, transfers: int) -> None:
        super().__init__(target_of(part.agent))
        self.topic = part.topic
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._awaited = part.awaited
        self._left = transfers
        self._frames = iter(part.frames(transfers))
        self._is_running = False

    def start(self) -> None:
        """Look at what comes from now on."""
        self._is_running = True

    def send_next(self) -> None:
        """Send the next frame, if there is one."""
        self.transport.write(next(self._frames, b""))

    def received(self, text: bytes) -> None:
        if not self._is_running:
            super().received(text)
        elif self._awaited in text:
            self._left -= 1
            self.send_next()
            if not self._left:
                self.done.set_result(None)
        elif b'"error"' in text and not self.done.done():
            self.done.set_exception(CannotMeasure(f"refused: {text[:200]!r}"))

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        if not self.done.done():
            self.done.set_exception(CannotMeasure("the server has closed a connection"))


@dataclass(frozen=True)
class Rates:
    """What the rounds of one mode have shown."""

    per_s: list[float] = field(default_factory=list)
    per_cpu_s: list[float] = field(default_factory=list)


def make_channels(target: Target, count: int) -> list[tuple[Part, Part]]:
    """Let the operator make payment channels, each with two agents of its own."""
    provisioner = ControlProvisioner(Endpoint(url=target.url, provisioner=ControlSettings(token=TOKEN)), API)
    provisioner.open()
    try:
        pairs = []
        for number in range(count):
            a, b = (
                provisioner.create_agent(derive_participant(7, "benchmark", f"{number}{role}"), {})
                for role in "ab"
            )
            roles = {"a": a.agent_id, "b": b.agent_id}
            topic = provisioner.create_resource("payment", roles, BALANCES)
            pairs.append(
                (
                    Part(a, topic, "propose_transfer", b'"transfer_complete"'),
                    Part(b, topic, "acknowledge_transfer", b'"propose_transfer"'),
                )
            )
        return pairs
    finally:
        provisioner.close()


class Durability:
    """The benchmark with its options."""

    def __init__(self, options: argparse.Namespace) -> None:
        self._channels: int = options.channels
        self._transfers: int = options.transfers
        self._rounds: int = options.rounds

    async def rows(self) -> list[Row]:
        """Measure every mode in turn, round after round, each time on a server of its own."""
        rates = {mode: Rates() for mode in MODES}
        for _ in range(self._rounds):
            for mode, options in MODES.items():
                with tempfile.TemporaryDirectory() as directory:
                    data = ("--data", directory) if options else ()
                    with running((*SERVE, *data, *options)) as target:
                        await self._measure(target, rates[mode])
        rows = [Row(f"transfers, {mode}", "transfers/CPU-s", one.per_cpu_s) for mode, one in rates.items()]
        for row, one in zip(rows, rates.values(), strict=True):
            row.notes["transfers/s"] = f"{statistics.median(one.per_s):,.0f}"
            row.notes["of memory"] = f"{row.median / rows[0].median:.2f}"
        return rows

    async def _measure(self, target: Target, rates: Rates) -> None:
        pairs = make_channels(target, self._channels)
        parts = iter([part for pair in pairs for part in pair])
        parties = await opened(target, lambda: Party(next(parts), self._transfers), 2 * len(pairs))
        for party in parties:
            await party.join(party.topic)
            party.start()
        start_s, start_cpu_s = time.perf_counter(), target.cpu_s()
        for payer in parties[::2]:
            payer.send_next()
        async with asyncio.timeout(TIMEOUT_S):
            await asyncio.gather(*(party.done for party in parties))
        count, taken_cpu_s = len(pairs) * self._transfers, target.cpu_s() - start_cpu_s
        if taken_cpu_s <= 0:
            raise CannotMeasure("too few transfers to take any CPU time: more --channels or --transfers")
        rates.per_s.append(count / (time.perf_counter() - start_s))
        rates.per_cpu_s.append(count / taken_cpu_s)
        for party in parties:
            party.transport.abort()


def main() -> None:
    options = parser(__doc__)
    options.add_argument("--rounds", type=int, default=3)
    options.add_argument("--channels", type=int, default=64)
    options.add_argument("--transfers", type=int, default=60, help="on each channel in each round")
    chosen = options.parse_args()
    finish(chosen, lambda: _measured(chosen))


async def _measured(options: argparse.Namespace) -> list[Row]:
    allow_files(2 * options.channels)
    return await Durability(options).rows()


if __name__ == "__main__":
    main()
