"""What is written in thinc: a ``Model``, whose forward returns its output and a function for the backward pass.

Nothing of thinc is imported before something is adapted.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np

from gradcheck.adapters.frameworks.optional_packages import loaded_package, optional_package
from gradcheck.adapters.subject_from import subject_from
from gradcheck.subject import Array, Arrays, Law, Pullback, Subject, Trait

#: What thinc computes in, unless it is given something else.
_DTYPE = np.float32


def is_thinc(thing: object) -> bool:
    """Whether something is a model of thinc; does not import thinc to find out.

    Examples
    --------
    >>> is_thinc(len)
    False
    """
    thinc = loaded_package("thinc.model")
    return thinc is not None and isinstance(thing, thinc.Model)


def from_thinc(
    model: Any,
    primals: Mapping[str, Any],
    *,
    names: Mapping[str, str] | None = None,
    training: bool = True,
    name: str | None = None,
    traits: Iterable[Trait] = (),
    reproduce: str = "",
    laws: Iterable[Law] = (),
) -> Subject:
    """Return a model of thinc as a subject.

    Parameters
    ----------
    model : thinc.api.Model
        Initialised. Its parameters become primals: ``"W"`` where it is a single node, ``"linear.W"`` where it has
        several, ``"linear#2.W"`` for the second of that name, in the order of ``model.walk()``.
    primals : mapping of str to ndarray
        The input of the model, and values for parameters in the place of those that it has. An input of integers is
        a constant. Converted to float32, in which thinc computes.
    names : mapping of str to str, optional
        Other names for parameters: ``{"weight": "W", "bias": "b"}``.
    training : bool
        Whether the model is called with ``is_train=True``.
    name : str, optional
        Default: that of the model.
    traits : iterable of Trait
        ``Trait("stochastic")`` for a model with dropout.
    reproduce : str
    laws : iterable of Law

    Raises
    ------
    ModuleNotFoundError
        If thinc is not installed.
    TypeError, ValueError
        If an argument is unusable, or the model is not initialised.

    Notes
    -----
    In thinc gradients are added to those that the model holds; the check that they are is that of
    ``Trait("accumulates")``, which is declared. The parameters of the model are set anew by every call.
    """
    thinc = optional_package("thinc.api")
    if not isinstance(model, thinc.Model):
        raise TypeError(f"expected a thinc Model, got a value of type {type(model).__name__}")
    places = _renamed(_places(model), names or {})
    input_name, x = _input(model, primals, places)
    is_constant = x.dtype.kind != "f"
    parameters = {key: np.asarray(primals.get(key, node.get_param(leaf))) for key, (node, leaf) in places.items()}
    points = parameters if is_constant else {input_name: x, **parameters}

    def run(arrays: Arrays, is_train: bool) -> tuple[Array, Callable[[Any], Any]]:
        _set(places, arrays)
        output, backward = model(x if is_constant else arrays[input_name], is_train=is_train)
        if not isinstance(output, np.ndarray):
            raise TypeError(f"expected {model.name} to return an array, got a {type(output).__name__}{_INSTEAD}")
        return output, backward

    def vjp(arrays: Arrays) -> tuple[Any, Pullback]:
        output, backward = run(arrays, training)

        def pullback(cotangent: Any) -> Arrays:
            _set(places, arrays)  # another call may have come between
            gradient = backward(cotangent)
            gradients = {key: _gradient(node, leaf) for key, (node, leaf) in places.items()}
            return gradients if is_constant else {input_name: gradient, **gradients}

        return output, pullback

    return subject_from(
        str(model.name),
        {key: array.astype(_DTYPE) for key, array in points.items()},
        vjp,
        name=name,
        traits=traits,
        reproduce=reproduce,
        seen=[Trait("accumulates", tuple(places))] if places else (),
        constants={input_name: x} if is_constant else {},
        forward=lambda arrays: run(arrays, training)[0],
        other_mode=lambda arrays: run(arrays, not training)[0],
        laws=laws,
    )


#: What to do about a model of anything but arrays.
_INSTEAD = "; chain it with layers that take and return arrays, such as list2array or padded2list, and adapt that"


def _places(model: Any) -> dict[str, tuple[Any, str]]:
    """Return the node and the name within it of every parameter, by its full name."""
    nodes = list(model.walk())
    seen: Counter[str] = Counter()
    places = {}
    for node in nodes:
        seen[node.name] += 1
        count = f"#{seen[node.name]}" if seen[node.name] > 1 else ""
        for leaf in node.param_names:
            if not node.has_param(leaf):
                raise ValueError(
                    f"expected an initialised model, got {model.name}, whose parameter {leaf!r} of {node.name!r} has "
                    f"no value: call model.initialize(X=..., Y=...)"
                )
            places[leaf if len(nodes) == 1 else f"{node.name}{count}.{leaf}"] = (node, leaf)
    return places


def _renamed(places: dict[str, tuple[Any, str]], names: Mapping[str, str]) -> dict[str, tuple[Any, str]]:
    unknown = sorted(set(names.values()) - places.keys())
    if unknown:
        raise ValueError(f"expected names for parameters among {sorted(places)}, got one for {unknown[0]!r}")
    new = {old: given for given, old in names.items()}
    return {new.get(key, key): place for key, place in places.items()}


def _input(model: Any, primals: Mapping[str, Any], places: Mapping[str, Any]) -> tuple[str, Array]:
    inputs = [key for key in primals if key not in places]
    if len(inputs) != 1:
        raise ValueError(
            f"expected one input of {model.name} beside its parameters {sorted(places)}, got {len(inputs)}: {inputs}"
        )
    x = primals[inputs[0]]
    if not isinstance(x, np.ndarray):
        raise TypeError(f"expected an array as the input of {model.name}, got a {type(x).__name__}{_INSTEAD}")
    return inputs[0], x


def _set(places: Mapping[str, tuple[Any, str]], arrays: Arrays) -> None:
    for key, (node, leaf) in places.items():
        node.set_param(leaf, arrays[key])


def _gradient(node: Any, leaf: str) -> Any:
    """Return the array that the model adds to; one of zeros where it did not yet."""
    if not node.has_grad(leaf):
        node.set_grad(leaf, np.zeros_like(node.get_param(leaf)))
    return node.get_grad(leaf)
