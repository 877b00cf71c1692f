"""Layers in the style of `reference_layers`: ``forward(params, x)`` and ``backward(params, cache, grad_output)``."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from gradcheck.adapters.subject_from import subject_from
from gradcheck.subject import Arrays, Law, Pullback, Subject, Trait


def from_reference(
    layer: Any,
    primals: Arrays,
    *constants: Any,
    name: str | None = None,
    input_name: str | tuple[str, ...] = "x",
    traits: Iterable[Trait] = (),
    reproduce: str = "",
    laws: Iterable[Law] = (),
    without: Mapping[str, str] | None = None,
) -> Subject:
    """Return a layer in the style of `reference_layers` as a subject.

    Parameters
    ----------
    layer : object
        With ``forward(params, x, *constants) -> (output, cache)`` and
        ``backward(params, cache, grad_output) -> (grad_input, grad_params)``.
    primals : mapping of str to ndarray
        The input (or inputs), under `input_name`, and the parameters.
    *constants
        Further arguments of `forward` for which no gradient is wanted, such as targets.
    name : str, optional
        Default: the repr of the layer.
    input_name : str or tuple of str
        With several names the layer takes, and gives the gradients of, a tuple of arrays in their order.
    traits, reproduce, laws
        As `Subject` takes them.
    without : mapping of str to str, optional
        Checks that are not run, by name, each with the reason.

    Raises
    ------
    ValueError
        If `primals` holds no `input_name`.
    """
    names = (input_name,) if isinstance(input_name, str) else input_name
    for given in names:
        if given not in primals:
            raise ValueError(f"expected a primal named {given!r} as the layer's input, got {sorted(primals)}")

    def split(arrays: Arrays) -> tuple[dict[str, Any], Any]:
        params = {key: array for key, array in arrays.items() if key not in names}
        inputs = tuple(arrays[key] for key in names)
        return params, inputs[0] if isinstance(input_name, str) else inputs

    def vjp(arrays: Arrays) -> tuple[Any, Pullback]:
        params, x = split(arrays)
        output, cache = layer.forward(params, x, *constants)

        def pullback(cotangent: Any) -> Arrays:
            grad_input, grad_params = layer.backward(params, cache, cotangent)
            grad_inputs = (grad_input,) if isinstance(input_name, str) else grad_input
            return {**dict(zip(names, grad_inputs, strict=True)), **grad_params}

        return output, pullback

    def forward(arrays: Arrays) -> Any:
        params, x = split(arrays)
        return layer.forward(params, x, *constants)[0]

    return subject_from(
        repr(layer),
        primals,
        vjp,
        name=name,
        traits=traits,
        reproduce=reproduce,
        constants=constants,
        forward=forward,
        laws=laws,
        without=without,
    )


def random_params(layer: Any, rng: np.random.Generator, like: Any) -> dict[str, np.ndarray[Any, Any]]:
    """Return the layer's initial parameters, constant ones replaced by random numbers, in the dtype of `like`.

    A bias of zeros or a scale of ones hides faults, so that nothing is left at such a value.
    """
    initial = layer.init(rng) if callable(getattr(layer, "init", None)) else {}
    dtype = np.asarray(like).dtype
    return {
        name: (array if array.size > 1 and np.ptp(array) > 0 else array + rng.standard_normal(array.shape)).astype(
            dtype
        )
        for name, array in initial.items()
    }
