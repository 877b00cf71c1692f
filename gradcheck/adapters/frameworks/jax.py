"""What is written in JAX: plain functions, and functions with a ``jax.custom_vjp``.

Nothing of JAX is imported before something is adapted.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import numpy as np

from gradcheck.adapters.frameworks.framework_arguments import arguments_of, common_dtype
from gradcheck.adapters.frameworks.optional_packages import loaded_package, optional_package
from gradcheck.adapters.returned_values import as_tuple, one_or_several
from gradcheck.adapters.signatures import name_of, parameters_of
from gradcheck.adapters.subject_from import subject_from
from gradcheck.subject import Arrays, Law, Pullback, Subject, Trait


def is_jax(thing: object) -> bool:
    """Whether something has a derivative of its own in JAX, or is compiled by it; does not import JAX to find out.

    A plain function shows nothing of what it is written in.

    Examples
    --------
    >>> is_jax(len)
    False
    """
    jax = loaded_package("jax")
    return jax is not None and isinstance(thing, jax.custom_vjp | jax.custom_jvp | type(jax.jit(len)))


def from_jax(
    function: Callable[..., Any],
    primals: Mapping[str, Any],
    *,
    constants: Mapping[str, Any] | None = None,
    name: str | None = None,
    traits: Iterable[Trait] = (),
    reproduce: str = "",
    laws: Iterable[Law] = (),
) -> Subject:
    """Return a function written in JAX as a subject.

    Parameters
    ----------
    function : callable
        A plain function of JAX arrays, or one with a ``jax.custom_vjp``. It returns an array, or arrays in a tree;
        those of floating dtype are looked at.
    primals : mapping of str to ndarray
        The arguments, by the names of the function's parameters or in their order. Arrays of integers are constants.
    constants : mapping of str to object, optional
        Further arguments for which no gradient is wanted: random keys, options.
    name : str, optional
    traits, reproduce, laws
        As `Subject` takes them.

    Raises
    ------
    ModuleNotFoundError
        If JAX is not installed.
    TypeError, ValueError
        If an argument is unusable.

    Notes
    -----
    Where a primal is float64 the function runs with 64 bits enabled, for the duration of the call alone; where all
    are float32, as JAX runs by default.
    """
    jax = optional_package("jax")
    if not callable(function):
        raise TypeError(f"expected a function of JAX arrays, got a value of type {type(function).__name__}")
    arguments = arguments_of(parameters_of(function), primals, constants or {})
    label = name or name_of(function)

    def evaluate(arrays: Mapping[str, Any], dtype: np.dtype[Any]) -> tuple[Any, ...]:
        leaves = jax.tree_util.tree_leaves(arguments.run(function, arrays, dtype))
        found = tuple(leaf for leaf in map(jax.numpy.asarray, leaves) if jax.numpy.issubdtype(leaf.dtype, np.floating))
        if not found:
            raise TypeError(f"expected {label} to return arrays of floating dtype, got none")
        return found

    def vjp(arrays: Arrays) -> tuple[Any, Pullback]:
        dtype = common_dtype(arrays)
        with _precision(jax, dtype):
            outputs, pull = jax.vjp(lambda given: evaluate(given, dtype), _arrays_of(jax, arrays))

        def pullback(cotangents: Any) -> Arrays:
            with _precision(jax, dtype):
                (gradients,) = pull(tuple(map(jax.numpy.array, as_tuple(cotangents))))
            return {key: np.array(gradient) for key, gradient in gradients.items()}

        return _results(outputs), pullback

    def forward(arrays: Arrays) -> Any:
        dtype = common_dtype(arrays)
        with _precision(jax, dtype):
            return _results(evaluate(_arrays_of(jax, arrays), dtype))

    return subject_from(
        label,
        arguments.primals,
        vjp,
        name=name,
        traits=traits,
        reproduce=reproduce,
        constants=arguments.constants,
        forward=forward,
        laws=laws,
    )


def _precision(jax: Any, dtype: np.dtype[Any]) -> AbstractContextManager[Any]:
    """Allow 64 bits for the duration of a call, if they are asked for."""
    if dtype != np.float64:
        return nullcontext()
    if hasattr(jax, "enable_x64"):
        return jax.enable_x64(True)  # type: ignore[no-any-return]
    return optional_package("jax.experimental").enable_x64()  # type: ignore[no-any-return]  # before JAX 0.8


def _arrays_of(jax: Any, arrays: Arrays) -> dict[str, Any]:
    return {name: jax.numpy.array(array) for name, array in arrays.items()}


def _results(outputs: tuple[Any, ...]) -> Any:
    return one_or_several(tuple(map(np.array, outputs)))
