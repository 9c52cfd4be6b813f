"""Adversarial losses: pairs of a critic's and a generator's loss, pure functions of the critic's scores.

Apart from the Wasserstein losses, a score is a logit: its sigmoid is the probability that the sample is real. The
sigmoid itself is never computed, so nothing overflows.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import paddle.nn.functional as F
from paddle import Tensor


def wasserstein_critic(real_score: Tensor, fake_score: Tensor) -> Tensor:
    """``mean(fake) - mean(real)``: minus the estimated Wasserstein-1 distance.

    Gulrajani et al. 2017 (arXiv:1704.00028), equation 3 without the penalty.

    Args:
        real_score: Scores of real samples, [N].
        fake_score: Scores of generated samples, [M].

    Examples:
        >>> import paddle
        >>> from ppsci_gan.losses.adversarial import wasserstein_critic
        >>> float(wasserstein_critic(paddle.to_tensor([2.0, 4.0]), paddle.to_tensor([1.0])))
        -2.0
    """
    return fake_score.mean() - real_score.mean()


def wasserstein_generator(fake_score: Tensor) -> Tensor:
    """``-mean(fake)``, also the generator's hinge loss (Miyato et al. 2018, arXiv:1802.05957, equation 18).

    Args:
        fake_score: Scores of generated samples, [N].

    Examples:
        >>> import paddle
        >>> from ppsci_gan.losses.adversarial import wasserstein_generator
        >>> float(wasserstein_generator(paddle.to_tensor([1.0, 3.0])))
        -2.0
    """
    return -fake_score.mean()


def logistic_critic(real_score: Tensor, fake_score: Tensor, real_target: float = 1.0) -> Tensor:
    """Cross entropy, ``-mean(t log D(x) + (1 - t) log(1 - D(x))) - mean(log(1 - D(G(z))))``.

    Goodfellow et al. 2014 (arXiv:1406.2661), equation 1; with a target t below 1, one-sided label smoothing (Salimans
    et al. 2016, arXiv:1606.03498, section 3).

    Args:
        real_score: Logits of real samples, [N].
        fake_score: Logits of generated samples, [M].
        real_target: Probability t that real samples should get.

    Examples:
        >>> import paddle
        >>> from ppsci_gan.losses.adversarial import logistic_critic
        >>> round(float(logistic_critic(paddle.zeros([4]), paddle.zeros([4]))), 4)
        1.3863
    """
    # -t log sigmoid(l) - (1 - t) log(1 - sigmoid(l)) = softplus(l) - t l
    return (F.softplus(real_score) - real_target * real_score).mean() + F.softplus(fake_score).mean()


def non_saturating_generator(fake_score: Tensor) -> Tensor:
    """``-mean(log D(G(z)))``, whose gradient stays where the critic is sure (arXiv:1406.2661, section 3).

    Args:
        fake_score: Logits of generated samples, [N].

    Examples:
        >>> import paddle
        >>> from ppsci_gan.losses.adversarial import non_saturating_generator
        >>> float(non_saturating_generator(paddle.to_tensor([-1000.0])))
        1000.0
    """
    return F.softplus(-fake_score).mean()


def minimax_generator(fake_score: Tensor) -> Tensor:
    """``mean(log(1 - D(G(z))))``, the original game's (arXiv:1406.2661, equation 1): its gradient vanishes, for study.

    Args:
        fake_score: Logits of generated samples, [N].

    Examples:
        >>> import paddle
        >>> from ppsci_gan.losses.adversarial import minimax_generator
        >>> round(float(minimax_generator(paddle.zeros([3]))), 4)
        -0.6931
    """
    return -F.softplus(fake_score).mean()


def least_squares_critic(real_score: Tensor, fake_score: Tensor, real_target: float = 1.0) -> Tensor:
    """``mean((real - t)^2) / 2 + mean(fake^2) / 2``.

    Mao et al. 2017 (arXiv:1611.04076), equation 9, with a = 0 and b = t.

    Args:
        real_score: Scores of real samples, [N].
        fake_score: Scores of generated samples, [M].
        real_target: Score t that real samples should get.

    Examples:
        >>> import paddle
        >>> from ppsci_gan.losses.adversarial import least_squares_critic
        >>> float(least_squares_critic(paddle.to_tensor([1.0]), paddle.to_tensor([2.0])))
        2.0
    """
    return 0.5 * ((real_score - real_target) ** 2).mean() + 0.5 * (fake_score**2).mean()


def least_squares_generator(fake_score: Tensor) -> Tensor:
    """``mean((fake - 1)^2) / 2``, with c = 1 in the same equation.

    Args:
        fake_score: Scores of generated samples, [N].

    Examples:
        >>> import paddle
        >>> from ppsci_gan.losses.adversarial import least_squares_generator
        >>> float(least_squares_generator(paddle.to_tensor([3.0])))
        2.0
    """
    return 0.5 * ((fake_score - 1) ** 2).mean()


def hinge_critic(real_score: Tensor, fake_score: Tensor, real_target: float = 1.0) -> Tensor:
    """``mean(max(0, t - real)) + mean(max(0, 1 + fake))``.

    Lim and Ye 2017 (arXiv:1705.02894); Miyato et al. 2018 (arXiv:1802.05957), equation 17.

    Args:
        real_score: Scores of real samples, [N].
        fake_score: Scores of generated samples, [M].
        real_target: Margin t of real samples.

    Examples:
        >>> import paddle
        >>> from ppsci_gan.losses.adversarial import hinge_critic
        >>> float(hinge_critic(paddle.to_tensor([3.0]), paddle.to_tensor([0.5])))
        1.5
    """
    return F.relu(real_target - real_score).mean() + F.relu(1 + fake_score).mean()


class AdversarialLoss(NamedTuple):
    """A pair of losses.

    Attributes:
        critic: Maps (real_score, fake_score) and, where there is a ``middle``, real_target to a scalar.
        generator: Maps fake_score to a scalar.
        middle: Samples that score higher are classified as real; None where scores are not meant to classify.
    """

    critic: Callable[..., Tensor]
    generator: Callable[[Tensor], Tensor]
    middle: float | None = 0.0


# By their names in LOSS.objective.
LOSSES = {
    "wasserstein": AdversarialLoss(wasserstein_critic, wasserstein_generator, middle=None),
    "non_saturating": AdversarialLoss(logistic_critic, non_saturating_generator),
    "minimax": AdversarialLoss(logistic_critic, minimax_generator),
    "least_squares": AdversarialLoss(least_squares_critic, least_squares_generator, middle=0.5),
    "hinge": AdversarialLoss(hinge_critic, wasserstein_generator),
}
