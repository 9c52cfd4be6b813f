"""A trial of a training step, so that a device that cannot do it is found before the training and not during it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

import paddle
from paddle import nn

from ppsci_gan.errors import InputError

# How Paddle names what is missing: a kernel, a gradient, a gradient of a gradient.
_MISSING = (
    re.compile(r"kernel `(\w+)`"),
    re.compile(r"(\w+) doesn't have any grad"),
    re.compile(r"[Oo]perator \W?(\w+)\W? (?:does not|doesn't) have"),
)


@contextmanager
def dry_run(network: nn.Layer, precision: str) -> Iterator[None]:
    """Dry-run a step: restore the network afterwards, and name the operator that the device lacks.

    Args:
        network: Its gradients are cleared, its buffers and running statistics restored afterwards.
        precision: For the message, such as ``float32``.

    Raises:
        InputError: Names the operator and the switch that avoids it.

    Examples:
        >>> import paddle
        >>> from ppsci_gan.training import dry_run
        >>> with dry_run.dry_run(paddle.nn.Linear(2, 2), "float32"):
        ...     raise RuntimeError("The kernel `conv2d_double_grad` is not registered.")
        Traceback (most recent call last):
            ...
        ppsci_gan.errors.InputError: cpu cannot train this in float32: it has no conv2d_double_grad. ...
    """
    try:
        with preserve_state(network):
            yield
    except (RuntimeError, NotImplementedError, ValueError) as error:
        operator = next((match[1] for pattern in _MISSING if (match := pattern.search(str(error)))), None)
        if operator is None:
            raise
        raise InputError(
            f"{paddle.device.get_device()} cannot train this in {precision}: it has no {operator}. "
            f"{_way_out(operator, str(error), precision)}"
        ) from error
    finally:
        network.clear_gradients(set_to_zero=False)


@contextmanager
def preserve_state(network: nn.Layer) -> Iterator[None]:
    """Restore what training-mode forward passes change: buffers and running statistics.

    Args:
        network: Any.

    Examples:
        >>> import paddle
        >>> from ppsci_gan.training import dry_run
        >>> layer = paddle.nn.BatchNorm1D(2)
        >>> with dry_run.preserve_state(layer):
        ...     out = layer(paddle.ones([4, 2]))
        >>> layer._mean.tolist()
        [0.0, 0.0]
    """
    # Paddle keeps running statistics as parameters that do not learn.
    fixed = [value for value in network.parameters() if value.stop_gradient]
    kept = [(value, value.clone()) for value in [*network.buffers(), *fixed]]
    try:
        yield
    finally:
        with paddle.no_grad():
            for value, before in kept:
                value.set_value(before)


def _way_out(operator: str, error: str, precision: str) -> str:
    if "double_grad" in operator or "doesn't have any grad" in error:
        return "LOSS.penalty_gradient=explicit needs no second-order operator."
    if precision != "float32":
        return "Take another amp_dtype, or use_amp=false."
    return "python -m ppsci_gan.commands.device lists what it has; device=cpu has all."
