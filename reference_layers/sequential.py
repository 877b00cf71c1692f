"""Layers one after the other."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from reference_layers.layer import Layer, Params


@dataclass(frozen=True)
class Sequential:
    """A chain of named layers; parameters are called ``"layer.parameter"``.

    Parameters
    ----------
    layers : tuple of (str, Layer)
        In the order of the forward pass. Constants such as targets go to the last one. Names have no dots, which
        would make ``"a.0" + ".weight"`` the same as ``"a" + ".0.weight"``.

    Raises
    ------
    ValueError
        If there is no layer, two have the same name, or an entry is not a name with a layer.

    Examples
    --------
    >>> from reference_layers import Affine, ReLU
    >>> network = Sequential.of(Affine(3, 2), ReLU())
    >>> sorted(network.init(np.random.default_rng(0)))
    ['0.bias', '0.weight']
    """

    layers: tuple[tuple[str, Layer], ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "layers", _named_layers(self.layers))
        names = [name for name, _ in self.layers]
        if not names or len(set(names)) < len(names):
            raise ValueError(f"expected at least one layer and a different name for each, got names={names}")

    @classmethod
    def of(cls, *layers: Layer) -> Sequential:
        """Return a chain whose layers are called "0", "1", …"""
        return cls(tuple((str(k), layer) for k, layer in enumerate(layers)))

    def init(self, rng: np.random.Generator) -> Params:
        """Return fresh parameters of all layers."""
        return {f"{name}.{key}": array for name, layer in self.layers for key, array in layer.init(rng).items()}

    def forward(self, params: Params, x: Any, *constants: Any) -> tuple[Any, tuple[Any, ...]]:
        """Return the output of the last layer and the caches of all."""
        caches = []
        last = len(self.layers) - 1
        for k, (name, layer) in enumerate(self.layers):
            x, cache = layer.forward(own_params(params, name), x, *(constants if k == last else ()))
            caches.append(cache)
        return x, tuple(caches)

    def backward(self, params: Params, cache: tuple[Any, ...], grad_output: Any) -> tuple[Any, Params]:
        """Return the gradients of the input and of all parameters, in the order of `params`."""
        found: Params = {}
        for (name, layer), own_cache in zip(reversed(self.layers), reversed(cache), strict=True):
            grad_output, gradients = layer.backward(own_params(params, name), own_cache, grad_output)
            found |= {f"{name}.{key}": array for key, array in gradients.items()}
        return grad_output, {name: found[name] for name in params}


def _named_layers(layers: Any) -> tuple[tuple[str, Layer], ...]:
    """Return layers as a tuple of pairs, or refuse the first that is no name with a layer."""
    hint = "; `Sequential.of(*layers)` numbers layers without names"
    if not isinstance(layers, tuple | list):
        raise ValueError(f"expected layers to be a tuple of (name, layer), got layers={layers!r}{hint}")
    for k, entry in enumerate(layers):
        if not _is_named_layer(entry):
            raise ValueError(f"expected entries (name without dots, layer), got layers[{k}]={entry!r}{hint}")
    return tuple((name, layer) for name, layer in layers)


def _is_named_layer(entry: object) -> bool:
    if not (isinstance(entry, tuple | list) and len(entry) == 2):
        return False
    name, layer = entry
    return isinstance(name, str) and "." not in name and isinstance(layer, Layer)


def own_params(params: Params, layer: str) -> Params:
    """Return the parameters of one layer of a chain, by their own names."""
    prefix = layer + "."
    return {name.removeprefix(prefix): array for name, array in params.items() if name.startswith(prefix)}
