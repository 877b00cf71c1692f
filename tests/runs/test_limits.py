"""Declared limits: words that are understood, configs that keep them, and reports that show them."""

import dataclasses

import pytest

import gradcheck
from gradcheck.kinds import KINDS
from gradcheck.runs import Options, run
from gradcheck.subject import LIMITS
from gradcheck.suites.cases import corner_cases, drawn_cases
from gradcheck.suites.limits import BEHAVIOUR_LIMITS, CONFIG_LIMITS
from reference_layers import Conv2d

FIELDS = {name: {field.name for field in dataclasses.fields(kind.config)} for name, kind in KINDS.items()}
APPLICABLE = [
    (kind, word) for word, limit in CONFIG_LIMITS.items() for kind in KINDS if FIELDS[kind].issuperset(limit.fields)
]
#: What the convolutions that people write first cannot do.
SIMPLE = ["stride=1 only", "no dilation", "no padding", "no groups", "square kernels", "batch=1 only"]


def simple_conv(config, primals):
    """Return a convolution that raises where it is asked for more than it can do."""
    simple = (
        config.stride == config.dilation == (1, 1)
        and not any(config.padding)
        and config.groups == config.batch == 1
        and config.kernel_size[0] == config.kernel_size[1]
    )
    if not simple:
        raise NotImplementedError("one stride, no padding")
    layer = Conv2d(config.in_channels, config.out_channels, config.kernel_size, bias=config.bias)
    return gradcheck.from_reference(layer, primals)


@pytest.mark.parametrize(("kind", "word"), APPLICABLE)
def test_each_word_leaves_cases_that_a_right_layer_passes(kind, word):
    suite = gradcheck.suite(kind, limits=[word])
    (report,) = run([suite], Options(examples=15, seed=1, corners=False)).subjects
    assert report.failures == ()
    assert report.cases == 15
    assert word in report.limits
    assert all(CONFIG_LIMITS[word].allows(case.config) for case in corner_cases(suite, 0))


def test_every_word_is_about_some_kind_and_every_field_with_a_value_is_one():
    assert {word for _, word in APPLICABLE} == set(CONFIG_LIMITS)
    for word in ("stride=2 only", "kernel_size=3 only", "batch=1 only"):
        (report,) = run([gradcheck.suite("conv2d", limits=[word])], Options(examples=15, corners=False)).subjects
        assert (report.verdict, report.limits, report.cases) == ("passed", (word,), 15)
    suite = gradcheck.suite("cross_entropy", limits=["reduction=mean only"])
    assert {case.config.reduction for case in corner_cases(suite, 0)} == {"mean"}


def test_what_a_layer_cannot_do_is_no_failure():
    assert not gradcheck.check(gradcheck.suite("conv2d", simple_conv), examples=5).passed
    (report,) = gradcheck.verify(gradcheck.suite("conv2d", simple_conv, limits=SIMPLE), examples=50).subjects
    assert report.cases > 60
    assert report.limits == tuple(sorted(SIMPLE))


def test_a_fault_within_the_limits_is_found():
    def build(config, primals):
        built = simple_conv(config, primals)

        def vjp(arrays):
            outputs, pullback = built.vjp(arrays)
            return outputs, lambda g: {name: 2.0 * d for name, d in pullback(g).items()}

        return dataclasses.replace(built, vjp=vjp, forward=None)

    report = gradcheck.check(gradcheck.suite("conv2d", build, limits=SIMPLE), examples=5)
    assert report.verdict == "failed"
    assert {failure.check for failure in report.failures} == {"gradient"}


def test_a_predicate_with_a_text_is_a_limit():
    limits = {"kernels of one row": lambda config: config.kernel_size[0] == 1, "no groups": True}
    suite = gradcheck.suite("conv2d", limits=limits)
    (report,) = gradcheck.check(suite, examples=20).subjects
    assert report.limits == ("kernels of one row", "no groups")
    assert report.cases > 20
    assert all(case.config.kernel_size[0] == case.config.groups == 1 for case in corner_cases(suite, 0))


def test_limits_that_leave_nothing_are_told_in_one_sentence():
    suite = gradcheck.suite("conv2d", limits={"nothing at all": lambda config: False})
    (report,) = gradcheck.check(suite, examples=20).subjects
    assert (report.verdict, report.cases) == ("inconclusive", 0)
    assert report.notes == ("the limits (nothing at all) leave no configuration of conv2d; is one of them too narrow?",)


def test_invalid_configs_are_not_drawn():
    """Of a transposed convolution, output padding must stay below the stride."""
    suite = gradcheck.suite("conv_transpose2d", limits=["stride=1 only", "no dilation"])
    assert all(not any(case.config.output_padding) for case in corner_cases(suite, 0))
    assert drawn_cases(suite) is not None


# Behaviour


def single(config, primals):
    """Return ReLU with one cache for all calls."""
    kept = {}

    def vjp(arrays):
        kept["x"] = arrays["x"].copy()
        return arrays["x"] * (arrays["x"] > 0), lambda g: {"x": g * (kept["x"] > 0)}

    return gradcheck.Subject("one cache", primals, vjp)


def test_words_about_behaviour_are_traits():
    wrong = gradcheck.check(gradcheck.suite("relu", single), examples=5)
    assert [failure.check for failure in wrong.failures] == ["call-order"]
    (report,) = gradcheck.verify(gradcheck.suite("relu", single, limits=["last forward only"]), examples=5).subjects
    assert report.limits == (LIMITS["last-forward-only"],)


def test_every_limit_of_behaviour_has_words():
    assert set(BEHAVIOUR_LIMITS.values()) == set(LIMITS)
    for word, name in BEHAVIOUR_LIMITS.items():
        (trait,) = gradcheck.suite("relu", limits=[word]).limits.traits
        assert trait == gradcheck.Trait(name)


def test_a_trait_may_name_primals_and_what_build_declares_goes_first():
    limit = gradcheck.Trait("overwrites", ("x",))
    suite = gradcheck.suite("relu", limits=[limit])
    (case, *_) = corner_cases(suite, 0)
    assert limit in suite.subject(case).traits
    declared = gradcheck.Trait("last-forward-only", ("x",))
    suite = gradcheck.suite(
        "relu", lambda c, p: dataclasses.replace(single(c, p), traits={declared}), limits=["last forward only"]
    )
    assert suite.subject(case).traits == {declared}


@pytest.mark.parametrize(
    ("kind", "limits", "error", "sentence"),
    [
        ("conv2d", ["no paddin"], ValueError, "got 'no paddin'; did you mean 'no padding'?"),
        ("conv2d", ["strde=1 only"], ValueError, "did you mean 'stride=1 only'?"),
        ("conv2d", ["float32"], ValueError, "did you mean 'float32 only'?"),
        ("relu", ["no padding"], ValueError, "expected a limit of relu among"),
        ("relu", "float32 only", TypeError, "as in limits=['float32 only']"),
        ("relu", [3], TypeError, "expected limits to be words or traits, got 3 (int)"),
        (
            "conv2d",
            ["stride=one only"],
            ValueError,
            "expected the value of stride in 'stride=one only' to be of type int",
        ),
        (
            "relu",
            {"flat": lambda c: c.size},
            ValueError,
            "to take a config of relu, got one that raises AttributeError",
        ),
        ("relu", {"small": 7}, TypeError, "to be a callable (config) -> bool or True, got 7"),
        ("relu", [gradcheck.Trait("batch-separable")], ValueError, "expected a trait that is a limit"),
    ],
)
def test_one_sentence(kind, limits, error, sentence):
    with pytest.raises(error) as caught:
        gradcheck.suite(kind, limits=limits)
    assert sentence in str(caught.value)
    assert "\n" not in str(caught.value)
