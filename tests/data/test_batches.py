"""The order of the data."""

from itertools import islice

import numpy as np
import pytest

from ppsci_gan.data.batches import shuffled_batches


def take(count, *args, **kwargs):
    return np.array(list(islice(shuffled_batches(*args, **kwargs), count)))


def test_a_pass_shows_every_sample_once_and_the_next_in_another_order():
    batches = take(10, 20, 4, seed=0)
    first, second = batches[:5].reshape(-1), batches[5:].reshape(-1)
    assert sorted(first) == sorted(second) == list(range(20))
    assert (first != second).any()
    assert (first != np.arange(20)).any()


@pytest.mark.parametrize("start", [0, 1, 5, 7, 13])
def test_it_goes_on_from_anywhere(start):
    np.testing.assert_array_equal(take(4, 22, 4, seed=0, start=start), take(start + 4, 22, 4, seed=0)[start:])


def test_ranks_share_a_pass_without_overlap():
    parts = [take(5, 20, 2, seed=0, rank=rank, world_size=2).reshape(-1) for rank in (0, 1)]
    assert sorted(np.concatenate(parts)) == list(range(20))


def test_two_ranks_see_together_what_one_rank_sees():
    parts = [take(5, 20, 2, seed=0, rank=rank, world_size=2) for rank in (0, 1)]
    np.testing.assert_array_equal(np.concatenate(parts, axis=1), take(5, 20, 4, seed=0))


def test_seeds_differ():
    assert (take(5, 20, 4, seed=0) != take(5, 20, 4, seed=1)).any()
