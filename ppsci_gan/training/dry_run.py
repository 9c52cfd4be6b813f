"""A trial of a training step, so that a device that cannot do it is found before the training and not during it."""

from __future__ import annotations

import functools
import re
import time
from collections.abc import Callable
from collections.abc import Iterator
from contextlib import contextmanager

import paddle
from paddle import nn

from ppsci_gan.devices import memory
from ppsci_gan.errors import InputError

LONGEST = 24 * 3600  # seconds of an iteration

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


def check_batch(run: Callable[[int], None], batch_size: int, place: str, advice: str) -> float:
    """Run a few samples, and refuse a batch that, by what those took, does not fit into memory.

    Args:
        run: Runs so many samples.
        batch_size: Samples that will be run.
        place: The activity, for the error.
        advice: The settings that reduce memory.

    Returns:
        Seconds that the few took.

    Raises:
        InputError: There is not enough memory.

    Examples:
        >>> import paddle
        >>> from ppsci_gan.training import dry_run
        >>> dry_run.check_batch(lambda samples: paddle.zeros([samples, 1000]), 10**12, "phase critic", "Take fewer.")
        Traceback (most recent call last):
            ...
        ppsci_gan.errors.InputError: phase critic: 1000000000000 samples need about 4,... GB of memory, where ...
        Take fewer.
    """
    fewer, few = min(2, batch_size), min(8, batch_size)
    base = memory.measure(functools.partial(run, fewer))
    start = time.perf_counter()
    more = memory.measure(functools.partial(run, few))
    seconds = time.perf_counter() - start
    needed = more + (more - base) / max(1, few - fewer) * (batch_size - few)
    free = memory.free_bytes()
    if free is not None and needed > free:
        raise InputError(
            f"{place}: {batch_size} samples need about {needed / 1e9:,.1f} GB of memory, where {free / 1e9:,.1f} GB "
            f"are free.\n{advice}"
        )
    return seconds


def check_duration(seconds: float) -> None:
    """Refuse an iteration, after which a run can first be stopped or saved, that takes too long to wait for.

    Args:
        seconds: What it takes at least.

    Raises:
        InputError: It takes more than a day.

    Examples:
        >>> from ppsci_gan.training import dry_run
        >>> dry_run.check_duration(1e6)
        Traceback (most recent call last):
            ...
        ppsci_gan.errors.InputError: An iteration would take 12 days or more, ...
    """
    if seconds > LONGEST:
        raise InputError(
            f"An iteration would take {seconds / LONGEST:,.0f} days or more, and nothing is shown or saved before it "
            "ends. Make TRAIN.n_critic (or TRAIN.n_gen) or TRAIN.update_freq smaller."
        )


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
