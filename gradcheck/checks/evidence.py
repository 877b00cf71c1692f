"""What is known of the gradients of one subject."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from gradcheck.checks.escalation import Examination
from gradcheck.checks.kinks import SAMPLE, KinkVerdict
from gradcheck.checks.localize import WrongGradient


@dataclass(frozen=True, kw_only=True)
class GradientEvidence:
    """What the comparison with differences found.

    Attributes
    ----------
    wrong : tuple of WrongGradient
        Gradients that are wrong, taken apart.
    disagreements : tuple of Examination
        Projections onto one primal that are wrong, where taking apart was not asked for.
    kinks : tuple of KinkVerdict
    unclear : tuple of str
        Why something could not be told.
    vacuous : tuple of str
        Primals whose gradient is zero on both sides.
    resolution : float or None
        The largest error of one entry that was not seen, relative to the rms entry of its gradient.
    judged : mapping of str to float
        Per primal the share of (entries × outputs) that smooth differences judged.
    """

    wrong: tuple[WrongGradient, ...] = ()
    disagreements: tuple[Examination, ...] = ()
    kinks: tuple[KinkVerdict, ...] = ()
    unclear: tuple[str, ...] = ()
    vacuous: tuple[str, ...] = ()
    resolution: float | None = None
    judged: Mapping[str, float] = field(default_factory=dict)

    def __add__(self, more: GradientEvidence) -> GradientEvidence:
        """Return what was found before and after; shares judged take the place of those known before."""
        resolutions = [known for known in (self.resolution, more.resolution) if known is not None]
        return GradientEvidence(
            wrong=self.wrong + more.wrong,
            disagreements=self.disagreements + more.disagreements,
            kinks=self.kinks + more.kinks,
            unclear=self.unclear + more.unclear,
            vacuous=tuple(dict.fromkeys(self.vacuous + more.vacuous)),
            resolution=max(resolutions, default=None),
            judged={**self.judged, **more.judged},
        )

    @property
    def is_wrong(self) -> bool:
        """Whether anything was found wrong."""
        return bool(self.wrong or self.disagreements or any(kink.faults for kink in self.kinks))

    @property
    def settles_kinks(self) -> bool:
        """Whether there were kinks, and as many of them were judged as are looked at, none of them wrong."""
        return bool(self.kinks) and all(
            kink.judged == min(SAMPLE, kink.outputs) and not kink.faults for kink in self.kinks
        )
