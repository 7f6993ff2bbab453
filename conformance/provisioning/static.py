"""Provisions from lists of ready-made agents and resources.

A resource is given once, in this run and all later ones. An agent is given once in an attempt at a case, and again in later
ones, the one that has rested longest first; only where a case asks for an agent with certain attributes does it get one that
nobody has used before, since a case may have changed them.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from conformance.client.equality import holds, same
from conformance.faults import CannotProvision, ConfigurationFaulty
from conformance.fixtures.provision import Agent, PlainFamily, Provisioner
from conformance.provisioner_settings import PooledAgent, PooledResource, StaticSettings, signing_seed
from conformance.provisioning.plain import plain_family
from conformance.provisioning.pools import Share, shared
from conformance.provisioning.spent import Spent
from specs.model import Api, Topic
from specs.participants import Participant
from specs.signing import SigningKeyPair

_IDENTITY = frozenset({"agent_id", "owner", "name"})
"""What a case asks of an agent beside its attributes; what it is called is of no account."""


class StaticProvisioner(Provisioner):
    """Gives out what an endpoint file lists."""

    def __init__(self, settings: StaticSettings, api: Api, share: Share) -> None:
        self._api = api
        self._socket = next(name for name, socket in api.sockets.items() if socket.identity == "agent")
        self._families = settings.families
        _check(settings, api)
        self._plain = tuple(
            plain_family(described, number, api, self._socket)
            for number, described in enumerate(settings.plain, start=1)
        )
        agents, resources = shared(settings.agents, settings.resources, share)
        self._resources = resources
        self._is_share = share.count > 1
        self._rested = list(agents)
        self._in_use: dict[str, PooledAgent] = {}
        self._used_agents = Spent(settings.spent_file, "agent")
        self._used_topics = Spent(settings.spent_file, "topic")
        self._is_anonymous = not settings.agents
        self._label = f"wireproof-{share.index}-{secrets.token_hex(4)}"
        self._topics = 0

    # Agents

    def create_agent(self, participant: Participant, attributes: Mapping[str, Any]) -> Agent:
        """Give an agent of the pool that is as the case asks."""
        if self._is_anonymous:
            return Agent(participant, participant.agent_id, "", "", "", params={}, socket=self._socket)
        asked = {name: value for name, value in attributes.items() if name not in _IDENTITY}
        is_anybody = not attributes.keys() & {"agent_id", "owner"}
        for agent in self._candidates(asked):
            if _is_asked_for(agent, attributes, asked) and (not is_anybody or self._is_stranger(agent)):
                return self._given(agent, participant)
        raise CannotProvision(_no_agent(attributes, asked, is_share=self._is_share))

    def _candidates(self, asked: Mapping[str, Any]) -> Iterator[PooledAgent]:
        """Yield the agents not in use, those first that are the least missed."""
        free = [agent for agent in self._rested if agent.agent_id not in self._in_use]
        if asked:
            return (agent for agent in free if not self._was_used(agent))
        return iter(sorted(free, key=lambda agent: bool(agent.attributes) and not self._was_used(agent)))

    def _was_used(self, agent: PooledAgent) -> bool:
        return agent.agent_id in self._used_agents.names

    def _is_stranger(self, agent: PooledAgent) -> bool:
        """Tell whether an agent has no owner in common with those in use, as one has that is made without saying whose."""
        return not agent.owner or all(agent.owner != other.owner for other in self._in_use.values())

    def _given(self, agent: PooledAgent, participant: Participant) -> Agent:
        self._in_use[agent.agent_id] = agent
        if agent.attributes and not self._was_used(agent):
            self._used_agents.add(agent.agent_id)
        keys = SigningKeyPair.from_seed(signing_seed(agent.seed)) if agent.seed else participant.keys
        credentials = {name: secret.get_secret_value() for name, secret in agent.credentials.items()}
        has_own = bool(agent.params or credentials)
        return Agent(
            Participant(participant.name, agent.agent_id, keys),
            agent.agent_id,
            agent.owner,
            agent.api_key.get_secret_value() if agent.api_key else "",
            agent.session_token.get_secret_value() if agent.session_token else "",
            params={**agent.params, **credentials} if has_own else None,
            checked=frozenset(credentials),
            socket=self._socket,
        )

    def release(self) -> None:
        """Let the agents of an attempt rest."""
        self._rested = [agent for agent in self._rested if agent.agent_id not in self._in_use]
        self._rested += self._in_use.values()
        self._in_use = {}

    # Resources

    def reserve(
        self, family: str, roles: Mapping[str, str | None], params: Mapping[str, Any]
    ) -> Mapping[str, str]:
        """Return the agents of a resource that fits."""
        return {} if self._plain_family(family) else self._fitting(family, roles, params).roles

    def create_resource(self, family: str, roles: Mapping[str, str], params: Mapping[str, Any]) -> str:
        """Give a resource of the pool."""
        plain = self._plain_family(family)
        if plain is not None:
            self._topics += 1
            return plain.family.topic_of(f"{self._label}-{self._topics}")
        found = self._fitting(family, roles, params)
        self._used_topics.add(found.topic)
        return found.topic

    def _plain_family(self, name: str) -> PlainFamily | None:
        return next((plain for plain in self._plain if plain.family.name == name), None)

    def _fitting(
        self, family: str, roles: Mapping[str, str | None], params: Mapping[str, Any]
    ) -> PooledResource:
        for resource in self._resources:
            if (
                resource.family == family
                and resource.topic not in self._used_topics.names
                and holds(resource.params, dict(params))
                and self._can_be_played(resource, roles)
            ):
                return resource
        raise CannotProvision(self._no_resource(family, roles, params))

    def _can_be_played(self, resource: PooledResource, roles: Mapping[str, str | None]) -> bool:
        return resource.roles.keys() == roles.keys() and all(
            resource.roles[role] == agent_id
            or (agent_id is None and resource.roles[role] not in self._in_use)
            for role, agent_id in roles.items()
        )

    def _no_resource(self, family: str, roles: Mapping[str, str | None], params: Mapping[str, Any]) -> str:
        listed = [resource for resource in self._resources if resource.family == family]
        if not listed:
            return f"the provisioner lists no {family} resource{_of_share(is_share=self._is_share)}"
        if all(resource.topic in self._used_topics.names for resource in listed):
            return f"the {family} resources that the provisioner lists are used up"
        made = ", ".join(f"{name} {value!r}" for name, value in sorted(params.items()))
        given = ", ".join(sorted(role for role, agent_id in roles.items() if agent_id is not None))
        text = f"the provisioner has no {family} resource left"
        text += f" that is made with {made}" if made else ""
        text += f" for the {given} that the case has chosen" if given else ""
        return text + _of_share(is_share=self._is_share)

    # The rest

    def lacks(self, family: Topic) -> str | None:
        """Return why there are no topics of a family."""
        if family.fixture.create == "resource":
            # That the pool is empty is said when something is asked of it.
            return None
        is_served = family.name in self._families if self._families is not None else not self._plain
        return None if is_served else f"the provisioner does not name the topic family {family.name}"

    @property
    def plain(self) -> tuple[PlainFamily, ...]:
        """The topics that the endpoint file describes."""
        return self._plain


def _is_asked_for(agent: PooledAgent, attributes: Mapping[str, Any], asked: Mapping[str, Any]) -> bool:
    return (
        attributes.get("agent_id", agent.agent_id) == agent.agent_id
        and attributes.get("owner", agent.owner) == agent.owner
        and (not asked or same(agent.attributes, dict(asked)))
    )


def _no_agent(attributes: Mapping[str, Any], asked: Mapping[str, Any], *, is_share: bool) -> str:
    which = "free agent"
    if asked:
        which = f"unused agent with exactly the {', '.join(sorted(asked))} that the case asks for"
    owned = " of the same owner as another" if "owner" in attributes else ""
    return f"the provisioner lists no {which}{owned}{_of_share(is_share=is_share)}"


def _of_share(*, is_share: bool) -> str:
    return " (in this worker's share of the pool)" if is_share else ""


def _check(settings: StaticSettings, api: Api) -> None:
    """Hold the lists against the documents.

    Raises:
        ConfigurationFaulty: If they name what the documents do not have, or an agent cannot sign that has to.

    """
    agents = {agent.agent_id: agent for agent in settings.agents}
    for name in settings.families or ():
        family = api.topics.get(name)
        if family is None or family.fixture.create == "resource":
            raise ConfigurationFaulty(
                f"provisioner.families: no topic family {name!r} that needs nothing made"
            )
    for resource in settings.resources:
        where = f"provisioner.resources: {resource.topic}"
        family = api.topics.get(resource.family)
        if family is None or family.fixture.create != "resource":
            raise ConfigurationFaulty(
                f"{where}: no topic family {resource.family!r} whose resources are made"
            )
        if not family.matches(resource.topic):
            raise ConfigurationFaulty(f"{where}: no topic of {family.pattern}")
        roles = _roles_of(family)
        if resource.roles.keys() != roles:
            raise ConfigurationFaulty(f"{where}: roles are {', '.join(sorted(roles))}")
        if any(event.signatures for event in family.inbound()):
            _check_seeds([agents[agent_id] for agent_id in resource.roles.values()], where)


def _roles_of(family: Topic) -> set[str]:
    return {role for role in family.fixture.cast.values() if family.roles[role].origin == "resource"}


def _check_seeds(agents: Sequence[PooledAgent], where: str) -> None:
    for agent in agents:
        if agent.seed is None:
            raise ConfigurationFaulty(f"{where}: events are signed, and agent {agent.agent_id} has no seed")
