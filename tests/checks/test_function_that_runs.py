"""The function that is differenced is the one that runs: its precision, and what depends on the dtype."""

import numpy as np
import pytest
from support.layers import subject

import gradcheck
from gradcheck.checks.probe import Probe
from gradcheck.numeric.precision import DOUBLE, SINGLE


def drawn_by_dtype(shape, draw):
    """Return a product with random numbers that depend on the dtype, as those of a generator of bits do."""

    def vjp(primals):
        x, w = primals["x"], primals["w"]
        drawn = draw(np.random.default_rng(x.dtype.itemsize), shape).astype(x.dtype)
        return (x @ w) * drawn, lambda g: {"x": (g * drawn) @ w.T, "w": x.T @ (g * drawn)}

    return vjp


DRAWS = {
    "mask": lambda rng, shape: rng.random(shape) < 0.5,
    "factors": lambda rng, shape: 1 + 1e-2 * rng.standard_normal(shape),
}


def matrices(rng, dtype):
    return {"x": rng.standard_normal((4, 5)).astype(dtype), "w": rng.standard_normal((5, 6)).astype(dtype)}


@pytest.mark.parametrize("name", DRAWS)
@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_draws_that_depend_on_the_dtype_are_no_fault(name, dtype):
    for seed in range(12):
        primals = matrices(np.random.default_rng(seed), dtype)
        report = gradcheck.check(subject(drawn_by_dtype((4, 6), DRAWS[name]), **primals), seed=seed)
        assert report.verdict != "failed", str(report)
        assert report.verdict == "passed" or dtype == "float16"


@pytest.mark.parametrize("name", DRAWS)
def test_a_wrong_gradient_is_found_beside_them(name):
    def wrong(primals):
        outputs, pullback = drawn_by_dtype((4, 6), DRAWS[name])(primals)
        return outputs, lambda g: {**(d := pullback(g)), "w": d["w"] * np.float32(1.1)}

    for seed in range(6):
        report = gradcheck.check(subject(wrong, **matrices(np.random.default_rng(seed), "float32")), seed=seed)
        assert {failure.check for failure in report.failures} == {"gradient"}, str(report)


def test_what_draws_depend_on_is_seen_where_a_parameter_is_zero(rng):
    """At weights of zero both dtypes have the same outputs, and not the same slopes."""
    primals = {**matrices(rng, "float32"), "w": np.zeros((5, 6), np.float32)}
    layer = drawn_by_dtype((4, 6), DRAWS["mask"])
    assert Probe(subject(layer, **primals)).numeric_function().precision is SINGLE
    assert gradcheck.check(subject(layer, **primals)).verdict != "failed"


@pytest.mark.parametrize("size", [1.0, 1e-3, 1e3])
def test_a_function_that_is_the_same_in_float64_is_differenced_there(rng, size):
    """Rounding makes the values differ, more so where a small difference of large numbers is normalised."""

    def normalised(primals):
        x = primals["x"]
        centred = x - x.mean(axis=1, keepdims=True)
        return centred / np.sqrt((centred**2).mean(axis=1, keepdims=True)), lambda g: {"x": g}

    x = (size * (10 + rng.standard_normal((3, 8)))).astype(np.float32)
    assert Probe(subject(normalised, x=x)).numeric_function().precision is DOUBLE


def hidden(cast, wide):
    """Return a layer of two products that rounds one array: an argument, what lies between, or the outputs."""

    def rounded(name, array):
        return array.astype(np.float32).astype(array.dtype) if name == cast else array

    def vjp(primals):
        x, w, v = (rounded(name, primals[name]) for name in ("x", "w", "v"))
        h = rounded("h", np.tanh(x @ w))

        def pullback(g):
            d = (g @ v.T) * (1 - h * h)
            return {"x": d @ w.T, "w": x.T @ d, "v": h.T @ g}

        return rounded("y", h @ v), pullback

    shapes = {"x": (4, 5), "w": (5, 6), "v": (6, 3)}
    dtype = np.float64 if wide else np.float32

    def make(seed, spoil=lambda gradients: gradients):
        rng = np.random.default_rng(seed)

        def spoiled(primals):
            outputs, pullback = vjp(primals)
            return outputs, lambda g: spoil(pullback(g))

        return subject(spoiled, **{name: rng.standard_normal(shape).astype(dtype) for name, shape in shapes.items()})

    return make


CASTS = ("x", "w", "v", "h", "y")


@pytest.mark.parametrize("cast", CASTS)
def test_float32_inside_a_layer_of_float32_is_no_fault(cast):
    for seed in range(8):
        assert gradcheck.check(hidden(cast, wide=False)(seed), seed=seed).passed


@pytest.mark.parametrize("cast", CASTS)
def test_float32_inside_a_layer_of_float64_is_told_as_precision(cast):
    for seed in range(8):
        report = gradcheck.check(hidden(cast, wide=True)(seed), seed=seed)
        assert [failure.check for failure in report.failures] == ["precision"], str(report)


@pytest.mark.parametrize("wide", [False, True])
@pytest.mark.parametrize("cast", CASTS)
def test_a_wrong_gradient_is_found_behind_a_cast(cast, wide):
    def spoil(gradients):
        return {**gradients, "w": gradients["w"] * np.linspace(1, 2, 6, dtype=gradients["w"].dtype)}

    for seed in range(4):
        report = gradcheck.check(hidden(cast, wide)(seed, spoil), seed=seed)
        assert ("gradient", "w") in {(failure.check, failure.primal) for failure in report.failures}, str(report)


def test_a_layer_that_takes_float32_and_declares_float16_is_differenced_with_steps_fit_for_that(rng):
    def product(primals):
        x, w = (primals[name].astype(np.float16) for name in ("x", "w"))

        def pullback(g):
            scaled = (1024 * g).astype(np.float16)
            return {
                "x": (scaled @ w.T).astype(np.float32) / np.float32(1024),
                "w": (x.T @ scaled).astype(np.float32) / np.float32(1024),
            }

        return (x @ w).astype(np.float32), pullback

    half = [gradcheck.Trait("half-precision")]
    for seed in range(6):
        primals = matrices(np.random.default_rng(seed), "float32")
        assert gradcheck.check(subject(product, traits=half, **primals), seed=seed).passed


@pytest.mark.parametrize("at", [1.0, 1e-2, 1e-4, 1e-6])
def test_small_differences_of_numbers_of_order_one_are_not_called_a_lower_precision(at):
    for seed in range(10):
        x = at * np.random.default_rng(seed).standard_normal(20)
        for function, slope in [(lambda x: 1 - np.cos(x), np.sin), (lambda x: np.exp(x) - 1, np.exp)]:
            layer = subject(lambda p, f=function, s=slope: (f(p["x"]), lambda g: {"x": g * s(p["x"])}), x=x)
            assert "precision" not in {failure.check for failure in gradcheck.check(layer, seed=seed).failures}
