"""Precision, recall, density and coverage against brute force and torch-fidelity; limits and expected values."""

import json
import runpy
from pathlib import Path

import numpy as np
import pytest
from sklearn import config_context

from ppsci_gan.errors import InputError
from ppsci_gan.metrics import coverage
from ppsci_gan.metrics import density
from ppsci_gan.metrics import precision_recall

FIXTURES = Path(__file__).parents[1] / "fixtures" / "scores"
REFERENCES = runpy.run_path(str(FIXTURES / "make_references.py"))


def _inside(points, centres, k):
    """Whether each point lies in the ball around each centre up to its k-th nearest other centre."""
    between = np.linalg.norm(centres[:, None] - centres, axis=2)
    np.fill_diagonal(between, np.inf)
    radius = np.sort(between, axis=1)[:, k - 1]
    return np.linalg.norm(points[:, None] - centres, axis=2) <= radius


def _pair(dimension):
    """Two sets that overlap in part: the second from narrow to wide, and shifted."""
    random = np.random.default_rng(dimension)
    narrowest, widest = (0.3, 1.5) if dimension < 10 else (0.7, 1.13)
    width = np.geomspace(narrowest, widest, 90)[:, None]
    return random.normal(size=[150, dimension]), random.normal(size=[90, dimension]) * width + 1.5 / dimension**0.5


@pytest.mark.parametrize("k", [1, 5])
@pytest.mark.parametrize("dimension", [1, 2, 4, 64])
def test_equals_brute_force(dimension, k):
    real, fake = _pair(dimension)
    in_real, in_fake = _inside(fake, real, k), _inside(real, fake, k)
    shares = in_real.any(axis=1).mean(), in_fake.any(axis=1).mean(), in_real.any(axis=0).mean()
    assert any(0.02 < share < 0.98 for share in shares)
    assert precision_recall(real, fake, k) == pytest.approx(shares[:2], abs=1e-12)
    assert coverage(real, fake, k) == pytest.approx(shares[2], abs=1e-12)
    assert density(real, fake, k) == pytest.approx(in_real.sum() / (k * 90), abs=1e-12)


def test_precision_and_recall_equal_what_torch_fidelity_gave():
    expected = json.loads((FIXTURES / "scores.json").read_text())["precision_recall"]
    # torch-fidelity's shares are rounded to float32; one point of 600 more would be 2e-3.
    assert precision_recall(*REFERENCES["features"]()) == pytest.approx(expected, rel=1e-6)


@pytest.mark.usefixtures("torch_fidelity")
def test_precision_and_recall_equal_torch_fidelity():
    expected = REFERENCES["torch_fidelity_scores"]()["precision_recall"]
    assert precision_recall(*REFERENCES["features"]()) == pytest.approx(expected, rel=1e-6)


def test_counted_by_hand():
    real = np.array([[0.0], [1.0], [3.0], [10.0]])
    # Radii for k = 1: 1, 1, 2, 7. The generated point at 5 is in the balls around 3 (its edge) and 10.
    assert coverage(real, np.array([[5.0]]), k=1) == 0.5
    assert density(real, np.array([[5.0]]), k=1) == 2
    # 25 is in no ball. The generated points' radii are 20: around 5 it holds all real points, around 25 only 10.
    fake = np.array([[5.0], [25.0]])
    assert density(real, fake, k=1) == 1
    assert precision_recall(real, fake, k=1) == (0.5, 1)


def test_precision_is_of_the_generated_and_recall_of_the_real_points():
    random = np.random.default_rng(0)
    real, narrow = random.normal(size=[1000, 2]), 0.1 * random.normal(size=[1000, 2])
    precision, recall = precision_recall(real, narrow)
    assert precision > 0.97
    assert recall < 0.2
    assert precision_recall(narrow, real) == (recall, precision)


def test_limits():
    real = np.random.default_rng(0).normal(size=[200, 2])
    assert coverage(real, real) == 1
    assert coverage(real, real + 1000) == 0
    assert precision_recall(real, real) == (1, 1)
    assert precision_recall(real, real + 1000) == (0, 0)
    assert density(real, real) >= 1
    assert density(real, real + 1000) == 0


def test_the_same_points_are_covered_even_when_all_coincide():
    assert coverage(np.ones([20, 2]), np.ones([3, 2])) == 1


def test_dropping_half_of_the_data_is_seen():
    real = np.random.default_rng(0).normal(size=[2000, 2])
    half = real[real[:, 0] < 0]
    assert coverage(real, half) == pytest.approx(0.5, abs=0.05)
    precision, recall = precision_recall(real, half)
    assert precision == 1
    assert recall == pytest.approx(0.5, abs=0.05)


def test_an_outlier_counts_once_for_density():
    # The outlier's ball holds all generated points, which are not where the real ones are: precision 1, density 1 / k.
    random = np.random.default_rng(0)
    real = np.concatenate([random.normal(size=[100, 2]), [[1000.0, 0.0]]])
    fake = random.normal(size=[50, 2]) + [500, 0]
    assert precision_recall(real, fake, k=5)[0] == 1
    assert density(real, fake, k=5) == pytest.approx(1 / 5)


@pytest.mark.parametrize("k", [1, 3, 5])
def test_expected_value_for_one_distribution(k):
    # The k + 1 nearest of 2N points have a generated one among the first k with probability 1 - 2^-k.
    rng = np.random.default_rng(k)
    real, fake = rng.normal(size=[2, 5000, 2])
    assert coverage(real, fake, k) == pytest.approx(1 - 0.5**k, abs=0.03)
    # A ball that holds k of the N - 1 other real points holds on average k of N generated ones.
    assert density(real, fake, k) == pytest.approx(1, abs=0.03)


def test_bytes_and_single_precision():
    random = np.random.default_rng(0)
    real, fake = random.integers(0, 256, [2, 80, 6], np.uint8)
    in_real = _inside(fake.astype(float), real.astype(float), 3)
    expected = in_real.any(axis=1).mean()
    for dtype in (np.uint8, np.float32):
        assert precision_recall(real.astype(dtype), fake.astype(dtype))[0] == pytest.approx(expected, abs=1e-12)


def test_more_points_than_one_piece_of_distances():
    real, fake = _pair(4)
    whole = precision_recall(real, fake), density(real, fake)
    with config_context(working_memory=0.01):  # MiB: 8 rows at a time
        assert (precision_recall(real, fake), density(real, fake)) == whole


@pytest.mark.parametrize("score", [coverage, density, precision_recall])
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
def test_refuses(score, real, fake, k, message):
    with pytest.raises(InputError, match=message):
        score(real, fake, k)


def test_recall_needs_more_generated_points_than_k():
    with pytest.raises(InputError, match="number of fake points less one, 2; it is 3"):
        precision_recall(np.eye(9), np.eye(3, 9))


@pytest.mark.parametrize("offset", [0, 5, 100])
@pytest.mark.parametrize("dimension", [2, 24, 784])
def test_points_that_occur_often_are_in_their_own_ball(dimension, offset):
    # Each occurs more than k times, so that every radius is zero, and rounding must not put equal points apart.
    points = np.random.default_rng(0).normal(size=[40, dimension]) + offset
    real = np.repeat(points, 5, axis=0)
    assert precision_recall(real, points, k=3) == (1, 1)
    assert density(real, points, k=3) == pytest.approx(5 / 3)
    assert coverage(real, points, k=3) == 1
