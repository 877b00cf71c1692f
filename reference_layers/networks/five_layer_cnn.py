"""The five-layer network of the articles."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

from reference_layers.activations import ReLU
from reference_layers.affine import Affine
from reference_layers.conv import Conv2d
from reference_layers.layer import require_positive
from reference_layers.losses import SoftmaxCrossEntropy
from reference_layers.networks.classifier import Classifier
from reference_layers.pooling import AvgPool2d, MaxPool2d
from reference_layers.sequential import Sequential
from reference_layers.shape import Flatten
from reference_layers.windows import output_size


@dataclass(frozen=True)
class FiveLayerCNN(Classifier):
    """The five-layer network: C1 – S2 – C3 – S4 – O5, ended by softmax and cross-entropy.

    Parameters
    ----------
    pool : {"mean", "max"}
    image_size : int
        Height and width of the one-channel input.
    maps : pair of int
        Feature maps of C1 and C3.
    kernel_size : int
    classes : int
    reduction : {"mean", "sum", "none"}
        Of the loss.

    Raises
    ------
    ValueError
        If a hyper-parameter is impossible.

    Notes
    -----
    At its full size: 1×28×28 → conv 5×5, ReLU → 6×24×24 → pool 2×2 → 6×12×12 → conv 5×5, ReLU → 12×8×8 → pool 2×2
    → 12×4×4 = 192 → affine → 10. Parameters: ``c1.weight``, ``c1.bias``, ``c3.weight``, ``c3.bias``, ``o5.weight``,
    ``o5.bias``.

    Examples
    --------
    >>> import numpy as np
    >>> network = FiveLayerCNN()
    >>> params = network.init(np.random.default_rng(0))
    >>> sum(array.size for array in params.values())
    3898
    """

    pool: Literal["mean", "max"] = "mean"
    image_size: int = 28
    maps: tuple[int, int] = (6, 12)
    kernel_size: int = 5
    classes: int = 10
    reduction: Literal["mean", "sum", "none"] = "mean"

    def __post_init__(self) -> None:
        require_positive(image_size=self.image_size, kernel_size=self.kernel_size, classes=self.classes)
        maps: Any = self.maps
        if not (isinstance(maps, tuple | list) and len(maps) == 2):
            raise ValueError(f"expected maps to be a pair of ints (of C1, of C3), got maps={maps!r}")
        require_positive(**{"maps[0]": maps[0], "maps[1]": maps[1]})
        object.__setattr__(self, "maps", tuple(maps))
        if self.pool not in ("mean", "max"):
            raise ValueError(f"expected pool to be 'mean' or 'max', got pool={self.pool!r}")
        least = 3 * self.kernel_size + 1
        if self.image_size < least:
            raise ValueError(
                f"expected image_size to be at least {least}, so that a pixel is left after both poolings, got "
                f"image_size={self.image_size} and kernel_size={self.kernel_size}"
            )
        _ = self.layers

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """Channels, height and width of an image."""
        return 1, self.image_size, self.image_size

    @cached_property
    def body(self) -> Sequential:
        """The layers up to the logits."""
        pool = AvgPool2d(2) if self.pool == "mean" else MaxPool2d(2)
        first, second = self.maps
        size = output_size(self.image_size, self.kernel_size) // 2
        size = output_size(size, self.kernel_size) // 2
        return Sequential(
            (
                ("c1", Conv2d(1, first, self.kernel_size)),
                ("relu1", ReLU()),
                ("s2", pool),
                ("c3", Conv2d(first, second, self.kernel_size)),
                ("relu3", ReLU()),
                ("s4", pool),
                ("flatten", Flatten()),
                ("o5", Affine(second * size * size, self.classes)),
            )
        )

    @property
    def loss(self) -> SoftmaxCrossEntropy:
        """The last layer."""
        return SoftmaxCrossEntropy(self.reduction)
