"""The toy distributions against loops like the reference's, scikit-learn and their own statistics."""

import numpy as np
import pytest
from scipy import stats
from scipy.spatial import cKDTree
from sklearn.datasets import make_swiss_roll

from ppsci_gan.data import toy
from ppsci_gan.errors import InputError

NUM_SAMPLES = 20_000


def reference_centres(name):
    """Centres as the reference lists them, before the noise."""
    if name == "8gaussians":
        diagonal = 1 / np.sqrt(2)
        axes = [(1, 0), (-1, 0), (0, 1), (0, -1)]
        corners = [(diagonal, diagonal), (diagonal, -diagonal), (-diagonal, diagonal), (-diagonal, -diagonal)]
        return [(2 * x / 1.414, 2 * y / 1.414) for x, y in axes + corners]
    return [(2 * x / 2.828, 2 * y / 2.828) for x in range(-2, 3) for y in range(-2, 3)]


@pytest.mark.parametrize("name", toy.NAMES)
def test_samples_are_seeded_float32(name):
    points = toy.sample(name, 1000, seed=3)
    assert points.shape == (1000, 2)
    assert points.dtype == np.float32
    assert np.abs(points).max() < 2.5
    np.testing.assert_array_equal(points, toy.sample(name, 1000, seed=3))
    assert not np.array_equal(points, toy.sample(name, 1000, seed=4))


@pytest.mark.parametrize(("name", "sigma"), [("8gaussians", 0.02 / 1.414), ("25gaussians", 0.05 / 2.828)])
def test_modes_are_the_references(name, sigma):
    centres, our_sigma = toy.modes(name)
    assert centres.dtype == np.float64
    assert our_sigma == pytest.approx(sigma)
    distances, nearest = cKDTree(centres).query(reference_centres(name))
    np.testing.assert_allclose(distances, 0, atol=1e-12)
    assert sorted(nearest) == list(range(len(centres)))


@pytest.mark.parametrize("name", ["8gaussians", "25gaussians"])
def test_samples_are_an_even_mixture_of_gaussians(name):
    centres, sigma = toy.modes(name)
    points = toy.sample(name, NUM_SAMPLES, seed=0)
    _, nearest = cKDTree(centres).query(points)
    residuals = (points - centres[nearest]) / sigma
    # The seed is fixed; a threshold of 1e-3 tells wrong weights or widths, which give p < 1e-10 at this size.
    assert stats.chisquare(np.bincount(nearest, minlength=len(centres))).pvalue > 1e-3
    assert stats.kstest(residuals[:, 0], "norm").pvalue > 1e-3
    assert stats.kstest(residuals[:, 1], "norm").pvalue > 1e-3
    assert abs(stats.pearsonr(*residuals.T).statistic) < 4 / np.sqrt(NUM_SAMPLES)


def test_swiss_roll_is_scikit_learns():
    ours = toy.sample("swissroll", NUM_SAMPLES, seed=0)
    reference = make_swiss_roll(NUM_SAMPLES, noise=0.25, random_state=0)[0][:, [0, 2]] / 7.5
    for angle in np.linspace(0, np.pi, 8, endpoint=False):  # equal projections in all directions: equal distributions
        direction = np.array([np.cos(angle), np.sin(angle)])
        assert stats.ks_2samp(ours @ direction, reference @ direction).pvalue > 1e-3
    assert stats.ks_2samp(np.hypot(*ours.T), np.hypot(*reference.T)).pvalue > 1e-3
    spiral = make_swiss_roll(100_000, noise=0.0, random_state=1)[0][:, [0, 2]] / 7.5
    distance = cKDTree(spiral).query(ours)[0] * 7.5 / 0.25  # to a curve: the noise across it, half-normal
    assert stats.kstest(distance, stats.halfnorm.cdf).statistic < 0.03  # ends and curvature: 0.01


def test_the_swiss_roll_has_no_modes():
    assert toy.modes("swissroll") is None


@pytest.mark.parametrize("function", [toy.modes, lambda name: toy.sample(name, 1, 0)], ids=["modes", "sample"])
def test_unknown_name(function):
    with pytest.raises(InputError, match=r"DATA\.name=moons .* 8gaussians, 25gaussians, swissroll"):
        function("moons")
