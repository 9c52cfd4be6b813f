"""A collapse is what lasts for a window, and is said once."""

import pytest

from ppsci_gan.training.collapse import CollapseWatch


def terms(diversity=0.9, accuracy=0.7):
    return {"diversity": diversity, "accuracy_real": accuracy, "accuracy_fake": accuracy}


@pytest.fixture
def watch():
    return CollapseWatch(window=100, diversity=0.1, accuracy=0.99, stop=False)


def test_healthy_trainings_are_left_alone(watch):
    assert not any(watch.observe(terms(), 10) for _ in range(50))


def test_a_short_lapse_is_nothing(watch):
    for _ in range(10):
        watch.observe(terms(), 10)
    assert not any(watch.observe(terms(diversity=0.0), 10) for _ in range(8))
    assert not any(watch.observe(terms(), 10) for _ in range(20))


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (terms(diversity=0.05), "generated samples are nearly all alike: over 100 iterations they differ by 0.05"),
        (terms(accuracy=0.996), "the discriminator has won: over 100 iterations it told 99.6 % of the samples right"),
    ],
)
def test_what_lasts_is_said_once_per_lapse(watch, bad, message):
    said = [watch.observe(bad, 20) for _ in range(12)]
    assert [text is not None for text in said] == [False] * 4 + [True] + [False] * 7
    assert said[4].startswith(message)
    for _ in range(5):
        assert watch.observe(terms(), 20) is None
    assert any(watch.observe(bad, 20) for _ in range(5))


def test_rows_weigh_by_their_iterations(watch):
    """Five hundred good iterations in one row, then a bad one."""
    assert watch.observe(terms(), 500) is None
    assert watch.observe(terms(diversity=0.0), 1) is None
    assert watch.observe(terms(diversity=0.0), 98) is None
    assert watch.observe(terms(diversity=0.0), 1) is not None


def test_one_player_that_wins_half_is_no_win(watch):
    half = {"diversity": 0.9, "accuracy_real": 1.0, "accuracy_fake": 0.9}
    assert not any(watch.observe(half, 50) for _ in range(10))
