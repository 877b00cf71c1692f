"""A copy of a function with everything it holds, as it was at one time: what later calls leave behind is not in it."""

from __future__ import annotations

import io
import pickle
from collections.abc import Callable
from types import BuiltinFunctionType, CellType, CodeType, FunctionType, MappingProxyType, ModuleType
from typing import Any, TypeAlias

#: A function that holds more than this is not copied: the copy would cost more than it tells.
_MOST_BYTES = 2**24
#: What cannot change, or is meant to be one for all: used as it is.
_SHARED = (type, ModuleType, BuiltinFunctionType, CodeType, MappingProxyType)

AnyFunction: TypeAlias = Callable[..., Any]


class FreshCopy:
    """What a function holds, kept as it is now.

    Closures, default arguments and attributes are copied, modules and classes are not. A function that holds what
    cannot be copied (an open file, a lock), or too much, has no copy.

    Parameters
    ----------
    function : callable

    Examples
    --------
    >>> def counter():
    ...     calls = []
    ...     return lambda: calls.append(1) or len(calls)
    >>> count = counter()
    >>> kept = FreshCopy(count)
    >>> count(), count(), kept.make()()
    (1, 2, 1)
    """

    def __init__(self, function: AnyFunction) -> None:
        file = _LimitedFile()
        copier = _Copier(file)
        try:
            copier.dump(function)
        except Exception:  # whatever people's objects say when they are copied
            self._kept = None
        else:
            self._kept = file.getvalue(), copier.shared

    def make(self) -> AnyFunction | None:
        """Return a new copy of the function as it was; None where it has none."""
        if self._kept is None:
            return None
        data, shared = self._kept
        try:
            copied: AnyFunction = _Maker(io.BytesIO(data), shared).load()
        except Exception:
            return None
        return copied


class _LimitedFile(io.BytesIO):
    """A file in memory that refuses to grow too large."""

    def write(self, data: Any) -> int:
        if self.tell() + len(data) > _MOST_BYTES:
            raise MemoryError(f"expected at most {_MOST_BYTES} bytes")
        return super().write(data)


class _Copier(pickle.Pickler):
    """Writes what can change; what is shared is listed."""

    def __init__(self, file: io.BytesIO) -> None:
        super().__init__(file, pickle.HIGHEST_PROTOCOL)
        self.shared: list[Any] = []

    def persistent_id(self, thing: Any) -> int | None:
        if isinstance(thing, _Template):
            thing = thing.function
        elif not (isinstance(thing, _SHARED) or (isinstance(thing, FunctionType) and not _holds(thing))):
            return None
        self.shared.append(thing)
        return len(self.shared) - 1

    def reducer_override(self, thing: Any) -> Any:
        if isinstance(thing, FunctionType):
            state = thing.__closure__, thing.__defaults__, thing.__kwdefaults__, thing.__dict__
            return _function, (_Template(thing), *state)
        if isinstance(thing, CellType):
            return CellType, (), (thing.cell_contents,), None, None, _fill
        return NotImplemented


class _Maker(pickle.Unpickler):
    """Reads what was written."""

    def __init__(self, file: io.BytesIO, shared: list[Any]) -> None:
        super().__init__(file)
        self._shared = shared

    def persistent_load(self, position: Any) -> Any:
        return self._shared[position]


class _Template:
    """A function of which a copy takes the code and the globals."""

    def __init__(self, function: FunctionType) -> None:
        self.function = function


def _holds(function: FunctionType) -> bool:
    """Whether a function holds anything that can change."""
    return bool(function.__closure__ or function.__defaults__ or function.__kwdefaults__ or function.__dict__)


def _function(template: FunctionType, closure: Any, defaults: Any, kwdefaults: Any, attributes: Any) -> FunctionType:
    copied = FunctionType(template.__code__, template.__globals__, template.__name__, defaults, closure)
    copied.__kwdefaults__ = kwdefaults
    copied.__dict__.update(attributes)
    return copied


def _fill(cell: CellType, contents: tuple[Any]) -> None:
    (cell.cell_contents,) = contents
