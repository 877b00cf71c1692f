"""Subjects of several outputs, for tests that speak of one."""

from dataclasses import replace

import numpy as np

import gradcheck


def one_output(subject: gradcheck.Subject) -> gradcheck.Subject:
    """Return a subject whose outputs, where they come as a tuple, are joined to one vector."""

    def vjp(primals):
        outputs, pullback = subject.vjp(primals)
        if not isinstance(outputs, tuple):
            return outputs, pullback
        ends = np.cumsum([array.size for array in outputs])[:-1]

        def of_parts(g):
            parts = zip(np.split(g, ends), outputs, strict=True)
            return pullback(tuple(part.reshape(array.shape) for part, array in parts))

        return _joined(outputs), of_parts

    return replace(subject, vjp=vjp, forward=lambda primals: _joined(subject.forward(primals)))


def _joined(outputs):
    return np.concatenate([array.ravel() for array in outputs]) if isinstance(outputs, tuple) else outputs
