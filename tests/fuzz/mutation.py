"""Inputs made from seeds by small changes; the same seed of randomness gives the same inputs."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Sequence
from typing import Any

from tests.fuzz.seeds import TOKENS

_LONGEST_BYTES = 6000
_ODD: tuple[Any, ...] = (
    *(None, True, False, 0, -1, 1, 2**53, 2**64, -(2**70), 10**30, 0.5, -0.0, 1e308),
    *(
        "",
        "x",
        "é\U0001f600",
        "\x00",
        "0",
        "-1",
        "1e9",
        "12.50",
        "x" * 2000,
        [],
        {},
        [[]],
        {"": {}},
        ["x"] * 50,
    ),
)


class Mutator:
    """Changes bytes and JSON values at random."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)  # noqa: S311

    def of(self, seeds: Sequence[bytes]) -> bytes:
        """Take a seed and change it once or a few times."""
        data = self.random.choice(seeds)
        for _ in range(self.random.choice((1, 1, 1, 2, 3, 8))):
            data = self.random.choice(_BYTE_CHANGES)(self.random, data, seeds)
        return data[:_LONGEST_BYTES]

    def value(self, value: Any) -> Any:
        """Replace, drop, double or add somewhere in a JSON value."""
        if isinstance(value, dict) and value and self.random.random() < 0.9:
            name = self.random.choice(list(value))
            changed = dict(value)
            match self.random.randrange(5):
                case 0:
                    del changed[name]
                case 1:
                    changed[self.random.choice((name + "x", "", "a/b~c", "\x00"))] = self.odd()
                case _:
                    changed[name] = self.value(value[name])
            return changed
        if isinstance(value, list) and value and self.random.random() < 0.8:
            at = self.random.randrange(len(value))
            changed_at = self.random.choice(([], [self.value(value[at])], [value[at]] * 2))
            return [*value[:at], *changed_at, *value[at + 1 :]]
        return self.odd()

    def odd(self) -> Any:
        """Return a value that few expect."""
        return self.random.choice(_ODD)

    def text(self, message: Sequence[Any]) -> bytes:
        """Write a message as JSON; now and then as nobody would, with members that repeat."""
        text = json.dumps(message, ensure_ascii=self.random.random() < 0.5)
        if self.random.random() < 0.1:
            at = text.find('{"')
            text = text if at < 0 else f'{text[: at + 1]}"{self.random.choice(_NAMES)}":1,{text[at + 1 :]}'
        return text.encode("utf-8", "surrogatepass")


_NAMES = ("amount", "nonce", "seq", "status", "x")


def _flip(rng: random.Random, data: bytes, _: Sequence[bytes]) -> bytes:
    if not data:
        return data
    at = rng.randrange(len(data))
    return data[:at] + bytes([data[at] ^ 1 << rng.randrange(8)]) + data[at + 1 :]


def _put(rng: random.Random, data: bytes, _: Sequence[bytes]) -> bytes:
    at = rng.randint(0, len(data))
    return data[:at] + rng.choice(TOKENS) + data[at + rng.choice((0, 0, 1, 5)) :]


def _cut(rng: random.Random, data: bytes, _: Sequence[bytes]) -> bytes:
    at = rng.randint(0, len(data))
    return data[:at] + data[rng.randint(at, len(data)) :]


def _double(rng: random.Random, data: bytes, _: Sequence[bytes]) -> bytes:
    start = rng.randint(0, len(data))
    end = rng.randint(start, min(len(data), start + 200))
    return data[:end] + data[start:end] * rng.choice((1, 1, 20)) + data[end:]


def _splice(rng: random.Random, data: bytes, seeds: Sequence[bytes]) -> bytes:
    other = rng.choice(seeds)
    return data[: rng.randint(0, len(data))] + other[rng.randint(0, len(other)) :]


def _noise(rng: random.Random, data: bytes, _: Sequence[bytes]) -> bytes:
    at = rng.randint(0, len(data))
    return data[:at] + rng.randbytes(rng.choice((1, 2, 8, 64))) + data[at:]


_BYTE_CHANGES: tuple[Callable[[random.Random, bytes, Sequence[bytes]], bytes], ...] = (
    _flip,
    _flip,
    _put,
    _put,
    _cut,
    _double,
    _splice,
    _noise,
)
