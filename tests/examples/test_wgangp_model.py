"""WGAN-GP's networks: published weights, layers against numpy, initialisation, second-order gradients."""

import doctest
from pathlib import Path

import numpy as np
import paddle
import pytest

from ppsci_gan import losses
from ppsci_gan import weights
from ppsci_gan.errors import InputError

PUBLISHED = Path(__file__).parents[1] / "fixtures" / "published"


@pytest.fixture
def model(load_example):
    return load_example("wgangp", "model")


@pytest.fixture
def float64():
    default = paddle.get_default_dtype()
    paddle.set_default_dtype("float64")
    yield
    paddle.set_default_dtype(default)


def test_docstring_examples(model):
    result = doctest.testmod(model)
    assert result.attempted > 20
    assert result.failed == 0


# --- weights in PaddleScience's published layout ---


@pytest.mark.parametrize(
    ("name", "network", "settings"),
    [
        ("toy_generator", "WganGpToyGenerator", {"dim": 32}),
        ("toy_discriminator", "WganGpToyDiscriminator", {"dim": 32}),
        ("mnist_generator", "WganGpMnistGenerator", {"dim": 8}),
        ("cifar10_generator", "WganGpCifar10Generator", {"dim": 8}),
    ],
)
def test_published_weights_give_the_published_networks_output(model, tmp_path, name, network, settings):
    known = np.load(PUBLISHED / f"{name}.npz")
    inputs = {key: paddle.to_tensor(known[key]) for key in known.files if key != "output"}

    def make():
        return getattr(model, network)((next(iter(set(inputs) - {"labels"})),), ("out",), **settings)

    net = make()
    weights.load(net, str(PUBLISHED / f"{name}.pdparams"), "MODEL.gen_net")
    net.eval()
    np.testing.assert_allclose(net(inputs)["out"].numpy(), known["output"], atol=1e-5)

    weights.save(net, tmp_path / "again.pdparams")
    again = make()
    weights.load(again, str(tmp_path / "again"), "MODEL.gen_net")
    again.eval()
    np.testing.assert_allclose(again(inputs)["out"].numpy(), known["output"], atol=1e-5)


def published_names(state, rename):
    """Random values under the names that PaddleScience publishes."""
    rng = np.random.default_rng(0)
    return {rename(name): rng.uniform(0.5, 1.5, value.shape).astype("float32") for name, value in state.items()}


def test_published_conditional_generator(model):
    """The blocks' normalisation has a table per class, the last one is ordinary."""
    generator = model.WganGpCifar10Generator(("noise", "labels"), ("out",), dim=4, use_label=True)

    def rename(name):
        for ours, theirs in (
            (".norm1.normalize._mean", ".normalize1.normalize.mean"),
            (".norm1.normalize._variance", ".normalize1.normalize.var"),
            (".norm2.normalize._mean", ".normalize2.normalize.mean"),
            (".norm2.normalize._variance", ".normalize2.normalize.var"),
            (".norm1.", ".normalize1.normalize."),
            (".norm2.", ".normalize2.normalize."),
            ("blocks.", "ResidualBlocks."),
            (".shortcut.", ".conv_shortcut.conv2D."),
            (".conv1.", ".conv_1.conv2D."),
            (".conv2.", ".conv_2."),
        ):
            name = name.replace(ours, theirs)
        for ours, theirs in (("norm.", "Normalize.normalize."), ("input.", "linear1."), ("output.", "conv.")):
            name = theirs + name[len(ours) :] if name.startswith(ours) else name
        return f"generator.{name}"

    state = generator.state_dict()
    del state["published_arithmetic"]
    published = published_names(state, rename)
    assert "generator.ResidualBlocks.2.normalize2.normalize.scale" in published
    weights.check(generator, generator.own_names(published), "x", "MODEL.gen_net")
    generator.set_state_dict(published)
    assert generator.published
    for name, value in generator.state_dict().items():
        if name != "published_arithmetic":
            np.testing.assert_array_equal(value.numpy(), published[rename(name)], err_msg=name)


def test_published_mnist_critic_brings_its_slope(model):
    critic = model.WganGpMnistDiscriminator(("data",), ("score",), dim=2)
    ours = critic({"data": paddle.ones([1, 784])})["score"].item()
    state = {name: value.numpy() for name, value in critic.state_dict().items() if "published" not in name}
    theirs = {
        "discriminator." + name.replace("down.0", "conv2d_1").replace("down.1", "conv2d_2")
        .replace("down.2", "conv2d_3").replace("output", "linear"): value
        for name, value in state.items()
    }  # fmt: skip
    critic.set_state_dict(theirs)
    reference = model.WganGpMnistDiscriminator(("data",), ("score",), dim=2, negative_slope=0.01)
    reference.set_state_dict({**state, "published_arithmetic": np.zeros([], "int32")})
    got = critic({"data": paddle.ones([1, 784])})["score"].item()
    assert got == reference({"data": paddle.ones([1, 784])})["score"].item()
    assert got != ours


# --- layers ---


def image(shape, seed=0, dtype="float32"):
    return np.random.default_rng(seed).standard_normal(shape).astype(dtype)


def test_upsampling_agrees_with_numpy(model):
    x = image((2, 3, 4, 5))
    nearest = x.repeat(2, axis=2).repeat(2, axis=3)
    np.testing.assert_array_equal(model.upsample_nearest(paddle.to_tensor(x)).numpy(), nearest)
    # Output channel c at (2h+i, 2w+j) is channel 4c+2i+j of four copies of the input.
    shuffled = np.empty_like(nearest)
    for c in range(3):
        for i in range(2):
            for j in range(2):
                shuffled[:, c, i::2, j::2] = x[:, (4 * c + 2 * i + j) % 3]
    np.testing.assert_array_equal(model.upsample_shuffle(paddle.to_tensor(x)).numpy(), shuffled)


def test_layer_norm_agrees_with_numpy(model):
    norm, x = model.LayerNorm2D(3), image((2, 3, 4, 4))
    scale, offset = image((3, 1, 1), 1), image((3, 1, 1), 2)
    norm.scale.set_value(paddle.to_tensor(scale))
    norm.offset.set_value(paddle.to_tensor(offset))
    mean, variance = (f(x, axis=(1, 2, 3), keepdims=True) for f in (np.mean, np.var))
    expected = (x - mean) / np.sqrt(variance + 1e-5) * scale + offset
    np.testing.assert_allclose(norm(paddle.to_tensor(x)).numpy(), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("training", [True, False])
def test_conditional_batch_norm_agrees_with_numpy(model, training):
    norm, x, labels = model.ConditionalBatchNorm2D(3, label_num=4), image((6, 3, 2, 2)) * 2 + 1, np.arange(6) % 4
    scale, offset = image((4, 3), 1), image((4, 3), 2)
    norm.scale.set_value(paddle.to_tensor(scale))
    norm.offset.set_value(paddle.to_tensor(offset))
    norm.train() if training else norm.eval()
    mean, variance = (f(x, axis=(0, 2, 3), keepdims=True) for f in (np.mean, np.var)) if training else (0.0, 1.0)
    expected = (x - mean) / np.sqrt(variance + 1e-5) * scale[labels][:, :, None, None] + offset[labels][
        :, :, None, None
    ]
    got = norm(paddle.to_tensor(x), paddle.to_tensor(labels)).numpy()
    np.testing.assert_allclose(got, expected, rtol=1e-4, atol=1e-5)
    moved = norm.normalize._mean.numpy()
    np.testing.assert_allclose(moved, 0.1 * x.mean(axis=(0, 2, 3)) if training else 0.0, rtol=1e-4, atol=1e-6)


def test_critics_downsampling_block_is_the_references(model):
    """conv, then 2x2 mean, on both branches: ours swaps mean and 1x1 convolution, which must not matter."""
    block, x = model.ResidualBlock(4, "down"), paddle.to_tensor(image((2, 4, 8, 8)))
    relu, pool = paddle.nn.functional.relu, lambda h: paddle.nn.functional.avg_pool2d(h, 2)
    expected = pool(block.shortcut(x)) + pool(block.conv2(relu(block.conv1(relu(x)))))
    np.testing.assert_allclose(block(x).numpy(), expected.numpy(), atol=1e-5)


# --- initialisation, by the reference's rules ---


@pytest.mark.parametrize(
    ("layer", "fans", "gain"),
    [
        ("Linear(200, 100)", (200, 100), 1.0),
        ("Conv2D(30, 20, 3, padding=1)", (30 * 9, 20 * 9), 2**0.5),
        ("Conv2D(30, 20, 5, stride=2)", (30 * 25, 20 * 25 / 4), 2**0.5),
        ("Conv2DTranspose(30, 20, 5, stride=2)", (30 * 25 / 4, 20 * 25), 2**0.5),
    ],
)
def test_initialisation_is_uniform_of_the_references_variance(model, layer, fans, gain):
    paddle.seed(0)
    layer = model.glorot_uniform(eval(f"paddle.nn.{layer}"), gain)
    values = layer.weight.numpy()
    bound = np.sqrt(3 * gain**2 * 2 / sum(fans))
    assert np.abs(values).max() == pytest.approx(bound, rel=1e-2)
    assert values.std() == pytest.approx(bound / np.sqrt(3), rel=2e-2)
    assert not layer.bias.numpy().any()


def test_hidden_layers_of_points_are_he_uniform(model):
    paddle.seed(0)
    generator = model.WganGpToyGenerator(("noise",), ("out",), dim=300)
    assert np.abs(generator.hidden[1].weight.numpy()).max() == pytest.approx(np.sqrt(6 / 300), rel=1e-2)
    assert generator.num_params == 2 * 300 + 300 + 2 * (300 * 300 + 300) + 300 * 2 + 2


# --- what the players promise ---

CRITICS = [
    ("WganGpToyDiscriminator", 2, {}),
    ("WganGpMnistDiscriminator", 784, {}),
    ("WganGpCifar10Discriminator", 3072, {"use_label": True}),
    ("WganGpCifar10Discriminator", 3072, {"normalize": True}),
    ("WganGpCifar10DcganDiscriminator", 3072, {}),
    ("WganGpCifar10DcganDiscriminator", 3072, {"normalize": True}),
]


@pytest.mark.parametrize(("network", "size", "settings"), CRITICS)
def test_penalty_reaches_every_critics_parameters(model, float64, network, size, settings):
    """Along a random direction, against a central difference.

    The step is tiny, because a rectifier that switches makes the penalty jump.
    """
    paddle.seed(0)
    keys = ("score", "class_logits")[: 1 + ("use_label" in settings)]
    critic = getattr(model, network)(("data",), keys, 4, **settings)
    real, fake = (paddle.to_tensor(image((3, size), seed, "float64")) for seed in (0, 1))

    def penalty():
        paddle.seed(5)
        return losses.gradient_penalty(lambda x: critic({"data": x})["score"], real, fake)

    penalty().backward()
    directions = [(p, p.numpy(), image(p.shape, 7, "float64")) for p in critic.parameters()]
    slope = sum((p.grad.numpy() * d).sum() for p, _, d in directions if p.grad is not None)
    ends = []
    for step in (1e-9, -1e-9):
        for parameter, start, direction in directions:
            parameter.set_value(start + step * direction)
        ends.append(penalty().item())
    assert slope != 0
    assert (ends[0] - ends[1]) / 2e-9 == pytest.approx(slope, rel=1e-4)


GENERATORS = [
    ("WganGpToyGenerator", {}),
    ("WganGpMnistGenerator", {}),
    ("WganGpCifar10Generator", {"use_label": True}),
    ("WganGpCifar10Generator", {"normalize": False}),
    ("WganGpCifar10DcganGenerator", {}),
]


@pytest.mark.parametrize(("network", "settings"), GENERATORS)
def test_generator_treats_samples_one_by_one_when_evaluated(model, network, settings):
    generator = getattr(model, network)(("noise", "labels")[: 1 + ("use_label" in settings)], ("out",), 4, **settings)
    generator.eval()
    noise = paddle.to_tensor(image((5, generator.latent_dim)))
    labels = paddle.arange(5)
    together = generator({"noise": noise, "labels": labels})["out"].numpy()
    for i in range(5):
        alone = generator({"noise": noise[i : i + 1], "labels": labels[i : i + 1]})["out"].numpy()
        np.testing.assert_allclose(alone[0], together[i], rtol=1e-4, atol=1e-5)


def test_labels_matter_where_they_are_used_and_only_there(model):
    noise = paddle.to_tensor(image((2, 128)))
    conditional = model.WganGpCifar10Generator(("noise", "labels"), ("out",), 4, use_label=True)
    conditional.blocks[0].norm1.scale.set_value(paddle.arange(40, dtype="float32").reshape([10, 4]))
    images = [conditional({"noise": noise, "labels": paddle.full([2], i, "int64")})["out"].numpy() for i in (1, 2)]
    assert np.abs(images[0] - images[1]).max() > 1e-3
    plain = model.WganGpCifar10Generator(("noise", "labels"), ("out",), 4)
    assert plain.input_keys == ("noise",)
    assert plain.label_num == 0


def test_impossible_settings_are_refused(model):
    with pytest.raises(InputError, match="normalize=true"):
        model.WganGpCifar10Generator(("noise", "labels"), ("out",), 4, use_label=True, normalize=False)
    for network in ("WganGpCifar10DcganGenerator", "WganGpCifar10DcganDiscriminator"):
        with pytest.raises(InputError, match="takes no labels"):
            getattr(model, network)(("x",), ("y",), 4, use_label=True)
