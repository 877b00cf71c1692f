"""Recognise what somebody has, and make a `Subject` of it."""

from __future__ import annotations

from typing import Any

from gradcheck.adapters.reference import from_reference
from gradcheck.subject import Arrays, Subject


def adapt(thing: Any, primals: Arrays | None = None) -> Subject:
    """Return `thing` as a subject.

    Parameters
    ----------
    thing : object
        A `Subject`, or a layer in the style of `reference_layers`.
    primals : mapping of str to ndarray, optional
        Where to evaluate a layer: its input ``"x"`` and its parameters by name.

    Raises
    ------
    TypeError
        If `thing` is neither; the message says what was looked for.
    ValueError
        If a layer comes without primals.
    """
    if isinstance(thing, Subject):
        return thing
    require_layer(thing)
    if primals is None:
        raise ValueError(f"expected primals beside the layer {thing!r}: its input 'x' and its parameters by name")
    return from_reference(thing, primals)


def require_layer(thing: Any) -> None:
    """Refuse what is no layer in the style of `reference_layers`.

    Raises
    ------
    TypeError
        If `thing` has no forward and backward, or is a class of layers; the message says what was looked for.
    """
    has_both = callable(getattr(thing, "forward", None)) and callable(getattr(thing, "backward", None))
    if isinstance(thing, type) or not has_both:
        got = f"the class {thing.__name__}" if isinstance(thing, type) else type(thing).__name__
        raise TypeError(
            f"expected a gradcheck.Subject or a layer with forward(params, x) -> (y, cache) and "
            f"backward(params, cache, grad_output) -> (grad_input, grad_params), got {got}"
        )
