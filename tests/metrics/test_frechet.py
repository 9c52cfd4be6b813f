"""Frechet distance against torch-fidelity, SciPy's matrix root and closed forms."""

import json
import logging
import runpy
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from scipy import linalg

from ppsci_gan.errors import InputError
from ppsci_gan.metrics.frechet import Gaussian
from ppsci_gan.metrics.frechet import fit_gaussian
from ppsci_gan.metrics.frechet import frechet_distance

FIXTURES = Path(__file__).parents[1] / "fixtures" / "scores"
REFERENCES = runpy.run_path(str(FIXTURES / "make_references.py"))
MANY = 10**6  # samples: no warning


@pytest.fixture
def warnings(caplog, monkeypatch):
    monkeypatch.setattr(logging.getLogger("ppsci"), "propagate", True)
    return caplog


def _covariance(dimension, seed):
    factor = np.random.default_rng(seed).normal(size=[3 * dimension, dimension])
    return factor.T @ factor / (3 * dimension)


def _textbook(a, b):
    """The formula as it is written."""
    difference = a.mean - b.mean
    return difference @ difference + np.trace(
        a.covariance + b.covariance - 2 * linalg.sqrtm(a.covariance @ b.covariance).real
    )


def _between(real, fake):
    return frechet_distance(fit_gaussian(real), fit_gaussian(fake))


def test_equals_what_torch_fidelity_gave():
    expected = json.loads((FIXTURES / "scores.json").read_text())["frechet"][0]
    # Eigenvalues of a product are worse conditioned than our singular values: 1e-8 is theirs.
    assert _between(*REFERENCES["features"]()) == pytest.approx(expected, rel=1e-8)


@pytest.mark.usefixtures("torch_fidelity")
def test_equals_torch_fidelity():
    expected = REFERENCES["torch_fidelity_scores"]()["frechet"][0]
    assert _between(*REFERENCES["features"]()) == pytest.approx(expected, rel=1e-8)


@pytest.mark.parametrize("dimension", [1, 2, 10, 64])
def test_equals_the_formula(dimension):
    random = np.random.default_rng(dimension)
    a, b = (Gaussian(random.normal(size=dimension), _covariance(dimension, seed), MANY) for seed in (1, 2))
    assert frechet_distance(a, b) == pytest.approx(_textbook(a, b), rel=1e-9)


def test_of_one_dimension_by_hand():
    # (m_a - m_b)^2 + (s_a - s_b)^2
    a, b = Gaussian(np.array([1.0]), np.array([[9.0]]), MANY), Gaussian(np.array([3.0]), np.array([[4.0]]), MANY)
    assert frechet_distance(a, b) == pytest.approx(4 + 1, rel=1e-12)


def test_of_diagonal_covariances():
    random = np.random.default_rng(0)
    means, deviations = random.normal(size=[2, 8]), random.uniform(0.1, 3, [2, 8])
    a, b = (Gaussian(mean, np.diag(deviation**2), MANY) for mean, deviation in zip(means, deviations))
    expected = ((means[0] - means[1]) ** 2).sum() + ((deviations[0] - deviations[1]) ** 2).sum()
    assert frechet_distance(a, b) == pytest.approx(expected, rel=1e-12)


def test_of_equal_covariances_is_that_of_the_means():
    points = np.random.default_rng(0).normal(size=[500, 6]) @ _covariance(6, 1)
    shift = np.array([0.3, -1, 0, 2, 0.1, -0.5])
    assert _between(points, points + shift) == pytest.approx(shift @ shift, rel=1e-9)


@pytest.mark.parametrize("factor", [0.5, 3])
def test_of_a_scaled_set(factor):
    # Around mean 0: (factor - 1)^2 tr C.
    points = np.random.default_rng(0).normal(size=[500, 6]) @ _covariance(6, 1)
    points -= points.mean(axis=0)
    expected = (factor - 1) ** 2 * np.trace(np.cov(points, rowvar=False))
    assert _between(points, factor * points) == pytest.approx(expected, rel=1e-9)


def test_of_covariances_in_different_subspaces():
    # Singular, and nothing overlaps: the whole of both traces is left.
    a, b = Gaussian(np.zeros(4), np.diag([1.0, 2, 0, 0]), MANY), Gaussian(np.zeros(4), np.diag([0.0, 0, 3, 4]), MANY)
    assert frechet_distance(a, b) == pytest.approx(10, rel=1e-12)


@pytest.mark.parametrize("number", [1000, 20])
def test_zero_for_equal_sets_even_with_fewer_samples_than_dimensions(number):
    gaussian = fit_gaussian(np.random.default_rng(0).gamma(2, size=[number, 64]))
    # Errors in the singular matrix's zero eigenvalues, about 1e-16 of the largest, count by their root times another's.
    assert frechet_distance(gaussian, gaussian) == pytest.approx(0, abs=1e-10 * np.trace(gaussian.covariance))


def test_symmetric():
    a, b = (fit_gaussian(points) for points in REFERENCES["features"]())
    assert frechet_distance(a, b) == pytest.approx(frechet_distance(b, a), rel=1e-12)


def test_invariant_to_a_rotation():
    real, fake = REFERENCES["features"]()
    rotation = linalg.qr(np.random.default_rng(0).normal(size=[24, 24]))[0]
    assert _between(real @ rotation, fake @ rotation) == pytest.approx(_between(real, fake), rel=1e-9)


def test_singular_covariances_equal_the_formula_of_full_ones():
    # Five more dimensions that are always 0 change nothing.
    real, fake = REFERENCES["features"]()
    padded = _between(np.pad(real, [(0, 0), (0, 5)]), np.pad(fake, [(0, 0), (0, 5)]))
    assert padded == pytest.approx(_between(real, fake), rel=1e-9)


def test_warns_of_too_few_samples(warnings):
    points = np.random.default_rng(0).normal(size=[200, 16])
    _between(points[:100], points[100:])
    assert not warnings.text
    _between(points[:100], points[100:116])
    assert "16 samples in 16 dimensions: the covariance is singular" in warnings.text


@pytest.mark.parametrize("number", [2, 100, 4096, 4097, 9000])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_fit_equals_numpy_in_float64(number, dtype):
    # A mean of 1000 and a spread of 1: in float32 the covariance would have two digits.
    features = (np.random.default_rng(0).normal(size=[number, 12]) @ _covariance(12, 3) + 1000).astype(dtype)
    gaussian = fit_gaussian(features)
    double = features.astype(np.float64)
    assert gaussian.num_samples == number
    np.testing.assert_allclose(gaussian.mean, double.mean(axis=0), rtol=1e-12)
    expected = np.cov(double, rowvar=False)
    np.testing.assert_allclose(gaussian.covariance, expected, rtol=1e-9, atol=1e-9 * np.abs(expected).max())


def test_fit_of_half_precision_and_whole_numbers():
    whole = np.random.default_rng(0).integers(0, 256, [5000, 3], np.uint8)
    expected = np.cov(whole.astype(np.float64), rowvar=False)
    for features in (whole, whole.astype(np.float16)):
        np.testing.assert_allclose(fit_gaussian(features).covariance, expected, rtol=1e-9, atol=1e-9 * expected.max())


def test_fit_takes_little_memory():
    features = np.random.default_rng(0).standard_normal([60_000, 128], np.float32)
    tracemalloc.start()
    fit_gaussian(features)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    # A copy in float64 would be twice the features' 31 MB; the finiteness mask takes 8.
    assert peak < 0.5 * features.nbytes


@pytest.mark.parametrize(
    ("features", "message"),
    [
        (np.zeros([1, 4]), "at least 2 samples"),
        (np.full([5, 4], np.inf), "features contain NaN or infinity"),
        (np.zeros([5, 4, 1]), "features must be"),
    ],
)
def test_fit_refuses(features, message):
    with pytest.raises(InputError, match=message):
        fit_gaussian(features)


def test_refuses_features_of_two_networks():
    with pytest.raises(InputError, match="features of 3 and 4 dimensions"):
        _between(np.eye(5, 3), np.eye(5, 4))
