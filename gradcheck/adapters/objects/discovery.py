"""Finds out what the caller of `from_object` did not say, by a forward and backward of a layer beforehand."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from gradcheck.adapters.kept_gradients import is_added_to, is_assigned
from gradcheck.adapters.layer_error import attempt
from gradcheck.adapters.objects.gradient_sources import (
    BackwardResult,
    GradientSource,
    Recorded,
    Stored,
    Updated,
    attribute_sources,
    returned_sources,
)
from gradcheck.adapters.objects.layer_factory import LayerFactory
from gradcheck.adapters.objects.layer_methods import LayerMethods
from gradcheck.adapters.objects.layer_runner import LayerRunner, make_parameters
from gradcheck.adapters.objects.named_places import NotFoundError, as_shaped, find_parameters, no_gradient
from gradcheck.adapters.objects.object_options import ObjectOptions
from gradcheck.adapters.objects.paths import MISSING, Path, suggestion
from gradcheck.adapters.returned_values import as_tuple, trial_cotangent
from gradcheck.subject import Array

_OPTIMIZERS = ("optimizer", "opt", "optim", "optimiser")


def discover(factory: LayerFactory, primals: dict[str, Array], options: ObjectOptions) -> LayerRunner:
    """Find out what was not said, by a forward and backward of a layer that is not used again."""
    layer = factory.spare()
    methods = LayerMethods.of(layer, *options.methods, options.training, options.seed, options.learning_rate)
    params, is_lazy = _parameters(layer, methods, primals, options)
    optimizers = tuple(_optimizer(layer, path) for path in options.optimizers)
    runner = LayerRunner(
        factory=factory,
        options=options,
        methods=methods,
        params=params,
        is_lazy=is_lazy,
        optimizers=optimizers,
        updates=True,
    )
    after = _run(runner, primals)
    sources = _sources(after, primals, options)
    if not optimizers and methods.rate is None and (len(sources) < len(primals) or _moved(after)):
        runner = replace(runner, optimizers=_likely_optimizers(layer))
        after = _run(runner, primals) if runner.optimizers else after
    for name in primals:
        if name not in sources:
            sources[name] = _from_update(after, runner, name, primals)
    runner = replace(
        runner,
        methods=methods if methods.seeds else methods.with_generators_of(after.layer),
        sources=sources,
        updates=bool(runner.optimizers) or methods.rate is not None,
    )
    if runner.methods.seeds:
        after = _run(runner, primals)  # with the random numbers of any other call
    return replace(runner, adds=_additions(runner, after, primals))


def _moved(after: BackwardResult) -> bool:
    """Whether backward changed a parameter."""
    return not all(np.array_equal(after.before[name], path.get(after.layer)) for name, path in after.params.items())


def _likely_optimizers(layer: Any) -> tuple[Path, ...]:
    return tuple(Path.parse(path) for path in _OPTIMIZERS if Path.parse(path).get(layer) is not MISSING)


def _parameters(
    layer: Any, methods: LayerMethods, primals: dict[str, Array], options: ObjectOptions
) -> tuple[dict[str, Path], bool]:
    """Return where the parameters are, and whether a layer has to be built first."""
    wanted = {name: array.shape for name, array in primals.items() if name not in options.inputs}
    inputs = [np.array(primals[name]) for name in options.inputs]
    if options.build is None:
        try:
            return find_parameters(layer, wanted, options.params), False
        except NotFoundError:
            pass
    what = "build" if options.build else "forward"
    attempt(
        f"{what} of {type(layer).__name__}",
        lambda: make_parameters(options, layer, methods, inputs),
        *_hints(primals, options),
    )
    return find_parameters(layer, wanted, options.params), True


def _optimizer(layer: Any, text: str) -> Path:
    path = Path.parse(text)
    if path.get(layer) is MISSING:
        raise ValueError(f"{type(layer).__name__} has no {text!r}, got optimizer={text!r}{suggestion(layer, text)}")
    return path


def _run(runner: LayerRunner, primals: dict[str, Array], used: Any = None) -> BackwardResult:
    """Run forward and backward on a spare layer, or on a used one, and return what that left."""
    kind, hints = runner.factory.label, _hints(primals, runner.options)
    copies = {name: np.array(array) for name, array in primals.items()}
    layer, outputs = attempt(
        f"forward of {kind}",
        lambda: runner.run(runner.factory.spare() if used is None else used, copies, trains=runner.options.trains),
        *hints,
    )
    for output in as_tuple(outputs):
        _require_floating(kind, output)
    cotangent = trial_cotangent(outputs)
    after: BackwardResult = attempt(f"backward of {kind}", lambda: runner.run_backward(layer, cotangent), *hints)
    return after


def _require_floating(kind: str, output: Any) -> None:
    if np.asarray(output).dtype.kind != "f":
        raise TypeError(
            f"expected forward of {kind} to return arrays of floating dtype, got {type(output).__name__}; "
            f"take what is the output: forward=lambda layer, *inputs: layer.forward(*inputs)[0]"
        )


def _hints(primals: dict[str, Array], options: ObjectOptions) -> tuple[str, str]:
    """Return what to say where a layer raises, and what more where its arrays may not fit."""
    shapes = ", ".join(f"{name} {array.shape}" for name, array in primals.items())
    how = "; if it wants its axes in another order, say in which: layouts={'x': 'NHWC', …}"
    return f"; it was given {shapes}", "" if options.has_layout else how


def _sources(after: BackwardResult, primals: dict[str, Array], options: ObjectOptions) -> dict[str, GradientSource]:
    """Return which gradients are where; those that are nowhere are left out."""
    shapes = {name: array.shape for name, array in primals.items()}
    stated = {name: shape for name, shape in shapes.items() if name in options.grads}
    sources = attribute_sources(after, stated, options.grads)
    rest = {name: shape for name, shape in shapes.items() if name not in sources}
    sources |= returned_sources(after, rest, options.inputs, options.returns)
    rest = {name: shape for name, shape in rest.items() if name not in sources}
    return sources | attribute_sources(after, rest, {})


def _from_update(after: BackwardResult, runner: LayerRunner, name: str, primals: dict[str, Array]) -> GradientSource:
    """Return how the gradient of a parameter shows in what backward does with it."""
    if name not in after.params or (after.recorder is None and runner.methods.rate is None):
        raise no_gradient(after.layer, name, primals[name].shape)
    if after.recorder is None:
        return Updated(name=name)
    recorded = Recorded(name=name)
    if any(with_parameter == name for with_parameter, _ in after.recorder.gradients):
        return recorded
    # What came alone is the gradient if it is what the parameter is moved by; equal shapes prove nothing, nor does
    # one point: an error is moved by itself where it meets an input of 1.
    stepping = replace(runner, sources={name: Updated(name=name)})
    points = primals, {key: 1.25 * array for key, array in primals.items()}
    return recorded if all(_is_step(name, _run(stepping, point)) for point in points) else Updated(name=name)


def _is_step(name: str, after: BackwardResult) -> bool:
    """Whether what came alone is what moved a parameter, up to its sign."""
    seen, step = Recorded(name=name).read(after), Updated(name=name).read(after)
    return seen is not None and np.allclose(np.abs(as_shaped(seen, step.shape)), np.abs(step))


def _additions(runner: LayerRunner, after: BackwardResult, primals: dict[str, Array]) -> tuple[str, ...]:
    """Return the primals whose gradients are added to what the layer held."""
    kept = {name: source for name, source in runner.sources.items() if isinstance(source, Stored)}
    if not kept:
        return ()
    first = {name: source.read(after) for name, source in kept.items()}
    try:
        again = _run(runner, primals, after.layer)
    except Exception:  # one that runs once only is looked at by the checks
        return ()
    second = {name: source.read(again) for name, source in kept.items()}
    seen = [name for name in kept if first[name] is not None and second[name] is not None]
    adds = tuple(name for name in seen if is_added_to(0, first[name], second[name]))
    keeps = tuple(name for name in seen if is_assigned(first[name], second[name]))
    declared, against = runner.options.accumulates, {True: keeps, False: adds}
    if declared is not None and against[declared]:
        names = ", ".join(map(repr, against[declared]))
        does = "overwrites the gradient of" if declared else "adds to the gradient that the layer holds of"
        raise ValueError(
            f"backward of {runner.factory.label} {does} {names}, but accumulates={declared} was declared; declare "
            f"accumulates={not declared}, or leave it out to take what is seen"
        )
    return tuple(name for name in kept if name not in keeps) if declared else adds
