"""Fidelity and diversity as separate scores, from nearest-neighbour balls.

Each score follows its own literature at the boundary: balls are closed for precision and recall, as in the paper, its
authors' code and torch-fidelity, and open for density and coverage, as in the authors' package
(https://github.com/clovaai/generative-evaluation-prdc).
"""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Iterator

import numpy as np
from sklearn.metrics import pairwise_distances_chunked
from sklearn.neighbors import NearestNeighbors

from ppsci_gan.errors import InputError
from ppsci_gan.metrics.points import check_points
from ppsci_gan.metrics.points import check_same_dimension

_VALUES_PER_PART = 2**22  # differences held at a time: 32 MB


def precision_recall(real: np.ndarray, fake: np.ndarray, k: int = 3) -> tuple[float, float]:
    """Improved precision and recall (Kynkaanniemi et al. 2019, https://arxiv.org/abs/1904.06991).

    Precision is the share of generated points in the neighbourhood of a real one: fidelity. Recall is the share of real
    points in the neighbourhood of a generated one: diversity. The neighbourhood of a point is the closed ball up to its
    k-th nearest other point of the same set. Both scores grow with the number of points: compare only scores with the
    same N, M and k.

    Args:
        real: Real points [N, D], N greater than k.
        fake: Generated points [M, D], M greater than k.
        k: Which neighbour sets the radius, at least 1.

    Returns:
        Precision and recall, from 0 to 1.

    Raises:
        InputError: Shapes that do not match, values that are not finite, or k out of range.

    Examples:
        >>> import numpy as np
        >>> from ppsci_gan.metrics import precision_recall
        >>> real = np.random.default_rng(0).normal(size=[100, 2])
        >>> precision_recall(real, real[:50])[0]
        1.0
        >>> precision_recall(real, real + 100)
        (0.0, 0.0)
    """
    real, fake = _centre(real, fake)
    real_radii, fake_radii = _radii("real", real, k), _radii("fake", fake, k)
    precision = np.concatenate([inside.any(axis=1) for inside in _test_inside(fake, real, real_radii, np.less_equal)])
    recall = np.concatenate([inside.any(axis=1) for inside in _test_inside(real, fake, fake_radii, np.less_equal)])
    return float(precision.mean()), float(recall.mean())


def density(real: np.ndarray, fake: np.ndarray, k: int = 5) -> float:
    """Mean number of real neighbourhoods that contain a generated point, over k (Naeem et al. 2020).

    Unlike precision, it is robust to real outliers with large neighbourhoods (https://arxiv.org/abs/2002.09797). About
    1 for equal distributions; it can exceed 1. The neighbourhood of a real point is the open ball up to its k-th
    nearest other real point: it contains exactly k real points, including itself.

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
        >>> density(real, real), density(real, real + 100)
        (1.0, 0.0)
    """
    real, fake = _centre(real, fake)
    total = sum(int(np.count_nonzero(inside)) for inside in _test_inside(fake, real, _radii("real", real, k), np.less))
    return total / (k * len(fake))


def coverage(real: np.ndarray, fake: np.ndarray, k: int = 5) -> float:
    """Share of real points whose neighbourhood contains a generated point (Naeem et al. 2020).

    The neighbourhood of a real point is the open ball up to its k-th nearest other real point
    (https://arxiv.org/abs/2002.09797). For two sets of equal size from the same distribution, about 1 - 2^-k is
    expected, 97 % for k = 5. A real point that occurs more than k times has an empty ball and is never covered.

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
    real, fake = _centre(real, fake)
    nearest = NearestNeighbors(n_neighbors=1).fit(fake).kneighbors(real, return_distance=False)[:, 0]
    to_nearest = _squared_distances(real, fake, np.arange(len(real)), nearest)
    return float(np.mean(to_nearest < _radii("real", real, k)))


def _centre(real: np.ndarray, fake: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return both sets in float64, shifted so that the real points' mean is the origin.

    Squared distances come from |x|^2 - 2 x y + |y|^2, whose rounding grows with the distance from the origin.
    """
    real, fake = check_points("real", real), check_points("fake", fake)
    check_same_dimension(real, fake, "real and fake")
    # The mean is rounded to float32, so that subtracting it from bytes or float32 is exact: ties stay ties.
    mean = real.mean(axis=0, dtype=np.float64).astype(np.float32).astype(np.float64)
    return real - mean, fake - mean


def _radii(name: str, points: np.ndarray, k: int) -> np.ndarray:
    """Return the squared distance of each point to its k-th nearest other point, [N]."""
    if not 1 <= k < len(points):
        raise InputError(f"k must be from 1 to the number of {name} points less one, {len(points) - 1}; it is {k}.")
    # Without an argument, kneighbors excludes the point itself.
    nearest = NearestNeighbors(n_neighbors=k).fit(points).kneighbors(return_distance=False)
    return np.max([_squared_distances(points, points, np.arange(len(points)), column) for column in nearest.T], axis=0)


def _test_inside(
    points: np.ndarray, centres: np.ndarray, radii: np.ndarray, within: Callable[..., np.ndarray]
) -> Iterator[np.ndarray]:
    """Yield whether each point lies in each centre's ball, bool [rows of points, M], chunk by chunk.

    Args:
        points: [N, D], float64.
        centres: [M, D], float64.
        radii: Squared radii, [M].
        within: ``np.less`` for open balls, ``np.less_equal`` for closed ones.
    """
    norms = (np.einsum("nd,nd->n", array, array).max() for array in (points, centres))
    rounding = 4 * (points.shape[1] + 4) * np.finfo(np.float64).eps * max(norms)

    def decide(squared: np.ndarray, start: int) -> np.ndarray:
        # Recompute close calls in the same way as the radii, so that equal distances are equal numbers.
        inside = within(squared, radii + rounding)
        rows, columns = np.nonzero(inside ^ within(squared, radii - rounding))
        inside[rows, columns] = within(_squared_distances(points, centres, rows + start, columns), radii[columns])
        return inside

    return pairwise_distances_chunked(points, centres, reduce_func=decide, working_memory=256, squared=True)


def _squared_distances(a: np.ndarray, b: np.ndarray, rows: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Return the squared distances of pairs of points, from coordinate differences."""
    parts = np.array_split(np.stack([rows, others]), 1 + len(rows) * a.shape[1] // _VALUES_PER_PART, axis=1)
    differences = (a[i] - b[j] for i, j in parts)
    return np.concatenate([np.einsum("nd,nd->n", difference, difference) for difference in differences])
