"""How tensors are stored: images keep their shape [N, C, H, W], but lie channels last in memory."""

from __future__ import annotations

from collections.abc import Sequence

import paddle
from paddle import Tensor
from paddle import _C_ops

from ppsci_gan.devices.onednn.library import Handle
from ppsci_gan.devices.onednn.library import create
from ppsci_gan.devices.onednn.library import describe
from ppsci_gan.devices.onednn.library import get_engine
from ppsci_gan.devices.onednn.primitives import CPU
from ppsci_gan.devices.onednn.primitives import Primitive
from ppsci_gan.devices.onednn.primitives import cached

Layout = tuple[tuple[int, ...], tuple[int, ...]]  # shape and strides


def get_layout(x: Tensor) -> Layout:
    """Return a tensor's shape and strides, which primitives are cached by."""
    return tuple(x.shape), tuple(x.strides)


def describe_image(shape: Sequence[int]) -> Handle:
    """Return the memory descriptor of an image [N, C, H, W] that is stored channels last."""
    return describe(shape, channels_last_strides(shape))


def channels_last_strides(shape: Sequence[int]) -> tuple[int, ...]:
    """Return the strides of an image [N, C, H, W] that is stored as a dense [N, H, W, C]."""
    _, c, h, w = shape
    return c * h * w, 1, c * w, c


def is_channels_last(x: Tensor) -> bool:
    """Whether an image is stored as a dense [N, H, W, C].

    Args:
        x: [N, C, H, W].

    Examples:
        >>> import paddle
        >>> from ppsci_gan.devices import onednn
        >>> onednn.is_channels_last(paddle.zeros([1, 2, 3, 3]))
        False
        >>> onednn.is_channels_last(paddle.zeros([1, 1, 3, 3]))
        True
    """
    shape = x.shape
    # The stride of an axis of size 1 is irrelevant.
    return all(size == 1 or own == wanted for size, own, wanted in zip(shape, x.strides, channels_last_strides(shape)))


def empty_image(shape: Sequence[int]) -> Tensor:
    """Return an uninitialised image that is stored channels last.

    Args:
        shape: [N, C, H, W].

    Examples:
        >>> from ppsci_gan.devices import onednn
        >>> onednn.empty_image([1, 2, 3, 4]).strides
        [24, 1, 8, 2]
    """
    n, c, h, w = shape
    return _C_ops.transpose(empty([n, h, w, c]), [0, 3, 1, 2])


def to_channels_last(x: Tensor) -> Tensor:
    """Return an image stored channels last, copied only if necessary.

    Args:
        x: [N, C, H, W].

    Examples:
        >>> import paddle
        >>> from ppsci_gan.devices import onednn
        >>> onednn.is_channels_last(onednn.to_channels_last(paddle.zeros([1, 2, 3, 3])))
        True
    """
    if is_channels_last(x):
        return x
    copy = empty_image(x.shape)
    make_reorder(get_layout(x), get_layout(copy))(src=x, dst=copy)
    return copy


@cached
def make_reorder(source: Layout, target: Layout) -> Primitive:
    """Return the copy of a tensor ``src`` into ``dst``, which has another layout."""
    src, dst = describe(*source), describe(*target)
    return Primitive(
        create("reorder_primitive_desc_create", src, get_engine(), dst, get_engine(), None), src=src, dst=dst
    )


def empty(shape: Sequence[int]) -> Tensor:
    """Return an uninitialised, dense tensor in host memory."""
    return _C_ops.empty(shape, paddle.float32, CPU)


def ones(shape: Sequence[int]) -> Tensor:
    """Return ones in host memory.

    Args:
        shape: Any shape.
    """
    return _C_ops.full(shape, 1.0, paddle.float32, CPU)
