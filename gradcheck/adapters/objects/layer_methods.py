"""How a layer object is called: its methods, its mode, its random numbers, what stands beside the arrays."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import numpy as np

from gradcheck.adapters.objects.paths import MISSING, Path, places, suggestion
from gradcheck.adapters.objects.recorder import LEARNING_RATES
from gradcheck.messages import did_you_mean

Method: TypeAlias = str | Callable[..., Any]

# fmt: off
#: What people call the two methods, the commonest first.
FORWARD = (
    "forward", "forward_pass", "forward_propagation", "forward_propagate", "forward_prop", "feed_forward",
    "feedforward", "fprop", "fwd", "__call__", "call", "predict",
)
BACKWARD = (
    "backward", "backward_pass", "backward_propagation", "backward_propagate", "backward_prop", "back_propagation",
    "back_propagate", "backpropagation", "backpropagate", "backprop", "bprop", "bwd", "gradient",
)
# fmt: on
_TRAINING = ("training", "train", "is_training", "is_train", "train_mode", "train_flg", "istraining")
_SEED = 20_240_229


def find_method(layer: Any, known: Iterable[str]) -> str | None:
    """Return the first of the names that is a method of a layer."""
    return next((name for name in known if callable(getattr(layer, name, None))), None)


def require_method(layer: Any, given: Method | None, known: Sequence[str], option: str) -> Method:
    """Return the method that was asked for, or is there.

    Raises
    ------
    ValueError
        If it is not there.
    """
    if given is not None and not isinstance(given, str):
        return given
    name = find_method(layer, known if given is None else [given])
    if name is not None:
        return name
    kind, methods = type(layer).__name__, [name for name in dir(layer) if not name.startswith("_")]
    if given is not None:
        raise ValueError(
            f"expected {kind} to have a method {given!r}, got {option}={given!r}{did_you_mean(given, methods)}"
        )
    there = ", ".join(name for name in methods if callable(getattr(layer, name, None))) or "none"
    raise ValueError(
        f"{kind} has no method called {', '.join(known[:4])} or the like (its methods: {there}); say which it is: "
        f"{option}='…'"
    )


@dataclass(frozen=True, kw_only=True)
class LayerMethods:
    """How to call a layer of some class.

    Attributes
    ----------
    forward, backward : str or callable
        Names of methods, or functions of the layer and the arrays.
    mode : Path or None
        Where the mode is set: an argument of forward, a method, or an attribute.
    mode_is_argument : bool
    seeds : tuple of Path
        Generators that are reset before each forward.
    reseed : callable or None
        Resets other generators, before each forward.
    rate : Path or None
        Where the learning rate is set: an argument of backward, or an attribute.
    rate_is_argument : bool
    """

    forward: Method
    backward: Method
    mode: Path | None
    mode_is_argument: bool
    seeds: tuple[Path, ...]
    reseed: Callable[[], Any] | None
    rate: Path | None
    rate_is_argument: bool

    @classmethod
    def of(
        cls,
        layer: Any,
        forward: Method | None,
        backward: Method | None,
        training: str | None,
        seed: str | Callable[[], Any] | None,
        learning_rate: str | None,
    ) -> LayerMethods:
        """Find out what was not said.

        Raises
        ------
        ValueError
            If something that was said is not there.
        """
        forward = require_method(layer, forward, FORWARD, "forward")
        backward = require_method(layer, backward, BACKWARD, "backward")
        forward_arguments, backward_arguments = _arguments(layer, forward), _arguments(layer, backward)
        mode = training or _first(_TRAINING, forward_arguments) or _mode_of(layer)
        rate = learning_rate or _first(LEARNING_RATES, backward_arguments)
        for option, path in (("training", training), ("learning_rate", learning_rate)):
            arguments = forward_arguments if option == "training" else backward_arguments
            if path and path not in arguments:
                _require_place(layer, path, option)
        is_path = isinstance(seed, str) and seed != "global"
        if is_path:
            _require_place(layer, str(seed), "seed")
        return cls(
            forward=forward,
            backward=backward,
            mode=Path.parse(mode) if mode else None,
            mode_is_argument=mode in forward_arguments,
            seeds=(Path.parse(str(seed)),) if is_path else (),
            reseed=seed if callable(seed) else None,
            rate=Path.parse(rate) if rate else None,
            rate_is_argument=rate in backward_arguments,
        )

    def with_generators_of(self, layer: Any) -> LayerMethods:
        """Return methods that reset every random generator of the layer before each forward."""
        held = [path for path, value in places(layer) if isinstance(value, np.random.Generator | np.random.RandomState)]
        return replace(self, seeds=tuple(held))

    def are_ready(self, layer: Any) -> bool:
        """Whether the layer has the generators that are reset; some make them in their first forward."""
        return all(path.get(layer) not in (MISSING, None) for path in self.seeds)

    def run_forward(self, layer: Any, inputs: Iterable[Any], *, trains: bool) -> Any:
        """Return the outputs of a layer: one array, or a tuple."""
        self._set_mode(layer, trains)
        if self.reseed is not None:
            self.reseed()
        for path in self.seeds:
            _reseed(layer, path)
        named = {str(self.mode): trains} if self.mode_is_argument else {}
        outputs = _call(layer, self.forward, *inputs, **named)
        return tuple(outputs) if isinstance(outputs, list) else outputs

    def run_backward(self, layer: Any, cotangent: Any, rate: float) -> Any:
        """Return what the layer's backward returns."""
        named = {str(self.rate): rate} if self.rate_is_argument else {}
        if self.rate is not None and not self.rate_is_argument:
            self.rate.assign(layer, rate)
        return _call(layer, self.backward, cotangent, **named)

    def _set_mode(self, layer: Any, trains: bool) -> None:
        if self.mode is None or self.mode_is_argument:
            return
        current = self.mode.get(layer)
        if not callable(current):
            self.mode.assign(layer, trains)
        elif trains:
            current()
        else:
            layer.eval()


def _call(layer: Any, method: Method, *arguments: Any, **named: Any) -> Any:
    if isinstance(method, str):
        return getattr(layer, method)(*arguments, **named)
    return method(layer, *arguments, **named)


def _arguments(layer: Any, method: Method) -> tuple[str, ...]:
    try:
        return tuple(inspect.signature(getattr(layer, method) if isinstance(method, str) else method).parameters)
    except (TypeError, ValueError):
        return ()


def _first(known: Iterable[str], names: Iterable[str]) -> str | None:
    return next((name for name in known if name in set(names)), None)


def _mode_of(layer: Any) -> str | None:
    if callable(getattr(layer, "train", None)) and callable(getattr(layer, "eval", None)):
        return "train"
    return next((name for name in _TRAINING if isinstance(getattr(layer, name, None), bool)), None)


def _reseed(layer: Any, path: Path) -> None:
    old = path.get(layer)
    new: Any = _SEED
    if isinstance(old, np.random.Generator):
        new = np.random.default_rng(_SEED)
    elif isinstance(old, np.random.RandomState):
        new = np.random.RandomState(_SEED)
    path.assign(layer, new)


def _require_place(layer: Any, text: str, option: str) -> None:
    if Path.parse(text).get(layer) is MISSING:
        raise ValueError(f"{type(layer).__name__} has no {text!r}, got {option}={text!r}{suggestion(layer, text)}")
