"""Where an example takes place: the topics of a family, its participants and their connections, and who watches them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar

from conformance.faults import CannotTell
from conformance.fixtures.stage import Stage
from conformance.machines.witness import Witness
from conformance.models.expectation import Model, Push
from conformance.models.worlds import Worlds
from specs.history.checker import Checker
from specs.history.facts import Recorder

if TYPE_CHECKING:
    from conformance.fixtures.lab import Lab
    from specs.history.findings import Finding

M = TypeVar("M", bound=Model)


@dataclass(slots=True)
class Scene(Generic[M]):
    """One topic of the family, and how it stands."""

    stage: Stage
    worlds: Worlds[M]
    pushed: list[Push] = field(default_factory=list)
    """What was sent, to be sent again."""
    late: int = 0
    """How much of it after the end."""

    @property
    def topic(self) -> str:
        """The topic."""
        return self.stage.topic


class Ground(Generic[M]):
    """The topics and connections of one example of one family."""

    FAMILY: ClassVar[str]
    VALUES: ClassVar[tuple[Mapping[str, Any], ...]]
    """What the resources of the scenes are made with, one scene each."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        self.family = lab.family(self.FAMILY)
        self.is_over = False
        """Whether nothing more can be concluded of this example."""
        self.scenes: list[Scene[M]] = []
        self.witnesses: dict[tuple[str, int], Witness] = {}
        self._opened: dict[str, int] = {}
        self._checker = Checker(lab.api, self._found)
        self.record = Recorder(self._checker.feed)
        first = self.first_stage()
        self.agents = first.agents
        self.cast = list(first.agents)
        self.add_scene(first, 0)
        self.gather()

    def model(self, scene: int) -> M:
        """Return how a fresh topic stands."""
        raise NotImplementedError

    def first_stage(self) -> Stage:
        """Make the agents and the first topic."""
        return Stage.build(self.lab, self.FAMILY, joined=False)

    def gather(self) -> None:
        """Let everybody come to the first topic."""
        for who in range(len(self.cast)):
            self.witness(who, 0, self.scenes[0])

    def settle(self) -> None:
        """Let everything arrive that is on its way."""
        for witness in self.present():
            witness.sync()
        self.note_settled()

    def note_settled(self) -> None:
        """Write down that everything has arrived."""
        for scene in self.scenes:
            self.record.settled(scene.topic)

    def scene(self, on: int) -> Scene[M]:
        """Return a scene, and make it where it is the first time."""
        index = on % len(self.VALUES)
        while len(self.scenes) <= index:
            number = len(self.scenes)
            roles = {role: self.agents[name].agent_id for name, role in self.family.fixture.cast.items()}
            values = self.VALUES[number]
            topic = self.lab.bench.provisioner.create_resource(self.FAMILY, roles, values)
            self.add_scene(Stage(self.lab, self.family, self.agents, topic), number)
        return self.scenes[index]

    def known(self, on: int) -> Scene[M] | None:
        """Return a scene that has been made already."""
        index = on % len(self.VALUES)
        return self.scenes[index] if index < len(self.scenes) else None

    def add_scene(self, stage: Stage, number: int) -> None:
        """Take a topic that was made for this example."""
        roles = {role: self.agents[name].agent_id for name, role in self.family.fixture.cast.items()}
        self.record.made(stage.topic, roles, self.VALUES[number])
        self.scenes.append(self.new_scene(stage, number))

    def new_scene(self, stage: Stage, number: int) -> Scene[M]:
        """Return a scene where nothing has happened."""
        return Scene(stage, Worlds(self.model(number)))

    def role(self, who: int) -> str:
        """Return the role of a participant."""
        return self.family.fixture.cast[self.name(who)]

    def who(self, role: str) -> int:
        """Return the participant who has a role."""
        return next(index for index in range(len(self.cast)) if self.role(index) == role)

    def name(self, who: int) -> str:
        """Return the name of a participant in the cast."""
        return self.cast[who % len(self.cast)]

    def present(self) -> list[Witness]:
        """Return the connections that are open."""
        return [witness for witness in self.witnesses.values() if witness.is_open]

    def witness(self, who: int, at: int, scene: Scene[M]) -> Witness:
        """Return a connection of a participant that has joined a scene; it is opened and joined where it is not.

        The serializer of a connection is given by its place, so that both are in use.
        """
        name = self.name(who)
        witness = self.witnesses.get((name, at))
        if witness is None or not witness.is_open:
            witness = self.witnesses[name, at] = self.open(name, "1.0.0" if (who + at) % 2 else "2.0.0")
        if scene.topic not in witness.joined:
            self.join(witness, scene)
        return witness

    def open(self, name: str, vsn: str) -> Witness:
        """Open a connection."""
        self._opened[name] = count = self._opened.get(name, 0) + 1
        shown = name if count == 1 else f"{name} {count}"
        agent = self.agents[name]
        peer = self.lab.connect(agent, socket=self.family.socket, vsn=vsn, name=shown)
        return Witness(self.record, peer, shown, agent.agent_id)

    def join(self, witness: Witness, scene: Scene[M]) -> None:
        """Join a scene.

        Raises:
            CannotTell: If the join is not accepted; other cases judge that.

        """
        answer = witness.join(scene.topic)
        if answer.kind != "ok":
            raise CannotTell(f"{witness.connection} cannot join {scene.topic}: {answer}")

    # Blame.

    def blame(self, requirement: str, expected: str, observed: str) -> None:
        """Report a breach: it ends the example where it is binding, and is kept as advice where not."""
        self.lab.report(requirement, expected, observed)

    def _found(self, finding: Finding) -> None:
        observed = f"{finding.observed} (on {finding.topic})"
        self.blame(finding.requirement, finding.expected, observed)
