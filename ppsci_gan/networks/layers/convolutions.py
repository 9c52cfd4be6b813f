"""Convolutions and transposed convolutions."""

from __future__ import annotations

import functools
from collections.abc import Sequence

import paddle
import paddle.nn.functional as F
from paddle import Tensor
from paddle import nn
from paddle.autograd import PyLayer

from ppsci_gan.devices import onednn
from ppsci_gan.devices.onednn import Geometry
from ppsci_gan.networks.layers.activations import rectifier_gradient
from ppsci_gan.networks.layers.activations import rectify
from ppsci_gan.networks.layers.activations import relu
from ppsci_gan.networks.layers.kernels import WeightedLayer
from ppsci_gan.networks.layers.kernels import needs_gradient
from ppsci_gan.networks.layers.kernels import use_onednn
from ppsci_gan.networks.layers.views import view_features

Pair = int | Sequence[int]  # one value for both axes, or one for each
Padding = int | str | Sequence[int]


def conv2d(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Pair = 1,
    padding: Padding = 0,
    slope: float | None = None,
) -> Tensor:
    """Convolution as ``paddle.nn.functional.conv2d``, optionally followed by a rectifier.

    Args:
        x: [N, C, H, W].
        weight: [C', C, h, w].
        bias: [C'].
        stride: A number, or one for each axis.
        padding: A number, two, four (top, bottom, left, right), or ``same``.
        slope: Negative slope of the rectifier: 0 for ReLU, None for no rectifier.

    Returns:
        [N, C', H', W'].

    Examples:
        >>> import paddle
        >>> from ppsci_gan.networks import layers
        >>> tuple(layers.conv2d(paddle.ones([2, 3, 8, 8]), paddle.ones([4, 3, 5, 5]), stride=2, padding="same").shape)
        (2, 4, 4, 4)
    """
    if not use_onednn(x, weight, bias):
        return rectify(F.conv2d(x, weight, bias, stride=stride, padding=padding), slope)
    geometry = _geometry(tuple(x.shape[2:]), tuple(weight.shape[2:]), _pair(stride), _hashable(padding))
    return _Convolution.apply(x, weight, bias, geometry, slope)


def conv2d_transpose(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Pair = 1,
    padding: Padding = 0,
    output_padding: Pair = 0,
) -> Tensor:
    """Transposed convolution as ``paddle.nn.functional.conv2d_transpose``.

    Args:
        x: [N, C, H, W].
        weight: [C, C', h, w].
        bias: [C'].
        stride: A number, or one for each axis.
        padding: Rows and columns cropped from the result: a number, two, four (top, bottom, left, right), or ``same``.
        output_padding: Rows and columns added below and on the right.

    Returns:
        [N, C', H', W'].

    Examples:
        >>> import paddle
        >>> from ppsci_gan.networks import layers
        >>> x, weight = paddle.ones([2, 3, 4, 4]), paddle.ones([3, 5, 5, 5])
        >>> tuple(layers.conv2d_transpose(x, weight, stride=2, padding=2, output_padding=1).shape)
        (2, 5, 8, 8)
    """
    if not use_onednn(x, weight, bias):
        return F.conv2d_transpose(x, weight, bias, stride=stride, padding=padding, output_padding=output_padding)
    geometry = _geometry(tuple(x.shape[2:]), tuple(weight.shape[2:]), _pair(stride), _hashable(padding))
    stride_h, stride_w, top, bottom, left, right = geometry
    height, width = _pair(output_padding)
    size = (
        (x.shape[2] - 1) * stride_h - top - bottom + weight.shape[2] + height,
        (x.shape[3] - 1) * stride_w - left - right + weight.shape[3] + width,
    )
    return _Transposed.apply(x, weight, bias, geometry, size)


def conv2d_input_gradient(g: Tensor, weight: Tensor, stride: Pair, padding: Padding, size: Sequence[int]) -> Tensor:
    """Return the gradient of ``conv2d`` with respect to its images: a transposed convolution.

    Args:
        g: Gradient with respect to the result, [N, C', H', W'].
        weight: [C', C, h, w].
        stride: As for ``conv2d``.
        padding: As for ``conv2d``.
        size: (H, W) of the images.

    Returns:
        [N, C, H, W].
    """
    geometry = _geometry(tuple(size), tuple(weight.shape[2:]), _pair(stride), _hashable(padding))
    if not use_onednn(g, weight):
        return F.conv2d_transpose(g, weight, stride=stride, padding=list(geometry[2:]), output_size=list(size))
    return _Transposed.apply(g, weight, None, geometry, tuple(size))


class Conv2D(WeightedLayer, nn.Conv2D):
    """``paddle.nn.Conv2D`` with this module's kernels.

    Examples:
        >>> import paddle
        >>> from ppsci_gan.networks import layers
        >>> tuple(layers.Conv2D(3, 8, 3, padding=1)(paddle.zeros([2, 3, 16, 16])).shape)
        (2, 8, 16, 16)
    """

    def forward(self, x: Tensor, slope: float | None = None) -> Tensor:
        """Return the convolved images, rectified if ``slope`` is given."""
        if not _is_plain(self):
            return rectify(super().forward(x), slope)
        return conv2d(x, self.weight, self.bias, self._stride, self._padding, slope)


class Conv2DTranspose(WeightedLayer, nn.Conv2DTranspose):
    """``paddle.nn.Conv2DTranspose`` with this module's kernels.

    Examples:
        >>> import paddle
        >>> from ppsci_gan.networks import layers
        >>> layer = layers.Conv2DTranspose(8, 3, 5, stride=2, padding=2, output_padding=1)
        >>> tuple(layer(paddle.zeros([2, 8, 16, 16])).shape)
        (2, 3, 32, 32)
    """

    def forward(self, x: Tensor, output_size=None) -> Tensor:
        """Return the convolved images."""
        if output_size is not None or not _is_plain(self):
            return super().forward(x, output_size)
        return conv2d_transpose(x, self.weight, self.bias, self._stride, self._padding, self.output_padding)


def conv2d_norm_relu(conv: nn.Conv2D, norm: nn.BatchNorm2D, x: Tensor) -> Tensor:
    """Convolution, batch normalisation and ReLU; in evaluation mode oneDNN fuses them into one convolution.

    Args:
        conv: Convolution without bias, groups or dilation.
        norm: Batch normalisation of its output.
        x: [N, C, H, W].

    Returns:
        [N, C', H', W'].
    """
    if norm.training or not use_onednn(x, conv.weight):
        return relu(norm(conv(x)))
    factor = norm.weight / paddle.sqrt(norm._variance + norm._epsilon)
    weight, bias = conv.weight * factor.reshape([-1, 1, 1, 1]), norm.bias - norm._mean * factor
    return conv2d(x, weight, bias, conv._stride, conv._padding, slope=0.0)


def _is_plain(layer: nn.Layer) -> bool:
    """Whether this module's kernels support a layer: no groups, no dilation, zero padding, channels first."""
    plain = layer._groups == 1 and set(_pair(layer._dilation)) == {1} and layer._data_format == "NCHW"
    return plain and layer._padding_mode == "zeros"


class _Convolution(PyLayer):
    """Convolution, transposed convolution and weight gradient are bilinear, and each other's derivatives.

    A PyLayer may return gradients only for arguments that need one, so ``forward`` records which do. Results are saved
    detached: a result refers to its context, so that saving it there makes a cycle, which only a backward pass breaks.
    Without one, neither would ever be freed.
    """

    @staticmethod
    def forward(ctx, x, weight, bias, geometry, slope=None):
        y = onednn.convolution(x, weight, bias, geometry, slope)
        ctx.save_for_backward(x, weight, *([] if slope is None else [y.detach()]))
        needed = needs_gradient(x), needs_gradient(weight), bias is not None and needs_gradient(bias), bias is not None
        ctx.settings = geometry, slope, *needed
        return y

    @staticmethod
    def backward(ctx, g):
        x, weight, *rectified = ctx.saved_tensor()
        geometry, slope, need_x, need_weight, need_bias, has_bias = ctx.settings
        if rectified:
            g = rectifier_gradient(g, *rectified, slope)
        gx = _Transposed.apply(g, weight, None, geometry, tuple(x.shape[2:])) if need_x else None
        gw = gb = None
        if need_bias:  # not differentiable again, which a written-out gradient penalty does not need
            gw, gb = onednn.convolution_weight_gradient(x, g, geometry, weight.shape, True)
        elif need_weight:
            gw = _WeightGradient.apply(x, g, geometry, tuple(weight.shape))
        gw = gw if need_weight else None
        return (gx, gw, gb) if has_bias else (gx, gw)


class _Transposed(PyLayer):
    @staticmethod
    def forward(ctx, x, weight, bias, geometry, size):
        ctx.save_for_backward(x, weight)
        ctx.settings = (
            geometry,
            needs_gradient(x),
            needs_gradient(weight),
            bias is not None and needs_gradient(bias),
            bias is not None,
        )
        return onednn.convolution_transposed(x, weight, bias, geometry, size)

    @staticmethod
    def backward(ctx, g):
        x, weight = ctx.saved_tensor()
        geometry, need_x, need_weight, need_bias, has_bias = ctx.settings
        gx = _Convolution.apply(g, weight, None, geometry) if need_x else None
        gw = _WeightGradient.apply(g, x, geometry, tuple(weight.shape)) if need_weight else None
        gb = _sum_over_pixels(g) if need_bias else None
        return (gx, gw, gb) if has_bias else (gx, gw)


class _WeightGradient(PyLayer):
    @staticmethod
    def forward(ctx, x, y, geometry, shape):
        ctx.save_for_backward(x, y)
        ctx.settings = geometry, needs_gradient(x), needs_gradient(y)
        return onednn.convolution_weight_gradient(x, y, geometry, shape)[0]

    @staticmethod
    def backward(ctx, g):
        x, y = ctx.saved_tensor()
        geometry, need_x, need_y = ctx.settings
        return (
            _Transposed.apply(y, g, None, geometry, tuple(x.shape[2:])) if need_x else None,
            _Convolution.apply(x, g, None, geometry) if need_y else None,
        )


def _sum_over_pixels(g: Tensor) -> Tensor:
    return onednn.sum_rows(view_features(g))


def _pair(value) -> tuple[int, int]:
    return (value, value) if isinstance(value, int) else tuple(value) * (2 // len(value))


def _hashable(padding):
    return tuple(padding) if isinstance(padding, (list, tuple)) else padding


@functools.lru_cache(maxsize=1024)
def _geometry(size: tuple[int, int], kernel: tuple[int, int], stride: tuple[int, int], padding) -> Geometry:
    """Return stride and padding as oneDNN takes them.

    ``same`` pads the larger half after the image, as TensorFlow and Paddle do. Like Paddle, it is computed from the
    input's size even for a transposed convolution.
    """
    if padding == "same":
        totals = [max((-(-n // s) - 1) * s + k - n, 0) for n, k, s in zip(size, kernel, stride)]
        pads = [half for total in totals for half in (total // 2, total - total // 2)]
    elif isinstance(padding, tuple) and len(padding) == 4:
        pads = list(padding)
    else:
        pads = [n for n in _pair(padding) for _ in range(2)]
    return (*stride, *pads)
