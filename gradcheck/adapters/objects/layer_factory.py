"""Where layers come from: a function that makes them, or a single layer for all forwards."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from gradcheck.adapters.layer_error import attempt
from gradcheck.adapters.objects.layer_methods import BACKWARD, FORWARD, Method, find_method


@dataclass(frozen=True, kw_only=True)
class LayerFactory:
    """Where layers come from.

    Attributes
    ----------
    make : callable
    is_single : bool
        Whether there is one object for all forwards.
    label : str
    """

    make: Callable[[], Any]
    is_single: bool
    label: str

    @classmethod
    def of(cls, make: Any, backward: Method | None) -> LayerFactory:
        """Tell a layer from what makes layers."""
        if not isinstance(make, type) and _has_backward(make, backward):
            single = _copied(make)
            return cls(make=lambda: single, is_single=True, label=type(make).__name__)
        if not callable(make):
            raise TypeError(
                f"expected a layer with methods like {FORWARD[0]} and {BACKWARD[0]}, or a callable that returns one, "
                f"got {type(make).__name__}; say other names: forward='…', backward='…'"
            )
        label = getattr(make, "__name__", type(make).__name__).replace("<lambda>", "make")
        first = attempt(f"{label}()", make, "; it is called without arguments, to make a new layer for each forward")
        if first is None:
            raise TypeError(f"expected {label}() to return a layer, got None; is a return missing?")
        second = make()
        return cls(make=make, is_single=first is second, label=type(first).__name__)

    def spare(self) -> Any:
        """Return a layer to find things out with."""
        return _copied(self.make()) if self.is_single else self.make()


def _has_backward(thing: Any, given: Method | None) -> bool:
    if isinstance(given, str):
        return hasattr(thing, given)
    return find_method(thing, BACKWARD) is not None or (given is not None and not callable(thing))


def _copied(layer: Any) -> Any:
    """Return a copy of a layer; one that cannot be copied itself."""
    try:
        return copy.deepcopy(layer)
    except Exception:  # an open file, a lock, a compiled part: what cannot be copied is used as it is
        return layer
