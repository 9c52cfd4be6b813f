"""Images stored channels last as rows of pixels or features, and back."""

from __future__ import annotations

from collections.abc import Sequence

from paddle import Tensor

from ppsci_gan.devices import onednn


def view_pixels(x: Tensor) -> Tensor:
    """Return an image's pixels, [N, H * W, C], as a view."""
    return onednn.to_channels_last(x).transpose([0, 2, 3, 1]).flatten(1, 2)


def view_features(x: Tensor) -> Tensor:
    """Return the features of every pixel, [N * H * W, C], or of every sample, as a view."""
    return view_pixels(x).flatten(0, 1) if len(x.shape) == 4 else x


def reshape_features(features: Tensor, shape: Sequence[int]) -> Tensor:
    """Return ``view_features``' result as the image or samples of that shape."""
    return to_image(features, shape) if len(shape) == 4 else features


def to_image(pixels: Tensor, shape: Sequence[int]) -> Tensor:
    """Return pixels, in any dense shape, as an image [N, C, H, W]."""
    n, c, h, w = shape
    return pixels.reshape([n, h, w, c]).transpose([0, 3, 1, 2])
