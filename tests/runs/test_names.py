"""A builder may name the primals itself."""

import numpy as np

import gradcheck


def build(config, primals):
    weight = primals["weight"]
    renamed = {"x": primals["x"], "W": weight} | ({"b": primals["bias"]} if config.bias else {})

    def vjp(arrays):
        y = arrays["x"] @ arrays["W"].T + (arrays["b"] if config.bias else 0)

        def pullback(g):
            rows, inputs = g.reshape(-1, weight.shape[0]), arrays["x"].reshape(-1, weight.shape[1])
            gradients = {"x": g @ arrays["W"], "W": rows.T @ inputs}
            return gradients | ({"b": rows.sum(0)} if config.bias else {})

        return y, pullback

    return gradcheck.Subject("mine", renamed, vjp)


def test_primals_of_other_names_are_seen_to_live():
    report = gradcheck.check(gradcheck.suite("affine", build))
    assert report.passed, report
    assert report.subjects[0].vacuous == ()


def test_a_gradient_that_is_zero_in_every_case_is_named_by_the_builders_name():
    def dead(config, primals):
        right = build(config, primals)

        def vjp(arrays):
            y, pullback = right.vjp(arrays)
            return y * 0, lambda g: {name: np.zeros_like(array) for name, array in pullback(g).items()}

        return gradcheck.Subject("dead", right.primals, vjp)

    report = gradcheck.check(gradcheck.suite("affine", dead))
    assert report.verdict == "inconclusive"
    assert "W" in report.subjects[0].vacuous
