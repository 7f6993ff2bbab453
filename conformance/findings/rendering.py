"""Writes scripts as Python: the text of a standalone file, or only its conversation."""

from __future__ import annotations

import ast
import textwrap
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from conformance.findings import standalone
from conformance.findings.scripting import Line
from conformance.findings.standalone.core import COULD_NOT_RUN
from conformance.findings.symbols import EXPRESSION, TEXT, names_in

WIDTH = 110
_INDENT = "    "
_PARTS = ("reading", "core", "forging", "low_level", "ending")
_FOREIGN = frozenset({"nacl", "websockets"})
_ALWAYS = frozenset({"reading", "core", "ending"})
_MISSING = (
    "except ImportError as missing:",
    f'{_INDENT}print(f"could not run: {{missing}}; it needs websockets and pynacl")',
    f"{_INDENT}sys.exit({COULD_NOT_RUN})",
)
"""How a file ends without what it needs: Python's own exit code would say that it reproduces."""


def code_of(value: Any) -> str:
    """Return the Python expression of a symbolic value, on one line."""
    if isinstance(value, Mapping) and set(value) == {TEXT}:
        return _text(value[TEXT])
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{_quoted(name)}: {code_of(member)}" for name, member in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(code_of, value)) + "]"
    return _quoted(value)


def _is_short(value: Any) -> bool:
    """Tell whether a value has no parts of its own."""
    return not isinstance(value, list) and (not isinstance(value, Mapping) or value.keys() == {TEXT})


def _quoted(value: Any) -> str:
    """Return a literal, a text in double quotes where they need no escape."""
    written = repr(value)
    return (
        f'"{written[1:-1]}"'
        if isinstance(value, str) and written[0] == "'" and '"' not in written
        else written
    )


def _text(parts: list[Any]) -> str:
    if len(parts) == 1 and isinstance(parts[0], Mapping):
        return str(parts[0][EXPRESSION])
    written = (f"{{{part[EXPRESSION]}}}" if isinstance(part, Mapping) else _literal(part) for part in parts)
    return 'f"' + "".join(written) + '"'


def _literal(text: str) -> str:
    escaped = text.encode("unicode_escape").decode("ascii").replace('"', '\\"')
    return escaped.replace("{", "{{").replace("}", "}}")


def _pretty(value: Any, before: int, depth: int) -> str:
    """Return an expression over several lines where one does not hold it."""
    line = code_of(value)
    is_text = isinstance(value, Mapping) and set(value) == {TEXT}
    if before + len(line) <= WIDTH or is_text or not isinstance(value, (Mapping, list)) or not value:
        return line
    inner, outer = _INDENT * (depth + 1), _INDENT * depth
    if isinstance(value, list) and all(_is_short(item) for item in value[:-1]):
        head = ", ".join(map(code_of, value[:-1]))
        rows = (
            [head, _pretty(value[-1], len(inner), depth + 1)]
            if head
            else [_pretty(value[-1], len(inner), depth + 1)]
        )
        return "[\n" + "".join(f"{inner}{row},\n" for row in rows) + outer + "]"
    if isinstance(value, list):
        rows = [_pretty(item, len(inner), depth + 1) for item in value]
        return "[\n" + "".join(f"{inner}{row},\n" for row in rows) + outer + "]"
    members = [(_quoted(name), member) for name, member in value.items()]
    rows = [f"{name}: {_pretty(member, len(inner) + len(name) + 2, depth + 1)}" for name, member in members]
    return "{\n" + "".join(f"{inner}{row},\n" for row in rows) + outer + "}"


def wanted(pattern: Mapping[str, Any]) -> str:
    """Return what is waited for as keyword arguments."""
    return ", ".join(f"{name}={code_of(value)}" for name, value in pattern.items())


def statements(lines: Iterable[Line], *, is_counted: bool = False) -> list[str]:
    """Return the statements of a script.

    Args:
        lines: The script.
        is_counted: Whether the endpoint is told before each step which one it is.

    """
    lines, written = list(lines), []
    used = {name for line in lines for name in names_in(line)}
    for number, line in enumerate(lines):
        if is_counted:
            written.append(f"endpoint.steps = {number}")
        written += _statement(line, used)
    return written


def _statement(line: Line, used: set[str]) -> list[str]:  # noqa: C901 - one branch for each kind of step
    name = line.get("as")
    match line["do"]:
        case "agent":
            given = "".join(f", {key}={code_of(value)}" for key, value in line["attributes"].items())
            return [f"{name} = endpoint.agent({_quoted(name)}{given})"]
        case "stranger":
            return [f"{name} = endpoint.keep({_quoted(name)}, Agent())"]
        case "unique":
            return [f"{name} = endpoint.unique({_quoted(name)}, {_quoted(line['prefix'])})"]
        case "resource":
            made = f"{_quoted(line['family'])}, {code_of(line['roles'])}, {code_of(line['params'])}"
            return [f"{name} = endpoint.resource({_quoted(name)}, {made})"]
        case "request":
            return _kept(line, f"endpoint.request({_quoted(line['event'])}, {code_of(line['payload'])})")
        case "sign":
            return _sign(line, used)
        case "connect":
            headers = f", {code_of(line['headers'])}" if line.get("headers") else ""
            return [f"{name} = endpoint.connect({_quoted(name)}, {code_of(line['target'])}{headers})"]
        case "ask":
            asked = f"{_quoted(line['method'])}, {code_of(line['target'])}, {code_of(line['headers'])}"
            return [f"{name} = ask(endpoint, {_quoted(name)}, {asked})"]
        case "wait":
            return _kept(line, f"{line['on']}.wait({wanted(line['for'])})")
        case "pause":
            return [f"time.sleep({line['seconds']})"]
        case "half_close" | "reset":
            return [f"{line['do']}({line['on']})"]
        case _:
            return [f"{line['on']}.{_sending(line)}"]


def _kept(line: Line, call: str) -> list[str]:
    """Return a call, and what is taken from what it returns."""
    kept = line.get("keep", [])
    paths = [", ".join(map(_quoted, one["path"])) for one in kept]
    if len(kept) == 1:
        return [f"{kept[0]['as']} = part({call}, {paths[0]})"]
    if not kept:
        return [call]
    return [
        f"came = {call}",
        *(f"{one['as']} = part(came, {path})" for one, path in zip(kept, paths, strict=True)),
    ]


def _sign(line: Line, used: set[str]) -> list[str]:
    data = line["data"]
    value = code_of(data["json"]) if "json" in data else f'{code_of(data["text"])}.encode("latin-1")'
    if line["data_as"] not in used:
        return [f"{line['as']} = {line['by']}.sign({value})"]
    return [f"{line['data_as']} = {value}", f"{line['as']} = {line['by']}.sign({line['data_as']})"]


def _sending(line: Line) -> str:
    match line["do"]:
        case "send":
            return f"send({_pretty(line['message'], len(line['on']) + 10, 0)})"
        case "text":
            return f"send_text({code_of(line['text'])})"
        case "binary":
            return f"send_text({_bytes(line['data'])})"
        case "binary push":
            fields = ", ".join(map(code_of, line["fields"]))
            return f"send_text(binary_push({fields}, {_bytes(line['data'])}))"
        case "bytes":
            frames = [_frame(frame) for frame in line.get("frames", ())]
            # A shorter script may have none of the frames any more.
            return f"send_bytes({' + '.join(frames) or _bytes(line.get('data', ''))})"
        case "ping":
            return f"ping({bytes.fromhex(line['data'])!r})"
        case _:
            return f"{line['do']}()"


def _frame(frame: Mapping[str, Any]) -> str:
    defaults = {"fin": True, "rsv": 0, "mask": True, "length": None}
    options = [
        f", {name}={frame[name]!r}" for name, usual in defaults.items() if frame.get(name, usual) != usual
    ]
    return f"ws_frame({frame['opcode']}, {_bytes(frame['data'])}{''.join(options)})"


def _bytes(data: Any) -> str:
    """Return bytes whose symbolic text has a character for each."""
    return repr(data.encode("latin-1")) if isinstance(data, str) else f'{code_of(data)}.encode("latin-1")'


def file_text(head: str, constants: Mapping[str, Any], body: Iterable[str], is_seen: str) -> str:
    """Return the text of a standalone file.

    Args:
        head: What it says of itself.
        constants: Arguments of `main` by name.
        body: The statements of the conversation.
        is_seen: The expression that tells whether the finding is seen again.

    """
    steps = textwrap.indent("\n".join([*body, f"return bool({is_seen})"]), _INDENT)
    called = "".join(f"{_INDENT * 2}{name}={_pretty(value, 12, 2)},\n" for name, value in constants.items())
    conversation = (
        f"def conversation(endpoint: Endpoint) -> bool:\n{steps}\n\n\n"
        f'if __name__ == "__main__":\n{_INDENT}main(\n{_INDENT * 2}conversation,\n{called}{_INDENT})\n'
    )
    imports, means = _means(conversation)
    quoted = head.replace("\\", "\\\\").replace('"""', "'''")
    return (
        f'#!/usr/bin/env python3\n"""{quoted}\n"""\n\nfrom __future__ import annotations\n\n{imports}\n\n'
        f"# The means are the same in every file of this kind; the conversation is at the end.\n\n{means}\n\n\n{conversation}"
    )


def _means(conversation: str) -> tuple[str, str]:
    """Return the imports and the text of the parts that a conversation needs."""
    called = {node.id for node in ast.walk(ast.parse(conversation)) if isinstance(node, ast.Name)}
    imports: dict[str, set[str]] = {}
    texts: list[str] = []
    for name in _PARTS:
        source = (Path(str(standalone.__file__)).parent / f"{name}.py").read_text(encoding="utf-8")
        tree = ast.parse(source)
        defined = {node.name for node in tree.body if isinstance(node, (ast.FunctionDef, ast.ClassDef))}
        if name not in _ALWAYS and not defined & called:
            continue
        heads = [node for node in tree.body if isinstance(node, (ast.Import, ast.ImportFrom))]
        _gather(imports, (node for node in heads if not _is_own(node)))
        texts.append("\n".join(source.splitlines()[heads[-1].end_lineno or 0 :]).strip("\n"))
    imports.pop("__future__", None)
    plain = [f"import {module}" for module, names in sorted(imports.items()) if not names]
    named = [
        f"from {module} import {', '.join(sorted(names))}"
        for module, names in sorted(imports.items())
        if names
    ]
    foreign = [line for line in named if line.split()[1].partition(".")[0] in _FOREIGN]
    own = [line for line in named if line not in foreign]
    guarded = ["try:", *(f"{_INDENT}{line}" for line in foreign), *_MISSING]
    return "\n".join([*plain, *own, "", *guarded]), "\n\n\n".join(texts)


def _gather(imports: dict[str, set[str]], nodes: Iterable[ast.Import | ast.ImportFrom]) -> None:
    """Add imports to those that there are, by module."""
    for node in nodes:
        if isinstance(node, ast.ImportFrom):
            imports.setdefault(node.module or "", set()).update(alias.name for alias in node.names)
        else:
            for alias in node.names:
                imports.setdefault(alias.name, set())


def _is_own(node: ast.Import | ast.ImportFrom) -> bool:
    return isinstance(node, ast.ImportFrom) and (node.module or "").startswith("conformance")
