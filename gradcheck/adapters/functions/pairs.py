"""Pairs of functions: a forward, and a backward that takes its inputs again, its outputs, a cache, or a context."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Sequence
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np

from gradcheck.adapters.functions.function_calls import (
    CACHE,
    COTANGENT,
    OUTPUT,
    arrays_of,
    backward_call,
    forward_call,
    left_at_default,
    takes_context,
)
from gradcheck.adapters.functions.gradient_order import Gradients
from gradcheck.adapters.layer_error import attempt
from gradcheck.adapters.returned_values import as_outputs, as_tuple, trial_cotangent
from gradcheck.adapters.signatures import Call, Spec, name_of, names_in
from gradcheck.adapters.subject_from import subject_from
from gradcheck.messages import did_you_mean
from gradcheck.subject import Arrays, Pullback, Subject, Trait


class Context:
    """What the functions of a pair in the context form share: any attributes, and what was saved for the backward.

    Attributes
    ----------
    saved_tensors : tuple
    """

    saved_tensors: tuple[Any, ...] = ()

    def save_for_backward(self, *values: Any) -> None:
        """Keep values for the backward."""
        self.saved_tensors = values

    @property
    def saved_values(self) -> tuple[Any, ...]:
        """The saved values by another name."""
        return self.saved_tensors


def from_functions(
    forward: Callable[..., Any],
    backward: Callable[..., Any],
    primals: Arrays,
    *constants: Any,
    arguments: Sequence[Spec] | None = None,
    backward_arguments: Sequence[Spec] | None = None,
    returns: Sequence[Spec] | None = None,
    forward_returns: Sequence[str | None] | None = None,
    context: bool | None = None,
    name: str | None = None,
    traits: Iterable[Trait] = (),
    reproduce: str = "",
    **options: Any,
) -> Subject:
    """Return a pair of functions as a subject.

    Parameters
    ----------
    forward : callable
        Returns an output, a tuple of outputs, or these and a cache.
    backward : callable
        Takes the cotangent, and what it needs; returns gradients, nested or not, by order or by key.
    primals : mapping of str to ndarray
        Every array a gradient is wanted for.
    *constants
        Further arguments of `forward`, in their order, for which no gradient is wanted.
    arguments : sequence, optional
        What `forward` takes, in its order: ``("x", "weight", "bias")``; names that are no primals are the constants.
        A tuple or dict of names stands for a tuple or dict of arrays. Default: by the names of its parameters,
        else primals in their order and then the constants.
    backward_arguments : sequence, optional
        What `backward` takes, in its order: ``"cotangent"`` (once for all outputs, or once for each), ``"cache"``,
        ``"output"``, and names as in `arguments`. Default: by the names of its parameters.
    returns : sequence or dict, optional
        Whose gradients `backward` returns, in its order, None for a result that is no gradient; or the keys of a dict:
        ``{"dW": "weight"}``. Default: by keys, else the order of `forward`'s arguments, unless shapes tell that
        it is another.
    forward_returns : sequence of {"output", "cache", None}, optional
        What `forward` returns, in its order. Default: outputs, and last the cache if `backward` takes one.
    context : bool, optional
        Whether both take a context object first, which has ``save_for_backward`` and any attributes. Default: by
        the name of that parameter, ``ctx`` or ``context``.
    name : str, optional
        Default: the name of `forward`.
    traits, reproduce
        As `Subject` takes them.
    **options
        Passed to `forward` by keyword, and to a `backward` that has parameters of these names.

    Raises
    ------
    TypeError, ValueError
        If arguments or results cannot be told apart, or are not what is declared; the message says what to declare.
    LayerError
        If a function raises when it is tried; the message says where.

    Examples
    --------
    >>> import gradcheck
    >>> def affine(x, weight, bias):
    ...     return x @ weight.T + bias, (x, weight)
    >>> def affine_backward(dy, cache):
    ...     x, weight = cache
    ...     return dy.T @ x, dy.sum(0), dy @ weight
    >>> rng = np.random.default_rng(0)
    >>> primals = {"x": rng.normal(size=(2, 3)), "weight": rng.normal(size=(4, 3)), "bias": rng.normal(size=4)}
    >>> gradcheck.check(from_functions(affine, affine_backward, primals)).verdict
    'passed'
    """
    arrays = arrays_of(primals)
    in_context = takes_context(forward) if context is None else context
    takes, named = forward_call("forward", forward, arrays, constants, arguments, options, skip=int(in_context))
    beside = {**left_at_default(forward, options), **named}

    def run(values: Arrays) -> tuple[Any, Any]:
        """Return what the forward returns, and its context."""
        saved = Context() if in_context else None
        function = (lambda *given, **more: forward(saved, *given, **more)) if in_context else forward
        return takes(function, {**beside, **values}, options), saved

    trial = {key: np.array(array) for key, array in arrays.items()}
    with np.errstate(all="ignore"):
        result, saved = attempt(name_of(forward), lambda: run(trial))
    gives = backward_call(
        backward,
        list(dict.fromkeys((*takes.names, *beside))),
        backward_arguments,
        outputs_and_cache=isinstance(result, tuple | list) and not in_context,
        context=in_context,
    )
    form = _result_form(result, forward_returns, has_cache=CACHE in gives.names and not in_context)

    def split(result: Any, saved: Any) -> tuple[Any, Any]:
        return (as_outputs(result), saved) if form is None else _split(result, form)

    def pulling(values: Arrays, outputs: Any, cache: Any, cotangent: Any) -> Callable[[], Any]:
        """Return the call of the backward."""
        call, cotangents = _spread(gives, as_tuple(outputs), cotangent)
        known = {**beside, **values, CACHE: cache, OUTPUT: outputs, **cotangents}
        return lambda: call(backward, known)

    outputs, cache = split(result, saved)
    _require_arrays(outputs)
    cotangent = trial_cotangent(outputs)
    with np.errstate(all="ignore"):
        returned = attempt(name_of(backward), pulling(trial, outputs, cache, cotangent))
        gradients = Gradients(returned, arrays, takes.names, returns)
        gradients.require_order(lambda values: split(*run(values))[0], cotangent, returned)

    def vjp(values: Arrays) -> tuple[Any, Pullback]:
        outputs, cache = split(*run(values))
        return outputs, lambda cotangent: gradients(pulling(values, outputs, cache, cotangent)(), values)

    return subject_from(name_of(forward), arrays, vjp, name=name, traits=traits, reproduce=reproduce, constants=named)


def recognise_functions(thing: Any) -> tuple[Callable[..., Any], Callable[..., Any]] | None:
    """Return forward and backward of a pair of functions; None for anything else.

    Parameters
    ----------
    thing : object
        A tuple or list of two callables; a module, a namespace, or a class that is used as one, whose `forward` and
        `backward` need no instance.

    Examples
    --------
    >>> class Square:
    ...     @staticmethod
    ...     def forward(ctx, x):
    ...         ctx.save_for_backward(x)
    ...         return x * x
    ...     @staticmethod
    ...     def backward(ctx, dy):
    ...         return 2 * ctx.saved_tensors[0] * dy
    >>> recognise_functions(Square) == (Square.forward, Square.backward)
    True
    >>> recognise_functions(Square.forward) is None
    True
    """
    if isinstance(thing, tuple | list):
        return (thing[0], thing[1]) if len(thing) == 2 and all(map(callable, thing)) else None
    if not isinstance(thing, type | ModuleType | SimpleNamespace) or _is_of_framework(thing):
        return None
    pair = getattr(thing, "forward", None), getattr(thing, "backward", None)
    if not all(map(callable, pair)):
        return None
    if isinstance(thing, type) and any(_wants_instance(thing, name) for name in ("forward", "backward")):
        return None
    return pair  # type: ignore[return-value]  # both are callable


def _is_of_framework(thing: Any) -> bool:
    """Whether a class is one of torch's: their arrays are not NumPy's."""
    return isinstance(thing, type) and any(base.__module__.split(".")[0] == "torch" for base in thing.__mro__)


def _wants_instance(cls: type, name: str) -> bool:
    """Whether a function of a class is a method of its instances, and not one that stands there by itself."""
    function = inspect.getattr_static(cls, name)
    return inspect.isfunction(function) and not takes_context(function)


def _result_form(
    result: Any, declared: Sequence[str | None] | None, *, has_cache: bool
) -> tuple[str | None, ...] | None:
    """Return which of several results of a forward are outputs, and which the cache; None if all are outputs."""
    several = isinstance(result, tuple | list)
    if declared is not None:
        for word in names_in(tuple(declared)):
            if word not in (OUTPUT, CACHE):
                raise ValueError(
                    f"expected forward_returns among {OUTPUT!r}, {CACHE!r} and None, got {word!r}"
                    f"{did_you_mean(word, (OUTPUT, CACHE))}"
                )
        if not several or len(result) != len(declared) or OUTPUT not in declared:
            got = f"{len(result)} results" if several else "a single one"
            raise ValueError(
                f"expected forward to return {len(declared)} results, an {OUTPUT!r} among them, as "
                f"forward_returns={tuple(declared)!r} says, got {got}"
            )
        return tuple(declared)
    if not has_cache:
        return None
    if not several or len(result) < 2:
        raise ValueError(
            f"expected forward to return outputs and a cache, since backward takes a cache, got a single "
            f"{type(result).__name__}; declare backward_arguments=(…) with {OUTPUT!r} or the forward's arguments if it "
            f"takes these"
        )
    return (*(OUTPUT for _ in result[:-1]), CACHE)


def _require_arrays(outputs: Any) -> None:
    for output in as_tuple(outputs):
        if not isinstance(output, np.ndarray):
            raise ValueError(
                f"expected outputs that are arrays, got {type(output).__name__} among what forward returns; if it is a "
                f"cache, declare forward_returns=({OUTPUT!r}, {CACHE!r})"
            )


def _split(result: Any, form: Sequence[str | None]) -> tuple[Any, Any]:
    """Return outputs and cache."""
    parts: dict[str | None, list[Any]] = {OUTPUT: [], CACHE: [], None: []}
    for word, item in zip(form, result, strict=True):
        parts[word].append(item)
    outputs, caches = parts[OUTPUT], parts[CACHE]
    return (
        as_outputs(outputs[0] if len(outputs) == 1 else tuple(outputs)),
        caches[0] if len(caches) == 1 else tuple(caches),
    )


def _spread(gives: Call, outputs: tuple[Any, ...], cotangent: Any) -> tuple[Call, dict[str, Any]]:
    """Return the call of a backward and its cotangents by name: all of them in one, or each in its own argument."""
    count = gives.names.count(COTANGENT)
    if count not in (1, len(outputs)):
        raise ValueError(
            f"expected backward to take one cotangent, or one for each of {len(outputs)} outputs, got {count}; declare "
            f"backward_arguments=(…)"
        )
    if count == 1:
        return gives, {COTANGENT: cotangent}
    numbers = iter(range(count))

    def numbered(spec: Spec) -> Spec:
        return f"{COTANGENT} {next(numbers)}" if spec == COTANGENT else spec

    keywords = {key: numbered(spec) for key, spec in gives.keywords.items()}
    call = Call(positional=tuple(numbered(spec) for spec in gives.positional), keywords=keywords)
    return call, {f"{COTANGENT} {k}": one for k, one in enumerate(cotangent)}
