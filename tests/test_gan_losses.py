"""Losses of logits: against probabilities in double precision, at extremes, and what the objective logs."""

import numpy as np
import paddle
import pytest

from ppsci_gan.errors import InputError
from ppsci_gan.losses.adversarial import OBJECTIVES
from ppsci_gan.losses.adversarial import Adversarial

REAL, FAKE = (np.random.default_rng(seed).normal(0, 2, 50) for seed in (0, 1))


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def cross_entropy(real, fake, target):
    log = np.log
    of_real = target * log(sigmoid(real)) + (1 - target) * log(1 - sigmoid(real))
    return -np.mean(of_real) - np.mean(log(1 - sigmoid(fake)))


# Formulas of the papers in terms of D = sigmoid(logit), or of the output itself.
PAPERS = {
    "non_saturating": (cross_entropy, lambda f: -np.mean(np.log(sigmoid(f)))),
    "minimax": (cross_entropy, lambda f: np.mean(np.log(1 - sigmoid(f)))),
    "least_squares": (
        lambda r, f, t: np.mean((r - t) ** 2) / 2 + np.mean(f**2) / 2,
        lambda f: np.mean((f - 1) ** 2) / 2,
    ),
    "hinge": (
        lambda r, f, t: np.mean(np.maximum(0, t - r)) + np.mean(np.maximum(0, 1 + f)),
        lambda f: -np.mean(f),
    ),
}


@pytest.mark.parametrize("name", OBJECTIVES)
@pytest.mark.parametrize("target", [1.0, 0.9])
def test_losses_are_the_papers(name, target):
    real, fake = paddle.to_tensor(REAL), paddle.to_tensor(FAKE)
    discriminator, generator = PAPERS[name]
    found = OBJECTIVES[name].discriminator(real, fake, target).item()
    assert found == pytest.approx(discriminator(REAL, FAKE, target), rel=1e-10)
    assert OBJECTIVES[name].generator(fake).item() == pytest.approx(generator(FAKE), rel=1e-10)


@pytest.mark.parametrize("name", OBJECTIVES)
@pytest.mark.parametrize("size", [100.0, 1e4])
def test_extreme_logits_give_finite_losses_and_gradients(name, size):
    for sign in (-1, 1):
        real, fake = (paddle.full([3], sign * way * size, "float32") for way in (1, -1))
        real.stop_gradient = fake.stop_gradient = False
        loss = OBJECTIVES[name].discriminator(real, fake, 0.9) + OBJECTIVES[name].generator(fake)
        loss.backward()
        assert np.isfinite([loss.item(), *real.grad.tolist(), *fake.grad.tolist()]).all()


def test_the_non_saturating_gradient_stays_where_the_minimax_one_vanishes():
    gradients = []
    for loss in (gan_losses.non_saturating_generator, gan_losses.minimax_generator):
        logits = paddle.to_tensor([-20.0], stop_gradient=False)
        loss(logits).backward()
        gradients.append(logits.grad.item())
    assert gradients[0] == pytest.approx(-1, abs=1e-6)
    assert abs(gradients[1]) < 1e-8
    assert max(gradients) <= 0  # both want a larger logit


def objective(**settings):
    """An objective whose discriminator gives the first value of a sample."""
    return Adversarial(lambda x: {"score": x["data"][:, 0]}, **settings)


@pytest.mark.parametrize(("name", "of_real", "of_fake"), [("non_saturating", 0.5, 0.75), ("least_squares", 0.25, 0.75)])
def test_accuracies_are_shares_on_the_right_side(name, of_real, of_fake):
    real, fake = (paddle.to_tensor(v).reshape([-1, 1]) for v in ([0.4, 0.6, -1.0, -2.0], [-3.0, -1.0, -0.1, 0.9]))
    terms = objective(objective=name).discriminator_loss({"real_data": real, "fake_data": fake})
    assert (terms["accuracy_real"].item(), terms["accuracy_fake"].item()) == (of_real, of_fake)


def test_diversity_is_the_spread_relative_to_real_samples():
    rng = np.random.default_rng(0)
    real = paddle.to_tensor(rng.normal(0, 2, (400, 3, 4, 4)))
    for spread, expected in ((1.0, 0.5), (0.0, 0.0)):
        fake = paddle.to_tensor(7 + rng.normal(0, spread, (400, 3, 4, 4)))
        assert gan_losses.spread(fake).item() / gan_losses.spread(real).item() == pytest.approx(expected, abs=0.02)
    assert gan_losses.spread(real).item() == pytest.approx(np.sqrt(real.numpy().var(axis=0).mean()), rel=1e-10)


def test_instance_noise_falls_to_nothing():
    samples = {"real_data": paddle.zeros([5000, 1]), "fake_data": paddle.zeros([5000, 1])}
    seen = []

    def judge(x):
        seen.append(x["data"].std().item())
        return {"score": x["data"][:, 0]}

    noisy = Adversarial(judge, instance_noise=0.4, noise_updates=10)
    for update in (0, 5, 10, 12):
        noisy.discriminator_loss({**samples, "update": update})
    assert seen == pytest.approx([0.4, 0.4, 0.2, 0.2, 0, 0, 0, 0], abs=0.02)


def test_labels_reach_the_discriminator():
    given = []
    losses = Adversarial(lambda x: given.append(x["labels"]) or {"score": x["data"][:, 0]})
    labels = paddle.to_tensor([1, 2])
    losses.discriminator_loss({"real_data": paddle.ones([2, 1]), "fake_data": paddle.ones([2, 1])}, {"labels": labels})
    losses.generator_loss({"fake_data": paddle.ones([2, 1])}, {"labels": labels})
    assert len(given) == 3
    assert all(value is labels for value in given)


def test_unknown_objectives_are_refused():
    with pytest.raises(InputError, match="LOSS.objective=wasserstein: choose one of non_saturating, minimax"):
        objective(objective="wasserstein")
