"""Fidelity and diversity apart: which samples lie in the neighbourhoods of the others.

A point exactly as far away as the radius is in the neighbourhood for precision and recall, as in their paper, its
authors' code and torch-fidelity, and outside for density and coverage, as in their authors' package
(https://github.com/clovaai/generative-evaluation-prdc). So each score compares with its own literature.
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
    real, fake = _centre(real, fake)
    real_radii, fake_radii = _radii("real", real, k), _radii("fake", fake, k)
    precision = np.concatenate([inside.any(axis=1) for inside in _test_inside(fake, real, real_radii, np.less_equal)])
    recall = np.concatenate([inside.any(axis=1) for inside in _test_inside(real, fake, fake_radii, np.less_equal)])
    return float(precision.mean()), float(recall.mean())


def density(real: np.ndarray, fake: np.ndarray, k: int = 5) -> float:
    """How many neighbourhoods of real points a generated point lies in, over k (Naeem et al. 2020).

    Unlike precision it does not let one real outlier with a large neighbourhood speak for many generated points
    (https://arxiv.org/abs/2002.09797). About 1 for equal distributions; it can be greater. The neighbourhood of a real
    point is the open ball up to its k-th nearest other real point: it holds exactly k real points, itself among them.

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
    (https://arxiv.org/abs/2002.09797). For two sets of the same size from the same distribution the expected value is
    about 1 - 2^-k, 97 % for k = 5. A real point that occurs more than k times has an empty ball and is never covered.

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
    """Both sets in float64, with the real points' mean at the origin.

    Squared distances come from |x|^2 - 2 x y + |y|^2, whose rounding grows with the distance from the origin.
    """
    real, fake = check_points("real", real), check_points("fake", fake)
    check_same_dimension(real, fake, "real and fake")
    # In single precision, so that subtracting it from bytes or single precision is exact: ties stay ties.
    mean = real.mean(axis=0, dtype=np.float64).astype(np.float32).astype(np.float64)
    return real - mean, fake - mean


def _radii(name: str, points: np.ndarray, k: int) -> np.ndarray:
    """Squared distance of each point to its k-th nearest other point, [N]."""
    if not 1 <= k < len(points):
        raise InputError(f"k must be from 1 to the number of {name} points less one, {len(points) - 1}; it is {k}.")
    # Without an argument a point is not its own neighbour.
    nearest = NearestNeighbors(n_neighbors=k).fit(points).kneighbors(return_distance=False)
    return np.max([_squared_distances(points, points, np.arange(len(points)), column) for column in nearest.T], axis=0)


def _test_inside(
    points: np.ndarray, centres: np.ndarray, radii: np.ndarray, within: Callable[..., np.ndarray]
) -> Iterator[np.ndarray]:
    """Whether each point lies in each centre's ball, bool [some of the points, centres] at a time.

    Args:
        points: [N, D], float64.
        centres: [M, D], float64.
        radii: Squared, [M].
        within: ``np.less`` for open balls, ``np.less_equal`` for closed ones.
    """
    norms = (np.einsum("nd,nd->n", array, array).max() for array in (points, centres))
    rounding = 4 * (points.shape[1] + 4) * np.finfo(np.float64).eps * max(norms)

    def decide(squared: np.ndarray, start: int) -> np.ndarray:
        # What rounding might decide is computed again, as the radii are, so that equal distances are equal numbers.
        inside = within(squared, radii + rounding)
        rows, columns = np.nonzero(inside ^ within(squared, radii - rounding))
        inside[rows, columns] = within(_squared_distances(points, centres, rows + start, columns), radii[columns])
        return inside

    return pairwise_distances_chunked(points, centres, reduce_func=decide, working_memory=256, squared=True)


def _squared_distances(a: np.ndarray, b: np.ndarray, rows: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Squared distances of some pairs of points, from the differences of their coordinates."""
    parts = np.array_split(np.stack([rows, others]), 1 + len(rows) * a.shape[1] // _VALUES_PER_PART, axis=1)
    differences = (a[i] - b[j] for i, j in parts)
    return np.concatenate([np.einsum("nd,nd->n", difference, difference) for difference in differences])
