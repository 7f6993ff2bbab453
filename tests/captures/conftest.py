"""Lets pytest show what differs in the asserts of the modules beside the test."""

from __future__ import annotations

import pytest

pytest.register_assert_rewrite(
    "tests.captures.replay",
    "tests.captures.comparison",
    "tests.captures.judged",
    "tests.captures.recorded_http",
)
