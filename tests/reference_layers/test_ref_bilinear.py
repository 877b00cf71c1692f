"""The bilinear layer: loops by the definition, its relation to the affine layer, empty batches, refusals."""

import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gradcheck.kinds import KINDS
from reference_layers import Affine, Bilinear, ShapeError

configs = st.one_of(st.sampled_from(KINDS["bilinear"].corners), KINDS["bilinear"].configs())


@settings(max_examples=20)
@given(configs)
def test_bilinear_is_its_definition(config):
    primals = KINDS["bilinear"].primals(config, np.random.default_rng(0), "normal")
    layer = Bilinear(config.in1_features, config.in2_features, config.out_features, config.bias)
    params, x = {n: a for n, a in primals.items() if n in ("weight", "bias")}, (primals["x"], primals["x2"])
    y, cache = layer.forward(params, x)
    g = np.random.default_rng(1).standard_normal(y.shape)
    (grad1, grad2), gradients = layer.backward(params, cache, g)
    due = np.zeros(y.shape)
    due1, due2 = (np.zeros(array.shape) for array in x)
    expected = {name: np.zeros(array.shape) for name, array in params.items()}
    for *row, k, i, j in np.ndindex(*y.shape, config.in1_features, config.in2_features):
        at1, at2, at = (*row, i), (*row, j), (*row, k)
        w = params["weight"][k, i, j]
        due[at] += x[0][at1] * w * x[1][at2]
        due1[at1] += g[at] * w * x[1][at2]
        due2[at2] += g[at] * w * x[0][at1]
        expected["weight"][k, i, j] += g[at] * x[0][at1] * x[1][at2]
    if config.bias:
        due += params["bias"]
        expected["bias"] += g.reshape(-1, config.out_features).sum(axis=0)
    assert y == pytest.approx(due, abs=1e-11)
    assert grad1 == pytest.approx(due1, abs=1e-11)
    assert grad2 == pytest.approx(due2, abs=1e-11)
    assert gradients.keys() == expected.keys()
    for name, array in expected.items():
        assert gradients[name] == pytest.approx(array, abs=1e-11)


def test_with_one_input_of_ones_it_is_the_affine_layer(rng):
    weight, bias, x = rng.standard_normal((4, 3)), rng.standard_normal(4), rng.standard_normal((5, 3))
    y, cache = Bilinear(3, 1, 4).forward({"weight": weight[:, :, None], "bias": bias}, (x, np.ones((5, 1))))
    due, due_cache = Affine(3, 4).forward({"weight": weight, "bias": bias}, x)
    assert y == pytest.approx(due)
    params = {"weight": weight, "bias": bias}
    (gradient, _), gradients = Bilinear(3, 1, 4).backward({"weight": weight[:, :, None], "bias": bias}, cache, y)
    due_gradient, due_gradients = Affine(3, 4).backward(params, due_cache, y)
    assert gradient == pytest.approx(due_gradient)
    assert gradients["weight"][:, :, 0] == pytest.approx(due_gradients["weight"])


@pytest.mark.parametrize("leading", [(0,), (3, 0), ()])
@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.float16])
def test_any_leading_axes_and_dtype(leading, dtype, rng):
    layer = Bilinear(3, 2, 4)
    params = {name: array.astype(dtype) for name, array in layer.init(rng).items()}
    x = (np.ones((*leading, 3), dtype), np.ones((*leading, 2), dtype))
    y, cache = layer.forward(params, x)
    (grad1, grad2), gradients = layer.backward(params, cache, np.ones_like(y))
    assert (y.shape, grad1.shape, grad2.shape) == ((*leading, 4), x[0].shape, x[1].shape)
    assert {name: array.shape for name, array in gradients.items()} == {n: a.shape for n, a in params.items()}
    assert all(array.dtype == dtype for array in (y, grad1, grad2, *gradients.values()))
    assert 0 not in leading or not any(array.any() for array in gradients.values())


@pytest.mark.parametrize("field", ["in1_features", "in2_features", "out_features"])
def test_impossible_sizes_are_refused(field):
    sizes = {"in1_features": 1, "in2_features": 1, "out_features": 1, field: 0}
    with pytest.raises(ValueError, match=f"{field}=0"):
        Bilinear(**sizes)
    with pytest.raises(ValueError, match="bias='no'"):
        Bilinear(1, 1, 1, "no")


@pytest.mark.parametrize("shapes", [((5, 3), (4, 2)), ((5, 2), (5, 3)), ((3,), (1, 2)), ((), (2,))])
def test_inputs_that_do_not_fit_together_are_refused(shapes):
    layer = Bilinear(3, 2, 1, bias=False)
    with pytest.raises(ShapeError, match=re.escape(f"(…, 3) and (…, 2), equal up to there, got shapes={shapes}")):
        layer.forward({"weight": np.zeros((1, 3, 2))}, tuple(np.zeros(shape) for shape in shapes))


def test_arrays_of_another_shape_are_refused():
    layer, x = Bilinear(3, 2, 1), (np.zeros((5, 3)), np.zeros((5, 2)))
    with pytest.raises(ShapeError, match=re.escape("expected weight of shape (1, 3, 2), got shape=(1, 2, 3)")):
        layer.forward({"weight": np.zeros((1, 2, 3)), "bias": np.zeros(1)}, x)
    params = {"weight": np.zeros((1, 3, 2)), "bias": np.zeros(1)}
    with pytest.raises(ShapeError, match=re.escape("expected bias of shape (1,), got shape=(2,)")):
        layer.forward(params | {"bias": np.zeros(2)}, x)
    _, cache = layer.forward(params, x)
    with pytest.raises(ShapeError, match=re.escape("expected grad_output of shape (5, 1), got shape=(5,)")):
        layer.backward(params, cache, np.zeros(5))
