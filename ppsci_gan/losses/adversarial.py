"""Losses of a discriminator that tells real from generated samples, and the objective made of them.

All take logits: the discriminator's probability is their sigmoid, which is never computed, so that nothing overflows.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import paddle
import paddle.nn.functional as F
from paddle import Tensor
from paddle import nn

from ppsci_gan.errors import InputError


def logistic_discriminator(real_logits: Tensor, fake_logits: Tensor, real_target: float = 1.0) -> Tensor:
    """Cross entropy of a discriminator, on real plus on generated samples.

    ``-mean(t log D(x) + (1 - t) log(1 - D(x))) - mean(log(1 - D(G(z))))``, Goodfellow et al. 2014 (arXiv:1406.2661),
    equation 1; with a target t below 1, one-sided label smoothing (Salimans et al. 2016, arXiv:1606.03498, section 3).

    Args:
        real_logits: Of real samples, [N].
        fake_logits: Of generated samples, [M].
        real_target: Probability that the discriminator is to give to real samples.

    Returns:
        Scalar.

    Examples:
        >>> import paddle
        >>> from ppsci_gan.losses.adversarial import logistic_discriminator
        >>> round(float(logistic_discriminator(paddle.zeros([4]), paddle.zeros([4]))), 4)
        1.3863
    """
    # -t log sigmoid(l) - (1 - t) log(1 - sigmoid(l)) = softplus(l) - t l
    return (F.softplus(real_logits) - real_target * real_logits).mean() + F.softplus(fake_logits).mean()


def non_saturating_generator(fake_logits: Tensor) -> Tensor:
    """Generator's loss with a gradient also where the discriminator is sure: ``-mean(log D(G(z)))``.

    Goodfellow et al. 2014 (arXiv:1406.2661), section 3.

    Args:
        fake_logits: Of generated samples, [N].

    Returns:
        Scalar.

    Examples:
        >>> import paddle
        >>> from ppsci_gan.losses.adversarial import non_saturating_generator
        >>> float(non_saturating_generator(paddle.to_tensor([-1000.0])))
        1000.0
    """
    return F.softplus(-fake_logits).mean()


def minimax_generator(fake_logits: Tensor) -> Tensor:
    """Generator's loss of the original game, ``mean(log(1 - D(G(z))))``: for study, as its gradient vanishes.

    Goodfellow et al. 2014 (arXiv:1406.2661), equation 1.

    Args:
        fake_logits: Of generated samples, [N].

    Returns:
        Scalar.

    Examples:
        >>> import paddle
        >>> from ppsci_gan.losses.adversarial import minimax_generator
        >>> round(float(minimax_generator(paddle.zeros([3]))), 4)
        -0.6931
    """
    return -F.softplus(fake_logits).mean()


def least_squares_discriminator(real_logits: Tensor, fake_logits: Tensor, real_target: float = 1.0) -> Tensor:
    """Half the squared distance of the outputs to the target for real and to 0 for generated samples.

    Mao et al. 2017 (arXiv:1611.04076), equation 9, with a = 0 and b = ``real_target``.

    Args:
        real_logits: Of real samples, [N].
        fake_logits: Of generated samples, [M].
        real_target: For real samples.

    Returns:
        Scalar.

    Examples:
        >>> import paddle
        >>> from ppsci_gan.losses.adversarial import least_squares_discriminator
        >>> float(least_squares_discriminator(paddle.to_tensor([1.0]), paddle.to_tensor([2.0])))
        2.0
    """
    return 0.5 * ((real_logits - real_target) ** 2).mean() + 0.5 * (fake_logits**2).mean()


def least_squares_generator(fake_logits: Tensor) -> Tensor:
    """Half the squared distance of the outputs for generated samples to 1.

    Mao et al. 2017 (arXiv:1611.04076), equation 9, with c = 1.

    Args:
        fake_logits: Of generated samples, [N].

    Returns:
        Scalar.

    Examples:
        >>> import paddle
        >>> from ppsci_gan.losses.adversarial import least_squares_generator
        >>> float(least_squares_generator(paddle.to_tensor([3.0])))
        2.0
    """
    return 0.5 * ((fake_logits - 1) ** 2).mean()


def hinge_discriminator(real_logits: Tensor, fake_logits: Tensor, real_target: float = 1.0) -> Tensor:
    """Margins that outputs fall short of: ``mean(max(0, t - l_real)) + mean(max(0, 1 + l_fake))``.

    Lim and Ye 2017 (arXiv:1705.02894), Miyato et al. 2018 (arXiv:1802.05957), equation 17.

    Args:
        real_logits: Of real samples, [N].
        fake_logits: Of generated samples, [M].
        real_target: Margin t of real samples.

    Returns:
        Scalar.

    Examples:
        >>> import paddle
        >>> from ppsci_gan.losses.adversarial import hinge_discriminator
        >>> float(hinge_discriminator(paddle.to_tensor([3.0]), paddle.to_tensor([0.5])))
        1.5
    """
    return F.relu(real_target - real_logits).mean() + F.relu(1 + fake_logits).mean()


def hinge_generator(fake_logits: Tensor) -> Tensor:
    """Minus the mean output for generated samples.

    Miyato et al. 2018 (arXiv:1802.05957), equation 18.

    Args:
        fake_logits: Of generated samples, [N].

    Returns:
        Scalar.

    Examples:
        >>> import paddle
        >>> from ppsci_gan.losses.adversarial import hinge_generator
        >>> float(hinge_generator(paddle.to_tensor([1.0, 3.0])))
        -2.0
    """
    return -fake_logits.mean()


class Objective(NamedTuple):
    """A pair of losses.

    Attributes:
        discriminator: Of (real_logits, fake_logits, real_target).
        generator: Of fake_logits.
        middle: Outputs above are taken for real.
    """

    discriminator: Callable[[Tensor, Tensor, float], Tensor]
    generator: Callable[[Tensor], Tensor]
    middle: float = 0.0


OBJECTIVES = {
    "non_saturating": Objective(logistic_discriminator, non_saturating_generator),
    "minimax": Objective(logistic_discriminator, minimax_generator),
    "least_squares": Objective(least_squares_discriminator, least_squares_generator, middle=0.5),
    "hinge": Objective(hinge_discriminator, hinge_generator),
}


class Adversarial:
    """A discriminator's and a generator's loss, in the form that ``ppsci.loss.FunctionalLoss`` takes.

    Each returns a dict with the ``loss`` to minimise and the terms worth logging. Real and generated samples are judged
    apart, so that batch normalisation sees either, not their mixture.

    Args:
        discriminator: Maps ``{"data": [N, ...], "labels": [N]}``, the latter where it is conditional, to
            ``{"score": [N]}``, logits.
        objective: ``non_saturating``, ``minimax``, ``least_squares`` or ``hinge``.
        real_target: Below 1: one-sided label smoothing.
        instance_noise: Standard deviation of the noise on what the discriminator sees (Sonderby et al. 2017,
            arXiv:1610.04490); it falls linearly to 0.
        noise_updates: Within how many of the discriminator's updates.

    Raises:
        InputError: An unknown objective.

    Examples:
        >>> import paddle
        >>> from ppsci_gan.losses.adversarial import Adversarial
        >>> losses = Adversarial(lambda x: {"score": x["data"].sum(1)})
        >>> sorted(losses.discriminator_loss({"real_data": paddle.ones([2, 3]), "fake_data": -paddle.ones([2, 3])}))
        ['accuracy_fake', 'accuracy_real', 'diversity', 'loss']
    """

    def __init__(
        self,
        discriminator: nn.Layer,
        objective: str = "non_saturating",
        real_target: float = 1.0,
        instance_noise: float = 0.0,
        noise_updates: int = 1,
    ):
        if objective not in OBJECTIVES:
            raise InputError(f"LOSS.objective={objective}: choose one of {', '.join(OBJECTIVES)}.")
        self.discriminator = discriminator
        self.objective = OBJECTIVES[objective]
        self.real_target = real_target
        self.instance_noise = instance_noise
        self.noise_updates = noise_updates

    def discriminator_loss(
        self, output_dict: dict[str, Tensor], label_dict: dict[str, Tensor] | None = None, *_
    ) -> dict[str, Tensor]:
        """Loss of one update of the discriminator.

        Args:
            output_dict: ``real_data`` and ``fake_data`` [N, ...], and ``update``, how many updates there were.
            label_dict: ``labels`` of both where the discriminator is conditional.

        Returns:
            ``loss``; ``accuracy_real`` and ``accuracy_fake``, the shares that are told right; ``diversity``, how much
            generated samples of a batch differ, relative to real ones.
        """
        real, fake = output_dict["real_data"], output_dict["fake_data"]
        update = output_dict.get("update", 0)
        of_real, of_fake = (self._judge(samples, label_dict, update) for samples in (real, fake))
        middle = self.objective.middle
        return {
            "loss": self.objective.discriminator(of_real, of_fake, self.real_target),
            "accuracy_real": (of_real > middle).astype("float32").mean(),
            "accuracy_fake": (of_fake <= middle).astype("float32").mean(),
            "diversity": spread(fake) / spread(real).clip(min=1e-12),
        }

    def generator_loss(
        self, output_dict: dict[str, Tensor], label_dict: dict[str, Tensor] | None = None, *_
    ) -> dict[str, Tensor]:
        """Loss of one update of the generator.

        Args:
            output_dict: ``fake_data`` [N, ...].
            label_dict: ``labels`` that the generator was given, where the discriminator is conditional.

        Returns:
            ``loss``.
        """
        of_fake = self._judge(output_dict["fake_data"], label_dict, output_dict.get("update", 0))
        return {"loss": self.objective.generator(of_fake)}

    def _judge(self, samples: Tensor, label_dict: dict[str, Tensor] | None, update: int) -> Tensor:
        noise = self.instance_noise * max(0.0, 1 - update / self.noise_updates)
        if noise:
            samples = samples + noise * paddle.randn(samples.shape, samples.dtype)
        return self.discriminator({"data": samples, **(label_dict or {})})["score"]


def spread(samples: Tensor) -> Tensor:
    """Return the mean distance of samples from their mean, root mean square over values.

    Args:
        samples: [N, ...].

    Examples:
        >>> import paddle
        >>> from ppsci_gan.losses.adversarial import spread
        >>> float(spread(paddle.to_tensor([[0.0, 0.0], [2.0, 2.0]])))
        1.0
    """
    rows = samples.detach().flatten(1)
    centred = rows - paddle.matmul(paddle.full([1, len(rows)], 1 / len(rows), rows.dtype), rows)
    return (centred * centred).mean().sqrt()
