"""Records of any kind as plain data, and back, by the types that their fields declare."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Mapping
from types import NoneType, UnionType
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

import numpy as np

T = TypeVar("T")

_NOT_FINITE = ("nan", "inf", "-inf")


def to_plain(value: Any) -> Any:
    """Return a record as what `json.dumps` takes without help.

    JSON has no numbers that are not finite: they are written as the strings ``"nan"``, ``"inf"`` and ``"-inf"``. What
    it has no form for is written as its repr.

    Examples
    --------
    >>> to_plain({"shape": (2, 3), "error": float("inf")})
    {'shape': [2, 3], 'error': 'inf'}
    """
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: to_plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if value is None or isinstance(value, bool | str):
        return value
    if isinstance(value, int | np.integer):
        return int(value)
    if isinstance(value, float | np.floating):
        return float(value) if math.isfinite(value) else str(float(value))
    if isinstance(value, Mapping):
        return {str(name): to_plain(item) for name, item in value.items()}
    if isinstance(value, tuple | list):
        return [to_plain(item) for item in value]
    return repr(value)


def from_plain(cls: type[T], value: object, path: str = "$") -> T:
    """Return the record of that class that plain data describe, as `to_plain` writes it.

    Raises
    ------
    ValueError
        If a field is missing, unknown or of the wrong type; the message names its path.
    """
    fields = {field.name for field in dataclasses.fields(cls)}  # type: ignore[arg-type]
    if not isinstance(value, dict):
        raise _wrong(path, "an object", value)
    if strange := sorted(fields ^ set(value)):
        raise ValueError(
            f"expected {path} to have the fields {', '.join(sorted(fields))}, got others ({', '.join(strange)})"
        )
    hints = get_type_hints(cls)
    return cls(**{name: _read(hints[name], value[name], f"{path}.{name}") for name in fields})


def to_json(data: Any) -> str:
    """Return plain data as JSON text, indented for reading."""
    return json.dumps(data, indent=2, ensure_ascii=False, allow_nan=False)


def _read(hint: Any, value: Any, path: str) -> Any:
    origin, arguments = get_origin(hint), get_args(hint)
    if origin in (Union, UnionType):
        (inner,) = (argument for argument in arguments if argument is not NoneType)
        return None if value is None else _read(inner, value, path)
    if origin is Literal:
        if value not in arguments:
            raise _wrong(path, f"one of {', '.join(arguments)}", value)
        return value
    if origin is tuple:
        if not isinstance(value, list):
            raise _wrong(path, "a list", value)
        return tuple(_read(arguments[0], item, f"{path}[{k}]") for k, item in enumerate(value))
    if origin is not None and issubclass(origin, Mapping):
        if not isinstance(value, dict):
            raise _wrong(path, "an object", value)
        return {name: _read(arguments[1], item, f"{path}.{name}") for name, item in value.items()}
    if dataclasses.is_dataclass(hint):
        return from_plain(hint, value, path)  # type: ignore[arg-type]
    return _read_single(hint, value, path)


def _read_single(hint: Any, value: Any, path: str) -> Any:
    if hint is Any:
        return tuple(_read(Any, item, path) for item in value) if isinstance(value, list) else value
    if hint is float and value in _NOT_FINITE:
        return float(value)
    if hint is float and isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    if type(value) is not hint:
        raise _wrong(path, {str: "a string", bool: "true or false"}.get(hint, "a number"), value)
    return value


def _wrong(path: str, expected: str, value: object) -> ValueError:
    return ValueError(f"expected {path} to be {expected}, got {value!r}")
