"""The gradient penalty: keeps the critic's slope near a target between real and generated samples."""

from __future__ import annotations

from collections.abc import Callable
from math import log2
from math import prod

import paddle
import paddle.nn.functional as F
from paddle import Tensor
from paddle import nn
from ppsci.utils import logger

from ppsci_gan.devices import device
from ppsci_gan.errors import InputError
from ppsci_gan.networks import layers
from ppsci_gan.networks import traced


def gradient_penalty(
    critic: Callable[[Tensor], Tensor],
    real: Tensor,
    fake: Tensor,
    weight: float = 10.0,
    target: float = 1.0,
    one_sided: bool = False,
    explicit: bool = False,
) -> Tensor:
    r"""Penalty on the norm of the critic's gradient between real and generated samples.

    $$\lambda\,\mathbb{E}\big[(\lVert\nabla_{\hat x} D(\hat x)\rVert_2 - t)^2\big],\qquad
    \hat x = x + \epsilon(\tilde x - x),\ \epsilon \sim U[0, 1]$$

    with one factor per sample: Gulrajani et al. 2017 (arXiv:1704.00028), equation 3. One-sided (both forms are
    discussed in their section 4), only norms above the target are punished.

    Args:
        critic: Maps samples to scores [N].
        real: Real samples, [N, ...].
        fake: Generated samples, same shape.
        weight: Factor of the penalty.
        target: Norm that is not punished.
        one_sided: Whether norms below the target are left alone.
        explicit: Whether the critic's gradient is written out as a forward computation (``ppsci_gan.networks.traced``),
            which needs first-order operators only, instead of differentiating a backward pass. Both give the same.

    Returns:
        Scalar, differentiable with respect to the critic's parameters, also where the gradient is zero.

    Examples:
        >>> import paddle
        >>> from ppsci_gan.losses import gradient_penalty
        >>> real, fake = paddle.zeros([8, 2]), paddle.ones([8, 2])
        >>> round(float(gradient_penalty(lambda x: 3 * x[:, 0], real, fake, weight=10)), 4)
        40.0
    """
    factor = paddle.rand([real.shape[0]] + [1] * (real.ndim - 1), dtype=real.dtype)
    between = (real + factor * (fake - real)).detach()
    # Half precision would lose the single values of a gradient of norm 1; scaled, they are about 1. By a power of two,
    # which rounds nothing.
    scale = 2.0 ** round(log2(prod(between.shape[1:])) / 2)
    if explicit:
        gradient = traced.input_gradient(critic, between, scale)
    else:
        between.stop_gradient = False
        with layers.use_paddle_kernels():
            score = critic(between).sum() * scale
        gradient = paddle.grad(score, between, create_graph=True)[0]
    gradient = gradient.astype(between.dtype) / scale
    excess = sample_norm(gradient) - target
    if one_sided:
        excess = F.relu(excess)
    return weight * (excess**2).mean()


def sample_norm(x: Tensor) -> Tensor:
    """Euclidean norm of each sample, with gradient zero (not NaN) at zero.

    Args:
        x: [N, ...].

    Returns:
        [N].

    Examples:
        >>> import paddle
        >>> from ppsci_gan.losses.penalty import sample_norm
        >>> sample_norm(paddle.to_tensor([[3.0, 4.0], [0.0, 0.0]])).tolist()
        [5.0, 0.0]
    """
    x = x.reshape([x.shape[0], -1])
    square = (x * x).sum(axis=1)
    positive = square > 0
    # The square root's derivative at zero is infinite, so zeros take a detour around it.
    root = paddle.sqrt(paddle.where(positive, square, paddle.ones_like(square)))
    return paddle.where(positive, root, paddle.zeros_like(root))


class GradientPenalty:
    """``gradient_penalty`` with its settings, applied at some of the critic's updates.

    Args:
        weight: Factor of the penalty.
        target: Norm that is not penalised.
        one_sided: Whether norms below the target are left alone.
        interval: Apply the penalty only at every k-th critic update, times k (lazy regularisation, Karras et al. 2020,
            arXiv:1912.04958, appendix B).
        gradient: How the critic's gradient is computed: ``autograd``; ``explicit``, by first-order operators only;
            ``auto``: explicit where the device lacks second-order kernels and where oneDNN makes it faster.

    Examples:
        >>> import paddle
        >>> from ppsci_gan.losses import GradientPenalty
        >>> penalty = GradientPenalty(weight=10, interval=2)
        >>> penalty.is_due(0), penalty.is_due(1)
        (True, False)
        >>> critic = lambda x: {"score": 3 * x["data"][:, 0]}
        >>> round(float(penalty(critic, paddle.zeros([8, 2]), paddle.ones([8, 2]), {})), 4)  # 2 * 10 * (3 - 1)^2
        80.0
    """

    def __init__(
        self,
        weight: float = 10.0,
        target: float = 1.0,
        one_sided: bool = False,
        interval: int = 1,
        gradient: str = "auto",
    ):
        self.weight = weight
        self.target = target
        self.one_sided = one_sided
        self.interval = interval
        self.explicit = gradient == "explicit"
        self.may_fall_back = False  # to autograd, where the critic cannot be written out
        self.is_auto = gradient == "auto"

    def is_due(self, update: int) -> bool:
        """Return whether the penalty applies at this critic update, counted from 0."""
        return self.weight > 0 and update % self.interval == 0

    def __call__(self, critic: nn.Layer, real: Tensor, fake: Tensor, labels: dict[str, Tensor]) -> Tensor:
        """Return the weighted penalty.

        Args:
            critic: As for ``Objective``.
            real: Real samples, [N, ...].
            fake: Generated samples, same shape.
            labels: ``labels`` [N] that the critic is given, or empty.
        """
        if self.is_auto:
            self._choose_gradient(critic)
        settings = self.weight * self.interval, self.target, self.one_sided
        score = lambda x: critic({"data": x, **labels})["score"]  # noqa: E731
        try:
            return gradient_penalty(score, real, fake, *settings, self.explicit)
        except InputError as error:
            if not self.may_fall_back:
                raise
            logger.info(f"LOSS.penalty_gradient=auto: autograd, slower on this CPU. {error}")
            self.explicit = self.may_fall_back = False
        return gradient_penalty(score, real, fake, *settings)

    def _choose_gradient(self, critic: nn.Layer) -> None:
        self.is_auto = False
        missing = device.missing_second_order_kernels()
        self.may_fall_back = not missing and layers.uses_onednn(critic)
        self.explicit = bool(missing) or self.may_fall_back
        if self.explicit:
            reason = f"this device has no {' and no '.join(missing)}" if missing else "it is faster with oneDNN"
            logger.info(f"LOSS.penalty_gradient=auto: explicit, as {reason}.")
