"""The rules of chaos, as a TOML file holds them.

```toml
summary = "what this is for"

[[fault]]
kind = "delay"              # delay, drop, duplicate, reorder, cut, truncate or refuse
probability = 0.1           # of each frame that the rule is about
delay_s = [0.05, 0.5]       # drawn evenly
topics = ["task"]           # topic families; all when absent
events = ["progress"]       # all when absent
```

A frame meets at most one fault: the first rule that is about it and whose draw says so. Rules are about relays, broadcasts and pushes
of the server; `replies = true` lets one be about every frame.
"""

from __future__ import annotations

import difflib
import tomllib
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from reference_server.membership import OPERATOR

if TYPE_CHECKING:
    from specs.model import Api

_PRESETS: Final = resources.files("reference_server.chaos") / "presets"
_SUFFIX: Final = ".toml"
#: Close codes that stand for something else, and those that nobody has given a meaning.
_NEVER_SENT: Final = frozenset({1004, 1005, 1006, *range(1015, 3000)})


class ChaosFaulty(ValueError):
    """No such preset, or a file that holds no rules; the message says where and what is allowed."""


def _in_order(span: tuple[float, float]) -> tuple[float, float]:
    if span[0] > span[1]:
        raise ValueError(f"the lower end {span[0]} lies above the upper end {span[1]}")
    return span


_Delay = Annotated[float, Field(ge=0, le=60)]
_Pause = Annotated[float, Field(ge=0, le=3600)]
_Fraction = Annotated[float, Field(ge=0, lt=1)]
DelaySpan = Annotated[tuple[_Delay, _Delay], AfterValidator(_in_order)]
PauseSpan = Annotated[tuple[_Pause, _Pause], AfterValidator(_in_order)]
FractionSpan = Annotated[tuple[_Fraction, _Fraction], AfterValidator(_in_order)]


class Rule(BaseModel):
    """What every rule has; unknown members are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=False)

    probability: float = Field(ge=0, le=1)


class FrameRule(Rule):
    """A rule about frames to a client."""

    topics: tuple[str, ...] = ()
    """Topic families; empty for all."""
    events: tuple[str, ...] = ()
    """Events; empty for all."""
    replies: bool = False
    """Whether it is about replies and the protocol's own frames, too."""
    at_most: int | None = Field(default=None, ge=1)
    """How often it may strike one connection; None for ever."""


class Delay(FrameRule):
    """The frame, and all behind it on its connection, come later."""

    kind: Literal["delay"]
    delay_s: DelaySpan


class Drop(FrameRule):
    """The frame never comes."""

    kind: Literal["drop"]


class Duplicate(FrameRule):
    """The frame comes more than once."""

    kind: Literal["duplicate"]
    copies: int = Field(default=1, ge=1, le=10)
    """How many there are besides the frame itself."""


class Reorder(FrameRule):
    """The frame changes places with the next one, where the rule is about that as well."""

    kind: Literal["reorder"]
    within_s: _Delay = 1.0
    """How long it waits for a next one; then it goes alone, and nothing has happened."""


class Cut(FrameRule):
    """In place of the frame, the connection ends."""

    kind: Literal["cut"]
    code: int | None = Field(default=None, ge=1000, le=4999)
    """Close code; None ends TCP without a close frame."""
    everyone: bool = False
    """Whether every other connection ends, too."""

    @model_validator(mode="after")
    def _is_sendable(self) -> Cut:
        if self.code in _NEVER_SENT:
            raise ValueError(f"code {self.code} never stands in a close frame (RFC 6455 section 7.4)")
        return self


class Truncate(FrameRule):
    """Only the beginning of the frame comes."""

    kind: Literal["truncate"]
    keep: FractionSpan = (0.0, 0.9)
    """How much of it."""
    cut: bool = True
    """Whether TCP ends in the middle of the frame; else the frame is whole, and its text is cut short."""


class Refuse(Rule):
    """After a cut, the agent is not let in for a while."""

    kind: Literal["refuse"]
    for_s: PauseSpan
    attempts: int | None = Field(default=None, ge=1)
    """After so many refusals it is let in before the time; None for never."""
    status: int = Field(default=503, ge=400, le=599)


AnyFault = Annotated[
    Delay | Drop | Duplicate | Reorder | Cut | Truncate | Refuse, Field(discriminator="kind")
]


class Rules(BaseModel):
    """A file of rules."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    summary: str = ""
    fault: tuple[AnyFault, ...] = Field(min_length=1)

    @property
    def about_frames(self) -> tuple[FrameRule, ...]:
        """The rules about frames, in their order."""
        return tuple(rule for rule in self.fault if isinstance(rule, FrameRule))

    @property
    def about_reconnects(self) -> tuple[Refuse, ...]:
        """The rules about what follows a cut."""
        return tuple(rule for rule in self.fault if isinstance(rule, Refuse))

    @model_validator(mode="after")
    def _refusals_have_a_cause(self) -> Rules:
        cuts = (
            rule for rule in self.fault if isinstance(rule, Cut) or (isinstance(rule, Truncate) and rule.cut)
        )
        if self.about_reconnects and not any(cuts):
            raise ValueError("refuse follows a cut: there must be a fault of kind cut, or truncate with cut")
        return self


def preset_names() -> list[str]:
    """Return the names of the presets."""
    return sorted(
        entry.name.removesuffix(_SUFFIX) for entry in _PRESETS.iterdir() if entry.name.endswith(_SUFFIX)
    )


def read_rules(name: str, api: Api) -> Rules:
    """Read the rules of a preset or a file.

    Args:
        name: Name of a preset, or path of a TOML file.
        api: What topic families and events there are.

    Returns:
        The rules.

    Raises:
        ChaosFaulty: If there is neither, the file is not TOML, or it holds what no rule has.

    """
    try:
        rules = Rules.model_validate(_table(name))
    except ValidationError as exc:
        raise ChaosFaulty(f"{name}: {'; '.join(map(_sentence, _told(exc)))}") from exc
    for number, rule in enumerate(rules.fault, start=1):
        if isinstance(rule, FrameRule):
            _check_names(rule, api, f"{name}: fault {number} ({rule.kind})")
    return rules


def _table(name: str) -> dict[str, Any]:
    presets = preset_names()
    path = Path(name)
    if name in presets:
        return tomllib.loads((_PRESETS / f"{name}{_SUFFIX}").read_text(encoding="utf-8"))
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as exc:
        raise ChaosFaulty(f"{name}: neither a preset ({', '.join(presets)}) nor a file") from exc
    except (OSError, UnicodeDecodeError) as exc:
        reason = exc.strerror if isinstance(exc, OSError) else "not a text file in UTF-8"
        raise ChaosFaulty(f"{name}: cannot be read: {reason}") from exc
    except (ValueError, RecursionError) as exc:
        raise ChaosFaulty(f"{name}: not TOML: {exc}") from exc


def _told(exc: ValidationError) -> list[Any]:
    """Return the errors without that of a list which is empty only because every rule in it is faulty."""
    errors: list[Any] = list(exc.errors(include_url=False))
    has_faulty_rules = any(len(error["loc"]) > 1 and error["loc"][0] == "fault" for error in errors)
    return [error for error in errors if not (has_faulty_rules and error["loc"] == ("fault",))]


def _sentence(error: Any) -> str:
    where = list(error["loc"])
    parts = []
    if where[:1] == ["fault"] and len(where) > 1:
        kind = f" ({where[2]})" if len(where) > 2 else ""
        parts.append(f"fault {where[1] + 1}{kind}")
        where = where[3:]
    parts += [str(part) for part in where]
    unknown = error["type"] == "extra_forbidden"
    parts.append("unknown member" if unknown else error["msg"].removeprefix("Value error, "))
    return ": ".join(parts)


def _check_names(rule: FrameRule, api: Api, where: str) -> None:
    spared = {socket.name for socket in api.sockets.values() if socket.identity == OPERATOR}
    families = {name: family for name, family in api.topics.items() if family.socket not in spared}
    for name in rule.topics:
        if name not in families:
            raise ChaosFaulty(f"{where}: topics: {_unknown(name, families, 'topic family')}")
    chosen = [families[name] for name in rule.topics] or list(families.values())
    events = {event for family in chosen for event in family.outbound()}
    for name in rule.events:
        if name not in events:
            raise ChaosFaulty(f"{where}: events: {_unknown(name, sorted(events), 'event to clients')}")


def _unknown(name: str, known: Any, what: str) -> str:
    near = difflib.get_close_matches(name, known, n=3)
    return f"no {what} is called {name!r}; there are {', '.join(near or known)}"
