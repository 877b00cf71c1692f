"""Recognises how a layer is written, and makes a `Subject` of it."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from gradcheck.adapters.frameworks.recognise import MAKERS, framework_of
from gradcheck.adapters.functions.pairs import from_functions, recognise_functions
from gradcheck.adapters.objects.layer_methods import BACKWARD, FORWARD, find_method
from gradcheck.adapters.objects.layer_object import from_object
from gradcheck.adapters.reference import from_reference
from gradcheck.subject import Arrays, Subject


@dataclass(frozen=True, kw_only=True)
class Style:
    """One way of writing a layer.

    Attributes
    ----------
    looks_like : str
        As a sentence says it.
    recognise : callable
        Whether a thing is of this style.
    adapt : callable
        ``adapt(thing, primals)`` returns the subject.
    """

    looks_like: str
    recognise: Callable[[Any], bool]
    adapt: Callable[[Any, Arrays], Subject]


def _is_reference(thing: Any) -> bool:
    forward, backward = getattr(thing, "forward", None), getattr(thing, "backward", None)
    return (
        not isinstance(thing, type)
        and callable(forward)
        and callable(backward)
        and not _accepts(forward, 1)  # targets may follow
        and _accepts(backward, 3)
        and not _accepts(backward, 1)
    )


def _accepts(function: Callable[..., Any], count: int) -> bool:
    """Whether a function can be called with so many arguments; one that does not tell can."""
    try:
        inspect.signature(function).bind(*[None] * count)
    except ValueError:
        return True
    except TypeError:
        return False
    return True


def _is_object(thing: Any) -> bool:
    is_made = not isinstance(thing, type)
    return is_made and find_method(thing, FORWARD) is not None and find_method(thing, BACKWARD) is not None


def _from_pair(thing: Any, primals: Arrays) -> Subject:
    return from_functions(*(recognise_functions(thing) or thing), primals)


#: What is recognised, the first that fits.
STYLES = (
    Style(
        looks_like="with forward(params, x) -> (y, cache) and "
        "backward(params, cache, grad_output) -> (grad_input, grad_params)",
        recognise=_is_reference,
        adapt=from_reference,
    ),
    Style(
        looks_like="a module, function or model of torch, JAX, autograd or thinc",
        recognise=lambda thing: framework_of(thing) is not None,
        adapt=lambda thing, primals: MAKERS[framework_of(thing) or ""](thing, primals),
    ),
    Style(
        looks_like="a pair (forward, backward) of functions",
        recognise=lambda thing: recognise_functions(thing) is not None,
        adapt=_from_pair,
    ),
    Style(looks_like="an object with forward(x) and backward(grad_output)", recognise=_is_object, adapt=from_object),
)


def adapt(thing: Any, primals: Arrays | None = None) -> Subject:
    """Return `thing` as a subject.

    Parameters
    ----------
    thing : object
        A `Subject`; a layer in the style of `reference_layers`; what shows that it is of torch, JAX, autograd or thinc;
        a pair of functions, or a class or module that holds one; an object with forward and backward that keeps its
        parameters and their gradients. The functions of `gradcheck.adapters` take what cannot be found out.
    primals : mapping of str to ndarray, optional
        Where to evaluate a layer: its input ``"x"`` and its parameters by name.

    Raises
    ------
    TypeError
        If `thing` is nothing of the kind; the message says what was looked for.
    ValueError
        If a layer comes without primals, or its parameters or gradients are not found, or may be several.

    Examples
    --------
    >>> import numpy as np
    >>> class Square:
    ...     def forward(self, x):
    ...         self.x = x
    ...         return x**2
    ...     def backward(self, dy):
    ...         return 2 * self.x * dy
    >>> adapt(Square(), {"x": np.array([1.0, 2.0])}).name
    'Square'
    """
    if isinstance(thing, Subject):
        return thing
    style = _style_of(thing)
    if primals is None:
        raise ValueError(f"expected primals beside the layer {thing!r}: its input 'x' and its parameters by name")
    return style.adapt(thing, primals)


def require_layer(thing: Any) -> None:
    """Refuse a layer of any style but that of `reference_layers`, which alone is given its parameters at each call.

    Raises
    ------
    TypeError
        The message says what was looked for.
    """
    style = _style_of(thing)
    if style is not STYLES[0]:
        raise TypeError(
            f"expected its arrays by name beside {style.looks_like}: gradcheck.adapt({type(thing).__name__}(…), "
            f"{{'x': x, 'weight': weight}}) makes a subject of it"
        )


def _style_of(thing: Any) -> Style:
    found = next((style for style in STYLES if style.recognise(thing)), None)
    if found is None:
        known = "; or ".join(style.looks_like for style in STYLES)
        raise TypeError(f"expected a gradcheck.Subject or a layer {known}; got {_described(thing)}")
    return found


def _described(thing: Any) -> str:
    if isinstance(thing, type):
        return f"the class {thing.__name__}, not a layer made of it"
    if type(thing).__module__.partition(".")[0] in ("builtins", "numpy"):
        return type(thing).__name__
    methods = [name for name in dir(thing) if not name.startswith("_") and callable(getattr(thing, name, None))]
    return f"{type(thing).__name__} with the methods {', '.join(methods[:12]) or 'none'}"
