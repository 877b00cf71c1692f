"""What is written for HIPS autograd: plain functions, and primitives with ``defvjp``.

Nothing of autograd is imported before something is adapted.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np

from gradcheck.adapters.frameworks.framework_arguments import arguments_of, common_dtype
from gradcheck.adapters.frameworks.optional_packages import loaded_package, optional_package
from gradcheck.adapters.returned_values import as_tuple, one_or_several
from gradcheck.adapters.signatures import name_of, parameters_of
from gradcheck.adapters.subject_from import subject_from
from gradcheck.subject import Arrays, Law, Pullback, Subject, Trait


def is_autograd(thing: object) -> bool:
    """Whether something is a primitive of autograd; does not import autograd to find out.

    A plain function shows nothing of what it is written in.

    Examples
    --------
    >>> is_autograd(len)
    False
    """
    return loaded_package("autograd") is not None and getattr(thing, "_is_autograd_primitive", False) is True


def from_autograd(
    function: Callable[..., Any],
    primals: Mapping[str, Any],
    *,
    constants: Mapping[str, Any] | None = None,
    name: str | None = None,
    traits: Iterable[Trait] = (),
    reproduce: str = "",
    laws: Iterable[Law] = (),
) -> Subject:
    """Return a function that autograd differentiates as a subject.

    Parameters
    ----------
    function : callable
        A primitive with ``defvjp``, or a function made of primitives. It returns an array, or a tuple of arrays;
        those of floating dtype are looked at.
    primals : mapping of str to ndarray
        The arguments, by the names of the function's parameters or in their order. Arrays of integers are constants.
    constants : mapping of str to object, optional
        Further arguments for which no gradient is wanted.
    name : str, optional
    traits, reproduce, laws
        As `Subject` takes them.

    Raises
    ------
    ModuleNotFoundError
        If autograd is not installed.
    TypeError, ValueError
        If an argument is unusable.
    """
    autograd = optional_package("autograd")
    observed = _observed()
    if not callable(function):
        raise TypeError(f"expected a function of arrays, got a value of type {type(function).__name__}")
    arguments = arguments_of(parameters_of(getattr(function, "fun", function)), primals, constants or {})

    def evaluate(arrays: Mapping[str, Any], dtype: np.dtype[Any]) -> Any:
        return _floating(arguments.run(function, arrays, dtype))

    def vjp(arrays: Arrays) -> tuple[Any, Pullback]:
        dtype, gradients = common_dtype(arrays), dict[str, Any]()

        def traced(boxes: Any) -> Any:
            return evaluate({key: observed(boxes[key], key, gradients) for key in arrays}, dtype)

        pull, outputs = autograd.make_vjp(traced)(dict(arrays))

        def pullback(cotangents: Any) -> Arrays:
            gradients.clear()
            pull(as_tuple(cotangents))
            return {key: np.array(gradients.get(key, np.zeros_like(array))) for key, array in arrays.items()}

        return _results(outputs), pullback

    def forward(arrays: Arrays) -> Any:
        return _results(evaluate(arrays, common_dtype(arrays)))

    return subject_from(
        name_of(function),
        arguments.primals,
        vjp,
        name=name,
        traits=traits,
        reproduce=reproduce,
        constants=arguments.constants,
        forward=forward,
        laws=laws,
    )


@functools.cache
def _observed() -> Callable[[Any, str, dict[str, Any]], Any]:
    """Return the identity ``observed(x, key, gradients)``, which notes the gradient of x under its key as it comes.

    Autograd adds up the gradients of its arguments, and would stumble over one of a wrong shape before it is seen.
    """
    extend = optional_package("autograd.extend")

    def identity(x: Any, _key: str, _gradients: dict[str, Any]) -> Any:
        return x

    def note(_result: Any, x: Any, key: str, gradients: dict[str, Any]) -> Callable[[Any], Any]:
        def pull(gradient: Any) -> Any:
            gradients[key] = gradient
            return np.zeros_like(x)

        return pull

    observed = extend.primitive(identity)
    extend.defvjp(observed, note, argnums=[0])
    return observed  # type: ignore[no-any-return]


def _floating(result: Any) -> Any:
    """Return the outputs of floating dtype, one or several, as a tuple that autograd follows."""
    builtins = optional_package("autograd.builtins")
    several = builtins.isinstance(result, tuple | list)
    return builtins.tuple([leaf for leaf in (result if several else [result]) if _is_floating(leaf)])


def _is_floating(leaf: Any) -> bool:
    return bool(np.issubdtype(getattr(leaf, "dtype", type(leaf)), np.floating))


def _results(outputs: tuple[Any, ...]) -> Any:
    """Return copies: autograd hands out views, and arrays that it was given."""
    return one_or_several(tuple(map(np.array, outputs)))
