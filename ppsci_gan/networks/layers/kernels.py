"""Which kernels compute the layers on the CPU: oneDNN's or Paddle's own."""

from __future__ import annotations

from collections.abc import Iterator
from collections.abc import Sequence
from contextlib import contextmanager

import paddle
from paddle import Tensor
from paddle import nn

from ppsci_gan.devices import onednn
from ppsci_gan.errors import InputError

KERNELS = ("auto", "onednn", "paddle")
NAMES = {"onednn": "oneDNN", "paddle": "Paddle's own kernels"}


class _Choice:
    """Whether to use oneDNN's kernels on the CPU."""

    onednn = True


class WeightedLayer:
    """Base of the layers with weights, of which ``uses_onednn`` says whether oneDNN computes them."""


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
    found = [layer for layer in network.sublayers() if isinstance(layer, WeightedLayer)]
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


def use_onednn(*tensors: Tensor | None) -> bool:
    """Whether oneDNN is to compute an operation on these tensors."""
    return (
        _Choice.onednn
        and onednn.is_available()
        and paddle.in_dynamic_mode()
        and all(x is None or x.dtype == paddle.float32 and x.place.is_cpu_place() for x in tensors)
    )


def needs_gradient(x: Tensor) -> bool:
    """Whether a gradient with respect to this tensor is asked for: a ``PyLayer`` may return no other."""
    return not x.stop_gradient


def keep_needed(gradients: Sequence[Tensor], needed: Sequence[bool]) -> tuple[Tensor | None, ...]:
    """Return None for the gradients that are not needed."""
    return tuple(gradient if needs else None for gradient, needs in zip(gradients, needed))
