"""The kinds of layers that can be verified: a family per file, one registration line per kind here."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING

from gradcheck.kinds.activations import ACTIVATIONS
from gradcheck.kinds.affine import AFFINE
from gradcheck.kinds.attention import ATTENTION
from gradcheck.kinds.bilinear import BILINEAR
from gradcheck.kinds.channel_normalization import (
    BATCH_NORM,
    BATCH_NORM_EVAL,
    GROUP_NORM,
    INSTANCE_NORM,
    LOCAL_RESPONSE_NORM,
)
from gradcheck.kinds.conv1d import CONV1D
from gradcheck.kinds.conv2d import CONV2D
from gradcheck.kinds.conv3d import CONV3D
from gradcheck.kinds.conv_transpose2d import CONV_TRANSPOSE2D
from gradcheck.kinds.dropout import DROPOUT
from gradcheck.kinds.elementwise import FLATTEN, RELU
from gradcheck.kinds.embedding import EMBEDDING
from gradcheck.kinds.full_size import NETWORKS
from gradcheck.kinds.global_pool import ADAPTIVE_AVG_POOL2D, GLOBAL_AVG_POOL2D
from gradcheck.kinds.losses import LOSSES
from gradcheck.kinds.networks import FIVE_LAYER_CNN, SEQUENTIAL, digits_subject
from gradcheck.kinds.normalization import LAYER_NORM, RMS_NORM
from gradcheck.kinds.pool1d import AVG_POOL1D, MAX_POOL1D
from gradcheck.kinds.pool2d import AVG_POOL2D, MAX_POOL2D
from gradcheck.kinds.recurrent import RECURRENT
from gradcheck.kinds.residual import RESIDUAL_BLOCK
from gradcheck.kinds.shape import SHAPES
from gradcheck.kinds.softmax_cross_entropy import SOFTMAX_CROSS_ENTROPY
from gradcheck.kinds.true_conv2d import TRUE_CONV2D
from gradcheck.messages import did_you_mean
from gradcheck.subject import Deferred, Subject
from gradcheck.suites.kind import Kind

if TYPE_CHECKING:
    from gradcheck.suites.suite import Suite

_REGISTERED = (
    CONV2D,
    CONV1D,
    CONV3D,
    TRUE_CONV2D,
    CONV_TRANSPOSE2D,
    MAX_POOL2D,
    AVG_POOL2D,
    MAX_POOL1D,
    AVG_POOL1D,
    GLOBAL_AVG_POOL2D,
    ADAPTIVE_AVG_POOL2D,
    AFFINE,
    BILINEAR,
    EMBEDDING,
    FLATTEN,
    *SHAPES,
    RELU,
    *ACTIVATIONS,
    SOFTMAX_CROSS_ENTROPY,
    *LOSSES,
    LAYER_NORM,
    RMS_NORM,
    BATCH_NORM,
    BATCH_NORM_EVAL,
    GROUP_NORM,
    INSTANCE_NORM,
    LOCAL_RESPONSE_NORM,
    DROPOUT,
    ATTENTION,
    *RECURRENT,
    SEQUENTIAL,
    RESIDUAL_BLOCK,
    FIVE_LAYER_CNN,
)

__all__ = ["KINDS", "NETWORKS", "default_items", "find_kind"]

KINDS: Mapping[str, Kind] = MappingProxyType({kind.name: kind for kind in _REGISTERED})


def find_kind(name: str) -> Kind:
    """Return the kind of that name.

    Raises
    ------
    ValueError
        If there is none; the message lists the known kinds.
    """
    if name not in KINDS:
        raise ValueError(f"expected a kind among {', '.join(KINDS)}, got kind={name!r}{did_you_mean(name, KINDS)}")
    return KINDS[name]


def default_items() -> list[Suite | Subject | Deferred]:
    """Return what is verified when nothing is named: every reference layer, a network on real digits, large ones."""
    from gradcheck.suites.suite import suite

    digits = [digits_subject(pool="mean"), digits_subject(pool="max")]
    return [*(suite(name) for name in KINDS), *digits, *(one for networks in NETWORKS.values() for one in networks)]
