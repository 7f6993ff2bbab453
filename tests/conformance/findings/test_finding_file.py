"""What a finding file holds, and that files of other kinds are refused in one line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from conformance.faults import ConfigurationFaulty
from conformance.findings.documents import digest_of
from conformance.findings.finding_file import read, write
from conformance.findings.schema import PATH, schema
from specs.loader import load
from tests.conformance.findings.checking import CASE, TOKEN, Checked

VALIDATOR = jsonschema.Draft202012Validator(json.loads(PATH.read_text(encoding="utf-8")))


def test_the_committed_schema_is_that_of_the_model() -> None:
    """Whoever changes the format changes the schema with it."""
    assert json.loads(PATH.read_text(encoding="utf-8")) == schema()


def test_a_failed_case_leaves_a_file_that_says_all_of_it(checked: Checked) -> None:
    """The file conforms to the schema and names case, requirement, documents, endpoint and seed."""
    table = checked.table()
    VALIDATOR.validate(table)
    api = load()
    assert checked.done.returncode == 1
    assert table["case"] == CASE
    assert table["requirement"]["text"] == api.requirements[table["requirement"]["id"]].text
    assert table["documents"] == {"name": api.name, "version": api.version, "digest": digest_of(api)}
    assert (table["seed"], table["verdict"]) == (7, "fail")
    assert table["endpoint"]["url"].startswith("ws://127.0.0.1:")
    assert any(entry["direction"] == "received" for entry in table["transcripts"][0])


def test_the_summary_names_the_file_and_the_command(checked: Checked) -> None:
    """Who reads the report knows what to type next."""
    assert str(checked.file) in checked.done.stdout
    assert "wireproof replay" in checked.done.stdout


def test_no_credential_is_in_the_folder(checked: Checked) -> None:
    """Neither the operator's token nor a key of an agent is in any file of the run."""
    for path in checked.folder.rglob("*"):
        text = path.read_text(encoding="utf-8") if path.is_file() else ""
        assert TOKEN not in text, path
        assert "api_key=key_" not in text, path


def test_a_file_is_read_as_it_was_written(checked: Checked, tmp_path: Path) -> None:
    """Writing and reading give an equal finding."""
    finding = read(checked.file)
    write(tmp_path / "again.json", finding)
    assert read(tmp_path / "again.json") == finding


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"format": 2}, "format 2"),
        ({"kind": "something"}, "not a finding file"),
        ({"seed": "7"}, "seed"),
        ({"extra": 1}, "extra"),
    ],
)
def test_a_file_of_another_kind_is_refused(
    checked: Checked, tmp_path: Path, change: dict[str, Any], words: str
) -> None:
    """What is not a finding file of this format is said in one line."""
    path = tmp_path / "changed.json"
    path.write_text(json.dumps({**checked.table(), **change}), encoding="utf-8")
    with pytest.raises(ConfigurationFaulty, match=words) as caught:
        read(path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("content", [b"", b"[]", b"\xff", b"{", b"[" * 100_000])
def test_what_is_no_json_object_is_refused(tmp_path: Path, content: bytes) -> None:
    """Any other file is said to be no finding file."""
    path = tmp_path / "other.json"
    path.write_bytes(content)
    with pytest.raises(ConfigurationFaulty, match="not a finding file"):
        read(path)
