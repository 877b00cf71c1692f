"""Functions of JAX and autograd as their scripts list them: what is called, and what draws the arguments."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import cycle, islice, product
from typing import Any

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


def checked(adapter: Callable[..., Subject], functions: Mapping[str, Entry], script: str, case: str) -> Report:
    """Adapt the function of a case at a normal point and check it."""
    name, dtype, number = case.split("/")
    entry, draw = functions[name], Draw("normal", int(number))
    drawn = [argument(draw) for argument in entry.arguments]
    given = {
        key: array if array.dtype.kind == "i" else array.astype(dtype) for key, array in zip(NAMES, drawn, strict=False)
    }
    reproduce = f"python benchmarks/foreign/{script} --case '{case}'"
    return gradcheck.check(adapter(entry.call(), given, name=name, reproduce=reproduce), seed=int(number))
