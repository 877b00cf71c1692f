"""What the ε-study found, as data; every text or picture of it is derived from this."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal, TypeAlias, get_args

from gradcheck.records.document import Document
from gradcheck.records.field_types import Count, Expected, SchemaOne
from gradcheck.records.run_record import Verdict
from gradcheck.version import __version__

Scheme: TypeAlias = Literal["one-sided", "central"]
Dtype: TypeAlias = Literal["float64", "float32", "float16"]

SCHEMES: tuple[Scheme, ...] = get_args(Scheme)


@dataclass(frozen=True, kw_only=True)
class Prediction:
    """What theory says of a difference: an error of ``truncation·ε^order + rounding/ε``.

    Attributes
    ----------
    order : int
        1 for the one-sided difference, 2 for the central one.
    truncation, rounding : float
        The two coefficients, relative to the size of the gradient.
    epsilon : float or None
        Where their sum is least; None where nothing is truncated, so that the largest ε is the best.
    error : float or None
        The sum there.
    """

    order: Annotated[int, Expected("1 or 2", 1, 2)]
    truncation: float
    rounding: float
    epsilon: float | None
    error: float | None

    def at(self, epsilon: float) -> float:
        """Return the predicted error at one ε."""
        return self.truncation * epsilon**self.order + self.rounding / epsilon


@dataclass(frozen=True, kw_only=True)
class Curve:
    """The error of one difference in one precision over ε.

    Attributes
    ----------
    dtype : {"float64", "float32", "float16"}
        Precision of the primals, and of the forward as far as it follows them.
    scheme : {"one-sided", "central"}
        ``(f(p + ε) - f(p))/ε`` or ``(f(p + ε) - f(p - ε))/2ε``.
    errors : tuple of float
        For each ε of the study: root mean square of the errors over the sampled entries, divided by that of the exact
        gradient. Infinite or NaN where the forward is.
    best_epsilon, best_error : float
        The least error that was measured, and the ε of it.
    predicted : Prediction
    truncation_slope, rounding_slope : float or None
        Slopes of log error over log ε that were measured on either side of the best ε; None where the curve has no
        such side. Predicted are `predicted.order` and -1.
    """

    dtype: Dtype
    scheme: Scheme
    errors: tuple[float, ...]
    best_epsilon: float
    best_error: float
    predicted: Prediction
    truncation_slope: float | None
    rounding_slope: float | None


@dataclass(frozen=True, kw_only=True)
class Kinks:
    """How many of the sampled entries have a kink within ε of the point, and what that does to central differences.

    Attributes
    ----------
    shares : tuple of float
        For each ε of the study, in [0, 1].
    errors_with, errors_without : tuple of float or None
        Error of the central float64 difference over the entries with a kink within ε, and over the others; None where
        there are no such entries.
    """

    shares: tuple[float, ...]
    errors_with: tuple[float | None, ...]
    errors_without: tuple[float | None, ...]


@dataclass(frozen=True, kw_only=True)
class SubjectStudy:
    """The ε-study of one subject.

    Attributes
    ----------
    name : str
    kind : str or None
    config : mapping of str to object
        The configuration of the layer; of a subject given directly, the shapes of its primals.
    entries, sampled : int
        Entries of all primals, and how many of them were differenced, drawn at random.
    verdict : {"passed", "failed", "inconclusive", "error"}
        What the gradient check says of the float64 pullback, against which errors are measured.
    epsilons : tuple of float
        From the largest to the smallest.
    curves : tuple of Curve
    kinks : Kinks
    notes : tuple of str
        What the study shows, in sentences.
    """

    name: str
    kind: str | None
    config: Mapping[str, Any]
    entries: Count
    sampled: Count
    verdict: Verdict
    epsilons: tuple[float, ...]
    curves: tuple[Curve, ...]
    kinks: Kinks
    notes: tuple[str, ...] = ()

    def curve(self, dtype: Dtype, scheme: Scheme) -> Curve | None:
        """Return one curve, where it could be measured."""
        return next((curve for curve in self.curves if (curve.dtype, curve.scheme) == (dtype, scheme)), None)


@dataclass(frozen=True, kw_only=True)
class StudyHeader:
    """What the file of a study begins with.

    Attributes
    ----------
    study : int
        The schema.
    gradcheck : str
        Version of gradcheck that wrote the file.
    """

    study: SchemaOne = 1
    gradcheck: str = __version__


@dataclass(frozen=True, kw_only=True)
class StudyRecord(Document):
    """The result of ``gradcheck study``.

    Attributes
    ----------
    seed : int
        All random values follow from it.
    subjects : tuple of SubjectStudy
        One for each subject that was studied.
    """

    header: ClassVar = StudyHeader

    seed: Count
    subjects: tuple[SubjectStudy, ...]
