"""Every kind: its corners and drawn configurations build, meet its conditions, survive JSON and shrink."""

import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, find, given, settings
from hypothesis import strategies as st
from support.outputs import one_output

import gradcheck
from gradcheck.checks.probe import Probe
from gradcheck.kinds import KINDS, find_kind
from gradcheck.kinds.activations import ActivationConfig, ELUConfig, GELUConfig, LeakyReLUConfig, SoftmaxConfig
from gradcheck.kinds.affine import AffineConfig
from gradcheck.kinds.attention import AttentionConfig
from gradcheck.kinds.bilinear import BilinearConfig
from gradcheck.kinds.channel_normalization import (
    BatchNormConfig,
    BatchNormEvalConfig,
    GroupNormConfig,
    InstanceNormConfig,
    LocalResponseNormConfig,
)
from gradcheck.kinds.conv_transpose2d import ConvTranspose2dConfig
from gradcheck.kinds.convolution import Conv1dConfig, Conv2dConfig, Conv3dConfig
from gradcheck.kinds.dropout import DropoutConfig
from gradcheck.kinds.elementwise import FlattenConfig, ReLUConfig
from gradcheck.kinds.embedding import EmbeddingConfig
from gradcheck.kinds.global_pool import AdaptiveAvgPool2dConfig, GlobalAvgPool2dConfig
from gradcheck.kinds.losses import CrossEntropyConfig, ElementwiseLossConfig, HuberConfig
from gradcheck.kinds.networks import FiveLayerCNNConfig, SequentialConfig
from gradcheck.kinds.normalization import LayerNormConfig, RMSNormConfig
from gradcheck.kinds.pooling import Pool1dConfig, Pool2dConfig
from gradcheck.kinds.recurrent import RecurrentConfig, RNNConfig
from gradcheck.kinds.shape import BroadcastConfig, ConcatConfig, ReshapeConfig
from gradcheck.kinds.softmax_cross_entropy import SoftmaxCrossEntropyConfig
from gradcheck.reports.json import case_to_dict
from gradcheck.strategies.values import REGIMES
from gradcheck.suites.kind import Case, case_from_data
from gradcheck.targets import default_items

every_kind = pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
DRAWING = settings(
    database=None, deadline=None, derandomize=True, phases=[Phase.generate], suppress_health_check=list(HealthCheck)
)

SMALLEST = {
    "conv2d": Conv2dConfig(1, 1, 1, (1, 1), (1, 1), (1, 1), (0, 0, 0, 0), (1, 1), 1, bias=False),
    "conv1d": Conv1dConfig(1, 1, 1, (1,), (1,), bias=False),
    "conv3d": Conv3dConfig(1, 1, 1, (1, 1, 1), (1, 1, 1), bias=False),
    "true_conv2d": Conv2dConfig(1, 1, 1, (1, 1), (1, 1), bias=False),
    "conv_transpose2d": ConvTranspose2dConfig(1, 1, 1, (1, 1), (1, 1), bias=False),
    "max_pool2d": Pool2dConfig(1, 1, (1, 1), (1, 1), (1, 1), (0, 0, 0, 0)),
    "avg_pool2d": Pool2dConfig(1, 1, (1, 1), (1, 1), (1, 1), (0, 0, 0, 0)),
    "max_pool1d": Pool1dConfig(1, 1, (1,), (1,), (1,)),
    "avg_pool1d": Pool1dConfig(1, 1, (1,), (1,), (1,)),
    "global_avg_pool2d": GlobalAvgPool2dConfig(1, 1, (1, 1)),
    "adaptive_avg_pool2d": AdaptiveAvgPool2dConfig(1, 1, (1, 1), (1, 1)),
    "affine": AffineConfig((1,), 1, 1, bias=False),
    "bilinear": BilinearConfig((1,), 1, 1, 1, bias=False),
    "embedding": EmbeddingConfig(1, 1, (1,), (0,), ()),
    "flatten": FlattenConfig((1,), 0),
    "reshape": ReshapeConfig((1,), (1,)),
    "concat": ConcatConfig((1,), (), 0),
    **dict.fromkeys(("add", "multiply"), BroadcastConfig((), (), False)),
    "relu": ReLUConfig((1,)),
    "leaky_relu": LeakyReLUConfig((1,), 0.01),
    "elu": ELUConfig((1,), 1.0),
    **dict.fromkeys(("sigmoid", "tanh", "softplus", "silu"), ActivationConfig((1,))),
    "gelu": GELUConfig((1,), "none"),
    **dict.fromkeys(("softmax", "log_softmax"), SoftmaxConfig((1,), 0)),
    "softmax_cross_entropy": SoftmaxCrossEntropyConfig(2, (0,), "mean", (), -100, 0.0),
    "cross_entropy": CrossEntropyConfig(1, (0,), "mean"),
    **dict.fromkeys(("mean_squared_error", "bce_with_logits"), ElementwiseLossConfig((1,), "mean", 0)),
    "huber": HuberConfig((1,), "mean", 0, 1.0),
    "layer_norm": LayerNormConfig((1,), (3,), 1e-5, affine=False),
    "rms_norm": RMSNormConfig((1,), (2,), 1e-5),
    "batch_norm": BatchNormConfig(3, 1, (), 1e-5, affine=False),
    "batch_norm_eval": BatchNormEvalConfig(1, 1, (), 1e-5, affine=False, statistics_seed=0),
    "group_norm": GroupNormConfig(1, 1, 1, (3,), 1e-5, affine=False),
    "instance_norm": InstanceNormConfig(1, 1, (3,), 1e-5, affine=False),
    "local_response_norm": LocalResponseNormConfig((1, 1), 1, 1e-4, 0.75, 1.0),
    "dropout": DropoutConfig((1,), 0.0, training=False, seed=0),
    "attention": AttentionConfig(1, 1, 1, 1, 1, 1, 1, "none", (), (), 0),
    "rnn": RNNConfig(1, 1, 1, 1, bias=False),
    **dict.fromkeys(("lstm", "gru"), RecurrentConfig(1, 1, 1, 1, bias=False)),
    "sequential": SequentialConfig(1, 1, 1, (4, 3), (3, 2), "mean", (2, 2), 1),
    "five_layer_cnn": FiveLayerCNNConfig((0,), "mean", 10, (1, 1), 3, 4, "mean"),
}


NETWORKS = {"sequential", "residual_block", "five_layer_cnn"}


def cases(kind):
    return st.builds(Case, st.just(kind), kind.configs(), st.sampled_from(kind.regimes), st.integers(0, 2**31 - 1))


def drawn_cases(kind, count):
    """Return as many drawn cases, the same ones each time."""
    drawn = []

    @settings(DRAWING, max_examples=count)
    @given(cases(kind))
    def collect(case):
        drawn.append(case)

    collect()
    return drawn


def corner_cases(kind):
    return [
        Case(kind, config, regime, seed)
        for seed, (config, regime) in enumerate((c, r) for c in kind.corners for r in kind.regimes)
    ]


def count_conditions(kind, some):
    """Return in how many cases each condition of the kind was met."""
    counts = dict.fromkeys(kind.conditions, 0)
    for case in some:
        primals = case.primals()
        for name, holds in kind.conditions.items():
            counts[name] += bool(holds(case.config, primals))
    return counts


def useless(kind, some):
    """Return the conditions that were never met, and those met by every case, which tell as little."""
    counts = count_conditions(kind, some)
    return [name for name, count in counts.items() if count == 0], [n for n, c in counts.items() if c == len(some)]


def assert_sound(case):
    """Require a subject whose outputs and gradients are finite, of the right names, shapes and dtypes."""
    subject = case.kind.build(case.config, case.primals())
    assert isinstance(subject, gradcheck.Subject)
    assert subject.primals.keys() == case.primals().keys()
    probe = Probe(subject)
    linearization = probe.linearize()
    cotangent = np.random.default_rng(case.seed).standard_normal(linearization.outputs.size)
    gradient = linearization.pullback(cotangent)  # raises unless every gradient has its primal's shape
    assert np.isfinite(linearization.outputs).all()
    assert np.isfinite(gradient).all()
    single = one_output(subject)
    outputs, pullback = single.vjp(subject.primals)
    gradients = pullback(np.ones_like(outputs))
    assert {name: g.shape for name, g in gradients.items()} == {n: a.shape for n, a in subject.primals.items()}
    np.testing.assert_array_equal(outputs, single.forward(subject.primals))


@every_kind
def test_every_corner_builds_in_every_regime(kind):
    for case in corner_cases(kind):
        assert_sound(case)


@every_kind
def test_drawn_cases_build(kind):
    @settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
    @given(cases(kind))
    def sound(case):
        assert_sound(case)

    sound()


@every_kind
def test_corners_and_drawn_cases_meet_every_condition_and_none_by_all(kind):
    assert useless(kind, corner_cases(kind) + drawn_cases(kind, 200)) == ([], [])


def test_conditions_that_tell_nothing_are_found():
    rank = KINDS["relu"].conditions["rank 1"]
    kind = replace(
        KINDS["relu"],
        conditions={"possible": lambda _c, _p: True, "impossible": lambda _c, _p: False, "rank 1": rank},
    )
    some = corner_cases(kind)
    assert useless(kind, some) == (["impossible"], ["possible"])
    counts = count_conditions(kind, some)
    assert (counts["possible"], counts["impossible"]) == (len(some), 0)
    assert 0 < counts["rank 1"] < len(some)


def test_a_condition_may_hold_in_some_cases_only():
    kind = KINDS["affine"]
    counts = count_conditions(kind, corner_cases(kind))
    assert counts["no bias"] == len(kind.regimes)
    assert counts["exact zeros in x"] >= len(kind.corners) / 2


@every_kind
def test_cases_survive_json(kind):
    for case in corner_cases(kind) + drawn_cases(kind, 20):
        data = json.loads(json.dumps(case_to_dict(case.id)))
        again = case_from_data(kind, data["config"], data["regime"], data["seed"])
        assert again == case
        assert hash(again.config) == hash(case.config)
        arrays, same = case.primals(), again.primals()
        assert arrays.keys() == same.keys()
        for name, array in arrays.items():
            np.testing.assert_array_equal(array, same[name])


@every_kind
def test_a_wrong_field_is_refused(kind):
    config = case_to_dict(corner_cases(kind)[0].id)["config"]
    missing = dict(list(config.items())[1:])
    for wrong in (config | {"strid": 1}, missing, {}):
        with pytest.raises(ValueError, match=f"expected the fields .* in a {kind.name} config, got") as refusal:
            case_from_data(kind, wrong, "normal", 0)
        assert "\n" not in str(refusal.value)


@every_kind
def test_a_wrong_regime_is_refused(kind):
    config = case_to_dict(corner_cases(kind)[0].id)["config"]
    with pytest.raises(ValueError, match=r"expected a regime among normal, .*, got regime='norma'") as refusal:
        case_from_data(kind, config, "norma", 0)
    assert "\n" not in str(refusal.value)


@every_kind
def test_drawn_configurations_shrink_to_the_smallest(kind):
    smallest = find(kind.configs(), lambda _: True, settings=settings(database=None))
    assert smallest == SMALLEST.get(kind.name, smallest)
    entries = sum(array.size for array in Case(kind, smallest, "normal", 0).primals().values())
    assert entries <= (200 if kind.name in NETWORKS else 20)


@every_kind
def test_every_configuration_is_of_the_kind(kind):
    assert kind.corners
    assert set(kind.regimes) <= set(REGIMES)
    assert len(set(kind.corners)) == len(kind.corners)
    assert all(type(case.config) is kind.config for case in corner_cases(kind) + drawn_cases(kind, 10))


@every_kind
@pytest.mark.parametrize("dtype", ["float64", "float32", "float16"])
def test_arrays_come_in_the_dtype_that_is_asked_for(kind, dtype):
    for case in corner_cases(kind):
        assert {str(array.dtype) for array in case.primals(np.dtype(dtype)).values()} == {dtype}


@every_kind
def test_no_parameter_is_zero_or_constant(kind):
    for config in kind.corners:
        for regime in kind.regimes:
            draws = [Case(kind, config, regime, seed).primals() for seed in range(6)]
            for name in draws[0]:
                if name in ("x", "q", "k", "v"):
                    continue
                assert all(draw[name].all() for draw in draws), name
                assert np.ptp(np.stack([draw[name] for draw in draws])) > 0, name


@every_kind
def test_the_seed_decides_the_arrays(kind):
    config = kind.corners[0]
    for regime in kind.regimes:
        first, other = (Case(kind, config, regime, seed).primals() for seed in (0, 1))
        assert any((first[name] != other[name]).any() for name in first)


def test_kinds_are_registered_under_their_names():
    assert {name: kind.name for name, kind in KINDS.items()} == {name: name for name in KINDS}
    assert KINDS.keys() >= SMALLEST.keys()


def test_every_kind_is_found():
    assert [find_kind(name) for name in KINDS] == list(KINDS.values())


@pytest.mark.parametrize(
    ("given_name", "near"), [("conv2", "conv2d"), ("Conv2D", "conv2d"), ("maxpool2d", "max_pool2d"), ("reLu", "relu")]
)
def test_an_unknown_kind_is_refused_with_the_nearest(given_name, near):
    with pytest.raises(ValueError) as refusal:
        find_kind(given_name)
    assert str(refusal.value).endswith(f"got kind={given_name!r}; did you mean {near!r}?")
    assert all(name in str(refusal.value) for name in KINDS)


def test_an_unknown_kind_far_from_all_has_no_nearest():
    with pytest.raises(ValueError, match=r"got kind='something else'$"):
        gradcheck.suite("something else")


def test_default_items_end_with_networks():
    *suites, digits, ties, lenet, alexnet, resnet18, resnet50 = default_items()
    assert [one.name for one in (lenet, alexnet, resnet18, resnet50)] == ["LeNet", "AlexNet", "ResNet-18", "ResNet-50"]
    assert [suite.name for suite in suites] == list(KINDS)
    assert all(suite.origin == "" for suite in suites)
    assert isinstance(digits, gradcheck.Subject)
    assert (digits.name, ties.name) == ("16 digits, mean pools", "16 digits, max pools")
    assert digits.primals["x"].shape == (16, 1, 28, 28)
    assert all(np.ptp(array) > 0 for array in digits.primals.values())
