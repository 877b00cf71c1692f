"""Normalising layers: by hand, against loops over entries, and where they degenerate."""

import math
import re
from fractions import Fraction
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gradcheck.kinds import KINDS
from gradcheck.kinds.channel_normalization import running_statistics
from gradcheck.suites.kind import Case
from reference_layers import (
    BatchNorm,
    GroupNorm,
    InstanceNorm,
    LayerNorm,
    LocalResponseNorm,
    RMSNorm,
    ShapeError,
)

few = settings(max_examples=30)


def cases(name):
    kind = KINDS[name]
    drawn = st.one_of(st.sampled_from(kind.corners), kind.configs())
    return st.builds(Case, st.just(kind), drawn, st.sampled_from(kind.regimes), st.integers(0, 9999))


def pulled_back(layer, params, x, g, *constants):
    return layer.backward(params, layer.forward(params, x, *constants)[1], g)


# Loops over entries. What is normalised together is a list of positions in x; `parameter` maps a position to that of
# its gamma and beta.


def layer_norm_rows(config, shape):
    lead = len(config.batch_shape)
    rows = {}
    for position in np.ndindex(*shape):
        rows.setdefault(position[:lead], []).append(position)
    return rows.values(), lambda position: position[lead:]


def channel_rows(key):
    def rows_of(config, shape):
        rows = {}
        for position in np.ndindex(*shape):
            rows.setdefault(key(config, position), []).append(position)
        return rows.values(), lambda position: position[1:2]

    return rows_of


ROWS = {
    "layer_norm": layer_norm_rows,
    "rms_norm": layer_norm_rows,
    "batch_norm": channel_rows(lambda _, p: p[1]),
    "batch_norm_eval": channel_rows(lambda _, p: p[1]),
    "group_norm": channel_rows(lambda c, p: (p[0], p[1] // (c.channels // c.groups))),
    "instance_norm": channel_rows(lambda _, p: p[:2]),
}


def standardized(values, eps, centered=True):
    """Return the values less their mean, over their deviation, and the matrix of ∂x̂ᵢ/∂xⱼ, by the quotient rule."""
    n = len(values)
    middle = math.fsum(values) / n if centered else 0.0
    distances = [v - middle for v in values]
    square = math.fsum(d * d for d in distances) / n + eps
    root = math.sqrt(square)

    def slope(i, j):
        return ((i == j) - (1 / n if centered else 0)) / root - distances[i] * distances[j] / (n * square * root)

    return [d / root for d in distances], [[slope(i, j) for j in range(n)] for i in range(n)]


def by_running_statistics(config):
    means, variances = running_statistics(config)

    def normal(values, channel):
        root = math.sqrt(variances[channel] + config.eps)
        slopes = [[(i == j) / root for j in range(len(values))] for i in range(len(values))]
        return [(v - means[channel]) / root for v in values], slopes

    return normal


def by_loops(name, config, primals, g):
    """Return the output and all gradients, entry by entry."""
    x = primals["x"]
    y, gradients = np.zeros(x.shape), {key: np.zeros(array.shape) for key, array in primals.items()}
    rows, parameter = ROWS[name](config, x.shape)
    for row in rows:
        values = [float(x[position]) for position in row]
        if name == "batch_norm_eval":
            normalized, slopes = by_running_statistics(config)(values, row[0][1])
        else:
            normalized, slopes = standardized(values, config.eps, centered=name != "rms_norm")
        for i, position in enumerate(row):
            own = parameter(position)
            gamma = primals["gamma"][own] if "gamma" in primals else 1.0
            y[position] = gamma * normalized[i] + (primals["beta"][own] if "beta" in primals else 0.0)
            if "gamma" in primals:
                gradients["gamma"][own] += g[position] * normalized[i]
            if "beta" in primals:
                gradients["beta"][own] += g[position]
            for j, other in enumerate(row):
                gradients["x"][other] += g[position] * gamma * slopes[i][j]
    return y, gradients


@few
@pytest.mark.parametrize("name", list(ROWS))
@given(st.data())
def test_normalisation_is_its_definition(name, data):
    case = data.draw(cases(name))
    primals = case.primals()
    y, pullback = case.kind.build(case.config, primals).vjp(primals)
    g = np.random.default_rng(case.seed).standard_normal(y.shape)
    due, gradients = by_loops(name, case.config, primals, g)
    assert y == pytest.approx(due, rel=1e-9, abs=1e-9)
    for key, array in pullback(g).items():
        # Terms of the order of 1/√ε cancel.
        assert array == pytest.approx(gradients[key], rel=1e-9, abs=1e-12 / math.sqrt(case.config.eps))


@few
@given(cases("local_response_norm"))
def test_local_response_norm_is_its_definition(case):
    c, x = case.config, case.primals()["x"]
    y, pullback = case.kind.build(c, {"x": x}).vjp({"x": x})
    g = np.random.default_rng(case.seed).standard_normal(x.shape)
    due, gradient = np.zeros(x.shape), np.zeros(x.shape)
    for n, channel, *at in np.ndindex(*x.shape):
        here = (n, channel, *at)
        window = [j for j in range(channel - c.size // 2, channel + (c.size - 1) // 2 + 1) if 0 <= j < x.shape[1]]
        d = c.k + c.alpha / c.size * sum(x[(n, j, *at)] ** 2 for j in window)
        due[here] = x[here] / d**c.beta
        gradient[here] += g[here] / d**c.beta
        for j in window:
            slope = 2 * c.alpha / c.size * x[(n, j, *at)]
            gradient[(n, j, *at)] -= g[here] * x[here] * c.beta * d ** (-c.beta - 1) * slope
    assert y == pytest.approx(due, rel=1e-11, abs=1e-300)
    assert pullback(g)["x"] == pytest.approx(gradient, rel=1e-11, abs=1e-12 * (1 + np.abs(g).max()))


# By hand.


def test_layer_norm_by_hand():
    """With d = (x₀ − x₁)/2 = −1 and ε = 3: x̂₀ = d/√(d² + 3) = −1/2, and ∂x̂₀/∂x₀ = ½·3/(d² + 3)^(3/2) = 3/16."""
    layer, params = LayerNorm(2, 3.0), {"gamma": np.array([4.0, 2.0]), "beta": np.array([1.0, 7.0])}
    y, cache = layer.forward(params, np.array([[5.0, 7.0]]))
    assert y.tolist() == [[-1.0, 8.0]]
    gradient, gradients = layer.backward(params, cache, np.array([[1.0, 0.0]]))
    assert gradient.tolist() == [[4 * 3 / 16, -4 * 3 / 16]]
    assert {name: array.tolist() for name, array in gradients.items()} == {"gamma": [-0.5, 0.0], "beta": [1.0, 0.0]}


def test_rms_norm_by_hand():
    """Of 3, 4 and ε = 3.5: mean square 12.5, root 4; ∂x̂₀/∂x₀ = 1/4 − 9/(2·64), ∂x̂₀/∂x₁ = −12/(2·64)."""
    layer, params = RMSNorm(2, 3.5), {"gamma": np.array([8.0, 2.0])}
    y, cache = layer.forward(params, np.array([[3.0, 4.0]]))
    assert y.tolist() == [[6.0, 2.0]]
    gradient, gradients = layer.backward(params, cache, np.array([[1.0, 0.0]]))
    assert gradient.tolist() == [[8 * (1 / 4 - 9 / 128), -8 * 12 / 128]]
    assert gradients["gamma"].tolist() == [0.75, 0.0]


def test_batch_norm_by_hand_in_both_modes():
    params = {"gamma": np.array([4.0]), "beta": np.array([1.0])}
    x, g = np.array([[5.0], [7.0]]), np.array([[1.0], [0.0]])
    training = BatchNorm(1, 3.0)
    assert training.forward(params, x)[0].tolist() == [[-1.0], [3.0]]
    gradient, gradients = pulled_back(training, params, x, g)
    assert (gradient.tolist(), gradients["gamma"].tolist()) == ([[0.75], [-0.75]], [-0.5])
    fixed, statistics = BatchNorm(1, 3.0, training=False), (np.array([4.0]), np.array([1.0]))
    assert fixed.forward(params, x, *statistics)[0].tolist() == [[3.0], [7.0]]
    gradient, gradients = pulled_back(fixed, params, x, g, *statistics)
    assert (gradient.tolist(), gradients["gamma"].tolist()) == ([[2.0], [0.0]], [0.5])


def test_group_norm_takes_neighbouring_channels_together():
    x = np.array([5.0, 7.0, 10.0, 4.0]).reshape(1, 4, 1)
    assert GroupNorm(2, 4, 3.0, affine=False).forward({}, x)[0].ravel()[:2].tolist() == [-0.5, 0.5]
    assert GroupNorm(2, 4, 7.0, affine=False).forward({}, x)[0].ravel()[2:].tolist() == [0.75, -0.75]


def test_alexnet_s_response_by_hand():
    """n = 5, k = 2, α = 1e-4, β = 0.75 (Krizhevsky et al., section 3.3), with torch's α/n."""
    x = np.array([100.0, 200.0, 300.0, 400.0, 500.0, 600.0]).reshape(1, 6, 1)
    y, _ = LocalResponseNorm(5, 1e-4, 0.75, 2.0).forward({}, x)
    sums = [1 + 4 + 9, 1 + 4 + 9 + 16, 1 + 4 + 9 + 16 + 25, 4 + 9 + 16 + 25 + 36, 9 + 16 + 25 + 36, 16 + 25 + 36]
    assert y.ravel() == pytest.approx([100 * (i + 1) / (2 + 0.2 * total) ** 0.75 for i, total in enumerate(sums)])


def test_an_even_window_reaches_further_back():
    x = np.array([1.0, 10.0, 100.0]).reshape(1, 3, 1)
    y, _ = LocalResponseNorm(2, 2.0, 1.0, 1.0).forward({}, x)
    assert y.ravel() == pytest.approx([1 / 2, 10 / 102, 100 / 10101])


# What follows from what.


@few
@given(cases("group_norm"))
def test_one_group_is_a_layer_norm_and_as_many_as_channels_an_instance_norm(case):
    c, x = case.config, case.primals()["x"]
    one = GroupNorm(1, c.channels, c.eps, affine=False).forward({}, x)[0]
    assert one == pytest.approx(LayerNorm(x.shape[1:], c.eps, affine=False).forward({}, x)[0], abs=1e-9)
    if math.prod(c.size) > 1:
        each = GroupNorm(c.channels, c.channels, c.eps, affine=False).forward({}, x)[0]
        assert each == pytest.approx(InstanceNorm(c.channels, c.eps, affine=False).forward({}, x)[0], abs=1e-9)


@few
@given(cases("batch_norm"))
def test_running_statistics_of_the_batch_itself_give_the_output_in_training(case):
    c, primals = case.config, case.primals()
    layer, fixed = BatchNorm(c.channels, c.eps, affine=False), BatchNorm(c.channels, c.eps, False, False)
    x = primals["x"]
    count = x.size // c.channels
    mean, variance = layer.updated_statistics(x, np.full(c.channels, 9.0), np.full(c.channels, 9.0), momentum=1)
    biased = variance * (count - 1) / count
    assert layer.forward({}, x)[0] == pytest.approx(fixed.forward({}, x, mean, biased)[0], abs=1e-6)


@pytest.mark.parametrize(
    ("layer", "shape"),
    [
        (LayerNorm((4, 5)), (3, 4, 5)),
        (BatchNorm(4), (3, 4, 5)),
        (GroupNorm(2, 4), (3, 4, 5)),
        (InstanceNorm(4), (3, 4, 5)),
    ],
)
def test_the_gradient_is_orthogonal_to_shifts(layer, shape, rng):
    """Moving everything that is normalised together changes nothing, so that its gradients sum to zero."""
    params = {name: rng.standard_normal(array.shape) for name, array in layer.init(rng).items()}
    gradient, _ = pulled_back(layer, params, rng.standard_normal(shape), rng.standard_normal(shape))
    assert np.abs(gradient).max() > 0.1
    axes = {LayerNorm: (1, 2), BatchNorm: (0, 2), InstanceNorm: (2,), GroupNorm: (1, 2)}[type(layer)]
    assert gradient.sum(axis=axes) == pytest.approx(0, abs=1e-13)


# Statistics from batch to batch.


def test_updated_statistics_by_hand_are_unbiased_and_new_arrays():
    x = np.array([[[1.0, 3.0]], [[5.0, 3.0]]])  # mean 3, squares 4 + 0 + 4 + 0 over 4 − 1
    before = np.array([1.0]), np.array([2.0])
    mean, variance = BatchNorm(1).updated_statistics(x, *before, momentum=0.25)
    assert (mean.tolist(), variance[0]) == ([0.75 + 0.75], pytest.approx(1.5 + 0.25 * 8 / 3))
    assert (before[0].tolist(), before[1].tolist()) == ([1.0], [2.0])


def test_updated_statistics_at_both_ends_of_momentum(rng):
    x, before = rng.standard_normal((4, 2)), (np.array([1.0, 2.0]), np.array([3.0, 4.0]))
    for kept, was in zip(BatchNorm(2).updated_statistics(x, *before, momentum=0), before, strict=True):
        assert np.array_equal(kept, was)
        assert not np.shares_memory(kept, was)
    mean, variance = BatchNorm(2).updated_statistics(x, *before, momentum=1)
    assert mean == pytest.approx(x.mean(axis=0))
    assert variance == pytest.approx(x.var(axis=0, ddof=1))


@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.float16])
def test_updated_statistics_keep_their_dtype_and_an_empty_batch_leaves_them(dtype):
    before = np.ones(2, dtype), np.full(2, 3, dtype)
    for shape in ((4, 2), (0, 2), (3, 2, 0)):
        after = BatchNorm(2).updated_statistics(np.zeros(shape, dtype), *before, momentum=np.float64(0.1))
        assert [array.dtype for array in after] == [dtype, dtype]
        if 0 in shape:
            assert all(np.array_equal(new, old) for new, old in zip(after, before, strict=True))
            assert not any(np.shares_memory(new, old) for new, old in zip(after, before, strict=True))


# Where layers degenerate.

ALL = [
    (LayerNorm((3, 2)), (4, 3, 2), ()),
    (LayerNorm((3, 2), affine=False), (4, 3, 2), ()),
    (RMSNorm((3, 2)), (4, 3, 2), ()),
    (BatchNorm(3), (4, 3, 2), ()),
    (BatchNorm(3, affine=False), (4, 3), ()),
    (BatchNorm(3, training=False), (4, 3, 2), (np.array([1.0, -1.0, 0.0]), np.array([2.0, 0.5, 0.0]))),
    (BatchNorm(3, training=False, affine=False), (4, 3), (np.zeros(3), np.ones(3))),
    (GroupNorm(2, 4), (3, 4, 2, 2), ()),
    (GroupNorm(2, 4, affine=False), (3, 4, 2), ()),
    (InstanceNorm(3), (4, 3, 2), ()),
    (InstanceNorm(3, affine=False), (4, 3, 2, 2), ()),
    (LocalResponseNorm(3, 0.5), (4, 3, 2), ()),
]
every_layer = pytest.mark.parametrize(("layer", "shape", "constants"), ALL, ids=[str(layer) for layer, *_ in ALL])


@every_layer
@pytest.mark.parametrize("value", [0.0, 0.1, -1e3, 1e9])
def test_constant_input_has_a_finite_gradient(layer, shape, constants, value, rng):
    params = {name: rng.standard_normal(array.shape) for name, array in layer.init(rng).items()}
    x, g = np.full(shape, value), rng.standard_normal(shape)
    y, cache = layer.forward(params, x, *constants)
    gradient, gradients = layer.backward(params, cache, g)
    assert all(np.isfinite(array).all() for array in (y, gradient, *gradients.values()))
    if isinstance(layer, LayerNorm | GroupNorm | InstanceNorm) or getattr(layer, "training", False):
        normalized = cache.normalized
        assert np.abs(normalized).max() < 1e-10


@every_layer
def test_an_empty_batch_has_zero_gradients(layer, shape, constants, rng):
    params = layer.init(rng)
    y, cache = layer.forward(params, np.zeros((0, *shape[1:])), *constants)
    gradient, gradients = layer.backward(params, cache, np.zeros_like(y))
    assert y.shape == gradient.shape == (0, *shape[1:])
    assert {name: array.shape for name, array in gradients.items()} == {n: a.shape for n, a in params.items()}
    assert not any(array.any() for array in gradients.values())


@pytest.mark.parametrize("layer", [BatchNorm(3), GroupNorm(3, 3), InstanceNorm(3), LocalResponseNorm(2)])
def test_no_positions_are_no_values(layer, rng):
    params, x = layer.init(rng), np.zeros((2, 3, 0))
    y, cache = layer.forward(params, x)
    assert layer.backward(params, cache, y)[0].shape == y.shape == x.shape


@every_layer
@pytest.mark.parametrize("dtype", [np.float32, np.float16])
def test_wide_parameters_and_constants_leave_the_dtype_alone(layer, shape, constants, dtype, rng):
    params, x = layer.init(rng), rng.standard_normal(shape).astype(dtype)
    y, cache = layer.forward(params, x, *constants)
    gradient, gradients = layer.backward(params, cache, np.ones_like(y))
    assert (y.dtype, gradient.dtype) == (dtype, dtype)
    assert all(array.dtype == np.float64 for array in gradients.values())


def test_numpy_hyper_parameters_leave_the_dtype_alone(rng):
    x = rng.standard_normal((4, 3, 2)).astype(np.float32)
    for layer in (
        LayerNorm(np.int64(2), np.float64(1e-5), affine=False),
        RMSNorm(2, np.float64(1e-5)),
        BatchNorm(3, np.float64(1e-5), affine=np.True_),
        LocalResponseNorm(2, np.float64(0.5), np.float64(0.5), np.float64(2)),
    ):
        params = {name: array.astype(np.float32) for name, array in layer.init(rng).items()}
        y, cache = layer.forward(params, x)
        assert [y.dtype, layer.backward(params, cache, y)[0].dtype] == [np.float32] * 2


@every_layer
def test_squares_of_float16_do_not_overflow(layer, shape, constants, rng):
    x = (1e4 * rng.standard_normal(shape)).clip(-6e4, 6e4).astype(np.float16)
    params = {name: array.astype(np.float16) for name, array in layer.init(rng).items()}
    wide = {name: array.astype(np.float64) for name, array in params.items()}
    if isinstance(layer, BatchNorm) and not layer.training:
        constants = (constants[0], np.full(3, 1e8))
    y, cache = layer.forward(params, x, *constants)
    gradient, _ = layer.backward(params, cache, np.ones_like(x))
    due, _ = layer.forward(wide, x.astype(np.float64), *constants)
    assert np.isfinite(gradient).all()
    assert y.astype(np.float64) == pytest.approx(due, rel=2e-3, abs=1e-3)


@pytest.mark.parametrize("offset", [1e3, 1e6, 1e9])
def test_values_close_together_and_far_from_zero_lose_nothing(offset, rng):
    """Against exact fractions: the variance is not a difference of large squares."""
    x = offset + rng.integers(-512, 512, (1, 7)) / 512
    exact = [Fraction(v) for v in x[0]]
    mean = sum(exact) / 7
    variance = float(sum((v - mean) ** 2 for v in exact) / 7)
    due = [float(v - mean) / math.sqrt(variance + 1e-5) for v in exact]
    y, _ = LayerNorm(7, affine=False).forward({}, x)
    assert y[0] == pytest.approx(due, rel=0, abs=3e-15)


def test_a_single_value_has_no_gradient():
    for layer, shape in ((LayerNorm(1), (4, 1)), (GroupNorm(3, 3), (4, 3, 1))):
        params = layer.init(np.random.default_rng(0))
        x = np.arange(math.prod(shape)).reshape(shape) + 0.1
        y, cache = layer.forward(params, x)
        gradient, gradients = layer.backward(params, cache, np.ones(shape))
        assert not y.any()
        assert not gradient.any()
        assert gradients["beta"].tolist() == [4.0] * len(params["beta"])


def test_the_output_without_scale_is_not_the_cache(rng):
    layer, x = LayerNorm(4, affine=False), rng.standard_normal((3, 4))
    y, cache = layer.forward({}, x)
    due = layer.backward({}, cache, x)[0]
    y[...] = 0
    assert np.array_equal(layer.backward({}, cache, x)[0], due)


@pytest.mark.parametrize("layer", [layer for layer, *_ in ALL], ids=str)
def test_layers_are_values(layer):
    twin = type(layer)(**{name: getattr(layer, name) for name in layer.__dataclass_fields__})
    assert (twin, hash(twin)) == (layer, hash(layer))
    for name, array in layer.init(np.random.default_rng(0)).items():
        assert array.dtype == np.float64
        assert (array == (name == "gamma")).all()


# Refusals.

HYPER_PARAMETERS = [
    *((lambda kind=kind, eps=eps: kind(4, eps), f"expected eps to be a positive number, such as 1e-05, got eps={eps!r}")
      for kind, eps in product((LayerNorm, RMSNorm, BatchNorm, InstanceNorm), (0, -1e-5, math.inf, "1", True))),
    (lambda: LayerNorm(0), "normalized_shape=0"),
    (lambda: LayerNorm(()), "positive int or a tuple of them, got normalized_shape=()"),
    (lambda: LayerNorm((3, -1)), "normalized_shape=(3, -1)"),
    (lambda: RMSNorm(2.5), "normalized_shape=2.5"),
    (lambda: LayerNorm(2, affine="no"), "affine='no'"),
    (lambda: BatchNorm(0), "num_features=0"),
    (lambda: BatchNorm(2, training="eval"), "training='eval'"),
    (lambda: BatchNorm(2, affine=None), "affine=None"),
    (lambda: InstanceNorm(-1), "num_features=-1"),
    (lambda: InstanceNorm(1, affine=1), "affine=1"),
    (lambda: GroupNorm(0, 4), "groups=0"),
    (lambda: GroupNorm(2, 4, eps=None), "eps=None"),
    (lambda: GroupNorm(4, 6), "expected groups to divide channels, got groups=4 and channels=6; groups=2 works"),
    (lambda: GroupNorm(8, 4), "groups=4 works"),
    (lambda: LocalResponseNorm(0), "size=0"),
    (lambda: LocalResponseNorm(3, -1.0), "expected alpha to be at least 0, got alpha=-1.0"),
    (lambda: LocalResponseNorm(3, beta="b"), "expected beta to be a finite number, got beta='b'"),
    (lambda: LocalResponseNorm(3, alpha=math.nan), "alpha=nan"),
    (lambda: LocalResponseNorm(3, k=0), "got k=0"),
]  # fmt: skip


@pytest.mark.parametrize(("make", "said"), HYPER_PARAMETERS)
def test_impossible_hyper_parameters_are_refused(make, said):
    with pytest.raises(ValueError, match=re.escape(said)) as refusal:
        make()
    assert "\n" not in str(refusal.value)


FIXED = BatchNorm(2, training=False)
SHAPES = [
    (lambda: LayerNorm((2, 3)).forward({}, np.ones((2, 2))), "expected x of shape (…, 2, 3), got shape=(2, 2)"),
    (lambda: LayerNorm((2, 3)).forward({}, np.ones(3)), "got shape=(3,)"),
    (lambda: RMSNorm(3).forward({}, np.ones(())), "expected x of shape (…, 3), got shape=()"),
    (
        lambda: RMSNorm(3).forward({"gamma": np.ones(4)}, np.ones((2, 3))),
        "expected gamma of shape (3,), got shape=(4,)",
    ),
    (
        lambda: LayerNorm(3).forward({"gamma": np.ones(3), "beta": np.ones(1)}, np.ones((2, 3))),
        "expected beta of shape (3,)",
    ),
    (lambda: BatchNorm(2).forward({}, np.ones(2)), "of shape (N, 2), (N, 2, L) or (N, 2, H, W), got shape=(2,)"),
    (lambda: BatchNorm(2).forward({}, np.ones((2, 3))), "got shape=(2, 3)"),
    (lambda: BatchNorm(2).forward({}, np.ones((2, 2, 1, 1, 1))), "got shape=(2, 2, 1, 1, 1)"),
    (lambda: GroupNorm(1, 2).forward({}, np.ones((2, 2))), "expected x of shape (N, 2, L) or (N, 2, H, W), got shape="),
    (lambda: InstanceNorm(2).forward({}, np.ones((2, 3, 4))), "got shape=(2, 3, 4)"),
    (lambda: LocalResponseNorm(3).forward({}, np.ones(3)), "expected x of shape (N, C, …), got shape=(3,)"),
    (lambda: FIXED.forward({}, np.ones((3, 2)), np.ones(3), np.ones(2)), "expected running_mean of shape (2,)"),
    (lambda: FIXED.forward({}, np.ones((3, 2)), np.ones(2), np.ones((2, 1))), "expected running_var of shape (2,)"),
]


@pytest.mark.parametrize(("call", "said"), SHAPES)
def test_impossible_shapes_are_refused(call, said):
    with pytest.raises(ShapeError, match=re.escape(said)) as refusal:
        call()
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (
            lambda: BatchNorm(2).forward({}, np.ones((1, 2))),
            "more than one value per channel to normalise over, got sh",
        ),
        (lambda: BatchNorm(2).forward({}, np.ones((1, 2, 1, 1))), "got shape=(1, 2, 1, 1)"),
        (lambda: InstanceNorm(2).forward({}, np.ones((4, 2, 1))), "got shape=(4, 2, 1)"),
        (lambda: BatchNorm(2).updated_statistics(np.ones((1, 2)), np.ones(2), np.ones(2)), "got shape=(1, 2)"),
        (lambda: BatchNorm(2).updated_statistics(np.ones((3, 2)), np.ones(2), np.ones(2), 1.5), "momentum=1.5"),
        (lambda: FIXED.forward({}, np.ones((3, 2))), "expected running_mean and running_var with training=False"),
        (lambda: FIXED.forward({}, np.ones((3, 2)), np.ones(2), np.array([1.0, -0.5])), "running_var=-0.5"),
    ],
)
def test_impossible_values_are_refused(call, said):
    with pytest.raises(ValueError, match=re.escape(said)) as refusal:
        call()
    assert "\n" not in str(refusal.value)


@every_layer
def test_a_gradient_of_another_shape_is_refused(layer, shape, constants, rng):
    params = layer.init(rng)
    _, cache = layer.forward(params, np.ones(shape), *constants)
    with pytest.raises(ShapeError, match="expected grad_output of shape"):
        layer.backward(params, cache, np.ones((*shape[:-1], shape[-1] + 1)))
