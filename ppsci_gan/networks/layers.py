"""The networks' layers, fast on the CPU.

On the CPU, in float32 and dynamic mode, they use oneDNN (``ppsci_gan.devices.onednn``); otherwise (other devices, half
precision, export, a wheel without that library) Paddle's own kernels. Values and gradients agree up to the rounding of
float32.

oneDNN's results are stored channels last and stay so from layer to layer; Paddle's other operations copy them. They can
be differentiated once. A gradient penalty needs the gradient written out (``ppsci_gan.networks.traced``), or Paddle's
kernels: ``with layers.use_paddle_kernels(): ...``.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from collections.abc import Sequence
from contextlib import contextmanager

import paddle
import paddle.nn.functional as F
from paddle import Tensor
from paddle import nn
from paddle.autograd import PyLayer

from ppsci_gan.devices import onednn
from ppsci_gan.devices.onednn import Geometry
from ppsci_gan.errors import InputError

Pair = int | Sequence[int]  # one value for both axes, or one for each
Padding = int | str | Sequence[int]

KERNELS = ("auto", "onednn", "paddle")
NAMES = {"onednn": "oneDNN", "paddle": "Paddle's own kernels"}


class _Choice:
    """Whether to use oneDNN's kernels on the CPU."""

    onednn = True


def choose_kernels(name: str = "auto") -> str:
    """Choose the CPU's convolution kernels and return the choice.

    Args:
        name: ``onednn``, ``paddle``, or ``auto``: oneDNN if Paddle's wheel has the library.

    Returns:
        ``onednn`` or ``paddle``.

    Raises:
        InputError: oneDNN is not available, or the name is unknown.

    Examples:
        >>> from ppsci_gan.networks import layers
        >>> layers.choose_kernels("paddle")
        'paddle'
        >>> layers.choose_kernels("auto") in ("onednn", "paddle")
        True
    """
    if name not in KERNELS:
        raise InputError(f"CPU.convolution={name}: choose one of {', '.join(KERNELS)}.")
    if name == "onednn" and not onednn.is_available():
        raise InputError(
            "CPU.convolution=onednn: this build of Paddle has no oneDNN, or FLAGS_use_stride_kernel is off. Take auto."
        )
    _Choice.onednn = name != "paddle"
    return "onednn" if _Choice.onednn and onednn.is_available() else "paddle"


def uses_onednn(network: nn.Layer) -> bool:
    """Whether oneDNN computes a network's layers on the current device.

    Args:
        network: Any network or function.

    Examples:
        >>> from paddle import nn
        >>> from ppsci_gan.networks import layers
        >>> layers.uses_onednn(nn.Sequential(nn.Linear(2, 2)))
        False
    """
    chosen = _Choice.onednn and onednn.is_available() and paddle.device.get_device() == "cpu"
    if not (chosen and isinstance(network, nn.Layer)):  # a critic may be any function
        return False
    found = [layer for layer in network.sublayers() if isinstance(layer, (Conv2D, Conv2DTranspose, Linear))]
    return any(layer.weight.dtype == paddle.float32 for layer in found)


@contextmanager
def use_paddle_kernels() -> Iterator[None]:
    """Use Paddle's kernels, whose results can be differentiated twice.

    Examples:
        >>> import paddle
        >>> from ppsci_gan.networks import layers
        >>> x = paddle.ones([1, 1, 2, 2])
        >>> x.stop_gradient = False
        >>> with layers.use_paddle_kernels():
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


def _use_onednn(*tensors: Tensor | None) -> bool:
    return (
        _Choice.onednn
        and onednn.is_available()
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
    if not _use_onednn(x, weight, bias):
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
    if not _use_onednn(x, weight, bias):
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
    if not _use_onednn(g, weight):
        return F.conv2d_transpose(g, weight, stride=stride, padding=list(geometry[2:]), output_size=list(size))
    return _Transposed.apply(g, weight, None, geometry, tuple(size))


class Conv2D(nn.Conv2D):
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
            return _rectify(super().forward(x), slope)
        return conv2d(x, self.weight, self.bias, self._stride, self._padding, slope)


class Conv2DTranspose(nn.Conv2DTranspose):
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
        needed = _needs(x), _needs(weight), bias is not None and _needs(bias), bias is not None
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
        ctx.settings = geometry, _needs(x), _needs(weight), bias is not None and _needs(bias), bias is not None
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
        ctx.settings = geometry, _needs(x), _needs(y)
        return onednn.convolution_weight_gradient(x, y, geometry, shape)[0]

    @staticmethod
    def backward(ctx, g):
        x, y = ctx.saved_tensor()
        geometry, need_x, need_y = ctx.settings
        return (
            _Transposed.apply(y, g, None, geometry, tuple(x.shape[2:])) if need_x else None,
            _Convolution.apply(x, g, None, geometry) if need_y else None,
        )


def _needs(x: Tensor) -> bool:
    return not x.stop_gradient


def _keep_needed(gradients: Sequence[Tensor], needed: Sequence[bool]) -> tuple[Tensor | None, ...]:
    return tuple(gradient if needs else None for gradient, needs in zip(gradients, needed))


def _sum_over_pixels(g: Tensor) -> Tensor:
    return onednn.sum_rows(_features(g))


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


# --- linear layers ---


def linear(x: Tensor, weight: Tensor, bias: Tensor | None = None, slope: float | None = None) -> Tensor:
    """Linear layer as ``paddle.nn.functional.linear``, optionally followed by a rectifier.

    Args:
        x: [N, C].
        weight: [C, C'].
        bias: [C'].
        slope: As for ``conv2d``.

    Returns:
        [N, C'].
    """
    if len(x.shape) != 2 or not _use_onednn(x, weight, bias):
        return _rectify(F.linear(x, weight, bias), slope)
    return _Linear.apply(x, weight, bias, slope)


class Linear(nn.Linear):
    """``paddle.nn.Linear`` with this module's kernels.

    Examples:
        >>> import paddle
        >>> from ppsci_gan.networks import layers
        >>> tuple(layers.Linear(3, 8)(paddle.zeros([2, 3])).shape)
        (2, 8)
    """

    def forward(self, x: Tensor, slope: float | None = None) -> Tensor:
        """Return [N, C'], rectified if ``slope`` is given."""
        return linear(x, self.weight, self.bias, slope)


class _Linear(PyLayer):
    """Faster than Paddle's in adding the bias and in summing its gradient over rows."""

    @staticmethod
    def forward(ctx, x, weight, bias, slope):
        y = onednn.linear(x, weight, bias, slope)
        ctx.save_for_backward(x, weight, *([] if slope is None else [y.detach()]))
        ctx.settings = slope, _needs(x), _needs(weight), bias is not None and _needs(bias), bias is not None
        return y

    @staticmethod
    def backward(ctx, g):
        x, weight, *rectified = ctx.saved_tensor()
        slope, need_x, need_weight, need_bias, has_bias = ctx.settings
        if rectified:
            g = rectifier_gradient(g, *rectified, slope)
        gx = paddle.matmul(g, weight, transpose_y=True) if need_x else None
        gw = paddle.matmul(x, g, transpose_x=True) if need_weight else None
        gb = onednn.sum_rows(g) if need_bias else None
        return (gx, gw, gb) if has_bias else (gx, gw)


# --- activations, pooling, normalisation ---


def relu(x: Tensor) -> Tensor:
    """ReLU.

    Args:
        x: Any shape.
    """
    return _Relu.apply(x, 0.0) if _use_onednn(x) else F.relu(x)


def leaky_relu(x: Tensor, negative_slope: float = 0.01) -> Tensor:
    """Leaky ReLU.

    Args:
        x: Any shape.
        negative_slope: Slope for negative values.
    """
    if not paddle.in_dynamic_mode():
        return paddle.maximum(x, negative_slope * x)  # paddle2onnx misreads the slope of a leaky_relu
    return _Relu.apply(x, negative_slope) if _use_onednn(x) else F.leaky_relu(x, negative_slope)


def rectifier_gradient(g: Tensor, y: Tensor, slope: float = 0.0) -> Tensor:
    """Backpropagate through a rectifier; differentiable with respect to the gradient.

    Args:
        g: Gradient with respect to the result.
        y: The result of ``relu``, ``leaky_relu``, or of ``conv2d`` with a slope.
        slope: Slope for negative values.
    """
    y = y.detach()
    if _use_onednn(g, y):
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
    return _Add.apply(x, y) if len(x.shape) == 4 and _use_onednn(x, y) else x + y


def conv2d_norm_relu(conv: nn.Conv2D, norm: nn.BatchNorm2D, x: Tensor) -> Tensor:
    """Convolution, batch normalisation and ReLU; in evaluation mode oneDNN fuses them into one convolution.

    Args:
        conv: Convolution without bias, groups or dilation.
        norm: Batch normalisation of its output.
        x: [N, C, H, W].

    Returns:
        [N, C', H', W'].
    """
    if norm.training or not _use_onednn(x, conv.weight):
        return relu(norm(conv(x)))
    factor = norm.weight / paddle.sqrt(norm._variance + norm._epsilon)
    weight, bias = conv.weight * factor.reshape([-1, 1, 1, 1]), norm.bias - norm._mean * factor
    return conv2d(x, weight, bias, conv._stride, conv._padding, slope=0.0)


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
    if _use_onednn(x) and (x.stop_gradient or not paddle.is_grad_enabled()):
        return onednn.pool(x, size, stride, padding, maximum)
    return (F.max_pool2d if maximum else F.avg_pool2d)(x, size, stride, padding)


def concat(images: Sequence[Tensor]) -> Tensor:
    """Concatenate the channels of images.

    Args:
        images: [N, C, H, W] each; C may differ.

    Returns:
        [N, sum of C, H, W].
    """
    if not _use_onednn(*images) or not all(onednn.is_channels_last(x) for x in images):
        return paddle.concat(images, axis=1)
    return paddle.concat([x.transpose([0, 2, 3, 1]) for x in images], axis=3).transpose([0, 3, 1, 2])


def avg_pool2d(x: Tensor, size: int) -> Tensor:
    """Mean pooling over squares of size x size pixels.

    Args:
        x: [N, C, H, W], height and width multiples of ``size``.
        size: Window and stride.
    """
    return _MeanPool.apply(x, size) if _use_onednn(x) else F.avg_pool2d(x, size)


def avg_pool2d_gradient(g: Tensor, size: int) -> Tensor:
    """Backpropagate through ``avg_pool2d``.

    Args:
        g: Gradient with respect to the result, [N, C, H, W].
        size: As for ``avg_pool2d``.

    Returns:
        [N, C, H * size, W * size].
    """
    if _use_onednn(g):
        return _MeanPoolGradient.apply(g, size)
    return upsample2d(g * (1 / size**2), size)


def upsample2d(x: Tensor, size: int = 2) -> Tensor:
    """Nearest-neighbour upsampling: repeat every pixel to a square of size x size.

    Args:
        x: [N, C, H, W].
        size: Factor for height and width.
    """
    if _use_onednn(x):
        return _RepeatPixels.apply(x, size)
    return F.interpolate(x, size=[size * x.shape[2], size * x.shape[3]], mode="nearest")


def fork(x: Tensor) -> tuple[Tensor, Tensor]:
    """Return an image twice, for two branches of a network, so that their gradients are added in its memory layout.

    Args:
        x: [N, C, H, W].
    """
    return _Fork.apply(x) if len(x.shape) == 4 and _use_onednn(x) and not x.stop_gradient else (x, x)


class BatchNorm2D(nn.BatchNorm2D):
    """``paddle.nn.BatchNorm2D`` with this module's kernels.

    Examples:
        >>> import paddle
        >>> from ppsci_gan.networks import layers
        >>> tuple(layers.BatchNorm2D(3)(paddle.zeros([2, 3, 4, 4])).shape)
        (2, 3, 4, 4)
    """

    def forward(self, x: Tensor) -> Tensor:
        """Return the normalised images; in training, update the running statistics."""
        if not self.training or self._use_global_stats or not _use_onednn(x, self.weight, self.bias):
            return super().forward(x)
        channels = x.shape[1]
        weight = self.weight if self.weight is not None else paddle.ones([channels])
        bias = self.bias if self.bias is not None else paddle.zeros([channels])
        y, mean, variance = _BatchNorm.apply(x, weight, bias, self._epsilon)
        with paddle.no_grad():
            for running, value in ((self._mean, mean), (self._variance, variance)):
                paddle.assign(running * self._momentum + value * (1 - self._momentum), running)
        return y


def modulate(x: Tensor, scale: Tensor, offset: Tensor) -> Tensor:
    """Scale and shift each channel of each image separately.

    Args:
        x: [N, C, H, W].
        scale: [N, C].
        offset: [N, C].

    Returns:
        [N, C, H, W].
    """
    if _use_onednn(x, scale, offset):
        return _Modulate.apply(x, scale, offset)
    return x * scale.unsqueeze([2, 3]) + offset.unsqueeze([2, 3])


def pixel_norm(x: Tensor, epsilon: float) -> Tensor:
    """Normalise each pixel's feature vector to mean square 1.

    Args:
        x: [N, C] or [N, C, H, W].
        epsilon: Added to the mean square.

    Returns:
        The same shape.

    Examples:
        >>> import paddle
        >>> from ppsci_gan.networks import layers
        >>> layers.pixel_norm(paddle.to_tensor([[3.0, 3.0]]), epsilon=0).tolist()
        [[1.0, 1.0]]
    """
    if _use_onednn(x):
        return _PixelNorm.apply(x, epsilon)
    return x / paddle.sqrt((x * x).mean(axis=1, keepdim=True) + epsilon)


class LayerNorm2D(nn.Layer):
    """Layer normalisation over channels, height and width, with a scale and an offset per channel.

    Args:
        channels: Number of channels.
        epsilon: Added to the variance.
        affine: Whether scales and offsets are learned; else they are 1 and 0.

    Examples:
        >>> import paddle
        >>> from ppsci_gan.networks import layers
        >>> float(layers.LayerNorm2D(3)(paddle.randn([2, 3, 4, 4])).mean().abs().round())
        0.0
    """

    def __init__(self, channels: int, epsilon: float = 1e-5, affine: bool = True):
        super().__init__()
        self.epsilon = epsilon
        for name, value in (("scale", 1.0), ("offset", 0.0)):
            if affine:
                initial = nn.initializer.Constant(value)
                setattr(self, name, self.create_parameter([channels, 1, 1], default_initializer=initial))
            else:
                self.register_buffer(name, paddle.full([channels, 1, 1], value), persistable=False)

    def forward(self, x: Tensor) -> Tensor:
        """Return the normalised images, [N, C, H, W]."""
        return layer_norm2d(x, self.scale, self.offset, self.epsilon)[0]


def layer_norm2d(x: Tensor, scale: Tensor, offset: Tensor, epsilon: float) -> tuple[Tensor, Tensor, Tensor]:
    """Normalise every image by its mean and variance, then scale and shift every channel.

    Args:
        x: [N, C, H, W].
        scale: [C, 1, 1].
        offset: [C, 1, 1].
        epsilon: Added to the variance.

    Returns:
        The result [N, C, H, W], and mean and (biased) variance [N].
    """
    if _use_onednn(x, scale, offset):
        return _LayerNorm.apply(x, scale, offset, epsilon)
    # Elementary operations have derivatives of any order (flatten() has not). In rows, because Paddle's gradients of
    # means and its broadcasting take several times as long over several axes.
    rows = x.reshape([x.shape[0], -1])
    mean = rows.mean(axis=[1], keepdim=True)
    centred = rows - mean
    variance = (centred * centred).mean(axis=[1], keepdim=True)
    y = (centred / paddle.sqrt(variance + epsilon)).reshape([x.shape[0], x.shape[1], -1])
    y = y * scale.reshape([-1, 1]) + offset.reshape([-1, 1])
    return y.reshape(x.shape), mean.reshape([-1]), variance.reshape([-1])


def layer_norm2d_gradient(
    g: Tensor, x: Tensor, scale: Tensor, mean: Tensor, variance: Tensor, epsilon: float
) -> Tensor:
    """Backpropagate through ``layer_norm2d``; differentiable with respect to gradient, images and scale.

    Args:
        g: Gradient with respect to the result, [N, C, H, W].
        x: The images.
        scale: [C, 1, 1].
        mean: From ``layer_norm2d``, [N].
        variance: From ``layer_norm2d``, [N].
        epsilon: As for ``layer_norm2d``.

    Returns:
        [N, C, H, W].
    """
    if _use_onednn(g, x, scale):
        return _LayerNormGradient.apply(g, x, scale, mean.detach(), variance.detach(), epsilon)
    deviation = paddle.sqrt(variance + epsilon).unsqueeze(1)
    normalized = (x.reshape([x.shape[0], -1]) - mean.unsqueeze(1)) / deviation
    g = (g.reshape([g.shape[0], g.shape[1], -1]) * scale.reshape([-1, 1])).reshape(normalized.shape)
    along = (g * normalized).mean(axis=[1], keepdim=True)
    return ((g - g.mean(axis=[1], keepdim=True) - normalized * along) / deviation).reshape(x.shape)


class _Relu(PyLayer):
    @staticmethod
    def forward(ctx, x, slope):
        y = onednn.relu(x, slope)
        ctx.save_for_backward(y.detach())
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


class _Add(PyLayer):
    @staticmethod
    def forward(ctx, x, y):
        ctx.needed = _needs(x), _needs(y)
        return onednn.add(x, y)

    @staticmethod
    def backward(ctx, g):
        return _keep_needed((g, g), ctx.needed)


class _Fork(PyLayer):
    @staticmethod
    def forward(ctx, x):
        # Separate views: Paddle treats a returned input as changed in place.
        return x.transpose([0, 1, 2, 3]), x.transpose([0, 1, 2, 3])

    @staticmethod
    def backward(ctx, g, other):
        return onednn.add(g, other)


class _BatchNorm(PyLayer):
    @staticmethod
    def forward(ctx, x, weight, bias, epsilon):
        y, mean, variance = onednn.batch_norm(x, weight, bias, epsilon)
        ctx.save_for_backward(x, weight, mean.detach(), variance.detach())
        ctx.settings = epsilon, [_needs(argument) for argument in (x, weight, bias)]
        return y, mean, variance

    @staticmethod
    def backward(ctx, g, *_):
        epsilon, needed = ctx.settings
        gradients = onednn.batch_norm_gradient(g, *ctx.saved_tensor(), epsilon)
        return _keep_needed(gradients, needed)


# Products with ones replace broadcasting and sums, for which Paddle's kernels take ten times as long.


class _Modulate(PyLayer):
    @staticmethod
    def forward(ctx, x, scale, offset):
        ctx.save_for_backward(x, scale)
        ctx.needed = [_needs(argument) for argument in (x, scale, offset)]
        ones = onednn.ones([x.shape[0], x.shape[2] * x.shape[3], 1])
        scale, offset = (paddle.matmul(ones, value.unsqueeze(1)) for value in (scale, offset))
        return _image(_pixels(x) * scale + offset, x.shape)

    @staticmethod
    def backward(ctx, g):
        x, scale = ctx.saved_tensor()
        shape, g, x = x.shape, _pixels(g), _pixels(x)
        ones = onednn.ones([shape[0], 1, g.shape[1]])
        grad_scale, grad_offset = (paddle.matmul(ones, value).squeeze(1) for value in (g * x, g))
        scale = paddle.matmul(ones, scale.unsqueeze(1), transpose_x=True)
        gradients = _image(g * scale, shape), grad_scale, grad_offset
        return _keep_needed(gradients, ctx.needed)


class _PixelNorm(PyLayer):
    @staticmethod
    def forward(ctx, x, epsilon):
        rows = _features(x)
        ones = onednn.ones([rows.shape[1], 1])
        mean_square = paddle.matmul(rows * rows, ones) / rows.shape[1]
        factor = paddle.matmul(1 / paddle.sqrt(mean_square + epsilon), ones, transpose_y=True)
        y = rows * factor
        ctx.save_for_backward(y.detach(), factor)
        return _reshape_features(y, x.shape)

    @staticmethod
    def backward(ctx, g):
        y, factor = ctx.saved_tensor()
        rows = _features(g)
        ones = onednn.ones([rows.shape[1], 1])
        along = paddle.matmul(paddle.matmul(rows * y, ones) / rows.shape[1], ones, transpose_y=True)
        return _reshape_features((rows - y * along) * factor, g.shape)


class _LayerNorm(PyLayer):
    @staticmethod
    def forward(ctx, x, scale, offset, epsilon):
        y, mean, variance = onednn.layer_norm(x, scale, offset, epsilon)
        ctx.save_for_backward(x, scale, mean.detach(), variance.detach())
        ctx.settings = epsilon, [_needs(argument) for argument in (x, scale, offset)]
        return y, mean, variance

    @staticmethod
    def backward(ctx, g, *_):
        x, scale, mean, variance = ctx.saved_tensor()
        epsilon, needed = ctx.settings
        gx, *channel_gradients = onednn.layer_norm_gradient(g, x, scale, mean, variance, epsilon)
        gradients = gx, *(value.reshape(scale.shape) for value in channel_gradients)
        return _keep_needed(gradients, needed)


class _LayerNormGradient(PyLayer):
    r"""The pullback of a normalisation, $P(g) = r (g - \overline{g} - n \overline{g n})$ for $n = r (x - m)$.

    It is linear and symmetric in g, so its own pullback of u is P(u) with respect to g. With $\partial r/\partial x =
    -r^2 n / D$ and $\partial\overline{g n}/\partial x = P(g)/D$, it is
    $-r n \langle u, P(g)\rangle/D - r (\overline{u n} P(g) + \overline{g n} P(u))$ with respect to x.
    """

    @staticmethod
    def forward(ctx, g, x, scale, mean, variance, epsilon):
        y = onednn.layer_norm_gradient(g, x, scale, mean, variance, epsilon)[0]
        ctx.save_for_backward(g, x, scale, mean, variance, y.detach())
        ctx.settings = epsilon, tuple(x.shape), [_needs(argument) for argument in (g, x, scale)]
        return y

    @staticmethod
    def backward(ctx, u):
        g, x, scale, mean, variance, y = ctx.saved_tensor()
        epsilon, shape, needed = ctx.settings
        channels, width = x.shape[1], x.size // x.shape[0]
        v = onednn.layer_norm_gradient(u, x, onednn.ones([channels]), mean, variance, epsilon)[0]
        u, v, g, x, y = (_pixels(image).flatten(1) for image in (u, v, g, x, y))
        in_a_row, in_a_column = onednn.ones([1, width]), onednn.ones([u.shape[0], 1])
        pixel_scale = paddle.matmul(in_a_column, onednn.repeat_for_pixels(scale, width // channels).unsqueeze(0))
        scaled = g * pixel_scale

        def row_mean(rows: Tensor) -> Tensor:
            return paddle.matmul(rows, in_a_row, transpose_y=True) / width

        mean, inverse = mean.unsqueeze(1), 1 / paddle.sqrt(variance + epsilon).unsqueeze(1)
        along_u, along_g = (inverse * (row_mean(a * x) - mean * row_mean(a)) for a in (u, scaled))
        factors = -(inverse**2) * row_mean(u * y), -inverse * along_u, -inverse * along_g
        grad_x, *others = (a * paddle.matmul(factor, in_a_row) for a, factor in zip((x - mean, y, v), factors))
        grad_x = grad_x + others[0] + others[1]
        gradients = v * pixel_scale, grad_x, onednn.sum_over_pixels(onednn.sum_rows(g * v), channels)
        gradients = *(_image(rows, shape) for rows in gradients[:2]), gradients[2].reshape(scale.shape)
        return *_keep_needed(gradients, needed), None, None


def _pixels(x: Tensor) -> Tensor:
    """Return an image's pixels, [N, H * W, C], as a view."""
    return onednn.to_channels_last(x).transpose([0, 2, 3, 1]).flatten(1, 2)


def _features(x: Tensor) -> Tensor:
    """Return the features of every pixel, [N * H * W, C], or of every sample, as a view."""
    return _pixels(x).flatten(0, 1) if len(x.shape) == 4 else x


def _reshape_features(features: Tensor, shape: Sequence[int]) -> Tensor:
    return _image(features, shape) if len(shape) == 4 else features


def _image(pixels: Tensor, shape: Sequence[int]) -> Tensor:
    """Return pixels, in any dense shape, as an image [N, C, H, W]."""
    n, c, h, w = shape
    return pixels.reshape([n, h, w, c]).transpose([0, 3, 1, 2])
