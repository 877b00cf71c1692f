"""Functions of JAX and autograd as their scripts list them: what is called, and what draws the arguments."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import cycle, islice, product
from typing import Any

import numpy as np
from own.drawing import Argument, Draw

import gradcheck
from gradcheck import Report, Subject

DTYPES = ("float64", "float32")
NAMES = ("x", "y", "z")


@dataclass(frozen=True, kw_only=True)
class Entry:
    """A function, what draws its arguments in their order, and options that it is always called with."""

    function: Callable[..., Any]
    arguments: Sequence[Argument]
    options: Mapping[str, Any] = field(default_factory=dict)

    def call(self) -> Callable[..., Any]:
        """Return the function with a signature that adapters can read."""
        match len(self.arguments):
            case 1:
                return lambda x: self.function(x, **self.options)
            case 2:
                return lambda x, y: self.function(x, y, **self.options)
            case _:
                return lambda x, y, z: self.function(x, y, z, **self.options)


def group(prefix: str, module: Any, names: str, *arguments: Argument, **options: Any) -> dict[str, Entry]:
    """Return functions of one module that take the same arguments, by their names."""
    return {
        f"{prefix}.{name}": Entry(function=getattr(module, name), arguments=arguments, options=options)
        for name in names.split()
    }


def single(name: str, function: Callable[..., Any], *arguments: Argument) -> dict[str, Entry]:
    """Return a function that is called in a way of its own."""
    return {name: Entry(function=function, arguments=arguments)}


def cases_of(names: Sequence[str], cases: int, seed: int) -> list[str]:
    """Return so many cases; all functions come before the dtype changes."""
    turns = cycle(product(DTYPES, names))
    return [f"{name}/{dtype}/{seed * 1_000_000 + number}" for number, (dtype, name) in enumerate(islice(turns, cases))]


def drawn(functions: Mapping[str, Entry], case: str) -> tuple[Entry, dict[str, Any]]:
    """Return the function of a case and its arguments, at a normal point."""
    name, dtype, number = case.split("/")
    entry, draw = functions[name], Draw("normal", int(number))
    arrays = [argument(draw) for argument in entry.arguments]
    return entry, {
        key: array if array.dtype.kind == "i" else array.astype(dtype)
        for key, array in zip(NAMES, arrays, strict=False)
    }


def checked(adapter: Callable[..., Subject], functions: Mapping[str, Entry], script: str, case: str) -> Report:
    """Adapt the function of a case and check it."""
    entry, given = drawn(functions, case)
    name, _, number = case.split("/")
    reproduce = f"python benchmarks/foreign/{script} --case '{case}'"
    return gradcheck.check(adapter(entry.call(), given, name=name, reproduce=reproduce), seed=int(number))


def disagreement(
    function: Callable[..., Any], arguments: Sequence[Any], place: int, gradient: Any, weights: Any
) -> float:
    """Return how far a gradient of Σ weights · function is from plain differences, relative to the larger of both.

    A second method: central differences, entry by entry, with two steps, extrapolated.
    """

    def moved(entry: tuple[int, ...], step: float) -> float:
        array = np.array(arguments[place])
        array[entry] += step
        return float((weights * function(*arguments[:place], array, *arguments[place + 1 :])).sum())

    differences = np.zeros(arguments[place].shape)
    for entry in np.ndindex(differences.shape):
        slopes = [(moved(entry, step) - moved(entry, -step)) / (2 * step) for step in (1e-4, 5e-5)]
        differences[entry] = (4 * slopes[1] - slopes[0]) / 3
    scale = max(np.abs(differences).max(), np.abs(gradient).max()) or 1.0
    return float(np.abs(gradient - differences).max() / scale)
