"""Frechet distance between features: with Inception's it is the FID."""

from __future__ import annotations

import logging
from typing import NamedTuple

import numpy as np
from scipy import linalg

from ppsci_gan.errors import InputError
from ppsci_gan.metrics.points import check_points

_ROWS_PER_BLOCK = 4096  # rows converted to float64 at a time


class Gaussian(NamedTuple):
    """Mean and covariance of a set of features.

    Attributes:
        mean: float64 [D].
        covariance: float64 [D, D], normalised by N - 1.
        num_samples: Number of samples N.
    """

    mean: np.ndarray
    covariance: np.ndarray
    num_samples: int


def fit_gaussian(features: np.ndarray) -> Gaussian:
    """Return mean and covariance, accumulated in float64 over blocks of rows to avoid a copy of the features.

    Args:
        features: [N, D], N at least 2.

    Raises:
        InputError: Fewer than two samples, or values that are not finite.

    Examples:
        >>> import numpy as np
        >>> from ppsci_gan.metrics.frechet import fit_gaussian
        >>> fit_gaussian(np.array([[0.0], [2.0]]))
        Gaussian(mean=array([1.]), covariance=array([[2.]]), num_samples=2)
    """
    features = check_points("features", features)
    number = len(features)
    if number < 2:
        raise InputError("a covariance needs at least 2 samples; there is 1.")
    blocks = [features[start : start + _ROWS_PER_BLOCK] for start in range(0, number, _ROWS_PER_BLOCK)]
    mean = sum(block.sum(axis=0, dtype=np.float64) for block in blocks) / number
    covariance = np.zeros([features.shape[1]] * 2)
    for block in blocks:
        centred = block - mean
        covariance += centred.T @ centred
    return Gaussian(mean, covariance / (number - 1), number)


def frechet_distance(a: Gaussian, b: Gaussian) -> float:
    """Squared Frechet distance of two Gaussians: |m_a - m_b|^2 + tr(C_a + C_b - 2 (C_a C_b)^(1/2)).

    With Inception features this is the FID (Heusel et al. 2017, https://arxiv.org/abs/1706.08500). Lower is better.

    The trace of the root of C_a C_b equals the sum of the singular values of R_a^T R_b for any R with C = R R^T. The
    roots come from eigendecompositions of the symmetric matrices: no inverse, no imaginary parts, and a singular
    covariance (fewer samples than dimensions) is handled exactly. Its distance is strongly biased upwards and logs a
    warning. The bias falls only as 1/N, so compare distances of the same N.

    Args:
        a: Gaussian of one set of features, from ``fit_gaussian``.
        b: Gaussian of the other set, in the same feature space.

    Returns:
        The distance, at least 0 up to rounding, in the squared unit of the features.

    Raises:
        InputError: The dimensions differ.

    Examples:
        >>> import numpy as np
        >>> from ppsci_gan.metrics.frechet import fit_gaussian, frechet_distance
        >>> points = np.random.default_rng(0).normal(size=[1000, 4])
        >>> round(frechet_distance(fit_gaussian(points), fit_gaussian(points + 0.5)), 6)
        1.0
    """
    if a.mean.shape != b.mean.shape:
        raise InputError(
            f"features of {len(a.mean)} and {len(b.mean)} dimensions cannot be compared: use the same network."
        )
    fewest = min(a.num_samples, b.num_samples)
    if fewest <= len(a.mean):
        logging.getLogger("ppsci").warning(  # by its name: the arithmetic needs no Paddle
            f"Frechet distance of {fewest} samples in {len(a.mean)} dimensions: the covariance is singular and the "
            "distance far too large. Compare it only with distances of the same number of samples."
        )
    overlap = linalg.svdvals(_square_root(a.covariance).T @ _square_root(b.covariance)).sum()
    difference = a.mean - b.mean
    return float(difference @ difference + np.trace(a.covariance) + np.trace(b.covariance) - 2 * overlap)


def _square_root(covariance: np.ndarray) -> np.ndarray:
    """Return R with R R^T = C, clipping eigenvalues that rounding made negative."""
    values, vectors = linalg.eigh(covariance)
    return vectors * np.sqrt(values.clip(min=0))
