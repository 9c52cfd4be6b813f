"""Convolutions, transposed convolutions and the gradients of weights."""

from __future__ import annotations

import ctypes
import functools
from collections.abc import Sequence

import paddle
import paddle.nn.functional as F
from paddle import Tensor

from ppsci_gan.devices.onednn.elementwise import make_rectifier
from ppsci_gan.devices.onednn.layouts import Layout
from ppsci_gan.devices.onednn.layouts import describe_image
from ppsci_gan.devices.onednn.layouts import empty
from ppsci_gan.devices.onednn.layouts import empty_image
from ppsci_gan.devices.onednn.layouts import get_layout
from ppsci_gan.devices.onednn.layouts import make_reorder
from ppsci_gan.devices.onednn.layouts import to_channels_last
from ppsci_gan.devices.onednn.library import FORWARD_TRAINING
from ppsci_gan.devices.onednn.library import create
from ppsci_gan.devices.onednn.library import describe
from ppsci_gan.devices.onednn.library import get_engine
from ppsci_gan.devices.onednn.library import to_longs
from ppsci_gan.devices.onednn.primitives import CPU
from ppsci_gan.devices.onednn.primitives import Primitive
from ppsci_gan.devices.onednn.primitives import cached
from ppsci_gan.devices.onednn.primitives import drop_none

FEW_CHANNELS = 4  # images have no more
_CONVOLUTION, _DECONVOLUTION = 1, 10
# (stride_h, stride_w, top, bottom, left, right): a convolution's strides and the zeros around the image.
Geometry = tuple[int, int, int, int, int, int]


def convolution(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    geometry: Geometry,
    slope: float | None = None,
) -> Tensor:
    """Convolve images.

    Args:
        x: [N, C, H, W].
        weight: [C', C, h, w].
        bias: [C'], or None.
        geometry: Strides and padding.
        slope: Negative slope of a rectifier after it: 0 for ReLU, None for no rectifier.

    Returns:
        [N, C', H', W'], channels last.

    Examples:
        >>> import paddle
        >>> from ppsci_gan.devices import onednn
        >>> image, weight = paddle.ones([1, 2, 4, 4]), paddle.ones([5, 2, 3, 3])
        >>> onednn.convolution(image, weight, None, (1, 1, 0, 0, 0, 0)).shape  # doctest: +SKIP
        [1, 5, 2, 2]
    """
    shape = output_shape(x.shape, weight.shape, geometry)
    result = empty_image(shape)
    primitive = _convolution(tuple(x.shape), get_layout(weight), shape, geometry, bias is not None, slope)
    primitive(src=to_channels_last(x), weights=weight, dst=result, **drop_none(bias=bias))
    return result


def convolution_transposed(
    x: Tensor, weight: Tensor, bias: Tensor | None, geometry: Geometry, size: Sequence[int]
) -> Tensor:
    """Transposed convolution: the gradient of ``convolution`` with respect to its images.

    Args:
        x: [N, C', H', W'].
        weight: [C', C, h, w].
        bias: [C], or None.
        geometry: Strides and padding of that convolution.
        size: (H, W) of the result, which the geometry leaves ambiguous for strides above 1.

    Returns:
        [N, C, H, W], channels last.
    """
    if weight.shape[1] <= FEW_CHANNELS and geometry[:2] == (2, 2) and list(size) == [2 * edge for edge in x.shape[2:]]:
        return _double_size(x, weight, bias, geometry)
    shape = (x.shape[0], weight.shape[1], *size)
    result = empty_image(shape)
    primitive = _transposed(tuple(x.shape), get_layout(weight), shape, geometry, bias is not None)
    primitive(src=to_channels_last(x), weights=weight.transpose([1, 0, 2, 3]), dst=result, **drop_none(bias=bias))
    return result


def _double_size(x: Tensor, weight: Tensor, bias: Tensor | None, geometry: Geometry) -> Tensor:
    """Transposed convolution to twice the size with few output channels: one convolution per pixel of a 2 x 2 square.

    Each pixel uses every other row and column of the kernel. oneDNN's deconvolution takes about four times as long.
    """
    n, _, h, w = x.shape
    channels = weight.shape[1]
    rows, *vertical = _taps(weight.shape[2], geometry[2])
    columns, *horizontal = _taps(weight.shape[3], geometry[4])
    taps = F.pad(weight, [0, 1, 0, 1]).index_select(rows, 2).index_select(columns, 3)
    taps = taps.reshape([x.shape[1], channels, 2, sum(vertical) + 1, 2, sum(horizontal) + 1])
    taps = taps.transpose([2, 4, 1, 0, 3, 5]).reshape([4 * channels, x.shape[1], *taps.shape[3::2]])
    squares = convolution(x, taps, bias if bias is None else bias.tile([4]), (1, 1, *vertical, *horizontal))
    result = empty([n, h, 2, w, 2, channels])
    squares = squares.transpose([0, 2, 3, 1]).reshape([n, h, w, 2, 2, channels]).transpose([0, 1, 3, 2, 4, 5])
    make_reorder(get_layout(squares), get_layout(result))(src=squares, dst=result)
    return result.reshape([n, 2 * h, 2 * w, channels]).transpose([0, 3, 1, 2])


@functools.lru_cache
def _taps(size: int, padding: int) -> tuple[Tensor, int, int]:
    """Return the kernel taps that even and odd pixels use, and the padding before and after.

    Missing taps have the index after the last one.
    """
    before, behind = (size - 1 - padding + 1) // 2, (1 + padding) // 2
    found = [pixel + padding - 2 * step for pixel in (0, 1) for step in range(-before, behind + 1)]
    return paddle.to_tensor([tap if 0 <= tap < size else size for tap in found], place=CPU), before, behind


def convolution_weight_gradient(
    x: Tensor, y: Tensor, geometry: Geometry, shape: Sequence[int], with_bias: bool = False
) -> tuple[Tensor, Tensor | None]:
    """Return the gradients of ``convolution`` with respect to its weights and bias.

    Args:
        x: Images, [N, C, H, W].
        y: Gradient with respect to the result, [N, C', H', W'].
        geometry: Strides and padding of the convolution.
        shape: Shape of the weights, [C', C, h, w].
        with_bias: Whether there is a bias.

    Returns:
        Gradients of the weights and of the bias, the latter None without one.
    """
    weight, bias = empty(shape), empty([shape[0]]) if with_bias else None
    primitive = _weight_gradient(tuple(x.shape), tuple(y.shape), get_layout(weight), geometry, with_bias)
    given = {"src": to_channels_last(x), "diff_dst": to_channels_last(y), "diff_weights": weight}
    primitive(**given, **drop_none(diff_bias=bias))
    return weight, bias


def output_shape(x: Sequence[int], weight: Sequence[int], geometry: Geometry) -> tuple[int, int, int, int]:
    """Return the shape of a convolution's result.

    Args:
        x: Shape of the images.
        weight: Shape of the weights.
        geometry: Strides and padding.

    Examples:
        >>> from ppsci_gan.devices import onednn
        >>> onednn.output_shape([2, 3, 32, 32], [64, 3, 5, 5], (2, 2, 2, 2, 2, 2))
        (2, 64, 16, 16)
    """
    stride_h, stride_w, top, bottom, left, right = geometry
    height = (x[2] + top + bottom - weight[2]) // stride_h + 1
    return x[0], weight[0], height, (x[3] + left + right - weight[3]) // stride_w + 1


def _axes(geometry: Geometry) -> tuple[ctypes.Array, ...]:
    """Return strides, dilation (none), and padding before and after."""
    stride_h, stride_w, top, bottom, left, right = geometry
    return to_longs([stride_h, stride_w]), to_longs([0, 0]), to_longs([top, left]), to_longs([bottom, right])


def _convolution_descriptor(x, weight, y, geometry: Geometry, bias: bool = False, slope=None):
    vector = describe([weight[0]], [1]) if bias else None
    descriptors = describe_image(x), describe(weight), vector, describe_image(y)
    arguments = get_engine(), FORWARD_TRAINING, _CONVOLUTION, *descriptors, *_axes(geometry), make_rectifier(slope)
    return create("convolution_forward_primitive_desc_create", *arguments)


@cached
def _convolution(x, weight: Layout, y, geometry: Geometry, bias: bool, slope: float | None) -> Primitive:
    descriptor = _convolution_descriptor(x, weight[0], y, geometry, bias, slope)
    vector = {"bias": describe([weight[0][0]], [1])} if bias else {}
    return Primitive(descriptor, src=describe_image(x), weights=describe(*weight), dst=describe_image(y), **vector)


@cached
def _transposed(x, weight: Layout, y, geometry: Geometry, bias: bool) -> Primitive:
    (shape, strides), swapped = weight, lambda sizes: (sizes[1], sizes[0], *sizes[2:])
    vector = describe([shape[1]], [1]) if bias else None
    descriptors = describe_image(x), describe(swapped(shape)), vector, describe_image(y)
    arguments = get_engine(), FORWARD_TRAINING, _DECONVOLUTION, *descriptors, *_axes(geometry), None
    descriptor = create("deconvolution_forward_primitive_desc_create", *arguments)
    weights = describe(swapped(shape), swapped(strides))
    return Primitive(
        descriptor, src=describe_image(x), weights=weights, dst=describe_image(y), **drop_none(bias=vector)
    )


@cached
def _weight_gradient(x, y, weight: Layout, geometry: Geometry, bias: bool) -> Primitive:
    hint = _convolution_descriptor(x, weight[0], y, geometry)
    vector = describe([weight[0][0]], [1]) if bias else None
    descriptors = describe_image(x), describe(weight[0]), vector, describe_image(y)
    arguments = get_engine(), _CONVOLUTION, *descriptors, *_axes(geometry), hint, None
    descriptor = create("convolution_backward_weights_primitive_desc_create", *arguments)
    given = {"src": describe_image(x), "diff_dst": describe_image(y), "diff_weights": describe(*weight)}
    return Primitive(descriptor, **given, **drop_none(diff_bias=vector))
