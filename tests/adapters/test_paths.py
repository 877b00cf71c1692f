"""Paths are read, written and printed as Python would; aliases of an array are kept; names say what they mean."""

from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gradcheck.adapters.objects.parameter_names import Meaning, meaning
from gradcheck.adapters.objects.paths import MISSING, Path, Step, places
from gradcheck.adapters.objects.recorder import Recorder

identifiers = st.from_regex(r"[a-zA-Z_][a-zA-Z0-9_]{0,8}", fullmatch=True)
keys = st.from_regex(r"[^'\"\\\n\r\t]{0,6}", fullmatch=True).filter(str.isprintable)
steps = st.one_of(
    st.builds(Step, st.just("attribute"), identifiers),
    st.builds(Step, st.just("item"), st.one_of(st.integers(-9, 99), keys)),
    st.just(Step("call")),
)


@given(identifiers, st.lists(steps, max_size=5))
def test_a_path_that_is_printed_is_read_again(first, rest):
    path = Path((Step("attribute", first), *rest))
    assert Path.parse(str(path)) == path


class Holder:
    """One array in many places."""

    __slots__ = ("hidden", "tuple")

    def __init__(self, array):
        self.hidden = array
        self.tuple = ({"W": array}, 3)

    @property
    def weights(self):
        return [self.hidden]

    def get_params(self):
        return {"W": self.hidden}


@pytest.mark.parametrize("text", ["hidden", "tuple[0]['W']", "weights[0]", "get_params()['W']"])
def test_an_array_is_put_wherever_the_old_one_was(text):
    holder = Holder(np.zeros(3))
    new = np.arange(3.0)
    Path.parse(text).set(holder, new)
    for path in ("hidden", "tuple[0]['W']", "weights[0]", "get_params()['W']"):
        assert Path.parse(path).get(holder) is new


def test_an_entry_of_a_tuple_is_replaced_by_making_the_tuple_anew():
    layer = SimpleNamespace(params={"W": (None, None)})
    Path.parse("params['W'][1]").set(layer, np.ones(2))
    assert layer.params["W"][0] is None
    np.testing.assert_array_equal(layer.params["W"][1], np.ones(2))


def test_what_cannot_be_assigned_to_is_written_into():
    class ReadOnly:
        def __init__(self):
            self._buffer = np.zeros((2, 3))

        @property
        def w(self):
            return self._buffer.T

    layer = ReadOnly()
    Path.parse("w").set(layer, np.ones((3, 2)))
    assert (layer._buffer == 1).all()
    with pytest.raises(ValueError, match=r"cannot put an array of shape \(5,\) into w of ReadOnly"):
        Path.parse("w").set(layer, np.ones(5))


@pytest.mark.parametrize("text", ["b", "a.b", "a[0]", "a()", "a['b']"])
def test_nothing_is_told_from_none(text):
    assert Path.parse(text).get(SimpleNamespace(a=None)) is MISSING
    assert Path.parse("a").get(SimpleNamespace(a=None)) is None


def test_cycles_end():
    layer = SimpleNamespace(w=np.zeros(2))
    layer.self = layer
    assert [str(path) for path, _ in places(layer)] == ["w", "self"]


WEIGHT_GRADIENTS = (
    "dW d_weights dLdW dL_dW w_grad grad_W W.grad grads['W'] gradW grad_weight gradients.W dweights nabla_w"
)
WEIGHTS = (
    "W weight _weights params['W'] W['val'] weights.data kernel layers[0].W params['W'][0] _Dense__W kernel_weights"
)
OTHERS = "x b W1 input_size delta cache['W'] last_W velocity_W optimizer.W bias_weight weights[0] running_W"


@pytest.mark.parametrize(
    ("names", "is_weight", "is_gradient"),
    [(WEIGHT_GRADIENTS, True, True), ("params['W'][1]", True, True), (WEIGHTS, True, False), (OTHERS, False, None)],
)
def test_names_say_what_they_mean(names, is_weight, is_gradient):
    for name in names.split():
        said = meaning(Path.parse(name))
        assert (said is not None and said.names("weight")) == is_weight, name
        assert is_gradient is None or said.is_gradient == is_gradient, name


def test_places_in_lists_have_no_name():
    assert meaning(Path.parse("params[1]")) == Meaning(word="", is_gradient=False, position=1)
    assert meaning(Path.parse("grads[0]")) == Meaning(word="", is_gradient=True, position=0)


# The optimizer that records

W, B = np.ones((2, 3)), np.zeros(3)
DW, DB = np.full((2, 3), 5.0), np.full(3, 7.0)
CALLS = {
    "update(w, g)": lambda o: (o.update(W, DW), o.update(B, DB)),
    "o(g, w)": lambda o: (o(DW, W), o(DB, B)),
    "step by keyword": lambda o: (o.step(param=W, grad=DW), o.step(param=B, grad=DB)),
    "lists": lambda o: o.step([W, B], [DW, DB]),
    "dicts": lambda o: o.update({"W": W, "b": B}, {"W": DW, "b": DB}),
    "names": lambda o: (o.update("W", W, DW), o.update("b", B, DB)),
    "pairs": lambda o: o.apply_gradients([(DW, W), (DB, B)]),
}


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_parameters_and_gradients_are_told_apart(call):
    recorder = Recorder(lambda: {"weight": W, "bias": B})
    call(recorder)
    assert [name for name, _ in recorder.gradients] == ["weight", "bias"]
    for (_, seen), due in zip(recorder.gradients, (DW, DB), strict=True):
        np.testing.assert_array_equal(seen, due)
        assert seen is not due


def test_the_parameter_comes_back_unchanged():
    recorder = Recorder(lambda: {"weight": W, "bias": B})
    assert recorder.update(W, DW) is W
    assert (recorder.step(DW) == 0).all()
    recorder.rate = 2.0
    np.testing.assert_array_equal(recorder.step(DW), -2 * DW)
    assert recorder.lr == 2.0
    assert recorder.zero_grad() is None
