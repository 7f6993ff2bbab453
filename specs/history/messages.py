"""Messages: each reaches its addressee unchanged and in order, again until it is settled, and then never more (`reading.md` section 10)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from specs.history.deliveries import same
from specs.history.subject import Outline, Subject

if TYPE_CHECKING:
    from specs.history.deliveries import Key
    from specs.history.facts import Answered, Fact, Received, Settled
    from specs.history.findings import Findings
    from specs.history.holders import Call, Member

SEND: Final = "send_message"
"""What an operator does stands on the addressee's topic; an ok answer has the `message_id`."""
KEPT: Final = 10_000
"""Settled messages of one agent that are remembered."""
CONTENT: Final = ("type", "payload", "from_agent_id")
AGAIN: Final = (*CONTENT, "protocol_version", "inserted_at")
"""What is the same each time that a message is delivered."""
_SETTLING: Final = frozenset({"acknowledge", "reject"})


@dataclass(slots=True, eq=False)
class Letter:
    """One message."""

    id: Any
    sent: Call | None = None
    first: Received | None = None
    """Its first delivery."""
    settled: int = 0
    """How many calls may have acknowledged or rejected it."""
    done: Call | None = None
    """The one that surely did."""
    is_quiet: bool = False
    """Whether everything that was on its way when it was settled has arrived."""

    @property
    def is_surely_pending(self) -> bool:
        """Whether nobody may have settled it."""
        return not self.settled


@dataclass(slots=True)
class Inbox:
    """What a membership was given, and what it is owed."""

    got: set[Any] = field(default_factory=set)
    """The messages that it was given."""
    before: set[Any] = field(default_factory=set)
    """Those that its connection was given in earlier joins."""
    owed: list[Letter] = field(default_factory=list)
    is_answered: bool = False
    """Whether the membership was let in."""
    latest_old: int = 0
    """The latest sending among delivered messages that were sent before the join."""
    latest_new: int = 0
    """The latest sending among delivered messages that were sent once the member was there."""


class Messages(Subject):
    """The messages of one agent."""

    __slots__ = ("_agent", "_done", "_pending", "_unquiet")

    def __init__(self, topic: str, outline: Outline, findings: Findings) -> None:
        super().__init__(topic, outline, findings)
        self._agent = self.family.variable_of(topic)
        self._pending: dict[Any, Letter] = {}
        self._done: dict[Any, Letter] = {}
        self._unquiet: list[Letter] = []

    def on_invoked(self, call: Call, event: str, payload: Any) -> None:
        """Take a push that may settle a message."""
        if event in _SETTLING:
            letter = call.memo = self._letter(_id_in(payload, "message_id"))
            if letter is not None:
                letter.settled += 1

    def answered(self, call: Call, at: int, fact: Answered) -> None:
        """Take the outcome of a push, or the id of a message that was sent."""
        super().answered(call, at, fact)
        if call.fact.event != SEND or fact.status != "ok":
            return
        message_id = _id_in(fact.response, "message_id")
        if message_id is None:
            return
        call.accepted_at = at
        letter = self._letter(message_id) or self._pending.setdefault(message_id, Letter(message_id))
        if letter.sent is not None:
            rule, expected = "messages/ids-unique", "no two messages have the same id"
            self._accuse(rule, expected, f"{message_id!r} twice", letter.sent.fact, call.fact, fact)
        letter.sent = call
        if letter.first is not None:
            self._judge_content(letter, letter.first)
        for member in self.members.values():
            if member.steady_from is not None and member.steady_from < call.at:
                self._inbox(member).owed.append(letter)

    def on_joining(self, member: Member, former: Member | None) -> None:
        """Owe a new membership all that is surely pending."""
        inbox = self._inbox(member)
        inbox.owed += self._pending.values()
        if former is not None:
            inbox.before = self._inbox(former).got | self._inbox(former).before

    def on_joined(self, member: Member) -> None:
        """From now on deliveries are of this membership."""
        self._inbox(member).is_answered = True

    def on_ok(self, call: Call, fact: Answered) -> None:
        """Take a message that is settled; it can be settled once."""
        letter = self._letter(_id_in(call.fact.payload, "message_id"))
        if letter is None or call.fact.event not in _SETTLING:
            return
        if letter.done is not None:
            rule, expected = "messages/unknown-id-refused", f"{letter.id!r} is acknowledged or rejected once"
            self._accuse(rule, expected, "accepted again", letter.done.fact, call.fact, fact)
            return
        letter.done, call.memo = call, None
        self._pending.pop(letter.id, None)
        self._done[letter.id] = letter
        self._unquiet.append(letter)
        if len(self._done) > KEPT:
            del self._done[next(iter(self._done))]

    def on_refused(self, call: Call, _fact: Answered) -> None:
        """Forget what had no effect."""
        if call.memo is not None:
            call.memo.settled -= 1

    def on_received(
        self, member: Member | None, fact: Received, event: str, payload: Any, _key: Key | None
    ) -> None:
        """Judge a delivery."""
        if event != "new_message" or member is None:
            return
        message_id = _id_in(payload, "id")
        if message_id is None:
            return
        # A channel pushes nothing before its join is answered: until then it is the former one that does.
        is_former = not (member.is_first or self._inbox(member).is_answered)
        if member.agent != self._agent:
            rule, expected = (
                "messages/delivered-to-addressee-only",
                f"messages to {self._agent} reach nobody else",
            )
            self._accuse(rule, expected, f"{member.agent} is given {message_id!r}", fact)
        letter = self._letter(message_id) or self._pending.setdefault(message_id, Letter(message_id))
        self._judge_content(letter, fact)
        if letter.done is not None and (letter.is_quiet or not is_former):
            self._judge_again(letter, member, fact)
        if is_former:
            return
        inbox = self._inbox(member)
        if message_id not in inbox.got:
            inbox.got.add(message_id)
            self._judge_order(letter, member, fact)

    def on_settled(self, fact: Settled) -> None:
        """Judge what was not delivered."""
        for member in self.members.values():
            if member.steady_from is None:
                continue
            inbox = self._inbox(member)
            for letter in inbox.owed:
                if letter.is_surely_pending and letter.id not in inbox.got:
                    self._accuse_missing(letter, member, fact)
            inbox.owed = []
            # A message that is done may not arrive again, wherever it did before.
            inbox.got &= self._pending.keys()
            inbox.before &= self._pending.keys()
        for letter in self._unquiet:
            letter.is_quiet = True
        self._unquiet = []

    def _letter(self, message_id: Any) -> Letter | None:
        return self._pending.get(message_id) or self._done.get(message_id)

    @staticmethod
    def _inbox(member: Member) -> Inbox:
        if member.memo is None:
            member.memo = Inbox()
        inbox: Inbox = member.memo
        return inbox

    def _judge_content(self, letter: Letter, fact: Received) -> None:
        payload, first = fact.payload, letter.first
        if letter.sent is not None and isinstance(letter.sent.fact.payload, dict):
            sent = letter.sent.fact.payload
            for name in CONTENT:
                if name in sent and name in payload and not same(sent[name], payload[name]):
                    rule = "messages/content-unchanged"
                    self._accuse(rule, f"{sent!r}", f"{payload!r}", letter.sent.fact, fact)
                    break
        if first is None:
            letter.first = fact
        elif any(not same(first.payload.get(name), payload.get(name)) for name in AGAIN):
            rule = "messages/redelivery-same-message"
            self._accuse(rule, f"{first.payload!r}", f"{payload!r}", first, fact)

    def _judge_again(self, letter: Letter, member: Member, fact: Received) -> None:
        done = letter.done
        if done is None or done.accepted_at is None:
            return
        # It may have been on its way to a connection that had not got it; and to one that joined before it was settled.
        had_it = member.is_first or letter.id in self._inbox(member).before
        if letter.is_quiet or (member.asked_at > done.accepted_at and had_it):
            event = done.fact.event
            what = "acknowledged" if event == "acknowledge" else "rejected"
            rule = f"messages/{what}-not-redelivered"
            expected = f"{letter.id!r} does not arrive again once it is {what}"
            self._accuse(rule, expected, f"it arrives on {member.connection}", done.fact, fact)

    def _judge_order(self, letter: Letter, member: Member, fact: Received) -> None:
        sent, inbox = letter.sent, self._inbox(member)
        if sent is None or sent.accepted_at is None:
            return
        if sent.accepted_at < member.asked_at:
            rule, latest = "messages/redelivery-oldest-first", inbox.latest_old
            inbox.latest_old = max(latest, sent.at)
        elif member.steady_from is not None and member.steady_from < sent.at:
            rule, latest = "messages/order-kept", inbox.latest_new
            inbox.latest_new = max(latest, sent.at)
        else:
            return
        if sent.accepted_at < latest:
            expected = "messages arrive in the order in which they were sent"
            observed = f"{letter.id!r} comes behind one that was sent after it"
            self._accuse(rule, expected, observed, sent.fact, fact)

    def _accuse_missing(self, letter: Letter, member: Member, fact: Fact) -> None:
        if letter.sent is not None and letter.sent.at > member.asked_at:
            rule = "messages/delivered"
        elif letter.first is not None:
            rule = "messages/pending-redelivered"
        else:
            rule = "messages/offline-delivered-on-join"
        cause = letter.sent.fact if letter.sent is not None else None
        expected = f"{letter.id!r} arrives on {member.connection}"
        self.findings.accuse(
            rule, self.topic, expected, "it does not", cause, letter.first, fact, about=letter.id
        )

    def _accuse(self, requirement: str, expected: str, observed: str, *facts: Fact) -> None:
        self.findings.accuse(requirement, self.topic, expected, observed, *facts, about=expected)


def _id_in(payload: Any, name: str) -> Any:
    message_id = payload.get(name) if isinstance(payload, dict) else None
    return message_id if isinstance(message_id, str | int) else None
