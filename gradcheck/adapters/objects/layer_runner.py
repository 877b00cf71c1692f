"""Runs a layer object: makes it, gives it its parameters, calls forward and backward, collects its gradients."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from gradcheck.adapters.kept_gradients import clear
from gradcheck.adapters.objects.gradient_sources import BackwardResult, GradientSource, Stored, Updated
from gradcheck.adapters.objects.layer_factory import LayerFactory
from gradcheck.adapters.objects.layer_methods import LayerMethods
from gradcheck.adapters.objects.named_places import as_shaped
from gradcheck.adapters.objects.object_options import ObjectOptions
from gradcheck.adapters.objects.paths import Path
from gradcheck.adapters.objects.recorder import Recorder
from gradcheck.adapters.returned_gradients import Results
from gradcheck.adapters.returned_values import as_tuple, leaves
from gradcheck.subject import Array, Arrays, Pullback, Trait

#: The learning rate, for cotangents of size 1: so large that rounding of the weights does not show in their steps.
_RATE = 2.0**20


def make_parameters(options: ObjectOptions, layer: Any, methods: LayerMethods, inputs: list[Array]) -> None:
    """Let a layer make its parameters."""
    if options.build is None:
        first_forward(options, layer, methods, inputs)
    elif callable(options.build):
        options.build(layer, *map(np.array, inputs[:1]))
    else:
        getattr(layer, options.build)(*(array.shape for array in inputs[:1]))


def first_forward(options: ObjectOptions, layer: Any, methods: LayerMethods, inputs: list[Array]) -> None:
    """Run forward for what it makes once; generators may be among that, so that none is reset."""
    arguments = [*map(np.array, inputs), *options.constants]
    replace(methods, seeds=()).run_forward(layer, arguments, trains=options.trains)


@dataclass(frozen=True, kw_only=True)
class LayerRunner:
    """All that is needed to run a layer.

    Attributes
    ----------
    factory : LayerFactory
    options : ObjectOptions
    methods : LayerMethods
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

    factory: LayerFactory
    options: ObjectOptions
    methods: LayerMethods
    params: dict[str, Path]
    is_lazy: bool
    sources: dict[str, GradientSource] = field(default_factory=dict)
    optimizers: tuple[Path, ...] = ()
    updates: bool = False
    adds: tuple[str, ...] = ()
    forwards: list[int] = field(default_factory=lambda: [0])

    def traits(self) -> list[Trait]:
        """Return what is to be known of the subject."""
        single = [Trait("last-forward-only")] if self.factory.is_single else []
        adds = [Trait("cleared", self.adds)] if self.adds else []
        scaled = [Trait("scaled", tuple(self.options.scale))] if self.options.scale else []
        return [*single, *adds, *scaled, *([Trait("stochastic")] if self.options.seed == "global" else [])]

    def vjp(self, arrays: Arrays) -> tuple[Any, Pullback]:
        """Return the outputs of a layer, and its backward."""
        layer, outputs = self.run(self.factory.make(), arrays, trains=self.options.trains)
        made_at = self.forwards[0]

        def pullback(cotangent: Any) -> Arrays:
            if self.factory.is_single and made_at != self.forwards[0]:
                raise RuntimeError(
                    f"this {self.factory.label} serves all forwards, and its cache belongs to a later one; hand "
                    f"from_object what makes layers, such as the class, and each forward has its own"
                )
            return self.pull(layer, arrays, cotangent)

        return outputs, pullback

    def forward(self, arrays: Arrays) -> Any:
        """Return the outputs of a layer."""
        return self.run(self.factory.make(), arrays, trains=self.options.trains)[1]

    def other_mode(self, arrays: Arrays) -> Any:
        """Return the outputs of a layer in its other mode."""
        return self.run(self.factory.make(), arrays, trains=not self.options.trains)[1]

    def run(self, layer: Any, arrays: Arrays, *, trains: bool) -> tuple[Any, Any]:
        """Put the parameters into a layer, and return it with its outputs."""
        self.forwards[0] += 1
        inputs = [arrays[name] for name in self.options.inputs]
        if self.is_lazy and not all(isinstance(path.get(layer), np.ndarray) for path in self.params.values()):
            make_parameters(self.options, layer, self.methods, inputs)
        if not self.methods.are_ready(layer):
            first_forward(self.options, layer, self.methods, inputs)
        recorder = Recorder(lambda: self.held(layer))
        for path in self.optimizers:
            path.assign(layer, recorder)
        self.load(layer, arrays)
        return layer, self.methods.run_forward(layer, [*inputs, *self.options.constants], trains=trains)

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
        places = [(name, source.path) for name, source in self.sources.items() if isinstance(source, Stored)]
        held = [(name, path, path.get(layer)) for name, path in places]
        return [(name, path, value) for name, path, value in held if isinstance(value, np.ndarray)]

    def pull(self, layer: Any, arrays: Arrays, cotangent: Any) -> dict[str, Any]:
        """Return the gradients of all primals."""
        after = self.run_backward(layer, cotangent)
        gradients = {name: self.sources[name].read(after) for name in arrays}
        if self.updates:
            self.load(layer, arrays)
        return {name: self.plain(name, gradient, arrays[name]) for name, gradient in gradients.items()}

    def plain(self, name: str, gradient: Any, primal: Array) -> Any:
        """Return a gradient in the shape of its primal, without the factor that was declared."""
        shaped = as_shaped(gradient, primal.shape)
        return shaped / shaped.dtype.type(self.options.scale[name]) if name in self.options.scale else shaped

    def run_backward(self, layer: Any, cotangent: Any) -> BackwardResult:
        """Run backward, and return what it left."""
        clear(kept for name, _, kept in self.kept(layer) if name in self.adds)
        rate, recorder = _rate(cotangent), None
        if self.optimizers:
            recorder = self.optimizers[0].get(layer)
            recorder.gradients.clear()
            recorder.rate = rate if any(isinstance(source, Updated) for source in self.sources.values()) else 0.0
        before = {name: np.array(array) for name, array in self.held(layer).items()}
        returned = self.methods.run_backward(layer, cotangent, rate)
        results = Results(
            what=f"backward of {type(layer).__name__}", values=dict(leaves(returned, splits_numbers=True))
        )
        return BackwardResult(
            layer=layer, returned=results, before=before, params=self.params, rate=rate, recorder=recorder
        )


def _rate(cotangent: Any) -> float:
    """Return a power of two that makes steps large beside the weights, however small the cotangent."""
    size = max(float(np.abs(array).max(initial=0.0)) for array in as_tuple(cotangent))
    return _RATE * 2.0 ** -math.frexp(size)[1] if size else 1.0
