"""Why a load test cannot go on: every fault of the user or of the surroundings is one of these, with one clear line."""

from __future__ import annotations


class LoadError(Exception):
    """Base of what ends a load test with one line."""


class ConfigurationFaulty(LoadError):
    """The user has asked for something that cannot be: exit code 2."""


class CannotTest(LoadError):
    """The endpoint cannot be reached or refuses what the test needs: exit code 3."""


class CannotProvision(LoadError):
    """An agent or a resource cannot be made."""
