"""Agents, against a reference server: kept up, joined again, and by the rules of Phoenix."""

from __future__ import annotations

import os
import socket
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import gevent
import pytest

from loadgen.client.agent import Agent
from loadgen.client.calls import CallFailed
from loadgen.client.channel import MOST_CHANNELS, TooManyChannels
from loadgen.client.clock import now_us
from loadgen.client.plays import Pause, Play
from loadgen.client.route import route_to
from loadgen.client.site import Site, UnknownTopic
from loadgen.client.stamps import KernelClock
from loadgen.provisioning import ControlProvisioner
from loadgen.scenarios.scenario import Group
from specs.loader import load
from tests.conftest import TOKEN, Certificates, RunningServer

API = load()
PATIENCE_S = 60.0
Script = Callable[[Group], Any]


class Crew:
    """A client and a provider of one server."""

    def __init__(
        self, url: str, ca: Path | None = None, clock: KernelClock | None = None, **settings: Any
    ) -> None:
        route = route_to(url, ca, clock)
        self.site = Site(API, route, **settings)
        run = os.urandom(4).hex()
        self.provisioner = ControlProvisioner(API, route, self.site.timers, url, TOKEN, "1", run)
        self.group = Group(self.site, self.provisioner, 0, "1")
        self._url = url

    async def open(self) -> None:
        await self.provisioner.open()
        for number, role in enumerate(("client", "provider")):
            identity = await self.provisioner.create_agent(role, {})
            url = f"{self._url}/socket/websocket?{identity.query(frozenset({'api_key'}))}"
            self.group.identities[role] = identity
            self.group.agents[role] = Agent(self.site, number, url, identity.agent_id)

    def play(self, script: Callable[[], Awaitable[None]]) -> None:
        """Play a script to its end, and raise what it raised."""
        ended: list[BaseException | None] = []

        async def whole() -> None:
            await self.open()
            await script()

        Play(whole(), ended.append)
        with gevent.Timeout(PATIENCE_S):
            while not ended:
                gevent.sleep(0.01)
        for agent in self.group.agents.values():
            agent.close()
        self.provisioner.close()
        self.site.timers.close()
        if ended[0] is not None:
            raise ended[0]

    async def connected(self) -> None:
        for agent in self.group.agents.values():
            (await agent.connect()).demand()

    async def until(self, is_so: Callable[[], bool]) -> None:
        while not is_so():
            await Pause(self.site.timers, 0.02)


@pytest.fixture
def crew(reference_server: RunningServer) -> Crew:
    """Agents that send a heartbeat every second."""
    return Crew(reference_server.url, heartbeat_s=1.0)


def test_a_push_is_answered_and_relayed(crew: Crew) -> None:
    """The sender's call has the reply, the other's channel has the relay, and both are timed."""

    async def script() -> None:
        await crew.connected()
        channels = await crew.group.join(await crew.group.new("task"))
        arrival = channels["provider"].event("input_stream", PATIENCE_S)
        (await channels["client"].push("input_stream", {"chunk": "é", "seq": 0})).demand()
        assert (await arrival).payload == {"chunk": "é", "seq": 0}

    crew.play(script)
    figures = crew.site.statistics.of("task", "input_stream")
    assert (figures.sent, figures.ok, figures.relays, figures.delivered) == (1, 1, 1, 1)
    assert not crew.site.losses


def test_a_refusal_is_counted_by_its_reason(crew: Crew) -> None:
    """Who demands an ok gets a failure with the reason of the reply."""

    async def script() -> None:
        await crew.connected()
        channels = await crew.group.join(await crew.group.new("task"))
        with pytest.raises(CallFailed, match="forbidden"):
            (await channels["client"].push("output_stream", {"chunk": "a", "seq": 0})).demand()

    crew.play(script)
    assert crew.site.statistics.of("task", "output_stream").errors == {"forbidden": 1}


def test_a_second_answer_is_counted(crew: Crew) -> None:
    """Who answers a push twice, or with the ref of none, has said something that nobody waits for."""

    async def script() -> None:
        await crew.connected()
        client = crew.group.agents["client"]
        channels = await crew.group.join(await crew.group.new("task"))
        (await channels["client"].push("input_stream", {"chunk": "a", "seq": 0})).demand()
        again = b'["1","2","task:1","phx_reply",{"status":"ok","response":{}}]'
        client.on_text(again, now_us())

    crew.play(script)
    assert crew.site.losses == {"reply that nobody waits for": 1}
    assert crew.site.statistics.of("task", "input_stream").ok == 1


def test_heartbeats_are_sent_and_answered(crew: Crew) -> None:
    """An agent that says nothing keeps its connection by heartbeats."""

    async def script() -> None:
        await crew.connected()
        heartbeats = crew.site.statistics.of("socket", "heartbeat")
        await crew.until(lambda: heartbeats.ok >= 4)

    crew.play(script)


def test_an_agent_that_was_cut_off_comes_back(crew: Crew) -> None:
    """It connects again, joins its topics again, hears what was saved, and can push as before."""

    async def script() -> None:
        await crew.connected()
        channels = await crew.group.join(await crew.group.new("task"))
        provider, told = channels["provider"], []
        provider.on_rejoined = told.append
        (await provider.push("checkpoint", {"state": {"at": 1}, "seq": 4})).demand()
        lost = provider.push("progress", {"percent": 1, "message": "on its way"})
        crew.group.agents["provider"].drop()
        assert (await lost).status == "unknown"
        assert provider.push("progress", {"percent": 1, "message": "unsent"}).status == "unknown"
        await crew.until(lambda: provider.is_joined)
        assert told[0]["checkpoint"] == {"state": {"at": 1}, "seq": 4}
        (await provider.push("progress", {"percent": 2, "message": "back"})).demand()
        # Whoever is back waits no longer the next time than the first time.
        assert crew.group.agents["provider"]._comeback is None

    crew.play(script)
    assert crew.site.losses == {"dropped": 1}
    assert crew.site.statistics.of("socket", "recovery").histograms["service"].total == 1


def test_those_who_come_back_take_turns(crew: Crew) -> None:
    """After all were cut off at once they connect no faster than they did at first."""

    async def script() -> None:
        await crew.connected()
        agents = crew.group.agents.values()
        crew.site.pace_us = 700_000.0
        first_us = crew.site.turn_us()
        for agent in agents:
            agent.drop()
        connects = crew.site.statistics.of("socket", "connect")
        await crew.until(lambda: connects.sent == 3)
        assert now_us() >= first_us + 700_000
        await crew.until(lambda: connects.sent == 4)
        assert now_us() >= first_us + 1_400_000

    crew.play(script)


def test_a_refused_credential_is_named(crew: Crew) -> None:
    """A connection that is refused fails with the HTTP status, and is tried again only later."""

    async def script() -> None:
        stranger = Agent(crew.site, 7, f"{crew._url}/socket/websocket?api_key=none&vsn=2.0.0", "stranger")
        with pytest.raises(CallFailed, match="HTTP 403"):
            (await stranger.connect()).demand()
        stranger.close()

    crew.play(script)


def test_an_answer_that_does_not_come_is_given_up(crew: Crew) -> None:
    """After the time-out a call has no known outcome, and the connection goes on."""

    async def script() -> None:
        await crew.connected()
        channels = await crew.group.join(await crew.group.new("task"))
        # Only now: what was asked before is to be answered.
        crew.site.reply_s = 0.0
        crew.group.agents["client"].pause_reading()
        call = channels["client"].push("checkpoint", {"state": {}, "seq": 0})
        assert (await call).status == "unknown"
        crew.group.agents["client"].resume_reading()
        crew.site.reply_s = PATIENCE_S
        (await channels["client"].push("checkpoint", {"state": {}, "seq": 1})).demand()

    crew.play(script)
    assert crew.site.statistics.of("task", "checkpoint").errors["timeout"] == 1


def test_a_connection_that_is_not_answered_is_given_up_and_tried_again(crew: Crew) -> None:
    """A server that accepts and stays silent is an error after the time-out, like a push that is not answered."""
    with socket.create_server(("127.0.0.1", 0)) as silent:

        async def script() -> None:
            url = f"ws://127.0.0.1:{silent.getsockname()[1]}"
            crew.site.route, crew.site.reply_s = route_to(url), 0.2
            agent = Agent(crew.site, 7, f"{url}/socket/websocket?vsn=2.0.0", "waiting")
            with pytest.raises(CallFailed, match="timeout"):
                (await agent.connect()).demand()
            figures = crew.site.statistics.of("socket", "connect")
            await crew.until(lambda: figures.sent > 1)
            agent.close()

        crew.play(script)
    assert crew.site.losses["timeout"] >= 1


def test_what_is_open_at_the_end_is_an_error(crew: Crew) -> None:
    """A push that was not answered counts as such; one so young that its answer may be on its way does not."""

    async def script() -> None:
        await crew.connected()
        channels = await crew.group.join(await crew.group.new("task"))
        client = crew.group.agents["client"]
        client.pause_reading()
        old = channels["client"].push("checkpoint", {"state": {}, "seq": 0})
        await Pause(crew.site.timers, 0.001)
        channels["client"].push("checkpoint", {"state": {}, "seq": 1})
        client.write_off(before_us=old.sent_us + 1)
        assert crew.site.statistics.of("task", "checkpoint").errors == {"unanswered at the end": 1}

    crew.play(script)


def test_who_waits_for_an_event_is_told_that_the_channel_was_lost(crew: Crew) -> None:
    """An event that was sent while the agent was away does not come later, so that nobody waits on."""

    async def script() -> None:
        await crew.connected()
        channels = await crew.group.join(await crew.group.new("task"))
        arrival = channels["client"].event("task_completed", 600)
        late = channels["provider"].event("task_completed", 0.01)
        with pytest.raises(CallFailed, match="in time"):
            (await late).demand()
        crew.group.agents["client"].drop()
        with pytest.raises(CallFailed, match="lost"):
            (await arrival).demand()

    crew.play(script)


def test_a_topic_that_could_not_be_asked_for_is_not_joined_later(crew: Crew) -> None:
    """A join without a connection is an error at once; after the reconnect the agent is only where it was before."""

    async def script() -> None:
        await crew.connected()
        channels = await crew.group.join(await crew.group.new("task"))
        topic, client = await crew.group.new("task"), crew.group.agents["client"]
        client.drop()
        with pytest.raises(CallFailed, match="not connected"):
            (await client.join(topic)).demand()
        assert list(client.channels) == [channels["client"].topic]

    crew.play(script)


def test_what_a_failed_act_has_joined_is_left(crew: Crew) -> None:
    """What was joined before stays; a topic that was refused is forgotten, one whose join is under way is left."""

    async def script() -> None:
        await crew.connected()
        kept = await crew.group.join(await crew.group.new("task"))
        crew.group.keep()
        assert crew.group.is_ready
        await crew.group.join(await crew.group.new("task"))
        client = crew.group.agents["client"]
        assert not (await client.join("task:none")).is_ok
        client.join(await crew.group.new("task"))
        assert not crew.group.is_ready
        crew.group.tidy()
        topic = kept["client"].topic
        assert [list(agent.channels) for agent in crew.group.agents.values()] == [[topic], [topic]]
        assert crew.group.is_ready
        leaves = crew.site.statistics.of("task", "phx_leave")
        await crew.until(lambda: leaves.ok == 3)

    crew.play(script)


def test_a_socket_has_a_hundred_channels_at_most(crew: Crew) -> None:
    """One more is a fault of the scenario, not something to try on the server."""

    async def script() -> None:
        await crew.connected()
        agent = crew.group.agents["client"]
        for number in range(MOST_CHANNELS):
            agent.join(f"task:none-{number}")
        with pytest.raises(TooManyChannels):
            agent.join("task:one-more")

    crew.play(script)


def test_a_topic_of_no_document_is_said(crew: Crew) -> None:
    """That is a fault of the scenario too, and named before anything is sent."""

    async def script() -> None:
        await crew.connected()
        with pytest.raises(UnknownTopic, match="no topic like 'room:lobby'"):
            crew.group.agents["client"].join("room:lobby")

    crew.play(script)


def test_tls_is_spoken(start_server: Callable[..., RunningServer], certificates: Certificates) -> None:
    """A wss:// server whose certificate is trusted is loaded like any other."""
    server = start_server(*certificates.options)
    crew = Crew(server.url.replace("127.0.0.1", "localhost"), certificates.ca)

    async def script() -> None:
        await crew.connected()
        channels = await crew.group.join(await crew.group.new("task"))
        for seq in range(20):
            chunk = {"chunk": "x" * 10_000, "seq": seq}
            (await channels["client"].push("input_stream", chunk)).demand()
        figures = crew.site.statistics.of("task", "input_stream")
        await crew.until(lambda: figures.delivered == 20)

    crew.play(script)


@pytest.mark.skipif(sys.platform != "linux", reason="stamps are Linux'")
@pytest.mark.parametrize("is_encrypted", [False, True])
def test_with_stamps_no_latency_contains_how_late_a_generator_reads(
    is_encrypted: bool, start_server: Callable[..., RunningServer], certificates: Certificates
) -> None:
    """An answer that waited for its turn has come when the kernel had it; without stamps it is as late as it was read."""
    server = start_server(*certificates.options) if is_encrypted else start_server()
    url = server.url.replace("127.0.0.1", "localhost") if is_encrypted else server.url
    slowest_us = []
    for clock in (None, KernelClock()):
        crew = Crew(url, certificates.ca if is_encrypted else None, clock)

        async def script(crew: Crew = crew) -> None:
            await crew.connected()
            channels = await crew.group.join(await crew.group.new("task"))
            for seq in range(3):
                # What is sent by whoever was told of a message goes out after that.
                await Pause(crew.site.timers, 0.01)
                call = channels["provider"].push("checkpoint", {"state": {}, "seq": seq})
                time.sleep(0.5)  # noqa: ASYNC251 - that is the point
                (await call).demand()

        crew.play(script)
        figures = crew.site.statistics.of("task", "checkpoint")
        slowest_us.append(figures.histograms["service"].max_us)
    assert slowest_us[0] >= 500_000
    assert slowest_us[1] < 400_000
