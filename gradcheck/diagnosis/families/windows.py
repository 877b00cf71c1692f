"""Gradients of images through other windows than the forward's: what the backward pass used is read off."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from gradcheck.diagnosis.hypothesis import OPERAND, Hypothesis, plainly
from gradcheck.diagnosis.observation import Observation
from gradcheck.diagnosis.readout import Reading, orientations, read_windows
from gradcheck.subject import Array

_NUMBERS = ("stride", "dilation", "padding")


def windows(observation: Observation, primal: str) -> Iterator[Hypothesis]:
    """Yield the windows that impulses show, if they differ from those of the forward."""
    used = read_windows(observation, primal, partial(observation.asked, primal))
    if used is None:
        return
    right = read_windows(observation, primal, partial(observation.altered, primal))
    if right is None or right.taps.shape != used.taps.shape:
        return
    for turn, taps in orientations(right.taps):
        if turn != "as it is" and observation.same(taps, right.taps, primal):
            continue  # the weights of an average are the same whichever way they are turned
        differs = [name for name in _NUMBERS if getattr(used, name) != getattr(right, name)]
        told = [f"{name} {getattr(used, name)} where the forward has {getattr(right, name)}" for name in differs]
        told += [] if turn == "as it is" else [f"the kernel {turn}"]
        if told and observation.same(used.taps, taps, primal):
            slug = "+".join([*(f"other-{name}" for name in differs), *([] if turn == "as it is" else [_slug(turn)])])
            sentence = f"the gradient is that of windows with {' and '.join(told)}"
            yield Hypothesis(slug, OPERAND, plainly(sentence), partial(_predict, used=used, turn=turn))


def _slug(turn: str) -> str:
    return "kernel-" + turn.split()[0] + (f"-{turn.split()[-1]}" if "axis" in turn else "")


def _predict(observation: Observation, primal: str, used: Reading, turn: str) -> Array | None:
    """Return the gradient through the windows that were read off, with the weights of the forward."""
    right = read_windows(observation, primal, partial(observation.altered, primal))
    if right is None:
        return None
    taps = dict(orientations(right.taps))[turn]
    upstream = observation.question.cotangent
    return used.turned(taps).pulled(upstream, observation.right[primal].shape)
