"""Objectives and penalties: pure functions of tensors, and the WGAN-GP objective made of them."""

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
from ppsci_gan.networks import layers
from ppsci_gan.losses.wasserstein import traced
from ppsci_gan.errors import InputError


def wasserstein_critic(real_score: Tensor, fake_score: Tensor) -> Tensor:
    """Critic's loss: minus the estimated Wasserstein-1 distance.

    ``mean(fake_score) - mean(real_score)``, Gulrajani et al. 2017 (arXiv:1704.00028), equation 3 without the penalty.

    Args:
        real_score: Critic's scores of real samples, [N].
        fake_score: Critic's scores of generated samples, [M].

    Returns:
        Scalar.

    Examples:
        >>> import paddle
        >>> from ppsci_gan.losses.wasserstein import wasserstein_critic
        >>> float(wasserstein_critic(paddle.to_tensor([2.0, 4.0]), paddle.to_tensor([1.0])))
        -2.0
    """
    return fake_score.mean() - real_score.mean()


def wasserstein_generator(fake_score: Tensor) -> Tensor:
    """Generator's loss: minus the critic's mean score of generated samples.

    Args:
        fake_score: Critic's scores of generated samples, [N].

    Returns:
        Scalar.

    Examples:
        >>> import paddle
        >>> from ppsci_gan.losses.wasserstein import wasserstein_generator
        >>> float(wasserstein_generator(paddle.to_tensor([1.0, 3.0])))
        -2.0
    """
    return -fake_score.mean()


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
        explicit: Whether the critic's gradient is a forward computation (``ppsci_gan.losses.traced``), which takes first-order
            operators only, instead of a differentiated backward pass. Both give the same.

    Returns:
        Scalar, differentiable with respect to the critic's parameters, also where the gradient is zero.

    Examples:
        >>> import paddle
        >>> from ppsci_gan.losses.wasserstein import gradient_penalty
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
        with layers.paddle_kernels():
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
        >>> from ppsci_gan.losses.wasserstein import sample_norm
        >>> sample_norm(paddle.to_tensor([[3.0, 4.0], [0.0, 0.0]])).tolist()
        [5.0, 0.0]
    """
    x = x.reshape([x.shape[0], -1])
    square = (x * x).sum(axis=1)
    positive = square > 0
    # The square root's derivative at zero is infinite, so zeros take a detour around it.
    root = paddle.sqrt(paddle.where(positive, square, paddle.ones_like(square)))
    return paddle.where(positive, root, paddle.zeros_like(root))


def acgan(class_logits: Tensor, labels: Tensor, scale: float = 1.0) -> Tensor:
    """Auxiliary classifier's cross entropy, times its scale.

    Odena et al. 2017 (arXiv:1610.09585). WGAN-GP's reference implementation uses scale 1.0 for the critic, on real
    images only, and 0.1 for the generator.

    Args:
        class_logits: [N, classes].
        labels: Class indices, int64 [N].
        scale: Factor.

    Returns:
        Scalar.

    Examples:
        >>> import paddle
        >>> from ppsci_gan.losses.wasserstein import acgan
        >>> round(float(acgan(paddle.zeros([1, 10]), paddle.to_tensor([3]))), 4)
        2.3026
    """
    return scale * F.cross_entropy(class_logits, labels)


class WassersteinGP:
    """WGAN-GP's two losses, in the form that ``ppsci.loss.FunctionalLoss`` takes.

    Each returns a dict with the ``loss`` to minimise and the terms worth logging.

    Args:
        critic: Maps ``{"data": [N, ...], "labels": [N]}``, the latter where there are any, to ``{"score": [N]}`` and,
            where it has an ACGAN head, ``"class_logits"``.
        penalty_weight: Factor of the gradient penalty.
        penalty_target: Norm that the penalty pulls to.
        penalty_one_sided: Whether norms below the target are left alone.
        penalty_interval: Apply the penalty at every k-th critic update only, times k (lazy regularisation, Karras et
            al. 2020, arXiv:1912.04958, appendix B).
        penalty_gradient: How the critic's gradient is computed: ``autograd``; ``explicit``, by first-order operators
            only (see ``ppsci_gan.losses.traced``); ``auto``: explicit where the device lacks second-order kernels, and where
            the critic's convolutions are oneDNN's, which is faster.
        drift: Factor of the mean square of the real samples' scores, which keeps them near zero (Karras et al. 2018,
            arXiv:1710.10196, appendix A.1).
        acgan_scale: Factor of the classifier's loss in the critic's.
        acgan_scale_g: Factor of the classifier's loss in the generator's.
        acgan_generated: Whether the critic learns to classify generated samples, too, and not only real ones.

    Examples:
        >>> import paddle
        >>> from ppsci_gan.losses.wasserstein import WassersteinGP
        >>> objective = WassersteinGP(lambda x: {"score": x["data"][:, 0]}, penalty_weight=10)
        >>> batch = {"real_data": paddle.ones([4, 2]), "fake_data": paddle.zeros([4, 2]), "update": 0}
        >>> {name: float(value) for name, value in objective.critic_loss(batch).items()}
        {'loss': -1.0, 'wasserstein': 1.0, 'penalty': 0.0}
    """

    def __init__(
        self,
        critic: nn.Layer,
        penalty_weight: float = 10.0,
        penalty_target: float = 1.0,
        penalty_one_sided: bool = False,
        penalty_interval: int = 1,
        penalty_gradient: str = "auto",
        drift: float = 0.0,
        acgan_scale: float = 1.0,
        acgan_scale_g: float = 0.1,
        acgan_generated: bool = False,
    ):
        self.critic = critic
        self.penalty_weight = penalty_weight
        self.penalty_target = penalty_target
        self.penalty_one_sided = penalty_one_sided
        self.penalty_interval = penalty_interval
        self.penalty_explicit = penalty_gradient == "explicit"
        self.may_fall_back = False  # to autograd, where the critic cannot be written out
        if penalty_gradient == "auto":
            missing = device.missing_second_order_kernels()
            self.may_fall_back = not missing and layers.uses_onednn(critic)
            self.penalty_explicit = bool(missing) or self.may_fall_back
            reason = f"this device has no {' and no '.join(missing)}" if missing else "oneDNN's convolutions need it"
            if self.penalty_explicit:
                logger.info(f"LOSS.penalty_gradient=auto: explicit, as {reason}.")
        self.drift = drift
        self.acgan_scale = acgan_scale
        self.acgan_scale_g = acgan_scale_g
        self.acgan_generated = acgan_generated

    def critic_loss(
        self, output_dict: dict[str, Tensor], label_dict: dict[str, Tensor] | None = None, *_
    ) -> dict[str, Tensor]:
        """Loss of one critic update.

        Args:
            output_dict: ``real_data`` and ``fake_data`` [N, ...], and ``update``, how many updates the critic had.
            label_dict: ``labels`` of the real samples, which the generator was given, too, where there are any.

        Returns:
            ``loss``; ``wasserstein``, the estimated distance; ``drift``, ``penalty`` and ``acgan`` with their factors.
        """
        real, fake = output_dict["real_data"], output_dict["fake_data"]
        given = label_dict or {}
        # Apart, not in one pass over both: in two, what both push against each other with the same force, such as the
        # output's bias, has a gradient of exactly zero; in one, rounding leaves 1e-8, of which Adam makes whole steps.
        of_real, of_fake = (self.critic({"data": samples, **given}) for samples in (real, fake))
        loss = wasserstein_critic(of_real["score"], of_fake["score"])
        terms = {"wasserstein": -loss.detach()}
        if self.drift:
            terms["drift"] = self.drift * (of_real["score"] ** 2).mean()
            loss = loss + terms["drift"]
        if output_dict["update"] % self.penalty_interval == 0:
            terms["penalty"] = self._penalty(real, fake, given)
            loss = loss + terms["penalty"]
        if "class_logits" in of_real:
            terms["acgan"] = acgan(of_real["class_logits"], given["labels"], self.acgan_scale)
            if self.acgan_generated:
                terms["acgan"] += acgan(of_fake["class_logits"], given["labels"], self.acgan_scale)
            loss = loss + terms["acgan"]
        return {"loss": loss, **terms}

    def _penalty(self, real: Tensor, fake: Tensor, given: dict[str, Tensor]) -> Tensor:
        weight = self.penalty_weight * self.penalty_interval
        settings = weight, self.penalty_target, self.penalty_one_sided
        score = lambda x: self.critic({"data": x, **given})["score"]  # noqa: E731
        try:
            return gradient_penalty(score, real, fake, *settings, self.penalty_explicit)
        except InputError as error:
            if not self.may_fall_back:
                raise
            logger.info(f"LOSS.penalty_gradient=auto: autograd, slower on this CPU. {error}")
            self.penalty_explicit = self.may_fall_back = False
        return gradient_penalty(score, real, fake, *settings)

    def generator_loss(
        self, output_dict: dict[str, Tensor], label_dict: dict[str, Tensor] | None = None, *_
    ) -> dict[str, Tensor]:
        """Loss of one generator update.

        Args:
            output_dict: ``fake_data`` [N, ...].
            label_dict: ``labels`` that the generator was given, where there are any.

        Returns:
            ``loss`` and ``acgan`` with its scale.
        """
        judged = self.critic({"data": output_dict["fake_data"], **(label_dict or {})})
        loss = wasserstein_generator(judged["score"])
        if "class_logits" not in judged:
            return {"loss": loss}
        term = acgan(judged["class_logits"], label_dict["labels"], self.acgan_scale_g)
        return {"loss": loss + term, "acgan": term}
