"""Forwards that return their output and a callback, which takes the cotangent back."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from gradcheck.adapters.functions.function_calls import arrays_of, forward_call
from gradcheck.adapters.functions.gradient_order import Gradients
from gradcheck.adapters.kept_gradients import clear, is_added_to
from gradcheck.adapters.returned_values import as_array, as_outputs, trial_cotangent
from gradcheck.adapters.signatures import Spec, name_of, required_arguments
from gradcheck.adapters.subject_from import subject_from
from gradcheck.subject import Array, Arrays, Pullback, Subject, Trait

Read = Callable[[], Any]


def from_callback(
    forward: Callable[..., Any],
    primals: Arrays,
    *constants: Any,
    arguments: Sequence[Spec] | None = None,
    returns: Sequence[Spec] | None = None,
    parameters: Mapping[str, Read] | None = None,
    grads: Mapping[str, Read] | Read | None = None,
    accumulates: bool | None = None,
    name: str | None = None,
    traits: Iterable[Trait] = (),
    reproduce: str = "",
    **options: Any,
) -> Subject:
    """Return a forward that returns ``(output, callback)`` as a subject.

    Parameters
    ----------
    forward : callable
        ``output, callback = forward(…)``; ``callback(cotangent)`` returns gradients. Of several outputs, which are a
        tuple, the callback takes a tuple of cotangents, or one argument for each.
    primals : mapping of str to ndarray
    *constants
        Further arguments of `forward`, for which no gradient is wanted.
    arguments : sequence, optional
        What `forward` takes, in its order. Default: by the names of its parameters, else the primals that are not
        among `parameters`, and then the constants.
    returns : sequence or dict, optional
        Whose gradients the callback returns, as in `from_functions`. Default: of the primals that are not among
        `grads`, in the order of `arguments`.
    parameters : mapping of str to callable, optional
        Primals that `forward` finds elsewhere: each callable returns the array that holds one,
        ``{"weight": lambda: model.W}``, which is written to before each forward and each callback.
    grads : mapping of str to callable, or callable, optional
        Gradients that the callback leaves elsewhere: each callable returns one, ``{"weight": lambda: model.dW}``; or a
        single one returns all of them by name.
    accumulates : bool, optional
        Whether these are added to what their arrays hold. Default: seen in two calls. True is declared as a limit;
        False is held to.
    name : str, optional
        Default: the name of `forward`.
    traits, reproduce
        As `Subject` takes them.
    **options
        Passed to `forward` by keyword.

    Raises
    ------
    TypeError, ValueError
        If arguments or results cannot be told apart, `forward` returns no callback, or a gradient is not there.

    Examples
    --------
    >>> import gradcheck
    >>> def square(x):
    ...     return x * x, lambda dy: 2 * x * dy
    >>> gradcheck.check(from_callback(square, {"x": np.array([1.0, -2.0])})).verdict
    'passed'
    """
    arrays = arrays_of(primals)
    store = _Store(arrays, parameters or {}, grads)
    given = {key: array for key, array in arrays.items() if key not in store.parameters}
    takes, named = forward_call("forward", forward, given, constants, arguments, options)

    def run(values: Arrays) -> tuple[Any, Callable[..., Any]]:
        store.install(values)
        result = takes(forward, {**values, **named}, options)
        if not isinstance(result, tuple) or len(result) != 2 or not callable(result[1]):
            raise TypeError(f"expected forward to return (output, callback), got {type(result).__name__}")
        return as_outputs(result[0]), result[1]

    def fresh() -> dict[str, Array]:
        return {key: np.array(array) for key, array in arrays.items()}

    with np.errstate(all="ignore"):
        outputs, callback = run(fresh())
        cotangent = trial_cotangent(outputs)
        returned = _call_back(callback, cotangent)
        store.learn()
        order = [key for key in (*takes.names, *store.parameters) if key not in store.names]
        wanted = {key: arrays[key] for key in arrays if key not in store.names}
        gradients = Gradients(returned, wanted, order, returns, "the callback") if wanted else None
        if gradients is not None:
            gradients.require_order(lambda values: run({**fresh(), **values})[0], cotangent, returned)
        found = store.watch(lambda: _call_back(run(fresh())[1], cotangent), accumulates)

    def vjp(values: Arrays) -> tuple[Any, Pullback]:
        outputs, callback = run(values)

        def pullback(cotangent: Any) -> Arrays:
            store.install(values)
            store.clear()
            returned = _call_back(callback, cotangent)
            return {**(gradients(returned, values) if gradients is not None else {}), **store.read(values)}

        return outputs, pullback

    return subject_from(
        name_of(forward), arrays, vjp, name=name, traits=traits, reproduce=reproduce, seen=found, constants=named
    )


def _call_back(callback: Callable[..., Any], cotangent: Any) -> Any:
    several = isinstance(cotangent, tuple) and required_arguments(callback) == len(cotangent) > 1
    return callback(*cotangent) if several else callback(cotangent)


class _Store:
    """The arrays outside of a forward that hold its parameters, and those to which its callback leaves gradients."""

    def __init__(
        self, primals: Arrays, parameters: Mapping[str, Read], grads: Mapping[str, Read] | Read | None
    ) -> None:
        for what, mapping in (("parameters", parameters), ("grads", grads if isinstance(grads, Mapping) else {})):
            for name, read in mapping.items():
                if name not in primals:
                    raise ValueError(f"expected {what} among the primals {', '.join(primals)}, got {name!r}")
                if not callable(read):
                    raise TypeError(
                        f"expected {what}[{name!r}] to be a callable that returns an array, such as "
                        f"lambda: model.weight, got {type(read).__name__}"
                    )
        self._primals = primals
        self.parameters = dict(parameters)
        self._grads = grads
        self._rebound: tuple[str, ...] = ()
        self.names: tuple[str, ...] = ()

    def learn(self) -> None:
        """Learn, after a callback, whose gradients it leaves."""
        self.names = tuple(self._grads) if isinstance(self._grads, Mapping) else tuple(self._all())

    def install(self, values: Arrays) -> None:
        """Write parameters to where the forward finds them."""
        for name, read in self.parameters.items():
            held = read()
            if not isinstance(held, np.ndarray) or held.shape != values[name].shape or not held.flags.writeable:
                raise ValueError(
                    f"expected parameters[{name!r}] to return the array of shape {values[name].shape} that the forward "
                    f"reads, got {'shape ' + str(held.shape) if isinstance(held, np.ndarray) else type(held).__name__}"
                )
            held[...] = values[name]

    def clear(self) -> None:
        """Set gradients to zero that are added up in arrays of which each call makes a new one."""
        clear(map(self._held, self._rebound))

    def read(self, values: Arrays) -> dict[str, Any]:
        """Return the gradients that a callback left, at these values of the primals."""
        found = {}
        for name in self.names:
            value = self._held(name)
            if value is None:
                raise ValueError(
                    f"expected the callback to leave a gradient of {name!r}, got None from grads[{name!r}]"
                )
            array = as_array(value, values[name])
            found[name] = np.array(array) if name in self._rebound else array
        return found

    def watch(self, call: Callable[[], Any], declared: bool | None) -> list[Trait]:
        """Return what shows, over two calls more, of how gradients are left, unless it is declared."""
        if declared is not None or not self.names:
            return [Trait("accumulates", self.names)] if declared and self.names else []
        seen: list[dict[str, Any]] = []
        values: list[dict[str, Array]] = []
        for k in range(3):
            if k:
                call()
            seen.append(self.read(self._primals))
            values.append({name: np.array(array) for name, array in seen[-1].items()})
        limits: dict[str, list[str]] = {"accumulates": [], "overwrites": [], "cleared": []}
        for name in self.names:
            first, second, third = (one[name] for one in values)
            stays = isinstance(seen[0][name], np.ndarray) and np.shares_memory(seen[1][name], seen[2][name])
            if is_added_to(first, second, third):
                limits["accumulates" if stays else "cleared"].append(name)
            elif stays:
                limits["overwrites"].append(name)
        self._rebound = tuple(limits["cleared"])
        return [Trait(limit, tuple(names)) for limit, names in limits.items() if names]

    def _held(self, name: str) -> Any:
        try:
            return self._all()[name] if not isinstance(self._grads, Mapping) else self._grads[name]()
        except (AttributeError, KeyError, IndexError):
            return None

    def _all(self) -> Mapping[str, Any]:
        """Return what a single callable returns for all gradients."""
        if self._grads is None or isinstance(self._grads, Mapping):
            return {}
        found = self._grads()
        unknown = [name for name in found if name not in self._primals] if isinstance(found, Mapping) else None
        if unknown is None or unknown:
            raise ValueError(
                f"expected grads() to return gradients by the names of the primals {', '.join(self._primals)}, got "
                f"{unknown if unknown else type(found).__name__}"
            )
        return found  # type: ignore[no-any-return]  # a mapping, as was just seen
