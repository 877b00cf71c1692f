"""What the caller of `from_object` said."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from gradcheck.adapters.objects.layer_methods import Method


@dataclass(frozen=True, kw_only=True)
class ObjectOptions:
    """The arguments of `from_object`, in the form in which what it calls takes them."""

    inputs: tuple[str, ...]
    constants: tuple[Any, ...]
    params: dict[str, str]
    grads: dict[str, str]
    returns: Any
    methods: tuple[Method | None, Method | None]
    build: str | Callable[[Any, Any], Any] | None
    training: str | None
    trains: bool
    seed: str | Callable[[], Any] | None
    learning_rate: str | None
    optimizers: tuple[str, ...]
    accumulates: bool | None
    scale: dict[str, float]
    has_layout: bool
