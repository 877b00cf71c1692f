"""One forward and backward of a layer object beforehand, to find out what its caller did not say."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from gradcheck.adapters.objects.gradient_sources import (
    Aftermath,
    At,
    GradientSource,
    Recorded,
    Updated,
    attribute_sources,
    not_found,
    returned_sources,
)
from gradcheck.adapters.objects.layer_methods import Calls, attempt
from gradcheck.adapters.objects.layer_runner import Source, Wiring, Wishes, as_tuple, make_parameters
from gradcheck.adapters.objects.parameter_places import NotFoundError, as_shaped, find_parameters
from gradcheck.adapters.objects.paths import MISSING, Path, suggestion
from gradcheck.subject import Array

_OPTIMIZERS = ("optimizer", "opt", "optim", "optimiser")


def wire(source: Source, primals: dict[str, Array], wishes: Wishes) -> Wiring:
    """Find out what was not said, by a forward and backward of a layer that is not used again."""
    layer = source.spare()
    calls = Calls.of(layer, *wishes.methods, wishes.training, wishes.seed, wishes.learning_rate)
    params, is_lazy = _parameters(layer, calls, primals, wishes)
    optimizers = tuple(_optimizer(layer, path) for path in wishes.optimizers)
    wiring = Wiring(source, wishes, calls, params, is_lazy, optimizers=optimizers, updates=True)
    after = _rehearse(wiring, primals)
    sources = _sources(after, primals, wishes)
    if not optimizers and calls.rate is None and (len(sources) < len(primals) or _moved(after)):
        wiring = replace(wiring, optimizers=_likely_optimizers(layer))
        after = _rehearse(wiring, primals) if wiring.optimizers else after
    for name in primals:
        if name not in sources:
            sources[name] = _from_update(after, wiring, name, primals)
    wiring = replace(
        wiring,
        calls=calls if calls.seeds else calls.with_generators_of(after.layer),
        sources=sources,
        updates=bool(wiring.optimizers) or calls.rate is not None,
    )
    if wiring.calls.seeds:
        after = _rehearse(wiring, primals)  # with the random numbers of any other call
    return replace(wiring, adds=_additions(wiring, after, primals))


def _moved(after: Aftermath) -> bool:
    """Whether backward changed a parameter."""
    return not all(np.array_equal(after.before[name], path.get(after.layer)) for name, path in after.params.items())


def _likely_optimizers(layer: Any) -> tuple[Path, ...]:
    return tuple(Path.parse(path) for path in _OPTIMIZERS if Path.parse(path).get(layer) is not MISSING)


def _parameters(layer: Any, calls: Calls, primals: dict[str, Array], wishes: Wishes) -> tuple[dict[str, Path], bool]:
    """Return where the parameters are, and whether a layer has to be built first."""
    wanted = {name: array.shape for name, array in primals.items() if name not in wishes.inputs}
    inputs = [np.array(primals[name]) for name in wishes.inputs]
    if wishes.build is None:
        try:
            return find_parameters(layer, wanted, wishes.params), False
        except NotFoundError:
            pass
    what = "build" if wishes.build else "forward"
    attempt(
        f"{what} of {type(layer).__name__}",
        lambda: make_parameters(wishes, layer, calls, inputs),
        *_hints(primals, wishes),
    )
    return find_parameters(layer, wanted, wishes.params), True


def _optimizer(layer: Any, text: str) -> Path:
    path = Path.parse(text)
    if path.get(layer) is MISSING:
        raise ValueError(f"{type(layer).__name__} has no {text!r}, got optimizer={text!r}{suggestion(layer, text)}")
    return path


def _rehearse(wiring: Wiring, primals: dict[str, Array]) -> Aftermath:
    """Run forward and backward on a spare layer, and return what that left."""
    kind, hints = wiring.source.label, _hints(primals, wiring.wishes)
    copies = {name: np.array(array) for name, array in primals.items()}
    trains = not wiring.wishes.evaluates
    layer, outputs = attempt(
        f"forward of {kind}", lambda: wiring.run(wiring.source.spare(), copies, trains=trains), *hints
    )
    cotangents = tuple(_cotangent(kind, output) for output in as_tuple(outputs))
    given = cotangents if isinstance(outputs, tuple) else cotangents[0]
    after: Aftermath = attempt(f"backward of {kind}", lambda: wiring.aftermath(layer, given), *hints)
    return after


def _cotangent(kind: str, output: Any) -> Array:
    array = np.asarray(output)
    if array.dtype.kind != "f":
        raise TypeError(
            f"expected forward of {kind} to return arrays of floating dtype, got {type(output).__name__}; "
            f"take what is the output: forward=lambda layer, *inputs: layer.forward(*inputs)[0]"
        )
    return np.random.default_rng(0).uniform(1.0, 2.0, array.shape).astype(array.dtype)


def _hints(primals: dict[str, Array], wishes: Wishes) -> tuple[str, str]:
    """Return what to say where a layer raises, and what more where its arrays may not fit."""
    shapes = ", ".join(f"{name} {array.shape}" for name, array in primals.items())
    how = "; if it wants its axes in another order, say in which: layouts={'x': 'NHWC', …}"
    return f"; it was given {shapes}", "" if wishes.has_layout else how


def _sources(after: Aftermath, primals: dict[str, Array], wishes: Wishes) -> dict[str, GradientSource]:
    """Return which gradients are where; those that are nowhere are left out."""
    shapes = {name: array.shape for name, array in primals.items()}
    stated = {name: shape for name, shape in shapes.items() if name in wishes.grads}
    sources = attribute_sources(after, stated, wishes.grads)
    rest = {name: shape for name, shape in shapes.items() if name not in sources}
    sources |= returned_sources(after, rest, wishes.inputs, wishes.returns)
    rest = {name: shape for name, shape in rest.items() if name not in sources}
    return sources | attribute_sources(after, rest, {})


def _from_update(after: Aftermath, wiring: Wiring, name: str, primals: dict[str, Array]) -> GradientSource:
    """Return how the gradient of a parameter shows in what backward does with it."""
    if name not in after.params or (after.recorder is None and wiring.calls.rate is None):
        raise not_found(after.layer, name, primals[name].shape)
    if after.recorder is None:
        return Updated(name)
    recorded = Recorded(name)
    if any(with_parameter == name for with_parameter, _ in after.recorder.gradients):
        return recorded
    # What came alone is the gradient if it is what the parameter is moved by; equal shapes prove nothing, nor does
    # one point: an error is moved by itself where it meets an input of 1.
    stepping = replace(wiring, sources={name: Updated(name)})
    points = primals, {key: 1.25 * array for key, array in primals.items()}
    return recorded if all(_is_step(name, _rehearse(stepping, point)) for point in points) else Updated(name)


def _is_step(name: str, after: Aftermath) -> bool:
    """Whether what came alone is what moved a parameter, up to its sign."""
    seen, step = Recorded(name).read(after), Updated(name).read(after)
    return seen is not None and np.allclose(np.abs(as_shaped(seen, step.shape)), np.abs(step))


def _additions(wiring: Wiring, after: Aftermath, primals: dict[str, Array]) -> tuple[str, ...]:
    """Return the primals whose gradients are added to what the layer held."""
    kept = [name for name, source in wiring.sources.items() if isinstance(source, At)]
    if not kept:
        return ()
    layer = after.layer
    try:
        first = {name: wiring.sources[name].read(after) for name in kept}
        again = _twice(wiring, layer, primals)
    except Exception:  # one that runs once only is looked at by the checks
        return ()
    second = {name: wiring.sources[name].read(again) for name in kept}
    adds = tuple(name for name in kept if np.any(first[name]) and np.allclose(second[name], 2 * first[name]))
    keeps = tuple(name for name in kept if np.any(first[name]) and np.allclose(second[name], first[name]))
    declared, against = wiring.wishes.accumulates, {True: keeps, False: adds}
    if declared is not None and against[declared]:
        names = ", ".join(map(repr, against[declared]))
        does = "overwrites the gradient of" if declared else "adds to the gradient that the layer holds of"
        raise ValueError(
            f"backward of {wiring.source.label} {does} {names}, but accumulates={declared} was declared; declare "
            f"accumulates={not declared}, or leave it out to take what is seen"
        )
    return tuple(name for name in kept if name not in keeps) if declared else adds


def _twice(wiring: Wiring, layer: Any, primals: dict[str, Array]) -> Aftermath:
    """Run forward and backward a second time on one layer."""
    copies = {name: np.array(array) for name, array in primals.items()}
    _, outputs = wiring.run(layer, copies, trains=not wiring.wishes.evaluates)
    cotangents = tuple(_cotangent("", output) for output in as_tuple(outputs))
    return wiring.aftermath(layer, cotangents if isinstance(outputs, tuple) else cotangents[0])
