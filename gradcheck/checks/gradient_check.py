"""Is the gradient right? Screened first; suspects are examined closely, and what is wrong is taken apart."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from gradcheck.checks.escalation import Examination, examine, examine_twice, find_creased
from gradcheck.checks.evidence import GradientEvidence
from gradcheck.checks.kinks import judge_kinks
from gradcheck.checks.localize import compare_every_entry, localize, wrong_parts
from gradcheck.checks.projected import SMALL_SHARE, by_magnitude, pull
from gradcheck.checks.screening import Screened, screen
from gradcheck.checks.setting import Setting
from gradcheck.numeric.precision import DOUBLE

#: Where fewer of the outputs than this are smooth, gentler tangents are tried.
_ENOUGH_JUDGED = 0.5
#: Of so many primals each moves alone to see whether the forward rounds it to a lower precision.
_FEW = 16


def check_gradient(
    setting: Setting, *, trials: int = 2, take_apart: bool = True, exhaustive: bool = False
) -> GradientEvidence:
    """Check the gradient of every primal.

    Parameters
    ----------
    setting : Setting
    trials : int
        Tangents and cotangents of the projected check.
    take_apart : bool
        Whether to localise what is wrong.
    exhaustive : bool
        Whether to compare every entry with its own difference where nothing else was wrong.
    """
    if setting.function.precision is DOUBLE:
        setting = setting.balanced()
        screened = screen(setting, trials)
    else:
        screened = Screened(suspects=(setting.names, *by_magnitude(pull(setting, 0))[1:]))
    setting = replace(setting, straight=screened.straight, reach=screened.reach)
    evidence = GradientEvidence(
        vacuous=screened.vacuous, resolution=screened.resolution, judged=dict.fromkeys(setting.names, 1.0)
    )
    for names in screened.suspects:
        if len(names) <= _FEW:
            setting.forward.look_for_casts(setting.restricted(setting.tangent(), (name,)) for name in names)
        setting, evidence, wrong = _judge_group(setting, names, evidence)
        if wrong is not None:
            evidence += _blame(setting, wrong, take_apart)
    if exhaustive and not evidence.is_wrong:
        evidence += GradientEvidence(wrong=tuple(compare_every_entry(setting)))
    return evidence


def _judge_group(
    setting: Setting, names: tuple[str, ...], evidence: GradientEvidence
) -> tuple[Setting, GradientEvidence, Examination | None]:
    """Judge a group of primals; what is not right is looked at for kinks that no single tangent shows, and judged anew.

    Return the setting with those kinks, the evidence with what was found, and what says that the primals are wrong.
    """
    found = examine_twice(setting, *setting.tangents(names))
    more, wrong = _judge_closely(setting, names, found, evidence)
    doubtful = found if wrong is None and found.state == "unknown" else wrong
    if doubtful is None or setting.creased is not None:
        return setting, more, wrong
    creased = find_creased(setting) & doubtful.slopes.smooth
    if not creased.any():
        return setting, more, wrong
    setting = replace(setting, creased=creased)
    return setting, *_judge_closely(setting, names, examine_twice(setting, *setting.tangents(names)), evidence)


def _judge_closely(
    setting: Setting, names: tuple[str, ...], found: Examination, evidence: GradientEvidence
) -> tuple[GradientEvidence, Examination | None]:
    """Return the evidence with what an examination of a group of primals found, and what says that they are wrong."""
    if found.state == "wrong":
        return evidence, found
    judged = found.judged if found.state == "right" else 0.0
    evidence += GradientEvidence(
        judged={name: min(evidence.judged[name], judged) for name in names},
        resolution=_resolution(setting, names, found),
    )
    if found.judged < 1.0:
        return _judge_rough(setting, names, found, evidence)
    if found.state == "unknown":
        return evidence + GradientEvidence(unclear=(_too_noisy(found, names),)), None
    return evidence + GradientEvidence(vacuous=_zero(setting, names, found)), None


def _judge_rough(
    setting: Setting, names: tuple[str, ...], found: Examination, evidence: GradientEvidence
) -> tuple[GradientEvidence, Examination | None]:
    """Some outputs are not smooth along random tangents: try gentler ones, then one-sided slopes."""
    kinked = found.slopes.at_point
    if kinked.any():
        verdict = judge_kinks(setting, kinked)
        evidence += GradientEvidence(kinks=(verdict,))
        if verdict.faults:
            return evidence, None
    together = setting.restricted(setting.uniform_tangent(), names)
    tied = examine(setting, together)
    if tied.state == "wrong" and examine(setting, together).state == "wrong":
        return evidence, tied
    if found.state != "right" or found.judged < _ENOUGH_JUDGED:
        for name in names:
            evidence, wrong = _judge_alone(setting, name, evidence)
            if wrong is not None:
                return evidence, wrong
    unseen = tuple(name for name in names if evidence.judged[name] == 0.0)
    if not unseen or evidence.settles_kinks:
        return evidence, None
    if found.slopes.smooth.any():
        return evidence + GradientEvidence(unclear=(_too_noisy(found, unseen),)), None
    listed = ", ".join(map(repr, unseen))
    met = f"every difference with respect to {listed} met a kink or a tie; other values of the primals would help"
    return evidence + GradientEvidence(unclear=(met,)), None


def _judge_alone(
    setting: Setting, name: str, evidence: GradientEvidence
) -> tuple[GradientEvidence, Examination | None]:
    """Move one primal alone, then so that ties stay ties."""
    part = setting.space.part(name)
    tangents = (
        (1.0, setting.tangent),
        (float(np.mean(setting.point[part.slice] != 0)), setting.tie_keeping_tangent),
    )
    for share, draw in tangents:
        found = examine_twice(setting, *(setting.restricted(draw(), (name,)) for _ in range(2)))
        if found.state == "wrong":
            return evidence, found
        if found.state == "right":
            evidence += GradientEvidence(
                judged={name: max(evidence.judged[name], found.judged * share)},
                resolution=_resolution(setting, (name,), found),
            )
        if evidence.judged[name] >= _ENOUGH_JUDGED:
            break
    return evidence, None


def _blame(setting: Setting, found: Examination, take_apart: bool) -> GradientEvidence:
    """Return which primals are wrong by themselves, where an examination says that some are."""
    # Rounding hides kinks in low precision, whose conventions may add up: a single entry must be wrong by itself.
    by_entry = setting.function.precision is not DOUBLE
    parts = wrong_parts(setting, found)
    if not (take_apart or by_entry):
        _, alone = next(parts, (None, None))
        if alone is not None:
            return GradientEvidence(disagreements=(alone,))
    wrong = []
    for part, alone in list(parts):
        one = localize(setting, part, alone)
        if one.index is not None or not by_entry:
            wrong.append(one)
    if wrong:
        return GradientEvidence(wrong=tuple(wrong))
    return GradientEvidence(
        unclear=(
            "the gradient along a random tangent is off by more than its error bar, but no primal (or, in low "
            "precision, no entry) alone is; float64 would help",
        )
    )


def _resolution(setting: Setting, names: tuple[str, ...], found: Examination) -> float | None:
    """Return what an examination could have missed; primals that it drowned have an examination of their own."""
    if found.state != "right":
        return None
    sizes = {name: size for name, size in setting.sizes(found.gradient).items() if name in names}
    seen = [name for name, size in sizes.items() if size >= SMALL_SHARE * math.hypot(*sizes.values())]
    resolution = setting.resolution(sizes, found.bar, seen)
    return resolution if resolution > 0 else None


def _zero(setting: Setting, names: tuple[str, ...], found: Examination) -> tuple[str, ...]:
    """Return the primals whose gradient is zero where the forward does not move either."""
    if found.scale != 0.0:
        return ()
    return tuple(name for name in names if not found.gradient[setting.space.part(name).slice].any())


def _too_noisy(found: Examination, names: tuple[str, ...]) -> str:
    share = found.bar / found.scale if found.scale else math.inf
    size = f"{share:.1g} of its size" if share < 1 else "larger than the gradient itself"
    return (
        f"the error bar of the numeric gradient with respect to {', '.join(names)} is {size}; "
        f"float64, or values of ordinary size, would help"
    )
