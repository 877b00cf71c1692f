"""The JSON Schema of every document, made of the types of its fields and of what the docstrings say of them.

``python -m gradcheck.records.json_schema`` writes the files that are in the package anew.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping
from dataclasses import is_dataclass
from pathlib import Path
from types import NoneType
from typing import Annotated, Any, Literal, get_args, get_origin

from gradcheck.records.codec import NOT_FINITE
from gradcheck.records.document import Document
from gradcheck.records.field_types import LARGEST, UNIONS, Expected, field_types, required_fields, written_fields
from gradcheck.records.json_text import to_json
from gradcheck.records.run_record import RunRecord
from gradcheck.records.study_record import StudyRecord
from gradcheck.records.timing_record import TimingRecord

FOLDER = Path(__file__).parents[1] / "reports"
#: The documents, and the file in that folder that describes each.
DOCUMENTS: Mapping[str, type[Document]] = {
    "schema.json": RunRecord,
    "study_schema.json": StudyRecord,
    "timing_schema.json": TimingRecord,
}
_NUMBER = {
    "description": "A number; the strings stand for those that JSON has no form for.",
    "anyOf": [{"type": "number"}, {"enum": [*NOT_FINITE]}],
}
_SINGLE: Mapping[Any, dict[str, Any]] = {
    Any: {},
    str: {"type": "string"},
    bool: {"type": "boolean"},
    int: {"type": "integer"},
    float: {"$ref": "#/$defs/number"},
}


def schema_of(document: type[Document]) -> dict[str, Any]:
    """Return the JSON Schema of a document. It allows fields beyond those that it names, which readers ignore."""
    header, body = _object(document.header), _object(document)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": f"{body['description'].removesuffix('.')}, schema 1",
        "description": "A value that does not exist is null; a number that is not finite is a string.",
        "type": "object",
        "required": header["required"] + body["required"],
        "properties": header["properties"] | body["properties"],
        "$defs": {"number": _NUMBER, **{record.__name__: _object(record) for record in records_in(document)}},
    }


def schema_text(document: type[Document]) -> str:
    """Return the file that describes a document."""
    return to_json(schema_of(document)) + "\n"


def records_in(record: type) -> list[type]:
    """Return the records that a record holds, each once."""
    types = field_types(record)
    return list(dict.fromkeys(inner for field in written_fields(record) for inner in _records_of(types[field.name])))


def _records_of(hint: Any) -> Iterator[type]:
    if isinstance(hint, type) and is_dataclass(hint):
        yield hint
        yield from records_in(hint)
    for argument in get_args(hint):
        yield from _records_of(argument)


def _object(record: type) -> dict[str, Any]:
    types, words = field_types(record), field_descriptions(record)
    return {
        "description": _summary(record),
        "type": "object",
        "required": required_fields(record),
        "properties": {
            field.name: {**_described(words[field.name]), **_value(types[field.name])}
            for field in written_fields(record)
        },
    }


def _value(hint: Any) -> dict[str, Any]:
    """Return the schema of the values of a type."""
    if hint in _SINGLE:
        return _SINGLE[hint]
    if is_dataclass(hint):
        return {"$ref": f"#/$defs/{hint.__name__}"}  # type: ignore[union-attr]
    origin, arguments = get_origin(hint), get_args(hint)
    if origin is Annotated:
        return _bounded(*arguments)
    if origin in UNIONS:
        return {"anyOf": [{"type": "null"} if one is NoneType else _value(one) for one in arguments]}
    if origin is Literal:
        return {"enum": [*arguments]}
    if issubclass(origin, Mapping):
        return {"type": "object", "additionalProperties": _value(arguments[1])}
    return {"type": "array", "items": _value(arguments[0])}


def _bounded(hint: Any, expected: Expected) -> dict[str, Any]:
    least = {"minimum": expected.least} if expected.least > -LARGEST else {}
    most = {"maximum": expected.most} if expected.most < LARGEST else {}
    return {**({"type": "number"} if hint is float else _value(hint)), **least, **most}


def field_descriptions(record: type) -> dict[str, str]:
    """Return what the section Attributes of a docstring says of each name that it lists."""
    found: dict[str, str] = {}
    names: list[str] = []
    for line in _docstring(record).partition("Attributes\n----------\n")[2].splitlines():
        if not line.startswith(" "):
            names = line.partition(" : ")[0].split(", ")
        found |= {name: f"{found[name]} {line.strip()}".strip() if name in found else "" for name in names}
    return found


def _summary(record: type) -> str:
    return " ".join(_docstring(record).partition("\n\n")[0].split())


def _docstring(record: type) -> str:
    """Return a docstring in the words of JSON."""
    return (inspect.getdoc(record) or "").replace("``", "").replace("None", "null")


def _described(words: str) -> dict[str, str]:
    return {"description": words} if words else {}


if __name__ == "__main__":
    for name, document in DOCUMENTS.items():
        (FOLDER / name).write_text(schema_text(document), encoding="utf-8")
