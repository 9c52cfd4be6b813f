"""Pooling and nearest-neighbour upsampling."""

from __future__ import annotations

import paddle
import paddle.nn.functional as F
from paddle import Tensor
from paddle.autograd import PyLayer

from ppsci_gan.devices import onednn
from ppsci_gan.networks.layers.kernels import use_onednn


def avg_pool2d(x: Tensor, size: int) -> Tensor:
    """Mean pooling over squares of size x size pixels.

    Args:
        x: [N, C, H, W], height and width multiples of ``size``.
        size: Window and stride.
    """
    return _MeanPool.apply(x, size) if use_onednn(x) else F.avg_pool2d(x, size)


def avg_pool2d_gradient(g: Tensor, size: int) -> Tensor:
    """Backpropagate through ``avg_pool2d``.

    Args:
        g: Gradient with respect to the result, [N, C, H, W].
        size: As for ``avg_pool2d``.

    Returns:
        [N, C, H * size, W * size].
    """
    if use_onednn(g):
        return _MeanPoolGradient.apply(g, size)
    return upsample2d(g * (1 / size**2), size)


def pool2d(x: Tensor, size: int, stride: int, padding: int = 0, maximum: bool = True) -> Tensor:
    """Max or mean pooling, by oneDNN if no gradient is needed.

    Args:
        x: [N, C, H, W].
        size: Height and width of the window.
        stride: Stride.
        padding: Padding, which the mean excludes.
        maximum: Whether to take the maximum; else the mean.

    Returns:
        [N, C, H', W'].
    """
    if use_onednn(x) and (x.stop_gradient or not paddle.is_grad_enabled()):
        return onednn.pool(x, size, stride, padding, maximum)
    return (F.max_pool2d if maximum else F.avg_pool2d)(x, size, stride, padding)


def upsample2d(x: Tensor, size: int = 2) -> Tensor:
    """Nearest-neighbour upsampling: repeat every pixel to a square of size x size.

    Args:
        x: [N, C, H, W].
        size: Factor for height and width.
    """
    if use_onednn(x):
        return _RepeatPixels.apply(x, size)
    if not paddle.in_dynamic_mode():  # Paddle Inference has no interpolation by oneDNN
        ones = paddle.ones([x.shape[1], 1, size, size], x.dtype)
        return F.conv2d_transpose(x, ones, stride=size, groups=x.shape[1])
    return F.interpolate(x, size=[size * x.shape[2], size * x.shape[3]], mode="nearest")


class _MeanPool(PyLayer):
    @staticmethod
    def forward(ctx, x, size):
        ctx.size = size
        return onednn.pool(x, size, stride=size)

    @staticmethod
    def backward(ctx, g):
        return onednn.mean_pool_gradient(g, ctx.size)


class _MeanPoolGradient(PyLayer):
    @staticmethod
    def forward(ctx, g, size):
        ctx.size = size
        return onednn.mean_pool_gradient(g, size)

    @staticmethod
    def backward(ctx, g):
        return onednn.pool(g, ctx.size, stride=ctx.size)


class _RepeatPixels(PyLayer):
    @staticmethod
    def forward(ctx, x, size):
        ctx.size = size
        return onednn.repeat_pixels(x, size)

    @staticmethod
    def backward(ctx, g):
        return onednn.scale_(onednn.pool(g, ctx.size, stride=ctx.size), ctx.size**2)
