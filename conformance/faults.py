"""How a case ends other than by passing; blame is in the type.

`Violation` accuses the endpoint. `CannotTell` and `OutOfTime` accuse nobody. `CannotProvision` says that a prerequisite is missing.
`CannotTest` ends the run: the endpoint cannot be reached or will not let us in. Anything else that escapes a case is our
own fault and gets the verdict `error`.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Breach:
    """Evidence that a requirement is not met."""

    requirement: str
    expected: str
    observed: str
    is_advice: bool = False
    """Whether it is no more than advice, however binding the requirement is."""
    subject: str | None = None
    """What it is about, where the same would be said by many cases: only the first case of a run says it."""


class Violation(Exception):
    """The endpoint breaks a requirement; the case cannot go on."""

    def __init__(self, requirement: str, expected: str, observed: str) -> None:
        super().__init__(f"{requirement}: expected {expected}; observed {observed}")
        self.breach = Breach(requirement, expected, observed)


class CannotTell(Exception):
    """Neither a pass nor a violation can be concluded (a control failed, an effect is not observable)."""


class OutOfTime(Exception):
    """The time of the case is up; accuses nobody, not even where a doubt would.

    It is no `CannotTell`: some cases take a doubt about one thing for a breach of another, and what did not come when nobody
    could wait any more says nothing about the endpoint.
    """


class CannotProvision(Exception):
    """The provisioner cannot make what the case needs; the case is not run."""


class ProvisionerGaveOut(CannotProvision):
    """The provisioner no longer makes what it has made for other cases: that these did not run is nobody's wish."""


class CannotTest(Exception):
    """The endpoint cannot be tested at all; the message is one line for the user."""


class ConfigurationFaulty(Exception):
    """Wrong usage or configuration; the message is one line for the user."""
