"""Functions along a sequence: scans, recurrences, dynamic programmes, transforms, interpolation, rotary attention."""

from __future__ import annotations

import numpy as np

from own.drawing import function, index, positive, real, unit
from own.reductions import log_sum_exp_of, softmax


@function(x=real("m n"))
def prefix_sums(x):
    return np.cumsum(x, axis=-1), lambda g: {"x": np.cumsum(g[:, ::-1], axis=-1)[:, ::-1].copy()}


@function(x=real("n", limit=1e3))
def prefix_products(x):
    y = np.cumprod(x)

    def pullback(g):
        before = np.concatenate([np.ones(1, x.dtype), y[:-1]])
        gradient, flow = np.zeros_like(x), np.zeros((), x.dtype)
        for t in reversed(range(x.size)):
            flow = flow + g[t]
            gradient[t] = flow * before[t]
            flow = flow * x[t]
        return {"x": gradient}

    return y, pullback


@function(x=real("n", limit=1e3))
def product_of_all(x):
    def pullback(g):
        before = np.concatenate([np.ones(1, x.dtype), np.cumprod(x[:-1])])
        after = np.concatenate([np.cumprod(x[:0:-1])[::-1], np.ones(1, x.dtype)])
        return {"x": g * before * after}

    return np.prod(x), pullback


@function(x=real("n", limit=30))
def running_log_sum_exp(x):
    y = np.logaddexp.accumulate(x)
    return y, lambda g: {"x": (g[:, None] * np.tril(np.exp(np.minimum(x - y[:, None], 0)))).sum(axis=0)}


@function(a=real("t d", limit=2), b=real("t d"))
def linear_recurrence(a, b):
    """hₜ = aₜ hₜ₋₁ + bₜ."""
    h = np.zeros((len(b) + 1, b.shape[1]), b.dtype)
    for t in range(len(b)):
        h[t + 1] = a[t] * h[t] + b[t]

    def pullback(g):
        da, db, flow = np.zeros_like(a), np.zeros_like(b), np.zeros_like(b[0])
        for t in reversed(range(len(b))):
            flow = flow + g[t]
            da[t], db[t] = flow * h[t], flow
            flow = flow * a[t]
        return {"a": da, "b": db}

    return h[1:].copy(), pullback


def soft_minimum_of(*values):
    """Return −log Σ e⁻ᵛ."""
    return -log_sum_exp_of(-np.stack(values, axis=-1))


@function(cost=real("m n"), accumulates_in="float64")
def soft_time_warping(cost):
    """Soft-DTW with γ = 1 (Cuturi and Blondel, 2017) of a matrix of costs."""
    m, n = cost.shape
    r = np.full((m + 2, n + 2), np.inf, cost.dtype)
    r[0, 0] = 0
    for i in range(1, m + 1):
        for j in range(1, n + 1):
            reached = [v for v in (r[i - 1, j], r[i, j - 1], r[i - 1, j - 1]) if np.isfinite(v)]
            r[i, j] = cost[i - 1, j - 1] + soft_minimum_of(*reached)

    def pullback(g):
        share = np.zeros((m + 2, n + 2), cost.dtype)
        share[m, n] = 1
        for i in reversed(range(1, m + 1)):
            for j in reversed(range(1, n + 1)):
                for p, q in ((i + 1, j), (i, j + 1), (i + 1, j + 1)):
                    if p <= m and q <= n:
                        share[i, j] += share[p, q] * np.exp(r[p, q] - cost[p - 1, q - 1] - r[i, j])
        return {"cost": g * share[1:-1, 1:-1]}

    return r[m, n], pullback


@function(emission=real("t s"), transition=real("s s"), accumulates_in="float64")
def hidden_markov_likelihood(emission, transition):
    """Return log Σ over all paths of e^(sum of their scores), by the forward algorithm."""
    alpha = [emission[0]]
    for row in emission[1:]:
        alpha.append(log_sum_exp_of((alpha[-1][:, None] + transition).T) + row)

    def pullback(g):
        d_emission, d_transition = np.zeros_like(emission), np.zeros_like(transition)
        flow = g * softmax(alpha[-1])
        for t in reversed(range(1, len(alpha))):
            d_emission[t] = flow
            pairs = softmax((alpha[t - 1][:, None] + transition).T).T * flow
            d_transition += pairs
            flow = pairs.sum(axis=1)
        d_emission[0] = flow
        return {"emission": d_emission, "transition": d_transition}

    return log_sum_exp_of(alpha[-1]), pullback


@function(emission=real("t s"), transition=real("s s"))
def best_path_score(emission, transition):
    """Return the score of the best path (Viterbi)."""
    score, origins = emission[0], []
    for row in emission[1:]:
        sums = score[:, None] + transition
        origins.append(sums.argmax(axis=0))
        score = sums.max(axis=0) + row
    state = int(score.argmax())

    def pullback(g):
        d_emission, d_transition = np.zeros_like(emission), np.zeros_like(transition)
        here = state
        for t in reversed(range(len(emission))):
            d_emission[t, here] += g
            if t:
                before = origins[t - 1][here]
                d_transition[before, here] += g
                here = before
        return {"emission": d_emission, "transition": d_transition}

    return score[state], pullback


@function(score=real("m n", limit=30))
def sinkhorn(score):
    """Normalise rows and columns in turn, three times, in logarithms."""
    normalised, steps = score, []
    for axis in (1, 0) * 3:
        along = np.swapaxes(normalised, axis, -1)
        normalised = np.swapaxes(along - log_sum_exp_of(along)[..., None], axis, -1)
        steps.append((axis, np.exp(normalised)))

    def pullback(g):
        flow = g * np.exp(normalised)
        for axis, share in reversed(steps):
            flow = flow - share * flow.sum(axis=axis, keepdims=True)
        return {"score": flow}

    return np.exp(normalised), pullback


@function(y=real("N"), at=real("k"))
def linear_interpolation(y, at):
    """Interpolate between y at 0, 1, 2, …; constant outside."""
    last = len(y) - 1
    place = np.clip(at, 0, last)
    left = np.minimum(place.astype(int), last - 1)
    share = place - left.astype(y.dtype)

    def pullback(g):
        gradient = np.zeros_like(y)
        np.add.at(gradient, left, g * (1 - share))
        np.add.at(gradient, left + 1, g * share)
        return {"y": gradient, "at": g * (y[left + 1] - y[left]) * (at == place)}

    return y[left] * (1 - share) + y[left + 1] * share, pullback


def second_derivatives_of_spline(n):
    """Return the matrix that makes the second derivatives of a natural cubic spline of its values at 0, 1, …, n − 1."""
    system = np.eye(n)
    differences = np.zeros((n, n))
    for k in range(1, n - 1):
        system[k, k - 1 : k + 2] = (1, 4, 1)
        differences[k, k - 1 : k + 2] = (6, -12, 6)
    return np.linalg.solve(system, differences)


@function(y=real("N"), at=unit("k"), accumulates_in="float64")
def natural_cubic_spline(y, at):
    """Interpolate y, given at 0, 1, …, n − 1, by a natural cubic spline at (n − 1)·at."""
    last = len(y) - 1
    curve = second_derivatives_of_spline(len(y)).astype(y.dtype)
    m = curve @ y
    place = at * last
    left = np.minimum(place.astype(int), last - 1)
    b = place - left.astype(y.dtype)
    a = 1 - b
    value = a * y[left] + b * y[left + 1] + ((a**3 - a) * m[left] + (b**3 - b) * m[left + 1]) / 6

    def pullback(g):
        dy, dm = np.zeros_like(y), np.zeros_like(y)
        np.add.at(dy, left, g * a)
        np.add.at(dy, left + 1, g * b)
        np.add.at(dm, left, g * (a**3 - a) / 6)
        np.add.at(dm, left + 1, g * (b**3 - b) / 6)
        slope = y[left + 1] - y[left] + ((1 - 3 * a * a) * m[left] + (3 * b * b - 1) * m[left + 1]) / 6
        return {"y": dy + curve.T @ dm, "at": g * slope * last}

    return value, pullback


@function(points=real("n d"), t=unit("k"), accumulates_in="float64")
def bezier_curve(points, t):
    """Evaluate by de Casteljau's algorithm."""
    levels = [np.repeat(points[None], len(t), axis=0)]
    s = t[:, None, None]
    while levels[-1].shape[1] > 1:
        levels.append((1 - s) * levels[-1][:, :-1] + s * levels[-1][:, 1:])

    def pullback(g):
        flow, dt = g[:, None], np.zeros_like(t)
        for level in reversed(levels[:-1]):
            dt += (flow * (level[:, 1:] - level[:, :-1])).sum(axis=(1, 2))
            wider = np.zeros_like(level)
            wider[:, :-1] += (1 - s) * flow
            wider[:, 1:] += s * flow
            flow = wider
        return {"points": flow.sum(axis=0), "t": dt}

    return levels[-1][:, 0].copy(), pullback


@function(coefficients=real("n"), x=real("k", limit=3))
def polynomial(coefficients, x):
    """Evaluate Σ cₖ xᵏ by Horner's rule."""
    powers = np.cumprod(np.vstack([np.ones_like(x), *[x] * (len(coefficients) - 1)]), axis=0)
    y = np.zeros_like(x)
    slope = np.zeros_like(x)
    for c in coefficients[::-1]:
        slope = slope * x + y
        y = y * x + c
    return y, lambda g: {"coefficients": powers @ g, "x": g * slope}


def as_pairs(z):
    """Return complex numbers as pairs of reals along a last axis."""
    return np.stack([z.real, z.imag], axis=-1)


def as_complex(pairs):
    """Return pairs of reals as complex numbers."""
    return pairs[..., 0] + 1j * pairs[..., 1]


@function(x=real("n 2"))
def fourier_transform(x):
    y = np.fft.fft(as_complex(x))
    return as_pairs(y), lambda g: {"x": as_pairs(np.conj(np.fft.fft(np.conj(as_complex(g)))))}


@function(x=real("n"))
def power_spectrum(x):
    y = np.fft.fft(x)

    def pullback(g):
        return {"x": 2 * np.fft.fft(g * np.conj(y)).real}

    return y.real**2 + y.imag**2, pullback


@function(x=real("n"), kernel=real("k"))
def full_convolution(x, kernel):
    return np.convolve(x, kernel), lambda g: {
        "x": np.correlate(g, kernel, "valid"),
        "kernel": np.correlate(g, x, "valid"),
    }


@function(x=real("m n"), weights=real("3"))
def circular_stencil(x, weights):
    shifted = [np.roll(x, k, axis=-1) for k in (-1, 0, 1)]

    def pullback(g):
        flows = [np.roll(w * g, -k, axis=-1) for w, k in zip(weights, (-1, 0, 1), strict=True)]
        return {"x": sum(flows), "weights": np.array([(g * s).sum() for s in shifted])}

    return sum(w * s for w, s in zip(weights, shifted, strict=True)), pullback


def rotations(length, half, dtype):
    """Return cosines and sines of the angles of positions and frequencies."""
    angles = np.arange(length)[:, None] / 10 ** (np.arange(half) / half)
    return np.cos(angles).astype(dtype), np.sin(angles).astype(dtype)


def rotated(x, cosines, sines):
    """Turn the two halves of the last axis as the two coordinates of points."""
    a, b = np.split(x, 2, axis=-1)
    return np.concatenate([a * cosines - b * sines, a * sines + b * cosines], axis=-1)


@function(q=real("t 4", limit=5), k=real("t 4", limit=5), v=real("t d"), accumulates_in="float64")
def rotary_attention(q, k, v):
    cosines, sines = rotations(len(q), 2, q.dtype)
    turned_q, turned_k = rotated(q, cosines, sines), rotated(k, cosines, sines)
    weights = softmax(turned_q @ turned_k.T / 2)

    def pullback(g):
        d_weights = g @ v.T
        d_scores = weights * (d_weights - (weights * d_weights).sum(axis=-1, keepdims=True)) / 2
        return {
            "q": rotated(d_scores @ turned_k, cosines, -sines),
            "k": rotated(d_scores.T @ turned_q, cosines, -sines),
            "v": weights.T @ g,
        }

    return weights @ v, pullback


@function(table=real("n d"), where=index("k", below="n"), scale=real("k"))
def scaled_lookup(table, where, scale):
    def pullback(g):
        gradient = np.zeros_like(table)
        np.add.at(gradient, where, g * scale[:, None])
        return {"table": gradient, "scale": (g * table[where]).sum(axis=1)}

    return table[where] * scale[:, None], pullback


@function(x=real("k d"), group=index("k", below="n"))
def segment_maximum(x, group):
    """Return the largest entry of each group and column, for the groups that occur."""
    groups = [np.flatnonzero(group == each) for each in np.unique(group)]
    winners = np.stack([members[x[members].argmax(axis=0)] for members in groups])
    columns = np.arange(x.shape[1])

    def pullback(g):
        gradient = np.zeros_like(x)
        np.add.at(gradient, (winners, columns), g)
        return {"x": gradient}

    return x[winners, columns], pullback


@function(x=real("t"), decay=unit("1"))
def moving_average(x, decay):
    """hₜ = d hₜ₋₁ + (1 − d) xₜ."""
    d = decay[0]
    h = np.zeros(len(x) + 1, x.dtype)
    for t in range(len(x)):
        h[t + 1] = d * h[t] + (1 - d) * x[t]

    def pullback(g):
        dx, dd, flow = np.zeros_like(x), np.zeros_like(decay), np.zeros((), x.dtype)
        for t in reversed(range(len(x))):
            flow = flow + g[t]
            dx[t] = flow * (1 - d)
            dd += flow * (h[t] - x[t])
            flow = flow * d
        return {"x": dx, "decay": dd}

    return h[1:].copy(), pullback


@function(position=positive("n", least=0.0, limit=5.0))
def rotation_matrices(position):
    c, s = np.cos(position), np.sin(position)

    def pullback(g):
        return {"position": -s * (g[:, 0, 0] + g[:, 1, 1]) + c * (g[:, 1, 0] - g[:, 0, 1])}

    return np.stack([np.stack([c, -s], -1), np.stack([s, c], -1)], -2), pullback


@function(x=real("n"))
def alternating_series(x):
    signs = (1 - 2 * (np.arange(x.size) % 2)).astype(x.dtype)
    return (signs * x).sum(), lambda g: {"x": g * signs}
