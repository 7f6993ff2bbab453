"""What durability costs: transfers (proposal and acknowledgement) through a server in memory, with a ledger, and with a full one.

Run by hand: `python tests/benchmarks/ledger.py`. Each of 64 payment channels has one transfer in flight. Everything is signed and encoded
beforehand, but client and server share the machine: where cores are few, transfers a second are those of both together, and
transfers a server CPU-second tell more. The disk is that of the temporary directory (`TMPDIR`).
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import json
import os
import platform
import struct
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from urllib.parse import urlsplit

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

from specs.participants import derive_participant  # noqa: E402
from specs.signing import signed_bytes  # noqa: E402
from tests.crash.phoenix import Client  # noqa: E402

TOKEN = "operator-token-of-the-benchmark"
READY = "wireproof serve: listening on "
AMOUNT = "0.01"
OVER = {"topic": "$topic", "event": "$event", "amount": "$payload.amount", "nonce": "$payload.nonce"}
MODES = {"memory": (), "normal": ("--durability", "normal"), "full": ("--durability", "full")}


@dataclass
class Measured:
    """One run."""

    per_s: float
    per_cpu_s: float


class Party(asyncio.Protocol):
    """One party of a channel: sends its next frame when it sees what it waits for."""

    def __init__(self, path: str, join: bytes, frames: list[bytes], awaited: bytes) -> None:
        self.path = path
        self.awaited = awaited
        self.frames = iter(frames)
        self.join = join
        self.buffer = b""
        self.joined: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        transport.write(  # type: ignore[attr-defined]
            f"GET {self.path} HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n".encode()
            + self.join
        )

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        if self.buffer.startswith(b"HTTP/"):
            head, _, self.buffer = self.buffer.partition(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 101"), head
        while (end := self.frame_end()) is not None:
            self.take(self.buffer[:end])
            self.buffer = self.buffer[end:]

    def frame_end(self) -> int | None:
        """Return where the first whole frame ends; the server's are short and not masked."""
        if len(self.buffer) < 4:
            return None
        length = self.buffer[1]
        end = 4 + struct.unpack_from("!H", self.buffer, 2)[0] if length == 126 else 2 + length
        return end if len(self.buffer) >= end else None

    def take(self, frame: bytes) -> None:
        if not self.joined.done():
            assert b'"ok"' in frame, frame
            self.joined.set_result(None)
        elif self.awaited in frame:
            self.next()
        elif b'"error"' in frame:
            self.done.set_exception(AssertionError(frame))

    def next(self) -> None:
        frame = next(self.frames, None)
        if frame is not None:
            self.transport.write(frame)  # type: ignore[attr-defined]
        elif not self.done.done():
            self.done.set_result(None)


def encoded(*message: object) -> bytes:
    """Return a masked text frame; the mask is zero."""
    text = json.dumps(message, separators=(",", ":")).encode()
    head = (
        struct.pack("!BB", 0x81, 0x80 | len(text))
        if len(text) < 126
        else struct.pack("!BBH", 0x81, 254, len(text))
    )
    return head + bytes(4) + text


async def provision(url: str, channels: int, transfers: int) -> list[tuple[Party, Party]]:
    """Make channels and connect their parties."""
    operator = await Client.open(f"{url}/control/websocket", token=TOKEN)
    await operator.join("control")
    pairs = []
    for number in range(channels):
        agents = {}
        for role in "ab":
            keys = derive_participant(7, "benchmark", f"{number}{role}").keys
            key = base64.b64encode(keys.public_key).decode()
            agents[role] = (keys, await operator.push("control", "create_agent", {"public_key": key}))
        roles = {role: made["agent_id"] for role, (_, made) in agents.items()}
        params = {"balance_a": "1000000", "balance_b": "0"}
        made = await operator.push(
            "control", "create_resource", {"family": "payment", "roles": roles, "params": params}
        )
        pairs.append(await connect(url, made["topic"], agents, transfers))
    await operator.close()
    return pairs


async def connect(url: str, topic: str, agents: dict, transfers: int) -> tuple[Party, Party]:  # type: ignore[type-arg]
    """Connect the parties of a channel with all that they will send."""
    parties = []
    for role, event, awaited in (
        ("a", "propose_transfer", b'"transfer_complete"'),
        ("b", "acknowledge_transfer", b'"propose_transfer"'),
    ):
        keys, made = agents[role]
        frames = []
        for nonce in range(1, transfers + 1):
            payload = {"amount": AMOUNT, "nonce": nonce}
            data = signed_bytes(OVER, topic=topic, event=event, payload=payload)
            payload["signature"] = keys.sign(data)
            frames.append(encoded("1", str(nonce + 1), topic, event, payload))
        path = f"/socket/websocket?vsn=2.0.0&api_key={made['api_key']}"
        party = Party(path, encoded("1", "1", topic, "phx_join", {}), frames, awaited)
        where = urlsplit(url)
        await asyncio.get_running_loop().create_connection(lambda p=party: p, where.hostname, where.port)
        await party.joined
        parties.append(party)
    return parties[0], parties[1]


def cpu_s(pid: int) -> float:
    """Return the processor time of a process, all threads."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


async def measure(url: str, pid: int, channels: int, transfers: int) -> Measured:
    """Let every channel make its transfers, one after the other."""
    pairs = await provision(url, channels, transfers)
    start_s, start_cpu_s = time.perf_counter(), cpu_s(pid)
    for a, _ in pairs:
        a.next()
    await asyncio.gather(*(a.done for a, _ in pairs))
    count = channels * transfers
    measured = Measured(count / (time.perf_counter() - start_s), count / (cpu_s(pid) - start_cpu_s or 0.01))
    for pair in pairs:
        for party in pair:
            party.transport.close()
    return measured


def run(mode: str, channels: int, transfers: int) -> Measured:
    """Measure one mode with a server of its own."""
    with tempfile.TemporaryDirectory() as directory:
        options = () if mode == "memory" else ("--data", directory, *MODES[mode])
        process = subprocess.Popen(
            [sys.executable, "-m", "wireproof", "serve", "--port", "0", *options],
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
            env={**os.environ, "WIREPROOF_CONTROL_TOKEN": TOKEN, "PYTHONPATH": str(ROOT)},
        )
        try:
            assert process.stdout is not None
            url = process.stdout.readline().removeprefix(READY).strip()
            return asyncio.run(measure(url, process.pid, channels, transfers))
        finally:
            process.terminate()
            process.wait()


def main() -> None:
    """Measure all modes in turn, several rounds, and print medians and ratios."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--channels", type=int, default=64)
    parser.add_argument("--transfers", type=int, default=60, help="a channel and round")
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    runs: dict[str, list[Measured]] = {mode: [] for mode in MODES}
    for _ in range(given.rounds):
        for mode in MODES:
            runs[mode].append(run(mode, given.channels, given.transfers))
    print(f"{platform.platform()}, {os.cpu_count()} cores, Python {platform.python_version()}, ", end="")
    print(f"load {os.getloadavg()[0]:.1f}, {given.channels} channels, medians of {given.rounds}")
    print(f"{'':8}{'transfers/s':>12}{'ratio':>7}{'a server CPU-s':>16}{'ratio':>7}")
    base = [median(each.per_s for each in runs["memory"]), median(each.per_cpu_s for each in runs["memory"])]
    for mode, measured in runs.items():
        per_s, per_cpu_s = median(m.per_s for m in measured), median(m.per_cpu_s for m in measured)
        print(f"{mode:8}{per_s:12.0f}{per_s / base[0]:7.2f}{per_cpu_s:16.0f}{per_cpu_s / base[1]:7.2f}")


if __name__ == "__main__":
    main()
