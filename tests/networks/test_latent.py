"""What goes into a generator."""

from types import SimpleNamespace

import numpy as np
import paddle
import pytest

from ppsci_gan.errors import InputError
from ppsci_gan.networks import latent

PLAIN = SimpleNamespace(latent_dim=3, label_num=0, input_keys=("noise",))
CONDITIONAL = SimpleNamespace(latent_dim=3, label_num=4, input_keys=("noise", "labels"))


def test_noise_is_standard_normal_and_follows_paddles_seed():
    paddle.seed(1)
    first = latent.sample(PLAIN, 5000)["noise"].numpy()
    paddle.seed(1)
    np.testing.assert_array_equal(latent.sample(PLAIN, 5000)["noise"].numpy(), first)
    assert first.mean() == pytest.approx(0, abs=0.05)
    assert first.std() == pytest.approx(1, abs=0.05)


def test_labels_are_uniform_or_those_given():
    drawn = latent.sample(CONDITIONAL, 4000)["labels"].numpy()
    assert np.bincount(drawn, minlength=4) / 4000 == pytest.approx([0.25] * 4, abs=0.04)
    given = paddle.to_tensor([3, 1])
    assert latent.sample(CONDITIONAL, 2, given)["labels"] is given
    assert set(latent.sample(PLAIN, 2, given)) == {"noise"}


def test_fixed_inputs_depend_on_the_seed_alone():
    first, again, other = (latent.sample_fixed(CONDITIONAL, 10, seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first["noise"], again["noise"])
    assert (first["noise"] != other["noise"]).all()
    assert first["noise"].dtype == np.float32
    assert np.bincount(first["labels"]).tolist() == [3, 3, 2, 2]


def test_exported_inputs_take_any_batch_size():
    specs = latent.input_spec(CONDITIONAL)
    assert {key: (tuple(spec.shape), spec.name) for key, spec in specs.items()} == {
        "noise": ((-1, 3), "noise"),
        "labels": ((-1,), "labels"),
    }


@pytest.mark.parametrize("generator", [PLAIN, CONDITIONAL])
def test_walk_passes_its_points_at_even_angles_and_comes_back(generator):
    way = latent.walk(generator, points=4, steps=5, seed=7)
    points = latent.sample_fixed(generator, 4, 7)["noise"]
    np.testing.assert_allclose(way["noise"][::5], points, rtol=1e-5, atol=1e-6)
    assert set(way) == set(generator.input_keys)
    assert (way.get("labels", np.zeros(20)) == 0).all()
    closed = np.concatenate([way["noise"], way["noise"][:1]]).astype(float)
    directions = closed / np.linalg.norm(closed, axis=1, keepdims=True)
    angles = np.arccos((directions[1:] * directions[:-1]).sum(1).clip(-1, 1)).reshape(4, 5)
    whole = np.arccos((directions[:20:5] * np.roll(directions[:20:5], -1, 0)).sum(1))
    np.testing.assert_allclose(angles.sum(1), whole, rtol=1e-4)  # within a plane, and never back


@pytest.fixture
def conditional():
    return SimpleNamespace(latent_dim=200, label_num=10, input_keys=("noise", "labels"))


def test_samples_of_seeds_are_those_of_the_seeds_alone(conditional):
    inputs = latent.choose(conditional, 99, seed=0, labels=[3], seeds=[7, 12])
    for row, seed in zip(inputs["noise"], (7, 12)):
        np.testing.assert_array_equal(row, latent.sample_fixed(conditional, 1, seed)["noise"][0])
    assert inputs["labels"].tolist() == [3, 3]


def test_without_a_choice_the_latent_is_the_fixed_one(conditional):
    chosen, fixed = latent.choose(conditional, 12, seed=5), latent.sample_fixed(conditional, 12, 5)
    for key, value in fixed.items():
        np.testing.assert_array_equal(chosen[key], value)


def test_truncated_latents_are_normal_within_the_bound(conditional):
    found = latent.choose(conditional, 500, seed=0, truncation=1.0)["noise"]
    assert np.abs(found).max() <= 1
    # Of the normal distribution cut at +-1: variance 1 - 2 phi(1) / (2 Phi(1) - 1) = 0.2911
    assert found.std() == pytest.approx(0.2911**0.5, rel=0.01)
    kept = latent.sample_fixed(conditional, 500, 0)["noise"]
    assert (found[np.abs(kept) <= 1] == kept[np.abs(kept) <= 1]).all()
    one, both = (latent.choose(conditional, 0, 0, seeds=s, truncation=0.5)["noise"][0] for s in ([4], [4, 9]))
    np.testing.assert_array_equal(one, both)


def test_classes_that_a_generator_does_not_have_are_refused(conditional):
    with pytest.raises(InputError, match=r"labels=\[10\]: this generator has classes 0 to 9"):
        latent.choose(conditional, 1, 0, labels=[10])
    with pytest.raises(InputError, match="has no classes"):
        latent.choose(SimpleNamespace(latent_dim=2, label_num=0, input_keys=("noise",)), 1, 0, labels=[1])


def test_a_sweep_changes_one_number_at_a_time(conditional):
    inputs = latent.sweep(conditional, dimensions=3, steps=5, seed=1)
    start = latent.sample_fixed(conditional, 1, 1)["noise"][0]
    for number, rows in enumerate(inputs["noise"].reshape(3, 5, -1)):
        np.testing.assert_allclose(rows[:, number], [-3, -1.5, 0, 1.5, 3])
        others = np.arange(200) != number
        assert (rows[:, others] == start[others]).all()
    assert inputs["labels"].tolist() == [0] * 15
