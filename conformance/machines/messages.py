"""Messages: two agents that are sent messages, and settle their own and each other's."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

from hypothesis import strategies as st

from conformance.faults import CannotProvision
from conformance.fixtures.stage import Stage
from conformance.machines.drawing import AT, BACK, PICK, WHO, Moves, arguments, mostly
from conformance.machines.ground import Scene
from conformance.machines.moves import Move, NotApplicable, Program, concrete, nth
from conformance.machines.play import Due, Play, having
from conformance.machines.witness import Witness
from conformance.models.expectation import Push
from conformance.models.messages import Inboxes
from conformance.models.worlds import Worlds

OPERATOR = "operator"
SEND = "send_message"
OPEN = "?"
"""To be chosen as things stand."""
CONTENTS: tuple[Any, ...] = ({"text": "hello"}, {"nested": [1, None, {"a": "\u00e9\u6f22\U0001f600"}]}, {})


class MessagesPlay(Play[Inboxes]):
    """Two agents, each with a topic of its own."""

    FAMILY = "messages"
    NAMES = ("alice", "bob")
    VALUES: ClassVar[tuple[Mapping[str, Any], ...]] = ({}, {})
    """Topics: one for each agent."""

    def model(self, scene: int) -> Inboxes:  # noqa: ARG002 - it is all of one
        """Return how things stand in the beginning."""
        return Inboxes()

    def first_stage(self) -> Stage:
        """Make the agents."""
        agents = {name: self.lab.agent(name) for name in self.NAMES}
        self.record.opened(OPERATOR, OPERATOR)
        return Stage(self.lab, self.family, agents, self.family.topic_of(agents[self.NAMES[0]].agent_id))

    def add_scene(self, stage: Stage, number: int) -> None:
        """Take the topic of an agent; what may be settled there depends on what was sent to the others."""
        self.record.made(stage.topic, {"recipient": self.agents[self.cast[number]].agent_id}, {})
        worlds = self.scenes[0].worlds if self.scenes else Worlds(self.model(number))
        self.scenes.append(Scene(stage, worlds))

    def gather(self) -> None:
        """Let each come to the topic of its own."""
        for who, name in enumerate(self.cast):
            if who:
                topic = self.family.topic_of(self.agents[name].agent_id)
                self.add_scene(Stage(self.lab, self.family, self.agents, topic), who)
            self.witness(who, 0, self.scenes[who])

    def role(self, who: int) -> str:
        """Return the name of an agent: every one is a recipient."""
        return self.name(who)

    def join(self, witness: Witness, scene: Scene[Inboxes]) -> None:
        """Join, and let what is pending arrive."""
        since = witness.peer.mark()
        super().join(witness, scene)
        for model in scene.worlds.models:
            for message_id in model.pending_of(self._addressee(scene)):
                self.let_arrive(scene.topic, Due(witness, "new_message", since, having({"id": message_id})))

    def _addressee(self, scene: Scene[Inboxes]) -> str:
        return self.cast[self.scenes.index(scene)]

    @classmethod
    def simpler(cls, move: Move) -> Iterator[Program]:
        """Yield settlements in turn in the place of those at once, whose outcome may be another each time."""
        if move["do"] == "settle_at_once":
            one = {"do": "acknowledge", "who": move["who"], "at": 0, "which": "pending", "back": move["back"]}
            yield [one]
            yield [one, {**one, "do": move["second"], "which": "settled", "back": 0}]
        yield from super().simpler(move)

    def prelude(self, move: Move) -> Program:
        """Send a message before one is settled."""
        if move["do"] in {"acknowledge", "reject", "settle_at_once"}:
            return [{"do": "send", "to": move.get("who", 0), "content": 0, "count": 1}]
        return super().prelude(move)

    def concrete(self, move: Move) -> Move:
        """Choose among the messages that are there."""
        if "which" not in move:
            return move
        inboxes, name = self.scenes[0].worlds.likely, self.name(move["who"])
        other = self.name(move["who"] + 1)
        words = ["unheard-of", *(("settled",) * 3 * bool(inboxes.settled_of(name)))]
        words += ("foreign",) * 2 * bool(inboxes.pending_of(other))
        return concrete(move, "which", OPEN, words)

    def do_send(self, to: int, content: int, count: int) -> None:
        """Send messages to an agent, one right after the other."""
        scene = self.scenes[to % len(self.scenes)]
        sent = [self._send(scene, CONTENTS[content % len(CONTENTS)]) for _ in range(count)]
        marks = [(witness, 0) for witness in self.present() if scene.topic in witness.joined]
        for message_id in sent:
            for witness, since in marks:
                self.let_arrive(scene.topic, Due(witness, "new_message", since, having({"id": message_id})))

    def _send(self, scene: Scene[Inboxes], content: Any) -> Any:
        addressee = self._addressee(scene)
        payload = {
            "to": self.agents[addressee].agent_id,
            "from_agent_id": self.agents[self.NAMES[0]].agent_id,
            "type": "notice",
            "payload": content,
            "protocol_version": "1.0",
        }
        call = self.record.invoked(OPERATOR, scene.topic, SEND, payload)
        try:
            response = self.lab.bench.provisioner.request(SEND, payload)
        except CannotProvision:
            self.record.answered(call, "unknown")
            raise
        self.record.answered(call, "ok", response)
        message_id = response["message_id"]
        scene.worlds.change(lambda model: model.sent(addressee, message_id))
        return message_id

    def do_acknowledge(self, who: int, at: int, which: str, back: int) -> None:
        """Acknowledge a message."""
        self._settle(who, at, "acknowledge", {"message_id": self._message(who, which, back)})

    def do_reject(self, who: int, at: int, which: str, back: int) -> None:
        """Reject a message."""
        self._settle(who, at, "reject", {"message_id": self._message(who, which, back), "reason": "spam"})

    def do_settle_at_once(self, who: int, back: int, second: str) -> None:
        """Settle a message on two connections at the same time."""
        payload = {"message_id": self._message(who, "pending", back), "reason": "spam"}
        pushes = [Push(self.name(who), event, payload) for event in ("acknowledge", second)]
        self.at_once(self.scene(who), *((who, at, push) for at, push in enumerate(pushes)))

    def _settle(self, who: int, at: int, event: str, payload: Mapping[str, Any]) -> None:
        self.push(self.scene(who), who, at, Push(self.name(who), event, payload))

    def _message(self, who: int, which: str, back: int) -> Any:
        inboxes = self.scenes[0].worlds.likely
        name, other = self.name(who), self.name(who + 1)
        match which:
            case "pending":
                return nth(inboxes.pending_of(name)[::-1], back)
            case "settled":
                return nth(inboxes.settled_of(name)[::-1], back)
            case "foreign":
                return nth(inboxes.pending_of(other)[::-1], back)
        return self.lab.unique("message")

    # The moves of every family, on the agent's own topic.

    def do_rejoin(self, who: int, at: int, on: int = 0) -> None:  # noqa: ARG002 - each has one topic
        """Join again on the same connection."""
        super().do_rejoin(who, at, who)

    def do_leave(self, who: int, at: int, on: int = 0) -> None:  # noqa: ARG002 - each has one topic
        """Leave."""
        super().do_leave(who, at, who)

    def do_reconnect(self, who: int, at: int, on: int = 0) -> None:  # noqa: ARG002 - each has one topic
        """Lose the connection and come back on another."""
        super().do_reconnect(who, at, who)

    def do_leave_stale(self, who: int, at: int, on: int = 0) -> None:  # noqa: ARG002 - each has one topic
        """Send a leave with the join_ref of a former join."""
        super().do_leave_stale(who, at, who)

    def do_resend(self, who: int, at: int, back: int, on: int = 0) -> None:  # noqa: ARG002 - each has one topic
        """Settle a message again."""
        if not self.scene(who).pushed:
            raise NotApplicable
        super().do_resend(who, at, back, who)


SETTLING = mostly(
    2,
    arguments(who=WHO, at=AT, which="pending", back=BACK),
    {"which": OPEN, "pick": PICK},
)
MOVES: Moves = {
    "send": arguments(
        to=WHO, content=st.integers(0, len(CONTENTS) - 1), count=st.sampled_from((1, 1, 2, 3, 6))
    ),
    "acknowledge": SETTLING,
    "reject": SETTLING,
    "settle_at_once": arguments(who=WHO, back=BACK, second=st.sampled_from(("acknowledge", "reject"))),
    "resend": arguments(who=WHO, at=AT, back=BACK),
}
WEIGHTS = {"send": 3, "acknowledge": 2, "reject": 2, "rejoin": 2, "reconnect": 2}
