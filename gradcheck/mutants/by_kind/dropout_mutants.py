"""What backward passes of dropout get wrong."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from gradcheck.mutants.mutant import Mutant, Question
from gradcheck.subject import Array, Arrays
from reference_layers import Dropout


def _mask(config: Any) -> Array:
    return np.asarray(Dropout(config.p, config.training, config.seed).mask(config.shape) != 0)


def _with(change: Callable[[Question, Array], Any]) -> Callable[[Question], Arrays]:
    """Return the mistake of another factor of g; ``change(question, mask)``."""
    return lambda question: {"x": question.cotangent * change(question, _mask(question.config))}


def _redrawn(question: Question, _: Array) -> Any:
    config = question.config
    return _mask(replace(config, seed=config.seed + 1)) / _kept(config)


def _also_in_evaluation(question: Question, _: Array) -> Any:
    return _mask(replace(question.config, training=True)) / _kept(question.config)


def _in_evaluation(config: Any, _: Any) -> bool:
    return bool(not config.training and 0 < config.p < 1)


def _in_training(config: Any, _: Any) -> bool:
    return bool(config.training and 0 < config.p < 1)


def _kept(config: Any) -> float:
    return 1.0 - float(config.p)


_TRAINING: tuple[tuple[str, str, Callable[[Question, Array], Any]], ...] = (
    ("mask-missing", "the mask is left out", lambda q, _: 1 / _kept(q.config)),
    ("mask-inverted", "what was dropped receives the gradient", lambda q, m: ~m / _kept(q.config)),
    ("mask-redrawn", "the mask is drawn again", _redrawn),
    (
        "mask-from-output",
        "what is zero in the output is taken as dropped",
        lambda q, _: (q.outputs != 0) / _kept(q.config),
    ),
    ("scale-missing", "the factor 1/(1 − p) is left out", lambda _, m: m),
    ("scale-twice", "the factor 1/(1 − p) is applied twice", lambda q, m: m / _kept(q.config) ** 2),
    ("scale-by-p", "1/p stands for 1/(1 − p)", lambda q, m: m / q.config.p),
    ("nothing-dropped", "the upstream gradient is passed on, as in evaluation", lambda _q, _m: 1.0),
)
DROPOUT_MUTANTS = (
    *(Mutant(slug, sentence, _with(change), _in_training) for slug, sentence, change in _TRAINING),
    Mutant(
        "dropped-in-evaluation", "entries are dropped in evaluation too", _with(_also_in_evaluation), _in_evaluation
    ),
)
