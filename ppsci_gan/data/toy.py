"""The three two-dimensional distributions of the WGAN-GP paper.

Gulrajani et al. 2017, Improved Training of Wasserstein GANs (https://arxiv.org/abs/1704.00028), section 4.2; shapes
and scales are those of the authors' code (https://github.com/igul222/improved_wgan_training, gan_toy.py).
"""

from __future__ import annotations

import numpy as np

from ppsci_gan.errors import InputError

NAMES = ("8gaussians", "25gaussians", "swissroll")


def sample(name: str, num_samples: int, seed: int) -> np.ndarray:
    """Draw points of a distribution.

    Args:
        name: One of ``NAMES``.
        num_samples: Number of points N.
        seed: Seed of the points, not negative.

    Returns:
        float32 [N, 2]; nearly all coordinates are between -2 and 2.

    Raises:
        InputError: The name is unknown.

    Examples:
        >>> from ppsci_gan.data import toy
        >>> toy.sample("8gaussians", 256, seed=0).shape
        (256, 2)
    """
    _check_name(name)
    rng = np.random.default_rng(seed)
    if name == "swissroll":
        return _swiss_roll(num_samples, rng).astype(np.float32)
    centres, sigma = modes(name)
    chosen = centres[rng.integers(len(centres), size=num_samples)]
    return (chosen + sigma * rng.standard_normal((num_samples, 2))).astype(np.float32)


def modes(name: str) -> tuple[np.ndarray, float] | None:
    """Return the centres and the spread of a mixture of Gaussians with equal weights.

    Args:
        name: One of ``NAMES``.

    Returns:
        Centres, float64 [K, 2], and the standard deviation along each axis, in the unit of ``sample``; None for the
        Swiss roll, which has no modes.

    Raises:
        InputError: The name is unknown.

    Examples:
        >>> from ppsci_gan.data import toy
        >>> centres, sigma = toy.modes("25gaussians")
        >>> centres.shape, round(sigma, 4)
        ((25, 2), 0.0177)
    """
    _check_name(name)
    if name == "8gaussians":
        angles = np.arange(8) * np.pi / 4
        return 2 * np.stack([np.cos(angles), np.sin(angles)], axis=1) / 1.414, 0.02 / 1.414
    if name == "25gaussians":
        steps = 2.0 * np.arange(-2, 3)
        return np.stack(np.meshgrid(steps, steps, indexing="ij"), axis=-1).reshape(25, 2) / 2.828, 0.05 / 2.828
    return None


def _swiss_roll(num_samples: int, rng: np.random.Generator) -> np.ndarray:
    """Draw points of a noisy spiral of one and a half turns."""
    angle = 1.5 * np.pi * (1 + 2 * rng.random(num_samples))
    spiral = angle[:, None] * np.stack([np.cos(angle), np.sin(angle)], axis=1)
    return (spiral + 0.25 * rng.standard_normal((num_samples, 2))) / 7.5


def _check_name(name: str) -> None:
    if name not in NAMES:
        raise InputError(f"DATA.name={name} is not one of {', '.join(NAMES)}.")
