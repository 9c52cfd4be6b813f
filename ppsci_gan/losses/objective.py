"""The objective of a GAN: an adversarial loss, a gradient penalty and an auxiliary classifier, in any combination."""

from __future__ import annotations

from typing import Any
from typing import NamedTuple

import paddle
import paddle.nn.functional as F
from paddle import Tensor
from paddle import nn

from ppsci_gan.errors import InputError
from ppsci_gan.losses.adversarial import LOSSES
from ppsci_gan.losses.penalty import GradientPenalty


class Classifier(NamedTuple):
    """Factors of the auxiliary classifier's cross entropy (ACGAN, Odena et al. 2017, arXiv:1610.09585).

    Attributes:
        scale: In the critic's loss.
        scale_g: In the generator's loss; WGAN-GP's reference implementation uses 0.1.
        generated: Whether the critic also learns to classify generated samples, not only real ones.
    """

    scale: float = 1.0
    scale_g: float = 0.1
    generated: bool = False


class Objective:
    """The critic's and the generator's loss, as ``ppsci_gan.training.Phase`` takes them.

    Each loss is a dict with the ``loss`` to minimise and the terms worth logging.

    Args:
        critic: Maps ``{"data": [N, ...], "labels": [N]}``, the latter where there are any, to ``{"score": [N]}`` and,
            if it has an auxiliary classifier, ``"class_logits"`` [N, classes].
        loss: ``wasserstein``, ``non_saturating``, ``minimax``, ``least_squares`` or ``hinge``.
        penalty: The gradient penalty; None for none.
        classifier: Factors of the auxiliary classifier's loss, where the critic has one; None for the defaults.
        real_target: Below 1: one-sided label smoothing; not for ``wasserstein``.
        instance_noise: Standard deviation of noise on everything the critic sees (Sonderby et al. 2017,
            arXiv:1610.04490); it falls linearly to 0 in the course of the training.
        drift: Factor of the mean square of real samples' scores, which keeps scores near zero (Karras et al. 2018,
            arXiv:1710.10196, appendix A.1).

    Raises:
        InputError: An unknown loss, or a target that it has no use for.

    Examples:
        >>> import paddle
        >>> from ppsci_gan.losses import GradientPenalty, Objective
        >>> objective = Objective(lambda x: {"score": x["data"][:, 0]}, "hinge", GradientPenalty(10))
        >>> batch = {"real_data": paddle.ones([4, 2]), "fake_data": paddle.zeros([4, 2]), "update": 0}
        >>> terms = objective.critic_loss(batch)
        >>> sorted(terms), float(terms["loss"])
        (['accuracy_fake', 'accuracy_real', 'diversity', 'loss', 'penalty'], 1.0)
    """

    def __init__(
        self,
        critic: nn.Layer,
        loss: str = "wasserstein",
        penalty: GradientPenalty | None = None,
        classifier: Classifier | None = None,
        real_target: float = 1.0,
        instance_noise: float = 0.0,
        drift: float = 0.0,
    ):
        if loss not in LOSSES:
            raise InputError(f"LOSS.objective={loss}: choose one of {', '.join(LOSSES)}.")
        if LOSSES[loss].middle is None and real_target != 1:
            raise InputError(f"LOSS.real_target={real_target}: {loss} has no target; leave it 1.0.")
        self.critic = critic
        self.loss = LOSSES[loss]
        self.penalty = penalty
        self.classifier = classifier or Classifier()
        self.real_target = real_target
        self.instance_noise = instance_noise
        self.drift = drift

    @classmethod
    def from_settings(
        cls,
        critic: nn.Layer,
        *,
        objective: str,
        penalty_weight: float,
        penalty_target: float,
        penalty_one_sided: bool,
        penalty_interval: int,
        penalty_gradient: str,
        acgan_scale: float,
        acgan_scale_g: float,
        acgan_generated: bool,
        **others: float,
    ) -> Objective:
        """Build an objective from the configuration's group ``LOSS``.

        Args:
            critic: As for the constructor.
            objective: The constructor's ``loss``.
            penalty_weight: 0 for no penalty; this and the other ``penalty_*`` are arguments of ``GradientPenalty``.
            penalty_target: See there.
            penalty_one_sided: See there.
            penalty_interval: See there.
            penalty_gradient: See there.
            acgan_scale: ``Classifier.scale``.
            acgan_scale_g: ``Classifier.scale_g``.
            acgan_generated: ``Classifier.generated``.
            **others: Further arguments of the constructor.
        """
        penalty = None
        if penalty_weight:
            settings = penalty_weight, penalty_target, penalty_one_sided, penalty_interval, penalty_gradient
            penalty = GradientPenalty(*settings)
        return cls(critic, objective, penalty, Classifier(acgan_scale, acgan_scale_g, acgan_generated), **others)

    def critic_loss(
        self, output_dict: dict[str, Tensor], label_dict: dict[str, Tensor] | None = None, *_
    ) -> dict[str, Tensor]:
        """Return the loss of one critic update.

        Args:
            output_dict: ``real_data`` and ``fake_data`` [N, ...]; ``update``, the number of earlier updates, and
                ``progress``, the share of the training that is done, by default 0.
            label_dict: ``labels`` [N] of the real samples, which the generator was given, too, where there are any.

        Returns:
            ``loss``; ``wasserstein``, the estimated distance, or for a loss that classifies, ``accuracy_real`` and
            ``accuracy_fake``, the shares that are classified correctly, and ``diversity``, the generated samples'
            spread relative to the real ones'; ``drift``, ``penalty`` and ``acgan`` with their factors.
        """
        real, fake, update = output_dict["real_data"], output_dict["fake_data"], output_dict.get("update", 0)
        noise = self._noise(output_dict)
        labels = label_dict or {}
        # Apart, not in one pass over both, for two reasons. Batch normalisation should see either, not their mixture.
        # And what both push with the same force in opposite directions, such as the output's bias, gets a gradient of
        # exactly zero; in one pass, rounding leaves 1e-8, of which Adam makes whole steps.
        of_real, of_fake = (self._judge(samples, labels, noise) for samples in (real, fake))
        loss, terms = self._adversarial(real, fake, of_real["score"], of_fake["score"])
        if self.drift:
            terms["drift"] = self.drift * (of_real["score"] ** 2).mean()
            loss = loss + terms["drift"]
        if self.penalty is not None and self.penalty.is_due(update):
            terms["penalty"] = self.penalty(self.critic, real, fake, labels)
            loss = loss + terms["penalty"]
        if "class_logits" in of_real:
            judged = (of_real, of_fake) if self.classifier.generated else (of_real,)
            terms["acgan"] = self.classifier.scale * sum(classify(one, labels) for one in judged)
            loss = loss + terms["acgan"]
        return {"loss": loss, **terms}

    def generator_loss(
        self, output_dict: dict[str, Tensor], label_dict: dict[str, Tensor] | None = None, *_
    ) -> dict[str, Tensor]:
        """Return the loss of one generator update.

        Args:
            output_dict: ``fake_data`` [N, ...], and ``progress`` as for the critic.
            label_dict: ``labels`` [N] that the generator was given, where there are any.

        Returns:
            ``loss``, and ``acgan`` with its factor.
        """
        labels = label_dict or {}
        judged = self._judge(output_dict["fake_data"], labels, self._noise(output_dict))
        loss = self.loss.generator(judged["score"])
        if "class_logits" not in judged:
            return {"loss": loss}
        term = self.classifier.scale_g * classify(judged, labels)
        return {"loss": loss + term, "acgan": term}

    def _noise(self, output_dict: dict[str, Any]) -> float:
        return self.instance_noise * (1 - output_dict.get("progress", 0.0))

    def _judge(self, samples: Tensor, labels: dict[str, Tensor], noise: float) -> dict[str, Tensor]:
        if noise:
            samples = samples + noise * paddle.randn(samples.shape, samples.dtype)
        return self.critic({"data": samples, **labels})

    def _adversarial(
        self, real: Tensor, fake: Tensor, real_score: Tensor, fake_score: Tensor
    ) -> tuple[Tensor, dict[str, Tensor]]:
        middle = self.loss.middle
        if middle is None:
            loss = self.loss.critic(real_score, fake_score)
            return loss, {"wasserstein": -loss.detach()}
        return self.loss.critic(real_score, fake_score, self.real_target), {
            "accuracy_real": (real_score > middle).astype("float32").mean(),
            "accuracy_fake": (fake_score <= middle).astype("float32").mean(),
            "diversity": spread(fake) / spread(real).clip(min=1e-12),
        }


def classify(judged: dict[str, Tensor], labels: dict[str, Tensor]) -> Tensor:
    """Return the cross entropy of the critic's ``class_logits`` [N, classes] and the ``labels`` [N].

    Args:
        judged: The critic's outputs.
        labels: Class indices, int64.

    Examples:
        >>> import paddle
        >>> from ppsci_gan.losses.objective import classify
        >>> round(float(classify({"class_logits": paddle.zeros([1, 10])}, {"labels": paddle.to_tensor([3])})), 4)
        2.3026
    """
    return F.cross_entropy(judged["class_logits"], labels["labels"])


def spread(samples: Tensor) -> Tensor:
    """Return the root mean square distance of values from their mean over the samples.

    Args:
        samples: [N, ...].

    Examples:
        >>> import paddle
        >>> from ppsci_gan.losses.objective import spread
        >>> float(spread(paddle.to_tensor([[0.0, 0.0], [2.0, 2.0]])))
        1.0
    """
    rows = samples.detach().flatten(1)
    centred = rows - paddle.matmul(paddle.full([1, len(rows)], 1 / len(rows), rows.dtype), rows)
    return (centred * centred).mean().sqrt()
