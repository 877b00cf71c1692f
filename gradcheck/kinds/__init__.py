"""The kinds of layers that can be verified: a family per file, which is loaded when one of its kinds is asked for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib import import_module

from gradcheck.messages import did_you_mean
from gradcheck.suites.kind import Kind

__all__ = ["KINDS", "find_kind"]

#: The module here that has each kind among its ``KINDS``; reports keep this order.
_MODULES = {
    "conv2d": "convolution",
    "conv1d": "convolution",
    "conv3d": "convolution",
    "true_conv2d": "convolution",
    "conv_transpose2d": "conv_transpose2d",
    "max_pool2d": "pooling",
    "avg_pool2d": "pooling",
    "max_pool1d": "pooling",
    "avg_pool1d": "pooling",
    "global_avg_pool2d": "global_pool",
    "adaptive_avg_pool2d": "global_pool",
    "affine": "affine",
    "bilinear": "bilinear",
    "embedding": "embedding",
    "flatten": "elementwise",
    "reshape": "shape",
    "concat": "shape",
    "add": "shape",
    "multiply": "shape",
    "relu": "elementwise",
    "leaky_relu": "activations",
    "elu": "activations",
    "sigmoid": "activations",
    "tanh": "activations",
    "softplus": "activations",
    "silu": "activations",
    "gelu": "activations",
    "softmax": "activations",
    "log_softmax": "activations",
    "softmax_cross_entropy": "softmax_cross_entropy",
    "cross_entropy": "losses",
    "mean_squared_error": "losses",
    "bce_with_logits": "losses",
    "huber": "losses",
    "layer_norm": "normalization",
    "rms_norm": "normalization",
    "batch_norm": "channel_normalization",
    "batch_norm_eval": "channel_normalization",
    "group_norm": "channel_normalization",
    "instance_norm": "channel_normalization",
    "local_response_norm": "channel_normalization",
    "dropout": "dropout",
    "attention": "attention",
    "rnn": "recurrent",
    "lstm": "recurrent",
    "gru": "recurrent",
    "sequential": "networks",
    "residual_block": "residual",
    "five_layer_cnn": "networks",
}


class _Catalogue(Mapping[str, Kind]):
    """The kinds by name; a name loads the one module that it stands for."""

    def __getitem__(self, name: str) -> Kind:
        loaded: tuple[Kind, ...] = import_module(f"gradcheck.kinds.{_MODULES[name]}").KINDS
        return next(kind for kind in loaded if kind.name == name)

    def __contains__(self, name: object) -> bool:
        return name in _MODULES

    def __iter__(self) -> Iterator[str]:
        return iter(_MODULES)

    def __len__(self) -> int:
        return len(_MODULES)


KINDS: Mapping[str, Kind] = _Catalogue()


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
