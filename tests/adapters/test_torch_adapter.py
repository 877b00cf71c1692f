"""Modules, autograd functions and functions of tensors: right ones pass, planted faults are found, in their words."""

import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.examples import subjects_of

import gradcheck
from gradcheck.adapters import framework_of, from_torch
from gradcheck.runs import Options, run

torch = pytest.importorskip("torch", reason="torch is not installed")
nn = torch.nn


def normal(*shape, seed=0):
    """Return an array of normal numbers."""
    return np.random.default_rng(seed).standard_normal(shape)


def failures(subject):
    """Return what a check finds: the names of the checks that fail, each with its primal."""
    return [(failure.check, failure.primal) for failure in gradcheck.check(subject).subjects[0].failures]


class Cube(torch.autograd.Function):
    """``w x³``, with the parts of its backward that faults replace."""

    @staticmethod
    def forward(ctx, x, w):
        ctx.save_for_backward(x, w)
        return w * x**3

    @classmethod
    def backward(cls, ctx, g):
        x, w = ctx.saved_tensors
        return cls.gradient_of_x(x, w, g), cls.gradient_of_w(x, g)

    @staticmethod
    def gradient_of_x(x, w, g):
        return 3 * w * x**2 * g

    @staticmethod
    def gradient_of_w(x, g):
        return (x**3 * g).sum(0)


class Halved(torch.autograd.Function):
    """The identity, with half of its gradient."""

    @staticmethod
    def forward(ctx, x):
        return x.clone()

    @staticmethod
    def backward(ctx, g):
        return g / 2


CUBE = {"x": normal(4, 3), "w": normal(3, seed=1)}
SAMPLES = {gradcheck.Trait("batch-separable", ("x",))}


# What is right


@pytest.mark.parametrize("place", ["torch_function.py", "torch_modules.py"])
def test_the_examples_verify(place):
    subjects = subjects_of(f"frameworks/{place}")
    assert len(subjects) >= 2
    for name, subject in subjects.items():
        report = gradcheck.check(subject)
        assert report.passed, f"{name}\n{report}"


@settings(max_examples=10)
@given(
    st.integers(1, 3),
    st.integers(1, 2),
    st.integers(1, 3),
    st.integers(0, 1),
    st.booleans(),
    st.sampled_from(["float64", "float32"]),
)
def test_convolutions_of_any_geometry_pass_in_either_precision(kernel, groups, stride, padding, bias, dtype):
    module = nn.Conv2d(2 * groups, 2 * groups, kernel, stride, padding, groups=groups, bias=bias)
    x = normal(2, 2 * groups, 5, 4).astype(dtype)
    traits = {gradcheck.Trait("batch-separable", ("x",))}
    subject = from_torch(module, {"x": x}, traits=traits)
    assert {array.dtype for array in subject.primals.values()} == {np.dtype(dtype)}
    assert set(subject.primals) == {"x", "weight", *(["bias"] if bias else [])}
    report = gradcheck.verify(subject)
    assert report.subjects[0].resolution < (1e-4 if dtype == "float64" else 2e-2)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_a_function_passes_in_either_precision(dtype):
    primals = {name: array.astype(dtype) for name, array in CUBE.items()}
    gradcheck.verify(from_torch(Cube, primals, traits=SAMPLES))


def test_a_function_of_the_newer_style_has_no_context_in_its_forward():
    class Newer(torch.autograd.Function):
        @staticmethod
        def forward(x, w):
            return w * x**3

        @staticmethod
        def setup_context(ctx, inputs, output):
            ctx.save_for_backward(*inputs)

        @staticmethod
        def backward(ctx, g):
            x, w = ctx.saved_tensors
            return Cube.gradient_of_x(x, w, g), Cube.gradient_of_w(x, g)

    gradcheck.verify(from_torch(Newer, dict(reversed(CUBE.items()))))


def test_a_backward_that_is_differentiable_once_is_enough():
    class Once(Cube):
        backward = staticmethod(torch.autograd.function.once_differentiable(lambda ctx, g: Cube.backward(ctx, g)))

    gradcheck.verify(from_torch(Once, CUBE))


def test_a_plain_function_takes_its_arguments_by_name_or_in_their_order():
    def power(base, exponent):
        return base**exponent

    by_name = from_torch(power, {"exponent": np.array(3.0), "base": np.array([2.0])})
    in_order = from_torch(power, {"x": np.array([2.0]), "k": np.array(3.0)})
    assert by_name.forward(by_name.primals) == in_order.forward(in_order.primals) == 8.0
    assert gradcheck.verify(by_name).passed


def test_outputs_in_a_tree_are_looked_at_one_by_one_those_of_integers_not_at_all():
    def tree(x):
        return {"sum": x.sum(), "more": (x**2, [x.argmax(), None])}

    subject = from_torch(tree, {"x": normal(3, 2)})
    total, squares = subject.forward(subject.primals)
    assert (total.shape, squares.shape) == ((), (3, 2))
    gradcheck.verify(subject)


def test_indices_targets_and_options_are_constants():
    def pick(table, rows, scale, squared=False):
        return scale * table[rows] ** (2 if squared else 1)

    constants = {"scale": np.array([2.0]), "squared": True}
    primals = {"rows": np.array([0, 2, 2]), "table": normal(3, 2)}
    subject = from_torch(pick, primals, constants=constants)
    assert (set(subject.primals), set(subject.constants)) == ({"table"}, {"rows", "scale"})
    gradcheck.verify(subject)
    assert failures(from_torch(lambda table, rows: table[rows.add_(1) - 1], primals))[0][0] == "mutation"


def test_an_input_that_has_no_part_in_the_outputs_has_gradient_zero():
    subject = from_torch(lambda x, y: x * 2, {"x": normal(3), "y": normal(2)})
    outputs, pullback = subject.vjp(subject.primals)
    assert not pullback(np.ones_like(outputs))["y"].any()


# Modules


def test_parameters_are_primals_by_their_dotted_names_and_frozen_ones_constants():
    module = nn.Sequential(nn.Linear(2, 3), nn.Tanh(), nn.Linear(3, 1))
    module[0].weight.requires_grad_(False)
    subject = from_torch(module, {"x": normal(4, 2)})
    assert list(subject.primals) == ["x", "0.bias", "2.weight", "2.bias"]
    assert list(subject.constants) == ["0.weight"]
    gradcheck.verify(subject)


def test_parameters_may_be_given():
    primals = {"x": normal(4, 2), "weight": normal(3, 2, seed=1), "bias": normal(3, seed=2)}
    subject = from_torch(nn.Linear(2, 3), primals)
    np.testing.assert_allclose(
        subject.forward(subject.primals), primals["x"] @ primals["weight"].T + primals["bias"], rtol=1e-14
    )


def test_the_module_is_left_as_it_is():
    module = nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3), nn.Dropout(0.5)).train()
    module[1].eval()
    before = {name: value.clone() for name, value in module.state_dict().items()}
    modes = [part.training for part in module.modules()]
    generator = torch.get_rng_state()
    gradcheck.check(from_torch(module, {"x": normal(4, 2)}, traits={gradcheck.Trait("stochastic")}, training=True))
    assert all(torch.equal(before[name], value) for name, value in module.state_dict().items())
    assert [part.training for part in module.modules()] == modes
    assert all(parameter.grad is None and parameter.dtype == torch.float32 for parameter in module.parameters())
    assert torch.equal(torch.get_rng_state(), generator)


def test_training_and_evaluation_are_two_functions_each_the_other_mode_of_the_other():
    module, x = nn.BatchNorm1d(3), {"x": normal(5, 3)}
    training, evaluation = (from_torch(module, x, training=mode) for mode in (True, False))
    by_hand = (x["x"] - x["x"].mean(0)) / np.sqrt(x["x"].var(0) + 1e-5)
    np.testing.assert_allclose(training.forward(training.primals), by_hand, atol=1e-12)
    np.testing.assert_allclose(evaluation.other_mode(evaluation.primals), by_hand, atol=1e-12)
    np.testing.assert_allclose(evaluation.forward(evaluation.primals), x["x"] / np.sqrt(1 + 1e-5), atol=1e-12)
    np.testing.assert_array_equal(
        training.other_mode(training.primals), evaluation.forward(evaluation.primals), strict=True
    )
    (written,) = (trait.primals for trait in training.traits if trait.name == "forward-writes")
    assert written == ("running_mean", "running_var", "num_batches_tracked")
    assert not evaluation.traits


def test_dropout_draws_the_same_numbers_in_every_forward_where_it_is_declared():
    module, x = nn.Dropout(0.5), {"x": normal(6, 5)}
    gradcheck.verify(from_torch(module, x, traits={gradcheck.Trait("stochastic")}))
    assert "deterministic" in [check for check, _ in failures(from_torch(module, x))]


def test_a_module_that_writes_into_its_buffers_in_evaluation_is_blamed():
    class Counts(nn.Module):
        def __init__(self):
            super().__init__()
            self.register_buffer("calls", torch.zeros(1))

        def forward(self, x):
            self.calls += 1
            return x * 2

    declared = from_torch(Counts(), {"x": normal(3)})
    assert declared.trait("forward-writes").primals == ("calls",)
    gradcheck.verify(declared)
    blamed = gradcheck.check(from_torch(Counts(), {"x": normal(3)}, training=False))
    assert "changes the constant 'calls' in place" in blamed.subjects[0].failures[0].explanation


def test_a_layer_that_writes_into_its_input_says_so():
    module, x = nn.ReLU(inplace=True), {"x": normal(4, 3)}
    gradcheck.verify(from_torch(module, x, in_place=True))
    (failure,) = gradcheck.check(from_torch(module, x)).subjects[0].failures
    assert "If ReLU may write into its inputs, say so: in_place=True" in failure.explanation


def test_sparse_gradients_are_compared_like_others():
    module = nn.Embedding(4, 2, sparse=True).double()
    gradcheck.verify(from_torch(module, {"input": np.array([0, 3, 3])}))


def test_a_function_that_takes_nothing_but_float32_is_judged_with_steps_fit_for_it():
    class SingleOnly(Cube):
        @staticmethod
        def forward(ctx, x, w):
            if x.dtype != torch.float32:
                raise TypeError("float32 alone")
            return Cube.forward(ctx, x, w)

    primals = {name: array.astype(np.float32) for name, array in CUBE.items()}
    resolution = gradcheck.verify(from_torch(SingleOnly, primals)).subjects[0].resolution
    assert resolution > gradcheck.verify(from_torch(Cube, primals)).subjects[0].resolution
    assert "float32 alone" in gradcheck.check(from_torch(SingleOnly, CUBE)).subjects[0].failures[0].explanation


def linear_suite(change):
    """Return the suite of affine layers for a linear module whose input is changed first."""

    def build(config, primals):
        linear = nn.Linear(config.in_features, config.out_features, config.bias)
        return from_torch(lambda x, **values: torch.func.functional_call(linear, values, change(x)), primals)

    return gradcheck.suite("affine", build)


@pytest.mark.parametrize(
    ("change", "found"), [(lambda x: x, set()), (lambda x: 1.5 * x, {"agreement"}), (Halved.apply, {"gradient"})]
)
def test_a_suite_takes_what_is_adapted(change, found):
    report = run([linear_suite(change)], Options(examples=2))
    assert {failure.check for failure in report.subjects[0].failures} == found


# Faults


class ForgottenFactor(Cube):
    @staticmethod
    def gradient_of_x(x, w, g):
        return 3 * x**2 * g


class WrongSign(Cube):
    @staticmethod
    def gradient_of_w(x, g):
        return -(x**3 * g).sum(0)


class NoneForNeeded(Cube):
    @staticmethod
    def gradient_of_w(x, g):
        return None


class SpoilsCotangent(Cube):
    @staticmethod
    def gradient_of_w(x, g):
        return g.mul_(x**3).sum(0)


class Single(Cube):
    @staticmethod
    def gradient_of_x(x, w, g):
        return (3 * w * x**2 * g).float().to(x.dtype)


class InMemoryOrder(Cube):
    @staticmethod
    def gradient_of_w(x, g):
        return (x**3 * g.as_strided(g.shape, (g.shape[1], 1))).sum(0)


class OneCache(Cube):
    saved = None

    @staticmethod
    def forward(ctx, x, w):
        OneCache.saved = x, w
        return w * x**3

    @staticmethod
    def backward(ctx, g):
        x, w = OneCache.saved
        return Cube.gradient_of_x(x, w, g), Cube.gradient_of_w(x, g)


@pytest.mark.parametrize(
    ("fault", "found"),
    [
        (ForgottenFactor, ("gradient", "x")),
        (WrongSign, ("gradient", "w")),
        (NoneForNeeded, ("form", "w")),
        (SpoilsCotangent, ("mutation", None)),
        (Single, ("precision", "x")),
        (OneCache, ("call-order", "w")),
    ],
)
def test_a_planted_fault_of_a_function_is_found(fault, found):
    assert failures(from_torch(fault, CUBE)) == [found]


def test_a_cotangent_read_in_memory_order_is_found():
    assert {check for check, _ in failures(from_torch(InMemoryOrder, CUBE))} == {"layout"}


def test_a_gradient_of_none_is_told_with_the_name_of_its_input():
    (failure,) = gradcheck.check(from_torch(NoneForNeeded, CUBE)).subjects[0].failures
    assert failure.explanation == "expected the gradient of 'w' to be an array, got None"


def test_a_module_with_a_wrong_function_inside_is_blamed_for_the_parameter():
    class Cubes(nn.Module):
        def __init__(self):
            super().__init__()
            self.w = nn.Parameter(torch.from_numpy(CUBE["w"]))

        def forward(self, x):
            return WrongSign.apply(x, self.w)

    assert failures(from_torch(Cubes(), {"x": CUBE["x"]})) == [("gradient", "w")]


def test_a_part_that_is_cut_off_from_the_graph_is_found():
    assert failures(from_torch(lambda x: x * torch.sigmoid(x).detach(), {"x": normal(3, 2)})) == [("gradient", "x")]


# Outputs without a gradient


def test_an_output_without_graph_is_one_sentence_with_the_way_on():
    def both(x):
        return x * 2, torch.from_numpy(x.detach().numpy() ** 2)

    report = gradcheck.check(from_torch(both, {"x": normal(3)}))
    sentence = report.subjects[0].failures[0].explanation
    assert "expected output 1 of both to require a gradient, got requires_grad=False" in sentence
    assert "outputs=(0,)" in sentence
    gradcheck.verify(from_torch(both, {"x": normal(3)}, outputs=(0,)))


def test_an_only_output_without_graph_has_no_way_on():
    report = gradcheck.check(from_torch(lambda x: x.detach() * 2, {"x": normal(3)}))
    assert not report.passed
    assert "outputs=" not in report.subjects[0].failures[0].explanation


# Sentences


@pytest.mark.parametrize(
    ("arguments", "options", "sentence"),
    [
        ((3, CUBE), {}, "expected a module, an autograd.Function or a function of tensors, got a value of type int"),
        ((nn.Linear, CUBE), {}, "got the class Linear; make an instance of it"),
        ((Cube, CUBE), {"training": True}, "expected no mode of what is no torch.nn.Module, got training=True"),
        ((Cube, normal(3)), {}, "expected primals to be a mapping of names to arrays"),
    ],
)
def test_misuse_is_one_sentence(arguments, options, sentence):
    with pytest.raises((TypeError, ValueError), match=re.escape(sentence)):
        from_torch(*arguments, **options)


def test_outputs_that_are_not_there_are_one_sentence():
    report = gradcheck.check(from_torch(Cube, CUBE, outputs=(0, 2)))
    assert "expected outputs among the 1 of Cube, got outputs=(0, 2)" in report.subjects[0].failures[0].explanation
    report = gradcheck.check(from_torch(lambda x: x.argmax(), {"x": normal(3)}))
    assert "to return tensors of floating dtype, got a value of type Tensor" in (
        report.subjects[0].failures[0].explanation
    )


def test_modules_and_functions_are_recognised():
    assert framework_of(nn.ReLU()) == framework_of(Cube) == "torch"
    assert framework_of(nn.ReLU) is framework_of(torch.relu) is None
