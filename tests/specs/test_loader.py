"""Reading documents: all faults of all files are told at once, each with file and JSON pointer."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from specs.loader import DOCUMENTS, DocumentsInvalid, load

Change = Callable[[dict[str, Any]], None]


@pytest.fixture
def documents(tmp_path: Path) -> Path:
    """Return a copy of the shipped documents."""
    return Path(shutil.copytree(DOCUMENTS, tmp_path / "documents"))


def change(documents: Path, file: str, apply: Change) -> None:
    """Rewrite one document."""
    path = documents / file
    document = json.loads(path.read_text(encoding="utf-8"))
    apply(document)
    path.write_text(json.dumps(document), encoding="utf-8")


def faults_of(documents: Path) -> dict[tuple[str, str], str]:
    """Load documents that are faulty and return the messages by file and pointer."""
    with pytest.raises(DocumentsInvalid) as caught:
        load(documents)
    return {(fault.file, fault.pointer): fault.message for fault in caught.value.faults}


def test_a_copy_of_the_shipped_documents_loads_alike(documents: Path) -> None:
    """Where the documents lie makes no difference."""
    assert load(documents) == load()


def test_faults_of_form_in_several_files_are_reported_at_once(documents: Path) -> None:
    """A wrong level, a missing member, an unknown member and an unknown kind in four files give four faults."""
    change(documents, "requirements/task.json", lambda d: d["requirements"][2].update(level="OUGHT"))
    change(documents, "topics/payment.json", lambda d: d["events"][1].pop("summary"))
    change(documents, "sockets/user.json", lambda d: d.update(port=4000))
    change(documents, "control/control.json", lambda d: d.update(kind="topics"))
    faults = faults_of(documents)
    assert ("requirements/task.json", "/requirements/2/level") in faults
    assert "summary" in faults["topics/payment.json", "/events/1"]
    assert "port" in faults["sockets/user.json", ""]
    assert ("control/control.json", "/kind") in faults


def test_faults_of_reference_in_several_files_are_reported_at_once(documents: Path) -> None:
    """Names that lead nowhere are all told: role, state, broadcast event, requirement, cast, socket."""

    def spoil(document: dict[str, Any]) -> None:
        document["events"][0]["roles"] = ["stranger"]
        document["events"][1]["states"] = ["asleep"]
        document["events"][1]["broadcasts"] = ["nothing_such"]
        document["events"][1]["setup"][0]["by"] = "nobody"
        document["rules"]["join"] = "payment/no-such-requirement"

    change(documents, "topics/payment.json", spoil)
    change(documents, "topics/messages.json", lambda d: d.update(socket="pigeon"))
    assert set(faults_of(documents)) == {
        ("topics/payment.json", "/events/0/roles/0"),
        ("topics/payment.json", "/events/1/states/0"),
        ("topics/payment.json", "/events/1/broadcasts/0"),
        ("topics/payment.json", "/events/1/setup/0/by"),
        ("topics/payment.json", "/rules/join"),
        ("topics/messages.json", "/socket"),
    }


def test_an_event_without_a_requirement_for_what_it_has_is_a_fault(documents: Path) -> None:
    """A relay that no requirement is named for could be broken unnoticed."""
    change(documents, "topics/negotiation.json", lambda d: d["events"][0]["rules"].pop("relay"))
    assert "relay" in faults_of(documents)["topics/negotiation.json", "/events/0/rules"]


def test_a_query_that_has_an_effect_is_a_fault(documents: Path) -> None:
    """A read-only run sends queries, so none may be relayed, broadcast, signed or change a state."""

    def mark(document: dict[str, Any]) -> None:
        for row in document["events"]:
            row["query"] = True

    change(documents, "topics/payment.json", mark)
    found = {pointer.rpartition("/")[2] for _, pointer in faults_of(documents)}
    assert found == {"relay", "broadcasts", "next_state", "consumes", "signatures", "nonce"}


def test_a_payload_schema_that_is_none_is_a_fault(documents: Path) -> None:
    """A schema that cannot be compiled is told with its place."""
    change(documents, "topics/task.json", lambda d: d["events"][0]["payload"].update(type="sting"))
    assert ("topics/task.json", "/events/0/payload") in faults_of(documents)


def test_a_requirement_id_given_twice_is_a_fault(documents: Path) -> None:
    """Ids are unique over all documents."""
    change(documents, "requirements/task.json", lambda d: d["requirements"].append(d["requirements"][0]))
    assert [message for message in faults_of(documents).values() if "task/participants-join" in message]


def test_a_requirement_both_checked_and_excluded_is_a_fault(documents: Path) -> None:
    """A requirement has cases or a reason for having none."""
    change(documents, "requirements/task.json", lambda d: d["requirements"][0].update(excluded="too hard"))
    assert ("requirements/task.json", "/requirements/0") in faults_of(documents)


@pytest.mark.parametrize("text", ["{", "[" * 100_000])
def test_text_that_is_no_json_is_a_fault_of_its_file_only(documents: Path, text: str) -> None:
    """An unreadable document does not hide the faults of the others."""
    (documents / "topics" / "task.json").write_text(text, encoding="utf-8")
    change(documents, "sockets/user.json", lambda d: d.pop("paths"))
    assert {file for file, _ in faults_of(documents)} == {"topics/task.json", "sockets/user.json"}


def test_a_member_given_twice_is_a_fault(documents: Path) -> None:
    """Of two members of one name neither is silently dropped."""
    (documents / "api.json").write_text('{"kind": "api", "kind": "api"}', encoding="utf-8")
    assert "kind" in faults_of(documents)["api.json", ""]


def test_limits_are_given_once_and_within_their_maximum(documents: Path) -> None:
    """A second document of limits, a name given twice, and a value above its own maximum are told."""
    limits = json.loads((documents / "limits.json").read_text(encoding="utf-8"))
    depth = next(row for row in limits["limits"] if row["name"] == "json_depth")
    faulty = {**limits, "limits": [depth, {**depth, "value": depth["maximum"] + 1}]}
    (documents / "more.json").write_text(json.dumps(faulty), encoding="utf-8")
    assert set(faults_of(documents)) == {
        ("more.json", ""),
        ("more.json", "/limits/1/name"),
        ("more.json", "/limits/1/value"),
    }


def test_a_document_that_is_no_object_is_a_fault(documents: Path) -> None:
    """It does not hide behind the first one that is."""
    (documents / "a.json").write_text("[]", encoding="utf-8")
    assert set(faults_of(documents)) == {("a.json", "/kind")}


def test_a_folder_without_documents_is_a_fault(tmp_path: Path) -> None:
    """A folder that is missing or empty is named."""
    for folder in (tmp_path, tmp_path / "missing"):
        assert (str(folder), None) in faults_of(folder)


def test_a_fault_reads_as_file_pointer_and_message(documents: Path) -> None:
    """The exception's text has one line for each fault."""
    change(documents, "sockets/user.json", lambda d: d.update(identity="robot"))
    with pytest.raises(DocumentsInvalid) as caught:
        load(documents)
    assert str(caught.value).startswith("sockets/user.json#/identity: ")
    assert len(str(caught.value).splitlines()) == len(caught.value.faults)


def test_a_folder_that_was_mistaken_for_one_of_documents_is_said_shortly(tmp_path: Path) -> None:
    """Thousands of files that are no documents are no thousands of lines; how many there are is said."""
    for number in range(50):
        (tmp_path / f"{number:02}.json").write_text("{}")
    with pytest.raises(DocumentsInvalid) as caught:
        load(tmp_path)
    assert len(caught.value.faults) == 50
    assert caught.value.lines[0].startswith("00.json#/kind: ")
    assert caught.value.lines[20:] == ["and 30 more of 50 faults"]
    assert str(caught.value) == "\n".join(caught.value.lines)
