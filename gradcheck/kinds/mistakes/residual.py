"""What backward passes of residual blocks get wrong."""

from __future__ import annotations

import numpy as np

from gradcheck.faults.mistake import Mistake, Question
from gradcheck.subject import Array, Arrays


def _through_shortcut(question: Question) -> Array:
    """Return what the identity passes on: the upstream gradient, where the sum is positive."""
    return np.asarray(question.cotangent * (question.outputs > 0))


def _shortcut_dropped(question: Question) -> Arrays:
    return {"x": question.gradients["x"] - _through_shortcut(question)} if question.config.is_identity else {}


def _body_dropped(question: Question) -> Arrays:
    return {"x": _through_shortcut(question)} if question.config.is_identity else {}


def _shortcut_twice(question: Question) -> Arrays:
    return {"x": question.gradients["x"] + _through_shortcut(question)} if question.config.is_identity else {}


def _last_mask_missing_in_shortcut(question: Question) -> Arrays:
    """Pass the upstream gradient around the last ReLU."""
    if not question.config.is_identity:
        return {}
    return {"x": question.gradients["x"] + question.cotangent - _through_shortcut(question)}


RESIDUAL_MISTAKES = (
    Mistake("shortcut-dropped", "the gradient through the shortcut is left out", _shortcut_dropped),
    Mistake("body-dropped", "the gradient through the body is left out", _body_dropped),
    Mistake("shortcut-twice", "the gradient through the shortcut is added twice", _shortcut_twice),
    Mistake("last-mask-missing", "the shortcut passes the last ReLU by", _last_mask_missing_in_shortcut),
)
