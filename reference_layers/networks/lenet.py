"""LeNet, as the lecture slides draw it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from reference_layers.activations import Sigmoid
from reference_layers.affine import Affine
from reference_layers.conv import Conv2d
from reference_layers.layer import require_positive
from reference_layers.networks.classifier import Classifier
from reference_layers.pooling import AvgPool2d
from reference_layers.sequential import Sequential
from reference_layers.shape import Flatten


@dataclass(frozen=True)
class LeNet(Classifier):
    """LeNet (1989), as the lecture slides draw it: sigmoids and average pools.

    Parameters
    ----------
    classes : int

    Notes
    -----
    1×28×28 → conv 5×5, padding 2 → 6×28×28 → pool → 6×14×14 → conv 5×5 → 16×10×10 → pool → 16×5×5 = 400 → 120 → 84 →
    classes, with a sigmoid after each but the last.

    Examples
    --------
    >>> import numpy as np
    >>> sum(array.size for array in LeNet().init(np.random.default_rng(0)).values())
    61706
    """

    classes: int = 10

    def __post_init__(self) -> None:
        require_positive(classes=self.classes)

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """Channels, height and width of an image."""
        return 1, 28, 28

    @cached_property
    def body(self) -> Sequential:
        """The layers up to the scores."""
        return Sequential(
            (
                ("c1", Conv2d(1, 6, 5, padding=2)),
                ("sigmoid1", Sigmoid()),
                ("s2", AvgPool2d(2)),
                ("c3", Conv2d(6, 16, 5)),
                ("sigmoid3", Sigmoid()),
                ("s4", AvgPool2d(2)),
                ("flatten", Flatten()),
                ("f5", Affine(400, 120)),
                ("sigmoid5", Sigmoid()),
                ("f6", Affine(120, 84)),
                ("sigmoid6", Sigmoid()),
                ("f7", Affine(84, self.classes)),
            )
        )
