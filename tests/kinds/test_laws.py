"""Laws of the kinds: silent on the layers known to be right, and broken by the faults that they are about."""

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

import gradcheck
from gradcheck.checks.check_laws import check_law
from gradcheck.checks.contracts.session import Session
from gradcheck.checks.probe import Probe
from gradcheck.checks.setting import Setting
from gradcheck.kinds import KINDS
from gradcheck.kinds.activations import LeakyReLUConfig, SoftmaxConfig
from gradcheck.kinds.attention import AttentionConfig
from gradcheck.kinds.bilinear import BilinearConfig
from gradcheck.kinds.channel_normalization import (
    BatchNormConfig,
    BatchNormEvalConfig,
    GroupNormConfig,
    InstanceNormConfig,
    LocalResponseNormConfig,
    running_statistics,
)
from gradcheck.kinds.dropout import DropoutConfig
from gradcheck.kinds.embedding import EmbeddingConfig
from gradcheck.kinds.losses import CrossEntropyConfig, ElementwiseLossConfig
from gradcheck.kinds.networks import FiveLayerCNNConfig, SequentialConfig
from gradcheck.kinds.normalization import LayerNormConfig, RMSNormConfig
from gradcheck.kinds.residual import ResidualBlockConfig
from gradcheck.kinds.shape import BroadcastConfig, ConcatConfig, ReshapeConfig
from gradcheck.suites.kind import Case

LAWFUL = [name for name, kind in KINDS.items() if any(map(kind.laws, kind.corners))]
DRAWING = settings(database=None, deadline=None, suppress_health_check=list(HealthCheck), phases=[Phase.generate])
laws_of = {name: sorted({law.name for c in KINDS[name].corners for law in KINDS[name].laws(c)}) for name in LAWFUL}


def broken_laws(case, dtype=np.float64, spoil=lambda _config, _p, _y, _g, d: d):
    """Return how the gradients ``spoil(config, primals, y, g, right gradients)`` break the laws of a case, by name."""
    right = case.kind.build(case.config, case.primals(np.dtype(dtype)))

    def vjp(arrays):
        y, pullback = right.vjp(arrays)
        return y, lambda g: dict(spoil(case.config, arrays, y, np.asarray(g), pullback(g)))

    laws = case.kind.laws(case.config)
    subject = gradcheck.Subject(case.kind.name, right.primals, vjp, right.forward, laws=laws)
    session = Session(Setting.of(Probe(subject), np.random.default_rng(case.seed)))
    found = {law.name: check_law(law, session) for law in laws}
    return {name: violation for name, violation in found.items() if violation is not None}


def assert_silent(name, dtype, count):
    kind = KINDS[name]
    config = st.one_of(st.sampled_from(kind.corners), kind.configs(), kind.configs())
    cases = st.builds(Case, st.just(kind), config, st.sampled_from(kind.regimes), st.integers(0, 2**31 - 1))

    @settings(DRAWING, max_examples=count)
    @given(cases)
    def silent(case):
        assert broken_laws(case, dtype) == {}

    silent()


every_dtype = pytest.mark.parametrize("dtype", [np.float64, np.float32])
every_lawful_kind = pytest.mark.parametrize("name", LAWFUL)


@every_dtype
@every_lawful_kind
def test_a_right_layer_breaks_no_law(name, dtype):
    assert_silent(name, dtype, 60)


@pytest.mark.slow
@every_dtype
@every_lawful_kind
def test_a_right_layer_breaks_no_law_in_many_cases(name, dtype):
    assert_silent(name, dtype, 300)


def one_entry_off(primal, seed):
    """Return a fault: an entry of one gradient is off by a thousandth of the largest."""

    def spoil(_config, _p, _y, _g, gradients):
        wrong = np.array(gradients[primal])
        index = np.unravel_index(np.random.default_rng(seed).integers(wrong.size), wrong.shape)
        wrong[index] += 1e-3 * np.abs(wrong).max()
        return {**gradients, primal: wrong}

    return spoil


@pytest.mark.parametrize(("name", "law"), [(name, law) for name in LAWFUL for law in laws_of[name]])
def test_every_law_is_broken_by_one_wrong_entry_of_what_it_is_about(name, law):
    kind = KINDS[name]
    config, about = next((c, each.primals) for c in kind.corners for each in kind.laws(c) if each.name == law)
    for primal in about:
        for seed in range(5):
            assert law in broken_laws(Case(kind, config, "normal", seed), spoil=one_entry_off(primal, seed)), primal


def without_mean_term(rows):
    """Return a fault of a normalising layer: its mean is a constant of the backward pass."""

    def spoil(config, p, _y, g, d):
        x, gamma = rows(config, p["x"]), gamma_of(config, p)
        inverse = 1 / np.sqrt(x.var(axis=1, keepdims=True) + config.eps)
        missing = inverse * rows(config, g * gamma).mean(axis=1, keepdims=True)
        return {**d, "x": back(rows, rows(config, d["x"]) + missing, p["x"])}

    return spoil


def without_variance_term(rows):
    """Return a fault of a normalising layer: its variance is a constant of the backward pass."""

    def spoil(config, p, _y, g, d):
        x, given = rows(config, p["x"]), rows(config, g * gamma_of(config, p))
        inverse = 1 / np.sqrt(x.var(axis=1, keepdims=True) + config.eps)
        own = inverse * (x - x.mean(axis=1, keepdims=True))
        missing = inverse * own * (given * own).mean(axis=1, keepdims=True)
        return {**d, "x": back(rows, rows(config, d["x"]) + missing, p["x"])}

    return spoil


def gamma_of(config, p):
    """Return gamma in a shape that is broadcast to that of x."""
    if isinstance(config, LayerNormConfig):
        return p["gamma"]
    return p["gamma"].reshape(-1, *[1] * len(config.size))


def by_sample(_config, x):
    return x.reshape(len(x), -1)


def by_channel(_config, x):
    return np.moveaxis(x, 1, 0).reshape(x.shape[1], -1)


def by_group(config, x):
    return x.reshape(config.batch * getattr(config, "groups", config.channels), -1)


def back(rows, matrix, x):
    """Return rows as an array like x."""
    if rows is by_channel:
        return np.moveaxis(matrix.reshape(x.shape[1], x.shape[0], *x.shape[2:]), 0, 1)
    return matrix.reshape(x.shape)


def swapped(first, second):
    return lambda _c, _p, _y, _g, d: {**d, first: d[second], second: d[first]}


def scaled(name, factor):
    return lambda c, _p, _y, _g, d: {**d, name: d[name] * factor(c)}


def softmax_without_row_sum(c, p, y, g, d):
    scale = c.dim**-0.5
    scores = np.where(c.allowed, scale * p["q"] @ p["k"].swapaxes(2, 3), -np.inf)
    weights = np.exp(scores - scores.max(axis=3, keepdims=True))
    weights /= weights.sum(axis=3, keepdims=True)
    slopes = weights * (g @ p["v"].swapaxes(2, 3)) * scale
    return {**d, "q": slopes @ p["k"], "k": slopes.swapaxes(2, 3) @ p["q"]}


def root_constant(c, p, _y, g, d):
    return {**d, "x": g * p["gamma"] / np.sqrt((p["x"] ** 2).mean(axis=-1, keepdims=True) + c.eps)}


def running_root_missing(c, _p, _y, _g, d):
    variance = running_statistics(c)[1]
    return {**d, "x": d["x"] * np.sqrt(variance + c.eps).reshape(-1, *[1] * len(c.size))}


def windows_constant(c, p, y, g, _d):
    return {"x": g * np.divide(y, p["x"])}


def repeated_rows_assigned(c, p, _y, g, _d):
    wrong = np.zeros_like(p["weight"])
    wrong[list(c.rows)] = g.reshape(-1, c.embedding_dim)
    return {"weight": wrong}


NORMS = [
    ("layer_norm", LayerNormConfig((3,), (7,)), by_sample),
    ("batch_norm", BatchNormConfig(3, 2, (5, 4)), by_channel),
    ("group_norm", GroupNormConfig(3, 2, 6, (5, 4)), by_group),
    ("instance_norm", InstanceNormConfig(3, 2, (5, 4)), by_group),
]
#: A kind, a configuration, a fault and the laws that it breaks: these, and no others.
FAULTS = {
    **{f"{n}: mean constant": (n, c, without_mean_term(rows), {"zero-sum-x"}) for n, c, rows in NORMS},
    **{f"{n}: variance constant": (n, c, without_variance_term(rows), {"scale-x"}) for n, c, rows in NORMS},
    **{
        f"{n}: gamma and beta exchanged": (n, c, swapped("gamma", "beta"), {"euler-gamma", "sum-beta"})
        for n, c, _ in NORMS
    },
    **{f"{n}: dgamma halved": (n, c, scaled("gamma", lambda _: 0.5), {"euler-gamma"}) for n, c, _ in NORMS},
    "attention: scale missing in dq": (
        "attention",
        AttentionConfig(3, 2, 1, 4, 5, 3, 2),
        scaled("q", lambda c: c.dim**0.5),
        {"euler-q-k"},
    ),
    "attention: softmax without row sum": (
        "attention",
        AttentionConfig(3, 2, 1, 3, 5, 3, 2, "bottom-right"),
        softmax_without_row_sum,
        {"zero-sum-k"},
    ),
    "attention: dv of one query head": (
        "attention",
        AttentionConfig(3, 2, 3, 4, 5, 2, 1),
        scaled("v", lambda c: 1 / c.group),
        {"sum-v", "euler-v"},
    ),
    "rms_norm: root constant": ("rms_norm", RMSNormConfig((3,), (7,)), root_constant, {"scale-x"}),
    "batch_norm_eval: 1/σ missing": (
        "batch_norm_eval",
        BatchNormEvalConfig(3, 2, (5, 4), statistics_seed=2),
        running_root_missing,
        {"scale-x"},
    ),
    "local_response_norm: windows constant": (
        "local_response_norm",
        LocalResponseNormConfig((3, 7, 2), 5, 0.5),
        windows_constant,
        {"scale-x"},
    ),
    "softmax: diagonal alone": (
        "softmax",
        SoftmaxConfig((3, 2, 5, 4), 1),
        lambda _c, _p, y, g, _d: {"x": y * (1 - y) * g},
        {"zero-sum-x"},
    ),
    "log_softmax: over another axis": (
        "log_softmax",
        SoftmaxConfig((5, 4), 0),
        lambda _c, _p, y, g, _d: {"x": g - np.exp(y) * g.sum(axis=1, keepdims=True)},
        {"zero-sum-x"},
    ),
    "leaky_relu: masked by its output": (
        "leaky_relu",
        LeakyReLUConfig((3, 2, 5, 4), -0.5),
        lambda c, _p, y, g, _d: {"x": np.where(y > 0, g, c.negative_slope * g)},
        {"euler-x"},
    ),
    "dropout: mask missing": (
        "dropout",
        DropoutConfig((3, 7), 0.3),
        lambda c, _p, _y, g, _d: {"x": g / (1 - c.p)},
        {"euler-x"},
    ),
    "embedding: repeated rows assigned": (
        "embedding",
        EmbeddingConfig(4, 3, (5,), (3, 1, 3, 3, 1)),
        repeated_rows_assigned,
        {"euler-weight", "sum-weight"},
    ),
    "bilinear: inputs exchanged": (
        "bilinear",
        BilinearConfig((5,), 3, 3, 3),
        swapped("x", "x2"),
        {"euler-weight-x", "euler-weight-x2"},
    ),
    "reshape: by columns": (
        "reshape",
        ReshapeConfig((3, 4), (4, 3)),
        lambda c, _p, _y, g, _d: {"x": g.reshape(c.shape, order="F")},
        {"moves-x"},
    ),
    "concat: pieces exchanged": ("concat", ConcatConfig((3, 3), (3,), 0), swapped("x", "x2"), {"moves"}),
    "mean_squared_error: factor 2 missing": (
        "mean_squared_error",
        ElementwiseLossConfig((3, 7), "mean", 1),
        scaled("x", lambda _: 0.5),
        {"scale-x"},
    ),
    "cross_entropy: not divided by N": (
        "cross_entropy",
        CrossEntropyConfig(7, (3, 0, 6)),
        scaled("x", lambda c: len(c.targets)),
        {"scale-x"},
    ),
    "sequential: mean over the batch in the first bias": (
        "sequential",
        SequentialConfig(3, 2, 3, (7, 6), (3, 2), "mean", (2, 2), 4),
        scaled("conv.bias", lambda c: 1 / c.batch),
        {"balance-conv-affine", "euler"},
    ),
    "five_layer_cnn: mean over the batch in the second weight": (
        "five_layer_cnn",
        FiveLayerCNNConfig((1, 0), "mean", 12, (2, 3), 3, 3, "none"),
        scaled("c3.weight", lambda _: 1 / 2),
        {"balance-c1-c3", "balance-c3-o5"},
    ),
    "residual_block: the shortcut forgotten": (
        "residual_block",
        ResidualBlockConfig(3, 2, 2, (4, 5)),
        lambda _c, _p, y, g, d: {**d, "x": d["x"] - g * (y > 0)},
        {"euler"},
    ),
    "add: mean over what is repeated": (
        "add",
        BroadcastConfig((3, 5, 4), (4,)),
        scaled("x2", lambda _: 1 / 15),
        {"sum-x2", "euler"},
    ),
    "multiply: the other factor's gradient": (
        "multiply",
        BroadcastConfig((3, 4), (3, 4)),
        lambda _c, p, _y, g, d: {**d, "x": g * p["x"]},
        {"euler-x", "euler-x-x2"},
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_breaks_the_laws_that_name_it(fault):
    name, config, spoil, due = FAULTS[fault]
    for seed in range(5):
        assert set(broken_laws(Case(KINDS[name], config, "normal", seed), spoil=spoil)) == due
