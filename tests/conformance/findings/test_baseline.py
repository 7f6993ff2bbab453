"""The file of known findings: what is written is read, and what it cannot hold is said in one line."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conformance.faults import ConfigurationFaulty
from conformance.findings.baseline import KnownFinding, read, write

TEXTS = st.text(st.characters(exclude_categories=["Cs"]))


@given(
    st.lists(
        st.builds(
            KnownFinding,
            requirement=TEXTS.filter(bool),
            case=TEXTS.filter(bool),
            fingerprint=TEXTS,
            reason=TEXTS,
            link=TEXTS,
            expires=st.none() | st.dates(),
            flaky=st.booleans(),
        ),
        unique_by=lambda entry: entry.key,
    )
)
def test_what_is_written_is_read(tmp_path_factory: pytest.TempPathFactory, known: list[KnownFinding]) -> None:
    """Any entries come back, in one order, and written again they are the same text."""
    path = tmp_path_factory.mktemp("baseline") / "known.toml"
    write(path, known)
    text, again = path.read_text("utf-8"), read(path).known
    assert again == sorted(known, key=lambda entry: entry.key)
    write(path, reversed(again))
    assert path.read_text("utf-8") == text


def test_a_file_written_by_hand_needs_little(tmp_path: Path) -> None:
    """Requirement, case and reason are enough; a day is a date of TOML."""
    path = tmp_path / "known.toml"
    path.write_text('[[known]]\nrequirement = "a/b"\ncase = "c"\nreason = "d"\nexpires = 2027-01-31\n')
    (entry,) = read(path).known
    assert (entry.fingerprint, entry.expires) == ("", date(2027, 1, 31))


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ('[[known]]\nrequirement = "a"\n', "known.0.case"),
        ('[[known]]\nrequirement = "a"\ncase = "b"\nexpires = "soon"\n', "known.0.expires"),
        ('[[known]]\nrequirement = "a"\ncase = "b"\nwhy = "c"\n', "known.0.why"),
        ('[[known]]\nrequirement = "a"\ncase = "b"\n' * 2, "two entries"),
        ("format = 2\n", "format"),
        ("known = ", "not TOML"),
        (f"known = {'[' * 100_000}", "not TOML"),
        (f"known = {'1' * 5_000}", "not TOML"),
    ],
)
def test_a_faulty_file_is_said_in_one_line(tmp_path: Path, content: str, words: str) -> None:
    """The file and the place are named."""
    path = tmp_path / "known.toml"
    path.write_text(content)
    with pytest.raises(ConfigurationFaulty, match=words) as caught:
        read(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_missing_file_is_an_error_unless_it_is_to_be_made(tmp_path: Path) -> None:
    """A misspelt name must not be taken for an empty baseline."""
    with pytest.raises(ConfigurationFaulty, match="--update-baseline"):
        read(tmp_path / "none.toml")
    assert read(tmp_path / "none.toml", may_be_missing=True).known == []
