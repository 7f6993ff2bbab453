"""What a model says of one push before it is sent."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Protocol, Self


class Kind(StrEnum):
    """What an endpoint has to do with a push."""

    ACCEPT = "accept"
    REFUSE = "refuse"
    EITHER = "either"


@dataclass(frozen=True, slots=True)
class Expectation:
    """What an endpoint has to do with a push, and which requirement it breaks otherwise."""

    kind: Kind
    requirement: str = ""
    why: str = ""
    """In words; ends a sentence that begins with the event."""


@dataclass(frozen=True, slots=True)
class Push:
    """A push as a model sees it."""

    by: str
    """Role of the sender."""
    event: str
    payload: Mapping[str, Any]
    flaw: str | None = None
    """The requirement by which its signature has to be refused; None where the signature is good."""


class Model(Protocol):
    """How one topic stands: a value that can be hashed."""

    @property
    def is_over(self) -> bool:
        """Whether nothing more is accepted."""

    def expects(self, push: Push) -> Expectation:
        """Say what has to become of a push."""

    def after(self, push: Push) -> Self:
        """Return how the topic stands once a push was accepted, whether it had to be or not."""

    def refused(self, push: Push) -> Self:
        """Return how the topic stands once a push was refused: the same, but for what may be open from then on."""


EITHER = Expectation(Kind.EITHER)


def accept(requirement: str, why: str = "is valid") -> Expectation:
    """Demand that a push is accepted."""
    return Expectation(Kind.ACCEPT, requirement, why)


def refuse(requirement: str, why: str) -> Expectation:
    """Demand that a push is refused."""
    return Expectation(Kind.REFUSE, requirement, why)
