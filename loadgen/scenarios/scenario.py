"""What a scenario is, and the group of agents that plays it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from copy import deepcopy
from random import Random
from time import monotonic_ns
from typing import TYPE_CHECKING, Any, ClassVar, Final

from loadgen.client.calls import CallFailed
from loadgen.client.entries import MADE, SETTLED
from loadgen.client.plays import All, Pause, Play, Script
from specs.signing import signed_bytes

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from loadgen.client.agent import Agent
    from loadgen.client.channel import Channel
    from loadgen.client.site import Site
    from loadgen.provisioning import Identity, Provisioner

__all__ = ["CallFailed", "Group", "Scenario"]


AGAIN: Final = "+"
"""At the end of a role: another connection of the same agent."""


class Scenario(ABC):
    """What a group of agents does, again and again.

    A subclass is a dataclass whose fields are its parameters.

    Attributes:
        name: How users call it.
        cast: The roles of a group, one connection each; `a+` is another connection of the agent that plays `a`.
        socket: Which socket they connect to.
        concurrency: How often a group may act at once.

    """

    name: ClassVar[str]
    cast: ClassVar[tuple[str, ...]] = ("agent",)
    socket: ClassVar[str] = "agent"
    concurrency: ClassVar[int] = 1

    def attributes(self, role: str, random: Random) -> Mapping[str, Any]:  # noqa: ARG002 - for subclasses
        """Return what an agent is made with."""
        return {}

    async def prepare(self, group: Group) -> None:  # noqa: B027 - most need nothing
        """Join what is needed all the time; the group is connected."""

    @abstractmethod
    async def act(self, group: Group, start_us: int) -> None:
        """Do it once; `start_us` is when it should have begun."""

    async def finish(self, group: Group) -> None:  # noqa: B027 - most need nothing
        """Bring the group to rest before it disconnects: nothing is under way."""

    async def conclude(self, groups: Sequence[Group]) -> None:  # noqa: B027 - most need nothing
        """Bring all groups of this process to rest together, where that is more than each alone."""


class Group:
    """Agents that act together.

    Attributes:
        agents: By role.
        memory: Whatever the scenario keeps of it.
        random: Draws that are the same in every run with the same seed.

    """

    __slots__ = (
        "_kept",
        "_stock",
        "acting",
        "agents",
        "identities",
        "is_open",
        "memory",
        "number",
        "provisioner",
        "random",
        "site",
    )

    def __init__(self, site: Site, provisioner: Provisioner, number: int, seed: str) -> None:
        self.site = site
        self.provisioner = provisioner
        self.number = number
        self.random = Random(f"{seed}/{number}")  # noqa: S311 - no secret
        self.identities: dict[str, Identity] = {}
        self.agents: dict[str, Agent] = {}
        self.memory: Any = None
        self.acting = 0
        self.is_open = True
        self._stock: dict[str, list[Play | str]] = {}
        self._kept: dict[Agent, frozenset[str]] = {}

    @property
    def agent(self) -> Agent:
        """The only or first agent."""
        return next(iter(self.agents.values()))

    def pause(self, delay_s: float) -> Pause:
        """Return a wait, to be awaited."""
        return Pause(self.site.timers, delay_s)

    async def all(self, *scripts: Script) -> None:
        """Play scripts side by side to their ends.

        Raises:
            CallFailed: If one of them has failed so; likewise any other fault.

        """
        ended = await All(scripts)
        for fault in ended.faults:
            raise fault

    async def new(self, family: str, params: Mapping[str, Any] | None = None) -> str:
        """Return a fresh resource for the group by role; the next one is made meanwhile, so that none is waited for."""
        stock = self._stock.setdefault(family, [])
        topic = stock.pop() if stock else None
        self.site.timers.after(0, lambda _due_us: Play(self._make(family, params or {}, stock), _ignore))
        return topic if isinstance(topic, str) else await self._create(family, params or {})

    async def join(self, topic: str, start_us: int = 0) -> dict[str, Channel]:
        """Join all agents to a topic; what one sends there the others are to get.

        Raises:
            CallFailed: If one is refused.

        """
        calls = [agent.join(topic, None, start_us) for agent in self.agents.values()]
        for call in calls:
            (await call).demand()
        channels = {role: agent.channels[topic] for role, agent in self.agents.items()}
        for channel in channels.values():
            others = [other for other in channels.values() if other.agent_id != channel.agent_id]
            channel.audience = tuple(other.receiver for other in others if other.receiver)
            same = [other for other in channels.values() if other.agent_id == channel.agent_id]
            for other in same:
                if other.receiver is not None and channel.receiver is not None:
                    other.receiver.share(channel.receiver)
        return channels

    @property
    def is_ready(self) -> bool:
        """Whether all agents are connected, and joined to all their topics."""
        return all(
            agent.is_open and all(channel.is_joined for channel in agent.channels.values())
            for agent in self.agents.values()
        )

    def keep(self) -> None:
        """Take what is joined now for what is joined all the time."""
        self._kept = {agent: frozenset(agent.channels) for agent in self.agents.values()}

    def tidy(self) -> None:
        """Leave what was joined since `keep`: an act has failed on its way."""
        for agent, kept in self._kept.items():
            for topic in agent.channels.keys() - kept:
                agent.abandon(topic)

    def cast_as(self, roles: Mapping[str, str]) -> Group:
        """Return the same agents under other names; `roles` says who plays what by the names there."""
        group = Group(self.site, self.provisioner, self.number, "")
        group.random = self.random
        group.agents = {role: self.agents[name] for role, name in roles.items()}
        group.identities = {role: self.identities[name] for role, name in roles.items()}
        return group

    async def leave(self, topic: str) -> None:
        """Leave a topic with all agents."""
        for call in [agent.leave(topic) for agent in self.agents.values() if topic in agent.channels]:
            await call

    async def settle(self, channels: Mapping[str, Channel], event: str, payload: Any) -> None:
        """Make sure that nothing of what was answered is still on its way, and say so to who judges.

        Args:
            channels: By role; no call of theirs is open.
            event: What every one pushes as a barrier: any answer will do, but nobody else may be told of it.
            payload: Its payload.

        """
        for call in [channel.probe(event, payload) for channel in channels.values()]:
            if not (await call).is_ok:
                return
        for channel in channels.values():
            if channel.receiver is not None:
                channel.receiver.settle()
        if self.site.note is not None:
            self.site.note((SETTLED, next(iter(channels.values())).topic))

    def signed(self, role: str, topic: str, event: str, payload: dict[str, Any]) -> dict[str, Any]:
        """Return a payload with the signatures that the documents want of its sender; the time taken is told apart."""
        began_us = monotonic_ns() // 1000
        family = self.site.family_of(topic)
        for signature in family.events[event].signatures:
            signer = role if signature.signer == "sender" else signature.signer
            data = signed_bytes(signature.over, topic=topic, event=event, payload=payload)
            payload[signature.member] = self.identities[signer].participant.keys.sign(data)
        figures = self.site.statistics.of("client", "sign")
        figures.sent += 1
        figures.ok += 1
        figures.took(monotonic_ns() // 1000 - began_us)
        return payload

    async def _make(self, family: str, params: Mapping[str, Any], stock: list[Play | str]) -> None:
        stock.append(await self._create(family, params))

    async def _create(self, family: str, params: Mapping[str, Any]) -> str:
        roles = {
            role: identity.agent_id for role, identity in self.identities.items() if not role.endswith(AGAIN)
        }
        topic = await self.provisioner.create_resource(family, roles, params)
        if self.site.note is not None:
            self.site.note((MADE, topic, roles, deepcopy(dict(params))))
        return topic


def _ignore(_fault: BaseException | None) -> None:
    """Let it go: a resource that could not be made ahead is made when it is needed."""
