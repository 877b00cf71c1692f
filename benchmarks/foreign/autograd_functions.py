"""Functions of HIPS autograd through `gradcheck.adapters.from_autograd`: how many are blamed?

``python benchmarks/foreign/autograd_functions.py`` judges each at one random point in float64 and in float32;
``--cases`` asks for more. Autograd differentiates them; a function is right unless a second method says otherwise.
Exit status 1 if one is blamed.
"""

from __future__ import annotations

import os

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[_name] = "1"  # each worker has a core to itself

from functools import partial

import autograd.numpy as anp
import autograd.scipy.signal
import autograd.scipy.special as special
import autograd.scipy.stats as stats
import numpy as np
from autograd import make_vjp
from framework import Entry, cases_of, checked, disagreement, drawn, group, single
from own.drawing import dominant, positive, positive_definite, real, unit
from verdicts import Outcome, command

from gradcheck.adapters import from_autograd

MATRIX = real("m n")
SCALED = real("m n", limit=3)
POSITIVE = positive("m n", least=0.1)
UNIT = unit("m n", margin=0.05)
VECTOR = real("N")

FUNCTIONS: dict[str, Entry] = {
    **group("np", anp, "abs arctan arcsinh cos cosh exp exp2 expm1 negative sin sinc sinh square tanh", MATRIX),
    **group("np", anp, "log log10 log1p log2 reciprocal sqrt", POSITIVE),
    **group("np", anp, "arccos arcsin arctanh tan", UNIT),
    **group("np", anp, "add subtract multiply maximum minimum logaddexp logaddexp2", MATRIX, real("n")),
    **group("np", anp, "divide mod remainder arctan2", MATRIX, positive("n", least=0.3)),
    **group("np", anp, "power", POSITIVE, real("n", limit=3)),
    **group("np", anp, "sum mean prod max min std var cumsum sort diff", VECTOR),
    **group("np", anp, "trace ravel transpose tril triu fliplr rot90", real("M N")),
    **group("np", anp, "dot inner", real("k"), real("k")),
    **group("np", anp, "outer kron", VECTOR, real("3")),
    **group("np", anp, "matmul", real("m k"), real("k 3")),
    **group("np", anp, "cross", real("m 3"), real("m 3")),
    **single("np.diagonal", lambda x: anp.diagonal(x, axis1=-1, axis2=-2), real("n n")),
    **single("np.std-of-rows", lambda x: anp.std(x, axis=1), real("m N")),
    **single("np.clip", lambda x: anp.clip(x, -1, 1), MATRIX),
    **single("np.where", lambda x, y: anp.where(x > y, x, 2 * y), MATRIX, real("n")),
    **single("np.tile", lambda x: anp.tile(x, (2, 1)), MATRIX),
    **single("np.roll", lambda x: anp.roll(x, 1), MATRIX),
    **single("np.pad", lambda x: anp.pad(x, 1, "constant"), MATRIX),
    **single("np.concatenate", lambda x, y: anp.concatenate([x, y]), MATRIX, real("2 n")),
    **single("np.einsum", lambda a, b: anp.einsum("ij,jk->ik", a, b), real("m k"), real("k n")),
    **single("np.tensordot", lambda a, b: anp.tensordot(a, b, 1), real("m k"), real("k n")),
    **single("np.partition", lambda x: anp.partition(x, 1), VECTOR),
    **single("fft.fft", lambda x: anp.abs(anp.fft.fft(x)) ** 2, VECTOR),
    **single("fft.ifft", lambda x: anp.real(anp.fft.ifft(x)), VECTOR),
    **group("linalg", anp.linalg, "det inv", dominant("n n")),
    **group("linalg", anp.linalg, "solve", dominant("n n"), real("n k")),
    **group("linalg", anp.linalg, "norm", VECTOR),
    **group("linalg", anp.linalg, "pinv", real("4 3")),
    **single("linalg.slogdet", lambda a: anp.linalg.slogdet(a)[1], dominant("n n")),
    **single("linalg.cholesky", lambda a: anp.linalg.cholesky((a + a.T) / 2), positive_definite("n n")),
    **single("linalg.eigh", lambda a: anp.linalg.eigh(a)[0], positive_definite("n n")),
    **single("linalg.svd", lambda a: anp.linalg.svd(a, full_matrices=False)[1], real("3 4")),
    **single("linalg.nuclear", lambda a: anp.linalg.norm(a, "nuc"), real("3 4")),
    **group("special", special, "gammaln digamma", POSITIVE),
    **group("special", special, "expit erf erfc i0 i1", SCALED),
    **group("special", special, "logit erfinv", UNIT),
    **group("special", special, "logsumexp", VECTOR),
    **group("special", special, "beta betaln", POSITIVE, POSITIVE),
    **single("special.polygamma", lambda x: special.polygamma(1, x), POSITIVE),
    **single("stats.norm", stats.norm.logpdf, MATRIX, real("n"), positive("n", least=0.3)),
    **single("stats.norm.logcdf", stats.norm.logcdf, MATRIX, real("n"), positive("n", least=0.3)),
    **single("stats.beta", stats.beta.logpdf, UNIT, positive("n", least=0.3), positive("n", least=0.3)),
    **single("stats.gamma", stats.gamma.logpdf, POSITIVE, positive("n", least=0.3)),
    **single("stats.t", lambda x, df: stats.t.logpdf(x, df), MATRIX, positive("n", least=0.5)),
    **single("stats.chi2", lambda x: stats.chi2.logpdf(x, 3.5), POSITIVE),
    **single(
        "stats.multivariate_normal",  # of the symmetric part, since its forward reads one triangle
        lambda x, mean, a: stats.multivariate_normal.logpdf(x, mean, (a + a.T) / 2),
        real("n"),
        real("n"),
        positive_definite("n n"),
    ),
    **single("signal.convolve", lambda x, k: autograd.scipy.signal.convolve(x, k), real("4 4"), real("2 3")),
}

report_of = partial(checked, from_autograd, FUNCTIONS, "autograd_functions.py")


def fault_of(outcome: Outcome) -> str:
    """Tell what is wrong with what autograd itself returns: another dtype, or not what differences say."""
    entry, given = drawn(FUNCTIONS, outcome.case)
    function, arguments = entry.call(), list(given.values())
    told = []
    for place, argument in enumerate(arguments):
        pullback, output = make_vjp(function, place)(*arguments)
        weights = np.ones_like(output)
        gradient = pullback(weights)
        if gradient.dtype != argument.dtype:
            told.append(f"argument {place} is {argument.dtype}, its gradient {gradient.dtype}")
        elif argument.dtype == np.float64:
            off = disagreement(function, arguments, place, gradient, weights)
            if off > 1e-3:
                told.append(f"the gradient of argument {place} differs from plain differences by {off:.0%}")
    return "; ".join(told)


main = command(
    script="autograd_functions.py",
    noun="function",
    parts=("dtype",),
    names=FUNCTIONS,
    cases_of=cases_of,
    report_of=report_of,
    cases=2 * len(FUNCTIONS),
    fault_of=fault_of,
)

if __name__ == "__main__":
    main()
