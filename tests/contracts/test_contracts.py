"""Every contract: a fault that it alone catches, and a right subject that passes; limits that are declared."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from support.layers import affine, batch_norm, max_pool, relu, softmax_cross_entropy, spoiled, subject, tanh

import gradcheck
from gradcheck import Trait
from gradcheck.checks.contracts import CONTRACTS
from gradcheck.kinds import KINDS, laws

RNG = np.random.default_rng(11)
X, W, B = RNG.standard_normal((3, 5)), RNG.standard_normal((4, 5)), RNG.standard_normal(4)
SEPARABLE, NORMALISING = Trait("batch-separable", ("x",)), Trait("batch-normalising", ("x",))


def linear(*, traits=(), vjp=affine, **more):
    """Return a subject of a fully connected layer, or of a wrong one."""
    return gradcheck.Subject("layer", {"x": X, "w": W, "b": B}, vjp, traits=frozenset(traits), **more)


# Faults that one contract alone catches.


def shares_cotangent(primals):
    return primals["x"] + primals["b"], lambda g: {"x": g, "b": g.sum(0)}


def view_of_x(primals):
    return primals["x"].reshape(5, 3), lambda g: {"x": g.reshape(3, 5).copy()}


def one_for_both(primals):
    def pullback(g):
        gradient = g.copy()
        return {"x": gradient, "b": gradient}

    return primals["x"] + primals["b"], pullback


def needs_its_output(primals):
    x = primals["x"]
    return (x, x**2), lambda g: {"x": g[0] + 2 * x * g[1]}


def uninitialised(primals):
    y, pullback = affine(primals)

    def tail_missing(g):
        gradients = pullback(g)
        db = np.empty(4)
        db[:3] = gradients["b"][:3]
        return {**gradients, "b": db}

    return y, tail_missing


class Overwriting:
    """Returns the same output array from every forward."""

    def __init__(self):
        self.y = np.empty((3, 4))

    def __call__(self, primals):
        y, pullback = affine(primals)
        if len(y) != 3:
            return y, pullback
        self.y[...] = y
        return self.y, pullback


class Counting:
    """Adds up the gradients of b between calls."""

    def __init__(self):
        self.db = np.zeros(4)

    def __call__(self, primals):
        y, pullback = affine(primals)

        def counting(g):
            gradients = pullback(g)
            self.db += gradients["b"]
            return {**gradients, "b": self.db.copy()}

        return y, counting


def one_use(primals):
    y, pullback = affine(primals)
    calls = []

    def once(g):
        calls.append(1)
        return pullback(g if len(calls) == 1 else 2 * g)

    return y, once


class SharedCache:
    """Pulls back what the last forward saw."""

    def __call__(self, primals):
        self.x = primals["x"]
        y, pullback = affine(primals)
        return y, lambda g: {**pullback(g), "w": g.T @ self.x}


class FirstCache:
    """Pulls back what the first forward saw."""

    x = None

    def __call__(self, primals):
        y, pullback = affine(primals)
        if self.x is None:
            self.x = primals["x"].copy()
        x = self.x if len(self.x) == len(y) else primals["x"]
        return y, lambda g: {**pullback(g), "w": g.T @ x}


def clipping(primals):
    """Returns gradients of at most 1e6."""
    return spoiled(affine, lambda given: {name: np.clip(one, -1e6, 1e6) for name, one in given.items()})(primals)


def never_zero(primals):
    y, pullback = affine(primals)
    return y, lambda g: pullback(g) if g.any() else {name: np.ones_like(one) for name, one in pullback(g).items()}


def writes_and_restores(primals):
    y, pullback = affine(primals)

    def scaled(g):
        g *= 2
        gradients = {name: one / 2 for name, one in pullback(g).items()}
        g /= 2
        return gradients

    return y, scaled


def in_memory_order(primals):
    y, pullback = affine(primals)
    return y, lambda g: {**pullback(g), "b": g.ravel(order="K").reshape(g.shape).sum(0)}


def reads_buffer(primals):
    """Reads as many numbers from memory as the cotangent has entries, whatever its strides are."""
    y, pullback = affine(primals)

    def dense(g):
        if g.strides == (0, g.itemsize):
            return pullback(np.vstack([g[:1], np.zeros((len(g) - 1, g.shape[1]))]))
        return pullback(g)

    return y, dense


def needs_samples(primals):
    if len(primals["x"]) == 0:
        raise ValueError("expected at least one sample")
    return affine(primals)


class KeepsBatch:
    """Forgets to make the gradient of the bias anew for a batch of none."""

    db = np.zeros(4)

    def __call__(self, primals):
        y, pullback = affine(primals)

        def kept(g):
            gradients = pullback(g)
            if len(g):
                self.db = gradients["b"]
            return {**gradients, "b": self.db.copy()}

        return y, kept


def centred(primals):
    """A layer that takes half the mean of the batch off, rightly differentiated: its samples are not independent."""
    y, pullback = affine(primals)
    n = max(len(y), 1)
    return y - y.sum(0) / (2 * n), lambda g: pullback(g - g.sum(0) / (2 * n))


def first_place(primals):
    """Doubles the first sample of the batch, rightly differentiated: places are not alike."""
    weight = np.ones((len(primals["x"]), 1))
    weight[:1] = 2
    y, pullback = affine(primals)
    return y * weight, lambda g: pullback(g * weight)


class KeepsMean:
    """A batch-normalising layer that keeps the mean of a smaller batch."""

    smaller = None

    def __call__(self, primals):
        x = primals["x"]
        mean = x.mean(0)
        if len(x) < 3:
            self.smaller = mean
        shift = mean if self.smaller is None else self.smaller
        return x - shift, lambda g: {"x": g - (g.mean(0) if self.smaller is None else 0)}


def rank_two_only(primals):
    y, pullback = _any_rank_affine(primals)
    return y, lambda g: {**pullback(g), "b": g.sum(0) if g.ndim == 2 else g.sum((0, 1)) / g.shape[1]}


def _any_rank_affine(primals):
    x, w, b = primals["x"], primals["w"], primals["b"]

    def pullback(g):
        flat = g.reshape(-1, len(b))
        return {"x": g @ w, "w": flat.T @ x.reshape(-1, w.shape[1]), "b": flat.sum(0)}

    return x @ w.T + b, pullback


def integers_where_dead(primals):
    y, pullback = affine(primals)
    dead = not (primals["x"] > 0).any()
    return y, lambda g: {**pullback(g), "x": np.zeros(X.shape, int)} if dead else pullback(g)


class Modes:
    """A layer with a cache for each forward, the last of which its evaluation forward spoils (or leaves alone)."""

    def __init__(self, apart: bool):
        self.apart, self.caches = apart, []

    def __call__(self, primals):
        y, pullback = affine(primals)
        token = len(self.caches)
        self.caches.append(primals["x"])
        return y, lambda g: {**pullback(g), "w": g.T @ self.caches[token]}

    def evaluate(self, primals):
        if not self.apart:
            self.caches[-1] = np.zeros_like(primals["x"])
        return affine(primals)[0]


class Lasting:
    """Writes the gradient of the bias into one array, or into a new one each time."""

    def __init__(self, lasts: bool):
        self.lasts, self.db = lasts, np.zeros(4)

    def __call__(self, primals):
        y, pullback = affine(primals)

        def into(g):
            gradients = pullback(g)
            self.db[...] = gradients["b"]
            return {**gradients, "b": self.db if self.lasts else self.db.copy()}

        return y, into


def noisy(primals):
    y, pullback = affine(primals)
    return y, lambda g: {**pullback(g), "b": g.sum(0) * (1 + 1e-13 * np.random.default_rng().uniform(1, 2))}


def rounded_to_six_digits(primals):
    """A forward known to six digits, and a gradient of the weight that errs in the fourth."""
    y, pullback = affine(primals)
    return np.round(y, 6), lambda g: {**pullback(g), "w": (1 + 2e-4) * pullback(g)["w"]}


ALONE = [
    ("mutation", lambda: linear(vjp=_adds_in_place), "the pullback changes the cotangent in place at [0, 0], from"),
    ("alias", lambda: subject(one_for_both, x=X, b=2 * X), "with the gradient of 'x': writing into one changes"),
    ("alias", lambda: subject(needs_its_output, x=X), "output 0 of the forward shares memory with the primal 'x'"),
    ("uninitialised", lambda: linear(vjp=uninitialised), "1 of 4 entries of the gradient of 'b' are never written"),
    ("overwritten", lambda: linear(vjp=Overwriting()), "the output that one forward returned was overwritten"),
    ("accumulates", lambda: linear(vjp=Counting()), "declare gradcheck.Trait('accumulates', ('b',))"),
    ("rebound", lambda: linear(vjp=Lasting(False), traits=[Trait("overwrites", ("b",))]), "declared to stay in one"),
    ("pullback-twice", lambda: linear(vjp=one_use), "declare gradcheck.Trait('single-pullback')"),
    ("deterministic", lambda: linear(vjp=noisy), "the pullback is not deterministic: with equal arguments 4 of 4"),
    ("call-order", lambda: linear(vjp=SharedCache()), "declare gradcheck.Trait('last-forward-only')"),
    ("second-point", lambda: linear(vjp=FirstCache()), "bit for bit it is still that of the first point"),
    ("forward-agrees", lambda: linear(forward=_plus_one), "forward returns other outputs than vjp"),
    ("agreement", lambda: linear(vjp=_shifted, sibling=linear()), "the forward itself computes something else"),
    (
        "other-mode",
        lambda: _with_modes(apart=False),
        "changes the answer of a forward before",
    ),
    ("linear-in-cotangent", lambda: linear(vjp=clipping), "it makes of 1.07374e+09·(3·g + -0.7·h) another gradient"),
    ("zero-for-zero", lambda: linear(vjp=never_zero), "a term does not depend on the cotangent"),
    ("read-only", lambda: linear(vjp=writes_and_restores), "with the cotangent that cannot be written to"),
    ("layout", lambda: linear(vjp=in_memory_order), "with the cotangent in Fortran memory layout"),
    ("layout", lambda: linear(vjp=reads_buffer), "with the cotangent with stride 0"),
    ("empty-batch", lambda: linear(vjp=needs_samples, traits=[SEPARABLE]), "declare gradcheck.Trait('fixed-batch')"),
    ("empty-batch", lambda: linear(vjp=KeepsBatch(), traits=[SEPARABLE]), "what an earlier call left shows"),
    ("batch-exchange", lambda: linear(vjp=centred, traits=[SEPARABLE]), "declare gradcheck.Trait('batch-normalising')"),
    ("batch-exchange", lambda: linear(vjp=first_place, traits=[SEPARABLE]), "samples are not independent, or"),
    (
        "batch-order",
        lambda: linear(vjp=first_place, traits=[Trait("batch-normalising", ("x",))]),
        "order of the samples",
    ),
    ("any-rank", lambda: linear(vjp=rank_two_only, traits=[Trait("any-rank", ("x",))]), "counts on the number of axes"),
    ("form-of-any-values", lambda: linear(vjp=integers_where_dead), "where no entry is positive and every other"),
]


#: Where these are switched off, their faults show in checks that do not name them.
SEEN_ELSEWHERE = {"uninitialised", "accumulates", "pullback-twice", "forward-agrees", "read-only"}


def _adds_in_place(primals):
    y, pullback = affine(primals)

    def adds(g):
        gradients = pullback(g)
        if g.flags.writeable:
            g += 1
        return gradients

    return y, adds


def _shifted(primals):
    y, pullback = affine(primals)
    return y + 0.1, pullback


def _plus_one(primals):
    return affine(primals)[0] + 1


def _with_modes(*, apart: bool):
    layer = Modes(apart)
    return linear(vjp=layer, other_mode=layer.evaluate)


@pytest.mark.parametrize(
    ("check", "make", "fragment"), ALONE, ids=[f"{check}-{k}" for k, (check, *_) in enumerate(ALONE)]
)
def test_a_fault_that_one_contract_alone_catches(check, make, fragment):
    report = gradcheck.check(make())
    assert report.verdict == "failed"
    assert {failure.check for failure in report.failures} == {check}, str(report)
    assert fragment in report.failures[0].explanation
    unseen = gradcheck.check(make(), without={check: "its fault is planted"}).passed
    assert unseen == (check not in SEEN_ELSEWHERE)


@pytest.mark.parametrize(
    ("make", "fragment"),
    [
        (lambda: subject(shares_cotangent, x=X, b=X[0]), "the gradient of 'x' shares memory with the cotangent"),
        (lambda: subject(view_of_x, x=X), "the output of the forward shares memory with the primal 'x'"),
    ],
)
def test_a_view_that_does_no_harm_is_a_note_with_the_declaration_to_write(make, fragment):
    report = gradcheck.check(make())
    assert report.passed, str(report)
    (note,) = report.subjects[0].notes
    assert fragment in note
    assert "declare gradcheck.Trait('returns-views')" in note


def test_batch_sizes_are_looked_at_where_samples_influence_each_other():
    traits = [Trait("batch-normalising", ("x",))]
    others = dict.fromkeys(("batch-order", "second-point"), "not meant")
    report = gradcheck.check(subject(KeepsMean(), traits=traits, x=X), without=others)
    assert {failure.check for failure in report.failures} >= {"batch-sizes"}
    assert "arrays are kept from one call to the next" in str(report)


def test_every_contract_has_a_fault_of_its_own():
    planted = {check for check, *_ in ALONE} | {"batch-sizes"}
    assert planted >= {contract.name for contract in CONTRACTS}


# Right subjects.

RIGHT = {
    "plain": lambda: linear(forward=lambda primals: affine(primals)[0]),
    "separable": lambda: linear(vjp=_any_rank_affine, traits=[SEPARABLE, Trait("any-rank", ("x",))]),
    "batch-normalising": lambda: subject(
        batch_norm, traits=[Trait("batch-normalising", ("x",))], x=X, gamma=RNG.standard_normal(5), beta=B[:1] * X[0]
    ),
    "other mode": lambda: _with_modes(apart=True),
    "lasting arrays": lambda: linear(vjp=Lasting(True), traits=[Trait("overwrites", ("b",))]),
    "views": lambda: subject(shares_cotangent, traits=[Trait("returns-views")], x=X, b=X[0]),
    "kinks": lambda: subject(relu(), x=np.where(np.abs(X) < 0.5, 0.0, X)),
    "ties": lambda: subject(max_pool(), x=RNG.integers(-1, 2, (2, 2, 4, 5)).astype(float)),
    "loss": lambda: subject(softmax_cross_entropy, x=X),
    "tanh": lambda: subject(tanh, x=X),
}


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("make", RIGHT.values(), ids=RIGHT)
def test_right_subjects_pass_every_contract(make, dtype):
    if dtype == "float32" and make in (RIGHT["lasting arrays"],):
        pytest.skip("its arrays are float64")
    report = gradcheck.check(make(), dtype=dtype)
    assert report.passed, str(report)


# Declared limits: shown, never blamed.


class Accumulating:
    """Adds gradients to arrays of its own."""

    def __init__(self):
        self.sums = {"w": np.zeros((4, 5)), "b": np.zeros(4)}

    def __call__(self, primals):
        y, pullback = affine(primals)

        def add(g):
            gradients = pullback(g)
            for name, total in self.sums.items():
                total += gradients[name]
            return {**gradients, **self.sums}

        return y, add


def drops(primals):
    mask = np.random.random(primals["x"].shape) < 0.5  # noqa: NPY002 - the global generator is meant
    return primals["x"] * mask, lambda g: {"x": g * mask}


class RunningMean:
    """Takes off a running mean, which every forward updates."""

    def __init__(self):
        self.mean = np.zeros(5)

    def __call__(self, primals):
        x = primals["x"]
        self.mean += 0.1 * (x.mean(0) - self.mean)
        return x - x.mean(0), lambda g: {"x": g - g.mean(0)}


LIMITS = [
    (lambda *traits: linear(vjp=SharedCache(), traits=traits), Trait("last-forward-only"), "call-order"),
    (lambda *traits: linear(vjp=one_use, traits=traits), Trait("single-pullback"), "pullback-twice"),
    (lambda *traits: linear(vjp=Accumulating(), traits=traits), Trait("accumulates", ("w", "b")), "accumulates"),
    (lambda *traits: linear(vjp=Lasting(True), traits=traits), Trait("overwrites", ("b",)), "overwritten"),
    (lambda *traits: subject(one_for_both, traits=traits, x=X, b=2 * X), Trait("returns-views"), "alias"),
    (lambda *traits: subject(drops, traits=traits, x=X), Trait("stochastic"), "deterministic"),
    (
        lambda *traits: linear(vjp=needs_samples, traits=[SEPARABLE, *traits]),
        Trait("fixed-batch"),
        "empty-batch",
    ),
]


@pytest.mark.parametrize(("make", "trait", "check"), LIMITS, ids=lambda value: getattr(value, "name", None))
def test_a_declared_limit_is_shown_and_never_blamed(make, trait, check):
    blamed = gradcheck.check(make())
    assert check in {failure.check for failure in blamed.failures}
    assert f"declare gradcheck.{trait}" in str(blamed).replace("\n             ", " ")
    accepted = gradcheck.check(make(trait))
    assert accepted.passed, str(accepted)
    assert accepted.subjects[0].limits == (trait.limit,)
    assert f"declared   {trait.limit[:40]}" in str(accepted)


def test_a_forward_that_updates_constants_declares_it():
    layer = RunningMean()
    blamed = gradcheck.check(gradcheck.Subject("layer", {"x": X}, layer, constants={"mean": layer.mean}))
    assert [failure.check for failure in blamed.failures] == ["mutation"]
    assert "the forward changes the constant 'mean' in place" in blamed.failures[0].explanation
    traits = frozenset([Trait("forward-writes", ("mean",))])
    given = gradcheck.Subject("layer", {"x": X}, layer, traits=traits, constants={"mean": layer.mean})
    assert gradcheck.check(given).passed


def test_a_pullback_that_writes_to_targets_is_found():
    targets, mask = np.array([0, 1, 2]), np.array([True, False, True])

    def shifting(primals):
        y, pullback = softmax_cross_entropy(primals)

        def shifted(g):
            targets[...] = targets[::-1].copy()
            mask[...] = ~mask
            return pullback(g)

        return y, shifted

    report = gradcheck.check(
        gradcheck.Subject("loss", {"x": X}, shifting, constants={"targets": targets, "mask": mask})
    )
    assert [failure.check for failure in report.failures] == ["mutation", "mutation"]
    assert "the constant 'mask' in place at [0], from True to False" in report.failures[1].explanation
    assert "the pullback changes the constant 'targets' in place at [0], from 0 to 2" in report.failures[0].explanation


def test_what_is_not_deterministic_in_the_forward_ends_the_check():
    def noise(primals):
        y, pullback = affine(primals)
        return y + 1e-3 * np.random.default_rng().standard_normal(y.shape), pullback

    report = gradcheck.check(linear(vjp=noise))
    assert [failure.check for failure in report.failures] == ["deterministic"]
    assert "if it draws random numbers, seed their generator in each forward" in report.failures[0].explanation


def test_limits_that_were_found_let_the_gradient_be_judged():
    wrong = SharedCache()

    def vjp(primals):
        y, pullback = wrong(primals)
        return y, lambda g: {**pullback(g), "b": 2 * g.sum(0)}

    report = gradcheck.check(linear(vjp=vjp))
    assert {(failure.check, failure.primal) for failure in report.failures} == {("call-order", "w"), ("gradient", "b")}


def test_a_forward_that_is_wrong_and_consistent_is_found_in_a_suite():
    def doubled(config, primals):
        right = KINDS["affine"].build(config, primals)

        def vjp(arrays):
            y, pullback = right.vjp(arrays)
            return 2 * y, lambda g: pullback(2 * g)

        return gradcheck.Subject("doubled", primals, vjp)

    off = dict.fromkeys(("agreement", "laws"), "it is doubled")
    assert "agreement" in {failure.check for failure in gradcheck.check(gradcheck.suite("affine", doubled)).failures}
    assert gradcheck.check(gradcheck.suite("affine", doubled, without=off)).passed


def test_a_sibling_of_other_shapes_is_told():
    other = gradcheck.Subject("sum", {"x": X}, lambda p: (p["x"].sum(0), lambda g: {"x": np.tile(g, (3, 1))}))
    report = gradcheck.check(gradcheck.Subject("tanh", {"x": X}, tanh, sibling=other))
    assert "the outputs have shapes [(3, 5)], those of sum with the same primals [(5,)]" in str(report.failures)


# Laws.


@pytest.mark.parametrize("seed", range(5))
def test_a_law_sees_what_a_coarse_forward_hides_from_differences(seed):
    single = [Trait("single-precision")]
    assert gradcheck.check(linear(vjp=rounded_to_six_digits, traits=single), seed=seed).passed
    assert gradcheck.check(linear(laws=laws.euler("w", "x", "b")), seed=seed).passed
    given = linear(vjp=rounded_to_six_digits, traits=single, laws=laws.euler("w", "x", "b"))
    report = gradcheck.check(given, seed=seed)
    assert {failure.check for failure in report.failures} == {"law:euler-w-x", "law:euler-w"}
    assert "⟨w, dw⟩ = ⟨x, dx⟩: the sides differ by" in report.failures[0].explanation
    assert gradcheck.check(given, seed=seed, without={"laws": "they are tested"}).passed
    one_off = gradcheck.check(given, seed=seed, without={"law:euler-w": "it is tested"})
    assert [failure.check for failure in one_off.failures] == ["law:euler-w-x"]


@pytest.mark.usefixtures("no_causes")
@pytest.mark.parametrize("name", [name for name, kind in KINDS.items() if kind.laws(kind.corners[0])])
def test_every_law_of_a_kind_is_broken_by_a_gradient_scaled(name):
    kind = KINDS[name]
    suite = gradcheck.suite(name)
    case = next(case for config in kind.corners[:1] for case in [suite.case(dataclasses.asdict(config), "normal", 0)])
    given = suite.subject(case)
    broken = set()
    for primal in given.primals:
        wrong = spoiled(
            given.vjp, lambda gradients, primal=primal: {**gradients, primal: 1.5 * gradients[primal] + 1.0}
        )
        report = gradcheck.check(
            gradcheck.Subject("wrong", given.primals, wrong, given.forward, given.traits, laws=given.laws)
        )
        broken |= {
            law.name for law in given.laws if f"the law {law.name!r} is broken too" in str(report.subjects[0].notes)
        }
    assert broken == {law.name for law in given.laws}


# Switching off.


def test_a_check_that_is_off_is_shown_with_its_reason():
    given = linear(vjp=in_memory_order, without={"layout": "the kernel takes C order only"})
    report = gradcheck.check(given)
    assert report.passed
    assert "off        layout: the kernel takes C order only" in str(report)
    assert report.subjects[0].without == {"layout": "the kernel takes C order only"}
    assert "layout" not in report.subjects[0].checks


@pytest.mark.parametrize(
    ("without", "error", "message"),
    [
        ({"layot": "no"}, ValueError, "got 'layot'; did you mean 'layout'?"),
        ({"gradient": "no"}, ValueError, "expected a check to do without among"),
        ({"layout": " "}, ValueError, "expected a reason for doing without 'layout'"),
        ({"layout": None}, TypeError, "to be a str, the reason"),
        (["layout"], TypeError, "a mapping of names of checks to reasons"),
    ],
)
def test_what_cannot_be_switched_off_is_told(without, error, message):
    with pytest.raises(error, match=message.replace("?", r"\?")):
        gradcheck.check(linear(), without=without)


def test_contracts_may_be_left_out_together():
    report = gradcheck.check(linear(vjp=in_memory_order), contracts=False)
    assert report.passed
    assert set(report.subjects[0].checks) == {"gradient"}


def test_the_sign_of_a_zero_is_no_change():
    def vjp(primals):
        x = primals["x"]
        y, mask = np.maximum(x, 0), x > 0
        x[x == 0] = -0.0
        return y, lambda g: {"x": g * mask}

    assert gradcheck.check(
        subject(vjp, x=np.array([1.0, 0.0, -2.0])), without=dict.fromkeys(("read-only", "layout"), "it writes zeros")
    ).passed
