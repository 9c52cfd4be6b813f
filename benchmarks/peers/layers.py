"""Layers as functions of a state, the weights of a network by name."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

State = dict[str, Tensor]


def linear(state: State, name: str, x: Tensor) -> Tensor:
    """Fully connected layer; its weight is [inputs, outputs]."""
    return torch.addmm(state[f"{name}.bias"], x, state[f"{name}.weight"])


def conv(state: State, name: str, x: Tensor, **geometry) -> Tensor:
    """Convolution."""
    return F.conv2d(x, state[f"{name}.weight"], state.get(f"{name}.bias"), **geometry)


def conv_transpose(state: State, name: str, x: Tensor, **geometry) -> Tensor:
    """Transposed convolution."""
    return F.conv_transpose2d(x, state[f"{name}.weight"], state[f"{name}.bias"], **geometry)


def down(state: State, name: str, x: Tensor) -> Tensor:
    """5x5 convolution of stride 2 with TensorFlow's padding SAME: of an even edge one zero before and two behind."""
    height, width = (1 + edge % 2 for edge in x.shape[2:])
    return conv(state, name, F.pad(x, (width, 2, height, 2)), stride=2)


def up(state: State, name: str, x: Tensor, size: Sequence[int]) -> Tensor:
    """``down`` of images of a size, transposed."""
    whole = conv_transpose(state, name, x, stride=2)
    top, left = (1 + edge % 2 for edge in size)
    return whole[:, :, top : top + size[0], left : left + size[1]]


def batch_norm(state: State, name: str, x: Tensor, affine: bool = True) -> Tensor:
    """Batch normalisation in training mode.

    Paddle's running variance is the mean square of the batch, PyTorch's that times n / (n - 1): both statistics are
    taken from the operator (a momentum of 1 replaces the zeros) and averaged as Paddle does, with a momentum of 0.9.
    """
    weight, bias = (state[f"{name}.weight"], state[f"{name}.bias"]) if affine else (None, None)
    mean, variance = (torch.zeros_like(state[f"{name}.{key}"]) for key in ("_mean", "_variance"))
    y = F.batch_norm(x, mean, variance, weight, bias, training=True, momentum=1.0, eps=1e-5)
    count = x.numel() // x.shape[1]
    with torch.no_grad():
        state[f"{name}._mean"].lerp_(mean, 0.1)
        state[f"{name}._variance"].lerp_(variance * ((count - 1) / count), 0.1)
    return y


def layer_norm(state: State, name: str, x: Tensor) -> Tensor:
    """Layer normalisation over channels, height and width, with a scale and an offset per channel: one group."""
    return F.group_norm(x, 1, state[f"{name}.scale"].flatten(), state[f"{name}.offset"].flatten(), eps=1e-5)


def upsample(x: Tensor) -> Tensor:
    """Double height and width by repeating pixels."""
    return F.interpolate(x, scale_factor=2, mode="nearest")
