"""Functions that record themselves: leaves are made of arrays, the output is differentiated, the leaves are read."""

from __future__ import annotations

import copy
import functools
import operator
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any, Literal

import numpy as np

from gradcheck.adapters.functions.function_calls import arrays_of, forward_call
from gradcheck.adapters.returned_values import as_array, as_tuple, trial_cotangent
from gradcheck.adapters.signatures import Spec, name_of, named_parameters
from gradcheck.adapters.subject_from import subject_from
from gradcheck.subject import Array, Arrays, Pullback, Subject, Trait

#: Parameters of a backward that take no cotangent.
_SWITCHES = {"retain_graph", "create_graph", "keep_graph", "zero_grad", "verbose", "inputs"}


class _Absent(Enum):
    ABSENT = "an attribute that is not there"


_ABSENT = _Absent.ABSENT


def from_tape(
    function: Callable[..., Any],
    primals: Arrays,
    *constants: Any,
    leaf: Callable[[Any], Any],
    value: str | Callable[[Any], Any] = "data",
    grad: str | Callable[[Any], Any] = "grad",
    backward: str | Callable[..., Any] = "backward",
    scalars: bool = False,
    missing: Literal["zero"] | None = None,
    arguments: Sequence[Spec] | None = None,
    name: str | None = None,
    traits: Iterable[Trait] = (),
    reproduce: str = "",
    **options: Any,
) -> Subject:
    """Return a function of tensors that record what is done with them as a subject.

    Parameters
    ----------
    function : callable
        Takes leaves, returns a tensor or a tuple of them.
    primals : mapping of str to ndarray
    *constants
        Further arguments of `function`, passed as they are.
    leaf : callable
        Makes a leaf of an array: mostly the class of the tensors.
    value : str or callable
        The attribute of a tensor that holds its array (``"data"``, ``"value"``, ``"array.data"``), or what reads it.
    grad : str or callable
        The attribute of a leaf that holds its gradient, or what reads it.
    backward : str or callable
        The method of the output that fills in gradients: it is given the cotangent if it takes one, else it is called
        on ``(output * leaf(cotangent)).sum()``; of tensors that cannot be multiplied the gradient is set before. Or a
        callable of output and cotangent.
    scalars : bool
        Whether tensors are single numbers: `function` then takes and returns NumPy arrays of them.
    missing : {"zero"}, optional
        What a leaf without gradient means. Default: it is refused.
    arguments : sequence, optional
        What `function` takes, in its order, as in `from_functions`.
    name : str, optional
        Default: the name of `function`.
    traits : iterable of Trait
        Whether a tape can be run back once only is seen, and need not be declared.
    reproduce : str
    **options
        Passed to `function` by keyword.

    Raises
    ------
    TypeError, ValueError
        If tensors lack `value`, `grad` or `backward`, or a leaf has no gradient.

    Examples
    --------
    >>> import gradcheck
    >>> class Square:
    ...     def __init__(self, data, parent=None):
    ...         self.data, self.parent, self.grad = data, parent, None
    ...     def backward(self, grad):
    ...         self.parent.grad = 2 * self.parent.data * grad
    >>> subject = from_tape(lambda x: Square(x.data**2, x), {"x": np.array([1.0, -2.0])}, leaf=Square)
    >>> gradcheck.check(subject).verdict
    'passed'
    """
    if missing not in (None, "zero"):
        raise ValueError(f"expected missing to be 'zero' or None, got missing={missing!r}")
    arrays = arrays_of(primals)
    takes, named = forward_call("the function", function, arrays, constants, arguments, options)
    tensors = _Tensors(leaf=leaf, value=value, grad=grad, backward=backward, scalars=scalars, missing=missing)

    def record(values: Arrays) -> tuple[dict[str, Any], Any]:
        """Return leaves, and the tensors that the function makes of them."""
        leaves = {key: tensors.make(values[key]) for key in arrays}
        return leaves, takes(function, {**named, **leaves}, options)

    def vjp(values: Arrays) -> tuple[Any, Pullback]:
        leaves, results = record(values)
        blank = {key: tensors.state(one) for key, one in leaves.items()}
        outputs = tensors.values(results)

        def pullback(cotangent: Any) -> Arrays:
            for key, one in leaves.items():
                tensors.reset(one, blank[key])
            tensors.run_back(results, cotangent)
            return {key: tensors.gradient(key, one, values[key]) for key, one in leaves.items()}

        return outputs, pullback

    with np.errstate(all="ignore"):
        once = _runs_back_once(vjp, arrays)
    found = [Trait("single-pullback")] if once else []
    return subject_from(
        name_of(function), arrays, vjp, name=name, traits=traits, reproduce=reproduce, seen=found, constants=named
    )


def _runs_back_once(vjp: Callable[[Any], tuple[Any, Pullback]], arrays: Arrays) -> bool:
    """Whether a second pullback of one recording fails, or answers otherwise than the first."""
    outputs, pullback = vjp(arrays)
    cotangent = trial_cotangent(outputs)
    first = {key: np.array(array) for key, array in pullback(cotangent).items()}
    try:
        second = pullback(cotangent)
    except Exception:
        return True
    return any(not np.array_equal(second[key], first[key], equal_nan=True) for key in first)


@dataclass(frozen=True, kw_only=True)
class _Tensors:
    """How tensors of one tape are made, read and differentiated."""

    leaf: Callable[[Any], Any]
    value: str | Callable[[Any], Any]
    grad: str | Callable[[Any], Any]
    backward: str | Callable[..., Any]
    scalars: bool
    missing: str | None

    def make(self, array: Array) -> Any:
        """Return a leaf of an array, or an array of leaves."""
        if not self.scalars:
            return self.leaf(np.array(array))
        leaves = np.empty(array.shape, dtype=object)
        for index in np.ndindex(array.shape):
            leaves[index] = self.leaf(float(array[index]))
        return leaves

    def values(self, results: Any) -> Any:
        """Return the arrays of the output, or of each of several."""
        if self.scalars or not isinstance(results, tuple | list):
            return self._read(results, self.value, "value")
        return tuple(self._read(one, self.value, "value") for one in results)

    def state(self, leaf: Any) -> Any:
        """Return what leaves hold of a gradient before any is known."""
        return None if callable(self.grad) else self._each(leaf, lambda one: getattr(one, self._held(), _ABSENT))

    def reset(self, leaf: Any, blank: Any) -> None:
        """Put back what leaves held before, which is left as it is."""
        if callable(self.grad):
            return
        if not self.scalars:
            self._hold(leaf, copy.deepcopy(blank))
            return
        for index in np.ndindex(leaf.shape):
            self._hold(leaf[index], blank[index])

    def run_back(self, results: Any, cotangent: Any) -> None:
        """Fill in the gradients of the leaves."""
        if self.scalars:
            self._through_sum(list(np.ravel(results)), list(np.ravel(cotangent)))
            return
        outputs = tuple(results) if isinstance(results, tuple | list) else (results,)
        cotangents = as_tuple(cotangent)
        if callable(self.backward):
            self.backward(results, cotangent)
        elif len(outputs) == 1 and _takes_cotangent(self._method(outputs[0])):
            self._method(outputs[0])(cotangents[0])
        elif all(map(_can_be_summed, outputs, cotangents)):
            self._through_sum(outputs, cotangents)
        else:
            for one, g in zip(outputs, cotangents, strict=True):
                if callable(self.grad):
                    raise TypeError(
                        f"expected tensors that can be multiplied and summed, or a backward that takes the cotangent, "
                        f"got {type(one).__name__}; pass backward=lambda output, cotangent: …"
                    )
                self._hold(one, np.array(g))
                self._method(one)()

    def gradient(self, name: str, leaf: Any, like: Array) -> Array:
        """Return the gradient of a leaf."""
        found = self._each(leaf, lambda one: self._gradient(name, one, like))
        return np.array(found, dtype=like.dtype) if self.scalars else as_array(found, like)

    def _through_sum(self, outputs: Sequence[Any], cotangents: Sequence[Any]) -> None:
        """Run back from the sum of outputs times cotangents, formed by the tape's own operations."""
        if callable(self.backward):
            raise TypeError("expected backward to be the name of a method where tensors are scalars, got a callable")
        terms = []
        for output, g in zip(outputs, cotangents, strict=True):
            term = output * self.leaf(float(g) if self.scalars else np.array(g))
            terms.append(term.sum() if hasattr(term, "sum") else term)
        self._method(functools.reduce(operator.add, terms))()

    def _gradient(self, name: str, leaf: Any, like: Array) -> Any:
        found = self._raw_grad(leaf)
        if found is None and self.missing == "zero":
            return np.zeros_like(like) if not self.scalars else 0.0
        if found is None:
            raise ValueError(
                f"expected the leaf {name!r} to have a gradient after backward, got None; if the output does not "
                f"depend on it, declare missing='zero'"
            )
        if isinstance(found, np.ndarray | float | int | np.generic | list) or callable(self.grad):
            return found
        return self._read(found, self.value, "value")

    def _raw_grad(self, leaf: Any) -> Any:
        return self._read(leaf, self.grad, "grad")

    def _read(self, tensor: Any, how: str | Callable[[Any], Any], what: str) -> Any:
        if self.scalars and isinstance(tensor, np.ndarray | list | tuple):
            items = np.asarray(tensor, dtype=object)
            numbers = [float(self._read(one, how, what)) for one in items.ravel()]
            return np.array(numbers, dtype=np.float64).reshape(items.shape)
        if callable(how):
            return as_array(how(tensor))
        try:
            return as_array(operator.attrgetter(how)(tensor))
        except AttributeError:
            if what == "grad" and "." in how and hasattr(tensor, how.split(".")[0]):
                return None  # the gradient is a tensor, and there is none yet
            raise TypeError(
                f"expected tensors with an attribute {how!r}, got {type(tensor).__name__} without; say with {what}=… "
                f"how it is read"
            ) from None

    def _held(self) -> str:
        """The attribute that is set as a whole, ``grad`` of ``grad.data``."""
        return str(self.grad).split(".")[0]

    def _hold(self, tensor: Any, held: Any) -> None:
        if held is not _ABSENT:
            setattr(tensor, self._held(), held)
        elif hasattr(tensor, self._held()):
            delattr(tensor, self._held())

    def _method(self, tensor: Any) -> Callable[..., Any]:
        method = getattr(tensor, str(self.backward), None)
        if not callable(method):
            raise TypeError(
                f"expected tensors with a method {self.backward!r}, got {type(tensor).__name__} without; pass its "
                f"name, or backward=lambda output, cotangent: …"
            )
        return method  # type: ignore[no-any-return]  # it is callable

    def _each(self, leaf: Any, read: Callable[[Any], Any]) -> Any:
        """Return what is read of a leaf, or of each of an array of them."""
        if not self.scalars:
            return read(leaf)
        found = np.empty(leaf.shape, dtype=object)
        for index in np.ndindex(leaf.shape):
            found[index] = read(leaf[index])
        return found


def _takes_cotangent(method: Callable[..., Any]) -> bool:
    parameters = named_parameters(method) or []
    return any(one.kind is not one.KEYWORD_ONLY and one.name not in _SWITCHES for one in parameters)


def _can_be_summed(output: Any, cotangent: Any) -> bool:
    return callable(getattr(output, "__mul__", None)) and (np.size(cotangent) == 1 or hasattr(output, "sum"))
