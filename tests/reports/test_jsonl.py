from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

import reports
from reports.jsonl import EmptyRun, LineOutOfOrder, MalformedRun, RunWriter, TruncatedRun, read_run
from reports.record import Run, TranscriptEntry, Verdict

if TYPE_CHECKING:
    from conftest import Builder

SCHEMA = json.loads((Path(reports.__file__).parent / "schemas" / "run.schema.json").read_text("utf-8"))
VALIDATOR = jsonschema.Draft202012Validator(SCHEMA)


def write(run: Run, path: Path) -> list[dict[str, Any]]:
    with RunWriter(path) as writer:
        writer.header(run.header)
        for case in run.cases:
            writer.case(case)
        writer.footer(run.footer)
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


def test_a_run_is_read_as_it_was_written(build: Builder, tmp_path: Path) -> None:
    """Writing and reading give an equal run, the order of cases included."""
    run = build.run_with_every_verdict()
    write(run, tmp_path / "run.jsonl")
    assert read_run(tmp_path / "run.jsonl") == run


def test_every_line_conforms_to_the_published_schema(build: Builder, tmp_path: Path) -> None:
    """A run with every verdict yields header, case and footer lines that the schema accepts."""
    VALIDATOR.check_schema(SCHEMA)
    lines = write(build.run_with_every_verdict(), tmp_path / "run.jsonl")
    assert [line["type"] for line in lines] == ["header", *["case"] * len(Verdict), "footer"]
    for line in lines:
        VALIDATOR.validate(line)


@pytest.mark.parametrize("number", [0, 2, -1])
def test_the_schema_describes_exactly_the_fields_that_are_written(
    build: Builder, tmp_path: Path, number: int
) -> None:
    """A line with a field more or a field less, at any depth, is not one of a run."""
    line = write(build.run_with_every_verdict(), tmp_path / "run.jsonl")[number]
    objects = [
        line,
        *line.get("findings", []),
        *[e for f in line.get("findings", []) for e in f["transcript"]],
    ]
    for one in objects:
        one["extra"] = 1
        assert not VALIDATOR.is_valid(line)
        del one["extra"]
        for name in list(one):
            value = one.pop(name)
            assert not VALIDATOR.is_valid(line), name
            one[name] = value
    assert VALIDATOR.is_valid(line)


@given(st.text(st.characters()))
def test_any_frame_text_fits_on_one_line_of_the_file(text: str) -> None:
    """No character of a frame can break a line of the file or its encoding."""
    entry = TranscriptEntry(at_ms=0.0, who="client", direction="received", text=text)
    line = json.dumps(entry.model_dump(mode="json"), ensure_ascii=False)
    assert len(line.splitlines()) == 1
    assert TranscriptEntry.model_validate_json(line.encode()) == entry


def test_what_was_found_is_in_the_file_before_the_run_ends(build: Builder, tmp_path: Path) -> None:
    """While the writer is open, every case given so far can be read by another process."""
    path = tmp_path / "run.jsonl"
    with RunWriter(path) as writer:
        writer.header(build.header())
        writer.case(build.case("task/one"))
        with pytest.raises(TruncatedRun) as caught:
            read_run(path)
    assert caught.value.header == build.header()
    assert [case.case for case in caught.value.cases] == ["task/one"]


def test_a_run_cut_anywhere_is_truncated_and_keeps_its_whole_lines(build: Builder, tmp_path: Path) -> None:
    """Whatever the byte at which a writer was killed, the cases before it are kept and no other error is raised."""
    run = build.run(build.case("task/one"), build.case("task/two"))
    path, cut = tmp_path / "run.jsonl", tmp_path / "cut.jsonl"
    write(run, path)
    content = path.read_bytes()
    for length in range(1, len(content), 7):
        cut.write_bytes(content[:length])
        with pytest.raises(TruncatedRun) as caught:
            read_run(cut)
        whole = content[:length].count(b"\n")
        assert [case.case for case in caught.value.cases] == ["task/one", "task/two"][: max(whole - 1, 0)]


@pytest.mark.parametrize("content", [b"", b"  "])
def test_a_file_without_a_line_is_an_empty_run(tmp_path: Path, content: bytes) -> None:
    """Nothing was recorded at all."""
    (tmp_path / "run.jsonl").write_bytes(content)
    with pytest.raises(EmptyRun):
        read_run(tmp_path / "run.jsonl")


@pytest.mark.parametrize(
    ("line", "what"),
    [
        (b"{", "Invalid JSON"),
        (b"\xff\xfe", "Invalid JSON"),
        (b"", "Invalid JSON"),
        (b"[]", "object"),
        (b"[" * 100_000, "Invalid JSON"),
        (b'{"type":"verdict"}', "'header', 'case', 'footer'"),
        (b'{"type":"case"}', "case.case: Field required"),
    ],
)
def test_a_line_that_is_not_one_of_a_run_is_named_with_its_fault(
    build: Builder, tmp_path: Path, line: bytes, what: str
) -> None:
    """The error has the number of the line and what is wrong with it."""
    path = tmp_path / "run.jsonl"
    write(build.run(build.case()), path)
    header, case, footer = path.read_bytes().splitlines()
    path.write_bytes(b"\n".join([header, case, line, footer, b""]))
    with pytest.raises(MalformedRun) as caught:
        read_run(path)
    assert caught.value.line == 3
    assert what in caught.value.what
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("order", "line"), [("CF", 1), ("F", 1), ("HHF", 2), ("HCFC", 4), ("HFF", 3), ("HFH", 3)]
)
def test_a_line_in_the_wrong_place_is_named(build: Builder, tmp_path: Path, order: str, line: int) -> None:
    """The header comes first and once, the footer last and once."""
    path = tmp_path / "run.jsonl"
    write(build.run(build.case()), path)
    kinds = dict(zip("HCF", path.read_bytes().splitlines(keepends=True), strict=True))
    path.write_bytes(b"".join(kinds[kind] for kind in order))
    with pytest.raises(MalformedRun) as caught:
        read_run(path)
    assert caught.value.line == line


def test_a_run_of_a_later_format_is_refused(build: Builder, tmp_path: Path) -> None:
    """A format that this version does not know is not guessed at."""
    path = tmp_path / "run.jsonl"
    write(build.run(), path)
    path.write_bytes(path.read_bytes().replace(b'"format":1', b'"format":2'))
    with pytest.raises(MalformedRun, match=r"header\.format"):
        read_run(path)


def test_lines_can_only_be_written_in_order(build: Builder, tmp_path: Path) -> None:
    """A case before the header, a second header, and anything after the footer are refused."""
    with RunWriter(tmp_path / "run.jsonl") as writer:
        with pytest.raises(LineOutOfOrder):
            writer.case(build.case())
        writer.header(build.header())
        with pytest.raises(LineOutOfOrder):
            writer.header(build.header())
        writer.footer(build.footer([]))
        with pytest.raises(LineOutOfOrder):
            writer.case(build.case())
    assert read_run(tmp_path / "run.jsonl") == build.run()


def test_a_run_is_never_written_over_another(tmp_path: Path) -> None:
    """The file must not exist."""
    (tmp_path / "run.jsonl").write_text("kept")
    with pytest.raises(FileExistsError):
        RunWriter(tmp_path / "run.jsonl")
    assert (tmp_path / "run.jsonl").read_text() == "kept"


def test_a_piece_of_a_line_after_the_footer_is_named(build: Builder, tmp_path: Path) -> None:
    """A footer ends the file, also where what follows has no line feed."""
    path = tmp_path / "run.jsonl"
    write(build.run(), path)
    path.write_bytes(path.read_bytes() + b'{"type"')
    with pytest.raises(MalformedRun) as caught:
        read_run(path)
    assert caught.value.line == 3
