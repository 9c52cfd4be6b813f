"""Fidelity and diversity apart: which samples lie in the neighbourhoods of the others."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from sklearn.metrics import pairwise_distances_chunked
from sklearn.neighbors import NearestNeighbors

from ppsci_gan.errors import InputError
from ppsci_gan.metrics.points import check_points
from ppsci_gan.metrics.points import check_same_dimension


def precision_recall(real: np.ndarray, fake: np.ndarray, k: int = 3) -> tuple[float, float]:
    """Improved precision and recall (Kynkaanniemi et al. 2019, https://arxiv.org/abs/1904.06991).

    Precision is the share of generated points that lie in the neighbourhood of some real one: fidelity. Recall is the
    share of real points that lie in the neighbourhood of some generated one: diversity. The neighbourhood of a point is
    the closed ball up to its k-th nearest other point of its own set. Both grow with the number of points: compare
    figures of the same N, M and k.

    Args:
        real: Real points [N, D], N greater than k.
        fake: Generated points [M, D], M greater than k.
        k: Which neighbour sets the radius, at least 1.

    Returns:
        Precision and recall, from 0 to 1.

    Raises:
        InputError: Shapes that do not fit, values that are not finite, a k out of range.

    Examples:
        >>> import numpy as np
        >>> from ppsci_gan.metrics import precision_recall
        >>> real = np.random.default_rng(0).normal(size=[100, 2])
        >>> precision_recall(real, real[:50])[0]
        1.0
        >>> precision_recall(real, real + 100)
        (0.0, 0.0)
    """
    real, fake = _check(real, fake)
    slack = _slack(real, fake)
    precision = np.concatenate([inside.any(axis=1) for inside in _inside(fake, real, _radii("real", real, k) + slack)])
    recall = np.concatenate([inside.any(axis=1) for inside in _inside(real, fake, _radii("fake", fake, k) + slack)])
    return float(precision.mean()), float(recall.mean())


def density(real: np.ndarray, fake: np.ndarray, k: int = 5) -> float:
    """How many neighbourhoods of real points a generated point lies in, over k (Naeem et al. 2020).

    Unlike precision it does not let one real outlier with a large neighbourhood speak for many generated points
    (https://arxiv.org/abs/2002.09797). About 1 for equal distributions; it can be greater.

    Args:
        real: Real points [N, D], N greater than k.
        fake: Generated points [M, D].
        k: Which neighbour sets the radius, at least 1.

    Returns:
        The density, at least 0.

    Raises:
        InputError: As for ``precision_recall``.

    Examples:
        >>> import numpy as np
        >>> from ppsci_gan.metrics import density
        >>> real = np.random.default_rng(0).normal(size=[100, 2])
        >>> density(real, real + 100)
        0.0
    """
    real, fake = _check(real, fake)
    radii = _radii("real", real, k) + _slack(real, fake)
    total = sum(int(np.count_nonzero(inside)) for inside in _inside(fake, real, radii))
    return total / (k * len(fake))


def coverage(real: np.ndarray, fake: np.ndarray, k: int = 5) -> float:
    """Share of real points whose neighbourhood contains a generated point (Naeem et al. 2020).

    The neighbourhood of a real point is the closed ball up to its k-th nearest other real point
    (https://arxiv.org/abs/2002.09797). For two sets of the same size from the same distribution the expected value is
    about 1 - 2^-k, 97 % for k = 5.

    Args:
        real: Real points [N, D], N greater than k.
        fake: Generated points [M, D].
        k: Which neighbour sets the radius, at least 1.

    Returns:
        The share, from 0 (no real point is covered) to 1 (all are).

    Raises:
        InputError: As for ``precision_recall``.

    Examples:
        >>> import numpy as np
        >>> from ppsci_gan.metrics import coverage
        >>> real = np.random.default_rng(0).normal(size=[100, 2])
        >>> coverage(real, real)
        1.0
        >>> coverage(real, real + 100)
        0.0
    """
    real, fake = _check(real, fake)
    to_nearest_fake = NearestNeighbors(n_neighbors=1).fit(fake).kneighbors(real)[0][:, 0]
    return float(np.mean(to_nearest_fake <= _radii("real", real, k) + _slack(real, fake)))


def _check(real: np.ndarray, fake: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    real, fake = check_points("real", real), check_points("fake", fake)
    check_same_dimension(real, fake, "real and fake")
    return real, fake


def _radii(name: str, points: np.ndarray, k: int) -> np.ndarray:
    """Distance of each point to its k-th nearest other point, [N]."""
    if not 1 <= k < len(points):
        raise InputError(f"k must be from 1 to the number of {name} points less one, {len(points) - 1}; it is {k}.")
    # The nearest of the k + 1 neighbours is the point itself.
    return NearestNeighbors(n_neighbors=k + 1).fit(points).kneighbors(points)[0][:, k]


def _slack(real: np.ndarray, fake: np.ndarray) -> float:
    """What rounding may add to a distance.

    Distances come from |x|^2 - 2 x y + |y|^2, so that equal points are some 1e-8 |x| apart; a closed ball must contain
    them, also where a point occurs so often that its radius is zero.
    """
    return 1e-7 * max(float(np.einsum("nd,nd->n", p, p, dtype=np.float64).max()) ** 0.5 for p in (real, fake))


def _inside(points: np.ndarray, centres: np.ndarray, radii: np.ndarray) -> Iterator[np.ndarray]:
    """Whether each point lies in each centre's ball, bool [some of the points, centres] at a time."""
    return pairwise_distances_chunked(
        points, centres, reduce_func=lambda distances, _: distances <= radii, working_memory=256
    )
