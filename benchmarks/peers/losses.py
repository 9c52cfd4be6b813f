"""Losses and penalties, with the mathematics and the settings of ``ppsci_gan.losses``."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F

Judge = Callable[[Tensor], tuple[Tensor, Tensor | None]]  # images -> scores [N] and class logits [N, K], if any


def gradient_penalty(
    judge: Judge, real: Tensor, fake: Tensor, shares: Tensor, target: float, one_sided: bool
) -> Tensor:
    """Return the mean square of how far the critic's gradient norms are from the target.

    Args:
        judge: The critic.
        real: [N, ...].
        fake: [N, ...].
        shares: Of the generated sample in each mixture, [N].
        target: Norm that is not punished.
        one_sided: Whether norms below are left alone.
    """
    between = torch.lerp(real, fake, shares.view(-1, *[1] * (real.dim() - 1))).detach().requires_grad_()
    (gradient,) = torch.autograd.grad(judge(between)[0].sum(), between, create_graph=True)
    excess = gradient.flatten(1).norm(dim=1) - target
    return ((F.relu(excess) if one_sided else excess) ** 2).mean()


class WassersteinGP:
    """WGAN-GP's two losses; the arguments are those of ``ppsci_gan.losses.Objective``.

    Args:
        penalty_weight: Factor of the gradient penalty.
        penalty_target: Norm that the penalty pulls to.
        penalty_one_sided: Whether norms below the target are left alone.
        penalty_interval: Apply the penalty at every k-th update only, times k.
        drift: Factor of the mean square of the real samples' scores.
        acgan_scale: Factor of the classifier's loss in the critic's.
        acgan_scale_g: Factor of the classifier's loss in the generator's.
        acgan_generated: Whether the critic learns to classify generated samples, too.
    """

    def __init__(
        self,
        penalty_weight: float = 10.0,
        penalty_target: float = 1.0,
        penalty_one_sided: bool = False,
        penalty_interval: int = 1,
        drift: float = 0.0,
        acgan_scale: float = 1.0,
        acgan_scale_g: float = 0.1,
        acgan_generated: bool = False,
    ):
        self.penalty_weight, self.penalty_interval = penalty_weight, penalty_interval
        self.penalty_target, self.penalty_one_sided = penalty_target, penalty_one_sided
        self.drift, self.acgan_scale, self.acgan_scale_g = drift, acgan_scale, acgan_scale_g
        self.acgan_generated = acgan_generated

    def critic(
        self, judge: Judge, real: Tensor, fake: Tensor, labels: Tensor | None, shares: Callable[[], Tensor], update: int
    ) -> dict[str, Tensor]:
        """Return ``loss`` and its terms.

        Args:
            judge: The critic.
            real: [N, ...].
            fake: [N, ...].
            labels: Of the real samples, where the critic classifies.
            shares: Draws those of generated samples in the mixtures, [N].
            update: How many updates the critic had.
        """
        (of_real, logits), (of_fake, fake_logits) = judge(real), judge(fake)
        loss = of_fake.mean() - of_real.mean()
        terms = {"wasserstein": -loss.detach()}
        if self.drift:
            terms["drift"] = self.drift * (of_real**2).mean()
        if update % self.penalty_interval == 0:
            penalty = gradient_penalty(judge, real, fake, shares(), self.penalty_target, self.penalty_one_sided)
            terms["penalty"] = self.penalty_weight * self.penalty_interval * penalty
        if logits is not None:
            terms["acgan"] = self.acgan_scale * F.cross_entropy(logits, labels)
            if self.acgan_generated:
                terms["acgan"] = terms["acgan"] + self.acgan_scale * F.cross_entropy(fake_logits, labels)
        return {"loss": loss + sum(value for name, value in terms.items() if name != "wasserstein"), **terms}

    def generator(self, judge: Judge, fake: Tensor, labels: Tensor | None) -> dict[str, Tensor]:
        """Return ``loss`` and its terms.

        Args:
            judge: The critic.
            fake: [N, ...].
            labels: That the generator was given, where the critic classifies.
        """
        scores, logits = judge(fake)
        if logits is None:
            return {"loss": -scores.mean()}
        term = self.acgan_scale_g * F.cross_entropy(logits, labels)
        return {"loss": -scores.mean() + term, "acgan": term}


OBJECTIVES = {  # discriminator's of (real, fake, target), generator's of fake: all of logits
    "non_saturating": (
        lambda real, fake, target: (F.softplus(real) - target * real).mean() + F.softplus(fake).mean(),
        lambda fake: F.softplus(-fake).mean(),
    ),
    "minimax": (
        lambda real, fake, target: (F.softplus(real) - target * real).mean() + F.softplus(fake).mean(),
        lambda fake: -F.softplus(fake).mean(),
    ),
    "least_squares": (
        lambda real, fake, target: 0.5 * ((real - target) ** 2).mean() + 0.5 * (fake**2).mean(),
        lambda fake: 0.5 * ((fake - 1) ** 2).mean(),
    ),
    "hinge": (
        lambda real, fake, target: F.relu(target - real).mean() + F.relu(1 + fake).mean(),
        lambda fake: -fake.mean(),
    ),
}


class Adversarial:
    """A discriminator's and a generator's loss, without instance noise; see ``ppsci_gan.losses.Objective``.

    Args:
        objective: One of ``OBJECTIVES``.
        real_target: Below 1: one-sided label smoothing.
    """

    def __init__(self, objective: str = "non_saturating", real_target: float = 1.0):
        self.of_discriminator, self.of_generator = OBJECTIVES[objective]
        self.real_target = real_target

    def critic(self, judge: Judge, real: Tensor, fake: Tensor, *_) -> dict[str, Tensor]:
        """Return the discriminator's ``loss``."""
        return {"loss": self.of_discriminator(judge(real)[0], judge(fake)[0], self.real_target)}

    def generator(self, judge: Judge, fake: Tensor, *_) -> dict[str, Tensor]:
        """Return the generator's ``loss``."""
        return {"loss": self.of_generator(judge(fake)[0])}
