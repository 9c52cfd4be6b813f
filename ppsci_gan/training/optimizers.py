"""Adam with a linear schedule, and an optimizer's state under the names of its network's parameters."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import paddle
import ppsci
from paddle import nn


def adam(
    player: nn.Layer, epochs: int, iters_per_epoch: int, learning_rate: float, end_lr: float, beta1: float, beta2: float
) -> paddle.optimizer.Adam:
    """Return Adam for a player, its learning rate linear over the training.

    Args:
        player: The network that it updates.
        epochs: Of the training.
        iters_per_epoch: Of the training.
        learning_rate: At the beginning.
        end_lr: At the end; equal to ``learning_rate``: constant.
        beta1: Decay of the mean of gradients.
        beta2: Decay of the mean of their squares.

    Examples:
        >>> import paddle
        >>> from ppsci_gan.training.optimizers import adam
        >>> adam(paddle.nn.Linear(2, 2), 10, 100, 1e-3, 0.0, 0.5, 0.9).get_lr()
        0.001
    """
    schedule = ppsci.optimizer.lr_scheduler.Linear(epochs, iters_per_epoch, learning_rate, end_lr)()
    return ppsci.optimizer.Adam(schedule, beta1, beta2)(player)


def optimizer_state(optimizer: paddle.optimizer.Optimizer, model: nn.Layer) -> dict[str, paddle.Tensor]:
    """Return an optimizer's tensors under the names of the network's parameters.

    Paddle names them after counters of layers ever built, which differ from process to process.

    Args:
        optimizer: The optimizer.
        model: The network whose parameters it updates.

    Returns:
        Tensors by ``<parameter>/<slot>``, such as ``output.bias/moment1_0``.
    """
    state, named = optimizer.state_dict(), {}
    for name, parameter in model.named_parameters():
        prefix = f"{_updated(parameter, optimizer)}_"
        named.update({f"{name}/{key[len(prefix) :]}": value for key, value in state.items() if key.startswith(prefix)})
    return named


def set_optimizer_state(optimizer: paddle.optimizer.Optimizer, model: nn.Layer, arrays: dict[str, np.ndarray]) -> None:
    """Restore what ``optimizer_state`` returned, or begin anew what it lacks; the scheduler keeps its own state.

    Args:
        optimizer: The optimizer.
        model: The network whose parameters it updates.
        arrays: Arrays by ``<parameter>/<slot>``.

    Raises:
        ValueError: One of them is of no parameter, or of another shape than its.
    """
    parameters = dict(model.named_parameters())
    # Of an optimizer that has made steps already, Paddle wants a state of everything that these have touched.
    present = {name: value.numpy() for name, value in optimizer_state(optimizer, model).items()}
    state, known = {}, {}
    for key, value in {**_begun_anew(optimizer, present), **arrays}.items():
        name, _, slot = key.rpartition("/")
        if (
            name not in parameters
            or value.dtype.kind != "f"
            or value.shape not in (tuple(parameters[name].shape), (1,))
        ):
            raise ValueError(f"{key}, {value.dtype} {list(value.shape)}, is of no parameter of {type(model).__name__}")
        known[name] = parameters[name]
        state[f"{_updated(parameters[name], optimizer)}_{slot}"] = paddle.to_tensor(value)
    if isinstance(optimizer._learning_rate, paddle.optimizer.lr.LRScheduler):
        state["LR_Scheduler"] = optimizer._learning_rate.state_dict()
    optimizer.set_state_dict(state)
    # Paddle would wait for the first step, and then want a state of every parameter. One that had no gradient yet, such
    # as of a layer that comes in later, has none.
    optimizer._create_accumulators(paddle.static.default_main_program().global_block(), list(known.values()))
    optimizer._accumulators_holder = {}


def reset_optimizer(optimizer: paddle.optimizer.Adam, model: nn.Layer) -> None:
    """Reset Adam's moments to zero.

    Args:
        optimizer: The optimizer.
        model: The network whose parameters it updates.
    """
    set_optimizer_state(optimizer, model, {})


def _begun_anew(optimizer: paddle.optimizer.Optimizer, state: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Return the state that an optimizer begins with: sums of zero, and of Adam the powers of its decays."""
    begun = {}
    for name, value in state.items():
        slot = name.rpartition("/")[2]
        is_power = slot.startswith(("beta1_pow", "beta2_pow"))
        begun[name] = np.full_like(value, getattr(optimizer, f"_{slot[:5]}") if is_power else 0)
    return begun


@contextmanager
def scale_rate(optimizer: paddle.optimizer.Optimizer, factor: float) -> Iterator[None]:
    """Let an optimizer take smaller steps than its schedule says.

    Args:
        optimizer: The optimizer.
        factor: Of the learning rate.

    Examples:
        >>> import paddle
        >>> from ppsci_gan.training.optimizers import adam, scale_rate
        >>> optimizer = adam(paddle.nn.Linear(2, 2), 10, 100, 1e-3, 0.0, 0.5, 0.9)
        >>> with scale_rate(optimizer, 0.5):
        ...     print(optimizer.get_lr())
        0.0005
        >>> optimizer.get_lr()
        0.001
    """
    schedule, before = optimizer._learning_rate, optimizer.get_lr()

    def set_rate(rate: float) -> None:
        if isinstance(schedule, paddle.optimizer.lr.LRScheduler):
            schedule.last_lr = rate
        else:
            optimizer.set_lr(rate)

    if factor == 1:
        yield
        return
    set_rate(before * factor)
    try:
        yield
    finally:
        set_rate(before)


def _updated(parameter: paddle.Tensor, optimizer: paddle.optimizer.Optimizer) -> str:
    """Return Paddle's name of what the optimizer updates: of a half-precision parameter its float32 master."""
    return optimizer._master_weights.get(parameter.name, parameter).name
