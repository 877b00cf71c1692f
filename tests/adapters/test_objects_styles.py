"""Layer objects in every style are verified right, and a fault planted in any of their gradients is found."""

from functools import partial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.objects import handed_on, kept
from support.objects.affine import BATCH, IN, faulty, primals

import gradcheck
from gradcheck.adapters import from_object
from gradcheck.kinds import KINDS
from gradcheck.suites.kind import Case

IO = {"weight": "IO"}
#: Layer -> what has to be said of it beside the order of axes of its weight.
STYLES = {
    kept.Attributes: {},
    kept.LongNames: {},
    kept.CallAndBprop: {},
    kept.Lazy: {},
    kept.Built: {"build": "build"},
    kept.Dicts: {},
    kept.Lists: {},
    kept.Properties: {},
    kept.ValGrad: {},
    kept.Pairs: {},
    kept.ParameterObjects: {},
    kept.Mixed: {},
    handed_on.Returns: {},
    handed_on.ReturnsParametersFirst: {},
    handed_on.ReturnsDict: {},
    handed_on.LearningRate: {},
    handed_on.HiddenRate: {"learning_rate": "lr"},
    handed_on.UpdatesEach: {"optimizer": ("W_opt", "b_opt")},
    handed_on.UpdatesTogether: {},
    handed_on.AddsSteps: {},
    handed_on.OwnRate: {},
}
each_style = pytest.mark.parametrize(
    ("layer", "options"), STYLES.items(), ids=lambda value: getattr(value, "__name__", "")
)


@each_style
def test_a_right_layer_passes(layer, options):
    subject = from_object(layer, primals(), layouts=IO, **options)
    assert gradcheck.check(subject).passed, str(gradcheck.check(subject))
    x, weight, bias = primals().values()
    np.testing.assert_allclose(subject.vjp(subject.primals)[0], x @ weight.T + bias)


@each_style
@pytest.mark.parametrize("primal", ["x", "weight", "bias"])
def test_a_wrong_gradient_is_found(layer, options, primal):
    subject = from_object(faulty(layer, primal), primals(), layouts=IO, **options)
    failures = gradcheck.check(subject).subjects[0].failures
    assert {failure.primal for failure in failures if failure.check == "gradient"} == {primal}


@each_style
def test_one_object_serves_too(layer, options):
    subject = from_object(layer(), primals(), layouts=IO, **options)
    report = gradcheck.check(subject)
    assert report.passed, str(report)
    assert "a pullback belongs to the last forward" in report.subjects[0].limits


@each_style
def test_float32_stays_float32(layer, options):
    single = {name: array.astype(np.float32) for name, array in primals().items()}
    assert gradcheck.check(from_object(layer, single, layouts=IO, **options)).passed


#: What cannot be told by shapes where sizes are equal.
ORDERS = {
    handed_on.Returns: {"returns": ("x", "weight", "bias")},
    handed_on.ReturnsParametersFirst: {"returns": ("weight", "bias", "x")},
    kept.Lists: {
        "params": {"weight": "params[0]", "bias": "params[1]"},
        "grads": {"weight": "grads[0]", "bias": "grads[1]"},
    },
}
ORDERS[kept.Properties] = ORDERS[kept.Lists]


@each_style
@given(data=st.data())
@settings(max_examples=6)
def test_whatever_the_sizes_and_values(layer, options, data):
    config = data.draw(KINDS["affine"].configs().filter(lambda config: len(config.batch_shape) == 1 and config.bias))
    case = Case(
        KINDS["affine"], config, data.draw(st.sampled_from(KINDS["affine"].regimes)), data.draw(st.integers(0, 99))
    )
    suite = gradcheck.suite(
        "affine",
        lambda config, given: from_object(
            partial(layer, config.in_features, config.out_features),
            given,
            layouts=IO,
            **options,
            **ORDERS.get(layer, {}),
        ),
    )
    report = gradcheck.check(suite.subject(case))
    assert not report.failures, str(report)


def test_the_arrays_of_the_caller_stay_as_they_are():
    arrays = primals()
    layer = handed_on.LearningRate()
    layer.W[...] = 7.0
    subject = from_object(layer, arrays, layouts=IO)
    assert gradcheck.check(subject).passed
    assert (layer.W == 7.0).all()
    np.testing.assert_array_equal(arrays["weight"], primals()["weight"])


def test_an_update_before_the_input_gradient_is_found():
    subject = from_object(handed_on.LateUpdate, primals(), layouts=IO)
    (failure,) = (one for one in gradcheck.check(subject).subjects[0].failures if one.check == "gradient")
    assert failure.primal == "x"


def test_gradients_that_are_kept_and_handed_to_an_optimizer():
    class Both(handed_on.UpdatesTogether):
        def backward(self, dy):
            self.dW, self.db = self.x.T @ dy, dy.sum(axis=0)
            return super().backward(dy)

    assert gradcheck.check(from_object(Both, primals(), layouts=IO)).passed
    assert gradcheck.check(from_object(Both(), primals(), layouts=IO)).passed


def test_an_error_of_the_shape_of_a_weight_is_not_taken_for_its_gradient(rng):
    arrays = {"x": rng.normal(size=(3, 3)), "weight": rng.normal(size=(4, 3)), "bias": rng.normal(size=4)}
    assert gradcheck.check(from_object(handed_on.AddsSteps, arrays, layouts=IO)).passed


@pytest.mark.parametrize("x", [1.0, -1.0, 0.8, 2.0])
def test_nor_where_it_happens_to_equal_it(x):
    class Descent:
        def step(self, gradient):
            return -0.01 * gradient

    class Scale:
        def __init__(self):
            self.weight, self.opt = np.ones((1, 1)), Descent()

        def forward(self, x):
            self.x = x
            return self.weight * x

        def backward(self, dy):
            dx = dy * self.weight
            self.weight = self.weight + self.opt.step(dy) * self.x
            return dx

    gradcheck.verify(from_object(Scale, {"x": np.array([[x]]), "weight": np.array([[1.3]])}))


def test_steps_that_are_subtracted():
    class Subtracts(handed_on.Returns):
        def __init__(self):
            super().__init__()
            self.opt = handed_on.Descent()

        def backward(self, dy):
            dx, dw, db = self.gradients(dy)
            self.W, self.b = self.W - self.opt.scaled(dw), self.b - self.opt.scaled(db)
            return dx

    assert gradcheck.check(from_object(Subtracts, primals(), layouts=IO)).passed


def test_parts_of_a_network_are_told_by_path(rng):
    arrays = {"x": rng.normal(size=(BATCH, IN))}
    arrays |= {"weight": rng.normal(size=(3, 4)), "weight2": rng.normal(size=(4, 2)), "bias2": rng.normal(size=2)}
    subject = from_object(
        kept.Network,
        arrays,
        params={"weight": "layers[0].W", "weight2": "layers[1].W", "bias2": "layers[1].b"},
        grads={"weight": "layers[0].dW", "weight2": "layers[1].dW", "bias2": "layers[1].db"},
    )
    assert gradcheck.check(subject).passed


def test_methods_may_be_functions():
    subject = from_object(
        kept.Attributes,
        primals(),
        forward=lambda layer, x: layer.forward(x) * 2,
        backward=lambda layer, dy: layer.backward(2 * dy),
        layouts=IO,
    )
    assert gradcheck.check(subject).passed


@pytest.mark.parametrize("layer", [kept.Attributes, handed_on.Returns, handed_on.LearningRate])
def test_square_weights_need_no_word_for_shapes_but_mean_what_they_are(layer, rng):
    x, weight, bias = rng.normal(size=(5, 3)), rng.normal(size=(3, 4)), rng.normal(size=4)
    subject = from_object(layer, {"x": x, "weight": weight, "bias": bias})
    np.testing.assert_allclose(subject.vjp(subject.primals)[0], x @ weight + bias)


# adapt


@pytest.mark.parametrize("layer", [kept.Attributes, kept.Dicts, kept.ParameterObjects, handed_on.Returns])
def test_adapt_recognises_objects(layer):
    arrays = primals()
    arrays["weight"] = arrays["weight"].T
    subject = gradcheck.adapt(layer(), arrays)
    assert subject.name == layer.__name__
    assert gradcheck.check(subject).passed
    assert not gradcheck.check(gradcheck.adapt(faulty(layer, "bias")(), arrays)).passed


def test_adapt_says_what_it_looked_for():
    class Half:
        def forward(self, x):
            return x

    with pytest.raises(TypeError, match=r"an object with forward\(x\).*got Half with the methods forward"):
        gradcheck.adapt(Half(), primals())


def test_a_layer_object_beside_bare_inputs_is_told_of_adapt():
    with pytest.raises(TypeError, match=r"expected its arrays by name beside an object.*gradcheck\.adapt\(Attributes"):
        gradcheck.check(kept.Attributes(), primals()["x"])


class Values:
    """The projection of attention whose name ends as that of a second moment does."""

    def __init__(self):
        self.W_v, self.mW_v, self.vW_v = np.zeros((3, 4)), np.zeros((3, 4)), np.zeros((3, 4))

    def forward(self, x):
        self.x = x
        return x @ self.W_v

    def backward(self, dy):
        self.dW_v = self.x.T @ dy
        return dy @ self.W_v.T


def test_a_parameter_called_v_is_told_from_a_moment(rng):
    gradcheck.verify(from_object(Values, {"x": rng.normal(size=(5, 3)), "W_v": rng.normal(size=(3, 4))}))


class Table:
    """A layer without inputs, built before it is used."""

    def build(self):
        self.W = np.zeros((5, 3))

    def forward(self):
        return self.W[[0, 2, 2]]

    def backward(self, dy):
        self.dW = np.zeros_like(self.W)
        np.add.at(self.dW, [0, 2, 2], dy)


@pytest.mark.parametrize("build", ["build", lambda layer: layer.build()])
def test_a_layer_without_inputs_may_be_built(build, rng):
    gradcheck.verify(from_object(Table, {"weight": rng.normal(size=(5, 3))}, inputs=(), build=build))
