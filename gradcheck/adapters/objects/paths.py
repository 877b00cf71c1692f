"""Places inside an object: ``W``, ``params['W']``, ``W.grad``, ``grads[0]``, ``layers[0].W``, ``gradients()['W']``."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from types import FunctionType, MethodType, ModuleType
from typing import Any

import numpy as np

from gradcheck.messages import did_you_mean
from gradcheck.subject import Array

#: What `Path.get` returns where there is nothing.
MISSING = object()
_STEP = re.compile(r"\.?([A-Za-z_]\w*)|\[\s*(-?\d+|'[^']*'|\"[^\"]*\")\s*\]|(\(\))")
#: How deep, and how far along a list, places are looked for.
_DEPTH, _LENGTH = 4, 64
_LEAVES = (
    str,
    bytes,
    type,
    ModuleType,
    FunctionType,
    MethodType,
    np.ndarray,
    np.generic,
    np.dtype,
    int,
    float,
    complex,
)


@dataclass(frozen=True)
class Step:
    """One step of a path.

    Attributes
    ----------
    kind : {"attribute", "item", "call"}
    key : str or int
    """

    kind: str
    key: Any = ""

    def __str__(self) -> str:
        return {"attribute": f".{self.key}", "item": f"[{self.key!r}]", "call": "()"}[self.kind]


@dataclass(frozen=True)
class Path:
    """A place inside an object, as one would write it in Python after ``layer.``.

    Attributes
    ----------
    steps : tuple of Step

    Examples
    --------
    >>> from types import SimpleNamespace
    >>> layer = SimpleNamespace(params={"W": [1.0, 2.0]})
    >>> Path.parse("params['W'][1]").get(layer)
    2.0
    """

    steps: tuple[Step, ...]

    @classmethod
    def parse(cls, text: str) -> Path:
        """Read a path.

        Raises
        ------
        TypeError, ValueError
            If `text` is none.
        """
        if not isinstance(text, str):
            raise TypeError(f"expected a path such as \"params['W']\", got {text!r} ({type(text).__name__})")
        steps, position = [], 0
        while position < len(text):
            found = _STEP.match(text, position)
            if found is None:
                break
            name, key, _ = found.groups()
            steps.append(
                Step("attribute", name) if name else Step("item", ast.literal_eval(key)) if key else Step("call")
            )
            position = found.end()
        if not steps or position < len(text):
            raise ValueError(f"expected a path such as 'W', \"params['W']\", 'W.grad' or 'grads[0]', got {text!r}")
        return cls(tuple(steps))

    def __str__(self) -> str:
        return "".join(map(str, self.steps)).removeprefix(".")

    def get(self, root: Any) -> Any:
        """Return what is there, or `MISSING`."""
        value = root
        for step in self.steps:
            try:
                if step.kind == "attribute":
                    value = getattr(value, step.key)
                elif step.kind == "item":
                    value = value[step.key]
                else:
                    value = value()
            except (AttributeError, LookupError, TypeError):
                return MISSING
        return value

    def set(self, root: Any, value: Array) -> None:
        """Put an array there, and wherever else the object holds the array that was there.

        Where that place cannot be assigned to, the array that is there is written into.

        Raises
        ------
        ValueError
            If there is no way to do so.
        """
        old = self.get(root)
        if isinstance(old, np.ndarray):
            _rebind(root, old, value)
            if self.get(root) is value:
                return
        with suppress(AttributeError, TypeError):
            self.assign(root, value)
        if self.get(root) is value:
            return
        if isinstance(old, np.ndarray) and old.shape == value.shape and old.flags.writeable:
            old[...] = value
        if not np.array_equal(self.get(root), value):
            raise ValueError(f"cannot put an array of shape {value.shape} into {self} of {type(root).__name__}")

    def assign(self, root: Any, value: Any) -> None:
        """Put something there; a tuple on the way is made anew."""
        owner, last = Path(self.steps[:-1]), self.steps[-1]
        container = owner.get(root)
        if last.kind == "attribute":
            setattr(container, last.key, value)
        elif isinstance(container, tuple):
            owner.assign(root, type(container)((*container[: last.key], value, *container[last.key + 1 :])))
        else:
            container[last.key] = value

    def then(self, step: Step) -> Path:
        """Return a place inside this one."""
        return Path((*self.steps, step))


def places(root: Any) -> Iterator[tuple[Path, Any]]:
    """Yield every place inside an object, attributes of its parts and entries of its containers among them.

    Nearer places come first; a part that is reached twice is looked into once.
    """
    seen = {id(root)}
    rows = [(Path(()), root)]
    for _ in range(_DEPTH):
        following = []
        for path, owner in rows:
            for step, value in _parts(owner):
                place = path.then(step)
                yield place, value
                if not isinstance(value, _LEAVES) and value is not None and id(value) not in seen:
                    seen.add(id(value))
                    following.append((place, value))
        rows = following


def _parts(owner: Any) -> Iterator[tuple[Step, Any]]:
    if isinstance(owner, Mapping):
        yield from ((Step("item", key), value) for key, value in owner.items() if isinstance(key, str | int))
    elif isinstance(owner, list | tuple):
        yield from ((Step("item", position), value) for position, value in enumerate(owner[:_LENGTH]))
    elif type(owner).__module__.partition(".")[0] not in ("numpy", "builtins"):
        for name in _names(owner):
            with suppress(Exception):  # a property may not be ready
                yield Step("attribute", name), getattr(owner, name)


def _names(owner: Any) -> list[str]:
    """Return the names of what an object holds: attributes, slots and properties."""
    names = dict.fromkeys(vars(owner)) if hasattr(owner, "__dict__") else {}
    for cls in type(owner).__mro__:
        slots = vars(cls).get("__slots__", ())
        names |= dict.fromkeys((slots,) if isinstance(slots, str) else slots)
        names |= {name: None for name, value in vars(cls).items() if isinstance(value, property)}
    return [name for name in names if not name.startswith("__")]


def _rebind(root: Any, old: Array, new: Array) -> None:
    """Put `new` wherever an object holds the very array `old`."""
    for path, value in list(places(root)):
        if value is old:
            with suppress(AttributeError, TypeError):
                path.assign(root, new)


def attribute_names(root: Any) -> str:
    """Return what an object holds, as a sentence lists it."""
    named = [str(path) for path, value in places(root) if isinstance(value, np.ndarray | float | np.floating)]
    others = [name for name in _names(root) if name not in named]
    return ", ".join((named + others)[:20]) or "nothing"


def suggestion(root: Any, text: str) -> str:
    """Return which place is near a path that leads nowhere, as the end of a sentence."""
    return did_you_mean(text, [str(path) for path, _ in places(root)])
