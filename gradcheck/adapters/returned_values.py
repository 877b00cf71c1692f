"""What somebody's code returns, in plain form: results in a row, numbers as arrays, outputs and their cotangents."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from numbers import Real
from typing import Any, TypeAlias

import numpy as np

from gradcheck.subject import Array

#: Keys and indices that lead to one of several nested results.
KeyPath: TypeAlias = tuple[Any, ...]


def leaves(result: Any, path: KeyPath = (), *, splits_numbers: bool = False) -> Iterator[tuple[KeyPath, Any]]:
    """Yield what nested tuples, lists and dicts hold, with the way to it.

    A list of numbers is an array, unless it is to be split like any other.
    """
    if isinstance(result, Mapping):
        for key, item in result.items():
            yield from leaves(item, (*path, key), splits_numbers=splits_numbers)
    elif isinstance(result, tuple) or (isinstance(result, list) and (splits_numbers or not _is_numbers(result))):
        for index, item in enumerate(result):
            yield from leaves(item, (*path, index), splits_numbers=splits_numbers)
    else:
        yield path, result


def follow(result: Any, path: KeyPath) -> Any:
    """Return what lies at the end of a path."""
    for step in path:
        result = result[step]
    return result


def as_array(value: Any, like: Array | None = None) -> Any:
    """Return Python numbers, and lists of them, as an array in the dtype of `like`; anything else as it is.

    What has a single entry gets the shape of `like`, if that has a single one too.
    """
    if isinstance(value, np.generic):
        value = np.asarray(value)
    elif not isinstance(value, bool) and (isinstance(value, Real) or _is_numbers(value)):
        value = np.asarray(value, dtype=np.float64 if like is None else like.dtype)
    if isinstance(value, np.ndarray) and like is not None and value.ndim == 0 and like.size == 1:
        return value.reshape(like.shape)
    return value


def as_outputs(value: Any) -> Any:
    """Return an output, or a tuple or list of several, as arrays."""
    if isinstance(value, tuple) or (isinstance(value, list) and not _is_numbers(value)):
        return tuple(as_array(item) for item in value)
    return as_array(value)


def as_tuple(outputs: Any) -> tuple[Any, ...]:
    """Return one output, or several, as a tuple."""
    return outputs if isinstance(outputs, tuple) else (outputs,)


def one_or_several(outputs: tuple[Any, ...]) -> Any:
    """Return a single output by itself, several as the tuple that they are."""
    return outputs if len(outputs) > 1 else outputs[0]


def trial_cotangent(outputs: Any) -> Any:
    """Return a cotangent in the form of the outputs, the same each time."""
    rng = np.random.default_rng(0)

    def one(output: Any) -> Any:
        array = np.asarray(output)
        dtype = array.dtype if array.dtype.kind == "f" else np.dtype(np.float64)
        return np.asarray(rng.uniform(0.5, 1.5, array.shape), dtype=dtype)

    cotangents = tuple(one(output) for output in as_tuple(outputs))
    return cotangents if isinstance(outputs, tuple) else cotangents[0]


def _is_numbers(value: Any) -> bool:
    """Whether a value is a list of numbers, or of such lists."""
    return (
        isinstance(value, list) and bool(value) and all(isinstance(item, Real) or _is_numbers(item) for item in value)
    )
