"""Pooling and nearest-neighbour upsampling."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence

from paddle import Tensor

from ppsci_gan.devices.onednn.layouts import describe_image
from ppsci_gan.devices.onednn.layouts import empty_image
from ppsci_gan.devices.onednn.layouts import to_channels_last
from ppsci_gan.devices.onednn.library import FORWARD_INFERENCE
from ppsci_gan.devices.onednn.library import FORWARD_TRAINING
from ppsci_gan.devices.onednn.library import Handle
from ppsci_gan.devices.onednn.library import create
from ppsci_gan.devices.onednn.library import get_engine
from ppsci_gan.devices.onednn.library import to_longs
from ppsci_gan.devices.onednn.primitives import Primitive
from ppsci_gan.devices.onednn.primitives import cached

_MAXIMUM_POOL, _MEAN_POOL, _NEAREST = 0x1FF, 0x3FF, 0x2FFF0


def pool(x: Tensor, size: int, stride: int, padding: int = 0, maximum: bool = False) -> Tensor:
    """Mean or max pooling; the mean excludes the padding.

    Args:
        x: [N, C, H, W].
        size: Height and width of the window.
        stride: Stride.
        padding: Padding.
        maximum: Whether to take the maximum instead of the mean.

    Returns:
        [N, C, H', W'], channels last.
    """
    n, c, *edges = x.shape
    y = empty_image([n, c, *((edge + 2 * padding - size) // stride + 1 for edge in edges)])
    _pool(tuple(x.shape), tuple(y.shape), size, stride, padding, maximum)(src=to_channels_last(x), dst=y)
    return y


def mean_pool_gradient(g: Tensor, size: int) -> Tensor:
    """Return the gradient of mean pooling, with stride ``size``, with respect to the image.

    Args:
        g: Gradient with respect to the result, [N, C, H, W].
        size: Height and width of the window.

    Returns:
        [N, C, H * size, W * size], channels last.
    """
    n, c, h, w = g.shape
    result = empty_image([n, c, h * size, w * size])
    _mean_pool_gradient((n, c, h, w), size)(diff_dst=to_channels_last(g), diff_src=result)
    return result


def repeat_pixels(x: Tensor, size: int) -> Tensor:
    """Nearest-neighbour upsampling: repeat every pixel to a square of size x size.

    Args:
        x: [N, C, H, W].
        size: Factor for height and width.

    Returns:
        [N, C, H * size, W * size], channels last.
    """
    n, c, h, w = x.shape
    y = empty_image([n, c, h * size, w * size])
    _repeat_pixels((n, c, h, w), size)(src=to_channels_last(x), dst=y)
    return y


@cached
def _pool(x_shape, y_shape, size: int, stride: int, padding: int, maximum: bool) -> Primitive:
    kind = _MAXIMUM_POOL if maximum else _MEAN_POOL
    last = [(o - 1) * stride + size - i - padding for i, o in zip(x_shape[2:], y_shape[2:])]  # of the last square
    descriptor = _pool_descriptor(FORWARD_INFERENCE, kind, x_shape, y_shape, _squares(size, stride, padding, last))
    return Primitive(descriptor, src=describe_image(x_shape), dst=describe_image(y_shape))


@cached
def _mean_pool_gradient(shape, size: int) -> Primitive:
    n, c, h, w = shape
    larger, squares = (n, c, h * size, w * size), _squares(size, size, 0, [0, 0])
    hint = _pool_descriptor(FORWARD_TRAINING, _MEAN_POOL, larger, shape, squares)
    arguments = get_engine(), _MEAN_POOL, describe_image(larger), describe_image(shape), *squares, hint, None
    descriptor = create("pooling_backward_primitive_desc_create", *arguments)
    return Primitive(descriptor, diff_src=describe_image(larger), diff_dst=describe_image(shape))


def _squares(size: int, stride: int, padding: int, last: Sequence[int]) -> tuple[ctypes.Array, ...]:
    return *(to_longs([value, value]) for value in (stride, size, 0, padding)), to_longs(last)


def _pool_descriptor(mode: int, kind: int, x_shape, y_shape, squares) -> Handle:
    arguments = get_engine(), mode, kind, describe_image(x_shape), describe_image(y_shape), *squares, None
    return create("pooling_forward_primitive_desc_create", *arguments)


@cached
def _repeat_pixels(shape, size: int) -> Primitive:
    n, c, h, w = shape
    x, y = describe_image(shape), describe_image([n, c, h * size, w * size])
    arguments = get_engine(), FORWARD_INFERENCE, _NEAREST, None, x, y, None
    return Primitive(create("resampling_forward_primitive_desc_create", *arguments), src=x, dst=y)
