"""The residual block: what goes around the body, what is refused, and that a lost path is found."""

import numpy as np
import pytest

import gradcheck
from gradcheck.kinds import KINDS
from reference_layers import Affine, Conv2d, ResidualBlock, Sequential, ShapeError


def test_a_body_of_zeros_leaves_the_input_and_its_gradient(rng):
    block = ResidualBlock(Sequential((("a", Affine(4, 4)),)))
    params = {name: np.zeros_like(array) for name, array in block.init(rng).items()}
    x, g = rng.standard_normal((3, 4)), rng.standard_normal((3, 4))
    y, cache = block.forward(params, x)
    gradient, gradients = block.backward(params, cache, g)
    np.testing.assert_array_equal(y, np.maximum(x, 0))
    np.testing.assert_array_equal(gradient, g * (x > 0))
    np.testing.assert_allclose(gradients["body.a.weight"], (g * (x > 0)).T @ x, rtol=1e-12)


def test_parameters_are_called_by_the_way_they_lie_on(rng):
    block = ResidualBlock(Sequential((("a", Affine(2, 3)),)), Sequential((("p", Affine(2, 3, bias=False)),)))
    assert set(block.init(rng)) == {"body.a.weight", "body.a.bias", "shortcut.p.weight"}


def test_ways_of_different_shapes_are_refused(rng):
    block = ResidualBlock(Sequential((("c", Conv2d(2, 3, 3, padding=1)),)))
    with pytest.raises(ShapeError, match=r"got \(1, 3, 4, 4\) and \(1, 2, 4, 4\); a projection in the shortcut"):
        block.forward(block.init(rng), np.ones((1, 2, 4, 4)))


@pytest.mark.parametrize("lost", ["body", "shortcut"])
def test_a_path_that_is_lost_is_found(lost):
    def build(config, primals):
        right = KINDS["residual_block"].build(config, primals)
        block = config.block

        def vjp(arrays):
            params = {name: array for name, array in arrays.items() if name != "x"}
            y, cache = block.forward(params, arrays["x"])

            def pullback(g):
                grad_input, gradients = block.backward(params, cache, g)
                own = {name.removeprefix(f"{lost}."): array for name, array in params.items() if name.startswith(lost)}
                way = block.body if lost == "body" else block.shortcut
                slope = g * cache.slope
                part = slope if way is None else way.backward(own, getattr(cache, lost), slope)[0]
                return {"x": grad_input - part, **gradients}

            return y, pullback

        return gradcheck.Subject("lost", right.primals, vjp)

    report = gradcheck.check(gradcheck.suite("residual_block", build))
    assert {failure.primal for failure in report.failures if failure.check == "gradient"} == {"x"}
