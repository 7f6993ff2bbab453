"""The tape: what is taken down arrives at the judge as it was, however far behind it reads."""

from __future__ import annotations

import itertools
import os
from pathlib import Path
from threading import Event, Thread
from typing import Any

import gevent
import msgspec
import pytest

from loadgen.client.entries import MADE, OPENED, RECEIVED, SENT
from loadgen.client.timers import Timers
from loadgen.judging import segments
from loadgen.judging.judge import Judge, judge_all
from loadgen.judging.segments import HEAD_BYTES, TapeTooLong, Writer, read
from loadgen.judging.tape import FLUSH_S, MANY, JudgeTape
from specs.loader import load

JOIN = b'["1","1","task:1","phx_join",{}]'


def chunk(data: bytes) -> bytes:
    return len(data).to_bytes(HEAD_BYTES, "big") + data


def test_what_is_written_is_read_over_segments_and_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every chunk comes once and in order, and the disk keeps nothing of them."""
    monkeypatch.setattr(segments, "SEGMENT_BYTES", 100)
    written = [b"%d" % number * 30 for number in range(20)]
    writer = Writer(tmp_path)
    for data in written:
        writer.write(chunk(data))
    writer.close()
    assert len(list(tmp_path.iterdir())) > 3
    assert list(read(tmp_path, lambda: True)) == written
    assert list(tmp_path.iterdir()) == []


def test_a_reader_beside_the_writer_gets_everything(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A reader that is faster waits for more, until it is told that no more comes."""
    monkeypatch.setattr(segments, "SEGMENT_BYTES", 1_000)
    monkeypatch.setattr(segments, "PATIENCE_BYTES", 0)
    writer, over, got = Writer(tmp_path), Event(), []
    reader = Thread(target=lambda: got.extend(read(tmp_path, lambda: over.wait(0.0001))))
    reader.start()
    written = [b"%d" % number for number in range(2_000)]
    for data in written:
        writer.write(chunk(data))
    writer.close()
    over.set()
    reader.join(timeout=60)
    assert got == written


def test_a_reader_begins_at_the_end_or_when_much_stands_unread(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Beside the load nothing is read that can wait."""
    monkeypatch.setattr(segments, "SEGMENT_BYTES", 10)
    monkeypatch.setattr(segments, "PATIENCE_BYTES", 30)
    writer, looks = Writer(tmp_path), itertools.count()

    def is_over() -> bool:
        """Let one more segment stand there at each look, until enough do."""
        assert next(looks) < 2
        writer.write(chunk(b"0123456789"))
        return False

    chunks = read(tmp_path, is_over)
    assert next(chunks) == b"0123456789"
    assert next(looks) == 2
    writer.close()


def test_a_reader_begins_at_once_where_the_disk_is_short(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What waits would take the last of it, and nothing more could be taken down."""
    monkeypatch.setattr(segments, "SHORT_BYTES", 1 << 62)
    monkeypatch.setattr(segments, "SEGMENT_BYTES", 10)
    writer = Writer(tmp_path)
    writer.write(chunk(b"0123456789"))
    assert next(read(tmp_path, lambda: pytest.fail("it waits"))) == b"0123456789"
    writer.close()


def test_what_is_left_is_told(tmp_path: Path) -> None:
    """It is what stands on the disk; of a tape that is gone, nothing."""
    writer = Writer(tmp_path)
    writer.write(chunk(b"0123456789"))
    writer.close()
    assert segments.left_bytes(tmp_path) == HEAD_BYTES + 10
    assert segments.left_bytes(tmp_path / "gone") == 0


def test_a_judge_that_is_hurried_says_what_it_has_found(tmp_path: Path) -> None:
    """What is read until then is judged, and nobody waits for the rest."""

    class Asked(list[int]):
        """Somebody asks after the first chunk."""

        def __bool__(self) -> bool:
            self.append(1)
            return len(self) > 1

    writer = Writer(tmp_path)
    for _ in range(5):
        writer.write(chunk(msgspec.msgpack.encode([[6, "task:1"], [6, "task:2"]])))
    writer.close()
    judge = Judge(load())
    with Path(os.devnull).open("rb") as nothing, pytest.MonkeyPatch.context() as patch:
        patch.setattr("sys.stdin", nothing)
        assert judge_all(judge, tmp_path, Asked()) is None
    assert judge.facts == 2


def test_a_chunk_that_is_cut_off_is_not_read(tmp_path: Path) -> None:
    """What a writer that was killed has begun is no chunk."""
    writer = Writer(tmp_path)
    writer.write(chunk(b"whole"))
    writer.close()
    with (tmp_path / "0").open("ab") as file:
        file.write((9).to_bytes(HEAD_BYTES, "big") + b"half")
    assert list(read(tmp_path, lambda: True)) == [b"whole"]


@pytest.mark.parametrize("limit", ["LONGEST_BYTES", "LEAST_FREE_BYTES"])
def test_what_stands_unread_has_a_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit: str) -> None:
    """A reader too far behind, or a disk too full, ends the tape before it takes what others need."""
    monkeypatch.setattr(segments, "SEGMENT_BYTES", 10)
    monkeypatch.setattr(segments, limit, 25 if limit == "LONGEST_BYTES" else 1 << 62)
    writer = Writer(tmp_path)
    for _ in range(2 if limit == "LONGEST_BYTES" else 0):
        writer.write(chunk(b"0123456789"))
    with pytest.raises(TapeTooLong, match="keep up" if limit == "LONGEST_BYTES" else "MiB are free"):
        writer.write(chunk(b"0123456789"))
    writer.close()


def taken(fault: OSError | None, monkeypatch: pytest.MonkeyPatch) -> tuple[JudgeTape, dict[str, Any]]:
    tape = JudgeTape(Timers(), None)
    if fault is not None:

        def refuse(_chunks: bytearray) -> None:
            raise fault

        monkeypatch.setattr(tape._writer, "write", refuse)
    tape.note((MADE, "task:1", {"client": "agent-1"}, {}))
    tape.note((OPENED, 1, "agent-1"))
    for at_us in itertools.islice(itertools.count(1), 300):
        tape.note((SENT, 1, at_us, JOIN))
    return tape, tape.verdict()


def test_everything_is_judged_and_nothing_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    """The verdict counts what was taken down, and the folder is gone."""
    tape, said = taken(None, monkeypatch)
    assert (said["facts"], said["is_complete"], said["findings"]) == (302, True, [])
    assert not Path(tape._folder.name).exists()


def test_a_full_disk_ends_judging_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """A history with holes judges nobody, and is told of."""
    _, said = taken(OSError(28, "No space left on device"), monkeypatch)
    assert not said["is_complete"]
    assert said["fault"] == (
        "judging stopped after 0 messages: the tape could not be written: No space left on device"
    )


def test_what_is_no_data_ends_judging_and_says_so() -> None:
    """A scenario of a user may make a resource with anything; nothing else is harmed by that."""
    tape = JudgeTape(Timers(), None)
    tape.note((MADE, "task:1", {}, {"amount": object()}))
    gevent.sleep(2 * FLUSH_S)
    tape.note((OPENED, 1, "agent-1"))
    said = tape.verdict()
    assert said["fault"].startswith("judging stopped after 0 messages: something could not be written down: ")


@pytest.mark.parametrize("count", [1, MANY - 1, MANY, 10 * MANY])
def test_what_is_noted_is_on_the_disk_soon(tmp_path: Path, count: int) -> None:
    """Entries keep their order over batches, few or many, and wait for no end."""
    tape = JudgeTape(Timers(), None)
    tape._writer.close()
    tape._writer = Writer(tmp_path)
    expected = [[RECEIVED, number, 1 << 50, JOIN] for number in range(count)]
    for number in range(count):
        tape.note((RECEIVED, number, 1 << 50, JOIN))
        if not number % 100:
            gevent.sleep(0)
    with gevent.Timeout(20):
        while tape._entries or tape._packed:
            gevent.sleep(0.005)
    tape.verdict()
    read_back = [entry for packed in read(tmp_path, lambda: True) for entry in msgspec.msgpack.decode(packed)]
    assert read_back == expected
