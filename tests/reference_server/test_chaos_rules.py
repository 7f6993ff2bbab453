"""Tests of `reference_server.chaos.rules` and of the options of the command: files, presets, and what is wrong with them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from reference_server.chaos.record import FaultRecord, LogRecorder
from reference_server.chaos.rules import ChaosFaulty, preset_names, read_rules
from reference_server.structured_log import JsonLines

if TYPE_CHECKING:
    from pathlib import Path

    from specs.model import Api

DROP = '[[fault]]\nkind = "drop"\nprobability = 1\n'


@pytest.mark.parametrize("name", preset_names())
def test_presets_are_rules_for_any_documents(api: Api, name: str) -> None:
    """Each says what it is for."""
    rules = read_rules(name, api)
    assert rules.summary
    assert not any(rule.topics or rule.events for rule in rules.about_frames)


def test_there_are_presets_to_choose_from() -> None:
    """Their names are what the option takes."""
    assert preset_names() == ["flaky-network", "lossy-relays", "mild", "reconnect-storm"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", ": fault: Field required"),
        ("fault = []", ": fault: Tuple should have at least 1 item"),
        ("x = 1\n" + DROP, ": x: unknown member"),
        (f"x = {'[' * 100_000}", ": not TOML: "),
        (DROP.replace("1", "1" * 5000), ": not TOML: "),
        ("[[fault]\n", ": not TOML: Expected ']]' at the end of an array declaration (at line 1, column "),
        ('[[fault]]\nkind = "burn"\nprobability = 1', ": fault 1: Input tag 'burn' found"),
        (
            '[[fault]]\nkind = "burn"\nprobability = 1',
            "'delay', 'drop', 'duplicate', 'reorder', 'cut', 'truncate'",
        ),
        ("[[fault]]\nprobability = 1", ": fault 1: Unable to extract tag using discriminator 'kind'"),
        (
            DROP + DROP.replace("1", "1.5"),
            ": fault 2 (drop): probability: Input should be less than or equal to 1",
        ),
        (DROP + "chance = 1", ": fault 1 (drop): chance: unknown member"),
        (DROP.replace("probability = 1", ""), ": fault 1 (drop): probability: Field required"),
        (
            DROP + 'topics = ["tasks"]',
            ": fault 1 (drop): topics: no topic family is called 'tasks'; there are task",
        ),
        (DROP + 'topics = ["control"]', "no topic family is called 'control'"),
        (
            DROP + 'events = ["progres"]',
            "events: no event to clients is called 'progres'; there are progress",
        ),
        (DROP + 'topics = ["payment"]\nevents = ["progress"]', "no event to clients is called 'progress'"),
        (
            DROP.replace("drop", "delay") + "delay_s = [2, 1]",
            "delay_s: the lower end 2.0 lies above the upper end",
        ),
        (
            DROP.replace("drop", "delay") + "delay_s = [0, 61]",
            "delay_s: 1: Input should be less than or equal to 60",
        ),
        (DROP.replace("drop", "cut") + "code = 1006", "code 1006 never stands in a close frame"),
        (DROP.replace("drop", "cut") + "code = 1016", "code 1016 never stands in a close frame"),
        (DROP.replace("drop", "cut") + "code = 2999", "code 2999 never stands in a close frame"),
        (DROP.replace("drop", "refuse") + "for_s = [1, 2]", ": refuse follows a cut"),
    ],
)
def test_faulty_files_are_told_where_and_what_is_allowed(
    api: Api, tmp_path: Path, text: str, words: str
) -> None:
    """The file, the number and kind of the fault, the member."""
    file = tmp_path / "rules.toml"
    file.write_text(text)
    with pytest.raises(ChaosFaulty) as fault:
        read_rules(str(file), api)
    assert str(fault.value).startswith(f"{file}: ")
    assert words in str(fault.value)


def test_a_faulty_rule_is_not_said_to_be_missing(api: Api, tmp_path: Path) -> None:
    """Every fault of a file is told, and nothing besides: the file has two rules."""
    file = tmp_path / "rules.toml"
    file.write_text(DROP.replace("1", "2") + DROP.replace("1", "3"))
    with pytest.raises(ChaosFaulty) as fault:
        read_rules(str(file), api)
    told = "probability: Input should be less than or equal to 1"
    assert str(fault.value) == f"{file}: fault 1 (drop): {told}; fault 2 (drop): {told}"


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (
            ("--chaos", "wild"),
            "--chaos wild: neither a preset (flaky-network, lossy-relays, mild, reconnect-storm) nor a file",
        ),
        (("--chaos", "."), "cannot be read: Is a directory"),
        (
            ("--chaos", "mild", "--chaos-log", "no/such/folder"),
            "--chaos-log no/such/folder: cannot be written",
        ),
        (("--chaos-log", "faults"), "--chaos-log is given without --chaos"),
    ],
)
def test_wrong_usage_is_one_line_and_exit_code_2(
    wireproof: Any, options: tuple[str, ...], words: str
) -> None:
    """An unknown preset is answered with the presets that there are."""
    done = wireproof("serve", "--port", "0", *options)
    assert (done.returncode, done.stdout) == (2, "")
    [line] = done.stderr.splitlines()
    assert line.startswith("wireproof serve: ")
    assert words in line


def test_a_record_can_be_an_event_of_the_log(caplog: pytest.LogCaptureFixture) -> None:
    """With the members of the record, and the detail beside them."""
    record = FaultRecord(
        time="2026-11-22T10:30:00.000Z",
        connection=3,
        socket="agent",
        agent="a1",
        fault="delay",
        topic="task:1",
        event="progress",
        detail={"delay_s": 0.25},
    )
    caplog.handler.setFormatter(JsonLines())
    with caplog.at_level("INFO"):
        LogRecorder().write(record)
    row = json.loads(caplog.text)
    row.pop("time")
    assert row == {
        "level": "info",
        "logger": "reference_server.chaos",
        "event": "chaos",
        "connection": 3,
        "socket": "agent",
        "agent": "a1",
        "fault": "delay",
        "topic": "task:1",
        "message_event": "progress",
        "delay_s": 0.25,
    }
