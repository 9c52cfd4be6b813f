"""The distance across and within modes: closed forms, SciPy, and what it must prefer to what."""

import numpy as np
import pytest
from scipy.stats import wasserstein_distance

from ppsci_gan.data import toy
from ppsci_gan.errors import InputError
from ppsci_gan.metrics import mode_distance
from ppsci_gan.metrics import mode_scores
from ppsci_gan.metrics import sliced_wasserstein

NAMES = ["8gaussians", "25gaussians"]
ABSOLUTE_NORMAL = (2 / np.pi) ** 0.5  # E|z| of a standard normal z


def _points(name, seed=1, number=10_000):
    """Real samples, and the centre of each one's mode."""
    points, (centres, _) = toy.sample(name, number, seed), toy.modes(name)
    return points, centres[np.linalg.norm(points[:, None] - centres, axis=2).argmin(axis=1)]


def _squeezed(name, factor):
    points, centre = _points(name)
    return centre + factor * (points - centre)


def _without_a_mode(name):
    """The samples of the first mode are where other samples are."""
    points, centre = _points(name)
    first = (centre == toy.modes(name)[0][0]).all(axis=1)
    return np.where(first[:, None], np.resize(points[~first], points.shape), points)


def _distance(name, fake):
    return mode_distance(toy.sample(name, 10_000, seed=0), fake, *toy.modes(name))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("factor", [0, 0.25, 1.5])
def test_within_equals_the_closed_form(name, factor):
    # Between N(0, 1) and N(0, f^2) lies |1 - f| E|z|, along every direction; real against real is at most 0.1.
    expected = abs(1 - factor) * ABSOLUTE_NORMAL
    within = _distance(name, _squeezed(name, factor))["sliced_wasserstein_within"]
    assert within == pytest.approx(expected, abs=0.02)


@pytest.mark.parametrize("name", NAMES)
def test_within_of_shifted_modes(name):
    # 2 / pi of the shift, also where modes shift in different directions.
    _, sigma = toy.modes(name)
    points, centre = _points(name)
    towards_origin = centre / np.maximum(np.linalg.norm(centre, axis=1, keepdims=True), 1e-9)
    moved = points - 2 * sigma * towards_origin
    share = np.linalg.norm(towards_origin, axis=1).mean()  # the mode at the origin stays
    assert _distance(name, moved)["sliced_wasserstein_within"] == pytest.approx(4 / np.pi * share, abs=0.03)


def test_equals_scipy_mode_by_mode():
    centres, sigma = np.array([[0.0, 0.0], [5.0, 0.0]]), 0.1
    random = np.random.default_rng(0)
    real = [centre + sigma * random.normal(size=[number, 2]) for centre, number in zip(centres, (90, 60))]
    fake = [centre + 0.12 * random.normal(size=[number, 2]) for centre, number in zip(centres, (40, 110))]
    lines = np.random.default_rng(0).standard_normal([64, 2])
    lines /= np.linalg.norm(lines, axis=1, keepdims=True)
    expected = np.mean([[wasserstein_distance(a @ line, b @ line) for line in lines] for a, b in zip(real, fake)])
    real, fake = np.concatenate(real), np.concatenate(fake)
    scores = mode_distance(real, fake, centres, sigma)
    assert scores["sliced_wasserstein_within"] == pytest.approx(expected / sigma, rel=1e-9)
    assert scores["sliced_wasserstein"] == sliced_wasserstein(real, fake)
    across = scores["sliced_wasserstein"] / np.sqrt(real.var(axis=0).mean())
    assert scores["mode_distance"] == pytest.approx(expected / sigma + across, rel=1e-9)


@pytest.mark.parametrize("name", NAMES)
def test_a_collapsed_cluster_wins_the_share_within_3_sigma_and_not_the_distance(name):
    points, _ = _points(name)
    collapsed = _squeezed(name, 0)
    share = {"real": mode_scores(points, *toy.modes(name)), "collapsed": mode_scores(collapsed, *toy.modes(name))}
    assert share["collapsed"]["high_quality"] > share["real"]["high_quality"]
    real = _distance(name, points)["mode_distance"]
    assert real < 0.13
    some_outliers = points.copy()
    some_outliers[::20] = np.random.default_rng(0).uniform(-1.5, 1.5, [500, 2])
    worse = {
        "outliers": some_outliers,
        "wide": _squeezed(name, 1.5),
        "squeezed to a half": _squeezed(name, 0.5),
        "squeezed to a quarter": _squeezed(name, 0.25),
        "collapsed": collapsed,
    }
    distances = {kind: _distance(name, fake)["mode_distance"] for kind, fake in worse.items()}
    assert all(distance > 1.5 * real for distance in distances.values())
    assert distances["outliers"] < distances["squeezed to a half"] < distances["squeezed to a quarter"]
    assert distances["squeezed to a quarter"] < distances["collapsed"] == max(distances.values())


@pytest.mark.parametrize("name", NAMES)
def test_a_missing_mode_is_far(name):
    real, missing = (_distance(name, fake) for fake in (_points(name)[0], _without_a_mode(name)))
    # It counts as if its samples were six sigma away, whose projection is 2 / pi of that: 3.8, over the modes.
    modes = len(toy.modes(name)[0])
    difference = missing["sliced_wasserstein_within"] - real["sliced_wasserstein_within"]
    assert difference == pytest.approx(12 / np.pi / modes, rel=0.1)
    assert missing["mode_distance"] > 2 * real["mode_distance"]


def test_shares_count_across_and_not_within():
    points, centre = _points("8gaussians")
    first = (centre == toy.modes("8gaussians")[0][0]).all(axis=1)
    kept = np.concatenate([points[~first], points[first][::10]])
    real, few = (_distance("8gaussians", fake) for fake in (points, kept))
    assert few["sliced_wasserstein_within"] < 1.4 * real["sliced_wasserstein_within"]
    assert few["mode_distance"] > 2 * real["mode_distance"]


def test_outliers_count_at_most_as_if_they_were_six_sigma_away():
    centre = np.zeros([1, 2])
    real = np.random.default_rng(0).normal(size=[1000, 2])
    near, far = (np.concatenate([real, np.full([50, 2], place)]) for place in (6 / 2**0.5, 1e4))
    scores = [mode_distance(real, fake, centre, sigma=1)["sliced_wasserstein_within"] for fake in (near, far)]
    assert scores[1] == pytest.approx(scores[0], rel=1e-9)


def test_fewer_real_points_than_modes():
    few = toy.sample("25gaussians", 8, seed=0)
    assert mode_distance(few, few, *toy.modes("25gaussians"))["mode_distance"] == 0


def test_refuses():
    centres = np.zeros([1, 2])
    with pytest.raises(InputError, match="sigma and num_sigmas must be positive"):
        mode_distance(np.ones([4, 2]), np.ones([4, 2]), centres, sigma=0)
    with pytest.raises(InputError, match="samples contain NaN"):
        mode_distance(np.ones([4, 2]), np.full([4, 2], np.nan), centres, sigma=1)
    with pytest.raises(InputError, match="same dimension"):
        mode_distance(np.ones([4, 2]), np.ones([4, 3]), centres, sigma=1)
