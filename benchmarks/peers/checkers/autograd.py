"""``autograd.test_util.check_grads``."""

from __future__ import annotations

from typing import Any

import numpy as np

from peers.function import Array, Function, Pullback
from peers.peer import Check, Peer, Rejected


def _prepare(function: Function) -> Check:
    from autograd.extend import defvjp_argnums, primitive
    from autograd.test_util import check_grads

    arrays = function.arrays()
    last: list[Pullback] = []

    @primitive
    def layer(*point: Array) -> Array:
        output, pullback = function.call(*point)
        last[:] = [pullback]
        return output

    def rule(argnums: tuple[int, ...], *_: Any) -> Any:
        pullback = last[0]  # a rule is asked for as soon as the output is there

        def pulled(cotangent: Array) -> list[Array]:
            gradients = pullback(cotangent)
            return [gradients[k] for k in argnums]

        return pulled

    defvjp_argnums(layer, rule)
    check_all = check_grads(layer, argnum=tuple(range(len(arrays))), modes=["rev"], order=1)

    def check() -> None:
        before = np.random.get_state()  # noqa: NPY002 - autograd draws from the global generator
        np.random.seed(0)  # noqa: NPY002
        try:
            check_all(*arrays)
        except AssertionError as error:
            raise Rejected(str(error)) from None
        finally:
            np.random.set_state(before)  # noqa: NPY002

    return check


AUTOGRAD: tuple[Peer, ...] = (
    Peer("autograd check_grads", "autograd", "as it is, a `primitive`; `order=1, modes=['rev']`", _prepare),
)
