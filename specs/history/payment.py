"""Payment channels: money is conserved, each nonce is executed at most once, what was told adds up (`reading.md` section 7)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from specs.amounts import format_units
from specs.history.balances import Balances, Standing, units_in, units_of, units_told
from specs.history.deliveries import whole_number_in
from specs.history.nonces import Highest, Nonces
from specs.history.statements import Statements
from specs.history.subject import Outline, Subject
from specs.history.transfers import Transfer

if TYPE_CHECKING:
    from collections.abc import Mapping

    from specs.history.deliveries import Key
    from specs.history.facts import Answered, Fact, Made, Received, Settled
    from specs.history.findings import Findings
    from specs.history.holders import Call, Member

KEPT: Final = 10_000
"""Nonces of one channel that are kept between two times that it is settled."""

PROPOSE, ACKNOWLEDGE, REJECT = "propose_transfer", "acknowledge_transfer", "reject_transfer"


class Then(NamedTuple):
    """How a channel surely stood at some time."""

    standing: Standing
    is_closed: bool


class Terms:
    """What a push says of a transfer, read once; the memo of its call."""

    __slots__ = ("amount", "delta", "nonce", "nonces", "standing")

    def __init__(self, nonce: int | None, amount: int | None) -> None:
        self.nonce = nonce
        self.amount = amount
        """In units, as all money is."""
        self.delta: int | None = None
        """What an acknowledgement adds to the balance of a."""
        self.standing: Standing = (0, 0, 0)
        """What had surely moved when a transfer was proposed."""
        self.nonces: Highest | None = None
        """How the nonces stood when it was proposed; None of an acknowledgement."""


class Payment(Subject):
    """One payment channel."""

    __slots__ = (
        "_balances",
        "_closed",
        "_closes",
        "_disputes",
        "_has_two_sequences",
        "_is_forgetful",
        "_nonces",
        "_party_a",
        "_spent",
        "_statements",
        "_transfers",
        "_untold",
    )

    KEYED = (ACKNOWLEDGE,)
    NUMBER = "nonce"
    DOUBLED = "payment/transfer-broadcast-once"
    UNSENT = "payment/no-transfer-without-acknowledge"

    def __init__(self, topic: str, outline: Outline, findings: Findings) -> None:
        super().__init__(topic, outline, findings)
        self._balances = Balances()
        self._statements = Statements(topic, self._balances, findings)
        self._transfers: dict[int, Transfer] = {}
        self._untold = 0
        """Transfers that were or may have been executed and of which no balances were told."""
        self._nonces = Nonces(topic, findings)
        self._spent: dict[int, Fact] = {}
        """Nonces that were executed and are not kept otherwise, with what shows it."""
        self._is_forgetful = False
        self._has_two_sequences = False
        """Whether each party has nonces of its own, so that a nonce does not say which transfer is meant."""
        self._disputes = 0
        self._closed: tuple[int, Call] | None = None
        self._closes = 0
        """Calls to close that may have been accepted."""
        self._party_a: str | None = None

    def snapshot(self) -> Then:
        """Return how the channel surely stands."""
        return Then(self._balances.standing, self._closed is not None)

    def on_made(self, fact: Made) -> None:
        """Take what the parties have paid in."""
        self._party_a = fact.roles.get("a")
        balances = [units_of(fact.params.get(name)) for name in ("balance_a", "balance_b")]
        if balances[0] is not None and balances[1] is not None and {"a", "b"} <= fact.roles.keys():
            self._balances.begin(balances[0], balances[1])

    def on_invoked(self, call: Call, event: str, payload: Any) -> None:
        """Keep what may be executed, and how things stand."""
        nonce = whole_number_in(payload, "nonce")
        if event == PROPOSE:
            terms = call.memo = Terms(nonce, units_in(payload))
            terms.standing = self._balances.standing
            terms.nonces = self._nonces.highest(call.agent)
            if nonce is not None:
                self._transfer(nonce).proposals.append(call)
        elif event == ACKNOWLEDGE:
            terms = call.memo = Terms(nonce, units_in(payload))
            if terms.amount is not None and call.agent in self.insiders:
                terms.delta = terms.amount if self._party_a == call.agent else -terms.amount
            if nonce is not None:
                self._may_execute(call, self._transfer(nonce))
        elif event == REJECT and nonce is not None:
            self._transfer(nonce).reject(call)
        elif event in {REJECT, "dispute"}:
            self._nonces.droppers += 1
            self._disputes += event == "dispute"
        elif event == "close":
            call.memo = self.snapshot()
            self._closes += 1

    def on_refused(self, call: Call, fact: Answered) -> None:
        """Forget what had no effect."""
        nonce = whole_number_in(call.fact.payload, "nonce")
        transfer = self._transfers.get(nonce) if nonce is not None else None
        if call.fact.event == "close":
            self._closes -= 1
        elif call.fact.event == "dispute" or (call.fact.event == REJECT and nonce is None):
            self._disputes -= call.fact.event == "dispute"
            self._nonces.droppers -= 1
        elif transfer is None:
            return
        elif call.fact.event == PROPOSE and call in transfer.proposals:
            transfer.proposals.remove(call)
        elif call.fact.event == REJECT:
            transfer.rejections = [each for each in transfer.rejections if each is not call]
        elif call.fact.event == ACKNOWLEDGE and call in transfer.acknowledgements:
            transfer.acknowledgements.remove(call)
            self._cannot_execute(call, transfer, fact)

    def on_accepted(self, call: Call, fact: Fact) -> None:
        """Judge what was surely taken."""
        terms = call.memo
        if type(terms) is not Terms:
            if call.fact.event == "close":
                self._close(call, fact)
        elif terms.nonce is not None:
            if terms.nonces is not None:
                self._take_proposal(terms.nonce, terms, terms.nonces, call, fact)
            else:
                self._execute(terms.nonce, call, fact)

    def on_ok(self, call: Call, fact: Answered) -> None:
        """Judge what the sender was told it has done."""
        event = call.fact.event
        if event == REJECT:
            nonce = whole_number_in(call.fact.payload, "nonce") or whole_number_in(fact.response, "nonce")
            if nonce is not None:
                transfer = self._transfer(nonce)
                if call not in transfer.rejections:
                    transfer.reject(call)
                self._exclude(nonce, transfer, fact)
        elif event == ACKNOWLEDGE and (nonce := call.memo.nonce) is not None and not self._has_two_sequences:
            every = self._transfer(nonce).acknowledgements
            if len(every) < 2:
                return
            calls = [each for each in every if each.status == "ok"]
            if len(calls) > 1:
                rule = "payment/acknowledge-again-refused"
                expected = f"a second acknowledgement of nonce {nonce} is refused"
                shown = (calls[0].fact, calls[1].fact, fact)
                self.findings.accuse(rule, self.topic, expected, "accepted", *shown, about=nonce)

    def doubled(self, fact: Received) -> str | None:
        """Tell a transfer that is executed twice from one that is told twice: by other balances."""
        nonce = whole_number_in(fact.payload, "nonce")
        if self._has_two_sequences:
            return "payment/nonce-shared-by-parties"
        transfer = self._transfers.get(nonce) if nonce is not None else None
        if transfer is None or transfer.told is None:
            return None
        is_other = transfer.told[0] != units_told(fact.payload.get("balance_a"))
        return transfer.executed_again if is_other else None

    def on_received(
        self, _member: Member | None, fact: Received, event: str, payload: Any, key: Key | None
    ) -> None:
        """Hold the balances that are told against each other."""
        if event != "transfer_complete" or not isinstance(payload, dict):
            return
        nonce = whole_number_in(payload, "nonce") if key is None else key[1]
        transfer = self._transfers.get(nonce) if nonce is not None else None
        told = transfer.told if transfer is not None else None
        if told is not None and told[1].payload == payload:
            # Everybody is told the same, and it was judged when it was told first.
            return
        after = self._statements.sum(payload, fact)
        if nonce is None or after is None or transfer is None:
            return
        if told is not None and not self._has_two_sequences:
            self._statements.again(nonce, transfer, after, fact)
            return
        deltas = transfer.deltas
        if len(deltas) == 1:
            transfer.told = (after, fact)
            self._untold -= 1
            self._statements.transfer(nonce, after, deltas[0], fact, self._untold)

    def on_look(self, call: Call, then: Then, response: Mapping[str, Any], fact: Answered) -> None:
        """Hold the balances that a join tells against all that was executed."""
        shown = response.get("channel")
        a = self._statements.sum(shown, fact) if isinstance(shown, dict) else None
        if a is None:
            return
        if then.is_closed and self._closed is not None:
            self._statements.closed(a, *self._closed, call, fact)
        elif not self._closes:
            self._statements.look(a, then.standing, call, fact)

    def on_settled(self, _fact: Settled) -> None:
        """Forget the nonces that are done."""
        kept: dict[int, Transfer] = {}
        for nonce, transfer in self._transfers.items():
            if transfer.is_open:
                kept[nonce] = transfer
            elif transfer.executed is not None:
                self._spent[nonce] = transfer.executed
        while len(self._spent) > KEPT:
            del self._spent[next(iter(self._spent))]
        self._transfers = kept

    # Proposals and executions

    def _transfer(self, nonce: int) -> Transfer:
        transfer = self._transfers.get(nonce)
        if transfer is None:
            if len(self._transfers) >= KEPT:
                self._is_forgetful = True
                del self._transfers[next(iter(self._transfers))]
            transfer = self._transfers[nonce] = Transfer()
        return transfer

    def _may_execute(self, call: Call, transfer: Transfer) -> None:
        delta, others = call.memo.delta, transfer.acknowledgements
        self._balances.unread += delta is None
        if delta is not None and transfer.executed is None and delta not in transfer.deltas:
            self._balances.maybe(delta, is_so=True)
        if not others and transfer.told is None:
            self._untold += 1
        others.append(call)

    def _cannot_execute(self, call: Call, transfer: Transfer, fact: Fact) -> None:
        delta = call.memo.delta
        self._balances.unread -= delta is None
        if transfer.executed is None and delta is not None and delta not in transfer.deltas:
            self._balances.maybe(delta, is_so=False)
        if not transfer.acknowledgements and transfer.told is None:
            self._untold -= 1
            self._statements.path(self._untold, fact)

    def _execute(self, nonce: int, call: Call, fact: Fact) -> None:
        transfer, own = self._transfer(nonce), call.memo.delta
        # What is not understood stays something that may have happened.
        if transfer.executed is not None or own is None or not self._is_due(nonce, transfer, call, fact):
            return
        for delta in transfer.deltas:
            self._balances.maybe(delta, is_so=False)
        self._balances.moved(own)
        transfer.executed = fact
        proposals = transfer.proposals
        if proposals and all(each.agent == proposals[0].agent for each in proposals[1:]):
            self._nonces.executed(proposals[0].agent, nonce)
        if transfer.rejections:
            self._exclude(nonce, transfer, fact)

    def _is_due(self, nonce: int, transfer: Transfer, call: Call, fact: Fact) -> bool:
        """Tell whether an accepted acknowledgement fits a proposal, and accuse where it does not."""
        if not self.lifecycle.is_fresh or self._has_two_sequences:
            return True
        amount, agent = call.memo.amount, call.agent
        others = transfer.proposed_to(agent)
        if nonce in self._spent:
            is_told = call.status != "ok"
            rule = "payment/nonce-executed-once" if is_told else "payment/acknowledge-again-refused"
            expected = f"the nonce {nonce} is executed once"
            self._accuse(rule, expected, "it is taken again", self._spent[nonce], call.fact, fact)
            return False
        if not others and not self._is_forgetful:
            is_own = bool(transfer.proposals)
            rule = "payment/acknowledge-by-other-party" if is_own else "payment/acknowledge-names-pending"
            expected = f"an acknowledgement of {nonce} is refused unless the other party has proposed it"
            self._accuse(rule, expected, "accepted", call.fact, fact)
        elif others and others[0].memo.amount != amount and self._is_none_of(amount, others):
            rule = "payment/acknowledge-same-amount"
            expected = f"an acknowledgement of {nonce} is refused unless it has the proposal's amount"
            observed = f"{'nothing' if amount is None else format_units(amount)} accepted"
            self._accuse(rule, expected, observed, others[0].fact, call.fact, fact)
        else:
            return bool(others)
        return False

    @staticmethod
    def _is_none_of(amount: int | None, proposals: list[Call]) -> bool:
        return all(each.memo.amount not in (amount, None) for each in proposals)

    def _exclude(self, nonce: int, transfer: Transfer, fact: Fact) -> None:
        """Accuse where a transfer of which there was one proposal was both rejected and executed."""
        rejected = next((call for call in transfer.rejections if call.status == "ok"), None)
        is_one = len(transfer.proposals) == 1 and not self._has_two_sequences
        if is_one and transfer.executed is not None and rejected is not None:
            rule = "payment/reject-drops-proposal"
            expected = f"the transfer {nonce} is rejected or executed, not both"
            self._accuse(rule, expected, "both", rejected.fact, transfer.executed, fact)

    def _take_proposal(self, nonce: int, terms: Terms, then: Highest, call: Call, fact: Fact) -> None:
        self._nonces.proposed(nonce, call, then, self._transfers, fact)
        if self._transfer(nonce).may_stand_beside(call) or (nonce in self._spent and nonce > then[0]):
            self._balances.unread += not self._has_two_sequences
            self._nonces.droppers += not self._has_two_sequences
            self._has_two_sequences = True
        if terms.amount is None or self._closes:
            return
        highest = self._balances.highest(terms.standing, is_a=self._party_a == call.agent)
        if highest is not None and terms.amount > highest:
            rule = "payment/propose-within-balance"
            expected = f"no proposal above the balance of {format_units(highest)}"
            self._accuse(rule, expected, f"{format_units(terms.amount)} accepted", call.fact, fact)

    def _close(self, call: Call, fact: Fact) -> None:
        payload = call.fact.payload if isinstance(call.fact.payload, dict) else {}
        final = [units_of(payload.get(f"final_balance_{role}")) for role in ("a", "b")]
        if final[0] is None or final[1] is None or self._closed is not None:
            return
        self._closed = (final[0], call)
        then: Then = call.memo
        self._statements.close(
            (final[0], final[1]), then.standing, call, fact, is_disputed=self._disputes > 0
        )

    def _accuse(self, requirement: str, expected: str, observed: str, *facts: Fact) -> None:
        self.findings.accuse(requirement, self.topic, expected, observed, *facts, about=(expected, observed))
