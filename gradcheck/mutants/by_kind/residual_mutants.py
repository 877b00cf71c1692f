"""What backward passes of residual blocks get wrong."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np

from gradcheck.mutants.by_kind.chain_mutants import Back, back_through, kernel_not_rotated, passed_by, updated_before
from gradcheck.mutants.mutant import Mutant, Question
from gradcheck.subject import Array, Arrays
from reference_layers.sequential import own_params

#: Returns what a way of the block receives; ``receives(question, masked)`` is told what it should receive.
_Receives: TypeAlias = Callable[[Question, Array], Array]


def _masked(question: Question, masked: Array) -> Array:  # noqa: ARG001 - all that is received has this signature
    return masked


def _sum(body: Array, shortcut: Array) -> Array:
    return np.asarray(body + shortcut)


@dataclass(frozen=True)
class Ways:
    """How a block goes back; what stands here is right.

    Attributes
    ----------
    to_body, to_shortcut : callable
        ``receives(question, masked)`` returns the upstream gradient of each way, the last ReLU's mask applied or not.
    layers : mapping of str to callable
        Layers of the body that go back in another way.
    joined : callable
        ``joined(of the body, of the shortcut)`` returns the gradient of the input.
    """

    to_body: _Receives = _masked
    to_shortcut: _Receives = _masked
    layers: Mapping[str, Back] = field(default_factory=dict)
    joined: Callable[[Array, Array], Array] = _sum


def blocked(ways: Ways | None = None) -> Callable[[Question], Arrays]:
    """Return what goes back through a residual block in those ways, the right ones by default."""
    go = ways or Ways()

    def gradients(question: Question) -> Arrays:
        block, params = question.config.block, dict(question.primals)
        _, cache = block.forward(params, params["x"])
        masked = np.asarray(question.cotangent * cache.slope)
        of_body, own = back_through(
            block.body, own_params(params, "body"), cache.body, go.to_body(question, masked), go.layers
        )
        found = {f"body.{name}": array for name, array in own.items()}
        of_shortcut = go.to_shortcut(question, masked)
        if block.shortcut is not None:
            beside = own_params(params, "shortcut")
            of_shortcut, own = back_through(block.shortcut, beside, cache.shortcut, of_shortcut, {})
            found |= {f"shortcut.{name}": array for name, array in own.items()}
        return {"x": go.joined(of_body, of_shortcut), **found}

    return gradients


def _unmasked(question: Question, masked: Array) -> Array:  # noqa: ARG001
    return np.asarray(question.cotangent)


def _mask_of_body(question: Question, masked: Array) -> Array:  # noqa: ARG001
    """Apply the mask of what the body gives, without the shortcut."""
    body, _ = question.config.block.body.forward(own_params(dict(question.primals), "body"), question.primals["x"])
    return np.asarray(question.cotangent * (body > 0))


def _half(question: Question, masked: Array) -> Array:  # noqa: ARG001
    return masked / 2


_ROWS: tuple[tuple[str, str, Ways], ...] = (
    ("shortcut-dropped", "the gradient through the shortcut is left out", Ways(joined=lambda body, _: body)),
    ("body-dropped", "the gradient through the body is left out", Ways(joined=lambda _, shortcut: shortcut)),
    (
        "shortcut-twice",
        "the gradient through the shortcut is added twice",
        Ways(joined=lambda body, shortcut: body + 2 * shortcut),
    ),
    (
        "shortcut-subtracted",
        "the gradient through the shortcut is taken off, not added",
        Ways(joined=lambda body, shortcut: body - shortcut),
    ),
    (
        "gradient-shared-by-ways",
        "the body and the shortcut receive half the gradient of their sum each",
        Ways(to_body=_half, to_shortcut=_half),
    ),
    ("last-mask-missing", "the gradient through the shortcut passes the last ReLU by", Ways(to_shortcut=_unmasked)),
    ("last-mask-missing-in-body", "the gradient through the body passes the last ReLU by", Ways(to_body=_unmasked)),
    (
        "last-mask-missing-in-both",
        "the gradients of body and shortcut pass the last ReLU by",
        Ways(to_body=_unmasked, to_shortcut=_unmasked),
    ),
    (
        "last-mask-of-body",
        "the mask of the last ReLU is made of the body's output, without the shortcut",
        Ways(to_body=_mask_of_body, to_shortcut=_mask_of_body),
    ),
    ("relu-passed-by", "the gradient passes the ReLU of the body by", Ways(layers={"relu": passed_by})),
    ("norm1-passed-by", "the gradient passes the first normalisation by", Ways(layers={"norm1": passed_by})),
    ("norm2-passed-by", "the gradient passes the second normalisation by", Ways(layers={"norm2": passed_by})),
    (
        "norms-passed-by",
        "the gradient passes both normalisations of the body by",
        Ways(layers={"norm1": passed_by, "norm2": passed_by}),
    ),
    (
        "conv2-kernel-not-rotated",
        "conv2 passes the gradient on with its kernel not rotated",
        Ways(layers={"conv2": kernel_not_rotated}),
    ),
    (
        "conv1-kernel-not-rotated",
        "conv1 passes the gradient on with its kernel not rotated",
        Ways(layers={"conv1": kernel_not_rotated}),
    ),
    (
        "conv2-updated-before",
        "conv2 was updated before the gradient was passed on",
        Ways(layers={"conv2": updated_before}),
    ),
)

RESIDUAL_MUTANTS = tuple(Mutant(slug, sentence, blocked(ways)) for slug, sentence, ways in _ROWS)
