"""Batch and layer normalisation."""

from __future__ import annotations

import ctypes

from paddle import Tensor

from ppsci_gan.devices.onednn.layouts import describe_image
from ppsci_gan.devices.onednn.layouts import empty
from ppsci_gan.devices.onednn.layouts import empty_image
from ppsci_gan.devices.onednn.layouts import to_channels_last
from ppsci_gan.devices.onednn.library import BACKWARD
from ppsci_gan.devices.onednn.library import FORWARD_TRAINING
from ppsci_gan.devices.onednn.library import Handle
from ppsci_gan.devices.onednn.library import create
from ppsci_gan.devices.onednn.library import describe
from ppsci_gan.devices.onednn.library import get_engine
from ppsci_gan.devices.onednn.primitives import Primitive
from ppsci_gan.devices.onednn.primitives import cached
from ppsci_gan.devices.onednn.products import sum_rows

_USE_SCALE, _USE_SHIFT = 2, 4


def batch_norm(x: Tensor, scale: Tensor, shift: Tensor, epsilon: float) -> tuple[Tensor, Tensor, Tensor]:
    """Normalise every channel by the batch's mean and variance, then scale and shift it.

    Args:
        x: [N, C, H, W].
        scale: [C].
        shift: [C].
        epsilon: Added to the variance.

    Returns:
        The result [N, C, H, W], channels last, and mean and (biased) variance [C].
    """
    y, mean, variance = empty_image(x.shape), empty(scale.shape), empty(scale.shape)
    primitive = _batch_norm(tuple(x.shape), epsilon)
    primitive(src=to_channels_last(x), scale=scale, shift=shift, dst=y, mean=mean, variance=variance)
    return y, mean, variance


def batch_norm_gradient(
    g: Tensor, x: Tensor, scale: Tensor, mean: Tensor, variance: Tensor, epsilon: float
) -> tuple[Tensor, Tensor, Tensor]:
    """Return the gradients of ``batch_norm`` with respect to its images, scale and shift.

    Args:
        g: Gradient with respect to the result, [N, C, H, W].
        x: The images.
        scale: [C].
        mean: From ``batch_norm``, [C].
        variance: From ``batch_norm``, [C].
        epsilon: As for ``batch_norm``.
    """
    grad_x, grad_scale, grad_shift = empty_image(x.shape), empty(scale.shape), empty(scale.shape)
    statistics = {"scale": scale, "mean": mean, "variance": variance}
    gradients = {"diff_src": grad_x, "diff_scale": grad_scale, "diff_shift": grad_shift}
    primitive = _batch_norm_gradient(tuple(x.shape), epsilon)
    primitive(diff_dst=to_channels_last(g), src=to_channels_last(x), **statistics, **gradients)
    return grad_x, grad_scale, grad_shift


def layer_norm(x: Tensor, scale: Tensor, shift: Tensor, epsilon: float) -> tuple[Tensor, Tensor, Tensor]:
    """Normalise every image by its mean and variance, then scale and shift every channel.

    Args:
        x: [N, C, H, W].
        scale: [C].
        shift: [C].
        epsilon: Added to the variance.

    Returns:
        The result [N, C, H, W], channels last, and mean and (biased) variance [N].
    """
    y, mean, variance = empty_image(x.shape), empty([x.shape[0]]), empty([x.shape[0]])
    pixels = x.shape[2] * x.shape[3]
    given = {"scale": repeat_for_pixels(scale, pixels), "shift": repeat_for_pixels(shift, pixels)}
    _layer_norm(tuple(x.shape), epsilon)(src=to_channels_last(x), dst=y, mean=mean, variance=variance, **given)
    return y, mean, variance


def layer_norm_gradient(
    g: Tensor, x: Tensor, scale: Tensor, mean: Tensor, variance: Tensor, epsilon: float
) -> tuple[Tensor, Tensor, Tensor]:
    """Return the gradients of ``layer_norm`` with respect to its images, scale and shift.

    Args:
        g: Gradient with respect to the result, [N, C, H, W].
        x: The images.
        scale: [C].
        mean: From ``layer_norm``, [N].
        variance: From ``layer_norm``, [N].
        epsilon: As for ``layer_norm``.
    """
    width = x.size // x.shape[0]
    grad_x, grad_scale, grad_shift = empty_image(x.shape), empty([width]), empty([width])
    scale = repeat_for_pixels(scale, width // x.shape[1])
    # The gradient does not depend on the shift, but oneDNN 3.6 requires one.
    given = {"scale": scale, "shift": scale, "mean": mean, "variance": variance}
    gradients = {"diff_src": grad_x, "diff_scale": grad_scale, "diff_shift": grad_shift}
    _layer_norm_gradient(tuple(x.shape), epsilon)(
        diff_dst=to_channels_last(g), src=to_channels_last(x), **given, **gradients
    )
    return grad_x, *(sum_over_pixels(values, x.shape[1]) for values in (grad_scale, grad_shift))


def repeat_for_pixels(values: Tensor, pixels: int) -> Tensor:
    """Repeat values per channel for every pixel of an image stored channels last.

    Args:
        values: [C], or C values in another shape.
        pixels: Number of pixels.

    Returns:
        [pixels * C].
    """
    return values.reshape([1, -1]).tile([pixels, 1]).reshape([-1])


def sum_over_pixels(values: Tensor, channels: int) -> Tensor:
    """Sum the values of every channel over the pixels of an image stored channels last.

    Args:
        values: [pixels * C].
        channels: C.

    Returns:
        [C].
    """
    return sum_rows(values.reshape([-1, channels]))


def _batch_norm_descriptor(shape, epsilon: float) -> Handle:
    settings = ctypes.c_float(epsilon), _USE_SCALE | _USE_SHIFT, None
    arguments = get_engine(), FORWARD_TRAINING, describe_image(shape), describe_image(shape), *settings
    return create("batch_normalization_forward_primitive_desc_create", *arguments)


@cached
def _batch_norm(shape, epsilon: float) -> Primitive:
    vectors = {name: describe([shape[1]], [1]) for name in ("scale", "shift", "mean", "variance")}
    return Primitive(
        _batch_norm_descriptor(shape, epsilon), src=describe_image(shape), dst=describe_image(shape), **vectors
    )


@cached
def _batch_norm_gradient(shape, epsilon: float) -> Primitive:
    settings = ctypes.c_float(epsilon), _USE_SCALE | _USE_SHIFT, _batch_norm_descriptor(shape, epsilon), None
    arguments = get_engine(), BACKWARD, describe_image(shape), describe_image(shape), describe_image(shape), *settings
    images = {name: describe_image(shape) for name in ("diff_dst", "src", "diff_src")}
    vectors = {name: describe([shape[1]], [1]) for name in ("scale", "mean", "variance", "diff_scale", "diff_shift")}
    descriptor = create("batch_normalization_backward_primitive_desc_create", *arguments)
    return Primitive(descriptor, **images, **vectors)


def _layer_norm_descriptor(shape, epsilon: float) -> tuple[Handle, dict[str, Handle]]:
    """Return the forward pass's descriptor, and those of all arguments: an image is a row of values."""
    n, width = shape[0], shape[1] * shape[2] * shape[3]
    rows = {name: describe([n, width], [width, 1]) for name in ("src", "dst", "diff_src", "diff_dst")}
    statistics = {name: describe([n], [1]) for name in ("mean", "variance")}
    vectors = {name: describe([width], [1]) for name in ("scale", "shift", "diff_scale", "diff_shift")}
    settings = ctypes.c_float(epsilon), _USE_SCALE | _USE_SHIFT, None
    arguments = get_engine(), FORWARD_TRAINING, rows["src"], rows["dst"], statistics["mean"], *settings
    descriptor = create("layer_normalization_forward_primitive_desc_create", *arguments)
    return descriptor, {**rows, **statistics, **vectors}


@cached
def _layer_norm(shape, epsilon: float) -> Primitive:
    descriptor, tensors = _layer_norm_descriptor(shape, epsilon)
    return Primitive(
        descriptor, **{name: tensors[name] for name in ("src", "dst", "mean", "variance", "scale", "shift")}
    )


@cached
def _layer_norm_gradient(shape, epsilon: float) -> Primitive:
    hint, tensors = _layer_norm_descriptor(shape, epsilon)
    images = (tensors[name] for name in ("diff_src", "diff_dst", "src"))
    settings = ctypes.c_float(epsilon), _USE_SCALE | _USE_SHIFT, hint, None
    arguments = get_engine(), BACKWARD, *images, tensors["mean"], *settings
    descriptor = create("layer_normalization_backward_primitive_desc_create", *arguments)
    names = ("diff_src", "diff_dst", "src", "mean", "variance", "scale", "shift", "diff_scale", "diff_shift")
    return Primitive(descriptor, **{name: tensors[name] for name in names})
