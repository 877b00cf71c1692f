"""What the fields of records may hold beyond their Python types, and how each field is written."""

from __future__ import annotations

import dataclasses
import sys
from dataclasses import dataclass
from functools import cache
from types import UnionType
from typing import Annotated, Any, Literal, TypeAlias, Union, get_type_hints

#: Beyond it a number is not finite.
LARGEST = sys.float_info.max


@dataclass(frozen=True)
class Expected:
    """The values that a field may hold.

    Attributes
    ----------
    words : str
        How a message names them.
    least, most : float
        Bounds of a number, both allowed.
    """

    words: str
    least: float = -LARGEST
    most: float = LARGEST


Count: TypeAlias = Annotated[int, Expected("a whole number from 0", 0)]
Positive: TypeAlias = Annotated[int, Expected("a whole number from 1", 1)]
Duration: TypeAlias = Annotated[float, Expected("a number from 0", 0)]
Share: TypeAlias = Annotated[float, Expected("a number from 0 to 1", 0, 1)]
#: The number of a schema.
SchemaOne: TypeAlias = Annotated[Literal[1], Expected("1, the only schema that this version reads")]

#: What ``X | None`` is at run time, which differs with X.
UNIONS = (Union, UnionType)

#: Metadata of a field: it came after schema 1, so that a reader takes the default where it is missing.
ADDED = {"added": True}
#: Metadata of a field: it is written after those without this mark, wherever the signature has it.
LAST = {"last": True}
#: Metadata of an added field that is only written where it is not None.
SPARSE = {"sparse": True, **ADDED}


@cache
def field_types(record: type) -> dict[str, Any]:
    """Return the types that the fields of a record declare, by name."""
    return get_type_hints(record, include_extras=True)


@cache
def written_fields(record: type) -> tuple[dataclasses.Field[Any], ...]:
    """Return the fields of a record in the order in which they are written."""
    return tuple(sorted(dataclasses.fields(record), key=lambda field: "last" in field.metadata))


def required_fields(record: type) -> list[str]:
    """Return the names of the fields that every file of schema 1 has."""
    return [field.name for field in written_fields(record) if "added" not in field.metadata]
