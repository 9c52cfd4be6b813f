"""The objective: every loss with penalty, drift, classifier and noise, against NumPy."""

import numpy as np
import paddle
import pytest

from ppsci_gan.errors import InputError
from ppsci_gan.losses import Classifier
from ppsci_gan.losses import GradientPenalty
from ppsci_gan.losses import Objective
from ppsci_gan.losses.adversarial import LOSSES
from ppsci_gan.losses.objective import classify
from ppsci_gan.losses.objective import spread


def log_softmax(logits):
    shifted = logits - logits.max(axis=1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))


def test_the_classifier_is_judged_by_cross_entropy():
    logits, labels = np.random.default_rng(0).standard_normal((5, 4)), np.array([0, 3, 1, 1, 2])
    expected = -log_softmax(logits)[np.arange(5), labels].mean()
    judged, given = {"class_logits": paddle.to_tensor(logits)}, {"labels": paddle.to_tensor(labels)}
    assert classify(judged, given).item() == pytest.approx(expected)


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
    objective = Objective(Critic(classify), "wasserstein", GradientPenalty(10.0), Classifier(scale=0.5))
    terms = objective.critic_loss(output, labels)
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
    classifier = Classifier(scale=0.5, generated=True)
    terms = Objective(Critic(True), "wasserstein", GradientPenalty(10.0), classifier).critic_loss(output, labels)
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

    objective = Objective(critic, penalty=GradientPenalty())
    objective.critic_loss(output, labels)
    objective.generator_loss(output, {"labels": paddle.to_tensor([3, 3, 0, 0])})
    assert seen == [[0, 2, 1, 1]] * 3 + [[3, 3, 0, 0]]


@pytest.mark.parametrize("classify", [False, True])
def test_generator_loss(batch, classify):
    output, labels = batch
    terms = Objective(Critic(classify), classifier=Classifier(scale_g=0.1)).generator_loss(output, labels)
    fake = output["fake_data"].numpy()
    expected = -(fake @ [1, 2, 2]).mean()
    if classify:
        expected += -0.1 * log_softmax(fake)[np.arange(4), labels["labels"].numpy()].mean()
    assert terms["loss"].item() == pytest.approx(expected, rel=1e-5)
    assert set(terms) == ({"loss", "acgan"} if classify else {"loss"})


def test_lazy_penalty_comes_every_third_update_threefold(batch):
    output, labels = batch
    terms_by = {}
    for interval in (1, 3):
        objective = Objective(Critic(False), penalty=GradientPenalty(10.0, interval=interval))
        terms_by[interval] = [objective.critic_loss({**output, "update": update}, labels) for update in range(6)]
    assert ["penalty" in terms for terms in terms_by[3]] == [True, False, False] * 2
    assert terms_by[3][3]["penalty"].item() == pytest.approx(120.0, rel=1e-5)
    always, lazily = ([terms["loss"].item() for terms in terms_by[interval]] for interval in (1, 3))
    assert lazily[1] == pytest.approx(-terms_by[3][1]["wasserstein"].item())
    assert np.mean(lazily) == pytest.approx(np.mean(always), rel=1e-5)


def test_penalty_settings_are_passed_on(batch):
    """|w| is 3: below a target of 4, so that one-sided is nothing and two-sided is 2 * (3 - 4)^2."""
    for one_sided, expected in ((True, 0.0), (False, 2.0)):
        objective = Objective(Critic(False), penalty=GradientPenalty(2.0, target=4.0, one_sided=one_sided))
        assert objective.critic_loss(*batch)["penalty"].item() == pytest.approx(expected, rel=1e-5)


def objective(**settings):
    """An objective whose critic gives the first value of a sample."""
    return Objective(lambda x: {"score": x["data"][:, 0]}, **settings)


@pytest.mark.parametrize(("name", "of_real", "of_fake"), [("non_saturating", 0.5, 0.75), ("least_squares", 0.25, 0.75)])
def test_accuracies_are_shares_on_the_right_side(name, of_real, of_fake):
    real, fake = (paddle.to_tensor(v).reshape([-1, 1]) for v in ([0.4, 0.6, -1.0, -2.0], [-3.0, -1.0, -0.1, 0.9]))
    terms = objective(loss=name).critic_loss({"real_data": real, "fake_data": fake})
    assert (terms["accuracy_real"].item(), terms["accuracy_fake"].item()) == (of_real, of_fake)


def test_diversity_is_the_spread_relative_to_real_samples():
    rng = np.random.default_rng(0)
    real = paddle.to_tensor(rng.normal(0, 2, (400, 3, 4, 4)))
    for deviation, expected in ((1.0, 0.5), (0.0, 0.0)):
        fake = paddle.to_tensor(7 + rng.normal(0, deviation, (400, 3, 4, 4)))
        assert spread(fake).item() / spread(real).item() == pytest.approx(expected, abs=0.02)
    assert spread(real).item() == pytest.approx(np.sqrt(real.numpy().var(axis=0).mean()), rel=1e-10)


def test_instance_noise_falls_to_nothing():
    samples = {"real_data": paddle.zeros([5000, 1]), "fake_data": paddle.zeros([5000, 1])}
    seen = []

    def judge(x):
        seen.append(x["data"].std().item())
        return {"score": x["data"][:, 0]}

    noisy = Objective(judge, "hinge", instance_noise=0.4)
    for progress in (0, 0.5, 1):
        noisy.critic_loss({**samples, "progress": progress})
        noisy.generator_loss({**samples, "progress": progress})
    assert seen == pytest.approx([0.4] * 3 + [0.2] * 3 + [0] * 3, abs=0.02)


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("classify", [False, True])
def test_any_loss_goes_with_penalty_drift_and_classifier(batch, loss, classify):
    """The whole is the pair's own loss plus each of the others, which do not depend on it."""
    output, labels = batch
    critic = Critic(classify)
    real, fake = (critic({"data": output[key]})["score"] for key in ("real_data", "fake_data"))
    pair = LOSSES[loss]
    terms = Objective(critic, loss, GradientPenalty(10.0), drift=0.5).critic_loss(output, labels)
    assert terms["penalty"].item() == pytest.approx(40.0, rel=1e-5)
    assert terms["drift"].item() == pytest.approx(0.5 * (real.numpy() ** 2).mean(), rel=1e-5)
    assert ("wasserstein" in terms) == (loss == "wasserstein") != ("accuracy_real" in terms)
    own = pair.critic(real, fake).item()
    rest = sum(terms[name].item() for name in ("penalty", "drift", "acgan") if name in terms)
    assert terms["loss"].item() == pytest.approx(own + rest, rel=1e-5)
    of_generator = Objective(critic, loss).generator_loss(output, labels)
    term = of_generator["acgan"].item() if classify else 0
    assert of_generator["loss"].item() == pytest.approx(pair.generator(fake).item() + term, rel=1e-5)


def test_settings_of_the_configuration_are_those_of_the_parts(batch):
    given = {
        "objective": "hinge",
        "penalty_weight": 2.0,
        "penalty_target": 4.0,
        "penalty_one_sided": False,
        "penalty_interval": 3,
        "penalty_gradient": "autograd",
        "acgan_scale": 0.5,
        "acgan_scale_g": 0.2,
        "acgan_generated": True,
        "real_target": 0.9,
        "instance_noise": 0.0,
        "drift": 0.5,
    }
    found = Objective.from_settings(Critic(True), **given).critic_loss(*batch)
    penalty, classifier = GradientPenalty(2.0, 4.0, False, 3, "autograd"), Classifier(0.5, 0.2, True)
    expected = Objective(Critic(True), "hinge", penalty, classifier, real_target=0.9, drift=0.5).critic_loss(*batch)
    assert {name: value.item() for name, value in found.items()} == {n: value.item() for n, value in expected.items()}
    assert Objective.from_settings(Critic(True), **{**given, "penalty_weight": 0.0}).penalty is None


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"loss": "hing"}, "LOSS.objective=hing: choose one of wasserstein, non_saturating, minimax"),
        ({"real_target": 0.9}, "LOSS.real_target=0.9: wasserstein has no target"),
    ],
)
def test_impossible_objectives_are_refused(settings, message):
    with pytest.raises(InputError, match=message):
        objective(**settings)
