"""Rectifiers, sums and products with numbers, value by value."""

from __future__ import annotations

import ctypes

from paddle import Tensor

from ppsci_gan.devices.onednn.layouts import empty
from ppsci_gan.devices.onednn.layouts import empty_image
from ppsci_gan.devices.onednn.layouts import is_channels_last
from ppsci_gan.devices.onednn.layouts import to_channels_last
from ppsci_gan.devices.onednn.library import FORWARD_TRAINING
from ppsci_gan.devices.onednn.library import Handle
from ppsci_gan.devices.onednn.library import call
from ppsci_gan.devices.onednn.library import create
from ppsci_gan.devices.onednn.library import describe
from ppsci_gan.devices.onednn.library import get_engine
from ppsci_gan.devices.onednn.primitives import Primitive
from ppsci_gan.devices.onednn.primitives import cached

_RELU, _RELU_OF_OUTPUT, _LINEAR = 0x20, 0x100, 0x26
_TINY = 2.0**-64  # large enough that products with it are not denormal, which would be slow


def relu(x: Tensor, slope: float = 0.0) -> Tensor:
    """Rectify.

    Args:
        x: Any shape.
        slope: For negative values.

    Returns:
        The same shape, in the same layout where that is dense.
    """
    x = _to_dense(x)
    y = _empty_like(x)
    _elementwise(_RELU, x.size, slope, 0)(src=x, dst=y)
    if slope:  # see make_rectifier
        _elementwise(_LINEAR, y.size, 1, _TINY)(src=y, dst=y)
    return y


def relu_gradient(g: Tensor, y: Tensor, slope: float = 0.0) -> Tensor:
    """Return the gradient of a rectifier, alone or after a convolution, with respect to its argument.

    Args:
        g: Gradient with respect to the result.
        y: The result.
        slope: For negative values.

    Returns:
        The same shape, in the layout of ``y``.
    """
    y = _to_dense(y)
    result = _empty_like(y)
    _relu_gradient(y.size, slope)(diff_dst=_match_layout(g, y), dst=y, diff_src=result)
    return result


def add(x: Tensor, y: Tensor) -> Tensor:
    """Add two images.

    Args:
        x: [N, C, H, W].
        y: [N, C, H, W].

    Returns:
        [N, C, H, W], channels last.
    """
    result = empty_image(x.shape)
    _sum(x.size)(first=to_channels_last(x), second=to_channels_last(y), dst=result)
    return result


def scale_(x: Tensor, factor: float) -> Tensor:
    """Multiply by a number, in place.

    Args:
        x: Any dense layout.
        factor: The number.
    """
    _elementwise(_LINEAR, x.size, factor, 0)(src=x, dst=x)
    return x


def make_rectifier(slope: float | None) -> Handle | None:
    """Return the attribute that makes a primitive rectify its result, with a slope for negative values."""
    if slope is None:
        return None
    steps, attributes = create("post_ops_create"), create("primitive_attr_create")
    call("post_ops_append_eltwise", steps, _RELU, ctypes.c_float(slope), ctypes.c_float(0))
    if slope:
        # For a result of zero, Paddle's gradient is 1, oneDNN's the slope. Adding a tiny positive number makes them
        # agree; it is lost in the rounding of other results.
        call("post_ops_append_eltwise", steps, _LINEAR, ctypes.c_float(1), ctypes.c_float(_TINY))
    call("primitive_attr_set_post_ops", attributes, steps)
    return attributes


def _empty_like(x: Tensor) -> Tensor:
    return empty(x.shape) if x.is_contiguous() else empty_image(x.shape)


def _to_dense(x: Tensor) -> Tensor:
    if x.is_contiguous() or len(x.shape) == 4 and is_channels_last(x):
        return x
    return to_channels_last(x) if len(x.shape) == 4 else x.clone()


def _match_layout(x: Tensor, y: Tensor) -> Tensor:
    if not y.is_contiguous():
        return to_channels_last(x)
    return x if x.is_contiguous() else x.clone()


@cached
def _sum(size: int) -> Primitive:
    x, descriptor = describe([size], [1]), Handle("primitive_desc")
    both = (ctypes.c_void_p * 2)(x.pointer, x.pointer)
    ones = (ctypes.c_float * 2)(1, 1)
    call("sum_primitive_desc_create", ctypes.byref(descriptor.pointer), get_engine(), x, 2, ones, both, None)
    return Primitive(descriptor, first=x, second=x, dst=x)


@cached
def _elementwise(kind: int, size: int, alpha: float, beta: float) -> Primitive:
    x, y = describe([size], [1]), describe([size], [1])
    arguments = get_engine(), FORWARD_TRAINING, kind, x, y, ctypes.c_float(alpha), ctypes.c_float(beta), None
    return Primitive(create("eltwise_forward_primitive_desc_create", *arguments), src=x, dst=y)


@cached
def _relu_gradient(size: int, slope: float) -> Primitive:
    x, g, y = (describe([size], [1]) for _ in range(3))
    settings = ctypes.c_float(slope), ctypes.c_float(0)
    hint = create(
        "eltwise_forward_primitive_desc_create", get_engine(), FORWARD_TRAINING, _RELU_OF_OUTPUT, x, y, *settings, None
    )
    arguments = get_engine(), _RELU_OF_OUTPUT, x, g, y, *settings, hint, None
    return Primitive(create("eltwise_backward_primitive_desc_create", *arguments), diff_src=x, diff_dst=g, dst=y)
