"""Mode scores against cases counted by hand, brute force and the closed form for real data."""

import numpy as np
import pytest

from ppsci_gan.errors import InputError
from ppsci_gan.metrics import mode_scores
from ppsci_gan.metrics.modes import mode_shapes

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
    assert {"modes": 7, "high_quality": 1.0, "least_mode_share": 0.0}.items() <= scores.items()


def test_imbalance():
    samples = np.repeat(_CENTRES[:2], [30, 10], axis=0)
    assert mode_scores(samples, _CENTRES[:2], _SIGMA)["least_mode_share"] == 0.5


def test_samples_far_from_every_mode():
    assert mode_scores(np.zeros([10, 2]), _CENTRES, _SIGMA) == {
        "modes": 0,
        "high_quality": 0.0,
        "least_mode_share": 0.0,
        "mode_spread": 0.0,
        "mode_spread_std": 0.0,
        "mode_offset": 3.0,
        "mode_offset_std": 0.0,
    }


def test_the_number_of_modes_is_a_plain_int_and_shares_are_plain_floats():
    scores = mode_scores(_CENTRES.astype(np.float32), _CENTRES, 1)
    assert [type(value) for value in scores.values()] == [int, *[float] * 6]


def _in_mode(number, spread=1.0, offset=(0.0, 0.0), mode=0, seed=0):
    """Gaussian samples of one mode; spread and offset in sigma."""
    return _CENTRES[mode] + _SIGMA * (spread * np.random.default_rng(seed).normal(size=[number, 2]) + offset)


def test_shapes_of_true_samples():
    number = 20_000
    samples = np.concatenate([_in_mode(number, mode=mode, seed=mode) for mode in range(8)])
    shapes = mode_shapes(samples, _CENTRES, _SIGMA)
    # Five standard errors: of a standard deviation over both axes 1 / (2 sqrt(N)), of a mean in the plane sqrt(2 / N).
    np.testing.assert_allclose(shapes["spread"], 1, atol=2.5 / number**0.5)
    np.testing.assert_allclose(shapes["offset"], 0, atol=5 * (2 / number) ** 0.5)
    np.testing.assert_allclose(shapes["share"], 1, atol=0.01)
    scores = mode_scores(samples, _CENTRES, _SIGMA)
    assert scores["mode_spread"] == pytest.approx(shapes["spread"].mean())
    assert scores["mode_spread_std"] == pytest.approx(shapes["spread"].std())
    assert scores["mode_offset"] == pytest.approx(shapes["offset"].mean())
    assert scores["least_mode_share"] == pytest.approx(shapes["share"].min())


def test_each_mode_has_its_own_shape():
    # Mode 0 squeezed to a quarter, 1 shifted, 2 with half of the samples, 3 missing, 4 collapsed to a point.
    number = 20_000
    samples = [
        _in_mode(number, spread=0.25),
        _in_mode(number, offset=(0.3, -0.4), mode=1),
        _in_mode(number // 2, mode=2),
        _in_mode(number, spread=0, mode=4),
        *(_in_mode(number, mode=mode) for mode in (5, 6, 7)),
    ]
    shapes = mode_shapes(np.concatenate(samples), _CENTRES, _SIGMA)
    # Within 3 sigma nothing of the narrow one is cut, of the true one a share that makes it 0.974 as wide.
    assert shapes["spread"][0] == pytest.approx(0.25 / 0.974, abs=0.005)
    assert shapes["offset"][1] == pytest.approx(0.5, abs=0.04)  # the cut takes 5 % of it
    np.testing.assert_allclose(shapes["spread"][[2, 5, 6, 7]], 1, atol=0.02)
    np.testing.assert_allclose(shapes["offset"][[0, 2, 4, 5, 6, 7]], 0, atol=0.05)
    assert (shapes["spread"][3], shapes["offset"][3], shapes["share"][3]) == (0, 3, 0)
    assert shapes["spread"][4] == pytest.approx(0, abs=1e-9)
    # The true modes lose 1 % to the cut.
    np.testing.assert_allclose(shapes["share"][[1, 2, 4]], [8 / 6.5, 4 / 6.5, 8 / 6.5], rtol=0.02)


def test_outliers_do_not_widen_a_mode():
    samples = _in_mode(10_000)
    with_outliers = np.concatenate([samples, _in_mode(500, offset=(20, 0))])
    for name, values in mode_shapes(samples, _CENTRES, _SIGMA).items():
        np.testing.assert_array_equal(mode_shapes(with_outliers, _CENTRES, _SIGMA)[name], values)


@pytest.mark.parametrize("dimension", [1, 3])
def test_spread_is_of_a_cut_gaussian_in_any_dimension(dimension):
    samples = np.random.default_rng(0).normal(size=[50_000, dimension])
    shapes = mode_shapes(samples, np.zeros([1, dimension]), sigma=1, num_sigmas=1.5)
    assert shapes["spread"][0] == pytest.approx(1, abs=0.01)


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
