"""Reads the documents of a protocol and turns them into the values of `model`.

All faults of all documents are collected and raised together, each with its file and JSON pointer.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

from specs import lint
from specs.build import build_api, build_limits
from specs.model import Api, Limit
from specs.validation import Validator

DOCUMENTS = Path(str(resources.files("specs"))) / "documents"
"""The documents of the Agrenting channels, as shipped."""

PHOENIX = DOCUMENTS / "phoenix"
"""The documents of Phoenix Channels itself; used where a folder describes no protocol of its own."""

LIMITS = "limits.json"
"""The shipped document of the limits; used where a folder has none of its own."""

MOST_SHOWN = 20
"""How many faults are shown: a folder that was mistaken for one of documents may have thousands."""

KINDS = ("api", "protocol", "socket", "topic", "requirements", "limits")


@dataclass(frozen=True, slots=True)
class DocumentFault:
    """One fault of one document."""

    file: str
    pointer: str | None
    """JSON pointer; None where there is no document to point into."""
    message: str

    def __str__(self) -> str:
        """Return `file#pointer: message`; without the pointer where there is no document."""
        where = self.file if self.pointer is None else f"{self.file}#{self.pointer}"
        return f"{where}: {self.message}"


class DocumentsInvalid(ValueError):
    """The documents cannot be used; `faults` lists everything that is wrong with them, `lines` what of it is shown."""

    def __init__(self, faults: list[DocumentFault]) -> None:
        self.faults = faults
        self.lines = [str(fault) for fault in faults[:MOST_SHOWN]]
        if len(faults) > MOST_SHOWN:
            self.lines.append(f"and {len(faults) - MOST_SHOWN} more of {len(faults)} faults")
        super().__init__("\n".join(self.lines))


@cache
def _schema(kind: str) -> Validator:
    path = Path(str(resources.files("specs"))) / "schemas" / f"{kind}.schema.json"
    return Validator(json.loads(path.read_text(encoding="utf-8")))


def load(directory: Path | None = None) -> Api:
    """Load a folder of documents.

    Args:
        directory: Folder that holds `*.json` documents at any depth; the shipped ones when None. A folder without a
            document of kind `protocol` is about topics on Phoenix Channels, and gets the shipped documents of that;
            one without a document of kind `limits` gets the shipped limits.

    Returns:
        The protocol.

    Raises:
        DocumentsInvalid: If the folder is missing or empty, or any document is faulty.

    """
    root = DOCUMENTS if directory is None else directory
    documents, faults = _read(root)
    if documents and not _has(documents, "protocol"):
        phoenix, more = _read(PHOENIX)
        documents |= {f"phoenix/{name}": document for name, document in phoenix.items()}
        faults += more
    if documents and not _has(documents, "limits"):
        documents |= {f"shipped/{LIMITS}": _shipped_limits()}
    if not faults:
        faults = [DocumentFault(*fault) for fault in lint.faults(documents)]
    if faults:
        raise DocumentsInvalid(faults)
    return build_api(documents)


@cache
def shipped_limits() -> tuple[Limit, ...]:
    """Return the limits of the shipped documents, in their order."""
    return build_limits(_shipped_limits())


def _shipped_limits() -> dict[str, Any]:
    document: dict[str, Any] = json.loads((DOCUMENTS / LIMITS).read_text(encoding="utf-8"))
    return document


def _has(documents: Mapping[str, Any], kind: str) -> bool:
    return any(
        isinstance(document, Mapping) and document.get("kind") == kind for document in documents.values()
    )


def _read(root: Path) -> tuple[dict[str, dict[str, Any]], list[DocumentFault]]:
    paths = sorted(root.rglob("*.json")) if root.is_dir() else []
    if not paths:
        return {}, [DocumentFault(str(root), None, "no such folder, or no JSON document in it")]
    documents: dict[str, dict[str, Any]] = {}
    faults: list[DocumentFault] = []
    for path in paths:
        name = path.relative_to(root).as_posix()
        try:
            document = json.loads(path.read_text(encoding="utf-8"), object_pairs_hook=_unique_members)
        except (ValueError, OSError, RecursionError) as exc:
            faults.append(DocumentFault(name, "", f"not readable as JSON: {exc}"))
            continue
        faults += _faults_of(name, document)
        documents[name] = document
    return documents, faults


def _unique_members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        names = [name for name, _ in pairs]
        twice = sorted({name for name in names if names.count(name) > 1})
        raise ValueError(f"member given twice: {', '.join(twice)}")
    return members


def _faults_of(name: str, document: Any) -> Iterator[DocumentFault]:
    kind = document.get("kind") if isinstance(document, Mapping) else None
    if kind not in KINDS:
        yield DocumentFault(name, "/kind", f"must be one of {', '.join(KINDS)}")
        return
    for fault in _schema(kind).faults(document):
        yield DocumentFault(name, fault.pointer, fault.message)
