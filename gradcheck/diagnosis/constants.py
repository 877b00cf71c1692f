"""The numbers that a backward pass may have multiplied by: sizes, options of the layer, and what is made of them."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator, Mapping

import numpy as np

from gradcheck.diagnosis.observation import Observation
from gradcheck.mutants.generic import batch_size

#: Sizes that are others by another name where the output has fewer than three axes.
_OF_IMAGES = ("places", "N·places", "channels", "rows")


def named_constants(observation: Observation, primal: str) -> Mapping[str, float]:
    """Return the factors that have a name in one case, the likeliest first; none of them is 1."""
    made: dict[str, float] = {"2": 2.0, "1/2": 0.5, "-1": -1.0}
    for name, value in (*_sizes(observation, primal), *_options(observation)):
        for label, factor in _made_of(name, value):
            made.setdefault(label, factor)
    return {label: factor for label, factor in made.items() if not math.isclose(factor, 1.0)}


def _made_of(name: str, value: float) -> Iterator[tuple[str, float]]:
    yield name, value
    yield f"1/{_bracketed(name)}", 1 / value
    if value > 0:
        yield f"√{_bracketed(name)}", math.sqrt(value)
        yield f"1/√{_bracketed(name)}", 1 / math.sqrt(value)
    if value > 1:
        yield f"({name} − 1)/{_bracketed(name)}", (value - 1) / value
        yield f"{name}/({name} − 1)", value / (value - 1)


def _bracketed(name: str) -> str:
    return f"({name})" if any(sign in name for sign in "·/ ") else name


def _sizes(observation: Observation, primal: str) -> Iterator[tuple[str, float]]:
    outputs = observation.question.outputs
    shape = np.shape(outputs[0] if isinstance(outputs, tuple) else outputs)
    samples = batch_size(observation.question)
    places = math.prod(shape[2:])
    sizes: dict[str, float] = {
        "N": samples,
        "places": places,
        "N·places": samples * places,
        "outputs": math.prod(shape),
        "channels": shape[1] if len(shape) > 1 else 1,
        "features": shape[-1] if shape else 1,
        "rows": math.prod(shape[:-1]),
        "entries": observation.right[primal].size,
    }
    if observation.question.config is None:
        sizes = _without_a_kind(sizes, shape, observation)
    yield from ((name, float(size)) for name, size in sizes.items() if size > 1)


def _without_a_kind(sizes: Mapping[str, float], shape: tuple[int, ...], observation: Observation) -> dict[str, float]:
    """Return the sizes of a subject whose shapes never change: a name for each, and names for those of its primals."""
    if len(shape) < 3:
        sizes = {name: size for name, size in sizes.items() if name not in _OF_IMAGES}
    named = dict(sizes)
    for name, array in observation.question.primals.items():
        for axis, size in enumerate(array.shape):
            if size not in named.values():
                named[f"{name}.shape[{axis}]"] = size
    return named


def _options(observation: Observation) -> Iterator[tuple[str, float]]:
    config = observation.question.config
    if not dataclasses.is_dataclass(config) or isinstance(config, type):
        return
    for name, value in vars(config).items():
        if isinstance(value, bool):
            continue
        if isinstance(value, int | float) and value not in (0, 1) and math.isfinite(value):
            yield name, float(value)
            if 0 < value < 1:
                yield f"1 − {name}", 1.0 - value
                yield f"{name}/(1 − {name})", value / (1.0 - value)
        elif isinstance(value, tuple) and value and all(type(item) is int and item > 0 for item in value):
            yield f"product of {name}", float(math.prod(value))
