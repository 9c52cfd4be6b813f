"""Share of the real points that have generated points in their neighbourhood."""

import numpy as np
from scipy.spatial import cKDTree

from ppsci_gan.errors import InputError
from ppsci_gan.metrics.points import check_points
from ppsci_gan.metrics.points import check_same_dimension


def coverage(real: np.ndarray, fake: np.ndarray, k: int = 5) -> float:
    """Share of real points whose neighbourhood contains a generated point.

    The neighbourhood of a real point is the closed ball up to its k-th nearest other real point (Naeem et al. 2020,
    https://arxiv.org/abs/2002.09797). For two sets of the same size from the same distribution the expected value is
    about 1 - 2^-k, 97 % for k = 5. Meant for points of few dimensions: the search trees are no faster than brute force
    beyond some twenty.

    Args:
        real: Real points [N, D], N greater than k.
        fake: Generated points [M, D], in the same unit.
        k: Which neighbour sets the radius, at least 1.

    Returns:
        The share, from 0 (no real point is covered) to 1 (all are).

    Raises:
        InputError: Shapes that do not fit, values that are not finite, a k out of range.

    Examples:
        >>> import numpy as np
        >>> from ppsci_gan.metrics import coverage
        >>> real = np.random.default_rng(0).normal(size=[100, 2])
        >>> coverage(real, real)
        1.0
        >>> coverage(real, real + 100)
        0.0
    """
    real = check_points("real", real)
    fake = check_points("fake", fake)
    check_same_dimension(real, fake, "real and fake")
    if not 1 <= k < len(real):
        raise InputError(f"k must be from 1 to the number of real points less one, {len(real) - 1}; it is {k}.")

    # The nearest of the k + 1 neighbours is the point itself.
    radius = cKDTree(real).query(real, k=[k + 1])[0][:, 0]
    to_nearest_fake = cKDTree(fake).query(real)[0]
    return float(np.mean(to_nearest_fake <= radius))
