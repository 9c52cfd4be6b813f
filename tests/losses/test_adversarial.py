"""Losses of logits: against probabilities in double precision, at extremes, and what the objective logs."""

import numpy as np
import paddle
import pytest

from ppsci_gan.losses import adversarial
from ppsci_gan.losses.adversarial import LOSSES

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


@pytest.mark.parametrize("name", PAPERS)
@pytest.mark.parametrize("target", [1.0, 0.9])
def test_losses_are_the_papers(name, target):
    real, fake = paddle.to_tensor(REAL), paddle.to_tensor(FAKE)
    discriminator, generator = PAPERS[name]
    found = LOSSES[name].critic(real, fake, target).item()
    assert found == pytest.approx(discriminator(REAL, FAKE, target), rel=1e-10)
    assert LOSSES[name].generator(fake).item() == pytest.approx(generator(FAKE), rel=1e-10)


@pytest.mark.parametrize("name", PAPERS)
@pytest.mark.parametrize("size", [100.0, 1e4])
def test_extreme_logits_give_finite_losses_and_gradients(name, size):
    for sign in (-1, 1):
        real, fake = (paddle.full([3], sign * way * size, "float32") for way in (1, -1))
        real.stop_gradient = fake.stop_gradient = False
        loss = LOSSES[name].critic(real, fake, 0.9) + LOSSES[name].generator(fake)
        loss.backward()
        assert np.isfinite([loss.item(), *real.grad.tolist(), *fake.grad.tolist()]).all()


def test_the_non_saturating_gradient_stays_where_the_minimax_one_vanishes():
    gradients = []
    for loss in (adversarial.non_saturating_generator, adversarial.minimax_generator):
        logits = paddle.to_tensor([-20.0], stop_gradient=False)
        loss(logits).backward()
        gradients.append(logits.grad.item())
    assert gradients[0] == pytest.approx(-1, abs=1e-6)
    assert abs(gradients[1]) < 1e-8
    assert max(gradients) <= 0  # both want a larger logit


def test_wasserstein_losses_are_differences_of_means():
    real, fake = paddle.to_tensor([1.0, 3.0]), paddle.to_tensor([4.0, 5.0, 9.0])
    assert adversarial.wasserstein_critic(real, fake).item() == pytest.approx(6.0 - 2.0)
    assert adversarial.wasserstein_generator(fake).item() == pytest.approx(-6.0)
