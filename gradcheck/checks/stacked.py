"""Entry by entry over a batch axis: many perturbed samples in one forward, where samples are independent."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gradcheck.checks.answers import FormError, SubjectRaisedError
from gradcheck.checks.setting import Setting
from gradcheck.numeric.entries import Entries
from gradcheck.numeric.space import Part, Vector

#: Numbers (inputs and outputs) per stacked forward: enough to hide the cost of a call, few enough for the caches.
_NUMBERS = 2**17
#: Outputs of a stacked batch may differ from those of the plain one by this many roundings.
_ROUNDINGS = 256.0


class StackedDifferences:
    """Differences in the entries of batched primals, several samples to a forward.

    A perturbed entry changes its own sample only; 2K perturbed copies of one sample, stacked, give K entries.
    """

    def __init__(self, setting: Setting, batched: Sequence[str]) -> None:
        self._setting = setting
        self._batched = tuple(batched)
        self._arrays = setting.space.split(setting.point)
        self._outputs = tuple(setting.linearization.form.space.split(setting.outputs).values())

    @classmethod
    def where_separable(cls, setting: Setting) -> StackedDifferences | None:
        """Return the stacked differences if the subject declares a batch axis and really has one."""
        trait = setting.probe.subject.trait("batch-separable")
        if trait is None or any(part.dtype != np.float64 for part in setting.space):
            return None
        names = trait.primals or tuple(part.name for part in setting.space)
        stacked = cls(setting, names)
        return stacked if stacked._is_separable() else None

    def covers(self, part: Part) -> bool:
        """Whether the entries of this primal can be stacked."""
        return part.name in self._batched

    def differentiate(self, part: Part, cotangent: Vector, steps: Vector) -> Entries:
        """Differentiate ``⟨cotangent, f⟩`` in every entry of one batched primal."""
        samples = part.shape[0]
        per_sample = part.size // samples
        weights = self._by_sample(self._cotangents(cotangent), samples)
        base = self._by_sample(self._outputs, samples)
        chunk = max(1, _NUMBERS // (2 * (per_sample + base.shape[1])))
        value, gap = np.empty(part.size), np.empty(part.size)
        for start in range(0, part.size, chunk):
            rows = np.arange(start, min(start + chunk, part.size))
            sample, entry = rows // per_sample, rows % per_sample
            plus, minus = self._evaluate(part, sample, entry, steps[part.slice][rows])
            plus -= base[sample]
            minus -= base[sample]
            value[rows] = np.einsum("ko,ko->k", plus - minus, weights[sample])
            gap[rows] = 2 * np.einsum("ko,ko->k", np.abs(plus + minus), np.abs(weights[sample]))
        point = self._setting.point[part.slice]
        distance = (point + steps[part.slice]) - (point - steps[part.slice])
        return Entries(
            positions=np.arange(part.start, part.stop),
            value=value / distance,
            gap=gap / distance,
            distance=distance,
        )

    def _evaluate(
        self, part: Part, sample: NDArray[np.int_], entry: NDArray[np.int_], steps: Vector
    ) -> tuple[Vector, Vector]:
        primals = {
            name: np.concatenate([array[sample]] * 2) if name in self._batched else array.copy()
            for name, array in self._arrays.items()
        }
        rows = np.arange(sample.size)
        moved = primals[part.name].reshape(2 * sample.size, -1)
        moved[rows, entry] += steps
        moved[rows + sample.size, entry] -= steps
        outputs = self._by_sample(_tuple(self._setting.probe.forward(primals)), 2 * sample.size)
        return outputs[: sample.size], outputs[sample.size :]

    def _is_separable(self) -> bool:
        """Whether a batch drawn anew from the samples gives the outputs of those samples."""
        samples = {self._arrays[name].shape[0] if self._arrays[name].ndim else 0 for name in self._batched}
        if len(samples) != 1 or any(array.ndim == 0 or array.shape[0] not in samples for array in self._outputs):
            return False
        count = samples.pop()
        drawn = self._setting.rng.integers(0, count, count + 1)
        primals = {n: a[drawn] if n in self._batched else a.copy() for n, a in self._arrays.items()}
        try:
            outputs = _tuple(self._setting.probe.forward(primals))
        except (SubjectRaisedError, FormError):
            return False
        expected = [array[drawn] for array in self._outputs]
        bar = _ROUNDINGS * float(np.max(self._setting.noise))
        return all(
            got.shape == due.shape and bool((np.abs(got - due) <= bar).all())
            for got, due in zip(outputs, expected, strict=True)
        )

    def _cotangents(self, cotangent: Vector) -> tuple[NDArray[Any], ...]:
        return tuple(self._setting.linearization.form.space.split(cotangent).values())

    @staticmethod
    def _by_sample(arrays: tuple[NDArray[Any], ...], samples: int) -> Vector:
        if len(arrays) == 1:
            return np.array(arrays[0], dtype=np.float64).reshape(samples, -1)
        return np.concatenate([array.reshape(samples, -1) for array in arrays], axis=1, dtype=np.float64)


def _tuple(outputs: Any) -> tuple[NDArray[Any], ...]:
    return outputs if isinstance(outputs, tuple) else (outputs,)
