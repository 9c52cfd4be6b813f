"""PGAN's networks: every layer against its formula, whole players against PyTorch, penalties both ways."""

import importlib

import numpy as np
import paddle
import pytest

from ppsci_gan.errors import InputError
from ppsci_gan.losses import gradient_penalty
from ppsci_gan.networks import latent
from ppsci_gan.networks import pgan

DEPTHS = [8, 6, 6, 4]
# (scale, share of its layers)
STATES = [(0, 1.0), (1, 0.0), (1, 0.3), (2, 0.5), (2, 1.0), (3, 0.25), (3, 1.0)]


@pytest.fixture
def model(load_example):
    return pgan


def random(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape).astype(paddle.get_default_dtype())


def generator_of(model, **settings):
    paddle.seed(0)
    return randomised(model.PganGenerator(("noise", "labels"), ("fake_data",), DEPTHS, latent_dim=10, **settings))


def critic_of(model, **settings):
    paddle.seed(1)
    return randomised(model.PganDiscriminator(("data",), ("score", "class_logits"), DEPTHS, **settings))


def randomised(network):
    """Give biases values: they start at zero."""
    for parameter in network.parameters():  # buffers are not among them
        parameter.set_value(paddle.randn(parameter.shape))
    return network


# --- layers ---


@pytest.mark.parametrize("scale_bias", [False, True])
def test_equalized_layers_scale_unit_weights_to_hes_variance(model, scale_bias):
    x, bias = random(2, 3, 5, 5), random(4, seed=1)
    layer = model.Equalized(paddle.nn.Conv2D(3, 4, 5, bias_attr=False), scale_bias=scale_bias)
    weight = layer.layer.weight.numpy()
    layer.bias.set_value(bias)
    scale = np.sqrt(2 / (3 * 5 * 5))
    expected = np.einsum("nchw,ochw->no", x, weight) * scale + bias * (scale if scale_bias else 1)
    np.testing.assert_allclose(layer(paddle.to_tensor(x)).numpy()[:, :, 0, 0], expected, rtol=1e-4, atol=1e-5)


def test_weights_start_with_variance_one_whatever_the_width(model):
    for layer in (paddle.nn.Linear(400, 300, bias_attr=False), paddle.nn.Conv2D(64, 64, 3, bias_attr=False)):
        weight = model.Equalized(layer).layer.weight.numpy()
        assert weight.std() == pytest.approx(1, abs=0.02)
        assert model.Equalized(layer).bias.numpy().any() == False  # noqa: E712


def test_pixel_norm_agrees_with_numpy(model):
    x = random(2, 6, 3, 3)
    expected = x / np.sqrt((x**2).mean(axis=1, keepdims=True) + 1e-8)
    np.testing.assert_allclose(model.pixel_norm(paddle.to_tensor(x)).numpy(), expected, rtol=1e-5)


@pytest.mark.parametrize(("batch", "group"), [(4, 4), (8, 4), (3, 3), (6, 6), (1, 1)])
def test_minibatch_stddev_agrees_with_its_definition(model, batch, group):
    x = random(batch, 5, 2, 2)
    found = model.minibatch_stddev(paddle.to_tensor(x)).numpy()
    np.testing.assert_array_equal(found[:, :5], x)
    for sample in range(batch):
        members = x[sample % (batch // group) :: batch // group]
        deviation = np.sqrt(((members - members.mean(axis=0)) ** 2).mean(axis=0) + 1e-8).mean()
        np.testing.assert_allclose(found[sample, 5], np.full((2, 2), deviation), rtol=1e-4)


@pytest.mark.parametrize(("batch", "group"), [(4, 4), (8, 4), (3, 3), (6, 6), (1, 1)])
def test_minibatch_stddev_of_consecutive_samples_is_unbiased(model, batch, group):
    x = random(batch, 5, 2, 2)
    found = model.minibatch_stddev(paddle.to_tensor(x), consecutive=True).numpy()
    np.testing.assert_array_equal(found[:, :5], x)
    for start in range(0, batch, group):
        members = x[start : start + group]
        variance = members.var(axis=0, ddof=1) if group > 1 else np.zeros_like(members[0])
        deviation = np.sqrt(variance + 1e-8).mean()
        np.testing.assert_allclose(found[start : start + group, 5], np.full((group, 2, 2), deviation), rtol=1e-4)


# --- players against PyTorch ---


@pytest.fixture
def in_torch():
    """The same networks in PyTorch, which a development environment may have."""
    pytest.importorskip("torch")
    return importlib.import_module("peers.pgan")


def copy_state(network):
    torch = importlib.import_module("torch")
    return {name: torch.tensor(value.numpy()) for name, value in network.state_dict().items()}


@pytest.mark.parametrize(("use_label", "scale_bias"), [(False, False), (True, False), (False, True)])
def test_generator_equals_pytorchs_at_every_scale_and_fade(model, in_torch, float64, use_label, scale_bias):
    torch = in_torch.torch
    generator = generator_of(model, use_label=use_label, scale_bias=scale_bias)
    state, noise, labels = copy_state(generator), random(3, 10), np.array([0, 9, 4])
    inputs = dict(zip(generator.input_keys, (paddle.to_tensor(noise), paddle.to_tensor(labels))))
    for scale, fade in STATES:
        generator.grow(scale, fade)
        given = torch.tensor(labels) if use_label else None
        expected = in_torch.generator(state, torch.tensor(noise), given, scale, fade, scale_bias).numpy()
        found = generator(inputs)["fake_data"].numpy()
        assert found.shape == (3, 3, 4 * 2**scale, 4 * 2**scale)
        assert np.abs(found - expected).max() <= 1e-10 * np.abs(expected).max(), (scale, fade)


@pytest.mark.parametrize(("use_label", "scale_bias"), [(False, False), (True, False), (False, True)])
@pytest.mark.parametrize("batch", [8, 3])
def test_critic_equals_pytorchs_at_every_scale_and_fade(model, in_torch, float64, use_label, scale_bias, batch):
    torch = in_torch.torch
    critic = critic_of(model, use_label=use_label, scale_bias=scale_bias)
    state = copy_state(critic)
    for scale, fade in STATES:
        critic.grow(scale, fade)
        images = random(batch, 3, 4 * 2**scale, 4 * 2**scale)
        judged = in_torch.critic(state, torch.tensor(images), None, scale, fade, scale_bias)
        expected = [value.numpy() for value in judged if value is not None]
        found = [value.numpy() for value in critic({"data": paddle.to_tensor(images)}).values()]
        assert len(found) == len(expected) == 1 + use_label
        for one, other in zip(found, expected):
            assert np.abs(one - other).max() <= 1e-10 * np.abs(other).max(), (scale, fade)


# --- what the players promise ---


def test_a_scale_comes_in_without_a_jump(model):
    generator, noise = generator_of(model), {"noise": paddle.to_tensor(random(2, 10))}
    generator.grow(1)
    before = model.upsample(generator(noise)["fake_data"])
    generator.grow(2, fade=0.0)
    np.testing.assert_array_equal(generator(noise)["fake_data"].numpy(), before.numpy())


@pytest.mark.parametrize(("scale", "fade"), STATES)
def test_explicit_penalty_equals_autograds(model, float64, scale, fade):
    critic = critic_of(model, use_label=True)
    critic.grow(scale, fade)
    size = 4 * 2**scale
    real, fake = (paddle.to_tensor(random(4, 3, size, size, seed=seed)) for seed in (0, 1))
    found = {}
    for explicit in (False, True):
        paddle.seed(5)
        critic.clear_gradients(set_to_zero=False)
        penalty = gradient_penalty(lambda x: critic({"data": x})["score"], real, fake, explicit=explicit)
        penalty.backward()
        gradients = {name: p.grad.numpy() for name, p in critic.named_parameters() if p.grad is not None}
        found[explicit] = (penalty.item(), gradients)
    assert found[True][0] == pytest.approx(found[False][0], rel=1e-10)
    assert found[True][1].keys() >= {"base.layer.weight", "output.layer.weight"}
    for name, gradient in found[False][1].items():
        # Autograd also gives zeros for what the penalty does not depend on.
        explicit = found[True][1].get(name, np.zeros_like(gradient))
        assert np.abs(explicit - gradient).max() <= 1e-10 * max(np.abs(gradient).max(), 1e-3), name


def test_penalty_of_consecutive_groups_is_autograds_too(model, float64):
    critic = critic_of(model, consecutive_groups=True, he_everywhere=True)
    images = [paddle.to_tensor(random(8, 3, 32, 32, seed=seed)) for seed in (0, 1)]
    found = []
    for explicit in (False, True):
        paddle.seed(5)
        critic.clear_gradients(set_to_zero=False)
        score = lambda x: critic({"data": x})["score"]  # noqa: E731
        gradient_penalty(score, *images, explicit=explicit).backward()
        found.append(critic.base.layer.weight.grad.numpy())
    np.testing.assert_allclose(found[1], found[0], rtol=1e-8, atol=1e-10 * np.abs(found[0]).max())


def test_weights_tell_their_settings(model):
    generator, critic = generator_of(model), critic_of(model, use_label=True)
    assert generator.infer_settings(generator.state_dict()) == {"depths": DEPTHS, "latent_dim": 10}
    assert critic.infer_settings(critic.state_dict()) == {"depths": DEPTHS, "use_label": True}
    assert generator.infer_settings(critic.state_dict()) == {}


def test_inputs_follow_from_the_generator(model):
    generator = generator_of(model, use_label=True)
    assert latent.sample(generator, 3)["labels"].shape == [3]
    assert latent.sample_fixed(generator, 3, 0)["noise"].shape == (3, 10)


@pytest.mark.parametrize(
    ("scale", "fade", "message"),
    [(4, 1.0, r"scale=4: these networks have scales 0 to 3"), (-1, 1.0, "scale=-1"), (1, 1.5, "fade=1.5")],
)
def test_impossible_growth_is_refused(model, scale, fade, message):
    with pytest.raises(InputError, match=message):
        generator_of(model).grow(scale, fade)


@pytest.mark.parametrize("depths", [[], [8, 0]])
def test_impossible_depths_are_refused(model, depths):
    with pytest.raises(InputError, match="give the channels of every scale"):
        model.PganGenerator(("noise",), ("fake_data",), depths)
