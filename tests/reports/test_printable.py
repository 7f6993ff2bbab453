from __future__ import annotations

from xml.etree import ElementTree as ET

from hypothesis import example, given
from hypothesis import strategies as st

from reports.printable import elided, escaped, one_line, printable


@given(st.text(st.characters()))
@example("\ud800\x00\uffff\x1b[2J\u202e")
def test_printable_text_survives_utf_8_and_xml(text: str) -> None:
    """Any string, made printable, can be written as UTF-8 and read back from XML unchanged."""
    element = ET.Element("a")
    element.text = printable(text)
    read = ET.fromstring(ET.tostring(element, encoding="utf-8"))  # noqa: S314 - our own text
    assert (read.text or "") == printable(text)


@given(st.text(st.characters()))
def test_making_text_printable_twice_changes_nothing_more(text: str) -> None:
    """`printable` is idempotent and leaves only printable characters and line feeds."""
    once = printable(text)
    assert printable(once) == once
    assert once.replace("\n", "").isprintable()


def test_escapes_have_the_shortest_form_that_holds_the_code_point() -> None:
    """Two, four or eight hexadecimal digits."""
    assert [escaped(c) for c in "\x1b\u202e\U000e0001"] == ["\\x1b", "\\u202e", "\\U000e0001"]


def test_one_line_has_no_line_feed() -> None:
    r"""A line feed is shown as `\n`."""
    assert one_line("a\nb\rc") == "a\\nb\\x0dc"


@given(st.text(), st.integers(1, 50))
def test_elided_text_keeps_start_and_end_and_says_how_much_is_gone(text: str, limit: int) -> None:
    """A text within the limit is untouched; a longer one keeps `limit` characters and the number cut."""
    shown = elided(text, limit)
    if len(text) <= limit:
        assert shown == text
    else:
        marker = f"...[+{len(text) - limit}]..."
        assert len(shown) == limit + len(marker)
        assert text.startswith(shown[: limit - limit // 5])
        assert text.endswith(shown[len(shown) - limit // 5 :] if limit // 5 else "")
        assert marker in shown
