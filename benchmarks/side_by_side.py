"""Calls and time of gradient checks of one convolution, gradcheck beside its peers on the same NumPy functions.

Run with ``python benchmarks/side_by_side.py``; BLAS is held to one thread. Every figure is a ratio to one forward and
backward of the layer, measured in turn in the same process. A peer that is not installed is a visible row.
"""

from __future__ import annotations

import os

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_name, "1")

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

import gradcheck
from gradcheck.kinds.laws import bias_is_summed, euler
from reference_layers import Conv2d

ROUNDS = 15


@dataclass
class Problem:
    """A convolution at a point, as plain functions that count their calls."""

    layer: Conv2d
    primals: dict[str, np.ndarray]
    forwards: int = 0
    pullbacks: int = 0

    @classmethod
    def of(cls, shape: tuple[int, ...], layer: Conv2d) -> Problem:
        """Return the layer at random primals."""
        rng = np.random.default_rng(0)
        x, weight = rng.standard_normal(shape), rng.standard_normal(layer.weight_shape)
        return cls(layer, {"x": x, "weight": weight, "bias": rng.standard_normal(layer.out_channels)})

    def forward(self, *arrays: np.ndarray) -> tuple[np.ndarray, Any]:
        """Return output and cache."""
        self.forwards += 1
        x, weight, bias = arrays or self.primals.values()
        return self.layer.forward({"weight": weight, "bias": bias}, x)

    def backward(self, cache: Any, cotangent: np.ndarray, weight: np.ndarray | None = None) -> tuple[np.ndarray, ...]:
        """Return the gradients of x, weight and bias."""
        self.pullbacks += 1
        params = {"weight": self.primals["weight"] if weight is None else weight}
        grad_input, gradients = self.layer.backward(params, cache, cotangent)
        return grad_input, gradients["weight"], gradients["bias"]

    def forward_and_backward(self) -> None:
        """Do once what a check is measured against."""
        output, cache = self.forward()
        self.backward(cache, output)

    def subject(self) -> gradcheck.Subject:
        """Return the layer as gradcheck takes it."""

        def vjp(primals: Any) -> tuple[np.ndarray, Any]:
            output, cache = self.forward(*primals.values())

            def pullback(cotangent: np.ndarray) -> dict[str, np.ndarray]:
                gradients = self.backward(cache, cotangent, primals["weight"])
                return dict(zip(primals, gradients, strict=True))

            return output, pullback

        traits = frozenset({gradcheck.Trait("batch-separable", ("x",))})
        laws = (*euler("weight", "x", "bias"), bias_is_summed("bias", 1))
        return gradcheck.Subject("conv", self.primals, vjp, lambda p: self.forward(*p.values())[0], traits, laws=laws)


Check = Callable[[], object]


def gradcheck_rows(problem: Problem) -> dict[str, Check]:
    """Return the checks of this project, and the plain loop of the articles."""
    subject = problem.subject()
    cotangent = np.random.default_rng(1).standard_normal(problem.forward()[0].shape)

    def plain_loop() -> None:
        for name in problem.primals:

            def objective(array: np.ndarray, name: str = name) -> float:
                arrays = {**problem.primals, name: array}
                return float((problem.forward(*arrays.values())[0] * cotangent).sum())

            gradcheck.numeric_gradient(objective, problem.primals[name])

    return {
        "gradcheck projected, one trial": lambda: gradcheck.check(subject, contracts=False, trials=1),
        "gradcheck projected (two trials)": lambda: gradcheck.check(subject, contracts=False),
        "gradcheck default (contracts, laws)": lambda: gradcheck.check(subject),
        "gradcheck entry by entry": lambda: gradcheck.check(subject, contracts=False, exhaustive=True),
        "plain loop (numeric_gradient)": plain_loop,
    }


def autograd_rows(problem: Problem) -> dict[str, Check]:
    """Return the reverse-mode check of HIPS autograd."""
    try:
        from autograd.extend import defvjp_argnums, primitive
        from autograd.test_util import check_grads
    except ImportError as error:
        return {f"autograd check_grads: not installed ({error})": lambda: None}
    caches: list[Any] = []

    @primitive
    def conv(x: np.ndarray, weight: np.ndarray, bias: np.ndarray) -> np.ndarray:
        output, cache = problem.forward(x, weight, bias)
        caches[:] = [cache]
        return output

    def rule(argnums: tuple[int, ...], _: Any, arguments: tuple[Any, ...], __: Any) -> Callable[..., Any]:
        cache = caches[0]

        def pulled(cotangent: np.ndarray) -> list[np.ndarray]:
            gradients = problem.backward(cache, cotangent, arguments[1])
            return [gradients[k] for k in argnums]

        return pulled

    defvjp_argnums(conv, rule)
    check = check_grads(conv, argnum=(0, 1, 2), modes=["rev"], order=1)
    return {"autograd check_grads (rev, order 1)": lambda: check(*problem.primals.values())}


def torch_rows(problem: Problem, slow: bool) -> dict[str, Check]:
    """Return the fast and the slow mode of torch."""
    try:
        import torch
    except ImportError as error:
        return {f"torch gradcheck: not installed ({error})": lambda: None}
    torch.set_num_threads(1)

    class Conv(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Any, weight: Any, bias: Any) -> Any:
            output, ctx.cache = problem.forward(x.numpy(), weight.numpy(), bias.numpy())
            ctx.weight = weight.numpy()
            return torch.from_numpy(output)

        @staticmethod
        def backward(ctx: Any, cotangent: Any) -> Any:
            gradients = problem.backward(ctx.cache, cotangent.contiguous().numpy(), ctx.weight)
            return tuple(torch.from_numpy(np.ascontiguousarray(gradient)) for gradient in gradients)

    inputs = tuple(torch.from_numpy(array.copy()).requires_grad_() for array in problem.primals.values())
    rows: dict[str, Check] = {
        "torch gradcheck (fast mode)": lambda: torch.autograd.gradcheck(Conv.apply, inputs, fast_mode=True)
    }
    if slow:
        rows["torch gradcheck (slow mode)"] = lambda: torch.autograd.gradcheck(Conv.apply, inputs)
    return rows


@dataclass(frozen=True)
class Measured:
    """What one check cost: calls, and its time as a ratio to one forward and backward."""

    forwards: int
    pullbacks: int
    ratio: float
    milliseconds: float


def measure(problem: Problem, rows: dict[str, Check]) -> dict[str, Measured | None]:
    """Time all rows in turn, round after round; slow ones once."""
    result: dict[str, Measured | None] = {}
    for name, check in rows.items():
        if "not installed" in name:
            result[name] = None
            continue
        problem.forwards = problem.pullbacks = 0
        first = _seconds(check)
        calls = problem.forwards, problem.pullbacks
        rounds = ROUNDS if first < 0.05 else 2 if first < 2 else 0
        pairs = [(_seconds(check), _base(problem)) for _ in range(rounds)] or [(first, _base(problem))]
        ratio = statistics.median(took / base for took, base in pairs)
        result[name] = Measured(*calls, ratio, 1e3 * statistics.median(took for took, _ in pairs))
    return result


def _base(problem: Problem) -> float:
    return statistics.median(_seconds(problem.forward_and_backward) for _ in range(15))


def _seconds(function: Check) -> float:
    begun = time.perf_counter()
    function()
    return time.perf_counter() - begun


def show(title: str, problem: Problem, measured: dict[str, Measured | None]) -> None:
    """Print one table."""
    table = Table(title=title, title_justify="left")
    for heading in ("check", "forwards", "pullbacks", "× one forward + backward", "ms"):
        table.add_column(heading, justify="left" if heading == "check" else "right")
    for name, row in measured.items():
        cells = (
            ("–",) * 4
            if row is None
            else (f"{row.forwards:,}", f"{row.pullbacks:,}", f"{row.ratio:,.1f}", f"{row.milliseconds:,.2f}")
        )
        table.add_row(name, *cells)
    Console(width=110).print(table)
    inputs = sum(array.size for array in problem.primals.values())
    outputs = problem.forward()[0].size
    print(f"{inputs:,} inputs, {outputs:,} outputs, one forward + backward {1e3 * _base(problem):.3f} ms\n")


def main() -> None:
    """Measure the small layer with every peer, the large one with those that can."""
    for title, shape, layer, slow in (
        ("conv 2×3×16×16 → 8×14×14, kernel 3", (2, 3, 16, 16), Conv2d(3, 8, 3), True),
        ("conv 2×3×14×14 → 8×14×14, kernel 3, padding 1", (2, 3, 14, 14), Conv2d(3, 8, 3, padding=1), True),
        ("conv 4×8×32×32 → 16×32×32, kernel 3, padding 1", (4, 8, 32, 32), Conv2d(8, 16, 3, padding=1), False),
    ):
        problem = Problem.of(shape, layer)
        ours = gradcheck_rows(problem)
        if not slow:
            ours = {name: ours[name] for name in list(ours)[:3]}
        rows = {**ours, **autograd_rows(problem), **torch_rows(problem, slow)}
        show(title, problem, measure(problem, rows))


if __name__ == "__main__":
    main()
