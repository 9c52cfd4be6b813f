"""Sliced Wasserstein distance against SciPy's one-dimensional one and closed forms."""

import tracemalloc

import numpy as np
import pytest
from scipy.stats import wasserstein_distance

from ppsci_gan.errors import InputError
from ppsci_gan.metrics import sliced_wasserstein


def _pair(shape, seed=0):
    rng = np.random.default_rng(seed)
    return rng.normal(size=shape), rng.gamma(2.0, size=shape)


def _unit_directions(number, dimension, seed):
    directions = np.random.default_rng(seed).standard_normal([number, dimension])
    return directions / np.linalg.norm(directions, axis=1, keepdims=True)


@pytest.mark.parametrize("dimension", [1, 2, 5])
def test_equals_scipy_direction_by_direction(dimension):
    a, b = _pair([200, dimension])
    directions = _unit_directions(20, dimension, seed=3)
    expected = np.mean([wasserstein_distance(a @ direction, b @ direction) for direction in directions])
    assert sliced_wasserstein(a, b, num_projections=20, seed=3) == pytest.approx(expected, rel=1e-10)


@pytest.mark.parametrize("sizes", [(200, 70), (70, 200), (60, 40), (1, 50), (50, 1)])
def test_sets_of_different_size_equal_scipy(sizes):
    a, b = (_pair([size, 2], seed)[seed] for seed, size in enumerate(sizes))
    expected = np.mean([wasserstein_distance(a @ line, b @ line) for line in _unit_directions(20, 2, seed=3)])
    assert sliced_wasserstein(a, b, num_projections=20, seed=3) == pytest.approx(expected, rel=1e-10)
    # A set says the same as two of it.
    assert sliced_wasserstein(a, b) == pytest.approx(sliced_wasserstein(np.tile(a, [2, 1]), b), rel=1e-10)


def test_shifted_copy():
    a = _pair([100, 3])[0]
    shift = np.array([0.3, -1.0, 2.0])
    expected = np.abs(_unit_directions(64, 3, seed=0) @ shift).mean()
    assert sliced_wasserstein(a, a + shift, num_projections=64) == pytest.approx(expected, rel=1e-10)


def test_shift_in_the_plane_tends_to_two_over_pi():
    # The mean of |cos| over the circle; its standard deviation is 0.31.
    a = _pair([10, 2])[0]
    assert sliced_wasserstein(a, a + [1, 0], num_projections=20_000) == pytest.approx(2 / np.pi, abs=0.01)


def test_directions_are_uniform_on_the_sphere():
    # A cube's corners are no likelier than its faces: the mean of |cos| over the sphere is 1/2 along any axis.
    a = _pair([10, 3])[0]
    along_axis = sliced_wasserstein(a, a + [1, 0, 0], num_projections=20_000)
    along_diagonal = sliced_wasserstein(a, a + np.ones(3) / np.sqrt(3), num_projections=20_000)
    assert along_axis == pytest.approx(0.5, abs=0.01)
    assert along_diagonal == pytest.approx(0.5, abs=0.01)


def test_scaled_normal_in_one_dimension():
    # W1 between N(0, 1) and N(0, 3^2) is (3 - 1) E|x| = 2 sqrt(2 / pi).
    a = np.random.default_rng(0).normal(size=[20_000, 1])
    b = 3 * np.random.default_rng(1).normal(size=[20_000, 1])
    assert sliced_wasserstein(a, b, num_projections=1) == pytest.approx(2 * np.sqrt(2 / np.pi), abs=0.05)


def test_zero_for_the_same_points_in_another_order_and_symmetric():
    a, b = _pair([300, 4])
    assert sliced_wasserstein(a, a[::-1]) == pytest.approx(0, abs=1e-12)
    assert sliced_wasserstein(a, b) == sliced_wasserstein(b, a)


def test_chunk_does_not_matter_and_seed_does():
    a, b = _pair([100, 6])
    whole = sliced_wasserstein(a, b, num_projections=50, chunk=50)
    assert sliced_wasserstein(a, b, num_projections=50, chunk=7) == pytest.approx(whole, rel=1e-12)
    assert sliced_wasserstein(a, b, num_projections=50, seed=1) != pytest.approx(whole, rel=1e-6)


def test_bytes_are_not_subtracted_as_bytes():
    a = np.full([10, 4], 10, dtype=np.uint8)
    b = np.full([10, 4], 250, dtype=np.uint8)
    expected = sliced_wasserstein(a.astype(float), b.astype(float))
    assert sliced_wasserstein(a, b) == pytest.approx(expected, rel=1e-12)


def test_images_of_bytes_take_little_memory():
    rng = np.random.default_rng(0)
    a, b = rng.integers(0, 256, size=[2, 4000, 3072], dtype=np.uint8)
    tracemalloc.start()
    sliced_wasserstein(a, b, num_projections=8, chunk=4)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    # A float64 copy of one set alone would take 98 MB; the finiteness mask takes 12.
    assert peak < 40e6


@pytest.mark.parametrize(
    ("a", "b", "options", "message"),
    [
        (np.zeros([4, 2]), np.zeros([4, 3]), {}, "same dimension"),
        (np.zeros([4, 3, 8, 8]), np.zeros([4, 3, 8, 8]), {}, r"a must be .* \[N, D\]"),
        (np.zeros([4, 2]), np.full([4, 2], np.inf), {}, "b contain NaN or infinity"),
        (np.zeros([4, 2]), np.zeros([4, 2]), {"num_projections": 0}, "num_projections"),
        (np.zeros([4, 2]), np.zeros([4, 2]), {"chunk": 0}, "chunk"),
    ],
)
def test_refuses(a, b, options, message):
    with pytest.raises(InputError, match=message):
        sliced_wasserstein(a, b, **options)
