"""PyTorch's operator database as subjects: every operator with its samples."""

from __future__ import annotations

import inspect
import warnings
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

import numpy as np
import torch
from torch.testing._internal.common_methods_invocations import op_db
from torch.utils._pytree import tree_flatten, tree_unflatten

from gradcheck import Subject, Trait
from gradcheck.adapters import from_torch

OPERATORS: dict[str, Any] = {op.name + (f".{op.variant_test_name}" if op.variant_test_name else ""): op for op in op_db}


NO_AUTOGRAD = "the database says that autograd does not support it"


class NothingToCheckError(Exception):
    """A sample, or an operator, without a gradient; the text says why."""


def require_differentiable(name: str, dtype: str) -> None:
    """Raise `NothingToCheckError` if the database says that an operator has no gradient in a dtype."""
    op = OPERATORS[name]
    if not op.supports_autograd:
        raise NothingToCheckError(NO_AUTOGRAD)
    if getattr(torch, dtype) not in op.supported_backward_dtypes("cpu"):
        raise NothingToCheckError(f"the database says that it has no gradient in {dtype} on the CPU")


def samples_of(name: str, dtype: str, most: int) -> list[Any]:
    """Return the first samples of an operator, the same each time."""
    torch.manual_seed(zlib.crc32(name.encode()))
    np.random.seed(zlib.crc32(name.encode()))  # noqa: NPY002 - some samples are drawn by NumPy's global generator
    drawn: Iterator[Any] = OPERATORS[name].sample_inputs("cpu", getattr(torch, dtype), requires_grad=True)
    return list(islice(drawn, most))


@dataclass(frozen=True, kw_only=True)
class Sample:
    """One call of an operator, as a function of the tensors that a gradient is wanted for.

    Attributes
    ----------
    name : str
    call : callable
        Takes all floating tensors of the sample, and returns the outputs that depend on them in a way that autograd
        follows; of complex outputs real and imaginary parts.
    primals, constants : dict of str to Tensor
        Tensors that require a gradient; floating ones that do not.
    stochastic : bool
        Whether two calls differ.
    """

    name: str
    call: Callable[..., Any]
    primals: dict[str, Any]
    constants: dict[str, Any] = field(default_factory=dict)
    stochastic: bool = False

    def subject(self, reproduce: str = "") -> Subject:
        """Return the call as a subject."""
        return from_torch(
            self.call,
            {name: tensor.detach().numpy(force=True) for name, tensor in self.primals.items()},
            constants={name: tensor.detach().numpy(force=True) for name, tensor in self.constants.items()},
            name=self.name,
            traits=[Trait("stochastic")] if self.stochastic else [],
            reproduce=reproduce,
        )

    def passes_gradcheck_of_torch(self) -> bool:
        """Whether ``torch.autograd.gradcheck`` accepts the operator, in float64, the dtype that it is made for."""
        tensors = [tensor.detach().double().requires_grad_() for tensor in self.primals.values()]
        constants = [tensor.detach().double() for tensor in self.constants.values()]

        def call(*given: Any) -> Any:
            torch.manual_seed(0)
            return self.call(*given, *constants)

        tolerance = OPERATORS[self.name].gradcheck_nondet_tol
        try:
            return torch.autograd.gradcheck(call, tensors, nondet_tol=tolerance, check_undefined_grad=False)
        except Exception:  # a disagreement, or whatever the operator makes of float64
            return False


def sample_of(name: str, given: Any) -> Sample:
    """Return a sample of the database as a function.

    Raises
    ------
    NothingToCheckError
        If no gradient is wanted for any argument, or no output has one.
    """
    op = OPERATORS[name]
    leaves, structure = tree_flatten((given.input, given.args, given.kwargs))
    floating = {f"p{k}": leaf for k, leaf in enumerate(leaves) if _is_floating(leaf)}
    primals = {key: leaf for key, leaf in floating.items() if leaf.requires_grad}
    if not primals:
        raise NothingToCheckError("no argument of floating dtype requires a gradient")
    empty = [key for key, leaf in primals.items() if leaf.numel() == 0]
    if empty:
        raise NothingToCheckError("an argument is empty")
    constants = {key: leaf for key, leaf in floating.items() if key not in primals}
    order = [*primals, *constants]

    def run(*tensors: Any) -> list[Any]:
        placed = {int(key[1:]): tensor for key, tensor in zip(order, tensors, strict=True)}
        first, args, kwargs = tree_unflatten([placed.get(k, leaf) for k, leaf in enumerate(leaves)], structure)
        result = op.gradcheck_wrapper(op.get_op(), first, *args, **kwargs)
        found = tree_flatten(given.output_process_fn_grad(result))[0]
        return [leaf for leaf in found if isinstance(leaf, torch.Tensor)]

    def attempt() -> list[Any]:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tensors = [
                leaf.detach().clone().requires_grad_(leaf.requires_grad)
                for leaf in (*primals.values(), *constants.values())
            ]
            return run(*tensors)

    outputs = attempt()
    followed = [k for k, output in enumerate(outputs) if output.requires_grad]
    if not followed:
        raise NothingToCheckError("no output requires a gradient")
    if all(outputs[k].numel() == 0 for k in followed):
        raise NothingToCheckError("every output is empty")

    def call(*tensors: Any) -> Any:
        chosen = (run(*tensors)[k] for k in followed)
        return tuple(torch.view_as_real(leaf.resolve_conj()) if leaf.is_complex() else leaf for leaf in chosen)

    pairs = zip(outputs, attempt(), strict=True)
    stochastic = not all(np.array_equal(*map(_detached, pair), equal_nan=True) for pair in pairs)
    call.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
        [inspect.Parameter(key, inspect.Parameter.POSITIONAL_OR_KEYWORD) for key in order]
    )
    return Sample(name=name, call=call, primals=primals, constants=constants, stochastic=stochastic)


def _detached(tensor: Any) -> Any:
    return tensor.detach().resolve_conj().resolve_neg().to_dense().numpy(force=True)


def _is_floating(leaf: Any) -> bool:
    return isinstance(leaf, torch.Tensor) and leaf.is_floating_point() and not leaf.is_sparse
