"""Weights in PaddleScience's published layout: known outputs, and its arithmetic stated once more in numpy."""

from pathlib import Path

import numpy as np
import paddle
import paddle.nn.functional as F
import pytest
from hydra import compose
from hydra import initialize_config_dir

from ppsci_gan import plots
from ppsci_gan import weights
from ppsci_gan.errors import InputError
from ppsci_gan.files import REPOSITORY
from ppsci_gan.networks import wgangp

PUBLISHED = Path(__file__).parents[1] / "fixtures" / "published"


@pytest.fixture
def model(load_example):
    return wgangp


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

    def output_with(path):
        net = getattr(model, network)((next(iter(set(inputs) - {"labels"})),), ("out",), **settings)
        weights.load(net, str(path), "MODEL.gen_net")
        net.eval()
        weights.save(net, tmp_path / "again.pdparams")
        return net(inputs)["out"].numpy()

    np.testing.assert_allclose(output_with(PUBLISHED / f"{name}.pdparams"), known["output"], atol=1e-5)
    np.testing.assert_allclose(output_with(tmp_path / "again.pdparams"), known["output"], atol=1e-5)


# --- made here, names and shapes written out ---

DIM, CLASSES = 4, 3


def dense(*shape):
    """Shapes of a layer's weight and bias; a convolution's are [outputs, inputs, height, width]."""
    return {"weight": shape, "bias": (shape[0] if len(shape) == 4 else shape[1],)}


def batch_norm():
    return dict.fromkeys(("weight", "bias", "_mean", "_variance"), (DIM,))


def conditional_norm():
    return {"scale": (CLASSES, DIM), "offset": (CLASSES, DIM), "mean": (DIM,), "var": (DIM,)}


def cifar10_layers(conditional):
    layers = {"linear1": dense(128, 16 * DIM), "Normalize.normalize": batch_norm(), "conv": dense(3, DIM, 3, 3)}
    for number in range(3):
        block = f"ResidualBlocks.{number}"
        layers[f"{block}.conv_shortcut.conv2D"] = dense(DIM, DIM, 1, 1)
        layers[f"{block}.conv_1.conv2D"] = layers[f"{block}.conv_2"] = dense(DIM, DIM, 3, 3)
        for norm in ("normalize1", "normalize2"):
            layers[f"{block}.{norm}.normalize"] = conditional_norm() if conditional else batch_norm()
    return layers


def random_state(prefix, layers):
    rng = np.random.default_rng(0)
    return {
        f"{prefix}.{layer}.{name}": (
            rng.uniform(0.5, 1.5, shape) if name.startswith(("_var", "var")) else rng.normal(0, 0.4, shape)
        ).astype("float32")
        for layer, shapes in layers.items()
        for name, shape in shapes.items()
    }


def shuffled_copies(x):
    """Four copies along channels, then pixel shuffle: channel 4c+2i+j goes to rows i, columns j of channel c."""
    n, c, h, w = x.shape
    copies = np.tile(x, (1, 4, 1, 1)).reshape(n, c, 2, 2, h, w)
    return copies.transpose(0, 1, 4, 2, 5, 3).reshape(n, c, 2 * h, 2 * w)


def repeated(x):
    return x.repeat(2, axis=2).repeat(2, axis=3)


class Restatement:
    """The published architecture on arrays, with its own up-sampling or another."""

    def __init__(self, state, labels=None, up=None):
        self.state = state
        self.labels = labels
        self.up = up or shuffled_copies

    def __call__(self, layer, *names):
        return (self.state[f"{layer}.{name}"] for name in names)

    def conv(self, x, layer):
        weight, bias = (paddle.to_tensor(array) for array in self(layer, "weight", "bias"))
        return F.conv2d(paddle.to_tensor(x), weight, bias, padding=weight.shape[2] // 2).numpy()

    def norm(self, x, layer):
        if f"{layer}.scale" in self.state:
            scale, offset, mean, variance = self(layer, "scale", "offset", "mean", "var")
            scale, offset = scale[self.labels], offset[self.labels]
        else:
            scale, offset, mean, variance = self(layer, "weight", "bias", "_mean", "_variance")
            scale, offset = scale[None], offset[None]
        x = (x - mean[None, :, None, None]) / np.sqrt(variance + 1e-5)[None, :, None, None]
        return x * scale[:, :, None, None] + offset[:, :, None, None]

    def block(self, x, name):
        h = np.maximum(self.norm(x, f"{name}.normalize1.normalize"), 0)
        h = self.conv(self.up(h), f"{name}.conv_1.conv2D")
        h = np.maximum(self.norm(h, f"{name}.normalize2.normalize"), 0)
        return self.conv(self.up(x), f"{name}.conv_shortcut.conv2D") + self.conv(h, f"{name}.conv_2")

    def cifar10_generator(self, noise):
        weight, bias = self("generator.linear1", "weight", "bias")
        h = (noise @ weight + bias).reshape(-1, DIM, 4, 4)
        for number in range(3):
            h = self.block(h, f"generator.ResidualBlocks.{number}")
        h = np.maximum(self.norm(h, "generator.Normalize.normalize"), 0)
        return np.tanh(self.conv(h, "generator.conv")).reshape(-1, 3072)


@pytest.mark.parametrize("conditional", [False, True])
def test_cifar10_generator_is_the_published_one(model, tmp_path, conditional):
    state = random_state("generator", cifar10_layers(conditional))
    noise, labels = np.random.default_rng(1).standard_normal((5, 128), "float32"), np.arange(5) % CLASSES
    expected = Restatement(state, labels).cifar10_generator(noise)
    assert expected.std() > 0.05
    assert np.abs(expected).mean() < 0.95  # not saturated, which would hide differences

    paddle.save({name: paddle.to_tensor(array) for name, array in state.items()}, str(tmp_path / "a.pdparams"))
    settings = {"dim": DIM, "label_num": CLASSES, "use_label": conditional}
    generator = model.WganGpCifar10Generator(("noise", "labels"), ("out",), **settings)
    weights.load(generator, str(tmp_path / "a.pdparams"), "MODEL.gen_net")
    again = model.WganGpCifar10Generator(("noise", "labels"), ("out",), **settings)
    again.set_state_dict(generator.state_dict())
    for net in (generator, again):
        net.eval()
        images = net({"noise": paddle.to_tensor(noise), "labels": paddle.to_tensor(labels)})["out"].numpy()
        np.testing.assert_allclose(images, expected, atol=1e-5)


def test_weights_trained_here_repeat_pixels(model):
    """Also in a network that held published weights before, and whose arithmetic goes with them."""
    state = random_state("generator", cifar10_layers(False))
    generator = model.WganGpCifar10Generator(("noise",), ("out",), DIM)
    generator.set_state_dict(state)
    assert generator.published
    generator.set_state_dict({**generator.state_dict(), "published_arithmetic": paddle.zeros([], "int32")})
    generator.eval()
    noise = np.random.default_rng(1).standard_normal((5, 128), "float32")
    expected = Restatement(state, up=repeated).cifar10_generator(noise)
    np.testing.assert_allclose(generator({"noise": paddle.to_tensor(noise)})["out"].numpy(), expected, atol=1e-5)


def test_mnist_critic_is_the_published_one(model):
    """Padding "same" puts the odd row and column below and right; the slope is 0.01."""
    layers = {"conv2d_1": dense(DIM, 1, 5, 5), "conv2d_2": dense(2 * DIM, DIM, 5, 5)}
    layers |= {"conv2d_3": dense(4 * DIM, 2 * DIM, 5, 5), "linear": dense(64 * DIM, 1)}
    state = random_state("discriminator", layers)
    images = np.random.default_rng(1).random((5, 784), "float32")

    h = images.reshape(5, 1, 28, 28)
    for number in (1, 2, 3):
        weight, bias = (paddle.to_tensor(state[f"discriminator.conv2d_{number}.{name}"]) for name in ("weight", "bias"))
        before, after = ((1, 2), (1, 2), (2, 2))[number - 1]  # 28 -> 14 -> 7 -> 4
        padded = np.pad(h, ((0, 0), (0, 0), (before, after), (before, after)))
        h = F.conv2d(paddle.to_tensor(padded), weight, bias, stride=2).numpy()
        h = np.where(h > 0, h, 0.01 * h)
    expected = h.reshape(5, -1) @ state["discriminator.linear.weight"][:, 0] + state["discriminator.linear.bias"]

    critic = model.WganGpMnistDiscriminator(("data",), ("score",), DIM)
    critic.set_state_dict(state)
    scores = critic({"data": paddle.to_tensor(images)})["score"].numpy()
    np.testing.assert_allclose(scores, expected, rtol=1e-4, atol=1e-4 * np.abs(expected).max())


def test_published_weights_of_another_width_name_the_key(model, tmp_path):
    state = random_state("generator", cifar10_layers(True))
    paddle.save({name: paddle.to_tensor(array) for name, array in state.items()}, str(tmp_path / "a.pdparams"))
    generator = model.WganGpCifar10Generator(("noise", "labels"), ("out",), 2 * DIM, use_label=False)
    with pytest.raises(InputError) as error:
        weights.load(generator, str(tmp_path / "a.pdparams"), "MODEL.gen_net")
    fitting = "MODEL.gen_net.dim=4 MODEL.gen_net.use_label=true MODEL.gen_net.label_num=3"
    assert str(error.value).endswith(f"add {fitting}")


def test_published_critic_gives_the_contours_of_the_toy_picture(load_example, tmp_path, monkeypatch):
    """Generator and critic come as two files there."""
    script = load_example("wgangp", "wgangp_toy")
    drawn = []
    monkeypatch.setattr(plots, "save_contour_plot", lambda real, fake, path, critic: drawn.append(critic))
    with initialize_config_dir(str(REPOSITORY / "conf"), version_base=None):
        cfg = compose(
            "wgangp_toy",
            [
                "mode=eval",
                "device=cpu",
                f"output_dir={tmp_path}",
                "EVAL.num_samples=64",
                "MODEL.gen_net.dim=32",
                "MODEL.dis_net.dim=32",
                f"EVAL.pretrained_gen_model_path={PUBLISHED}/toy_generator.pdparams",
                f"EVAL.pretrained_dis_model_path={PUBLISHED}/toy_discriminator.pdparams",
            ],
        )
    script.evaluate(cfg)
    known = np.load(PUBLISHED / "toy_discriminator.npz")
    np.testing.assert_allclose(drawn[0](known["data"]), known["output"], atol=1e-5)


@pytest.mark.parametrize(
    ("experiment", "name", "settings"),
    [
        ("wgangp_toy", "toy_generator", {"dim": 32}),
        ("wgangp_mnist", "mnist_generator", {"dim": 8}),
        ("wgangp_cifar10", "cifar10_generator", {"dim": 8, "use_label": False}),
    ],
)
def test_published_files_need_no_further_keys(experiment, name, settings):
    """Their arrays show the settings, whatever those of the configuration."""
    with initialize_config_dir(str(REPOSITORY / "conf"), version_base=None):
        given = compose(experiment).MODEL.gen_net
    classes = [wgangp.WganGpToyGenerator, wgangp.WganGpMnistGenerator, wgangp.WganGpCifar10Generator]
    network = weights.restore(PUBLISHED / f"{name}.pdparams", "generator", classes, given)
    assert settings.items() <= network.settings.items()
    network.eval()
    known = np.load(PUBLISHED / f"{name}.npz")
    noise = paddle.to_tensor(known[next(key for key in known.files if key != "output")])
    np.testing.assert_allclose(network({network.input_keys[0]: noise})["fake_data"].numpy(), known["output"], atol=1e-5)


def test_a_published_conditional_file_of_full_width_needs_no_further_keys(tmp_path):
    network = wgangp.WganGpCifar10Generator(("noise", "labels"), ("fake_data",), dim=128, use_label=True)
    state = {name: value.numpy() for name, value in network.state_dict().items() if name != "published_arithmetic"}
    path = tmp_path / "model_generator_cifar10.pdparams"
    paddle.save(network.to_published_names(state, "generator"), str(path))
    with initialize_config_dir(str(REPOSITORY / "conf"), version_base=None):
        given = compose("wgangp_cifar10", ["preset=unconditional", "MODEL.gen_net.dim=16"]).MODEL.gen_net
    found = weights.restore(path, "generator", [wgangp.WganGpCifar10Generator], given)
    assert (found.settings["dim"], found.label_num, found.published) == (128, 10, True)
