"""Batch, layer and pixel normalisation, and the modulation of channels."""

from __future__ import annotations

import paddle
from paddle import Tensor
from paddle import nn
from paddle.autograd import PyLayer

from ppsci_gan.devices import onednn
from ppsci_gan.networks.layers.kernels import keep_needed
from ppsci_gan.networks.layers.kernels import needs_gradient
from ppsci_gan.networks.layers.kernels import use_onednn
from ppsci_gan.networks.layers.views import reshape_features
from ppsci_gan.networks.layers.views import to_image
from ppsci_gan.networks.layers.views import view_features
from ppsci_gan.networks.layers.views import view_pixels


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
        if not self.training or self._use_global_stats or not use_onednn(x, self.weight, self.bias):
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
    if use_onednn(x, scale, offset):
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
    if use_onednn(x):
        return _PixelNorm.apply(x, epsilon)
    # Not 1 / ..., an operation that paddle2onnx does not know. A product is faster than a quotient in Paddle Inference.
    return x * (paddle.ones([1], x.dtype) / paddle.sqrt((x * x).mean(axis=1, keepdim=True) + epsilon))


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
    if use_onednn(x, scale, offset):
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
    if use_onednn(g, x, scale):
        return _LayerNormGradient.apply(g, x, scale, mean.detach(), variance.detach(), epsilon)
    deviation = paddle.sqrt(variance + epsilon).unsqueeze(1)
    normalized = (x.reshape([x.shape[0], -1]) - mean.unsqueeze(1)) / deviation
    g = (g.reshape([g.shape[0], g.shape[1], -1]) * scale.reshape([-1, 1])).reshape(normalized.shape)
    along = (g * normalized).mean(axis=[1], keepdim=True)
    return ((g - g.mean(axis=[1], keepdim=True) - normalized * along) / deviation).reshape(x.shape)


class _BatchNorm(PyLayer):
    @staticmethod
    def forward(ctx, x, weight, bias, epsilon):
        y, mean, variance = onednn.batch_norm(x, weight, bias, epsilon)
        ctx.save_for_backward(x, weight, mean.detach(), variance.detach())
        ctx.settings = epsilon, [needs_gradient(argument) for argument in (x, weight, bias)]
        return y, mean, variance

    @staticmethod
    def backward(ctx, g, *_):
        epsilon, needed = ctx.settings
        gradients = onednn.batch_norm_gradient(g, *ctx.saved_tensor(), epsilon)
        return keep_needed(gradients, needed)


class _Modulate(PyLayer):
    @staticmethod
    def forward(ctx, x, scale, offset):
        ctx.save_for_backward(x, scale)
        ctx.needed = [needs_gradient(argument) for argument in (x, scale, offset)]
        ones = onednn.ones([x.shape[0], x.shape[2] * x.shape[3], 1])
        scale, offset = (paddle.matmul(ones, value.unsqueeze(1)) for value in (scale, offset))
        return to_image(view_pixels(x) * scale + offset, x.shape)

    @staticmethod
    def backward(ctx, g):
        x, scale = ctx.saved_tensor()
        shape, g, x = x.shape, view_pixels(g), view_pixels(x)
        ones = onednn.ones([shape[0], 1, g.shape[1]])
        grad_scale, grad_offset = (paddle.matmul(ones, value).squeeze(1) for value in (g * x, g))
        scale = paddle.matmul(ones, scale.unsqueeze(1), transpose_x=True)
        gradients = to_image(g * scale, shape), grad_scale, grad_offset
        return keep_needed(gradients, ctx.needed)


class _PixelNorm(PyLayer):
    @staticmethod
    def forward(ctx, x, epsilon):
        rows = view_features(x)
        ones = onednn.ones([rows.shape[1], 1])
        mean_square = paddle.matmul(rows * rows, ones) / rows.shape[1]
        factor = paddle.matmul(1 / paddle.sqrt(mean_square + epsilon), ones, transpose_y=True)
        y = rows * factor
        ctx.save_for_backward(y.detach(), factor)
        return reshape_features(y, x.shape)

    @staticmethod
    def backward(ctx, g):
        y, factor = ctx.saved_tensor()
        rows = view_features(g)
        ones = onednn.ones([rows.shape[1], 1])
        along = paddle.matmul(paddle.matmul(rows * y, ones) / rows.shape[1], ones, transpose_y=True)
        return reshape_features((rows - y * along) * factor, g.shape)


class _LayerNorm(PyLayer):
    @staticmethod
    def forward(ctx, x, scale, offset, epsilon):
        y, mean, variance = onednn.layer_norm(x, scale, offset, epsilon)
        ctx.save_for_backward(x, scale, mean.detach(), variance.detach())
        ctx.settings = epsilon, [needs_gradient(argument) for argument in (x, scale, offset)]
        return y, mean, variance

    @staticmethod
    def backward(ctx, g, *_):
        x, scale, mean, variance = ctx.saved_tensor()
        epsilon, needed = ctx.settings
        gx, *channel_gradients = onednn.layer_norm_gradient(g, x, scale, mean, variance, epsilon)
        gradients = gx, *(value.reshape(scale.shape) for value in channel_gradients)
        return keep_needed(gradients, needed)


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
        ctx.settings = epsilon, tuple(x.shape), [needs_gradient(argument) for argument in (g, x, scale)]
        return y

    @staticmethod
    def backward(ctx, u):
        g, x, scale, mean, variance, y = ctx.saved_tensor()
        epsilon, shape, needed = ctx.settings
        channels, width = x.shape[1], x.size // x.shape[0]
        v = onednn.layer_norm_gradient(u, x, onednn.ones([channels]), mean, variance, epsilon)[0]
        u, v, g, x, y = (view_pixels(image).flatten(1) for image in (u, v, g, x, y))
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
        gradients = *(to_image(rows, shape) for rows in gradients[:2]), gradients[2].reshape(scale.shape)
        return *keep_needed(gradients, needed), None, None
