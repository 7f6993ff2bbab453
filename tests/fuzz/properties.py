"""What Hypothesis makes up: messages, frames and conversations of the right outward form, whose content may be anything."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, Final

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.fuzz import seeds
from tests.fuzz.targets import TARGETS
from tests.reference_server.adversary import frame

_anything = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
_messages = st.sampled_from(seeds.messages())


@st.composite
def _altered(draw: Any) -> list[Any]:
    """A documented message in which one field, or one member of the payload, is anything at all."""
    message: list[Any] = list(draw(_messages))
    at = draw(st.integers(0, 7))
    if at < len(message) - 1:
        message[at] = draw(_anything)
    elif isinstance(message[4], dict) and message[4]:
        name = draw(st.sampled_from(sorted(message[4])))
        message[4] = {**message[4], name: draw(_anything)}
    return message


def _text(message: list[Any]) -> bytes:
    return json.dumps(message).encode()


_frames = st.builds(
    lambda opcode, data, fin, rsv, mask: frame(opcode, data, fin=fin, rsv=rsv, mask=mask),
    st.sampled_from([0, 0, 1, 1, 1, 2, 2, 3, 8, 9, 10, 15]),
    st.one_of(st.binary(max_size=200), _altered().map(_text)),
    st.booleans(),
    st.sampled_from([0, 0, 0, 0, 0, 1, 4]),
    st.binary(min_size=4, max_size=4),
)

INPUTS: Final[dict[str, tuple[st.SearchStrategy[bytes], tuple[str, ...]]]] = {
    "bytes": (st.binary(max_size=300), tuple(TARGETS)),
    "messages": (_altered().map(_text), ("json_codec", "serializer_v1", "serializer_v2", "connection")),
    "frames": (st.lists(_frames, max_size=12).map(b"".join), ("wire", "connection")),
    "conversations": (
        st.lists(_altered().map(_text), max_size=8).map(
            lambda texts: b"".join(frame(1, text) for text in texts)
        ),
        ("connection",),
    ),
}
"""What is made, and the targets that it is given to, by name."""


def run(name: str, examples: int, *, is_repeatable: bool = False) -> int:
    """Give so many inputs, or fewer where there are no more, to their targets; return how many there were.

    An input counts once, however many targets it is given to. The same ones every time where `is_repeatable`.
    """
    strategy, targets = INPUTS[name]
    count = 0

    @settings(
        max_examples=examples,
        deadline=None,
        database=None,
        derandomize=is_repeatable,
        phases=(Phase.generate, Phase.shrink),
        suppress_health_check=list(HealthCheck),
    )
    @given(strategy)
    def holds(data: bytes) -> None:
        nonlocal count
        count += 1
        for target in targets:
            TARGETS[target][0](data)

    check: Callable[[], None] = holds
    check()
    return count
