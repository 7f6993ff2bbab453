"""Text that can be shown anywhere: no control characters, no surrogates, nothing that moves a cursor or reorders a line."""

from __future__ import annotations


def printable(text: str) -> str:
    r"""Replace every character that is not printable by its escape; line feeds and spaces stay.

    Idempotent. The result is legal in XML 1.0 and in UTF-8.

    Args:
        text: Any string, lone surrogates included.

    Returns:
        The text with `\xNN`, `\uNNNN` or `\UNNNNNNNN` in place of each such character.

    Example:
        >>> printable("a\x1b[31m b\ud800")
        'a\\x1b[31m b\\ud800'

    """
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() or c == "\n" else escaped(c) for c in text)


def escaped(character: str) -> str:
    r"""Write one character as `\xNN`, `\uNNNN` or `\UNNNNNNNN`, the shortest that holds its code point."""
    point = ord(character)
    if point <= 0xFF:
        return f"\\x{point:02x}"
    return f"\\u{point:04x}" if point <= 0xFFFF else f"\\U{point:08x}"


def one_line(text: str) -> str:
    r"""Make the text printable and show its line feeds as `\n`."""
    return printable(text).replace("\n", "\\n")


def elided(text: str, limit: int) -> str:
    """Cut the middle out of a text that is longer than `limit` characters, and say how much is gone.

    Args:
        text: Any string.
        limit: Characters kept, four fifths of them from the start.

    Returns:
        `text` itself, or its start and its end around `...[+N]...`, N being the characters cut out.

    Example:
        >>> elided("0123456789abcdefghij", 10)
        '01234567...[+10]...ij'

    """
    if len(text) <= limit:
        return text
    tail = limit // 5
    head = limit - tail
    return f"{text[:head]}...[+{len(text) - limit}]...{text[len(text) - tail :]}"
