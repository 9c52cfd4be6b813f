"""Kernel distance against torch-fidelity, a double loop and its expected value."""

import json
import runpy
from pathlib import Path

import numpy as np
import pytest

from ppsci_gan.errors import InputError
from ppsci_gan.metrics import kernel_distance

FIXTURES = Path(__file__).parents[1] / "fixtures" / "scores"
REFERENCES = runpy.run_path(str(FIXTURES / "make_references.py"))


def _kernel(x, y):
    return (x @ y / len(x) + 1) ** 3


def _double_loop(x, y):
    """The unbiased estimator as it is written, for two sets of the same size."""
    number = len(x)
    pairs = [(i, j) for i in range(number) for j in range(number)]
    within = sum(_kernel(x[i], x[j]) + _kernel(y[i], y[j]) for i, j in pairs if i != j) / (number * (number - 1))
    return within - 2 * sum(_kernel(x[i], y[j]) for i, j in pairs) / number**2


def test_equals_what_torch_fidelity_gave():
    expected = json.loads((FIXTURES / "scores.json").read_text())["kernel"]
    # float32 features, all sums in float64.
    assert kernel_distance(*REFERENCES["features"](), **REFERENCES["KID"]) == pytest.approx(expected, rel=1e-9)


@pytest.mark.usefixtures("torch_fidelity")
def test_equals_torch_fidelity():
    expected = REFERENCES["torch_fidelity_scores"]()["kernel"]
    assert kernel_distance(*REFERENCES["features"](), **REFERENCES["KID"]) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("dimension", [1, 3, 20])
def test_of_whole_sets_equals_a_double_loop(dimension):
    random = np.random.default_rng(dimension)
    real, fake = random.normal(size=[30, dimension]), 0.5 + random.gamma(1, size=[30, dimension])
    mean, std = kernel_distance(real, fake, subsets=1, subset_size=30)
    assert mean == pytest.approx(_double_loop(real, fake), rel=1e-10)
    assert std == 0


def test_of_two_points_each_by_hand():
    # Kernels within: (0 + 1)^3 and (2 + 1)^3; between: of products 0, 0, 1 and 2.
    real, fake = np.array([[0.0], [1.0]]), np.array([[1.0], [2.0]])
    expected = 1 + 27 - 2 * (1 + 1 + 8 + 27) / 4
    assert kernel_distance(real, fake, subsets=1, subset_size=2)[0] == pytest.approx(expected, rel=1e-12)


def test_subsets_are_what_they_should_be():
    real, fake = REFERENCES["features"]()
    random = np.random.RandomState(5)
    values = []
    for _ in range(3):
        x = fake[random.choice(600, 12, replace=False)].astype(np.float64)
        y = real[random.choice(600, 12, replace=False)].astype(np.float64)
        values.append(_double_loop(x, y))
    expected = pytest.approx((np.mean(values), np.std(values)), rel=1e-9)
    assert kernel_distance(real, fake, subsets=3, subset_size=12, seed=5) == expected


def test_unbiased_for_equal_distributions():
    # Of 300 pairs of sets; the biased estimator is 2 (11.5 - 1.75) / 50 = 0.39 too large, 50 standard errors.
    values = []
    for seed in range(300):
        real, fake = np.random.default_rng(seed).normal(size=[2, 50, 4])
        values.append(kernel_distance(real, fake, subsets=1, subset_size=50)[0])
    error = np.std(values) / np.sqrt(len(values))
    assert error < 0.02
    assert abs(np.mean(values)) < 3 * error
    assert min(values) < 0 < max(values)


def test_expected_value_of_a_shift_in_one_dimension():
    # E (x y + 1)^3 over pairs = 1 + 3 a1 b1 + 3 a2 b2 + a3 b3 of the moments: (0, 1, 0) and, shifted by 1, (1, 2, 4).
    random = np.random.default_rng(0)
    real, fake = random.normal(size=[4000, 1]), 1 + random.normal(size=[4000, 1])
    expected = 3 * 1**2 + 3 * (2 - 1) ** 2 + 4**2
    mean, _ = kernel_distance(real, fake, subsets=1, subset_size=4000)
    assert mean == pytest.approx(expected, rel=0.15)  # the third moment's standard error is 3 %, twice in the square


def test_sees_what_the_mean_and_the_covariance_do_not():
    # Third moments: an exponential against a normal distribution of the same mean and variance.
    random = np.random.default_rng(0)
    normal, skewed = random.normal(size=[2000, 1]), random.exponential(size=[2000, 1]) - 1
    assert kernel_distance(normal, skewed, subsets=1, subset_size=2000)[0] == pytest.approx(2**2, rel=0.5)


def test_symmetric_and_deterministic():
    real, fake = REFERENCES["features"]()
    whole = kernel_distance(real, fake, subsets=1, subset_size=600)
    assert kernel_distance(fake, real, subsets=1, subset_size=600) == pytest.approx(whole, rel=1e-10)
    once = kernel_distance(real, fake, subsets=2, subset_size=50)
    assert kernel_distance(real, fake, subsets=2, subset_size=50) == once
    assert kernel_distance(real, fake, subsets=2, subset_size=50, seed=1) != once


def test_sets_of_different_size():
    real, fake = REFERENCES["features"]()
    few = kernel_distance(real, fake[:150], subsets=50, subset_size=150)[0]
    assert few == pytest.approx(kernel_distance(real, fake, subsets=50, subset_size=150)[0], rel=0.5)


@pytest.mark.parametrize(
    ("real", "fake", "options", "message"),
    [
        (np.zeros([999, 2]), np.zeros([2000, 2]), {}, "subset_size=1000 must be .* 999 real and 2000 generated"),
        (np.zeros([9, 2]), np.zeros([5, 2]), {"subset_size": 6}, "subset_size=6"),
        (np.zeros([9, 2]), np.zeros([9, 2]), {"subset_size": 1}, "from 2"),
        (np.zeros([9, 2]), np.zeros([9, 2]), {"subset_size": 9, "subsets": 0}, "subsets=0 at least 1"),
        (np.zeros([9, 2]), np.zeros([9, 3]), {"subset_size": 9}, "same dimension"),
        (np.full([9, 2], np.nan), np.zeros([9, 2]), {"subset_size": 9}, "real contain NaN"),
    ],
)
def test_refuses(real, fake, options, message):
    with pytest.raises(InputError, match=message):
        kernel_distance(real, fake, **options)
