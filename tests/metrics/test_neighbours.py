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


def _brute_force(real, fake, k):
    """Precision, recall, density and coverage from all differences in float64.

    Ties as in the sources: precision and recall with closed balls, as in section 3 of Kynkaanniemi et al. and in
    torch-fidelity; density and coverage with open ones, as in ``prdc`` of Naeem et al.
    """
    real, fake = np.asarray(real, np.float64), np.asarray(fake, np.float64)
    between = np.linalg.norm(real[:, None] - fake, axis=2)
    radius, fake_radius = (
        # With the point itself, so the k-th other one is number k.
        np.sort(np.linalg.norm(points[:, None] - points, axis=2), axis=1)[:, k]
        for points in (real, fake)
    )
    precision = (between <= radius[:, None]).any(axis=0).mean()
    recall = (between <= fake_radius).any(axis=1).mean()
    density = (between < radius[:, None]).sum(axis=0).mean() / k
    return precision, recall, density, (between.min(axis=1) < radius).mean()


def _scores(real, fake, k):
    return *precision_recall(real, fake, k), density(real, fake, k), coverage(real, fake, k)


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
    expected = _brute_force(real, fake, k)
    assert any(0.02 < share < 0.98 for share in expected)
    assert _scores(real, fake, k) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("k", [1, 3, 5])
@pytest.mark.parametrize("dimension", [2, 5, 12])
def test_ties_are_counted_as_in_the_sources(dimension, k):
    # Points of a lattice, bytes as well as numbers: hundreds of distances are equal to a radius, also of other points.
    random = np.random.default_rng(dimension)
    high = 12 if dimension == 2 else 3
    real, fake = random.integers(0, high, [150, dimension]), random.integers(0, high, [90, dimension])
    expected = _brute_force(real, fake, k)
    assert expected != pytest.approx(_brute_force(real, fake * (1 + 1e-9), k), abs=1e-3)
    for dtype in (np.uint8, np.float32, np.float64):
        assert _scores(real.astype(dtype), fake.astype(dtype), k) == pytest.approx(expected, abs=1e-12)
        # An offset that the type holds exactly moves no point relative to another.
        moved = [(points + 128).astype(dtype) for points in (real, fake)]
        assert _scores(*moved, k) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("dimension", [2, 64])
def test_copies_of_real_points(dimension):
    # Every copied neighbour is exactly on the edge of a ball.
    real = np.random.default_rng(0).normal(size=[200, dimension]).astype(np.float32)
    for fake in (real, real[::2], np.repeat(real[:40], 4, axis=0)):
        assert _scores(real, fake, 3) == pytest.approx(_brute_force(real, fake, 3), abs=1e-12)
    assert _scores(real, real, 3) == (1, 1, 1, 1)


@pytest.mark.parametrize(("dtype", "offset"), [(np.float32, 1e3), (np.float64, 1e7)])
@pytest.mark.parametrize("dimension", [2, 64])
def test_points_far_from_the_origin(dimension, dtype, offset):
    # Without centring, distances of 1e-3 would come from squares of 1e6 or 1e14 that are known to 1e-16 of that.
    real, fake = ((1e-3 * points + offset).astype(dtype) for points in _pair(dimension))
    assert _scores(real, fake, 3) == pytest.approx(_brute_force(real, fake, 3), abs=1e-12)


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
    # Radii for k = 1: 1, 1, 2, 7. The generated point at 5 is in the ball around 10 and on the edge of that around 3.
    assert coverage(real, np.array([[5.0]]), k=1) == 0.25
    assert density(real, np.array([[5.0]]), k=1) == 1
    assert coverage(real, np.array([[4.999]]), k=1) == 0.5
    # 25 is in no ball. The generated points' radii are 20: around 5 it holds all real points, around 25 only 10.
    fake = np.array([[5.0], [25.0]])
    assert density(real, fake, k=1) == 0.5
    assert precision_recall(real, fake, k=1) == (0.5, 1)
    # An edge is within reach of precision and recall.
    assert precision_recall(real[:3], np.array([[5.0], [7.0]]), k=1) == (0.5, 1 / 3)


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
    assert density(real, real) == 1
    assert density(real, real + 1000) == 0


def test_points_that_all_coincide():
    # All distances and radii are 0: a closed ball holds its centre, an open one nothing.
    assert _scores(np.ones([20, 2]), np.ones([6, 2]), 5) == (1, 1, 0, 0)


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
    for dtype in (np.uint8, np.float32):
        scores = _scores(real.astype(dtype), fake.astype(dtype), 3)
        assert scores == pytest.approx(_brute_force(real, fake, 3), abs=1e-12)


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
def test_points_that_occur_often(dimension, offset):
    # Each occurs more than k times, so that every radius is zero, and rounding must not put equal points apart.
    points = np.random.default_rng(0).normal(size=[40, dimension]) + offset
    real = np.repeat(points, 5, axis=0)
    assert _scores(real, points, 3) == (1, 1, 0, 0)
