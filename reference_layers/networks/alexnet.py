"""AlexNet, with its 62 million parameters."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from reference_layers.activations import ReLU
from reference_layers.affine import Affine
from reference_layers.conv import Conv2d
from reference_layers.dropout import Dropout
from reference_layers.layer import require_positive
from reference_layers.networks.classifier import Classifier
from reference_layers.pooling import MaxPool2d
from reference_layers.sequential import Sequential
from reference_layers.shape import Flatten


@dataclass(frozen=True)
class AlexNet(Classifier):
    """AlexNet (2012) in one piece: five convolutions, overlapping max pools, two wide layers with dropout.

    Parameters
    ----------
    classes : int
    dropout : float
        Share of the entries of the two wide layers that are dropped.
    seed : int
        Of the dropout masks, which so are the same in every forward.

    Notes
    -----
    3×227×227 → conv 11×11, stride 4 → 96×55×55 → pool 3×3, stride 2 → 96×27×27 → conv 5×5, padding 2 → 256×27×27
    → pool → 256×13×13 → conv 3×3 → 384 → conv 3×3 → 384 → conv 3×3 → 256×13×13 → pool → 256×6×6 = 9216 → 4096 → 4096
    → classes: 62,378,344 parameters. The original is split over two processors, and normalises responses after the
    first two convolutions.

    Examples
    --------
    >>> layers = dict(AlexNet().body.layers)
    >>> layers["conv1"].weight_shape, layers["wide6"].in_features
    ((96, 3, 11, 11), 9216)
    """

    classes: int = 1000
    dropout: float = 0.5
    seed: int = 0

    def __post_init__(self) -> None:
        require_positive(classes=self.classes)

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """Channels, height and width of an image."""
        return 3, 227, 227

    @cached_property
    def body(self) -> Sequential:
        """The layers up to the scores."""
        return Sequential(
            (
                ("conv1", Conv2d(3, 96, 11, stride=4)),
                ("relu1", ReLU()),
                ("pool1", MaxPool2d(3, 2)),
                ("conv2", Conv2d(96, 256, 5, padding=2)),
                ("relu2", ReLU()),
                ("pool2", MaxPool2d(3, 2)),
                ("conv3", Conv2d(256, 384, 3, padding=1)),
                ("relu3", ReLU()),
                ("conv4", Conv2d(384, 384, 3, padding=1)),
                ("relu4", ReLU()),
                ("conv5", Conv2d(384, 256, 3, padding=1)),
                ("relu5", ReLU()),
                ("pool5", MaxPool2d(3, 2)),
                ("flatten", Flatten()),
                ("wide6", Affine(256 * 6 * 6, 4096)),
                ("relu6", ReLU()),
                ("dropout6", Dropout(self.dropout, seed=self.seed)),
                ("wide7", Affine(4096, 4096)),
                ("relu7", ReLU()),
                ("dropout7", Dropout(self.dropout, seed=self.seed + 1)),
                ("scores", Affine(4096, self.classes)),
            )
        )
