"""Inception Score against torch-fidelity and closed forms."""

import json
import runpy
from pathlib import Path

import numpy as np
import pytest
from scipy.special import softmax

from ppsci_gan.errors import InputError
from ppsci_gan.metrics import inception_score

FIXTURES = Path(__file__).parents[1] / "fixtures" / "scores"
REFERENCES = runpy.run_path(str(FIXTURES / "make_references.py"))


@pytest.fixture
def probabilities():
    return softmax(REFERENCES["logits"]().astype(np.float64), axis=1)


def _random_probabilities(number, classes, seed=0):
    return np.random.default_rng(seed).dirichlet(np.full(classes, 0.3), number)


def _assert_equals(scores, probabilities):
    # Both in float64, from logits in float32.
    assert inception_score(probabilities) == pytest.approx(scores["inception_score"], rel=1e-9)
    in_order = inception_score(probabilities, splits=7, seed=None)
    assert in_order == pytest.approx(scores["inception_score_in_order"], rel=1e-9)


def test_equals_what_torch_fidelity_gave(probabilities):
    _assert_equals(json.loads((FIXTURES / "scores.json").read_text()), probabilities)


@pytest.mark.usefixtures("torch_fidelity")
def test_equals_torch_fidelity(probabilities):
    _assert_equals(REFERENCES["torch_fidelity_scores"](), probabilities)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("classes", [2, 10, 1008])
def test_sure_and_diverse_is_the_number_of_classes(classes, dtype):
    # Every other probability is 0, whose logarithm is infinite.
    probabilities = np.tile(np.eye(classes, dtype=dtype), [3, 1])
    assert inception_score(probabilities, splits=1) == (pytest.approx(classes, rel=1e-12), 0)


@pytest.mark.parametrize("row", [[0.2, 0.3, 0.5], [1, 0, 0], [1 / 3] * 3])
def test_all_alike_is_one(row):
    assert inception_score(np.tile(row, [50, 1]), splits=5) == pytest.approx((1, 0), abs=1e-12)


def test_two_rows_by_hand():
    # The marginal of (1, 0) and (1/2, 1/2) is (3/4, 1/4).
    divergences = [np.log(4 / 3), 0.5 * np.log(2 / 3) + 0.5 * np.log(2)]
    expected = np.exp(np.mean(divergences))
    assert inception_score(np.array([[1, 0], [0.5, 0.5]]), splits=1)[0] == pytest.approx(expected, rel=1e-12)


def test_missing_classes_and_collapse_lower_it():
    all_ten, half_of_them = np.tile(np.eye(10), [20, 1]), np.tile(np.eye(10)[:5], [40, 1])
    unsure = 0.8 * all_ten + 0.02
    assert inception_score(half_of_them, splits=1)[0] == pytest.approx(5, rel=1e-12)
    assert inception_score(unsure, splits=1)[0] < inception_score(all_ten, splits=1)[0]


def test_splits_are_scored_apart():
    # In order, each half has one class only; mixed by any seed, both have two.
    probabilities = np.repeat(np.eye(2), 200, axis=0)
    assert inception_score(probabilities, splits=2, seed=None) == pytest.approx((1, 0), abs=1e-12)
    for seed in (0, 2020):
        assert inception_score(probabilities, splits=2, seed=seed)[0] == pytest.approx(2, rel=0.02)


def test_seed_none_keeps_the_order():
    probabilities = _random_probabilities(90, 4)
    parts = [inception_score(part, splits=1)[0] for part in np.split(probabilities, 3)]
    expected = pytest.approx((np.mean(parts), np.std(parts)), rel=1e-12)
    assert inception_score(probabilities, splits=3, seed=None) == expected


def test_splits_of_unequal_size_use_every_sample():
    # 10 samples in 3 splits: 3, 3 and 4.
    probabilities = _random_probabilities(10, 4)
    parts = [inception_score(part, splits=1)[0] for part in np.split(probabilities, [3, 6])]
    assert inception_score(probabilities, splits=3, seed=None)[0] == pytest.approx(np.mean(parts), rel=1e-12)


@pytest.mark.parametrize(("dtype", "tolerance"), [(np.float32, 1e-6), (np.float16, 2e-3)])
def test_lower_precision(dtype, tolerance):
    # Rounding of the input alone; a sum of 2000 in float16 would be off by more.
    probabilities = _random_probabilities(2000, 10)
    expected = inception_score(probabilities)
    assert inception_score(probabilities.astype(dtype)) == pytest.approx(expected, rel=tolerance)


def test_as_many_splits_as_samples():
    assert inception_score(_random_probabilities(5, 3), splits=5) == pytest.approx((1, 0), abs=1e-12)


@pytest.mark.parametrize(
    ("probabilities", "options", "message"),
    [
        (np.full([5, 2], 0.5), {"splits": 6}, "splits=6 must be from 1 to the number of samples, 5"),
        (np.full([5, 2], 0.5), {"splits": 0}, "splits=0"),
        (np.full([20, 2], 0.6), {}, "each row's sum 1; apply a softmax"),
        (np.tile([-0.5, 1.5], [20, 1]), {}, "at least 0"),
        (np.random.default_rng(0).normal(size=[20, 4]), {}, "softmax"),
        (np.full([20, 2], np.nan), {}, "probabilities contain NaN"),
        (np.full([20], 1.0), {}, "probabilities must be"),
        (np.zeros([0, 2]), {}, "probabilities must be"),
    ],
)
def test_refuses(probabilities, options, message):
    with pytest.raises(InputError, match=message):
        inception_score(probabilities, **options)


def test_one_bad_row_among_many_is_refused():
    probabilities = _random_probabilities(100, 4)
    probabilities[57] *= 1.01
    with pytest.raises(InputError, match="sum 1"):
        inception_score(probabilities)
