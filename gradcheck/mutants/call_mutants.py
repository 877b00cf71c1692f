"""Mutants of call order, memory and precision: they show in what calls do to one another, not in one answer."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from gradcheck.mutants.mutant import Buffers, mapped
from gradcheck.subject import Array, Arrays, Pullback, Subject

_Make = Callable[[Subject], Callable[[Arrays], tuple[Any, Pullback]]]


@dataclass(frozen=True)
class CallMutant:
    """A mutant that wraps a whole subject.

    Attributes
    ----------
    slug : str
    sentence : str
    vjp : callable
        ``vjp(subject)`` returns the mistaken vjp of a right subject.
    allowed_by : tuple of str
        Limits (see `Trait`) under which this is no fault, since the subject declares it.
    accumulates : bool
        Whether this can be made only where gradients are added to what their arrays hold.
    of_cache : bool
        Whether this is none where gradients do not depend on the point.
    shown_by : tuple of str
        The checks that find it, for those that every subject is tested with.
    """

    slug: str
    sentence: str
    vjp: _Make
    allowed_by: tuple[str, ...] = ()
    accumulates: bool = False
    of_cache: bool = False
    shown_by: tuple[str, ...] = ()

    def applies(self, subject: Subject) -> bool:
        """Whether this can be planted into a subject and is not what it declares."""
        if self.accumulates and subject.trait("accumulates") is None:
            return False
        return all(subject.trait(limit) is None for limit in self.allowed_by)

    def plant(self, subject: Subject) -> Subject:
        """Return the subject with this mutant."""
        return replace(subject, vjp=self.vjp(subject))


def _last_cache(subject: Subject) -> Any:
    last: list[Pullback] = []

    def vjp(primals: Arrays) -> tuple[Any, Pullback]:
        outputs, pullback = subject.vjp(primals)
        last[:] = [pullback]
        return outputs, lambda cotangent: last[0](cotangent)

    return vjp


def _stale_cache(subject: Subject) -> Any:
    first: dict[Any, Pullback] = {}

    def vjp(primals: Arrays) -> tuple[Any, Pullback]:
        outputs, pullback = subject.vjp(primals)
        # Of another batch size a stale cache would not fit, which everybody would notice.
        kept = first.setdefault(tuple(np.shape(array) for array in primals.values()), pullback)
        return outputs, kept

    return vjp


def _popped_cache(subject: Subject) -> Any:
    def vjp(primals: Arrays) -> tuple[Any, Pullback]:
        outputs, pullback = subject.vjp(primals)
        cache = [pullback]
        return outputs, lambda cotangent: cache.pop()(cotangent)

    return vjp


def _around(
    before: Callable[[Any], Any] = lambda cotangent: cotangent,
    after: Callable[[dict[str, Array]], Arrays] = lambda gradients: gradients,
) -> _Make:
    """Return what changes the cotangent before, and the gradients after, every pullback."""

    def make(subject: Subject) -> Any:
        def vjp(primals: Arrays) -> tuple[Any, Pullback]:
            outputs, pullback = subject.vjp(primals)
            return outputs, lambda cotangent: after(dict(pullback(before(cotangent))))

        return vjp

    return make


def _with_primals(change: Callable[[Arrays], Arrays]) -> _Make:
    """Return what puts other primals into every call."""

    def make(subject: Subject) -> Any:
        return lambda primals: subject.vjp(change(primals))

    return make


def _stateful(step: Callable[[dict[str, Any], dict[str, Array]], Arrays]) -> _Make:
    """Return what passes the gradients of every pullback through ``step(state, gradients)``."""

    def make(subject: Subject) -> Any:
        state: dict[str, Any] = {}
        return _around(after=lambda gradients: step(state, gradients))(subject)

    return make


def _same_buffer(state: dict[str, Any], gradients: dict[str, Array]) -> Arrays:
    """Hand the same arrays out every time."""
    handed = {}
    for name, gradient in gradients.items():
        buffer = state.setdefault(f"{name} {np.shape(gradient)}", np.empty_like(gradient))
        buffer[...] = gradient
        handed[name] = buffer
    return handed


def _adding_up(state: dict[str, Any], gradients: dict[str, Array]) -> Arrays:
    """Add to a buffer that is never set to zero."""
    for name, gradient in gradients.items():
        key = f"{name} {np.shape(gradient)}"
        state[key] = state.get(key, 0) + gradient
        gradients[name] = np.asarray(state[key]).copy()
    return gradients


def _doubled_in_place(cotangent: Array) -> Array:
    cotangent *= 2
    return cotangent


def _masked_in_place(cotangent: Array) -> Array:
    cotangent[cotangent < 0] = 0
    return cotangent


def _restored_not(subject: Subject) -> Any:
    """Use the cotangent as scratch space after the gradients are made: one answer is right."""

    def vjp(primals: Arrays) -> tuple[Any, Pullback]:
        outputs, pullback = subject.vjp(primals)

        def mistaken(cotangent: Any) -> Arrays:
            gradients = {name: np.array(gradient) for name, gradient in pullback(cotangent).items()}
            mapped(_doubled_in_place, cotangent)
            return gradients

        return outputs, mistaken

    return vjp


def _forward_writes(subject: Subject) -> Any:
    def vjp(primals: Arrays) -> tuple[Any, Pullback]:
        answer = subject.vjp({name: np.array(array) for name, array in primals.items()})
        first = next(iter(primals.values()))
        first[...] = np.maximum(first, 0) + 1
        return answer

    return vjp


def _updates_first(subject: Subject) -> Any:
    """Take the step of gradient descent inside the pullback."""

    def vjp(primals: Arrays) -> tuple[Any, Pullback]:
        outputs, pullback = subject.vjp(primals)

        def mistaken(cotangent: Any) -> Arrays:
            gradients = pullback(cotangent)
            name = list(primals)[-1]
            primals[name][...] -= 0.125 * np.asarray(gradients[name]) + 0.125
            return gradients

        return outputs, mistaken

    return vjp


def _in_memory_order(array: Array) -> Array:
    return array.ravel(order="K").reshape(array.shape)


def _as_if_contiguous(array: Array) -> Array:
    """Read as many entries as there are from where the memory of the array begins, whatever its strides."""
    memory: object = array if array.base is None else array.base
    if not isinstance(memory, np.ndarray) or memory.size < array.size or memory.dtype != array.dtype:
        return array
    return memory.ravel(order="K")[: array.size].reshape(array.shape)


def _rounded(dtype: type) -> Callable[[Array], Array]:
    return lambda array: array.astype(dtype).astype(array.dtype)


def _all(change: Callable[[Array], Array]) -> Callable[[Mapping[str, Array]], dict[str, Array]]:
    return lambda arrays: {name: change(array) for name, array in arrays.items()}


def _tail_left(gradients: dict[str, Array]) -> Arrays:
    """Leave the last entry of the first gradient as memory happens to be."""
    name = next(iter(gradients))
    right = np.asarray(gradients[name])
    left = np.empty_like(right, order="C")
    left.reshape(-1)[:-1] = right.reshape(-1)[:-1]
    return {**gradients, name: left}


def _noisy(subject: Subject) -> Any:
    rng = np.random.default_rng(0)

    def spoil(array: Array) -> Array:
        return np.asarray(array * (1 + 64 * np.finfo(array.dtype).eps * rng.standard_normal(array.shape)), array.dtype)

    return _around(after=_all(spoil))(subject)


def _in_buffers(write: Callable[[str, Array, Arrays, Array], None]) -> _Make:
    """Return what leaves something else in the arrays to which gradients are added.

    ``write(name, array, kept, added)`` is told what was added to what was kept there, as far as that is known.
    """

    def make(subject: Subject) -> Any:
        buffers = Buffers(subject)

        def vjp(primals: Arrays) -> tuple[Any, Pullback]:
            outputs, pullback = subject.vjp(primals)

            def mistaken(cotangent: Any) -> Arrays:
                kept = buffers.held()
                answer = pullback(cotangent)
                added = buffers.added(answer, kept)
                for name in buffers.adding:
                    write(name, answer[name], kept, added[name])
                return answer

            return outputs, mistaken

        return vjp

    return make


def _overwritten(name: str, array: Array, kept: Arrays, added: Array) -> None:  # noqa: ARG001
    array[...] = added


def _added_twice(name: str, array: Array, kept: Arrays, added: Array) -> None:  # noqa: ARG001
    array += added


def _rebound(subject: Subject) -> Any:
    """Hand a new array out every time, as ``self.dw = self.dw + dw`` does."""
    return _around(after=_all(np.array))(subject)


#: Mutants that any subject can make.
CALL_MUTANTS: tuple[CallMutant, ...] = (
    CallMutant(
        "last-cache",
        "the pullback uses what the last forward kept",
        _last_cache,
        ("last-forward-only",),
        of_cache=True,
        shown_by=("call-order", "forward-agrees"),
    ),
    CallMutant(
        "stale-cache",
        "the pullback uses what the first forward kept",
        _stale_cache,
        ("last-forward-only",),
        of_cache=True,
        shown_by=("call-order",),
    ),
    CallMutant("cache-popped", "the second pullback of a forward fails", _popped_cache, ("single-pullback",)),
    CallMutant(
        "adds-up",
        "gradients add up over calls",
        _stateful(_adding_up),
        ("accumulates", "overwrites"),
        shown_by=("pullback-twice", "call-order"),
    ),
    CallMutant(
        "same-buffer",
        "the gradients of a call are overwritten by the next",
        _stateful(_same_buffer),
        ("accumulates", "overwrites"),
        shown_by=("overwritten",),
    ),
    CallMutant(
        "upstream-doubled-in-place",
        "the upstream gradient is doubled in place",
        _around(lambda g: mapped(_doubled_in_place, g)),
    ),
    CallMutant(
        "upstream-masked-in-place",
        "negative upstream gradients are set to zero in place",
        _around(lambda g: mapped(_masked_in_place, g)),
    ),
    CallMutant("upstream-spoiled-after", "the upstream gradient serves as scratch space", _restored_not),
    CallMutant("input-changed", "the forward changes its input", _forward_writes),
    CallMutant("parameter-updated", "the pullback updates a parameter", _updates_first),
    CallMutant(
        "upstream-as-if-contiguous",
        "the upstream gradient is read as if it were contiguous",
        _around(lambda g: mapped(_as_if_contiguous, g)),
    ),
    CallMutant(
        "upstream-in-memory-order",
        "the upstream gradient is read in the order of memory",
        _around(lambda g: mapped(_in_memory_order, g)),
    ),
    CallMutant(
        "input-in-memory-order", "the input is read in the order of memory", _with_primals(_all(_in_memory_order))
    ),
    CallMutant(
        "hidden-float16",
        "gradients are rounded to float16",
        _around(after=_all(_rounded(np.float16))),
        ("half-precision",),
    ),
    CallMutant(
        "hidden-float32",
        "gradients are rounded to float32",
        _around(after=_all(_rounded(np.float32))),
        ("single-precision", "half-precision"),
    ),
    CallMutant(
        "input-in-float32",
        "the input is rounded to float32",
        _with_primals(_all(_rounded(np.float32))),
        ("single-precision", "half-precision"),
    ),
    CallMutant("entry-not-written", "the last entry of a gradient is never written", _around(after=_tail_left)),
    CallMutant("noise", "the same call returns other numbers", _noisy, shown_by=("deterministic", "pullback-twice")),
    CallMutant(
        "overwrites", "gradients overwrite what they should be added to", _in_buffers(_overwritten), accumulates=True
    ),
    CallMutant("added-twice", "gradients are added twice", _in_buffers(_added_twice), accumulates=True),
    CallMutant("rebound", "gradients are added into a new array", _rebound, accumulates=True),
)

_UPSTREAM_IGNORED = CallMutant(
    "upstream-ignored", "the upstream gradient is treated as ones", _around(lambda g: mapped(np.ones_like, g))
)
#: Those that every check of a subject must notice.
CORE_CALL_MUTANTS: tuple[CallMutant, ...] = (
    _UPSTREAM_IGNORED,
    *(
        mutant
        for mutant in CALL_MUTANTS
        if mutant.slug in ("last-cache", "stale-cache", "adds-up", "same-buffer", "upstream-doubled-in-place", "noise")
    ),
)
