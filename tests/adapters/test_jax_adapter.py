"""JAX functions, plain and with a custom_vjp: right ones pass, planted faults are found."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.examples import subjects_of

import gradcheck
from gradcheck.adapters import framework_of, from_jax

jax = pytest.importorskip("jax", reason="jax is not installed")
jnp = jax.numpy


def normal(*shape, seed=0):
    """Return an array of normal numbers."""
    return np.random.default_rng(seed).standard_normal(shape)


def with_gradients(of_x, of_w):
    """Return ``w x³`` with these gradients in the place of its own."""

    @jax.custom_vjp
    def cube(x, w):
        return w * x**3

    cube.defvjp(lambda x, w: (w * x**3, (x, w)), lambda kept, g: (of_x(*kept, g), of_w(*kept, g)))
    return cube


def right_x(x, w, g):
    """Return the gradient of x."""
    return 3 * w * x**2 * g


def right_w(x, w, g):
    """Return the gradient of w."""
    return jnp.sum(x**3 * g, axis=0)


CUBE = {"x": normal(4, 3), "w": normal(3, seed=1)}


def failures(function, primals=CUBE):
    """Return what a check finds: the names of the checks that fail, each with its primal."""
    report = gradcheck.check(from_jax(function, primals), contracts=False)
    return [(failure.check, failure.primal) for failure in report.subjects[0].failures]


def test_the_examples_verify():
    subjects = subjects_of("frameworks/jax_custom_vjp.py")
    assert len(subjects) == 3
    for name, subject in subjects.items():
        report = gradcheck.check(subject, contracts=name == "by_hand")  # JAX compiles for every shape that they ask
        assert report.passed, f"{name}\n{report}"


@settings(max_examples=6)
@given(st.permutations(["x", "w"]), st.sampled_from([np.float64, np.float32]), st.booleans())
def test_a_right_custom_vjp_passes_in_either_precision(order, dtype, compiled):
    function = with_gradients(right_x, right_w)
    primals = {name: CUBE[name].astype(dtype) for name in order}
    subject = from_jax(jax.jit(function) if compiled else function, primals)
    outputs, pullback = subject.vjp(subject.primals)
    assert {outputs.dtype, *(gradient.dtype for gradient in pullback(outputs).values())} == {np.dtype(dtype)}
    gradcheck.verify(subject, contracts=False)


@pytest.mark.parametrize(
    ("of_x", "of_w", "primal"),
    [
        (lambda x, w, g: -right_x(x, w, g), right_w, "x"),
        (lambda x, w, g: right_x(x, w, g) / 3, right_w, "x"),
        (right_x, lambda x, w, g: None, "w"),  # which is zero, to JAX
        (right_x, lambda x, w, g: right_w(x, w, g) / len(x), "w"),
    ],
)
def test_a_planted_fault_is_found(of_x, of_w, primal):
    assert set(failures(with_gradients(of_x, of_w))) == {("gradient", primal)}


def test_64_bits_are_enabled_for_the_calls_alone():
    subject = from_jax(jnp.tanh, {"x": normal(3)})
    assert subject.forward(subject.primals).dtype == np.float64
    assert jnp.asarray(normal(3)).dtype == np.float32


def test_float32_stays_float32():
    seen = []

    def scaled(x):
        factor = jnp.asarray(np.full(3, 2.0))  # float64 only where 64 bits are enabled
        seen.append(factor.dtype)
        return x * factor

    subject = from_jax(scaled, {"x": normal(3).astype(np.float32)})
    subject.vjp(subject.primals)
    assert seen == [np.float32]


def test_outputs_in_a_tree_are_looked_at_one_by_one_those_of_integers_not_at_all():
    def tree(x, rows, scale):
        return {"rows": x[rows], "more": (scale * jnp.sum(x * x), jnp.argmax(x))}

    primals = {"rows": np.array([0, 1, 1]), "x": normal(3, 2)}
    subject = from_jax(tree, primals, constants={"scale": np.array(2.0)})
    assert (set(subject.primals), set(subject.constants)) == ({"x"}, {"rows", "scale"})
    outputs = subject.forward(subject.primals)
    assert [output.shape for output in outputs] == [(), (3, 2)]
    gradcheck.verify(subject, contracts=False)


def test_a_random_key_is_a_constant():
    def drop(x, key):
        return x * jax.random.bernoulli(key, 0.5, x.shape)

    gradcheck.verify(from_jax(drop, {"x": normal(4, 3)}, constants={"key": jax.random.key(1)}), contracts=False)


def test_misuse_is_one_sentence():
    with pytest.raises(TypeError, match="expected a function of JAX arrays, got a value of type int"):
        from_jax(3, CUBE)
    report = gradcheck.check(from_jax(jnp.argmax, {"x": normal(3)}))
    assert "expected argmax to return arrays of floating dtype, got none" in report.subjects[0].failures[0].explanation


def test_functions_with_a_derivative_of_their_own_are_recognised():
    function = with_gradients(right_x, right_w)
    assert framework_of(function) == framework_of(jax.jit(function)) == framework_of(jax.custom_jvp(len)) == "jax"
    assert framework_of(failures) is None
