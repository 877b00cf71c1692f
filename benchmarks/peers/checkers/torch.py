"""``torch.autograd.gradcheck``, slow and fast."""

from __future__ import annotations

from typing import Any

import numpy as np

from peers.function import Array, Function
from peers.peer import Check, Peer, Rejected


def _check(*, fast_mode: bool) -> Any:
    def prepare(function: Function) -> Check:
        import torch
        from torch.autograd.gradcheck import GradcheckError

        torch.set_num_threads(1)

        def tensor(array: Array) -> Any:
            return torch.from_numpy(np.asarray(array, order="C"))

        class Layer(torch.autograd.Function):
            @staticmethod
            def forward(ctx: Any, *tensors: Any) -> Any:
                output, ctx.pullback = function.call(*(one.detach().numpy() for one in tensors))
                return tensor(output)

            @staticmethod
            def backward(ctx: Any, cotangent: Any) -> Any:
                return tuple(map(tensor, ctx.pullback(cotangent.numpy())))

        inputs = tuple(tensor(array).requires_grad_() for array in function.arrays())

        def check() -> None:
            try:
                torch.autograd.gradcheck(Layer.apply, inputs, fast_mode=fast_mode)
            except GradcheckError as error:
                raise Rejected(str(error)) from None

        return check

    return prepare


TORCH: tuple[Peer, ...] = (
    Peer(
        "torch gradcheck, slow",
        "torch",
        "as it is, an `autograd.Function`; every output pulled back by itself",
        _check(fast_mode=False),
        calls=lambda inputs, outputs: 2 * (inputs + outputs) + 4,
        keeps=lambda inputs, outputs: 2 * inputs * outputs,
    ),
    Peer(
        "torch gradcheck, fast",
        "torch",
        "as it is, an `autograd.Function`; `fast_mode=True`",
        _check(fast_mode=True),
    ),
)
