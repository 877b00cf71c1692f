"""Times of reference layers by pytest-benchmark, a group for each: analytic gradient, ε-difference, projected check.

Run with ``pytest benchmarks --benchmark-only``; ``--benchmark-autosave`` keeps a run, ``--benchmark-compare`` sets the
next one beside it. What each takes, in calls and sizes, stands in ``extra_info``.
"""

import os

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_name, "1")

import pytest

import gradcheck
from gradcheck.timing.benchmarks import run_benchmark
from gradcheck.timing.sizes import sizes_of

#: Kind → which of its sizes is timed: entry by entry none should take more than a second.
LAYERS = {"conv2d": 2, "affine": 2, "batch_norm": 3, "softmax_cross_entropy": 3, "five_layer_cnn": 0}


@pytest.mark.parametrize("kind", LAYERS)
@pytest.mark.parametrize("way", ["analytic", "numeric", "projected"])
def test_layer(benchmark, kind, way):
    size = sizes_of(gradcheck.suite(kind))[LAYERS[kind]]
    spent = run_benchmark(benchmark, kind, size, way)
    entries = benchmark.extra_info["entries"]
    expected = {"analytic": (1, 1), "numeric": (2 * entries, 0), "projected": (5, 2)}
    assert (spent.forward, spent.pullback) == expected[way]
