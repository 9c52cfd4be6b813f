"""The order of the data."""

from itertools import islice

import numpy as np
import pytest

from ppsci_gan.data.batches import ShuffledBatches
from ppsci_gan.data.batches import count_iterations


def take(count, *args, position=(0, 0), **kwargs):
    batches = ShuffledBatches(*args, **kwargs)
    batches.position = position
    return np.array(list(islice(batches, count)))


def test_a_pass_shows_every_sample_once_and_the_next_in_another_order():
    batches = take(10, 20, 4, seed=0)
    first, second = batches[:5].reshape(-1), batches[5:].reshape(-1)
    assert sorted(first) == sorted(second) == list(range(20))
    assert (first != second).any()
    assert (first != np.arange(20)).any()


@pytest.mark.parametrize("start", [0, 1, 5, 7, 13])
def test_it_goes_on_from_anywhere(start):
    before = ShuffledBatches(22, 4, seed=0)
    for _ in range(start):
        next(before)
    expected = take(start + 4, 22, 4, seed=0)[start:]
    np.testing.assert_array_equal(take(4, 22, 4, seed=0, position=before.position), expected)


def test_ranks_share_a_pass_without_overlap():
    parts = [take(5, 20, 2, seed=0, rank=rank, world_size=2).reshape(-1) for rank in (0, 1)]
    assert sorted(np.concatenate(parts)) == list(range(20))


def test_two_ranks_see_together_what_one_rank_sees():
    parts = [take(5, 20, 2, seed=0, rank=rank, world_size=2) for rank in (0, 1)]
    np.testing.assert_array_equal(np.concatenate(parts, axis=1), take(5, 20, 4, seed=0))


def test_another_number_of_ranks_goes_on_in_the_same_pass():
    alone = ShuffledBatches(40, 4, seed=0)
    seen = [*next(alone), *next(alone)]
    together = [ShuffledBatches(40, 4, seed=0, rank=rank, world_size=2) for rank in (0, 1)]
    for batches in together:
        batches.position = alone.position
        seen += [*next(batches), *next(batches)]
    assert together[0].position == together[1].position == (0, 24)
    alone.position = together[0].position
    seen += [index for _ in range(4) for index in next(alone)]
    assert sorted(seen) == list(range(40))


def test_seeds_differ():
    assert (take(5, 20, 4, seed=0) != take(5, 20, 4, seed=1)).any()


@pytest.mark.parametrize(
    ("samples", "shown", "ranks", "expected"), [(24, 4, 1, 6), (27, 4, 1, 6), (27, 4, 2, 3), (3, 4, 1, 1)]
)
def test_a_pass_has_as_many_iterations_as_whole_batches(monkeypatch, samples, shown, ranks, expected):
    monkeypatch.setattr("ppsci_gan.devices.ranks.count", lambda: ranks)
    assert count_iterations(samples, shown) == expected
