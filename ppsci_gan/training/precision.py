"""Mixed precision: products in half precision, sums, losses and updates in single precision."""

from __future__ import annotations

from contextlib import AbstractContextManager
from contextlib import nullcontext
from typing import Any

import paddle
from paddle import Tensor
from paddle import nn
from ppsci.utils import logger

HALF = (paddle.float16, paddle.bfloat16)


class Precision:
    """Mixed precision of a run, with a loss scaler for each player.

    With level O1 the weights stay float32; with O2 they are half, too, and the optimizer holds float32 masters. Either
    way convolutions and matrix products are half, and what sums many values is float32.

    Args:
        enabled: ``use_amp``. On the CPU Paddle computes in float32 whatever it is told, so there it is switched off
            with a warning.
        level: ``O1`` or ``O2``.
        dtype: ``float16``, whose small range needs loss scaling, or ``bfloat16``.

    Examples:
        >>> from ppsci_gan.training.precision import Precision
        >>> Precision(enabled=False).name
        'float32'
    """

    def __init__(self, enabled: bool, level: str = "O1", dtype: str = "float16"):
        if enabled and paddle.device.get_device() == "cpu":
            logger.warning("use_amp=true: Paddle has no mixed precision on the CPU; training in float32.")
            enabled = False
        self.enabled, self.level, self.dtype = enabled, level, dtype

    @property
    def name(self) -> str:
        """For messages: the precision, such as ``float16, O1``."""
        return f"{self.dtype}, {self.level}" if self.enabled else "float32"

    def autocast(self) -> AbstractContextManager:
        """Return the context for a training step: matrix products in half precision."""
        # The same lists for O2: its own would have the arithmetic of losses in half, too.
        return paddle.amp.auto_cast(level="O1", dtype=self.dtype) if self.enabled else nullcontext()

    def autocast_for_evaluation(self) -> AbstractContextManager:
        """Return the context for evaluation: float32, unless the weights are in half precision."""
        return self.autocast() if self.level == "O2" else nullcontext()

    def prepare(self, player: nn.Layer, optimizer: paddle.optimizer.Optimizer) -> None:
        """Convert a player's weights to half precision at level O2; the optimizer then holds float32 masters.

        Args:
            player: Network with float32 weights.
            optimizer: Its optimizer, before its first step.
        """
        if not (self.enabled and self.level == "O2"):
            return
        masters = {parameter.name: parameter.detach().clone() for parameter in player.parameters()}
        paddle.amp.decorate([player], [optimizer], level="O2", dtype=self.dtype, master_weight=True)
        for parameter in player.parameters():
            if parameter.dtype in HALF:
                # Else made by Paddle at the first step, from rounded weights.
                master = masters[parameter.name]
                master.name = f"{parameter.name}_fp32_master_0"
                optimizer._master_weights[parameter.name] = master

    def scaler(self) -> Scaler:
        """Return a loss scaler for a player; float16 alone needs one."""
        return Scaler(self.enabled and self.dtype == "float16")


class Scaler:
    """A player's loss scaling, which skips updates whose gradients overflowed and counts them.

    Args:
        enabled: Otherwise losses are not scaled and every update is made.

    Examples:
        >>> from ppsci_gan.training.precision import Scaler
        >>> Scaler(enabled=False).skipped
        0
    """

    def __init__(self, enabled: bool):
        self.scaler = paddle.amp.GradScaler(enable=True, init_loss_scaling=2.0**15) if enabled else None
        self.skipped = 0

    def backward(self, loss: Tensor) -> None:
        """Add the gradients of a loss, scaled, to the parameters'."""
        (self.scaler.scale(loss) if self.scaler else loss).backward()

    def unscale(self, optimizer: paddle.optimizer.Optimizer) -> None:
        """Undo the scaling of the gradients, before ``step``.

        Args:
            optimizer: The player's.
        """
        if self.scaler is not None:
            self.scaler.unscale_(optimizer)

    def step(self, optimizer: paddle.optimizer.Optimizer) -> None:
        """Update the player; after an overflow, skip the update and halve the scale.

        Args:
            optimizer: The player's.

        Raises:
            FloatingPointError: The scale is below one: the gradients are not finite at any.
        """
        if self.scaler is None:
            optimizer.step()
            return
        self.scaler.step(optimizer)
        self.skipped += int(bool(self.scaler._found_inf))
        self.scaler.update()
        if self.scale < 1:
            raise FloatingPointError(
                "The gradients overflow float16 at any scale. Take amp_dtype=bfloat16 or use_amp=false, or a smaller "
                "TRAIN.lr_scheduler_gen.learning_rate."
            )

    @property
    def enabled(self) -> bool:
        """Whether losses are scaled."""
        return self.scaler is not None

    @property
    def scale(self) -> float:
        """Current loss scale."""
        return float(self.scaler._scale) if self.scaler else 1.0

    def state_dict(self) -> dict[str, Any]:
        """Return the state as plain values, for a checkpoint."""
        if self.scaler is None:
            return {}
        state = self.scaler.state_dict()
        return {
            "scale": self.scale,
            "incr_count": state["incr_count"],
            "decr_count": state["decr_count"],
            "skipped": self.skipped,
        }

    def set_state_dict(self, state: dict[str, Any]) -> None:
        """Restore the state; a checkpoint of another precision has none."""
        if self.scaler is None or not state:
            return
        counts = {key: state[key] for key in ("incr_count", "decr_count")}
        scale = paddle.to_tensor([state["scale"]], "float32").numpy()
        self.scaler.load_state_dict({**self.scaler.state_dict(), **counts, "scale": scale})
        self.skipped = state["skipped"]


def to_float32(parameter: Tensor, optimizer: paddle.optimizer.Optimizer | None = None) -> Tensor:
    """Return a parameter or buffer in float32: the optimizer's master where there is one.

    Args:
        parameter: Of a player.
        optimizer: The player's.
    """
    if parameter.dtype not in HALF:
        return parameter
    masters = optimizer._master_weights if optimizer is not None else {}
    return masters[parameter.name] if parameter.name in masters else parameter.astype("float32")


def load(player: nn.Layer, values: dict[str, Tensor], optimizer: paddle.optimizer.Optimizer | None = None) -> None:
    """Load float32 weights into a network of any precision; master weights get them unrounded.

    Args:
        player: The network.
        values: Parameters and buffers by name.
        optimizer: The player's, which may hold masters.
    """
    own = {name: value.dtype for name, value in player.state_dict().items()}
    player.set_state_dict({name: value.astype(own.get(name, value.dtype)) for name, value in values.items()})
    for name, parameter in player.named_parameters():
        if parameter.dtype in HALF and optimizer is not None:
            optimizer._master_weights[parameter.name].set_value(values[name])
