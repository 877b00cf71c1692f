"""What every checker is given: a layer of NumPy functions at a point, whose calls are counted."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from gradcheck import Subject

Array = np.ndarray[Any, np.dtype[Any]]
Pullback = Callable[[Array], tuple[Array, ...]]


class Function:
    """A layer with one output: ``call(*arrays)`` returns the output and its pullback, as the layer's author wrote them.

    Attributes
    ----------
    subject : Subject
        The same as gradcheck takes it, without a forward of its own: everybody calls one function.
    forwards, pullbacks : int
        Calls until now.
    """

    def __init__(self, subject: Subject) -> None:
        self._vjp = subject.vjp
        self.subject = replace(subject, vjp=self._counted, forward=None)
        self.names = tuple(subject.primals)
        output = np.asarray(subject.vjp({name: np.array(array) for name, array in subject.primals.items()})[0])
        self.shape, self.dtype = output.shape, output.dtype
        self.forwards = self.pullbacks = 0

    @property
    def inputs(self) -> int:
        """How many numbers a gradient is wanted for."""
        return sum(array.size for array in self.subject.primals.values())

    @property
    def outputs(self) -> int:
        """How many numbers come out."""
        return int(np.prod(self.shape, dtype=int))

    def arrays(self) -> tuple[Array, ...]:
        """Return fresh copies of the point, which may be written to."""
        return tuple(np.array(array) for array in self.subject.primals.values())

    def weights(self) -> Array:
        """Return the upstream gradient for checkers that want a scalar function: N(0, 1), always the same."""
        return np.asarray(np.random.default_rng(1).standard_normal(self.shape), self.dtype)

    def call(self, *arrays: Array) -> tuple[Array, Pullback]:
        """Return the output, and what gives the gradients of all arrays for an upstream gradient."""
        output, pullback = self._counted(dict(zip(self.names, arrays, strict=True)))

        def gradients(cotangent: Array) -> tuple[Array, ...]:
            found = pullback(cotangent)
            return tuple(np.asarray(found[name]) for name in self.names)

        return np.asarray(output), gradients

    def forward_and_backward(self) -> None:
        """Do once what a check is measured against."""
        output, pullback = self._vjp(self.subject.primals)
        pullback(output)

    def _counted(self, primals: Any) -> tuple[Any, Any]:
        self.forwards += 1
        output, pullback = self._vjp(primals)

        def counted(cotangent: Any) -> Any:
            self.pullbacks += 1
            return pullback(cotangent)

        return output, counted
