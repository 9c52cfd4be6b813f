"""Noticing, before an update is made, that it would spoil a network."""

from __future__ import annotations

import math
from collections.abc import Sequence

import paddle
from paddle import Tensor

from ppsci_gan.devices import ranks

# Times a phase's first loss, or 1 if that is less: no loss that teaches anything gets there, and a learning rate of 1
# reaches it at once.
EXPLODED = 1e6
NORM = "gradient_norm"


class Diverged(FloatingPointError):
    """An update that was not made, because its loss or gradients are no longer finite or beyond any scale."""


class DivergenceWatch:
    """Looks at the losses and at the norm of the gradients, of all of a player's parameters together.

    All these are read from the device at once, a transfer per update, which waits for the update's gradients.

    Attributes:
        scales: The largest term of each phase's first update.

    Examples:
        >>> import paddle
        >>> from ppsci_gan.training.divergence import DivergenceWatch
        >>> watch, gradients = DivergenceWatch(), [paddle.to_tensor([3.0, 4.0])]
        >>> watch.check("critic", {"loss": paddle.to_tensor(2.0)}, gradients, "learning rate 0.1")
        {'loss': 2.0, 'gradient_norm': 5.0}
        >>> watch.check("critic", {"loss": paddle.to_tensor(3e6)}, gradients, "learning rate 0.1")
        Traceback (most recent call last):
            ...
        ppsci_gan.training.divergence.Diverged: critic/loss is 3e+06, more than 1e+06 times what it began with; ...
    """

    def __init__(self):
        self.scales: dict[str, float] = {}

    def check(
        self,
        phase: str,
        terms: dict[str, Tensor],
        gradients: Sequence[Tensor],
        situation: str,
        only_scale: bool = False,
    ) -> dict[str, float]:
        """Refuse an update; all ranks must call it.

        Args:
            phase: Its name.
            terms: The loss and its terms, single numbers.
            gradients: Of the player's parameters, averaged over ranks, not in half precision.
            situation: For the message.
            only_scale: Whether what is not finite is somebody else's business, such as a loss scaler's.

        Returns:
            The terms, and ``gradient_norm``.

        Raises:
            Diverged: It is not to be made.
        """
        values = read(terms, gradients)
        largest, scale = max(map(abs, values[:-1])), max(1.0, self.scales.get(phase, math.inf))
        is_finite = math.isfinite(sum(values))  # of which none is near the largest double
        spoils = (not is_finite and not only_scale) or EXPLODED * scale < largest < math.inf
        if ranks.any_rank(spoils):
            raise Diverged(self._explain(phase, dict(zip([*terms, NORM], values)), spoils) + situation)
        if is_finite:
            self.scales.setdefault(phase, largest)
        return dict(zip([*terms, NORM], values))

    @staticmethod
    def _explain(phase: str, values: dict[str, float], spoils: bool) -> str:
        """Return what is wrong, and the other values."""
        wrong = [name for name, value in values.items() if not math.isfinite(value)]
        what = ", ".join(f"{phase}/{name} is {values[name]}" for name in wrong)
        if not spoils:
            what = f"{phase} diverged on another rank"
        elif not wrong:
            wrong = [max((name for name in values if name != NORM), key=lambda name: abs(values[name]))]
            times = f"more than {EXPLODED:.0e} times what it began with"
            what = f"{phase}/{wrong[0]} is {values[wrong[0]]:.4g}, {times}"
        rest = ", ".join(f"{name} {value:.4g}" for name, value in values.items() if name not in wrong)
        return f"{what}; {rest + '; ' if rest else ''}"


def read(terms: dict[str, Tensor], gradients: Sequence[Tensor]) -> list[float]:
    """Return the terms, and the norm of all gradients together, by a single transfer from the device.

    Small networks spend their time on calls, so this makes few.

    Args:
        terms: Single numbers.
        gradients: Of any shapes.

    Examples:
        >>> import paddle
        >>> from ppsci_gan.training import divergence
        >>> divergence.read({"loss": paddle.to_tensor(2.0)}, [paddle.to_tensor([3.0]), paddle.to_tensor([[4.0]])])
        [2.0, 5.0]
    """
    # What Paddle's own clipping by the global norm calls: a pass over each gradient and no copy of it.
    squares = [paddle._C_ops.squared_l2_norm(value) for value in gradients]
    dtype = squares[0].dtype if squares else paddle.float32
    numbers = [value if value.dtype == dtype else value.astype(dtype) for value in terms.values()]
    values = paddle.concat([paddle.stack(numbers).reshape([-1]), *squares]).tolist()
    # A square may overflow where its gradient has not; that is then as useless.
    return [*values[: len(numbers)], math.sqrt(sum(values[len(numbers) :]))]
