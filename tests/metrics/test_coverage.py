"""Coverage against brute force, its limits and its expected value."""

import numpy as np
import pytest

from ppsci_gan.errors import InputError
from ppsci_gan.metrics import coverage


def _brute_force(real, fake, k):
    between_real = np.linalg.norm(real[:, None] - real, axis=2)
    np.fill_diagonal(between_real, np.inf)
    radius = np.sort(between_real, axis=1)[:, k - 1]
    return np.mean((np.linalg.norm(real[:, None] - fake, axis=2) <= radius[:, None]).any(axis=1))


@pytest.mark.parametrize("k", [1, 5])
@pytest.mark.parametrize("dimension", [1, 2, 4])
def test_equals_brute_force(dimension, k):
    rng = np.random.default_rng(dimension)
    real = rng.normal(size=[150, dimension])
    fake = 0.5 + 0.7 * rng.normal(size=[90, dimension])
    expected = _brute_force(real, fake, k)
    assert 0.1 < expected < 0.95
    assert coverage(real, fake, k) == pytest.approx(expected, abs=1e-12)


def test_counted_by_hand():
    real = np.array([[0.0], [1.0], [3.0], [10.0]])
    # Radii for k = 1: 1, 1, 2, 7. The generated point at 5 is in the balls around 3 (its edge) and 10.
    assert coverage(real, np.array([[5.0]]), k=1) == 0.5


def test_limits():
    real = np.random.default_rng(0).normal(size=[200, 2])
    assert coverage(real, real) == 1
    assert coverage(real, real + 1000) == 0


def test_the_same_points_are_covered_even_when_all_coincide():
    assert coverage(np.ones([20, 2]), np.ones([3, 2])) == 1


def test_dropping_half_of_the_data_is_seen():
    real = np.random.default_rng(0).normal(size=[2000, 2])
    assert coverage(real, real[real[:, 0] < 0]) == pytest.approx(0.5, abs=0.05)


@pytest.mark.parametrize("k", [1, 3, 5])
def test_expected_value_for_one_distribution(k):
    # The k + 1 nearest of 2N points have a generated one among the first k with probability 1 - 2^-k.
    rng = np.random.default_rng(k)
    real, fake = rng.normal(size=[2, 5000, 2])
    assert coverage(real, fake, k) == pytest.approx(1 - 0.5**k, abs=0.03)


@pytest.mark.parametrize(
    ("real", "fake", "k", "message"),
    [
        (np.zeros([5, 2]), np.zeros([5, 2]), 5, "k must be from 1 to .* 4; it is 5"),
        (np.zeros([5, 2]), np.zeros([5, 2]), 0, "k must be"),
        (np.zeros([9, 2]), np.zeros([9, 3]), 5, "same dimension"),
        (np.zeros([9, 2]), np.full([9, 2], np.nan), 5, "fake contain NaN"),
        (np.zeros([0, 2]), np.zeros([9, 2]), 5, "real must be"),
    ],
)
def test_refuses(real, fake, k, message):
    with pytest.raises(InputError, match=message):
        coverage(real, fake, k)
