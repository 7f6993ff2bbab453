"""A program that answers lines: what goes back and forth, and how its failures are told."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from conformance.faults import ConfigurationFaulty
from conformance.provisioning.program import Program, ProgramFailed

PATIENT_S = 60.0
ECHO = "import sys\nfor line in sys.stdin: print(line.strip()[::-1], flush=True)"


@pytest.fixture
def started(tmp_path: Path) -> Iterator[Callable[[str], Program]]:
    """Start a program of some lines of Python; it is ended after the test."""
    with ExitStack() as stack:

        def start(code: str) -> Program:
            program = Program([sys.executable, "-c", code], tmp_path)
            stack.callback(program.close)
            return program

        yield start


def test_a_line_is_answered_by_a_line(started: Callable[[str], Program]) -> None:
    """One after the other, in order."""
    program = started(ECHO)
    assert [program.ask(line, PATIENT_S) for line in (b"abc", b"", b"xyz")] == [b"cba", b"", b"zyx"]


def test_two_answers_at_once_are_kept_apart(started: Callable[[str], Program]) -> None:
    """What was written too early is the next answer."""
    program = started("import sys\nsys.stdin.readline()\nprint('one\\ntwo', flush=True)\nsys.stdin.read()")
    assert [program.ask(b"?", PATIENT_S), program.ask(b"?", PATIENT_S)] == [b"one", b"two"]


def test_a_program_runs_beside_the_endpoint_file(tmp_path: Path) -> None:
    """Its folder is that of the file, and a program that lies there is found."""
    script = tmp_path / "make"
    script.write_text(f"#!{sys.executable}\nimport os\nprint(os.getcwd(), flush=True)\ninput()\ninput()\n")
    script.chmod(0o700)
    program = Program(["make"], tmp_path)
    try:
        assert Path(program.ask(b"", PATIENT_S).decode()).samefile(tmp_path)
    finally:
        program.close()


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("raise SystemExit(3)", "has ended with code 3"),
        ("import sys; sys.stdin.readline(); sys.exit('no such tenant')", "ended with code 1: no such tenant"),
        ("import sys; sys.stdin.readline(); print('half', end='')", "has ended with code 0"),
        ("print('x' * 2_000_000, end='', flush=True); input(); input()", "a line of more than 1000000 bytes"),
    ],
)
def test_a_program_that_fails_says_how(started: Callable[[str], Program], code: str, said: str) -> None:
    """With its exit code, and what it wrote to standard error last."""
    with pytest.raises(ProgramFailed, match=said) as caught:
        started(code).ask(b"?", PATIENT_S)
    assert "\n" not in str(caught.value)


def test_a_program_that_does_not_answer_is_not_waited_for(started: Callable[[str], Program]) -> None:
    """After the time-out the wait is over."""
    with pytest.raises(ProgramFailed, match=r"does not answer within 0\.2 s"):
        started("input(); input()").ask(b"?", 0.2)


def test_what_cannot_be_started_is_a_matter_of_configuration(tmp_path: Path) -> None:
    """One line with the name."""
    with pytest.raises(ConfigurationFaulty, match=r"provisioner\.argv: no-such-program: No such file"):
        Program(["no-such-program"], tmp_path)
