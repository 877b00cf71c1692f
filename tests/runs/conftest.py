"""A file of suites and subjects as users write them, small enough that a worker is ready at once."""

from pathlib import Path

import pytest

LAYERS = '''\
"""Layers to be run by workers."""

import os
import threading
import time
import warnings

import numpy as np
import gradcheck
from reference_layers import ReLU


class Steep(ReLU):
    """Wrong where x has more than four entries."""

    def backward(self, params, cache, grad_output):
        dx, gradients = super().backward(params, cache, grad_output)
        return (dx * 1.01 if dx.size > 4 else dx), gradients


class Sly(ReLU):
    """Does something beside where x has four axes."""

    def forward(self, params, x):
        if x.ndim == 4:
            print("hello")
            warnings.warn("take care", UserWarning, stacklevel=1)
            if threading.active_count() < 3:
                threading.Thread(target=time.sleep, args=(600,)).start()
        return super().forward(params, x)


class Leaving(ReLU):
    """Ends its process where x has four axes."""

    def forward(self, params, x):
        if x.ndim == 4:
            os._exit(5)
        return super().forward(params, x)


def square(slope):
    def vjp(primals):
        return primals["x"] ** 2, lambda g: {"x": slope * primals["x"] * g}

    return vjp


right = gradcheck.suite("relu", lambda *_: ReLU(), name="right")
steep = gradcheck.suite("relu", lambda *_: Steep(), name="steep")
sly = gradcheck.suite("relu", lambda *_: Sly(), name="sly")
leaving = gradcheck.suite("relu", lambda *_: Leaving(), name="leaving")
subject = gradcheck.Subject("subject", {"x": np.array([1.0, -2.0])}, square(2.0))
wrong = gradcheck.Subject("wrong", {"x": np.array([1.0, -2.0])}, square(2.1))
'''

DRAWN = '''\
"""A suite whose cases a strategy draws."""

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import gradcheck


def build(primals):
    slope = 2.0 if primals["x"].size < 3 else 2.1

    def vjp(arrays):
        return arrays["x"] ** 2, lambda g: {"x": slope * arrays["x"] * g}

    return gradcheck.Subject("square", primals, vjp)


drawn = gradcheck.suite(
    build=build,
    strategy=st.fixed_dictionaries({"x": hnp.arrays(np.float64, st.integers(1, 5), elements=st.floats(1.0, 2.0))}),
)
'''


@pytest.fixture
def layers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The name of the first file, in a folder that is the current one."""
    (tmp_path / "drawn.py").write_text(DRAWN, encoding="utf-8")
    (tmp_path / "layers.py").write_text(LAYERS, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    return "layers.py"
