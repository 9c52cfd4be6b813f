"""Input gradients as a forward computation, so that a gradient penalty needs no second-order operator.

A critic written with this module's functions runs on plain tensors as usual. Given a ``Traced`` tensor, each step also
records its pullback, which maps the gradient of its result to that of its argument. Pullbacks use first-order operators
only (that of a convolution is a transposed convolution), so one ordinary backward pass differentiates the input
gradient with respect to the parameters. Devices without second-order kernels, such as Ascend's, can therefore train
with a gradient penalty.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from collections.abc import Sequence
from math import prod

import paddle
from paddle import Tensor
from paddle import nn

from ppsci_gan.errors import InputError
from ppsci_gan.networks import layers

_numbers = itertools.count()
Scaled = tuple[Tensor, Tensor]  # weights and bias to use instead of a layer's own


class Traced:
    """Tensor that records the steps leading to it.

    It supports the operators and methods of tensors that critics use.

    Args:
        value: The tensor.
        sources: Pairs of a traced argument of the last step and its pullback.

    Examples:
        >>> import paddle
        >>> from ppsci_gan.networks.traced import Traced
        >>> (2 * Traced(paddle.to_tensor([1.0])) + 1).value.tolist()
        [3.0]
    """

    def __init__(self, value: Tensor, *sources: tuple[Traced, Callable[[Tensor], Tensor]]):
        self.value = value
        self.sources = sources
        self.number = next(_numbers)  # increases with every step

    @property
    def shape(self) -> list[int]:
        """Shape of the tensor."""
        return self.value.shape

    @property
    def dtype(self) -> paddle.dtype:
        """Type of the tensor."""
        return self.value.dtype

    def __add__(self, other: Traced | Tensor | float) -> Traced:
        return _elementwise(_value(self) + _value(other), (self, lambda g: g), (other, lambda g: g))

    def __sub__(self, other: Traced | Tensor | float) -> Traced:
        return _elementwise(_value(self) - _value(other), (self, lambda g: g), (other, lambda g: -g))

    def __mul__(self, other: Traced | Tensor | float) -> Traced:
        a, b = _value(self), _value(other)
        return _elementwise(a * b, (self, lambda g: g * b), (other, lambda g: g * a))

    def __truediv__(self, other: Traced | Tensor | float) -> Traced:
        a, b = _value(self), _value(other)
        return _elementwise(a / b, (self, lambda g: g / b), (other, lambda g: -g * a / (b * b)))

    __radd__, __rmul__ = __add__, __mul__

    def reshape(self, shape: Sequence[int]) -> Traced:
        """Return the same values in another shape."""
        return Traced(self.value.reshape(shape), (self, lambda g: g.reshape(self.shape)))

    def squeeze(self, axis: int) -> Traced:
        """Remove an axis of size 1."""
        return Traced(self.value.squeeze(axis), (self, lambda g: g.reshape(self.shape)))

    def mean(self, axis: Sequence[int], keepdim: bool = False) -> Traced:
        """Return the mean over axes."""
        kept = [1 if i in axis else size for i, size in enumerate(self.shape)]
        count = prod(self.shape[i] for i in axis)
        return Traced(
            self.value.mean(axis=axis, keepdim=keepdim), (self, lambda g: (g.reshape(kept) / count).expand(self.shape))
        )


def linear(
    layer: layers.Linear, x: Traced | Tensor, slope: float | None = None, scaled: Scaled | None = None
) -> Traced | Tensor:
    """Apply a linear layer; its pullback is the product with the transposed weights.

    Args:
        layer: The layer.
        x: [N, in_features].
        slope: Negative slope of a rectifier after it: 0 for ReLU, None for no rectifier.
        scaled: Weights and bias to use instead of the layer's own.

    Returns:
        [N, out_features], traced if ``x`` is.
    """
    y = layers.linear(_value(x), *scaled, slope) if scaled else _apply(layer, x, slope)
    weight = scaled[0] if scaled else layer.weight
    return _with_pullback(x, y, slope, lambda g: paddle.matmul(g, weight, transpose_y=True))


def conv2d(
    layer: layers.Conv2D, x: Traced | Tensor, slope: float | None = None, scaled: Scaled | None = None
) -> Traced | Tensor:
    """Apply a convolution; its pullback is the transposed convolution with the same weights.

    Args:
        layer: The layer, without dilation and groups; channels first.
        x: [N, C, H, W].
        slope: As for ``linear``.
        scaled: As for ``linear``.

    Returns:
        [N, C', H', W'], traced if ``x`` is.
    """
    geometry, size = (layer._stride, layer._padding), x.shape[2:]
    y = layers.conv2d(_value(x), *scaled, *geometry, slope) if scaled else _apply(layer, x, slope)
    weight = scaled[0] if scaled else layer.weight
    return _with_pullback(x, y, slope, lambda g: layers.conv2d_input_gradient(g, weight, *geometry, size))


def _apply(layer: nn.Layer, x: Traced | Tensor, slope: float | None) -> Tensor:
    return layer(_value(x)) if slope is None else layer(_value(x), slope)


def _with_pullback(
    x: Traced | Tensor, y: Tensor, slope: float | None, pullback: Callable[[Tensor], Tensor]
) -> Traced | Tensor:
    if not isinstance(x, Traced):
        return y
    if slope is None:
        return Traced(y, (x, pullback))
    return Traced(y, (x, lambda g: pullback(layers.rectifier_gradient(g, y, slope))))


def relu(x: Traced | Tensor) -> Traced | Tensor:
    """ReLU.

    Args:
        x: Any shape.

    Returns:
        The same shape, traced if ``x`` is.
    """
    if not isinstance(x, Traced):
        return layers.relu(x)
    y = layers.relu(x.value)
    return Traced(y, (x, lambda g: layers.rectifier_gradient(g, y)))


def leaky_relu(x: Traced | Tensor, negative_slope: float = 0.01) -> Traced | Tensor:
    """Leaky ReLU.

    Args:
        x: Any shape.
        negative_slope: Slope for negative values.

    Returns:
        The same shape, traced if ``x`` is.
    """
    if not isinstance(x, Traced):
        return layers.leaky_relu(x, negative_slope)
    y = layers.leaky_relu(x.value, negative_slope)
    return Traced(y, (x, lambda g: layers.rectifier_gradient(g, y, negative_slope)))


def layer_norm2d(layer: layers.LayerNorm2D, x: Traced | Tensor) -> Traced | Tensor:
    """Apply layer normalisation.

    Args:
        layer: The layer.
        x: [N, C, H, W].

    Returns:
        The same shape, traced if ``x`` is.
    """
    if not isinstance(x, Traced):
        return layer(x)
    y, mean, variance = layers.layer_norm2d(x.value, layer.scale, layer.offset, layer.epsilon)

    def pullback(g: Tensor) -> Tensor:
        return layers.layer_norm2d_gradient(g, x.value, layer.scale, mean, variance, layer.epsilon)

    return Traced(y, (x, pullback))


def modulate(x: Traced | Tensor, scale: Tensor, offset: Tensor) -> Traced | Tensor:
    """Scale and shift each channel of each image separately.

    Args:
        x: [N, C, H, W].
        scale: [N, C].
        offset: [N, C].

    Returns:
        [N, C, H, W], traced if ``x`` is.
    """
    if not isinstance(x, Traced):
        return layers.modulate(x, scale, offset)
    none = paddle.zeros_like(offset)
    return Traced(layers.modulate(x.value, scale, offset), (x, lambda g: layers.modulate(g, scale, none)))


def avg_pool2d(x: Traced | Tensor, size: int) -> Traced | Tensor:
    """Mean pooling over squares of size x size pixels.

    Args:
        x: [N, C, H, W], height and width multiples of ``size``.
        size: Window and stride.

    Returns:
        [N, C, H / size, W / size], traced if ``x`` is.
    """
    if not isinstance(x, Traced):
        return layers.avg_pool2d(x, size)
    return Traced(layers.avg_pool2d(x.value, size), (x, lambda g: layers.avg_pool2d_gradient(g, size)))


def add(x: Traced | Tensor, y: Traced | Tensor) -> Traced | Tensor:
    """Add two images of the same shape.

    Args:
        x: [N, C, H, W].
        y: [N, C, H, W].

    Returns:
        [N, C, H, W], traced if one of them is.
    """
    value = layers.add(_value(x), _value(y))
    sources = [(part, lambda g: g) for part in (x, y) if isinstance(part, Traced)]
    return Traced(value, *sources) if sources else value


def fork(x: Traced | Tensor) -> tuple[Traced | Tensor, Traced | Tensor]:
    """Return an image twice, for two branches of a network; see ``layers.fork``.

    Args:
        x: [N, C, H, W].

    Returns:
        Two images [N, C, H, W], traced if ``x`` is.
    """
    if not isinstance(x, Traced):
        return layers.fork(x)
    return tuple(Traced(value, (x, lambda g: g)) for value in layers.fork(x.value))


def concat(parts: Sequence[Traced | Tensor], axis: int) -> Traced | Tensor:
    """Concatenate tensors.

    Args:
        parts: Tensors of the same shape, except along ``axis``.
        axis: Axis of the concatenation.

    Returns:
        One tensor, traced if one of the parts is.
    """
    value = paddle.concat([_value(part) for part in parts], axis)
    if not any(isinstance(part, Traced) for part in parts):
        return value
    sizes = [part.shape[axis] for part in parts]
    pullbacks = [lambda g, i=i: paddle.split(g, sizes, axis)[i] for i in range(len(parts))]
    return Traced(value, *(pair for pair in zip(parts, pullbacks) if isinstance(pair[0], Traced)))


def sqrt(x: Traced | Tensor) -> Traced | Tensor:
    """Square root of positive values.

    Args:
        x: Any shape.

    Returns:
        The same shape, traced if ``x`` is.
    """
    if not isinstance(x, Traced):
        return paddle.sqrt(x)
    root = paddle.sqrt(x.value)
    return Traced(root, (x, lambda g: g / (2 * root)))


def input_gradient(function: Callable, x: Tensor, scale: float = 1.0) -> Tensor:
    """Gradient of a function's sum with respect to its input, differentiable with respect to the parameters.

    Args:
        function: Maps [N, ...] to [N] by this module's functions and tensor operators, such as a critic.
        x: Its input, [N, ...].
        scale: Factor of the gradient throughout the computation, against underflow in half precision.

    Returns:
        The gradient, in the shape of ``x``.

    Raises:
        InputError: The function has an operation without a pullback here.

    Examples:
        >>> import paddle
        >>> from ppsci_gan.networks import traced
        >>> traced.input_gradient(lambda x: (x * x).mean([1]), paddle.to_tensor([[1.0, 2.0]])).tolist()
        [[1.0, 2.0]]
    """
    start = Traced(x)
    try:
        end = function(start)
    except (AttributeError, TypeError, ValueError) as error:
        reason = next((line.strip() for line in str(error).splitlines() if Traced.__name__ in line), None)
        if reason is None:  # not every operator of Paddle says what it was given
            function(x)  # raises the same where it is no matter of tracing
            reason = str(error).strip().partition("\n")[0]
        raise InputError(
            f"This critic's gradient cannot be written out: {reason} Write its forward "
            "pass with the functions of ppsci_gan.networks.traced, or set LOSS.penalty_gradient=autograd."
        ) from error
    gradients = {end: paddle.full_like(end.value, scale)}
    for step in _sort_latest_first(end):
        gradient = gradients.pop(step)
        if step is start:
            return gradient
        copies = layers.fork(gradient) if len(step.sources) == 2 else [gradient] * len(step.sources)
        for (source, pullback), copy in zip(step.sources, copies):
            part = pullback(copy)
            gradients[source] = layers.add(gradients[source], part) if source in gradients else part
    raise InputError("This critic's score does not depend on its input.")


def _sort_latest_first(end: Traced) -> list[Traced]:
    found, waiting = {end}, [end]
    while waiting:
        new = {source for source, _ in waiting.pop().sources} - found
        found |= new
        waiting += new
    return sorted(found, key=lambda step: -step.number)


def _value(x: Traced | Tensor | float) -> Tensor | float:
    return x.value if isinstance(x, Traced) else x


def _elementwise(value: Tensor, *sources: tuple) -> Traced:
    """Trace a step whose arguments were broadcast to its result's shape."""
    return Traced(
        value,
        *(
            (x, lambda g, x=x, pullback=pullback: _sum_to(pullback(g), x.shape))
            for x, pullback in sources
            if isinstance(x, Traced)
        ),
    )


def _sum_to(x: Tensor, shape: list[int]) -> Tensor:
    """Undo a broadcast: sum over the repeated axes."""
    repeated = [i for i, (size, wanted) in enumerate(zip(x.shape, shape)) if size != wanted]
    return x.sum(axis=repeated, keepdim=True) if repeated else x
