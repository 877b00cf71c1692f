"""Residual networks of 18 and 50 layers."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

from reference_layers.activations import ReLU
from reference_layers.affine import Affine
from reference_layers.channel_normalization import BatchNorm
from reference_layers.conv import Conv2d
from reference_layers.layer import require_positive
from reference_layers.networks.classifier import Classifier
from reference_layers.pooling import AvgPool2d, MaxPool2d
from reference_layers.residual import ResidualBlock
from reference_layers.sequential import Sequential
from reference_layers.shape import Flatten


@dataclass(frozen=True)
class ResNet(Classifier):
    """A residual network for images of 224×224, with batch normalisation in training mode.

    Parameters
    ----------
    depth : {18, 50}
        18: blocks of two convolutions; 50: of three, the middle one narrow.
    classes : int

    Raises
    ------
    ValueError
        If the depth is another.

    Notes
    -----
    3×224×224 → conv 7×7, stride 2 → 64×112×112 → pool 3×3, stride 2 → 64×56×56 → four stages of 64, 128, 256 and 512
    maps, the last three of which begin with stride 2 → mean over 7×7 → classes. Convolutions have no bias: the
    normalisation after each takes it away.

    Examples
    --------
    >>> import numpy as np
    >>> [sum(array.size for array in ResNet(depth).init(np.random.default_rng(0)).values()) for depth in (18, 50)]
    [11689512, 25557032]
    """

    depth: int = 18
    classes: int = 1000

    def __post_init__(self) -> None:
        require_positive(classes=self.classes)
        if self.depth not in _BLOCKS:
            raise ValueError(f"expected depth to be one of {', '.join(map(str, _BLOCKS))}, got depth={self.depth!r}")

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """Channels, height and width of an image."""
        return 3, 224, 224

    @cached_property
    def body(self) -> Sequential:
        """The layers up to the scores."""
        widen = 4 if self.depth == 50 else 1
        stages, channels = [], 64
        for k, blocks in enumerate(_BLOCKS[self.depth]):
            maps, stride = 64 * 2**k, 1 if k == 0 else 2
            chain = []
            for number in range(blocks):
                block = _block(channels, maps, stride if number == 0 else 1, widen)
                chain.append((f"block{number + 1}", block))
                channels = maps * widen
            stages.append((f"stage{k + 1}", Sequential(tuple(chain))))
        return Sequential(
            (
                ("conv", Conv2d(3, 64, 7, stride=2, padding=3, bias=False)),
                ("norm", BatchNorm(64)),
                ("relu", ReLU()),
                ("pool", MaxPool2d(3, 2, 1)),
                *stages,
                ("mean", AvgPool2d(7)),
                ("flatten", Flatten()),
                ("scores", Affine(channels, self.classes)),
            )
        )


#: Depth -> blocks in each of the four stages.
_BLOCKS = {18: (2, 2, 2, 2), 50: (3, 4, 6, 3)}


def _block(channels: int, maps: int, stride: int, widen: int) -> ResidualBlock:
    """Return a block of two convolutions, or of three if it widens; with a projection where the shape changes."""
    if widen == 1:
        plan = [(channels, maps, 3, stride), (maps, maps, 3, 1)]
    else:
        plan = [(channels, maps, 1, 1), (maps, maps, 3, stride), (maps, maps * widen, 1, 1)]
    body: list[tuple[str, Any]] = []
    for k, (taken, given, kernel, step) in enumerate(plan, start=1):
        body += [(f"relu{k - 1}", ReLU())] if k > 1 else []
        body += _convolved(taken, given, kernel, step, str(k))
    if stride == 1 and channels == maps * widen:
        return ResidualBlock(Sequential(tuple(body)))
    return ResidualBlock(Sequential(tuple(body)), Sequential(tuple(_convolved(channels, maps * widen, 1, stride, ""))))


def _convolved(taken: int, given: int, kernel: int, stride: int, suffix: str) -> list[tuple[str, Any]]:
    conv = Conv2d(taken, given, kernel, stride, kernel // 2, bias=False)
    return [(f"conv{suffix}", conv), (f"norm{suffix}", BatchNorm(given))]
