"""What each case of the wire and each race catches: `python -m tests.deviations.catches [GLOB...]`, from the root of the repository.

Each case alone is run against a server with the fault that is named for it. Exit code 0 when every one reports it.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase

from tests.deviations.forking import trials
from tests.deviations.trial import Fate, Suite, Trial

from conformance.case import Case, Phase
from conformance.catalogue import all_cases
from reference_server.deviations.catalogue import catalogue
from specs.loader import load

CATCHES = {
    "payment/race/same-nonce": "takes-nonce-twice-at-once",
    "payment/race/same-nonce-of-both-parties": "closes-while-something-is-proposed",
    "payment/race/overdraft": "closes-while-something-is-proposed",
    "payment/race/same-acknowledgement": "executes-overlapping-acknowledgements",
    "payment/race/acknowledgements": "loses-overlapping-transfers",
    "payment/race/acknowledge-against-reject": "executes-what-is-being-rejected",
    "payment/race/acknowledge-against-dispute": "executes-what-is-being-disputed",
    "payment/race/close-against-propose": "closes-while-something-is-proposed",
    "payment/race/close-against-dispute": "disputes-what-is-being-closed",
    "payment/race/two-disputes": "disputes-what-is-being-closed",
    "negotiation/race/accept-against-reject": "agrees-while-being-rejected",
    "negotiation/race/accepts-of-both-sides": "agrees-while-being-rejected",
    "negotiation/race/accept-against-offer": "agrees-on-former-average",
    "negotiation/race/offers-against-accept": "agrees-on-former-average",
    "task/race/complete-against-cancel": "completes-what-is-being-cancelled",
    "task/race/two-results": "completes-what-is-being-cancelled",
    "task/race/progress-against-cancel": "relays-while-being-cancelled",
    "task/race/two-checkpoints": "keeps-lower-of-overlapping-checkpoints",
    "task/race/two-chunks-of-one-seq": "takes-overlapping-chunks",
    "task/race/one-chunk-twice": "takes-overlapping-chunks",
    "messages/race/acknowledge-twice": "settles-message-twice-at-once",
    "messages/race/acknowledge-against-reject": "settles-message-twice-at-once",
    "joining/race/same-topic": "subscribes-last-of-overlapping-joins",
    "leaving/race/relay": "skips-receiver-while-somebody-leaves",
    "sockets/race/disconnect-against-push": "repeats-last-relay-of-disconnected",
    "presence/race/joins-of-one-agent": "tracks-one-connection-of-an-agent",
    "wire/opcodes": "ignores-reserved-opcodes",
    "wire/reserved-bits": "ignores-reserved-bits",
    "wire/stray-continuations": "takes-stray-continuations",
    "wire/interrupted-messages": "takes-message-inside-another",
    "wire/control-frames": "takes-control-frames-that-are-not-final",
    "wire/unmasked": "takes-unmasked-frames",
    "wire/masks": "refuses-mask-of-zeros",
    "wire/lengths": "takes-segment-for-frame",
    "wire/fragments/text": "takes-fragments-for-messages",
    "wire/fragments/binary": "takes-fragments-for-messages",
    "wire/fragments/bytes": "takes-fragments-for-messages",
    "wire/segments/short": "loses-segments-of-one-byte",
    "wire/segments/long": "loses-segments-of-one-byte",
    "wire/segments/bytes": "loses-segments-of-one-byte",
    "wire/utf8/invalid": "closes-invalid-utf8-with-1011",
    "wire/utf8/cut": "closes-invalid-utf8-with-1011",
    "wire/utf8/v1": "closes-invalid-utf8-with-1011",
    "wire/arrays/short": "takes-array-without-payload",
    "wire/arrays/long": "refuses-extra-elements",
    "wire/arrays/heartbeats": "answers-array-as-topic-twice",
    "wire/arrays/pushes": "answers-array-as-topic-twice",
    "wire/arrays/leaves": "answers-array-as-topic-twice",
    "wire/arrays/joins": "answers-array-as-topic-twice",
    "wire/json/numbers": "takes-nan",
    "wire/json/strings": "takes-control-characters",
    "wire/json/arrays": "takes-trailing-commas",
    "wire/json/objects": "takes-trailing-commas",
    "wire/json/literals": "takes-words-of-other-languages",
    "wire/json/nothing": "ignores-blank-text",
    "wire/json/beginnings": "closes-open-brackets",
    "wire/json/rubbish": "takes-comments",
    "wire/json/trailing": "ignores-trailing-data",
    "wire/json/v1": "takes-trailing-commas",
    "wire/json/values": "refuses-heartbeats-without-object",
    "wire/binary/cut": "ignores-cut-binary-frame",
    "wire/binary/sizes-too-large": "ignores-cut-binary-frame",
    "wire/binary/sizes-too-small": "swaps-refs-of-binary-push",
    "wire/binary/kinds": "takes-any-kind-for-push",
    "wire/binary/json": "takes-json-in-binary-frames",
    "wire/binary/data": "echoes-data-of-binary-heartbeat",
    "wire/binary/fields-not-text": "replaces-what-is-no-text",
    "wire/close/codes": "answers-client-close-with-1011",
    "wire/close/invalid-codes": "ignores-invalid-close-codes",
    "wire/close/behind": "answers-what-is-behind-close",
    "wire/half-open/silent": "loses-segments-of-one-byte",
    "wire/half-open/unread": "tells-nobody-while-one-does-not-read",
    "wire/half-open/ends": "gives-agent-up-with-a-lost-connection",
    "wire/oversize": "makes-room-for-long-messages",
    "wire/random/bytes": "closes-all-connections-of-agent",
    "wire/random/headers": "closes-all-connections-of-agent",
}
"""By the id of the case, a deviation that it reports by a requirement of its own."""


@dataclass(frozen=True, slots=True)
class Catch:
    """What became of one case before its fault."""

    case: str
    trial: Trial

    @property
    def is_caught(self) -> bool:
        """Whether the case has reported the fault, and again on fresh fixtures."""
        return self.trial.fate is Fate.KILLED


def fast_cases() -> dict[str, Case]:
    """Return the cases of the wire and the races, by id."""
    return {case.id: case for case in all_cases(load()) if case.phase in {Phase.RACE, Phase.WIRE}}


def catches(names: list[str], *, seed: int = 1, jobs: int = 2) -> Iterator[Catch]:
    """Run cases against their faults, several at a time."""
    api, cases = load(), fast_cases()
    known = catalogue(api)
    for name in names:
        # A fault that others are about, too, counts under the requirement that the case reports it by.
        for requirement in cases[name].requirements:
            fault = replace(known[CATCHES[name]], breaks=(requirement,))
            (trial,) = trials(Suite(api, (cases[name],), seed), [fault], jobs=jobs)
            if trial.fate is Fate.KILLED:
                break
        yield Catch(name, trial)


def main(arguments: list[str] | None = None) -> int:
    """Run and show the cases that do not catch their fault."""
    parser = argparse.ArgumentParser(prog="catches", description=__doc__)
    parser.add_argument("globs", nargs="*", metavar="GLOB", help="of cases; all by default")
    parser.add_argument("--seed", type=int, default=1, help="of keys, ids and draws")
    options = parser.parse_args(arguments)
    chosen = [
        name
        for name in CATCHES
        if not options.globs or any(fnmatchcase(name, glob) for glob in options.globs)
    ]
    missed = 0
    for catch in catches(chosen, seed=options.seed):
        missed += not catch.is_caught
        mark = "caught" if catch.is_caught else "MISSED"
        print(f"{mark} {CATCHES[catch.case]} by {catch.case}: {catch.trial.observed[:120]}", flush=True)
    print(f"{len(chosen)} cases, {missed} missed")
    return int(missed > 0)


if __name__ == "__main__":
    sys.exit(main())
