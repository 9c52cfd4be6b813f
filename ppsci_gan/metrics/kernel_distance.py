"""Kernel distance between features: with Inception's it is the KID."""

from __future__ import annotations

import numpy as np
from sklearn.metrics.pairwise import polynomial_kernel

from ppsci_gan.errors import InputError
from ppsci_gan.metrics.points import check_points
from ppsci_gan.metrics.points import check_same_dimension


def kernel_distance(
    real: np.ndarray, fake: np.ndarray, subsets: int = 100, subset_size: int = 1000, seed: int = 2020
) -> tuple[float, float]:
    """Squared maximum mean discrepancy under the kernel (x y / D + 1)^3, averaged over random subsets.

    Binkowski et al. 2018 (https://arxiv.org/abs/1801.01401). The estimator is unbiased: its mean does not depend on the
    number of samples and may be slightly negative for equal distributions. Lower is better.

    Args:
        real: Features [N, D].
        fake: Features [M, D].
        subsets: Number of pairs of subsets.
        subset_size: Samples per subset, drawn without replacement; at least 2, at most N and M.
        seed: Seed of the subsets, the same as torch-fidelity's with the generated features first.

    Returns:
        Mean and standard deviation over the subsets.

    Raises:
        InputError: Shapes that do not match, values that are not finite, or fewer samples than ``subset_size``.

    Examples:
        >>> import numpy as np
        >>> from ppsci_gan.metrics import kernel_distance
        >>> real, fake = np.random.default_rng(0).normal(size=[2, 500, 4])
        >>> mean, std = kernel_distance(real, fake + 1, subsets=10, subset_size=100)
        >>> mean > 0
        True
    """
    real, fake = check_points("real", real), check_points("fake", fake)
    check_same_dimension(real, fake, "real and fake")
    if not 2 <= subset_size <= min(len(real), len(fake)) or subsets < 1:
        raise InputError(
            f"subset_size={subset_size} must be from 2 to the number of samples, {len(real)} real and {len(fake)} "
            f"generated, and subsets={subsets} at least 1."
        )
    random = np.random.RandomState(seed)
    values = []
    for _ in range(subsets):
        x = fake[random.choice(len(fake), subset_size, replace=False)].astype(np.float64)
        y = real[random.choice(len(real), subset_size, replace=False)].astype(np.float64)
        values.append(_mean_over_pairs(x) + _mean_over_pairs(y) - 2 * polynomial_kernel(x, y, degree=3).mean())
    return float(np.mean(values)), float(np.std(values))


def _mean_over_pairs(x: np.ndarray) -> float:
    """Return the kernel's mean over pairs of different points: excluding the diagonal removes the bias."""
    kernel = polynomial_kernel(x, degree=3)
    return (kernel.sum() - np.trace(kernel)) / (len(x) * (len(x) - 1))
