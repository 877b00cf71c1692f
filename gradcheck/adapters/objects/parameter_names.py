"""What people call parameters and gradients: which names of a layer speak of which primal."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from gradcheck.adapters.objects.paths import Path

#: What people call the primals of gradcheck's kinds, beside their own names.
_ALIASES = {
    "weight": ("w", "weight", "weights", "kernel", "kernels", "filter", "filters", "theta", "wt"),
    "bias": ("b", "bias", "biases"),
    "gamma": ("gamma", "scale", "g", "weight", "w"),
    "beta": ("beta", "shift", "bias", "b"),
    "x": ("x", "input", "inputs", "in"),
}
#: Words that say "gradient of" beside a name.
_GRADIENT = ("grad", "grads", "gradient", "gradients", "d", "dl", "dloss", "nabla", "derivative", "dval", "wrt")
# fmt: off
#: Words that say nothing about which parameter is meant.
_FILLERS = (
    "params", "parameters", "param", "parameter", "trainable", "variables", "data", "value", "values", "val",
    "array", "tensor", "tensors", "layer", "learnable", "self", "layers", "numpy", "np", "matrix", "vector", "vec",
    "my", "the", "of", "l", "p",
)
#: Words of places that hold what a layer keeps for itself, or for its optimizer.
_ASIDE = (
    "cache", "caches", "cached", "ctx", "saved", "memory", "last", "prev", "previous", "old", "best", "initial",
    "init", "velocity", "momentum", "optimizer", "opt", "optim", "m", "v", "running", "acc", "mask",
)
# fmt: on
_TOKEN = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")


@dataclass(frozen=True, kw_only=True)
class Meaning:
    """What the name of a place says.

    Attributes
    ----------
    word : str
        The name of the parameter, in small letters; empty if it has none.
    is_gradient : bool
    position : int or None
        Where it is in a list.
    """

    word: str
    is_gradient: bool
    position: int | None

    def names(self, primal: str) -> bool:
        """Whether the name speaks of a primal."""
        return self.word in aliases(primal)


def aliases(primal: str) -> tuple[str, ...]:
    """Return the words for a primal, its own name first."""
    return tuple(dict.fromkeys((_folded(primal), *_ALIASES.get(primal, ()))))


def _folded(name: str) -> str:
    return name.lower().replace("_", "")


def meaning(path: Path) -> Meaning | None:
    """Return what a path says; None for a place that a layer keeps for itself.

    Examples
    --------
    >>> meaning(Path.parse("params['dW']"))
    Meaning(word='w', is_gradient=True, position=None)
    >>> meaning(Path.parse("W.grad")) == meaning(Path.parse("grads['W']")) == meaning(Path.parse("grad_W"))
    True
    >>> meaning(Path.parse("weights_grad")).names("weight")
    True
    """
    words: list[str] = []
    position = None
    for step in path.steps:
        if isinstance(step.key, int):
            position = step.key
        elif step.key:
            words += _words(step.key)
            position = None
    if any(word in _ASIDE and (len(word) > 1 or not place) for place, word in enumerate(words)):
        return None  # mW, v['W']; but W_v is the weight of values
    is_gradient = any(word in _GRADIENT for word in words)
    named = [word for word in words if word not in _GRADIENT and word not in _FILLERS]
    if len(named) > 1:
        named = [word for word in named if word not in ("weight", "weights")]  # as in bias_weight, kernel_weights
    word = "".join(named)
    if word == "weights" and position is not None:
        return Meaning(word="", is_gradient=is_gradient, position=position)  # a list of weights
    if word and position == 1:
        is_gradient = True  # as in {name: (value, gradient)}
    return Meaning(word=word, is_gradient=is_gradient, position=position if not word else None)


def _words(name: str) -> list[str]:
    """Return the words of a name: ``dLdW`` is d, l, d, w; ``d_weights`` d, weights; ``dbias`` d, bias."""
    own = re.sub(r"^_[A-Za-z0-9]+__", "", name)  # as Python calls private attributes
    return [word for token in _TOKEN.findall(own.replace("dL", "d_")) for word in _split(token)]


def _split(token: str) -> Sequence[str]:
    word = token.lower()
    known = {alias for several in _ALIASES.values() for alias in several}
    if word in known or word in _GRADIENT or word in _FILLERS or word in _ASIDE:
        return [word]
    for marker in ("gradient", "grad", "dldy", "dl", "d"):
        if word.startswith(marker) and word.removeprefix(marker) in known:
            return ["d", word.removeprefix(marker)]
        if marker != "d" and word.endswith(marker) and word.removesuffix(marker) in known:
            return ["d", word.removesuffix(marker)]
    return [word]


def looked_for(primal: str, *, gradient: bool) -> str:
    """Return the names of a parameter, or of its gradient, as a sentence lists them."""
    short, word = min(aliases(primal), key=len), aliases(primal)[0]
    short = short.upper() if short == "w" else short
    if gradient:
        return f"d{short}, d_{word}, grad_{word}, {word}_grad, {short}.grad, grads[{short!r}]"
    return ", ".join(dict.fromkeys((short, *aliases(primal), f"params[{short!r}]")))
