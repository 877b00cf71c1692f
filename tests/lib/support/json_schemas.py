"""The JSON Schemas in the package, as they are and as strict as they can be."""

from __future__ import annotations

import json
from importlib.resources import files
from typing import Any


def packaged(name: str) -> dict[str, Any]:
    """Return a schema of the package."""
    schema: dict[str, Any] = json.loads(files("gradcheck.reports").joinpath(name).read_text(encoding="utf-8"))
    return schema


def closed(schema: Any) -> Any:
    """Return a schema that refuses fields that it does not name: what this version writes has no others."""
    if isinstance(schema, list):
        return [closed(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    strict = {name: closed(value) for name, value in schema.items()}
    return {**strict, "additionalProperties": False} if isinstance(schema.get("required"), list) else strict
