"""Every record as plain data, and back, by the types that its fields declare.

JSON has no numbers that are not finite. They are written as the strings ``"nan"``, ``"inf"`` and ``"-inf"``, since a
gradient of NaN is evidence that ``null`` would lose; ``null`` says that a value does not exist.
"""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Mapping
from types import NoneType
from typing import Annotated, Any, Literal, NoReturn, TypeVar, get_args, get_origin

import numpy as np

from gradcheck.messages import did_you_mean
from gradcheck.records.field_types import UNIONS, Expected, field_types, required_fields, written_fields

T = TypeVar("T")

NOT_FINITE = ("nan", "inf", "-inf")
#: Single values, and what is expected where the type alone tells it.
_SINGLE = {
    str: Expected("a string"),
    bool: Expected("true or false"),
    int: Expected("a whole number"),
    float: Expected(f"a number or one of {', '.join(NOT_FINITE)}"),
}


def to_plain(value: Any) -> Any:
    """Return a record as what `json.dumps` takes without help.

    What JSON has no form for is written as its repr.

    Examples
    --------
    >>> to_plain({"shape": (2, 3), "error": float("inf")})
    {'shape': [2, 3], 'error': 'inf'}
    """
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return _record_to_plain(value)
    if value is None or isinstance(value, bool | str):
        return value
    if isinstance(value, np.bool_):
        return bool(value)
    if isinstance(value, int | np.integer):
        return int(value)
    if isinstance(value, float | np.floating):
        return float(value) if math.isfinite(value) else str(float(value))
    if isinstance(value, Mapping):
        return {str(name): to_plain(item) for name, item in value.items()}
    if isinstance(value, np.ndarray):
        return to_plain(value.tolist())
    if isinstance(value, tuple | list):
        return [to_plain(item) for item in value]
    if isinstance(value, frozenset):
        return [to_plain(item) for item in sorted(value, key=repr)]
    return repr(value)


def _record_to_plain(record: Any) -> dict[str, Any]:
    kind: type = type(record)
    values = ((field, getattr(record, field.name)) for field in written_fields(kind))
    return {
        field.name: to_plain(value) for field, value in values if value is not None or "sparse" not in field.metadata
    }


def from_plain(record: type[T], value: object, path: str = "$") -> T:
    """Return the record that plain data describe, as `to_plain` writes it.

    Sequences become tuples. Fields that the record does not have are ignored: a later version may write them.

    Raises
    ------
    ValueError
        If a field is missing or of the wrong type; the message names its path, what was expected there and what came.
    """
    return record(**_read_fields(record, value, path))


def _read_fields(record: type, value: object, path: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        _refuse(path, "an object", value)
    types, fields = field_types(record), {}
    for name in (field.name for field in written_fields(record)):
        if name in value:
            fields[name] = _read(types[name], value[name], f"{path}.{name}")
        elif name in required_fields(record):
            _refuse_without(name, record, value, path)
    return fields


def _read(hint: Any, value: Any, path: str, expected: Expected | None = None) -> Any:
    """Return a value of the type that a hint declares."""
    if hint is Any:
        return _read_data(value)
    if hint is object:
        return value
    if hint in _SINGLE:
        return _read_single(hint, expected, value, path)
    if dataclasses.is_dataclass(hint):
        return from_plain(hint, value, path)  # type: ignore[arg-type]
    origin, arguments = get_origin(hint), get_args(hint)
    if origin is Annotated:
        return _read(arguments[0], value, path, arguments[1])
    if origin in UNIONS:
        (inner,) = (argument for argument in arguments if argument is not NoneType)
        return None if value is None else _read(inner, value, path)
    if origin is Literal:
        return _read_word(arguments, expected, value, path)
    if issubclass(origin, Mapping):
        return _read_mapping(arguments[1], value, path)
    if not isinstance(value, list):
        _refuse(path, "an array", value)
    return origin(_read(arguments[0], item, f"{path}[{i}]") for i, item in enumerate(value))


def _read_mapping(hint: Any, value: Any, path: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        _refuse(path, "an object", value)
    return {name: _read(hint, item, f"{path}.{name}") for name, item in value.items()}


def _read_word(words: tuple[Any, ...], expected: Expected | None, value: Any, path: str) -> Any:
    if value not in words or isinstance(value, bool):
        _refuse(path, expected.words if expected else f"one of {', '.join(map(str, words))}", value)
    return value


def _read_single(kind: type, expected: Expected | None, value: Any, path: str) -> Any:
    if kind is float and expected is None and value in NOT_FINITE:
        return float(value)  # the three strings are Python's own names of these numbers
    expected = expected or _SINGLE[kind]
    fits = isinstance(value, int | float if kind is float else kind) and isinstance(value, bool) == (kind is bool)
    if not fits or (kind in (int, float) and not expected.least <= value <= expected.most):
        _refuse(path, expected.words, value)
    return kind(value)


def _read_data(value: Any) -> Any:
    """Return data of no declared type, with tuples for sequences and numbers for the names of those not finite."""
    if isinstance(value, dict):
        return {name: _read_data(item) for name, item in value.items()}
    if isinstance(value, list):
        return tuple(map(_read_data, value))
    return float(value) if isinstance(value, str) and value in NOT_FINITE else value


def _refuse(path: str, expected: str, value: object) -> NoReturn:
    shown = json.dumps(value, ensure_ascii=False, default=repr)
    shown = shown if len(shown) <= 60 else f"{shown[:60]}…"
    raise ValueError(f"expected {path} to be {expected}, got {shown}")


def _refuse_without(name: str, record: type, value: Mapping[str, object], path: str) -> NoReturn:
    """Refuse data without a field, which may be there under a name that is nearly right."""
    known = {field.name for field in written_fields(record)}
    near = (f"{other!r}{hint}" for other in value if other not in known and (hint := did_you_mean(other, [name])))
    came = next(near, ", ".join(value) or "no field")
    raise ValueError(f"expected {path} to have the field {name!r}, got {came}")
