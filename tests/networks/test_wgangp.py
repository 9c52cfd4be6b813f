"""WGAN-GP's networks: layers against numpy, sizes, initialisation, second-order gradients."""

import numpy as np
import paddle
import pytest

from ppsci_gan import weights
from ppsci_gan.errors import InputError
from ppsci_gan.losses import GradientPenalty
from ppsci_gan.losses import Objective
from ppsci_gan.losses import gradient_penalty
from ppsci_gan.networks import wgangp
from ppsci_gan.networks.wgangp import blocks
from ppsci_gan.networks.wgangp.reference import glorot_uniform


@pytest.fixture
def model(load_example):
    return wgangp


# --- layers ---


def image(shape, seed=0, dtype="float32"):
    return np.random.default_rng(seed).standard_normal(shape).astype(dtype)


def test_upsampling_agrees_with_numpy():
    x = image((2, 3, 4, 5))
    nearest = x.repeat(2, axis=2).repeat(2, axis=3)
    np.testing.assert_array_equal(blocks.upsample_nearest(paddle.to_tensor(x)).numpy(), nearest)
    # Output channel c at (2h+i, 2w+j) is channel 4c+2i+j of four copies of the input.
    shuffled = np.empty_like(nearest)
    for c in range(3):
        for i in range(2):
            for j in range(2):
                shuffled[:, c, i::2, j::2] = x[:, (4 * c + 2 * i + j) % 3]
    np.testing.assert_array_equal(blocks.upsample_shuffle(paddle.to_tensor(x)).numpy(), shuffled)


def test_conditional_layer_norm_agrees_with_numpy():
    norm, x, labels = blocks.ConditionalLayerNorm2D(3, label_num=4), image((6, 3, 2, 2)) * 2 + 1, np.arange(6) % 4
    scale, offset = image((4, 3), 1), image((4, 3), 2)
    norm.scale.set_value(paddle.to_tensor(scale))
    norm.offset.set_value(paddle.to_tensor(offset))
    mean, variance = (f(x, axis=(1, 2, 3), keepdims=True) for f in (np.mean, np.var))
    normalized = (x - mean) / np.sqrt(variance + 1e-5)
    expected = normalized * scale[labels][:, :, None, None] + offset[labels][:, :, None, None]
    got = norm(paddle.to_tensor(x), paddle.to_tensor(labels)).numpy()
    np.testing.assert_allclose(got, expected, rtol=1e-4, atol=1e-5)
    assert sorted(norm.state_dict()) == ["offset", "scale"]


@pytest.mark.parametrize("training", [True, False])
def test_conditional_batch_norm_agrees_with_numpy(training):
    norm, x, labels = blocks.ConditionalBatchNorm2D(3, label_num=4), image((6, 3, 2, 2)) * 2 + 1, np.arange(6) % 4
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


def test_critics_downsampling_block_is_the_references():
    """conv, then 2x2 mean, on both branches: ours swaps mean and 1x1 convolution, which must not matter."""
    block, x = blocks.ResidualBlock(4, 4, "down"), paddle.to_tensor(image((2, 4, 8, 8)))
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
def test_initialisation_is_uniform_of_the_references_variance(layer, fans, gain):
    paddle.seed(0)
    layer = glorot_uniform(eval(f"paddle.nn.{layer}"), gain)
    values = layer.weight.numpy()
    bound = np.sqrt(3 * gain**2 * 2 / sum(fans))
    assert np.abs(values).max() == pytest.approx(bound, rel=1e-2)
    assert values.std() == pytest.approx(bound / np.sqrt(3), rel=2e-2)
    assert not layer.bias.numpy().any()


def test_hidden_layers_of_points_are_he_uniform(model):
    paddle.seed(0)
    generator = model.WganGpToyGenerator(("noise",), ("out",), dim=300)
    assert np.abs(generator.hidden[1].weight.numpy()).max() == pytest.approx(np.sqrt(6 / 300), rel=1e-2)


# --- sizes, from the layers as the paper and the reference list them ---

D = 6


def dense(inputs, outputs, kernel=1):
    return kernel * kernel * inputs * outputs + outputs


HIDDEN = dense(2, D) + 2 * dense(D, D)
BLOCK = 2 * dense(D, D, 3)
SHORTCUT = dense(D, D)
CRITIC_BLOCKS = dense(3, D, 3) + dense(D, D, 3) + dense(3, D) + BLOCK + SHORTCUT + 2 * BLOCK
WIDE = (8 * D, 8 * D, 4 * D, 2 * D), (8 * D, 4 * D, 2 * D, D)  # channels into and out of the blocks of 64 pixels
NARROW = WIDE[1][::-1], WIDE[0][::-1]


def rising(a, b):
    """A generator's block at 64 pixels: channels change in the first convolution, which has no bias."""
    return 9 * a * b + dense(b, b, 3) + dense(a, b)


def falling(a, b):
    """A critic's block at 64 pixels: channels change in the second convolution."""
    return 9 * a * a + dense(a, b, 3) + dense(a, b)


CONVOLUTIONS = dense(D, 2 * D, 5) + dense(2 * D, 4 * D, 5)
TRANSPOSED = dense(128, 64 * D) + dense(4 * D, 2 * D, 5) + dense(2 * D, D, 5)
SIZES = [
    ("WganGpToyGenerator", {}, HIDDEN + dense(D, 2)),
    ("WganGpToyDiscriminator", {}, HIDDEN + dense(D, 1)),
    ("WganGpMnistGenerator", {}, TRANSPOSED + dense(D, 1, 5)),
    ("WganGpMnistDiscriminator", {}, dense(1, D, 5) + CONVOLUTIONS + dense(64 * D, 1)),
    (
        "WganGpCifar10Generator",
        {},
        dense(128, 16 * D) + 3 * (BLOCK + SHORTCUT) + 7 * 2 * D + dense(D, 3, 3),
    ),
    (
        "WganGpCifar10Generator",
        {"use_label": True, "label_num": 5},
        dense(128, 16 * D) + 3 * (BLOCK + SHORTCUT) + 6 * 2 * 5 * D + 2 * D + dense(D, 3, 3),
    ),
    ("WganGpCifar10Discriminator", {}, CRITIC_BLOCKS + dense(D, 1)),
    (
        "WganGpCifar10Discriminator",
        {"use_label": True, "label_num": 5, "normalize": True},
        CRITIC_BLOCKS + 6 * 2 * D + dense(D, 1) + dense(D, 5),
    ),
    (
        "WganGpCifar10Generator",
        {"resolution": 64, "channels": 1},
        dense(128, 16 * 8 * D)
        + sum(map(rising, *WIDE))
        + 2 * sum(a + b for a, b in zip(*WIDE))
        + 2 * D
        + dense(D, 1, 3),
    ),
    (
        "WganGpCifar10Discriminator",
        {"resolution": 64, "normalize": True},
        dense(3, D, 3) + sum(map(falling, *NARROW)) + 2 * 2 * sum(NARROW[0]) + dense(16 * 8 * D, 1),
    ),
    (
        "WganGpCifar10Generator",
        {"resolution": 64, "use_label": True, "label_num": 5},
        dense(128, 16 * 8 * D)
        + sum(map(rising, *WIDE))
        + 2 * 5 * (sum(a + b for a, b in zip(*WIDE)) + D)
        + dense(D, 3, 3),
    ),
    (
        "WganGpCifar10Discriminator",
        {"use_label": True, "label_num": 5, "normalize": True, "acgan": False},
        CRITIC_BLOCKS + 6 * 2 * 5 * D + dense(D, 1),
    ),
    ("WganGpCifar10DcganGenerator", {}, TRANSPOSED + dense(D, 3, 5) + 2 * 64 * D + 2 * 2 * D + 2 * D),
    ("WganGpCifar10DcganDiscriminator", {}, dense(3, D, 5) + CONVOLUTIONS + dense(64 * D, 1)),
]


@pytest.mark.parametrize(("network", "settings", "expected"), SIZES)
def test_number_of_parameters(model, network, settings, expected):
    net = getattr(model, network)(("a", "b"), ("c", "d"), D, **settings)
    trained = [p for p in net.parameters() if not p.stop_gradient]  # running statistics are not
    assert sum(p.size for p in trained) == expected


# --- what the players promise ---

CRITICS = [
    ("WganGpToyDiscriminator", 2, {}),
    ("WganGpMnistDiscriminator", 784, {}),
    ("WganGpCifar10Discriminator", 3072, {"use_label": True}),
    ("WganGpCifar10Discriminator", 3072, {"normalize": True}),
    ("WganGpCifar10Discriminator", 64 * 64, {"normalize": True, "resolution": 64, "channels": 1}),
    ("WganGpCifar10Discriminator", 3072, {"normalize": True, "use_label": True, "acgan": False}),
    ("WganGpCifar10DcganDiscriminator", 3072, {}),
    ("WganGpCifar10DcganDiscriminator", 3072, {"normalize": True}),
]


def critic_of(model, network, settings, dtype):
    """Make a critic whose biases, scales and offsets are no longer zeros and ones."""
    paddle.seed(0)
    critic = getattr(model, network)(("data", "labels"), ("score", "class_logits"), 4, **settings)
    for parameter in critic.parameters():
        parameter.set_value(parameter + 0.1 * paddle.randn(parameter.shape))
    return critic.to(dtype=dtype)


def loss_and_gradients(critic, size, dtype, penalty_gradient):
    """Return the whole critic loss on a fixed batch and its gradients by parameter."""
    critic.clear_gradients(set_to_zero=False)
    objective = Objective(critic, penalty=GradientPenalty(gradient=penalty_gradient))
    real, fake = (paddle.to_tensor(image((3, size), seed, dtype)) for seed in (0, 1))
    paddle.seed(5)
    batch = {"real_data": real, "fake_data": fake, "update": 0}
    loss = objective.critic_loss(batch, {"labels": paddle.arange(3)})["loss"]
    loss.backward()
    gradients = {name: p.grad.numpy() for name, p in critic.named_parameters() if p.grad is not None}
    return loss.item(), gradients


@pytest.mark.parametrize(("dtype", "tolerance"), [("float64", 1e-10), ("float32", 1e-5)])
@pytest.mark.parametrize(("network", "size", "settings"), CRITICS)
def test_explicit_penalty_equals_autograds(model, network, size, settings, dtype, tolerance):
    critic = critic_of(model, network, settings, dtype)
    expected, gradients = loss_and_gradients(critic, size, dtype, "autograd")
    found, explicit = loss_and_gradients(critic, size, dtype, "explicit")
    assert found == pytest.approx(expected, rel=tolerance)
    assert explicit.keys() == gradients.keys()
    for name, gradient in gradients.items():
        assert np.abs(explicit[name] - gradient).max() <= tolerance * np.abs(gradient).max(), name


def kernels_launched(function):
    """Return the names of the kernels that ran, from Paddle's own record."""
    profiler = paddle.profiler.Profiler(
        targets=[paddle.profiler.ProfilerTarget.CPU], on_trace_ready=lambda profiler: None
    )
    profiler.start()
    function()
    profiler.stop()
    waiting, names = list(profiler.profiler_result.get_data().values()), set()
    while waiting:
        event = waiting.pop()
        waiting += event.children_node
        names.add(event.name)
    return {name.removesuffix(" kernel launch") for name in names if name.endswith(" kernel launch")}


@pytest.mark.parametrize(("network", "size", "settings"), CRITICS)
def test_explicit_penalty_runs_no_second_order_operator(model, network, size, settings):
    critic = critic_of(model, network, settings, "float32")
    called = {
        how: kernels_launched(lambda how=how: loss_and_gradients(critic, size, "float32", how))
        for how in ("autograd", "explicit")
    }
    second_order = {how: {name for name in names if "double" in name} for how, names in called.items()}
    assert "matmul_grad" in called["explicit"]
    assert not second_order["explicit"]
    assert any("relu_double_grad" in name for name in second_order["autograd"])  # the record would have shown it


@pytest.mark.parametrize(("network", "size", "settings"), CRITICS)
def test_penalty_reaches_every_critics_parameters(model, float64, network, size, settings):
    """Along a random direction, against a central difference.

    The step is tiny, because a rectifier that switches makes the penalty jump.
    """
    paddle.seed(0)
    critic = getattr(model, network)(("data", "labels"), ("score", "class_logits"), 4, **settings)
    real, fake = (paddle.to_tensor(image((3, size), seed, "float64")) for seed in (0, 1))

    def penalty():
        paddle.seed(5)
        given = {"labels": paddle.arange(3)}
        return gradient_penalty(lambda x: critic({"data": x, **given})["score"], real, fake)

    penalty().backward()
    directions = [(p, p.numpy(), image(p.shape, 7, "float64")) for p in critic.parameters()]
    slope = sum((p.grad.numpy() * d).sum() for p, _, d in directions if p.grad is not None)
    # Biases may be idle: without a rectifier after them, they move no gradient.
    idle = [name for name, p in critic.named_parameters() if p.grad is None or not p.grad.numpy().any()]
    classifier = ["classify.weight"] if settings.get("use_label") and settings.get("acgan", True) else []
    assert [name for name in idle if name.endswith(("weight", "scale"))] == classifier
    ends = []
    for step in (1e-9, -1e-9):
        for parameter, start, direction in directions:
            parameter.set_value(start + step * direction)
        ends.append(penalty().item())
    assert slope != 0
    assert (ends[0] - ends[1]) / 2e-9 == pytest.approx(slope, rel=1e-4)


@pytest.mark.parametrize("penalty_gradient", ["explicit", "autograd"])
@pytest.mark.parametrize("batch_size", [50, 256])
def test_biases_that_cancel_out_stay(model, penalty_gradient, batch_size):
    """Real and generated points push the bias of a unit that is always on with the same force, as in exact arithmetic.

    Judged in one pass, rounding would leave 3e-8 to 6e-8, of which Adam makes steps of nearly the learning rate.
    """
    paddle.seed(0)
    critic = model.WganGpToyDiscriminator(("data",), ("score",), dim=32)
    biases = critic.hidden[2].bias, critic.output.bias
    biases[0].set_value(biases[0] + 20)
    start = [bias.numpy() for bias in biases]
    objective = Objective(critic, penalty=GradientPenalty(0.1, gradient=penalty_gradient))
    optimizer = paddle.optimizer.Adam(1e-3, 0.5, 0.9, parameters=critic.parameters())
    for update in range(5):
        real, fake = (paddle.to_tensor(image((batch_size, 2), 2 * update + i)) for i in (0, 1))
        objective.critic_loss({"real_data": real, "fake_data": fake, "update": update})["loss"].backward()
        assert all(not bias.grad.numpy().any() for bias in biases)
        optimizer.step()
        optimizer.clear_grad(set_to_zero=False)
    for bias, before in zip(biases, start):
        np.testing.assert_array_equal(bias.numpy(), before)


GENERATORS = [
    ("WganGpToyGenerator", {}),
    ("WganGpMnistGenerator", {}),
    ("WganGpCifar10Generator", {"use_label": True}),
    ("WganGpCifar10Generator", {"normalize": False}),
    ("WganGpCifar10Generator", {"resolution": 64, "channels": 1}),
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


# --- the residual networks stated again in PyTorch, from the paper's reference ---


def in_torch(arrays, settings):
    """Return generator and critic as functions of numpy arrays."""
    import torch
    import torch.nn.functional as TF

    weights = {name: torch.from_numpy(value) for name, value in arrays.items()}

    def conv(name, x):
        return TF.conv2d(x, weights[f"{name}.weight"], weights.get(f"{name}.bias"), padding="same")

    def linear(name, x):
        return x @ weights[f"{name}.weight"] + weights[f"{name}.bias"]

    def batch_norm(name, x, labels=None):
        inner = name if labels is None else f"{name}.normalize"
        affine = (weights[f"{name}.weight"], weights[f"{name}.bias"]) if labels is None else (None, None)
        x = TF.batch_norm(x, weights[f"{inner}._mean"], weights[f"{inner}._variance"], *affine, eps=1e-5)
        if labels is None:
            return x
        return (
            x * weights[f"{name}.scale"][labels][..., None, None] + weights[f"{name}.offset"][labels][..., None, None]
        )

    def layer_norm(name, x, labels):
        x = TF.layer_norm(x, x.shape[1:], eps=1e-5)
        scale, offset = (weights[f"{name}.{key}"] for key in ("scale", "offset"))
        if labels is not None:
            scale, offset = (table[labels][..., None, None] for table in (scale, offset))
        return x * scale + offset

    def up(x):
        return TF.interpolate(x, scale_factor=2, mode="nearest")

    def generator(noise, labels):
        blocks = 3 if settings["resolution"] == 32 else 4
        x = linear("input", torch.from_numpy(noise))
        x = x.reshape(len(x), -1, 4, 4)
        labels = torch.from_numpy(labels) if settings["use_label"] else None
        for name in (f"blocks.{index}" for index in range(blocks)):
            h = conv(f"{name}.conv1", up(TF.relu(batch_norm(f"{name}.norm1", x, labels))))
            h = conv(f"{name}.conv2", TF.relu(batch_norm(f"{name}.norm2", h, labels)))
            x = conv(f"{name}.shortcut", up(x)) + h
        x = batch_norm("norm", x, labels if settings["resolution"] == 64 else None)
        return torch.tanh(conv("output", TF.relu(x))).reshape(len(x), -1).numpy()

    def critic(images, labels):
        labels = torch.from_numpy(labels) if settings["use_label"] and not settings["acgan"] else None
        x = torch.from_numpy(images).reshape(len(images), settings["channels"], settings["resolution"], -1)
        wide = settings["resolution"] == 64
        if wide:
            x = conv("input", x)
        for index in range(4):
            name = f"blocks.{index}"
            first, down = index == 0 and not wide, index < 2 or wide
            h = conv(f"{name}.conv1", x if first else TF.relu(layer_norm(f"{name}.norm1", x, labels)))
            h = conv(f"{name}.conv2", TF.relu(h if first else layer_norm(f"{name}.norm2", h, labels)))
            if down:
                h, x = TF.avg_pool2d(h, 2), conv(f"{name}.shortcut", TF.avg_pool2d(x, 2))
            x = x + h
        x = x.flatten(1) if wide else TF.relu(x).mean((2, 3))
        scores = linear("output", x)[:, 0].numpy()
        return scores, linear("classify", x).numpy() if "classify.weight" in weights else None

    return generator, critic


@pytest.mark.parametrize(("use_label", "acgan"), [(False, True), (True, True), (True, False)])
@pytest.mark.parametrize(("resolution", "channels"), [(32, 3), (64, 1)])
def test_residual_networks_are_those_of_the_reference(model, resolution, channels, use_label, acgan):
    pytest.importorskip("torch")
    settings = {"resolution": resolution, "channels": channels, "use_label": use_label}
    generator = model.WganGpCifar10Generator(("noise", "labels"), ("out",), 4, **settings)
    settings["acgan"] = acgan
    keys = ("data", "labels"), ("score", "logits")
    critic = model.WganGpCifar10Discriminator(*keys, 4, normalize=True, **settings)
    paddle.seed(1)
    for player in (generator, critic):
        player.to(dtype="float64")
        player.eval()
        for name, parameter in player.named_parameters():
            noise = 0.1 * paddle.randn(parameter.shape, "float64")
            parameter.set_value(parameter + (noise.abs() if name.endswith("_variance") else noise))
    noise, labels = image((3, 128)).astype("float64"), np.array([1, 9, 4])
    arrays = [{name: value.numpy() for name, value in player.state_dict().items()} for player in (generator, critic)]
    made = generator({"noise": paddle.to_tensor(noise), "labels": paddle.to_tensor(labels)})["out"].numpy()
    np.testing.assert_allclose(made, in_torch(arrays[0], settings)[0](noise, labels), atol=1e-9)
    images = image((3, channels * resolution**2)).astype("float64")
    judged = critic({"data": paddle.to_tensor(images), "labels": paddle.to_tensor(labels)})
    scores, logits = in_torch(arrays[1], settings)[1](images, labels)
    np.testing.assert_allclose(judged["score"].numpy(), scores, atol=1e-9)
    assert ("logits" in judged) is (logits is not None) is (use_label and acgan)
    if logits is not None:
        np.testing.assert_allclose(judged["logits"].numpy(), logits, atol=1e-9)


def test_labels_reach_a_critic_that_does_not_classify(model):
    settings = {"normalize": True, "use_label": True, "acgan": False}
    critic = model.WganGpCifar10Discriminator(("data", "labels"), ("score", "class_logits"), 4, **settings)
    assert (critic.input_keys, critic.output_keys) == (("data", "labels"), ("score",))
    images = paddle.to_tensor(image((2, 3072)))
    judge = lambda label: critic({"data": images, "labels": paddle.full([2], label, "int64")})["score"]  # noqa: E731
    assert (judge(1) == judge(2)).all()  # scales begin alike
    critic.blocks[1].norm1.scale.set_value(paddle.arange(40, dtype="float32").reshape([10, 4]))
    assert (judge(1) != judge(2)).all()
    found = critic.infer_settings(critic.state_dict())
    assert {key: found[key] for key in ("label_num", *settings)} == {"label_num": 10, **settings}
    critic = model.WganGpCifar10Discriminator(("data", "labels"), ("score", "class_logits"), 4, use_label=True)
    assert (critic.input_keys, critic.infer_settings(critic.state_dict())["acgan"]) == (("data",), True)


@pytest.mark.parametrize("use_label", [False, True])
def test_biases_before_batch_normalisation_go_into_its_mean(model, tmp_path, use_label):
    """Weights of 64 pixels that have them give the same images."""
    keys, settings = (("noise", "labels"), ("out",)), {"use_label": use_label, "resolution": 64, "channels": 1}
    generator = model.WganGpCifar10Generator(*keys, 2, **settings)
    rng = np.random.default_rng(0)
    for name, value in generator.state_dict().items():
        if name.endswith(("_mean", "_variance")):
            value.set_value(rng.uniform(0.5, 1.5, value.shape).astype("float32"))
    older = {name: value.numpy() for name, value in generator.state_dict().items()}
    inner = "normalize." if use_label else ""
    for number, block in enumerate(generator.blocks):
        bias = rng.normal(size=block.conv2.weight.shape[0]).astype("float32")
        older[f"blocks.{number}.conv1.bias"] = bias
        older[f"blocks.{number}.norm2.{inner}_mean"] = older[f"blocks.{number}.norm2.{inner}_mean"] + bias
    paddle.save(older, str(tmp_path / "older.pdparams"))
    again = model.WganGpCifar10Generator(*keys, 2, **settings)
    weights.load(again, str(tmp_path / "older.pdparams"), "MODEL.gen_net")
    inputs = {"noise": paddle.to_tensor(image((3, 128))), "labels": paddle.to_tensor([1, 9, 4])}
    for player in (generator, again):
        player.eval()
    np.testing.assert_allclose(again(inputs)["out"].numpy(), generator(inputs)["out"].numpy(), atol=1e-5)


def test_biases_before_layer_normalisation_go_only_where_they_are_zero(model, tmp_path):
    critic = model.WganGpCifar10Discriminator(("data",), ("score",), 2, normalize=True, resolution=64)
    older = {name: value.numpy() for name, value in critic.state_dict().items()}
    older["blocks.0.conv1.bias"] = np.zeros(2, "float32")
    paddle.save(older, str(tmp_path / "zeros.pdparams"))
    weights.load(critic, str(tmp_path / "zeros.pdparams"), "MODEL.dis_net")
    older["blocks.0.conv1.bias"] = np.ones(2, "float32")
    paddle.save(older, str(tmp_path / "ones.pdparams"))
    with pytest.raises(InputError, match=r"unknown here: blocks\.0\.conv1\.bias"):
        weights.load(critic, str(tmp_path / "ones.pdparams"), "MODEL.dis_net")


def test_impossible_settings_are_refused(model):
    with pytest.raises(InputError, match="acgan=false needs normalize=true"):
        model.WganGpCifar10Discriminator(("data", "labels"), ("score",), 4, use_label=True, acgan=False)
    with pytest.raises(InputError, match="normalize=true"):
        model.WganGpCifar10Generator(("noise", "labels"), ("out",), 4, use_label=True, normalize=False)
    for network in ("WganGpCifar10DcganGenerator", "WganGpCifar10DcganDiscriminator"):
        with pytest.raises(InputError, match="takes no labels"):
            getattr(model, network)(("x",), ("y",), 4, use_label=True)
