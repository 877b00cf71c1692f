"""Samples of a batch, and items along other axes: their number and order do not matter where they are independent."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from gradcheck.checks.answers import FormError, SubjectRaisedError, flatten_outputs, is_undefined
from gradcheck.checks.contracts.contract import contract
from gradcheck.checks.contracts.session import Mismatch, Session
from gradcheck.checks.contracts.violation import Violation
from gradcheck.checks.probe import Probe
from gradcheck.numeric.space import Space
from gradcheck.subject import Array, Trait

_HOW_EMPTY = "declare gradcheck.Trait('fixed-batch') if the size of the batch cannot change"


@dataclass(frozen=True, kw_only=True)
class _Batch:
    """An answer as arrays: outputs, gradients of the batched primals, gradients of the others."""

    outputs: list[Array]
    batched: dict[str, Array]
    shared: dict[str, Array]


def _batched(probe: Probe) -> tuple[str, ...]:
    return probe.limited("batch-separable") or probe.limited("batch-normalising")


def _has_batch(probe: Probe, least: int) -> bool:
    """Whether axis 0 of every batched primal counts at least so many samples, which may be chosen freely."""
    spaces: list[Space] = [probe.space]
    sizes = {part.shape[0] if part.shape else 0 for space in spaces for part in space if part.name in _batched(probe)}
    free = not probe.is_limited("fixed-batch") and not probe.is_limited("stochastic")
    return free and len(sizes) == 1 and min(sizes) >= least


def _may_be_empty(probe: Probe) -> bool:
    return probe.is_limited("batch-separable") and _has_batch(probe, 1)


def _may_be_split(probe: Probe) -> bool:
    return probe.is_limited("batch-separable") and _has_batch(probe, 2)


def _is_normalised(probe: Probe) -> bool:
    return probe.is_limited("batch-normalising") and _has_batch(probe, 3)


def _is_of_any_rank(probe: Probe) -> bool:
    ranks = [len(part.shape) for part in probe.space if part.name in probe.limited("any-rank")]
    return bool(ranks) and min(ranks) >= 2 and not probe.is_limited("stochastic")


@contract("empty-batch", "a batch may have no samples", applies=_may_be_empty)
def empty_batch(session: Session) -> Iterator[Violation]:
    """A batch of no samples has outputs without samples, and gradients of zero for what its samples share."""
    try:
        empty = _ask(session, lambda array: array[:0])
    except (SubjectRaisedError, FormError) as error:
        yield Violation(f"a batch of 0 is not accepted: {error}; {_HOW_EMPTY}")
        return
    for name, gradient in empty.shared.items():
        if gradient.any():
            value = gradient.flat[np.flatnonzero(gradient)[0]]
            yield Violation(
                f"a batch of 0 has a gradient of {name!r} that is not zero but {value:.6g}: what an earlier call left "
                f"shows",
                primal=name,
            )
    for k, (output, whole) in enumerate(zip(empty.outputs, _outputs(session), strict=True)):
        if output.shape != (0, *whole.shape[1:]):
            yield Violation(f"a batch of 0 has output {k} of shape {output.shape}, expected {(0, *whole.shape[1:])}")


@contract("batch-exchange", "a batch is the sum of its parts", applies=_may_be_split)
def batch_exchange(session: Session) -> Iterator[Violation]:
    """A batch is its first sample and the others: outputs and gradients of samples side by side, shared ones summed.

    The two calls are a batch of 1 and one that is larger again: what is kept from call to call shows too. The others
    come in reversed order, which must not matter either.
    """
    try:
        parts = [_ask(session, lambda array: array[:1]), _ask(session, lambda array: array[:0:-1])]
    except (SubjectRaisedError, FormError) as error:
        yield Violation(f"a part of the batch is not accepted: {error}; {_HOW_EMPTY}")
        return
    together = _Batch(
        outputs=[
            np.concatenate([head, tail[::-1]]) for head, tail in zip(*(part.outputs for part in parts), strict=True)
        ],
        batched={
            name: np.concatenate([parts[0].batched[name], parts[1].batched[name][::-1]]) for name in parts[0].batched
        },
        shared={name: np.sum([part.shared[name] for part in parts], axis=0) for name in parts[0].shared},
    )
    found = _compare(session, together)
    if found is not None:
        yield session.violation(
            found,
            f"samples are not independent, or a call shows in the next: {session.named(found)} of the whole batch is "
            f"not made of those of its first sample and of the others, {found}; if samples are meant to influence each "
            f"other, declare gradcheck.{Trait('batch-normalising')} in the place of 'batch-separable'",
        )


@contract("batch-order", "the order of samples does not matter", applies=_is_normalised)
def batch_order(session: Session) -> Iterator[Violation]:
    """Samples in another order have outputs and gradients in that order."""
    turned = _ask(session, lambda array: np.ascontiguousarray(array[::-1]))
    back = _Batch(
        outputs=[output[::-1] for output in turned.outputs],
        batched={name: gradient[::-1] for name, gradient in turned.batched.items()},
        shared=turned.shared,
    )
    found = _compare(session, back)
    if found is not None:
        yield session.violation(
            found,
            f"the order of the samples matters: with all of them reversed, {session.named(found)} is {found}; axis 0 "
            f"does not count samples, or one place of the batch is treated unlike the others",
        )


@contract("batch-sizes", "a smaller batch leaves no trace", applies=_is_normalised)
def batch_sizes(session: Session) -> Iterator[Violation]:
    """After a smaller batch, the batch has the answer that it had before."""
    try:
        _ask(session, lambda array: array[1:])
    except (SubjectRaisedError, FormError) as error:
        if not is_undefined(error):  # what normalises needs some samples
            yield Violation(f"a smaller batch is not accepted: {error}; {_HOW_EMPTY}")
        return
    found = _compare(session, _ask(session, lambda array: array))
    if found is not None:
        yield session.violation(
            found,
            f"after a smaller batch, {session.named(found)} is {found}: arrays are kept from one call to the next",
        )


@contract("any-rank", "leading axes may be arranged otherwise", applies=_is_of_any_rank)
def any_rank(session: Session) -> Iterator[Violation]:
    """Items arranged along other axes have the same outputs and gradients."""
    names = session.probe.limited("any-rank")
    arguments = session.arrays()

    def rearranged(array: Array) -> Array:
        leading, items = array.shape[:-1], math.prod(array.shape[:-1])
        return array.reshape(*((items,) if len(leading) > 1 else _factors(items)), array.shape[-1])

    try:
        linearization = session.probe.linearize_at(
            {name: rearranged(array) if name in names else array for name, array in arguments.items()}
        )
        cotangents = [rearranged(array) for array in _arrays(_given(session))]
        gradients = linearization.pull(tuple(cotangents) if linearization.form.is_tuple else cotangents[0])
    except (SubjectRaisedError, FormError) as error:
        yield Violation(f"with the leading axes of {', '.join(names)} arranged otherwise: {error}")
        return
    outputs = flatten_outputs(linearization.returned)
    found = session.compare_outputs(outputs)
    found = found or session.compare_gradients(linearization.space.join(gradients))
    if found is not None:
        yield session.violation(
            found,
            f"with the leading axes of {', '.join(names)} arranged otherwise, {session.named(found)} is {found}: a "
            f"sum or an index counts on the number of axes",
        )


def _factors(items: int) -> tuple[int, int]:
    """Return two factors of a number, as near to each other as they can be."""
    first = next(k for k in range(math.isqrt(max(items, 1)), 0, -1) if items % k == 0)
    return first, items // first


def _ask(session: Session, take: Callable[[Array], Array]) -> _Batch:
    """Return the answer for a part of the batch, or for the batch in another order."""
    names = _batched(session.probe)
    arguments = {name: np.array(take(array)) if name in names else array for name, array in session.arrays().items()}
    linearization = session.probe.linearize_at(arguments)
    cotangents: Any = tuple(np.array(take(array)) for array in _arrays(_given(session)))
    for output, cotangent in zip(_arrays(linearization.returned), cotangents, strict=True):
        if np.shape(output) != cotangent.shape:
            raise FormError("shape", f"expected an output of shape {cotangent.shape}, got shape={np.shape(output)}")
    gradients = linearization.pull(cotangents if linearization.form.is_tuple else cotangents[0])
    return _Batch(
        outputs=[np.array(array) for array in _arrays(linearization.returned)],
        batched={name: np.array(gradients[name]) for name in names},
        shared={name: np.array(gradient) for name, gradient in gradients.items() if name not in names},
    )


def _compare(session: Session, batch: _Batch) -> Mismatch | None:
    outputs = np.concatenate([output.reshape(-1) for output in batch.outputs]).astype(np.float64)
    found = session.compare_outputs(outputs)
    return found or session.compare_gradients(session.space.join({**batch.batched, **batch.shared}))


def _given(session: Session) -> Any:
    return session.linearization.form.cotangent(session.cotangent)


def _outputs(session: Session) -> list[Array]:
    return list(session.form.split(session.first.outputs).values())


def _arrays(outputs: Any) -> tuple[Array, ...]:
    return outputs if isinstance(outputs, tuple) else (outputs,)
