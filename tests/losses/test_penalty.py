"""Losses against closed forms, finite differences and plain numpy."""

import numpy as np
import paddle
import pytest

from ppsci_gan.losses.penalty import gradient_penalty
from ppsci_gan.losses.penalty import sample_norm


def points(num, dim=2, seed=0, dtype="float64"):
    return paddle.to_tensor(np.random.default_rng(seed).standard_normal((num, dim)), dtype)


# A linear critic's gradient is its weight w everywhere: penalty = weight * (|w| - target)^2,
# with gradient weight * 2 * (|w| - target) * w / |w| with respect to w.
@pytest.mark.parametrize(
    ("w", "target", "one_sided", "excess"),
    [([3.0, 4.0], 1.0, False, 4.0), ([0.3, 0.4], 1.0, False, -0.5), ([0.3, 0.4], 1.0, True, 0.0),
     ([3.0, 4.0], 2.0, True, 3.0)],
)  # fmt: skip
def test_penalty_of_a_linear_critic(w, target, one_sided, excess):
    w = paddle.to_tensor(w, "float64", stop_gradient=False)
    found = gradient_penalty(lambda x: x @ w, points(5), points(5, seed=1), 10.0, target, one_sided)
    assert found.item() == pytest.approx(10 * excess**2, rel=1e-12)
    found.backward()
    unit = w.numpy() / np.linalg.norm(w.numpy())
    np.testing.assert_allclose(w.grad.numpy(), 10 * 2 * excess * unit, rtol=1e-10, atol=1e-12)


def test_penalty_of_a_quadratic_critic():
    """D(x) = x.A.x / 2 with symmetric A has the gradient A x; where real and fake agree, the point is known."""
    a = np.array([[2.0, 0.5], [0.5, 1.0]])
    x = points(6)
    found = gradient_penalty(lambda p: (p * (p @ paddle.to_tensor(a))).sum(axis=1) / 2, x, x, weight=1.0)
    norms = np.linalg.norm(x.numpy() @ a, axis=1)
    assert found.item() == pytest.approx(np.mean((norms - 1) ** 2), rel=1e-12)


def test_penalty_of_a_quadratic_critic_at_known_points_between():
    a, real, fake = np.diag([3.0, -1.0]), points(6), points(6, seed=1)
    paddle.seed(4)
    found = gradient_penalty(lambda p: (p * (p @ paddle.to_tensor(a))).sum(axis=1) / 2, real, fake, 5.0)
    paddle.seed(4)
    factor = paddle.rand([6, 1], "float64").numpy()
    norms = np.linalg.norm(((1 - factor) * real.numpy() + factor * fake.numpy()) @ a, axis=1)
    assert found.item() == pytest.approx(5 * np.mean((norms - 1) ** 2), rel=1e-12)


def test_penalty_looks_at_one_point_per_sample_between_real_and_fake():
    real, fake = paddle.zeros([1000, 2]), paddle.full([1000, 2], 4.0)
    seen = []
    gradient_penalty(lambda x: (seen.append(x.numpy()), x.sum(axis=1))[1], real, fake)
    np.testing.assert_array_equal(seen[0][:, 0], seen[0][:, 1])
    assert seen[0].min() >= 0
    assert seen[0].max() <= 4
    assert seen[0].mean() == pytest.approx(2.0, abs=0.15)
    assert len(np.unique(seen[0][:, 0])) > 900


def test_penalty_gradient_agrees_with_finite_differences(float64):
    """Of every parameter of a small network; step 1e-5 leaves errors of about 1e-10, by rounding and by curvature."""
    paddle.seed(1)
    critic = paddle.nn.Sequential(paddle.nn.Linear(2, 5), paddle.nn.Tanh(), paddle.nn.Linear(5, 1))
    real, fake = points(7), points(7, seed=1)

    def penalty():
        paddle.seed(3)  # the same points between
        return gradient_penalty(lambda x: critic(x)[:, 0], real, fake, weight=2.0)

    penalty().backward()
    checked = 0
    for parameter in critic.parameters()[:3]:  # the last bias has no influence on any gradient
        value, gradient = parameter.numpy().copy(), parameter.grad.numpy()
        for index in np.ndindex(*value.shape):
            ends = []
            for step in (1e-5, -1e-5):
                moved = value.copy()
                moved[index] += step
                parameter.set_value(moved)
                ends.append(penalty().item())
            parameter.set_value(value)
            assert (ends[0] - ends[1]) / 2e-5 == pytest.approx(gradient[index], rel=1e-6, abs=1e-9)
            checked += 1
    assert checked == 20


def test_penalty_where_the_gradient_is_zero_has_no_nan():
    w = paddle.zeros([2], "float32")
    w.stop_gradient = False
    found = gradient_penalty(lambda x: x @ w, points(3, dtype="float32"), points(3, seed=1, dtype="float32"))
    assert found.item() == pytest.approx(10.0)
    found.backward()
    np.testing.assert_array_equal(w.grad.numpy(), 0.0)


def test_penalty_of_a_critic_that_is_flat_here_has_no_nan():
    """Rectifiers that are all off, as when a critic dies: some samples' gradient is exactly zero, others' is not."""
    hidden, output = paddle.nn.Linear(1, 3), paddle.nn.Linear(3, 1)
    hidden.weight.set_value(paddle.ones([1, 3]))
    real = paddle.to_tensor([[-1.0], [-2.0], [2.0]])
    gradient_penalty(lambda x: output(paddle.nn.functional.relu(hidden(x)))[:, 0], real, real).backward()
    for parameter in (hidden.weight, output.weight):
        assert np.isfinite(parameter.grad.numpy()).all()
        assert parameter.grad.numpy().any()


def test_penalty_asks_nothing_of_the_generator():
    generator, critic = paddle.nn.Linear(2, 2), paddle.nn.Linear(2, 1)
    fake = generator(points(4, dtype="float32"))
    real = points(4, seed=1, dtype="float32")
    found = gradient_penalty(lambda x: paddle.tanh(critic(x))[:, 0], real, fake)  # curved: depends on where
    found.backward()
    assert generator.weight.grad is None
    assert critic.weight.grad is not None


def test_sample_norm_agrees_with_numpy():
    x = np.random.default_rng(0).standard_normal((4, 3, 2, 2))
    expected = np.linalg.norm(x.reshape(4, -1), axis=1)
    np.testing.assert_allclose(sample_norm(paddle.to_tensor(x)).numpy(), expected, rtol=1e-12)


def test_sample_norm_has_the_norms_gradient_and_zero_at_zero():
    x = paddle.to_tensor([[3.0, 4.0], [0.0, 0.0]], stop_gradient=False)
    sample_norm(x).sum().backward()
    np.testing.assert_allclose(x.grad.numpy(), [[0.6, 0.8], [0, 0]], rtol=1e-6)
