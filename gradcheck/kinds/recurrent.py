"""Recurrent layers: the plain one, the LSTM and the GRU."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from gradcheck.adapters.reference import from_reference
from gradcheck.kinds.windowed import parameter, value_conditions
from gradcheck.mutants.by_kind.recurrent_mutants import GRU_MUTANTS, LSTM_MUTANTS, RNN_MUTANTS
from gradcheck.strategies.values import Regime, values
from gradcheck.strategies.windows import batch_sizes
from gradcheck.subject import Array, Arrays, Subject
from gradcheck.suites.kind import Kind
from reference_layers import GRU, LSTM, RNN

#: From this argument on tanh is 1 in float64, and the slope of a gate is next to nothing.
_SATURATED = 19.0


@dataclass(frozen=True)
class RecurrentConfig:
    """A recurrent layer, and the numbers of samples and of time steps of its input."""

    batch: int
    steps: int
    input_size: int
    hidden_size: int
    num_layers: int = 1
    bidirectional: bool = False
    bias: bool = True
    batch_first: bool = False

    @property
    def x_shape(self) -> tuple[int, int, int]:
        """Shape of the input."""
        if self.batch_first:
            return self.batch, self.steps, self.input_size
        return self.steps, self.batch, self.input_size

    @property
    def state_shape(self) -> tuple[int, int, int]:
        """Shape of h0, and of c0."""
        return self.num_layers * (1 + self.bidirectional), self.batch, self.hidden_size

    @property
    def options(self) -> dict[str, Any]:
        """The hyper-parameters of the layer."""
        options = dataclasses.asdict(self)
        del options["batch"], options["steps"]
        return options


@dataclass(frozen=True)
class RNNConfig(RecurrentConfig):
    """A plain recurrent layer, and the numbers of samples and of time steps of its input."""

    nonlinearity: Literal["tanh", "relu"] = "tanh"


def _configs(config: type[RecurrentConfig], **more: SearchStrategy[Any]) -> SearchStrategy[Any]:
    fields = {
        "batch": batch_sizes(),
        "steps": st.integers(1, 5),
        "input_size": st.integers(1, 4),
        "hidden_size": st.integers(1, 4),
        "num_layers": st.integers(1, 3),
        **dict.fromkeys(("bidirectional", "bias", "batch_first"), st.booleans()),
        **more,
    }
    return st.builds(config, **fields)


def _rnn_configs() -> SearchStrategy[RNNConfig]:
    # Without a bias a time step of zeros can put several units at their kinks together. Where these add up, what the
    # convention of each makes of the whole may be none of its slopes: relu(x) − relu(−x) is x, and its gradient 0 + 0.
    drawn = _configs(RNNConfig, nonlinearity=st.sampled_from(["tanh", "relu"]))
    return drawn.map(lambda c: dataclasses.replace(c, bias=c.bias or c.nonlinearity == "relu"))


def _gated_configs() -> SearchStrategy[RecurrentConfig]:
    return _configs(RecurrentConfig)


def _corners(config: type[RecurrentConfig]) -> tuple[Any, ...]:
    return (
        config(3, 4, 2, 5),
        config(3, 4, 2, 3, num_layers=2, bidirectional=True),
        config(5, 2, 3, 2, num_layers=3, bias=False),
        config(3, 5, 4, 2, bidirectional=True, batch_first=True),
        config(3, 3, 3, 3, batch_first=True),  # all equal: exchanged axes and weights have the right shape
        config(1, 1, 2, 3, num_layers=2),
        config(1, 1, 1, 1),
    )


def _primals_of(
    layer: type[RNN | LSTM | GRU],
) -> Callable[[RecurrentConfig, np.random.Generator, Regime], dict[str, Array]]:
    def primals(config: RecurrentConfig, rng: np.random.Generator, regime: Regime) -> dict[str, Array]:
        built = layer(**config.options)
        shapes = {**dict.fromkeys(built.cell.states, config.state_shape), **built.param_shapes}
        x = values(regime, config.x_shape, rng)
        return {
            "x": x,
            **{name: _scale(name, regime) * parameter(shape, regime, rng) for name, shape in shapes.items()},
        }

    return primals


def _scale(name: str, regime: Regime) -> float:
    """Return how large a parameter is; x of order 1e3 is not to saturate every gate, for then nothing shows."""
    return 1e-2 if regime in ("large", "offset") and name.startswith("weight_ih_l0") else 1.0


def _build_of(layer: type[RNN | LSTM | GRU]) -> Callable[[RecurrentConfig, Arrays], Subject]:
    def build(config: RecurrentConfig, primals: Arrays) -> Subject:
        built = layer(**config.options)
        # Axis 0 of the states counts layers, so that no axis 0 counts the samples of all.
        return from_reference(built, primals, input_name=("x", *built.cell.states))

    return build


def _conditions() -> Mapping[str, Callable[[Any, Arrays], bool]]:
    return {
        "1 time step": lambda c, _: c.steps == 1,
        "2 time steps": lambda c, _: c.steps == 2,
        "≥ 3 time steps": lambda c, _: c.steps >= 3,
        "several layers": lambda c, _: c.num_layers > 1,
        "a layer between two others": lambda c, _: c.num_layers > 2,
        "both directions": lambda c, _: c.bidirectional,
        "both directions and several layers": lambda c, _: c.bidirectional and c.num_layers > 1,
        "batch first": lambda c, _: c.batch_first,
        "no bias": lambda c, _: not c.bias,
        "input size ≠ hidden size": lambda c, _: c.input_size != c.hidden_size,
        "input size = hidden size": lambda c, _: c.input_size == c.hidden_size,
        "batch 1": lambda c, _: c.batch == 1,
        "batch ≥ 3": lambda c, _: c.batch >= 3,
        **value_conditions(),
    }


def _from_x(primals: Arrays) -> Array:
    """Return what the first layer makes of x, before its nonlinearities."""
    return np.asarray(np.abs(primals["x"] @ primals["weight_ih_l0"].T))


def _saturates(config: Any, primals: Arrays) -> bool:  # noqa: ARG001 - every condition has this signature
    return bool(_from_x(primals).max() > _SATURATED)


def _hardly_moves(config: Any, primals: Arrays) -> bool:  # noqa: ARG001
    return bool(_from_x(primals).max() < 0.1)


_GATES = {"gates saturated by x": _saturates, "gates hardly moved by x": _hardly_moves}

RNN_KIND = Kind(
    name="rnn",
    config=RNNConfig,
    configs=_rnn_configs,
    corners=(
        *_corners(RNNConfig),
        RNNConfig(3, 4, 2, 5, nonlinearity="relu"),
        RNNConfig(3, 3, 2, 4, num_layers=2, bidirectional=True, nonlinearity="relu"),
    ),
    primals=_primals_of(RNN),
    build=_build_of(RNN),
    conditions={
        **_conditions(),
        "relu": lambda c, _: c.nonlinearity == "relu",
        "tanh saturated by x": lambda c, primals: c.nonlinearity == "tanh" and _saturates(c, primals),
        "tanh hardly moved by x": lambda c, primals: c.nonlinearity == "tanh" and _hardly_moves(c, primals),
    },
    layers=(RNN,),
    mutants=RNN_MUTANTS,
    sizes=tuple(RNNConfig(4, 4, n, n) for n in (2, 4, 8, 16, 32, 64)),
)
LSTM_KIND, GRU_KIND = (
    Kind(
        name=name,
        config=RecurrentConfig,
        configs=_gated_configs,
        corners=_corners(RecurrentConfig),
        primals=_primals_of(layer),
        build=_build_of(layer),
        conditions={**_conditions(), **_GATES},
        layers=(layer,),
        mutants=mutants,
        sizes=tuple(RecurrentConfig(4, 4, n, n) for n in (2, 4, 8, 16, 32)),
    )
    for name, layer, mutants in (
        ("lstm", LSTM, LSTM_MUTANTS),
        ("gru", GRU, GRU_MUTANTS),
    )
)

KINDS = (RNN_KIND, LSTM_KIND, GRU_KIND)
