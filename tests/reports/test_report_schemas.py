"""The JSON Schemas in the package are those of the records, and describe what is written, no less and no more."""

from __future__ import annotations

import json
from typing import Any

import jsonschema
import pytest
from support.html_reports import study_report, timing_report, verify_report
from support.json_schemas import closed, packaged

from gradcheck.records.document import Document
from gradcheck.records.field_types import field_types
from gradcheck.records.json_schema import DOCUMENTS, FOLDER, field_descriptions, records_in, schema_of, schema_text

WRITTEN = {"schema.json": verify_report, "study_schema.json": study_report, "timing_schema.json": timing_report}


@pytest.mark.parametrize("name", DOCUMENTS)
def test_the_file_in_the_package_is_that_of_the_records(name: str) -> None:
    text = (FOLDER / name).read_text(encoding="utf-8")
    assert text == schema_text(DOCUMENTS[name]), "run python -m gradcheck.records.json_schema"


@pytest.mark.parametrize("name", DOCUMENTS)
def test_a_schema_is_valid_and_describes_what_is_written(name: str) -> None:
    schema, data = packaged(name), json.loads(WRITTEN[name]().to_json())

    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.validate(data, schema, jsonschema.Draft202012Validator)
    jsonschema.validate(data, closed(schema), jsonschema.Draft202012Validator)


@pytest.mark.parametrize("name", DOCUMENTS)
def test_every_wrong_type_is_seen(name: str) -> None:
    """Whatever is replaced by what it cannot be, the schema refuses and so does the reader."""
    document, text = type(WRITTEN[name]()), json.dumps(_trimmed(WRITTEN[name]().to_dict()))
    validator = jsonschema.Draft202012Validator(packaged(name))
    document.from_dict(json.loads(text))
    for path in _paths(json.loads(text)):
        data = json.loads(text)
        place = data
        for step in path[:-1]:
            place = place[step]
        place[path[-1]] = [{}] if isinstance(place[path[-1]], dict) else {"a": [{}]}
        assert not validator.is_valid(data), path
        with pytest.raises(ValueError, match=r"^expected \$"):
            document.from_dict(data)


def _trimmed(data: Any) -> Any:
    """Return plain data with two items of each array, which is as much as a test of types needs."""
    if isinstance(data, dict):
        return {name: _trimmed(item) for name, item in data.items()}
    return [_trimmed(item) for item in data[:2]] if isinstance(data, list) else data


def _paths(data: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Return the way to every value of a declared type."""
    items = data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ()
    inside = [(name, item) for name, item in items if "config" not in path]
    return [found for name, item in inside for found in ((*path, name), *_paths(item, (*path, name)))]


@pytest.mark.parametrize("document", DOCUMENTS.values())
def test_docstrings_describe_fields_that_there_are(document: type[Document]) -> None:
    for record in (document.header, document, *records_in(document)):
        assert set(field_descriptions(record)) == set(field_types(record)) - {"header"}, record


def test_bounds_and_optional_fields_are_told() -> None:
    subject = schema_of(DOCUMENTS["schema.json"])["$defs"]["SubjectReport"]

    assert subject["properties"]["masked"].items() >= {"type": "number", "minimum": 0, "maximum": 1}.items()
    assert set(subject["properties"]) - set(subject["required"]) == {"canaries"}
