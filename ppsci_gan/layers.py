"""Layers that the networks are made of, fast on the CPU.

On the CPU, in float32 and dynamic mode, they compute by oneDNN (``ppsci_gan.onednn``); everywhere else (other devices,
half precision, export, a wheel without that library) by Paddle's own kernels. Values and gradients are the same up to
the rounding of float32.

oneDNN's results lie in memory channels last, and so do they stay from layer to layer; any other operation of Paddle's
takes them, too, at the price of a copy. What it computes can be differentiated once. A gradient penalty needs the
gradient written out (``ppsci_gan.traced``), or Paddle's kernels: ``with layers.paddle_kernels(): ...``.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Sequence
from contextlib import contextmanager

import paddle
import paddle.nn.functional as F
from paddle import Tensor
from paddle import nn
from paddle.autograd import PyLayer

from ppsci_gan import onednn
from ppsci_gan.errors import InputError
from ppsci_gan.onednn import Geometry

Pair = int | Sequence[int]  # for both axes, or one for each
Padding = int | str | Sequence[int]

KERNELS = ("auto", "onednn", "paddle")
NAMES = {"onednn": "oneDNN", "paddle": "Paddle's own kernels"}


class _Choice:
    """Whether oneDNN's kernels are wanted on the CPU."""

    onednn = True


def choose_kernels(name: str = "auto") -> str:
    """Choose whose kernels compute convolutions on the CPU, and say which.

    Args:
        name: ``onednn``, ``paddle``, or ``auto``, which takes oneDNN's where Paddle's wheel has the library.

    Returns:
        ``onednn`` or ``paddle``.

    Raises:
        InputError: There is no oneDNN here, or the name is unknown.

    Examples:
        >>> from ppsci_gan import layers
        >>> layers.choose_kernels("paddle")
        'paddle'
        >>> layers.choose_kernels("auto") in ("onednn", "paddle")
        True
    """
    if name not in KERNELS:
        raise InputError(f"CPU.convolution={name}: choose one of {', '.join(KERNELS)}.")
    if name == "onednn" and not onednn.available():
        raise InputError(
            "CPU.convolution=onednn: this build of Paddle has no oneDNN, or FLAGS_use_stride_kernel is off. Take auto."
        )
    _Choice.onednn = name != "paddle"
    return "onednn" if _Choice.onednn and onednn.available() else "paddle"


def uses_onednn(network: nn.Layer) -> bool:
    """Whether a network's convolutions are computed by oneDNN on the present device.

    Args:
        network: Any.

    Examples:
        >>> from paddle import nn
        >>> from ppsci_gan import layers
        >>> layers.uses_onednn(nn.Linear(2, 2))
        False
    """
    chosen = _Choice.onednn and onednn.available() and paddle.device.get_device() == "cpu"
    if not (chosen and isinstance(network, nn.Layer)):  # a critic may be any function
        return False
    convolutions = [layer for layer in network.sublayers() if isinstance(layer, (Conv2D, Conv2DTranspose))]
    return any(layer.weight.dtype == paddle.float32 for layer in convolutions)


@contextmanager
def paddle_kernels() -> Iterator[None]:
    """Compute by Paddle's kernels, whose results can be differentiated twice.

    Examples:
        >>> import paddle
        >>> from ppsci_gan import layers
        >>> x = paddle.ones([1, 1, 2, 2])
        >>> x.stop_gradient = False
        >>> with layers.paddle_kernels():
        ...     y = layers.conv2d(x, paddle.ones([1, 1, 2, 2])) ** 2
        >>> gradient = paddle.grad(y, x, create_graph=True)[0]
        >>> float(paddle.grad(gradient.sum(), x)[0].sum())
        32.0
    """
    before, _Choice.onednn = _Choice.onednn, False
    try:
        yield
    finally:
        _Choice.onednn = before


def _by_onednn(*tensors: Tensor | None) -> bool:
    return (
        _Choice.onednn
        and onednn.available()
        and paddle.in_dynamic_mode()
        and all(x is None or x.dtype == paddle.float32 and x.place.is_cpu_place() for x in tensors)
    )


# --- convolutions ---


def conv2d(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Pair = 1,
    padding: Padding = 0,
    slope: float | None = None,
) -> Tensor:
    """Convolve images, as ``paddle.nn.functional.conv2d``, and rectify the result, if wanted.

    Args:
        x: [N, C, H, W].
        weight: [C', C, h, w].
        bias: [C'].
        stride: A number, or one for each axis.
        padding: Zeros around the image: a number, two, four (top, bottom, left, right), or ``same``.
        slope: Of a rectifier behind the convolution, for negative values: 0 of an ordinary one, None for none.

    Returns:
        [N, C', H', W'].

    Examples:
        >>> import paddle
        >>> from ppsci_gan import layers
        >>> tuple(layers.conv2d(paddle.ones([2, 3, 8, 8]), paddle.ones([4, 3, 5, 5]), stride=2, padding="same").shape)
        (2, 4, 4, 4)
    """
    if not _by_onednn(x, weight, bias):
        return _rectify(F.conv2d(x, weight, bias, stride=stride, padding=padding), slope)
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
    """Convolve transposed, as ``paddle.nn.functional.conv2d_transpose``.

    Args:
        x: [N, C, H, W].
        weight: [C, C', h, w].
        bias: [C'].
        stride: A number, or one for each axis.
        padding: Rows and columns cut off the result: a number, two, four (top, bottom, left, right), or ``same``.
        output_padding: Rows and columns added below and right.

    Returns:
        [N, C', H', W'].

    Examples:
        >>> import paddle
        >>> from ppsci_gan import layers
        >>> x, weight = paddle.ones([2, 3, 4, 4]), paddle.ones([3, 5, 5, 5])
        >>> tuple(layers.conv2d_transpose(x, weight, stride=2, padding=2, output_padding=1).shape)
        (2, 5, 8, 8)
    """
    if not _by_onednn(x, weight, bias):
        return F.conv2d_transpose(x, weight, bias, stride=stride, padding=padding, output_padding=output_padding)
    geometry = _geometry(tuple(x.shape[2:]), tuple(weight.shape[2:]), _pair(stride), _hashable(padding))
    stride_h, stride_w, top, bottom, left, right = geometry
    height, width = _pair(output_padding)
    size = (
        (x.shape[2] - 1) * stride_h - top - bottom + weight.shape[2] + height,
        (x.shape[3] - 1) * stride_w - left - right + weight.shape[3] + width,
    )
    return _Transposed.apply(x, weight, bias, geometry, size)


def input_gradient_of_conv2d(g: Tensor, weight: Tensor, stride: Pair, padding: Padding, size: Sequence[int]) -> Tensor:
    """Return the gradient of ``conv2d`` with respect to its images: a transposed convolution.

    Args:
        g: Gradient of the result, [N, C', H', W'].
        weight: [C', C, h, w].
        stride: As given to ``conv2d``.
        padding: Likewise.
        size: (H, W) of the images.

    Returns:
        [N, C, H, W].
    """
    geometry = _geometry(tuple(size), tuple(weight.shape[2:]), _pair(stride), _hashable(padding))
    if not _by_onednn(g, weight):
        return F.conv2d_transpose(g, weight, stride=stride, padding=list(geometry[2:]), output_size=list(size))
    return _Transposed.apply(g, weight, None, geometry, tuple(size))


class Conv2D(nn.Conv2D):
    """``paddle.nn.Conv2D`` with this module's kernels.

    Examples:
        >>> import paddle
        >>> from ppsci_gan import layers
        >>> tuple(layers.Conv2D(3, 8, 3, padding=1)(paddle.zeros([2, 3, 16, 16])).shape)
        (2, 8, 16, 16)
    """

    def forward(self, x: Tensor, slope: float | None = None) -> Tensor:
        """Return the convolved images; rectified where a slope for negative values is given."""
        if not _is_plain(self):
            return _rectify(super().forward(x), slope)
        return conv2d(x, self.weight, self.bias, self._stride, self._padding, slope)


class Conv2DTranspose(nn.Conv2DTranspose):
    """``paddle.nn.Conv2DTranspose`` with this module's kernels.

    Examples:
        >>> import paddle
        >>> from ppsci_gan import layers
        >>> layer = layers.Conv2DTranspose(8, 3, 5, stride=2, padding=2, output_padding=1)
        >>> tuple(layer(paddle.zeros([2, 8, 16, 16])).shape)
        (2, 3, 32, 32)
    """

    def forward(self, x: Tensor, output_size=None) -> Tensor:
        """Return the convolved images."""
        if output_size is not None or not _is_plain(self):
            return super().forward(x, output_size)
        return conv2d_transpose(x, self.weight, self.bias, self._stride, self._padding, self.output_padding)


def _is_plain(layer: nn.Layer) -> bool:
    """Whether a layer has what this module's kernels take: no groups, no dilation, zeros around, channels first."""
    plain = layer._groups == 1 and set(_pair(layer._dilation)) == {1} and layer._data_format == "NCHW"
    return plain and layer._padding_mode == "zeros"


class _Convolution(PyLayer):
    """Convolution, transposed convolution and weights' gradient are bilinear, and each other's derivatives.

    A PyLayer may return gradients only for arguments that need one, so that has to be noted in ``forward``.
    """

    @staticmethod
    def forward(ctx, x, weight, bias, geometry, slope=None):
        y = onednn.convolution(x, weight, bias, geometry, slope)
        ctx.save_for_backward(x, weight, *([] if slope is None else [y]))
        needed = _needs(x), _needs(weight), bias is not None and _needs(bias), bias is not None
        ctx.settings = geometry, slope, *needed
        return y

    @staticmethod
    def backward(ctx, g):
        x, weight, *rectified = ctx.saved_tensor()
        geometry, slope, of_x, of_weight, of_bias, has_bias = ctx.settings
        if rectified:
            g = rectifier_gradient(g, *rectified, slope)
        gx = _Transposed.apply(g, weight, None, geometry, tuple(x.shape[2:])) if of_x else None
        gw = gb = None
        if of_bias:  # differentiable no further, which the written out gradient penalty does not need
            gw, gb = onednn.convolution_weight_gradient(x, g, geometry, weight.shape, True)
        elif of_weight:
            gw = _WeightGradient.apply(x, g, geometry, tuple(weight.shape))
        gw = gw if of_weight else None
        return (gx, gw, gb) if has_bias else (gx, gw)


class _Transposed(PyLayer):
    @staticmethod
    def forward(ctx, x, weight, bias, geometry, size):
        ctx.save_for_backward(x, weight)
        ctx.settings = geometry, _needs(x), _needs(weight), bias is not None and _needs(bias), bias is not None
        return onednn.convolution_transposed(x, weight, bias, geometry, size)

    @staticmethod
    def backward(ctx, g):
        x, weight = ctx.saved_tensor()
        geometry, of_x, of_weight, of_bias, has_bias = ctx.settings
        gx = _Convolution.apply(g, weight, None, geometry) if of_x else None
        gw = _WeightGradient.apply(g, x, geometry, tuple(weight.shape)) if of_weight else None
        gb = _sum_over_pixels(g) if of_bias else None
        return (gx, gw, gb) if has_bias else (gx, gw)


class _WeightGradient(PyLayer):
    @staticmethod
    def forward(ctx, x, y, geometry, shape):
        ctx.save_for_backward(x, y)
        ctx.settings = geometry, _needs(x), _needs(y)
        return onednn.convolution_weight_gradient(x, y, geometry, shape)[0]

    @staticmethod
    def backward(ctx, g):
        x, y = ctx.saved_tensor()
        geometry, of_x, of_y = ctx.settings
        return (
            _Transposed.apply(y, g, None, geometry, tuple(x.shape[2:])) if of_x else None,
            _Convolution.apply(x, g, None, geometry) if of_y else None,
        )


def _needs(x: Tensor) -> bool:
    return not x.stop_gradient


def _sum_over_pixels(g: Tensor) -> Tensor:
    """Sum an image's channels as a matrix product, several times faster than Paddle's sum over three axes."""
    rows = onednn.channels_last(g).transpose([0, 2, 3, 1]).reshape([-1, g.shape[1]])
    return paddle.matmul(paddle.ones([1, rows.shape[0]]), rows).reshape([-1])


def _pair(value) -> tuple[int, int]:
    return (value, value) if isinstance(value, int) else tuple(value) * (2 // len(value))


def _hashable(padding):
    return tuple(padding) if isinstance(padding, (list, tuple)) else padding


@functools.lru_cache(maxsize=1024)
def _geometry(size: tuple[int, int], kernel: tuple[int, int], stride: tuple[int, int], padding) -> Geometry:
    """Return strides and zeros as oneDNN takes them.

    ``same`` pads the larger half behind, as TensorFlow does; so does Paddle, which computes it from the size of the
    argument also where the convolution is transposed.
    """
    if padding == "same":
        totals = [max((-(-n // s) - 1) * s + k - n, 0) for n, k, s in zip(size, kernel, stride)]
        pads = [half for total in totals for half in (total // 2, total - total // 2)]
    elif isinstance(padding, tuple) and len(padding) == 4:
        pads = list(padding)
    else:
        pads = [n for n in _pair(padding) for _ in range(2)]
    return (*stride, *pads)


# --- everything between the convolutions ---


def relu(x: Tensor) -> Tensor:
    """Rectify.

    Args:
        x: Any shape.
    """
    return _Relu.apply(x, 0.0) if _by_onednn(x) else F.relu(x)


def leaky_relu(x: Tensor, negative_slope: float = 0.01) -> Tensor:
    """Rectify, with a slope for negative values.

    Args:
        x: Any shape.
        negative_slope: The slope.
    """
    if not paddle.in_dynamic_mode():
        return paddle.maximum(x, negative_slope * x)  # paddle2onnx misreads the slope of a leaky_relu
    return _Relu.apply(x, negative_slope) if _by_onednn(x) else F.leaky_relu(x, negative_slope)


def rectifier_gradient(g: Tensor, y: Tensor, slope: float = 0.0) -> Tensor:
    """Pass a gradient back through a rectifier; differentiable with respect to the gradient.

    Args:
        g: Gradient of the result.
        y: The result of ``relu``, ``leaky_relu``, or of ``conv2d`` with a slope.
        slope: For negative values.
    """
    y = y.detach()
    if _by_onednn(g, y):
        return _RectifierGradient.apply(g, y, slope)
    if not slope:
        return g * (y > 0).astype(y.dtype)
    return g * ((y >= 0).astype(y.dtype) * (1 - slope) + slope)


def _rectify(x: Tensor, slope: float | None) -> Tensor:
    if slope is None:
        return x
    return leaky_relu(x, slope) if slope else relu(x)


def add(x: Tensor, y: Tensor) -> Tensor:
    """Add two images of the same shape.

    Args:
        x: [N, C, H, W].
        y: [N, C, H, W].
    """
    return in_memory_order(paddle.add, x, y)


def normalized_conv2d(conv: nn.Conv2D, norm: nn.BatchNorm2D, x: Tensor) -> Tensor:
    """Convolve, normalise and rectify; outside of training oneDNN does so in a single convolution.

    Args:
        conv: Without bias, groups and dilation.
        norm: Of its channels.
        x: [N, C, H, W].

    Returns:
        [N, C', H', W'].
    """
    if norm.training or not _by_onednn(x, conv.weight):
        return relu(norm(conv(x)))
    factor = norm.weight / paddle.sqrt(norm._variance + norm._epsilon)
    weight, bias = conv.weight * factor.reshape([-1, 1, 1, 1]), norm.bias - norm._mean * factor
    return conv2d(x, weight, bias, conv._stride, conv._padding, slope=0.0)


def pool2d(x: Tensor, size: int, stride: int, padding: int = 0, maximum: bool = True) -> Tensor:
    """Maximum or mean of squares of pixels, by oneDNN where no gradient is asked for.

    Args:
        x: [N, C, H, W].
        size: Edge of the squares.
        stride: Between them.
        padding: Pixels around the image, which do not count.
        maximum: False: the mean.

    Returns:
        [N, C, H', W'].
    """
    if _by_onednn(x) and (x.stop_gradient or not paddle.is_grad_enabled()):
        return onednn.pool(x, size, stride, padding, maximum)
    return (F.max_pool2d if maximum else F.avg_pool2d)(x, size, stride, padding)


def concat(images: Sequence[Tensor]) -> Tensor:
    """Put the channels of images one behind the other.

    Args:
        images: [N, C, H, W], with any numbers of channels.

    Returns:
        [N, sum of C, H, W].
    """
    if not _by_onednn(*images) or not all(onednn.lies_channels_last(x) for x in images):
        return paddle.concat(images, axis=1)
    return paddle.concat([x.transpose([0, 2, 3, 1]) for x in images], axis=3).transpose([0, 3, 1, 2])


def avg_pool2d(x: Tensor, size: int) -> Tensor:
    """Mean of every square of size x size pixels.

    Args:
        x: [N, C, H, W], height and width multiples of ``size``.
        size: Edge of the squares.
    """
    return _MeanPool.apply(x, size) if _by_onednn(x) else F.avg_pool2d(x, size)


def avg_pool2d_gradient(g: Tensor, size: int) -> Tensor:
    """Pass a gradient back through ``avg_pool2d``.

    Args:
        g: Gradient of the result, [N, C, H, W].
        size: As given to it.

    Returns:
        [N, C, H * size, W * size].
    """
    return _scaled(upsample2d(g, size), 1 / size**2)


def upsample2d(x: Tensor, size: int = 2) -> Tensor:
    """Repeat every pixel to a square of size x size.

    Args:
        x: [N, C, H, W].
        size: Edge of the squares.
    """
    if _by_onednn(x):
        return _RepeatPixels.apply(x, size)
    return F.interpolate(x, size=[size * x.shape[2], size * x.shape[3]], mode="nearest")


def fork(x: Tensor) -> tuple[Tensor, Tensor]:
    """Return an image twice, for two branches of a network: their gradients are added in the order of memory.

    Args:
        x: [N, C, H, W].
    """
    return _Fork.apply(x) if len(x.shape) == 4 and _by_onednn(x) and not x.stop_gradient else (x, x)


class BatchNorm2D(nn.BatchNorm2D):
    """``paddle.nn.BatchNorm2D`` with this module's kernels.

    Examples:
        >>> import paddle
        >>> from ppsci_gan import layers
        >>> tuple(layers.BatchNorm2D(3)(paddle.zeros([2, 3, 4, 4])).shape)
        (2, 3, 4, 4)
    """

    def forward(self, x: Tensor) -> Tensor:
        """Return the normalised images; while training, the running statistics follow the batch's."""
        if not self.training or self._use_global_stats or not _by_onednn(x, self.weight, self.bias):
            return super().forward(x)
        channels = x.shape[1]
        weight = self.weight if self.weight is not None else paddle.ones([channels])
        bias = self.bias if self.bias is not None else paddle.zeros([channels])
        y, mean, variance = _BatchNorm.apply(x, weight, bias, self._epsilon)
        with paddle.no_grad():
            for running, value in ((self._mean, mean), (self._variance, variance)):
                paddle.assign(running * self._momentum + value * (1 - self._momentum), running)
        return y


class _Relu(PyLayer):
    @staticmethod
    def forward(ctx, x, slope):
        y = onednn.relu(x, slope)
        ctx.save_for_backward(y)
        ctx.slope = slope
        return y

    @staticmethod
    def backward(ctx, g):
        return onednn.relu_gradient(g, *ctx.saved_tensor(), ctx.slope)


class _RectifierGradient(PyLayer):
    @staticmethod
    def forward(ctx, g, y, slope):
        ctx.save_for_backward(y)
        ctx.slope = slope
        return onednn.relu_gradient(g, y, slope)

    @staticmethod
    def backward(ctx, g):
        return onednn.relu_gradient(g, *ctx.saved_tensor(), ctx.slope), None


class _MeanPool(PyLayer):
    @staticmethod
    def forward(ctx, x, size):
        ctx.size = size
        return onednn.pool(x, size, stride=size)

    @staticmethod
    def backward(ctx, g):
        return avg_pool2d_gradient(g, ctx.size)


class _RepeatPixels(PyLayer):
    @staticmethod
    def forward(ctx, x, size):
        ctx.size = size
        return onednn.repeat_pixels(x, size)

    @staticmethod
    def backward(ctx, g):
        return _scaled(_MeanPool.apply(g, ctx.size), ctx.size**2)


class _Fork(PyLayer):
    @staticmethod
    def forward(ctx, x):
        # Views of their own: Paddle takes the same tensor for one changed in place.
        return x.transpose([0, 1, 2, 3]), x.transpose([0, 1, 2, 3])

    @staticmethod
    def backward(ctx, g, other):
        return add(g, other)


class _BatchNorm(PyLayer):
    @staticmethod
    def forward(ctx, x, weight, bias, epsilon):
        y, mean, variance = onednn.batch_norm(x, weight, bias, epsilon)
        ctx.save_for_backward(x, weight, mean, variance)
        ctx.settings = epsilon, [_needs(argument) for argument in (x, weight, bias)]
        return y, mean, variance

    @staticmethod
    def backward(ctx, g, *_):
        epsilon, needed = ctx.settings
        gradients = onednn.batch_norm_gradient(g, *ctx.saved_tensor(), epsilon)
        return tuple(gradient if needs else None for gradient, needs in zip(gradients, needed))


class _ChannelsLast(PyLayer):
    @staticmethod
    def forward(ctx, x):
        return onednn.channels_last(x)

    @staticmethod
    def backward(ctx, g):
        return g


def in_memory_order(function: Callable[..., Tensor], *images: Tensor) -> Tensor:
    """Apply a function that works element by element, without rearranging images that lie channels last.

    Args:
        function: Maps tensors of one shape to one of that shape.
        *images: Of one shape.

    Returns:
        The same shape.
    """
    return along_channels(lambda *images_and_axis: function(*images_and_axis[:-1]), *images)


def along_channels(function: Callable[..., Tensor], *images: Tensor) -> Tensor:
    """Apply a function that works along channels, pixel by pixel, without rearranging what lies channels last.

    Args:
        function: Maps tensors of one shape, and the number of their channels' axis, to one of that shape.
        *images: [N, C, ...], of one shape.

    Returns:
        The same shape.

    Examples:
        >>> import paddle
        >>> from ppsci_gan import layers
        >>> layers.along_channels(lambda x, axis: x.cumsum(axis), paddle.ones([1, 3, 1, 1])).flatten().tolist()
        [1.0, 2.0, 3.0]
    """
    if len(images[0].shape) != 4 or not _by_onednn(*images) or all(x.is_contiguous() for x in images):
        return function(*images, 1)
    lying = (x if onednn.lies_channels_last(x) else _ChannelsLast.apply(x) for x in images)
    return function(*(x.transpose([0, 2, 3, 1]) for x in lying), 3).transpose([0, 3, 1, 2])


def _scaled(x: Tensor, factor: float) -> Tensor:
    return in_memory_order(lambda x: x * factor, x)
