"""Frechet distance between features: with Inception's it is the FID."""

from __future__ import annotations

import logging
from typing import NamedTuple

import numpy as np
from scipy import linalg

from ppsci_gan.errors import InputError
from ppsci_gan.metrics.points import check_points

_ROWS_PER_BLOCK = 4096  # converted to float64 at a time


class Gaussian(NamedTuple):
    """What the Frechet distance knows of a set of features.

    Attributes:
        mean: float64 [D].
        covariance: float64 [D, D], normalised by N - 1.
        num_samples: N.
    """

    mean: np.ndarray
    covariance: np.ndarray
    num_samples: int


def fit_gaussian(features: np.ndarray) -> Gaussian:
    """Return mean and covariance, added up in float64 over blocks of rows: the features are not copied.

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

    Heusel et al. 2017 (https://arxiv.org/abs/1706.08500) take it between real and generated features. Lower is better.

    The trace of the root of C_a C_b equals the sum of the singular values of R_a^T R_b for any R with C = R R^T. The
    roots come from the eigenvectors of each symmetric matrix, so that nothing is inverted, no imaginary part arises and
    a singular covariance, as fewer samples than dimensions give, is as exact as any other. Such a distance is however
    strongly biased upwards, which a warning says; even with more samples the bias falls only with 1/N, so compare
    distances of the same N.

    Args:
        a: Of one set of features, from ``fit_gaussian``.
        b: Of the other, in the same space.

    Returns:
        The distance, at least 0 up to rounding, in the squared unit of the features.

    Raises:
        InputError: The two are of different dimension.

    Examples:
        >>> import numpy as np
        >>> from ppsci_gan.metrics.frechet import fit_gaussian, frechet_distance
        >>> points = np.random.default_rng(0).normal(size=[1000, 4])
        >>> round(frechet_distance(fit_gaussian(points), fit_gaussian(points + 0.5)), 6)
        1.0
    """
    if a.mean.shape != b.mean.shape:
        raise InputError(f"features of {len(a.mean)} and {len(b.mean)} dimensions have no distance: use one network.")
    fewest = min(a.num_samples, b.num_samples)
    if fewest <= len(a.mean):
        logging.getLogger("ppsci").warning(  # by its name: the arithmetic needs no Paddle
            f"Frechet distance of {fewest} samples in {len(a.mean)} dimensions: the covariance is singular and the "
            "distance far too large. Compare it only with others of as many samples."
        )
    overlap = linalg.svdvals(_square_root(a.covariance).T @ _square_root(b.covariance)).sum()
    difference = a.mean - b.mean
    return float(difference @ difference + np.trace(a.covariance) + np.trace(b.covariance) - 2 * overlap)


def _square_root(covariance: np.ndarray) -> np.ndarray:
    """R with R R^T = C; eigenvalues that rounding made negative count as zero."""
    values, vectors = linalg.eigh(covariance)
    return vectors * np.sqrt(values.clip(min=0))
