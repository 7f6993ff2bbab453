"""The JSON Schema of finding files, made from their model: `python -m conformance.findings.schema` writes it anew."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from conformance.findings.finding_file import FORMAT, FindingFile

PATH = Path(__file__).parent / "schemas" / "finding.schema.json"


def schema() -> dict[str, Any]:
    """Return the schema of the present format."""
    made = FindingFile.model_json_schema(mode="serialization")
    whole = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": f"urn:wireproof:finding:{FORMAT}",
        **made,
    }
    # The end of a text is \z to pydantic, and $ to JSON Schema.
    known: dict[str, Any] = json.loads(json.dumps(whole).replace(r"\\z", "$"))
    return known


def main() -> None:
    """Write the schema to its place."""
    PATH.write_text(json.dumps(schema(), indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
