"""The moving average of a generator."""

from __future__ import annotations

import itertools

import numpy as np
import paddle
from paddle import nn
from ppsci.utils import ema

from ppsci_gan.training import precision


class GeneratorAverage(ema.ExponentialMovingAverage):
    """ppsci's moving average, extended to the buffers: batch-norm statistics must match the averaged weights.

    It is kept in float32, also of half-precision weights: in half, small steps would round to none.

    Args:
        generator: The network.
        decay: Share that stays, per update.
        optimizer: The generator's, which may hold float32 masters of its weights.

    Examples:
        >>> from paddle import nn
        >>> from ppsci_gan.training.average import GeneratorAverage
        >>> average = GeneratorAverage(nn.Linear(2, 2), decay=0.9)
        >>> average.update()
        >>> int(average.n_avg)
        1
    """

    def __init__(self, generator: nn.Layer, decay: float, optimizer: paddle.optimizer.Optimizer | None = None):
        super().__init__(generator, decay)
        self.optimizer = optimizer

    def start_from(self, arrays: dict[str, np.ndarray]) -> None:
        """Initialise the average from given values, such as the average of the run that this one continues.

        Args:
            arrays: Arrays by the names of parameters and buffers; those that are not named begin as they are.
        """
        for name, value in arrays.items():
            shadow = self.params_shadow[name]
            shadow.set_value(paddle.to_tensor(value).astype(shadow.dtype))

    @paddle.no_grad()
    def restart(self) -> None:
        """Reset the average to the generator's current weights."""
        for name, value in self._named_values():
            self.params_shadow[name].set_value(precision.to_float32(value, self.optimizer))

    def _named_values(self):
        return itertools.chain(self.model.named_parameters(), self.model.named_buffers())

    @paddle.no_grad()
    def update(self) -> None:
        """Move the average one step towards the generator."""
        for name, value in self._named_values():
            if paddle.is_floating_point(value):
                shadow = self.params_shadow[name]
                # lerp_, which ppsci calls, does the same at a quarter of the speed.
                shadow.add_((precision.to_float32(value, self.optimizer) - shadow) * (1 - self.decay))
            else:
                self.params_shadow[name].set_value(value)
        self.n_avg += 1

    @paddle.no_grad()
    def apply_shadow(self) -> None:
        """Swap the average into the generator; ``restore`` swaps it back."""
        for name, value in self._named_values():
            self.params_backup[name] = value.clone()
            paddle.assign(self.params_shadow[name].astype(value.dtype), value)
