"""Payment channels: money is conserved, each nonce is executed at most once, what was told adds up (`reading.md` section 7)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from specs.history.balances import Balances, Standing, amount_in, amount_of
from specs.history.nonces import Highest, Nonces
from specs.history.statements import Statements
from specs.history.subject import Outline, Subject
from specs.history.transfers import Transfer, nonce_in

if TYPE_CHECKING:
    from collections.abc import Mapping
    from decimal import Decimal

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
    nonces: Highest
    is_closed: bool


class Terms(NamedTuple):
    """What a push says of a transfer, read once."""

    nonce: int | None
    amount: Decimal | None
    delta: Decimal | None
    """What an acknowledgement adds to the balance of a."""
    then: Then | None
    """How things stood when it was proposed."""


class Payment(Subject):
    """One payment channel."""

    KEYED = (ACKNOWLEDGE,)
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
        self._disputes = 0
        self._closed: tuple[Decimal, Call] | None = None
        self._closes = 0
        """Calls to close that may have been accepted."""

    def told_key(self, payload: Any) -> Key:
        """Tell broadcasts apart by the nonce."""
        return (nonce_in(payload),)

    def snapshot(self) -> Then:
        """Return how the channel surely stands."""
        return Then(self._balances.standing, self._nonces.highest, self._closed is not None)

    def on_made(self, fact: Made) -> None:
        """Take what the parties have paid in."""
        balances = [amount_of(fact.params.get(name)) for name in ("balance_a", "balance_b")]
        if balances[0] is not None and balances[1] is not None and {"a", "b"} <= fact.roles.keys():
            self._balances.begin(balances[0], balances[1])

    def on_invoked(self, call: Call) -> None:
        """Keep what may be executed, and how things stand."""
        event, nonce = call.fact.event, nonce_in(call.fact.payload)
        if event == PROPOSE:
            call.memo = Terms(nonce, amount_in(call.fact.payload), None, self.snapshot())
            if nonce is not None:
                self._transfer(nonce).proposals.append(call)
        elif event == ACKNOWLEDGE:
            amount = amount_in(call.fact.payload)
            call.memo = Terms(nonce, amount, self._delta(call, amount), None)
            if nonce is not None:
                self._may_execute(call, self._transfer(nonce))
        elif event == REJECT and nonce is not None:
            self._transfer(nonce).rejections.append(call)
        elif event in {REJECT, "dispute"}:
            self._nonces.may_drop_any = True
            self._disputes += event == "dispute"
        elif event == "close":
            call.memo = self.snapshot()
            self._closes += 1

    def on_refused(self, call: Call, fact: Answered) -> None:
        """Forget what had no effect."""
        nonce = nonce_in(call.fact.payload)
        transfer = self._transfers.get(nonce) if nonce is not None else None
        if call.fact.event == "close":
            self._closes -= 1
        elif call.fact.event == "dispute":
            self._disputes -= 1
        elif transfer is None:
            return
        elif call.fact.event == PROPOSE and call in transfer.proposals:
            transfer.proposals.remove(call)
        elif call.fact.event == REJECT and call in transfer.rejections:
            transfer.rejections.remove(call)
        elif call.fact.event == ACKNOWLEDGE and call in transfer.acknowledgements:
            transfer.acknowledgements.remove(call)
            self._cannot_execute(call, transfer, fact)

    def on_accepted(self, call: Call, fact: Fact) -> None:
        """Judge what was surely taken."""
        event = call.fact.event
        if event == "close":
            self._close(call, fact)
        elif isinstance(call.memo, Terms) and call.memo.nonce is not None:
            if event == PROPOSE:
                self._take_proposal(call.memo.nonce, call, fact)
            else:
                self._execute(call.memo.nonce, call, fact)

    def on_ok(self, call: Call, fact: Answered) -> None:
        """Judge what the sender was told it has done."""
        if call.fact.event == REJECT:
            nonce = nonce_in(fact.response) or nonce_in(call.fact.payload)
            if nonce is not None:
                transfer = self._transfer(nonce)
                if call not in transfer.rejections:
                    transfer.rejections.append(call)
                self._exclude(nonce, transfer, fact)
        elif call.fact.event == ACKNOWLEDGE and (nonce := nonce_in(call.fact.payload)) is not None:
            calls = [each for each in self._transfer(nonce).acknowledgements if each.status == "ok"]
            if len(calls) > 1:
                rule = "payment/acknowledge-again-refused"
                expected = f"a second acknowledgement of nonce {nonce} is refused"
                shown = (calls[0].fact, calls[1].fact, fact)
                self.findings.accuse(rule, self.topic, expected, "accepted", *shown, about=nonce)

    def doubled(self, fact: Received) -> str | None:
        """Tell a transfer that is executed twice from one that is told twice: by other balances."""
        nonce = nonce_in(fact.payload)
        transfer = self._transfers.get(nonce) if nonce is not None else None
        if transfer is None or transfer.told is None:
            return None
        is_other = transfer.told[0] != amount_of(fact.payload.get("balance_a"))
        return transfer.executed_again if is_other else None

    def on_received(self, _member: Member | None, fact: Received) -> None:
        """Hold the balances that are told against each other."""
        if fact.event != "transfer_complete" or not isinstance(fact.payload, dict):
            return
        nonce = nonce_in(fact.payload)
        transfer = self._transfers.get(nonce) if nonce is not None else None
        if transfer is not None and transfer.told is not None and transfer.told[1].payload == fact.payload:
            # Everybody is told the same, and it was judged when it was told first.
            return
        self._statements.sum(fact.payload, fact)
        after = amount_of(fact.payload.get("balance_a"))
        if nonce is None or after is None or transfer is None:
            return
        if transfer.told is not None:
            self._statements.again(nonce, transfer, after, fact)
            return
        deltas = self._deltas(transfer)
        if len(deltas) == 1:
            transfer.told = (after, fact)
            self._untold -= 1
            self._statements.transfer(nonce, after, deltas.pop(), fact, self._untold)

    def on_look(self, call: Call, then: Then, response: Mapping[str, Any], fact: Answered) -> None:
        """Hold the balances that a join tells against all that was executed."""
        shown = response.get("channel")
        if not isinstance(shown, dict):
            return
        self._statements.sum(shown, fact)
        a = amount_of(shown.get("balance_a"))
        if a is None:
            return
        if then.is_closed and self._closed is not None:
            self._statements.closed(a, *self._closed, call, fact)
        elif not self._closes:
            self._statements.look(a, then.standing, call, fact)

    def on_settled(self, _fact: Settled) -> None:
        """Forget the nonces that are done."""
        for nonce, transfer in self._transfers.items():
            if transfer.executed is not None and not transfer.is_open:
                self._spent[nonce] = transfer.executed
        while len(self._spent) > KEPT:
            del self._spent[next(iter(self._spent))]
        self._transfers = {nonce: each for nonce, each in self._transfers.items() if each.is_open}

    # Proposals and executions

    def _transfer(self, nonce: int) -> Transfer:
        transfer = self._transfers.get(nonce)
        if transfer is None:
            if len(self._transfers) >= KEPT:
                self._is_forgetful = True
                del self._transfers[next(iter(self._transfers))]
            transfer = self._transfers[nonce] = Transfer()
        return transfer

    def _delta(self, call: Call, amount: Decimal | None) -> Decimal | None:
        """Return what an acknowledgement adds to the balance of a."""
        if amount is None or call.agent not in self.insiders:
            return None
        return amount if self.roles.get("a") == call.agent else amount.copy_negate()

    @staticmethod
    def _deltas(transfer: Transfer) -> set[Decimal]:
        calls = transfer.acknowledgements
        if len(calls) == 1 and calls[0].memo.delta is not None:
            return {calls[0].memo.delta}
        return {call.memo.delta for call in calls if call.memo.delta is not None}

    def _may_execute(self, call: Call, transfer: Transfer) -> None:
        delta = call.memo.delta
        if transfer.executed is None and delta is not None and delta not in self._deltas(transfer):
            self._balances.maybe(delta, is_so=True)
        if not transfer.acknowledgements:
            self._untold += transfer.told is None
        transfer.acknowledgements.append(call)

    def _cannot_execute(self, call: Call, transfer: Transfer, fact: Fact) -> None:
        delta = call.memo.delta
        if transfer.executed is None and delta is not None and delta not in self._deltas(transfer):
            self._balances.maybe(delta, is_so=False)
        if not transfer.acknowledgements and transfer.told is None:
            self._untold -= 1
            self._statements.path(self._untold, fact)

    def _execute(self, nonce: int, call: Call, fact: Fact) -> None:
        transfer, own = self._transfer(nonce), call.memo.delta
        # What is not understood stays something that may have happened.
        if transfer.executed is not None or own is None or not self._is_due(nonce, transfer, call, fact):
            return
        for delta in self._deltas(transfer):
            self._balances.maybe(delta, is_so=False)
        self._balances.moved(own)
        transfer.executed = fact
        proposers = {each.agent for each in transfer.proposals}
        if len(proposers) == 1:
            self._nonces.executed(proposers.pop(), nonce)
        self._exclude(nonce, transfer, fact)

    def _is_due(self, nonce: int, transfer: Transfer, call: Call, fact: Fact) -> bool:
        """Tell whether an accepted acknowledgement fits a proposal, and accuse where it does not."""
        if not self.lifecycle.is_fresh:
            return True
        others = [each for each in transfer.proposals if each.agent != call.agent]
        amount = call.memo.amount
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
        elif others and all(each.memo.amount not in (amount, None) for each in others):
            rule = "payment/acknowledge-same-amount"
            expected = f"an acknowledgement of {nonce} is refused unless it has the proposal's amount"
            self._accuse(rule, expected, f"{amount} accepted", others[0].fact, call.fact, fact)
        else:
            return bool(others)
        return False

    def _exclude(self, nonce: int, transfer: Transfer, fact: Fact) -> None:
        """Accuse where a transfer of which there was one proposal was both rejected and executed."""
        rejected = next((call for call in transfer.rejections if call.status == "ok"), None)
        if transfer.executed is not None and rejected is not None and len(transfer.proposals) == 1:
            rule = "payment/reject-drops-proposal"
            expected = f"the transfer {nonce} is rejected or executed, not both"
            self._accuse(rule, expected, "both", rejected.fact, transfer.executed, fact)

    def _take_proposal(self, nonce: int, call: Call, fact: Fact) -> None:
        terms: Terms = call.memo
        if terms.then is None:
            return
        self._nonces.proposed(nonce, call, terms.then.nonces, self._transfers, fact)
        if terms.amount is None or self._closes:
            return
        highest = self._balances.highest(terms.then.standing, is_a=self.roles.get("a") == call.agent)
        if highest is not None and terms.amount > highest:
            rule, expected = "payment/propose-within-balance", f"no proposal above the balance of {highest}"
            self._accuse(rule, expected, f"{terms.amount} accepted", call.fact, fact)

    def _close(self, call: Call, fact: Fact) -> None:
        payload = call.fact.payload if isinstance(call.fact.payload, dict) else {}
        final = [amount_of(payload.get(f"final_balance_{role}")) for role in ("a", "b")]
        if final[0] is None or final[1] is None or self._closed is not None:
            return
        self._closed = (final[0], call)
        then: Then = call.memo
        self._statements.close(
            (final[0], final[1]), then.standing, call, fact, is_disputed=self._disputes > 0
        )

    def _accuse(self, requirement: str, expected: str, observed: str, *facts: Fact) -> None:
        self.findings.accuse(requirement, self.topic, expected, observed, *facts, about=(expected, observed))
