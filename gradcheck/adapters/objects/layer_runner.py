"""A layer object at work: made, given its parameters, run forward and backward, its gradients collected."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from gradcheck.adapters.objects.gradient_sources import Aftermath, At, GradientSource, Updated, laid_out
from gradcheck.adapters.objects.layer_methods import BACKWARD, FORWARD, Calls, Method, attempt, find_method
from gradcheck.adapters.objects.parameter_places import as_shaped
from gradcheck.adapters.objects.paths import Path
from gradcheck.adapters.objects.recorder import Recorder
from gradcheck.subject import Array, Arrays, Pullback, Trait

#: The learning rate, for cotangents of size 1: so large that rounding of the weights does not show in their steps.
_RATE = 2.0**20


@dataclass(frozen=True)
class Wishes:
    """What the caller of `from_object` said."""

    inputs: tuple[str, ...]
    constants: tuple[Any, ...]
    params: dict[str, str]
    grads: dict[str, str]
    returns: Any
    methods: tuple[Method | None, Method | None]
    build: str | Callable[[Any, Any], Any] | None
    training: str | None
    evaluates: bool
    seed: str | Callable[[], Any] | None
    learning_rate: str | None
    optimizers: tuple[str, ...]
    accumulates: bool | None
    scale: dict[str, float]
    has_layout: bool


@dataclass(frozen=True)
class Source:
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
    def of(cls, make: Any, wishes: Wishes) -> Source:
        """Tell a layer from what makes layers."""
        if not isinstance(make, type) and _has_backward(make, wishes.methods[1]):
            single = copied(make)
            return cls(lambda: single, True, type(make).__name__)
        if not callable(make):
            raise TypeError(
                f"expected a layer with methods like {FORWARD[0]} and {BACKWARD[0]}, or a callable that returns one, "
                f"got {type(make).__name__}; other names can be told: forward='…', backward='…'"
            )
        label = getattr(make, "__name__", type(make).__name__).replace("<lambda>", "make")
        first = attempt(f"{label}()", make, "; it is called without arguments, to make a new layer for each forward")
        if first is None:
            raise TypeError(f"expected {label}() to return a layer, got None; is a return missing?")
        second = make()
        return cls(make, first is second, type(first).__name__)

    def spare(self) -> Any:
        """Return a layer to find things out with."""
        return copied(self.make()) if self.is_single else self.make()


def _has_backward(thing: Any, given: Method | None) -> bool:
    if isinstance(given, str):
        return hasattr(thing, given)
    return find_method(thing, BACKWARD) is not None or (given is not None and not callable(thing))


def copied(layer: Any) -> Any:
    """Return a copy of a layer; one that cannot be copied itself."""
    try:
        return copy.deepcopy(layer)
    except Exception:  # an open file, a lock, a compiled part: what cannot be copied is used as it is
        return layer


def make_parameters(wishes: Wishes, layer: Any, calls: Calls, inputs: list[Array]) -> None:
    """Let a layer make its parameters."""
    if wishes.build is None:
        first_forward(wishes, layer, calls, inputs)
    elif callable(wishes.build):
        wishes.build(layer, *map(np.array, inputs[:1]))
    else:
        getattr(layer, wishes.build)(*(array.shape for array in inputs[:1]))


def first_forward(wishes: Wishes, layer: Any, calls: Calls, inputs: list[Array]) -> None:
    """Run forward for what it makes once; generators may be among that, so that none is set back."""
    arguments = [*map(np.array, inputs), *wishes.constants]
    replace(calls, seeds=()).run_forward(layer, arguments, trains=not wishes.evaluates)


@dataclass(frozen=True)
class Wiring:
    """All that is needed to run a layer.

    Attributes
    ----------
    source : Source
    wishes : Wishes
    calls : Calls
    params : dict of str to Path
    sources : dict of str to GradientSource
    is_lazy : bool
        Whether a layer has its parameters after a first forward (or build) alone.
    optimizers : tuple of Path
        Places of optimizers that a recorder takes.
    updates : bool
        Whether backward changes the parameters.
    adds : tuple of str
        Primals whose gradients are added to what the layer holds.
    """

    source: Source
    wishes: Wishes
    calls: Calls
    params: dict[str, Path]
    is_lazy: bool
    sources: dict[str, GradientSource] = field(default_factory=dict)
    optimizers: tuple[Path, ...] = ()
    updates: bool = False
    adds: tuple[str, ...] = ()
    forwards: list[int] = field(default_factory=lambda: [0])

    def traits(self) -> list[Trait]:
        """Return what is to be known of the subject."""
        single = [Trait("last-forward-only")] if self.source.is_single else []
        adds = [Trait("cleared", self.adds)] if self.adds else []
        scaled = [Trait("scaled", tuple(self.wishes.scale))] if self.wishes.scale else []
        return [*single, *adds, *scaled, *([Trait("stochastic")] if self.wishes.seed == "global" else [])]

    def vjp(self, arrays: Arrays) -> tuple[Any, Pullback]:
        """Return the outputs of a layer, and its backward."""
        layer, outputs = self.run(self.source.make(), arrays, trains=not self.wishes.evaluates)
        made_at = self.forwards[0]

        def pullback(cotangent: Any) -> Arrays:
            if self.source.is_single and made_at != self.forwards[0]:
                raise RuntimeError(
                    f"this {self.source.label} serves all forwards, and its cache belongs to a later one; hand "
                    f"from_object what makes layers, such as the class, and each forward has its own"
                )
            return self.pull(layer, arrays, cotangent)

        return outputs, pullback

    def forward(self, arrays: Arrays) -> Any:
        """Return the outputs of a layer."""
        return self.run(self.source.make(), arrays, trains=not self.wishes.evaluates)[1]

    def other_mode(self, arrays: Arrays) -> Any:
        """Return the outputs of a layer in its other mode."""
        return self.run(self.source.make(), arrays, trains=self.wishes.evaluates)[1]

    def run(self, layer: Any, arrays: Arrays, *, trains: bool) -> tuple[Any, Any]:
        """Put the parameters into a layer, and return it with its outputs."""
        self.forwards[0] += 1
        inputs = [arrays[name] for name in self.wishes.inputs]
        if self.is_lazy and not all(isinstance(path.get(layer), np.ndarray) for path in self.params.values()):
            make_parameters(self.wishes, layer, self.calls, inputs)
        if not self.calls.are_ready(layer):
            first_forward(self.wishes, layer, self.calls, inputs)
        recorder = Recorder(lambda: self.held(layer))
        for path in self.optimizers:
            path.assign(layer, recorder)
        self.load(layer, arrays)
        return layer, self.calls.run_forward(layer, [*inputs, *self.wishes.constants], trains=trains)

    def held(self, layer: Any) -> dict[str, Array]:
        """Return the parameters that a layer holds."""
        return {name: path.get(layer) for name, path in self.params.items()}

    def load(self, layer: Any, arrays: Arrays) -> None:
        """Put the parameters into a layer: copies where it updates them, else the very arrays."""
        for name, path in self.params.items():
            array = np.array(arrays[name]) if self.updates else arrays[name]
            path.set(layer, as_shaped(array, np.shape(path.get(layer))))
        for name, path, kept in self.kept(layer):
            if kept.dtype != arrays[name].dtype:  # made for the parameters that were there
                path.set(layer, kept.astype(arrays[name].dtype))

    def kept(self, layer: Any) -> list[tuple[str, Path, Array]]:
        """Return the gradients that a layer holds, each with its primal and its place."""
        places = [(name, source.path) for name, source in self.sources.items() if isinstance(source, At)]
        held = [(name, path, path.get(layer)) for name, path in places]
        return [(name, path, value) for name, path, value in held if isinstance(value, np.ndarray)]

    def pull(self, layer: Any, arrays: Arrays, cotangent: Any) -> dict[str, Any]:
        """Return the gradients of all primals."""
        after = self.aftermath(layer, cotangent)
        gradients = {name: self.sources[name].read(after) for name in arrays}
        if self.updates:
            self.load(layer, arrays)
        return {name: self.plain(name, gradient, arrays[name]) for name, gradient in gradients.items()}

    def plain(self, name: str, gradient: Any, primal: Array) -> Any:
        """Return a gradient in the shape of its primal, without the factor that was declared."""
        shaped = as_shaped(gradient, primal.shape)
        return shaped / shaped.dtype.type(self.wishes.scale[name]) if name in self.wishes.scale else shaped

    def aftermath(self, layer: Any, cotangent: Any) -> Aftermath:
        """Run backward, and return what it left."""
        for name, _, kept in self.kept(layer):
            if name in self.adds:
                kept[...] = 0
        rate, recorder = _rate(cotangent), None
        if self.optimizers:
            recorder = self.optimizers[0].get(layer)
            recorder.gradients.clear()
            recorder.rate = rate if any(isinstance(source, Updated) for source in self.sources.values()) else 0.0
        before = {name: np.array(array) for name, array in self.held(layer).items()}
        returned = self.calls.run_backward(layer, cotangent, rate)
        return Aftermath(layer, laid_out(returned), before, self.params, rate, recorder)


def _rate(cotangent: Any) -> float:
    """Return a power of two that makes steps large beside the weights, however small the cotangent."""
    size = max(float(np.abs(array).max(initial=0.0)) for array in as_tuple(cotangent))
    return _RATE * 2.0 ** -math.frexp(size)[1] if size else 1.0


def as_tuple(outputs: Any) -> tuple[Any, ...]:
    return outputs if isinstance(outputs, tuple) else (outputs,)
