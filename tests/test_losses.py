"""Losses against closed forms, finite differences and plain numpy."""

import numpy as np
import paddle
import pytest


def points(num, dim=2, seed=0, dtype="float64"):
    return paddle.to_tensor(np.random.default_rng(seed).standard_normal((num, dim)), dtype)


def test_wasserstein_losses_are_differences_of_means():
    real, fake = paddle.to_tensor([1.0, 3.0]), paddle.to_tensor([4.0, 5.0, 9.0])
    assert losses.wasserstein_critic(real, fake).item() == pytest.approx(6.0 - 2.0)
    assert losses.wasserstein_generator(fake).item() == pytest.approx(-6.0)


# A linear critic's gradient is its weight w everywhere: penalty = weight * (|w| - target)^2,
# with gradient weight * 2 * (|w| - target) * w / |w| with respect to w.
@pytest.mark.parametrize(
    ("w", "target", "one_sided", "excess"),
    [([3.0, 4.0], 1.0, False, 4.0), ([0.3, 0.4], 1.0, False, -0.5), ([0.3, 0.4], 1.0, True, 0.0),
     ([3.0, 4.0], 2.0, True, 3.0)],
)  # fmt: skip
def test_penalty_of_a_linear_critic(w, target, one_sided, excess):
    w = paddle.to_tensor(w, "float64", stop_gradient=False)
    penalty = losses.gradient_penalty(lambda x: x @ w, points(5), points(5, seed=1), 10.0, target, one_sided)
    assert penalty.item() == pytest.approx(10 * excess**2, rel=1e-12)
    penalty.backward()
    unit = w.numpy() / np.linalg.norm(w.numpy())
    np.testing.assert_allclose(w.grad.numpy(), 10 * 2 * excess * unit, rtol=1e-10, atol=1e-12)


def test_penalty_of_a_quadratic_critic():
    """D(x) = x.A.x / 2 with symmetric A has the gradient A x; where real and fake agree, the point is known."""
    a = np.array([[2.0, 0.5], [0.5, 1.0]])
    x = points(6)
    penalty = losses.gradient_penalty(lambda p: (p * (p @ paddle.to_tensor(a))).sum(axis=1) / 2, x, x, weight=1.0)
    norms = np.linalg.norm(x.numpy() @ a, axis=1)
    assert penalty.item() == pytest.approx(np.mean((norms - 1) ** 2), rel=1e-12)


def test_penalty_of_a_quadratic_critic_at_known_points_between():
    a, real, fake = np.diag([3.0, -1.0]), points(6), points(6, seed=1)
    paddle.seed(4)
    penalty = losses.gradient_penalty(lambda p: (p * (p @ paddle.to_tensor(a))).sum(axis=1) / 2, real, fake, 5.0)
    paddle.seed(4)
    factor = paddle.rand([6, 1], "float64").numpy()
    norms = np.linalg.norm(((1 - factor) * real.numpy() + factor * fake.numpy()) @ a, axis=1)
    assert penalty.item() == pytest.approx(5 * np.mean((norms - 1) ** 2), rel=1e-12)


def test_penalty_looks_at_one_point_per_sample_between_real_and_fake():
    real, fake = paddle.zeros([1000, 2]), paddle.full([1000, 2], 4.0)
    seen = []
    losses.gradient_penalty(lambda x: (seen.append(x.numpy()), x.sum(axis=1))[1], real, fake)
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
        return losses.gradient_penalty(lambda x: critic(x)[:, 0], real, fake, weight=2.0)

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
    penalty = losses.gradient_penalty(lambda x: x @ w, points(3, dtype="float32"), points(3, seed=1, dtype="float32"))
    assert penalty.item() == pytest.approx(10.0)
    penalty.backward()
    np.testing.assert_array_equal(w.grad.numpy(), 0.0)


def test_penalty_of_a_critic_that_is_flat_here_has_no_nan():
    """Rectifiers that are all off, as when a critic dies: some samples' gradient is exactly zero, others' is not."""
    hidden, output = paddle.nn.Linear(1, 3), paddle.nn.Linear(3, 1)
    hidden.weight.set_value(paddle.ones([1, 3]))
    real = paddle.to_tensor([[-1.0], [-2.0], [2.0]])
    losses.gradient_penalty(lambda x: output(paddle.nn.functional.relu(hidden(x)))[:, 0], real, real).backward()
    for parameter in (hidden.weight, output.weight):
        assert np.isfinite(parameter.grad.numpy()).all()
        assert parameter.grad.numpy().any()


def test_penalty_asks_nothing_of_the_generator():
    generator, critic = paddle.nn.Linear(2, 2), paddle.nn.Linear(2, 1)
    fake = generator(points(4, dtype="float32"))
    real = points(4, seed=1, dtype="float32")
    penalty = losses.gradient_penalty(lambda x: paddle.tanh(critic(x))[:, 0], real, fake)  # curved: depends on where
    penalty.backward()
    assert generator.weight.grad is None
    assert critic.weight.grad is not None


def test_sample_norm_agrees_with_numpy():
    x = np.random.default_rng(0).standard_normal((4, 3, 2, 2))
    expected = np.linalg.norm(x.reshape(4, -1), axis=1)
    np.testing.assert_allclose(losses.sample_norm(paddle.to_tensor(x)).numpy(), expected, rtol=1e-12)


def test_sample_norm_has_the_norms_gradient_and_zero_at_zero():
    x = paddle.to_tensor([[3.0, 4.0], [0.0, 0.0]], stop_gradient=False)
    losses.sample_norm(x).sum().backward()
    np.testing.assert_allclose(x.grad.numpy(), [[0.6, 0.8], [0, 0]], rtol=1e-6)


def log_softmax(logits):
    shifted = logits - logits.max(axis=1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))


def test_acgan_is_the_scaled_cross_entropy():
    logits, labels = np.random.default_rng(0).standard_normal((5, 4)), np.array([0, 3, 1, 1, 2])
    expected = -0.3 * log_softmax(logits)[np.arange(5), labels].mean()
    assert losses.acgan(paddle.to_tensor(logits), paddle.to_tensor(labels), 0.3).item() == pytest.approx(expected)


class Critic(paddle.nn.Layer):
    """Linear score, and class logits that are the sample itself."""

    def __init__(self, classify):
        super().__init__()
        self.weight = self.create_parameter([3], default_initializer=paddle.nn.initializer.Assign([1.0, 2.0, 2.0]))
        self.classify = classify

    def forward(self, x):
        out = {"score": x["data"] @ self.weight}
        return {**out, "class_logits": x["data"]} if self.classify else out


@pytest.fixture
def batch():
    rng = np.random.default_rng(0)
    real, fake = (paddle.to_tensor(rng.standard_normal((4, 3)), "float32") for _ in range(2))
    return {"real_data": real, "fake_data": fake, "update": 0}, {"labels": paddle.to_tensor([0, 2, 1, 1])}


@pytest.mark.parametrize("classify", [False, True])
def test_critic_loss_is_the_sum_of_its_terms(batch, classify):
    output, labels = batch
    terms = losses.WassersteinGP(Critic(classify), penalty_weight=10.0, acgan_scale=0.5).critic_loss(output, labels)
    real, fake = output["real_data"].numpy(), output["fake_data"].numpy()
    distance = (real @ [1, 2, 2]).mean() - (fake @ [1, 2, 2]).mean()
    expected = -distance + 10 * (3.0 - 1.0) ** 2
    if classify:
        # On real samples only, as the reference does.
        class_term = -0.5 * log_softmax(real)[np.arange(4), labels["labels"].numpy()].mean()
        assert terms["acgan"].item() == pytest.approx(class_term, rel=1e-5)
        expected += class_term
    assert terms["wasserstein"].item() == pytest.approx(distance, rel=1e-5)
    assert terms["penalty"].item() == pytest.approx(40.0, rel=1e-5)
    assert terms["loss"].item() == pytest.approx(expected, rel=1e-5)


def test_the_critic_may_classify_generated_samples_too(batch):
    output, labels = batch
    settings = {"penalty_weight": 10.0, "acgan_scale": 0.5, "acgan_generated": True}
    terms = losses.WassersteinGP(Critic(True), **settings).critic_loss(output, labels)
    numbers = labels["labels"].numpy()
    both = [log_softmax(output[key].numpy())[np.arange(4), numbers].mean() for key in ("real_data", "fake_data")]
    assert terms["acgan"].item() == pytest.approx(-0.5 * sum(both), rel=1e-5)
    rest = terms["penalty"].item() - terms["wasserstein"].item()
    assert terms["loss"].item() == pytest.approx(rest + terms["acgan"].item(), rel=1e-5)


def test_a_critic_is_given_the_labels_wherever_it_judges(batch):
    """Real and generated samples, those between them, and the generator's."""
    output, labels = batch
    seen = []

    def critic(x):
        seen.append(x["labels"].tolist())
        return {"score": (x["data"] * x["data"]).sum(axis=1)}

    objective = losses.WassersteinGP(critic)
    objective.critic_loss(output, labels)
    objective.generator_loss(output, {"labels": paddle.to_tensor([3, 3, 0, 0])})
    assert seen == [[0, 2, 1, 1]] * 3 + [[3, 3, 0, 0]]


@pytest.mark.parametrize("classify", [False, True])
def test_generator_loss(batch, classify):
    output, labels = batch
    terms = losses.WassersteinGP(Critic(classify), acgan_scale_g=0.1).generator_loss(output, labels)
    fake = output["fake_data"].numpy()
    expected = -(fake @ [1, 2, 2]).mean()
    if classify:
        expected += -0.1 * log_softmax(fake)[np.arange(4), labels["labels"].numpy()].mean()
    assert terms["loss"].item() == pytest.approx(expected, rel=1e-5)
    assert set(terms) == ({"loss", "acgan"} if classify else {"loss"})


def test_lazy_penalty_comes_every_third_update_threefold(batch):
    output, labels = batch
    compute_losses = {}
    for interval in (1, 3):
        objective = losses.WassersteinGP(Critic(False), penalty_weight=10.0, penalty_interval=interval)
        compute_losses[interval] = [objective.critic_loss({**output, "update": update}, labels) for update in range(6)]
    assert ["penalty" in terms for terms in compute_losses[3]] == [True, False, False] * 2
    assert compute_losses[3][3]["penalty"].item() == pytest.approx(120.0, rel=1e-5)
    always, lazily = ([terms["loss"].item() for terms in compute_losses[interval]] for interval in (1, 3))
    assert lazily[1] == pytest.approx(-compute_losses[3][1]["wasserstein"].item())
    assert np.mean(lazily) == pytest.approx(np.mean(always), rel=1e-5)


def test_penalty_settings_are_passed_on(batch):
    """|w| is 3: below a target of 4, so that one-sided is nothing and two-sided is 2 * (3 - 4)^2."""
    for one_sided, expected in ((True, 0.0), (False, 2.0)):
        objective = losses.WassersteinGP(Critic(False), 2.0, penalty_target=4.0, penalty_one_sided=one_sided)
        assert objective.critic_loss(*batch)["penalty"].item() == pytest.approx(expected, rel=1e-5)
