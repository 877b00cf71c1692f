"""The 22 faults of call order, memory and precision that a comparison of values on fresh arrays cannot see, or name."""

import numpy as np
import pytest
from support.stateful import Linear, subject

import gradcheck

ACCUMULATES = gradcheck.Trait("accumulates", ("w", "b"))


class UsesLastForwardCache(Linear):
    def remember(self, token, x, w):
        self.cache["last"] = x, w

    def recall(self, token):
        return self.cache["last"]


class StaleFirstCache(Linear):
    def recall(self, token):
        return self.cache[min(self.cache)][0], self.cache[token][1]


class ParameterOverwrite(Linear):
    def add(self, dw, db):
        self.dw[...], self.db[...] = dw, db


class ZeroInsideBackward(Linear):
    def add(self, dw, db):
        self.dw[...], self.db[...] = 0, 0
        super().add(dw, db)


class BiasAccumulatesWeightOverwrites(Linear):
    def add(self, dw, db):
        self.dw[...] = dw
        self.db += db


class AccumulatesDouble(Linear):
    def add(self, dw, db):
        self.dw += 2 * dw
        self.db += db


class RebindsGradient(Linear):
    def add(self, dw, db):
        self.dw = self.dw + dw
        self.db += db


class AddsToBufferOfX(Linear):
    buffer = None

    def gradient_of_x(self, w, g):
        if self.buffer is None or len(self.buffer) != len(g):
            self.buffer = np.zeros((len(g), w.shape[1]))
        self.buffer += g @ w
        return self.buffer


class ReturnsSameBuffer(Linear):
    buffer = None

    def gradient_of_x(self, w, g):
        if self.buffer is None or len(self.buffer) != len(g):
            self.buffer = np.zeros((len(g), w.shape[1]))
        self.buffer[...] = g @ w
        return self.buffer


class MutatesCotangent(Linear):
    def backward(self, token, g):
        g *= 0.5
        return super().backward(token, 2 * g)


class ReluInPlaceOnCotangent(Linear):
    def forward(self, x, w, b):
        y, token = super().forward(x, w, b)
        self.cache[-token] = y > 0
        return np.maximum(y, 0), token

    def backward(self, token, g):
        g[~self.cache[-token]] = 0
        return super().backward(token, g)


class ForwardMutatesX(Linear):
    def forward(self, x, w, b):
        mask = x > 0
        x[...] = np.maximum(x, 0)
        y, token = super().forward(x, w, b)
        self.cache[-token] = mask
        return y, token

    def backward(self, token, g):
        return super().backward(token, g) * self.cache[-token]


class UpdatesWeightFirst(Linear):
    def backward(self, token, g):
        x, w = self.recall(token)
        w -= 0.1 * self.gradient_of_w(x, g)
        return super().backward(token, g)


class CotangentAssumedContiguous(Linear):
    def backward(self, token, g):
        owner = g if g.base is None else g.base
        return super().backward(token, owner.reshape(-1)[: g.size].reshape(g.shape))


class CotangentInMemoryOrder(Linear):
    def backward(self, token, g):
        return super().backward(token, g.ravel(order="K").reshape(g.shape))


class XInMemoryOrder(Linear):
    def remember(self, token, x, w):
        super().remember(token, x.ravel(order="K").reshape(x.shape), w)


class HalfAccumulator(Linear):
    def gradient_of_b(self, g):
        return g.sum(0, dtype=np.float16).astype(np.float64)


class SingleAccumulator(Linear):
    def gradient_of_b(self, g):
        return g.sum(0, dtype=np.float32).astype(np.float64)


class XCastToSingle(Linear):
    def gradient_of_w(self, x, g):
        return g.T @ x.astype(np.float32).astype(np.float64)


class UninitialisedTail(Linear):
    def gradient_of_x(self, w, g):
        gradient = np.empty((len(g), w.shape[1]))
        gradient[:, :-1] = (g @ w)[:, :-1]
        return gradient


class NotDeterministic(Linear):
    rng = np.random.default_rng(0)

    def gradient_of_x(self, w, g):
        return (g @ w) * (1 + 1e-12 * self.rng.standard_normal())


class CachePopped(Linear):
    def recall(self, token):
        return self.cache.pop(token)


#: Number in the catalogue of faults, layer, the checks that name it, a part of the sentence.
FAULTS = [
    (162, UsesLastForwardCache, {"call-order"}, "that of the second forward; keep a cache per call, or declare"),
    (163, StaleFirstCache, {"second-point"}, "bit for bit it is still that of the first point"),
    (
        164,
        ParameterOverwrite,
        {"accumulates"},
        "the gradient of 'w' is declared to be added to what its array holds, but",
    ),
    (165, ZeroInsideBackward, {"accumulates"}, "overwrites it: the array held 1 before"),
    (166, BiasAccumulatesWeightOverwrites, {"accumulates"}, "the gradient of 'w' is declared to be added"),
    (167, AccumulatesDouble, {"gradient"}, "the gradient is twice the right one"),
    (168, RebindsGradient, {"rebound"}, "the gradient of 'w' is declared to stay in one array"),
    (169, AddsToBufferOfX, {"accumulates"}, "a second pullback adds its gradient of 'x'"),
    (170, ReturnsSameBuffer, {"overwritten"}, "the gradient of 'x' that one call returned was overwritten"),
    (171, MutatesCotangent, {"mutation"}, "the pullback changes the cotangent in place at [0, 0]"),
    (172, ReluInPlaceOnCotangent, {"mutation"}, "the pullback changes the cotangent in place"),
    (173, ForwardMutatesX, {"mutation"}, "the forward changes the primal 'x' in place"),
    (
        174,
        UpdatesWeightFirst,
        {"mutation", "linear-in-cotangent", "gradient"},
        "the pullback changes the primal 'w' in place",
    ),
    (175, CotangentAssumedContiguous, {"layout"}, "with the cotangent in reversed memory layout"),
    (176, CotangentInMemoryOrder, {"layout"}, "with the cotangent in Fortran memory layout"),
    (177, XInMemoryOrder, {"layout"}, "with 'x' in Fortran memory layout"),
    (178, HalfAccumulator, {"precision", "gradient"}, "computes the gradient of 'b' in float16 somewhere"),
    (179, SingleAccumulator, {"precision"}, "computes the gradient of 'b' in float32 somewhere"),
    (180, XCastToSingle, {"linear"}, "a hidden float32 cast does this"),
    (
        181,
        UninitialisedTail,
        {"uninitialised"},
        "3 of 15 entries of the gradient of 'x' are never written, the first at",
    ),
    (
        182,
        NotDeterministic,
        {"deterministic"},
        "the pullback is not deterministic: with equal arguments 15 of 15 entries",
    ),
    (183, CachePopped, {"pullback-twice"}, "a second pullback of the same forward fails: pullback raised KeyError"),
]


@pytest.fixture
def primals():
    rng = np.random.default_rng(7)
    return {"x": rng.standard_normal((3, 5)), "w": rng.standard_normal((4, 5)), "b": rng.standard_normal(4)}


@pytest.mark.parametrize(
    ("number", "layer", "checks", "fragment"), FAULTS, ids=lambda value: getattr(value, "__name__", None)
)
def test_each_fault_is_caught_by_the_check_that_names_it(number, layer, checks, fragment, primals):
    report = gradcheck.check(subject(layer(5, 4), primals, ACCUMULATES))
    named = {failure.check for failure in report.failures}

    assert report.verdict == "failed"
    assert named & checks
    assert named == checks, [failure.explanation for failure in report.failures]
    assert any(fragment in failure.explanation for failure in report.failures), report.failures[0].explanation


def test_the_right_layer_passes_all(primals):
    report = gradcheck.check(subject(Linear(5, 4), primals, ACCUMULATES))

    assert report.passed, str(report)
    assert report.subjects[0].limits == ("gradients are added to what their arrays hold (w, b)",)
