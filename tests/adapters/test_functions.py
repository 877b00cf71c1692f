"""Pairs of functions: whatever they take and return, in whatever order, is told or declared, and judged."""

import functools
import inspect
import types

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from support import functions as pairs

import gradcheck
from gradcheck.adapters import from_functions, recognise_functions
from gradcheck.adapters.signatures import match_names


@pytest.fixture
def arrays(rng):
    return {
        "x": rng.standard_normal((2, 3)),
        "weight": rng.standard_normal((4, 3)),
        "bias": rng.standard_normal(4),
    }


def some(arrays, *names):
    return {name: arrays[name] for name in names}


def vectors(rng, *names, size=3):
    return {name: rng.standard_normal(size) for name in names}


AFFINE = {
    "inputs again": (pairs.affine, pairs.affine_backward),
    "cache, nested": (pairs.affine_with_cache, pairs.affine_from_cache),
    "cache, weight first": (pairs.affine_with_cache, pairs.weight_first),
    "cache, by key": (pairs.affine_with_cache, pairs.by_key),
}


@pytest.mark.parametrize("style", AFFINE)
def test_a_right_pair_passes_with_nothing_declared(style, arrays):
    report = gradcheck.check(from_functions(*AFFINE[style], arrays))
    assert report.passed, str(report)
    assert report.subjects[0].limits == ()


@pytest.mark.parametrize("style", AFFINE)
@pytest.mark.parametrize("name", ["x", "weight", "bias"])
def test_a_wrong_gradient_is_found_by_its_name(style, name, arrays):
    forward, backward = AFFINE[style]

    def spoil(result):
        """Return the results with one of them made a little too large."""
        if isinstance(result, tuple | list):
            return type(result)(spoil(item) for item in result)
        if isinstance(result, dict):
            return {key: spoil(item) for key, item in result.items()}
        return result * 1.01 if result.shape == arrays[name].shape else result

    wrong = functools.wraps(backward)(lambda *given: spoil(backward(*given)))
    report = gradcheck.check(from_functions(forward, wrong, arrays))
    assert {failure.primal for failure in report.failures if failure.check == "gradient"} == {name}


def test_a_bias_may_be_absent(arrays):
    subject = from_functions(pairs.affine, pairs.affine_backward, some(arrays, "x", "weight"))
    assert list(subject.primals) == ["x", "weight"]
    gradcheck.verify(subject)


def test_a_backward_may_take_the_output(arrays):
    gradcheck.verify(from_functions(pairs.sigmoid, pairs.sigmoid_backward, some(arrays, "x")))
    wrong = from_functions(pairs.sigmoid, lambda dy, y: dy * y * (1 + y), some(arrays, "x"))
    assert not gradcheck.check(wrong).passed


def test_several_outputs_have_a_cotangent_each(rng):
    primals = {"x": rng.normal(size=(2, 3)), "h": rng.normal(size=(2, 5)), "w": rng.normal(size=(3, 5))}
    gradcheck.verify(from_functions(pairs.cell, pairs.cell_backward, primals))

    def together(cotangents, cache):
        return pairs.cell_backward(*cotangents, cache)

    gradcheck.verify(
        from_functions(pairs.cell, together, primals, backward_arguments=("cotangent", "cache"), name="cell")
    )
    exchanged = from_functions(
        pairs.cell, lambda a, b, c: pairs.cell_backward(a, b * 0.9, c), primals, backward_arguments=TWO
    )
    assert not gradcheck.check(exchanged).passed


TWO = ("cotangent", "cotangent", "cache")


def test_the_context_form(rng, arrays):
    primals = {"x": arrays["x"], "weight": rng.standard_normal(3)}
    pair = recognise_functions(pairs.Softplus)
    subject = from_functions(*pair, primals)
    assert subject.name == "Softplus"
    gradcheck.verify(subject)

    def forgets_slope(ctx, dy):
        x, weight = ctx.saved_tensors
        return dy * weight, (dy * ctx.slope * x).sum(0)

    report = gradcheck.check(from_functions(pair[0], forgets_slope, primals))
    assert report.failures[0].primal == "x"


def test_context_under_another_name_is_declared(arrays):
    def forward(store, x):
        store.x = x
        return x**2

    subject = from_functions(forward, lambda store, dy: 2 * store.x * dy, some(arrays, "x"), context=True)
    gradcheck.verify(subject)


def test_constants_and_options_reach_both(arrays):
    targets = np.array([[1.0, 0, 0], [0, 0, 1]])

    def forward(x, targets, power=2):
        return (x - targets) ** power

    def backward(x, targets, dy, power):
        return power * (x - targets) ** (power - 1) * dy, None

    for subject in (
        from_functions(forward, backward, some(arrays, "x"), targets, power=3),
        from_functions(
            functools.partial(forward, power=3), functools.partial(backward, power=3), some(arrays, "x"), targets
        ),
        from_functions(forward, backward, some(arrays, "x"), targets),
    ):
        gradcheck.verify(subject)
        assert list(subject.constants) == ["targets"]
        assert subject.name == "forward"


def test_a_constant_that_is_changed_is_a_fault(arrays):
    def forward(x, offset):
        offset += 0
        offset[0] += 1
        return x + 0 * offset, None

    report = gradcheck.check(from_functions(forward, lambda dy, cache: dy * 1, some(arrays, "x"), np.zeros(3)))
    assert "mutation" in {failure.check for failure in report.failures}


def test_arguments_may_be_containers(arrays):
    def forward(params, x):
        return x @ params["W"].T + params["b"]

    def backward(dout, params, x):
        return {"b": dout.sum(0), "W": dout.T @ x}, dout @ params["W"]

    subject = from_functions(
        forward,
        backward,
        arrays,
        arguments=({"W": "weight", "b": "bias"}, "x"),
        backward_arguments=("cotangent", {"W": "weight", "b": "bias"}, "x"),
        returns=({"W": "weight", "b": "bias"}, "x"),
    )
    gradcheck.verify(subject)


def test_python_numbers_and_lists_are_understood():
    primals = {"x": np.array([0.3, -2.0]), "a": np.array([2.0])}

    def forward(x, a):
        return [float(v * a[0]) for v in x]

    def backward(x, a, dy):
        return [float(g * a[0]) for g in dy], float(sum(x * dy))

    gradcheck.verify(from_functions(forward, backward, primals))
    zero_dim = from_functions(forward, lambda x, a, dy: (dy * a, (x * dy).sum()), primals)
    gradcheck.verify(zero_dim)


def test_float32_stays_float32(arrays):
    primals = {name: array.astype(np.float32) for name, array in arrays.items()}
    gradcheck.verify(from_functions(pairs.affine_with_cache, pairs.affine_from_cache, primals))


def test_a_cache_that_nobody_takes_is_declared(arrays):
    declared = {"forward_returns": ("output", "cache")}
    gradcheck.verify(from_functions(pairs.affine_with_cache, pairs.affine_backward, arrays, **declared))


def test_overflow_warns_no_more_than_in_a_check():
    subject = from_functions(
        np.square,
        lambda dy, x: 2 * x * dy,
        {"x": np.array([1e200, 1.0])},
        arguments=("x",),
        backward_arguments=("cotangent", "x"),
    )
    assert gradcheck.check(subject).failures[0].check == "forward"


def test_a_cache_that_is_used_up_is_declared(arrays):
    def forward(x):
        return np.sin(x), [x]

    def backward(dy, cache):
        return dy * np.cos(cache.pop())

    report = gradcheck.check(from_functions(forward, backward, some(arrays, "x")))
    assert [failure.check for failure in report.failures] == ["pullback-twice"]
    trait = gradcheck.Trait("single-pullback")
    report = gradcheck.verify(from_functions(forward, backward, some(arrays, "x"), traits={trait}))
    assert report.subjects[0].limits == ("each forward can be pulled back once",)


# Every order of arguments and results, over shapes

SIZES = st.integers(1, 3)
ORDERS = st.permutations(["x", "weight", "bias"])


def bilinear(order, results):
    """Return a pair whose forward takes, and whose backward returns, its arrays in these orders."""

    def forward(*given):
        at = dict(zip(order, given, strict=True))
        return at["x"] @ at["weight"].T + at["bias"], at

    def backward(dy, cache):
        found = {"x": dy @ cache["weight"], "weight": dy.T @ cache["x"], "bias": dy.sum(0)}
        return tuple(found[name] for name in results)

    return forward, backward


def point(samples, features, units):
    rng = np.random.default_rng(samples + 10 * features + 100 * units)
    shapes = {"x": (samples, features), "weight": (units, features), "bias": (units,)}
    return {name: rng.standard_normal(shape) for name, shape in shapes.items()}


def named(function, order):
    """Return a function with these names of parameters."""
    kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
    function.__signature__ = inspect.Signature([inspect.Parameter(name, kind) for name in order])
    return function


@given(ORDERS, ORDERS, SIZES, SIZES, SIZES)
def test_declared_orders_are_right_whatever_the_shapes(order, results, samples, features, units):
    subject = from_functions(
        *bilinear(order, results), point(samples, features, units), arguments=order, returns=results
    )
    report = gradcheck.check(subject, contracts=False)
    assert report.passed, str(report)


@given(ORDERS, ORDERS, SIZES, SIZES, SIZES)
def test_undeclared_orders_are_told_by_names_and_shapes(order, results, samples, features, units):
    """Arrays of one shape that come in another order than the arguments are told by slopes, and asked about."""
    forward, backward = bilinear(order, results)
    primals = point(samples, features, units)
    same = samples == units
    in_order = [name for name in results if name != "bias"] == [name for name in order if name != "bias"]
    if same and not in_order:
        with pytest.raises(ValueError, match=r"declare returns=\('"):
            from_functions(named(forward, order), backward, primals)
        return
    report = gradcheck.check(from_functions(named(forward, order), backward, primals), contracts=False)
    assert report.passed, str(report)


@given(ORDERS, ORDERS, ORDERS, SIZES, SIZES, SIZES)
def test_a_wrong_order_is_told_with_the_right_one(order, results, declared, samples, features, units):
    assume(results != declared)
    forward, backward = bilinear(order, results)
    with pytest.raises(ValueError, match="declare returns=") as caught:
        from_functions(forward, backward, point(samples, features, units), arguments=order, returns=declared)
    assert f"declare returns=({', '.join(map(repr, results))})" in str(caught.value)


@given(ORDERS, st.sampled_from(["x", "weight", "bias"]), SIZES, SIZES, SIZES)
def test_a_fault_is_not_taken_for_another_order(order, name, samples, features, units):
    forward, backward = bilinear(order, order)

    def wrong(dy, cache):
        return tuple(2 * array if key == name else array for key, array in zip(order, backward(dy, cache), strict=True))

    subject = from_functions(named(forward, order), wrong, point(samples, features, units))
    report = gradcheck.check(subject, contracts=False)
    assert {failure.primal for failure in report.failures} == {name}


def test_gradients_of_one_shape_in_the_order_of_arguments_pass(rng):
    primals = {"x": rng.standard_normal((3, 3)), **vectors(rng, "gamma", "beta")}
    gradcheck.verify(from_functions(pairs.scale_and_shift, pairs.scale_and_shift_backward, primals))

    def exchanged(dout, cache):
        dx, dgamma, dbeta = pairs.scale_and_shift_backward(dout, cache)
        return dx, dbeta, dgamma

    with pytest.raises(
        ValueError, match=r"of 'gamma', got that of 'beta' in its place, as the slopes.*\('x', 'beta', 'gamma'\)"
    ):
        from_functions(pairs.scale_and_shift, exchanged, primals)
    gradcheck.verify(
        from_functions(pairs.scale_and_shift, exchanged, primals, returns=("x", "beta", "gamma"), name="exchanged")
    )


# Misuse


def no_cotangent(a, b, c):
    return a


REFUSED = {
    "what a backward takes": (
        lambda p: from_functions(pairs.affine, no_cotangent, p),
        r"could not tell by its names what backward\(a, b, c\) takes .*declare backward_arguments=\(…\) with",
    ),
    "an unknown role": (
        lambda p: from_functions(pairs.affine, no_cotangent, p, backward_arguments=("cotangnt", "x", "bias")),
        r"got 'cotangnt'; did you mean 'cotangent'\?",
    ),
    "no cotangent": (
        lambda p: from_functions(pairs.affine, no_cotangent, p, backward_arguments=("x", "x", "x")),
        "expected 'cotangent' among backward_arguments",
    ),
    "a primal that is no argument": (
        lambda p: from_functions(pairs.affine, pairs.affine_backward, p, arguments=("x", "wieght", "bias")),
        r"without 'weight'; did you mean 'wieght'\?",
    ),
    "too many constants": (
        lambda p: from_functions(pairs.affine, pairs.affine_backward, p, 1, arguments=("x", "weight", "bias")),
        "expected arguments to name the primals x, weight, bias and 1 constants",
    ),
    "too many primals": (
        lambda p: from_functions(pairs.sigmoid, pairs.sigmoid_backward, p),
        r"expected forward\(z\) to take the primals x, weight, bias and 0 constants, got 2 more than it has arguments",
    ),
    "an argument without value": (
        lambda p: from_functions(pairs.affine, pairs.affine_backward, {"x": p["x"]}),
        r"expected a value for each argument of forward\(x, weight, bias\), got none for 'weight'",
    ),
    "no cache": (
        lambda p: from_functions(pairs.affine, pairs.affine_from_cache, p),
        "expected forward to return outputs and a cache, since backward takes a cache, got a single ndarray",
    ),
    "a gradient of None": (
        lambda p: from_functions(pairs.affine, lambda x, weight, bias, dy: (None, dy.T @ x, dy.sum(0)), p),
        "expected a gradient of 'x', got None from backward; if none is wanted, pass 'x' as a constant",
    ),
    "too few gradients": (
        lambda p: from_functions(pairs.affine, lambda x, weight, bias, dy: (dy @ weight, dy.T @ x), p),
        r"could not tell which results of backward .* got shape \(2, 3\), shape \(4, 3\); declare returns=\('x', ",
    ),
    "other returns": (
        lambda p: from_functions(pairs.affine, pairs.affine_backward, p, returns=("x", "weight")),
        r"expected returns to name each of x, weight, bias once, got returns=\('x', 'weight'\)",
    ),
    "more returns than results": (
        lambda p: from_functions(pairs.affine, pairs.affine_backward, p, returns=("x", "weight", "bias", None)),
        "expected backward to return 4 results",
    ),
    "a key that is not there": (
        lambda p: from_functions(
            pairs.affine_with_cache, pairs.by_key, p, returns=("x", {"dweight": "weight", "db": "bias"})
        ),
        r"expected backward to return 'weight' at \[1\]\['dweight'\]",
    ),
    "a word for a result": (
        lambda p: from_functions(pairs.affine_with_cache, pairs.by_key, p, forward_returns=("output", "cach")),
        r"expected forward_returns among 'output', 'cache' and None, got 'cach'; did you mean 'cache'\?",
    ),
    "an array for primals": (
        lambda p: from_functions(np.tanh, no_cotangent, p["x"]),
        "expected primals to be a mapping of names to arrays, got ndarray",
    ),
    "integers": (
        lambda p: from_functions(pairs.affine, pairs.affine_backward, {**p, "bias": np.arange(4)}),
        "expected the primal 'bias' to have dtype float64, .* got dtype=int64; pass it as a constant",
    ),
    "a cache that nobody takes": (
        lambda p: from_functions(pairs.affine_with_cache, pairs.affine_backward, p),
        r"got tuple among what forward returns; if it is a cache, declare forward_returns=\('output', 'cache'\)",
    ),
    "another number of results": (
        lambda p: from_functions(pairs.affine, pairs.affine_backward, p, forward_returns=("output", None)),
        "expected forward to return 2 results, an 'output' among them, .* got a single one",
    ),
    "cotangents": (
        lambda p: from_functions(pairs.affine, no_cotangent, p, backward_arguments=("cotangent", "cotangent")),
        "expected backward to take one cotangent, or one for each of 1 outputs, got 2",
    ),
    "a backward without signature": (
        lambda p: from_functions(pairs.affine, lambda *given: given, p),
        "expected a backward whose signature can be read",
    ),
}


@pytest.mark.parametrize("what", REFUSED)
def test_misuse_is_refused_in_one_sentence(what, arrays):
    make, message = REFUSED[what]
    with pytest.raises((TypeError, ValueError), match=message) as caught:
        make(arrays)
    assert "\n" not in str(caught.value)


def test_a_gradient_that_has_no_order_which_fits_is_judged_not_refused(arrays):
    def transposed(x, weight, bias, dy):
        return dy @ weight, x.T @ dy, dy.sum(0)

    report = gradcheck.check(from_functions(pairs.affine, transposed, arrays))
    assert [(failure.check, failure.primal) for failure in report.failures] == [("shape", "weight")]


# Recognition


def test_pairs_are_recognised():
    f, b = pairs.affine, pairs.affine_backward
    module = types.ModuleType("layer")
    module.forward, module.backward = f, b

    class AsNamespace:
        @staticmethod
        def forward(x, weight):
            return x

        @staticmethod
        def backward(x, weight, dy):
            return dy

    assert recognise_functions((f, b)) == (f, b)
    assert recognise_functions([f, b]) == (f, b)
    assert recognise_functions(module) == (f, b)
    assert recognise_functions(types.SimpleNamespace(forward=f, backward=b)) == (f, b)
    assert recognise_functions(AsNamespace) == (AsNamespace.forward, AsNamespace.backward)


class Layer:
    def forward(me, x):  # noqa: N805 - whatever the instance is called
        return x

    def backward(me, dy):  # noqa: N805
        return dy


@pytest.mark.parametrize("thing", [Layer, Layer(), (pairs.affine,), (pairs.affine, 1), 3, None, types.ModuleType("m")])
def test_other_things_are_not(thing):
    assert recognise_functions(thing) is None


def test_names_are_matched_by_initials_where_that_is_unique():
    assert match_names(["x", "b"], ["x", "beta", "bias"]) == {"x": "x"}
    assert match_names(["weights", "X"], ["x", "weight"]) == {
        "weights": "weight",
        "X": "x",
    }
