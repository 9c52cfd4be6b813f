"""Mode scores against cases counted by hand, brute force and the closed form for real data."""

import numpy as np
import pytest

from ppsci_gan.errors import InputError
from ppsci_gan.metrics import mode_scores

_ANGLES = 2 * np.pi * np.arange(8) / 8
_CENTRES = np.sqrt(2) * np.stack([np.cos(_ANGLES), np.sin(_ANGLES)], axis=1)
_SIGMA = 0.02 / np.sqrt(2)


def test_real_samples_reach_the_closed_form():
    rng = np.random.default_rng(0)
    number = 100_000
    samples = _CENTRES[rng.integers(8, size=number)] + _SIGMA * rng.normal(size=[number, 2])
    scores = mode_scores(samples, _CENTRES, _SIGMA)
    # The squared radius over sigma^2 is chi-squared with two degrees of freedom.
    expected = 1 - np.exp(-4.5)
    standard_error = np.sqrt(expected * (1 - expected) / number)
    assert scores["modes"] == 8
    assert scores["high_quality"] == pytest.approx(expected, abs=4 * standard_error)
    # 12,500 per mode, of standard deviation 105: the least of eight is within five of them.
    assert 0.96 < scores["least_mode_share"] < 1


def test_other_radii_reach_the_closed_form():
    rng = np.random.default_rng(1)
    samples = 0.5 * rng.normal(size=[50_000, 2])
    scores = mode_scores(samples, np.zeros([1, 2]), sigma=0.5, num_sigmas=1.5)
    assert scores["high_quality"] == pytest.approx(1 - np.exp(-1.125), abs=0.01)


def test_equals_brute_force():
    rng = np.random.default_rng(2)
    samples = rng.normal(size=[500, 3])
    centres = rng.normal(size=[7, 3])
    distance = np.linalg.norm(samples[:, None] - centres, axis=2)
    hit = [(distance.argmin(axis=1) == mode) & (distance.min(axis=1) <= 0.9) for mode in range(7)]
    per_mode = np.sum(hit, axis=1)
    scores = mode_scores(samples, centres, sigma=0.3)
    assert scores["modes"] == np.count_nonzero(per_mode)
    assert scores["high_quality"] == per_mode.sum() / 500
    assert scores["least_mode_share"] == pytest.approx(per_mode.min() / (per_mode.sum() / 7))


def test_a_missing_mode_is_not_counted():
    scores = mode_scores(_CENTRES[:7], _CENTRES, _SIGMA)
    assert scores == {"modes": 7, "high_quality": 1.0, "least_mode_share": 0.0}


def test_imbalance():
    samples = np.repeat(_CENTRES[:2], [30, 10], axis=0)
    assert mode_scores(samples, _CENTRES[:2], _SIGMA)["least_mode_share"] == 0.5


def test_samples_far_from_every_mode():
    assert mode_scores(np.zeros([10, 2]), _CENTRES, _SIGMA) == {
        "modes": 0,
        "high_quality": 0.0,
        "least_mode_share": 0.0,
    }


def test_the_number_of_modes_is_a_plain_int_and_shares_are_plain_floats():
    scores = mode_scores(_CENTRES.astype(np.float32), _CENTRES, 1)
    assert [type(value) for value in scores.values()] == [int, float, float]


@pytest.mark.parametrize(
    ("samples", "sigma", "message"),
    [
        (np.full([4, 2], np.nan), 0.1, "samples contain NaN"),
        (np.zeros([4]), 0.1, r"samples must be .*\(4,\)"),
        (np.zeros([0, 2]), 0.1, r"samples must be .*\(0, 2\)"),
        (np.zeros([4, 3]), 0.1, "same dimension"),
        (np.zeros([4, 2]), 0.0, "sigma and num_sigmas must be positive"),
        (np.zeros([4, 2]), float("nan"), "sigma and num_sigmas must be positive"),
    ],
)
def test_refuses(samples, sigma, message):
    with pytest.raises(InputError, match=message):
        mode_scores(samples, _CENTRES, sigma)
