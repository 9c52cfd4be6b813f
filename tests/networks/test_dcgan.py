"""DCGAN's networks: sizes, the reference's layers and initialisation, labels, and other people's weights."""

import numpy as np
import paddle
import pytest

from ppsci_gan import weights
from ppsci_gan.errors import InputError
from ppsci_gan.networks import dcgan


@pytest.fixture
def model(load_example):
    return dcgan


def players(model, size=(8, 8), channels=3, depths=(6, 4), hidden=0, **labels):
    paddle.seed(0)
    settings = {"image_size": size, "channels": channels, "hidden": hidden, **labels}
    generator = model.DcganGenerator(("noise", "labels"), ("fake_data",), depths=depths, latent_dim=5, **settings)
    return generator, model.DcganDiscriminator(("data", "labels"), ("score",), depths=depths[::-1], **settings)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("layers", [2, 3, 4])
def test_every_multiple_of_four_is_a_size(model, channels, layers):
    edges = range(4, 132, 4)
    sizes = [(edge, edge) for edge in edges] + [(28, 64), (128, 4), (36, 20), (100, 60)]
    for size in sizes if layers == 4 else sizes[::5]:
        generator, discriminator = players(model, size, channels, depths=(2, 2, 2, 2)[:layers])
        images = generator({"noise": paddle.randn([2, 5])})["fake_data"]
        assert images.shape == [2, channels, *size]
        assert discriminator({"data": images})["score"].shape == [2]


@pytest.mark.parametrize("size", [(30, 28), (132, 128), (0, 4), (28,)])
def test_other_sizes_are_refused(model, size):
    with pytest.raises(InputError, match="give height and width, multiples of 4 up to 128"):
        players(model, size)


def torch_of(network):
    torch = pytest.importorskip("torch")
    return torch, {name: torch.tensor(value.numpy()) for name, value in network.state_dict().items()}


def torch_norm(torch, state, name, x):
    return torch.nn.functional.batch_norm(
        x, None, None, state[f"{name}.weight"], state[f"{name}.bias"], training=True, eps=1e-5
    )


def torch_join(torch, h, classes):
    if classes is None:
        return h
    if h.dim() == 4:
        classes = classes[:, :, None, None].expand(-1, -1, *h.shape[2:])
    return torch.cat([h, classes], dim=1)


def torch_down(torch, x, weight, bias):
    """TensorFlow's convolution of stride 2 with padding SAME: zeros above and on the left are the smaller half."""
    totals = [max((-(-n // 2) - 1) * 2 + 5 - n, 0) for n in x.shape[:1:-1]]  # of the width, then of the height
    padded = torch.nn.functional.pad(x, [half for total in totals for half in (total // 2, total - total // 2)])
    return torch.nn.functional.conv2d(padded, weight, bias, stride=2)


def torch_up(torch, x, weight, bias, size):
    """Its transpose to a size: the whole of it, less what ``torch_down`` of such an image would pad."""
    whole = torch.nn.functional.conv_transpose2d(x, weight, bias, stride=2)
    top, left = ((whole.shape[2 + axis] - edge) // 2 for axis, edge in enumerate(size))
    return whole[:, :, top : top + size[0], left : left + size[1]]


RELATIVE = 1e-5  # Paddle keeps the epsilon of a normalisation in single precision
CASES = [{"size": (12, 20)}, {"size": (28, 28), "hidden": 7}]
CASES = [{**case, **labels} for case in CASES for labels in ({}, {"use_label": True, "label_num": 3})]


@pytest.mark.parametrize("case", CASES)
def test_players_equal_pytorchs(model, float64, case):
    """Batch statistics, joined labels, odd sizes on the way: 12 -> 6 -> 3, 28 -> 14 -> 7."""
    generator, discriminator = players(model, **case)
    noise, labels = np.random.default_rng(0).normal(size=(6, 5)), np.array([0, 2, 1, 1, 0, 2])
    torch, state = torch_of(generator)
    functional = torch.nn.functional
    classes = torch.eye(3, dtype=torch.float64)[labels] if "use_label" in case else None

    h = torch.tensor(noise)
    for number in range(1 if "hidden" in case else 0):
        h = functional.linear(torch_join(torch, h, classes), state["linears.0.weight"].T, state["linears.0.bias"])
        h = torch.relu(torch_norm(torch, state, f"linear_norms.{number}", h))
    last = f"linears.{int('hidden' in case)}"
    coarsest = [edge // 4 for edge in case["size"]]
    h = functional.linear(torch_join(torch, h, classes), state[f"{last}.weight"].T, state[f"{last}.bias"])
    h = h.view(6, 6, *coarsest)
    for number, size in enumerate(([2 * edge for edge in coarsest], case["size"])):
        h = torch_join(torch, torch.relu(torch_norm(torch, state, f"norms.{number}", h)), classes)
        h = torch_up(torch, h, state[f"ups.{number}.weight"], state[f"ups.{number}.bias"], size)
    expected = torch.tanh(h)
    inputs = {"noise": paddle.to_tensor(noise), "labels": paddle.to_tensor(labels)}
    found = generator({key: inputs[key] for key in generator.input_keys})["fake_data"]
    np.testing.assert_allclose(found.numpy(), expected.numpy(), rtol=RELATIVE, atol=1e-10)

    torch, state = torch_of(discriminator)
    h = expected
    for number in range(2):
        h = torch_join(torch, h, classes)
        weight, bias = state[f"downs.{number}.weight"], state[f"downs.{number}.bias"]
        h = torch_down(torch, h, weight, bias)
        h = functional.leaky_relu(torch_norm(torch, state, f"norms.{number - 1}", h) if number else h, 0.2)
    h = h.flatten(1)
    if "hidden" in case:
        h = functional.linear(torch_join(torch, h, classes), state["linears.0.weight"].T, state["linears.0.bias"])
        h = functional.leaky_relu(torch_norm(torch, state, "linear_norms.0", h), 0.2)
    h = functional.linear(torch_join(torch, h, classes), state[f"{last}.weight"].T, state[f"{last}.bias"])
    score = discriminator({"data": found, **{k: inputs[k] for k in discriminator.input_keys if k == "labels"}})["score"]
    np.testing.assert_allclose(score.numpy(), h[:, 0].numpy(), rtol=RELATIVE, atol=1e-10)


def test_weights_start_as_the_references(model):
    generator, discriminator = players(model, size=(32, 32), depths=(64, 32), hidden=200)
    for network in (generator, discriminator):
        for name, value in network.state_dict().items():
            array = value.numpy()
            if array.ndim > 1 and array.size > 2000:
                cut = name.startswith("downs")  # truncated at two deviations
                assert np.abs(array).max() <= (0.04 if cut else 0.15), name
                assert array.std() == pytest.approx(0.02 * (0.88 if cut else 1), rel=0.05), name
            elif name.endswith("bias"):
                assert not array.any(), name
            elif "norms" in name and name.endswith("weight"):
                assert (array == 1).all(), name


def test_running_statistics_keep_nine_tenths(model):
    generator, _ = players(model)
    with paddle.no_grad():
        h = generator.linears[0](paddle.ones([4, 5])).reshape([4, 6, 2, 2])
        generator({"noise": paddle.ones([4, 5])})
    np.testing.assert_allclose(generator.norms[0]._mean.numpy(), 0.1 * h.mean([0, 2, 3]).numpy(), rtol=1e-4, atol=1e-7)


@pytest.mark.parametrize("labels", [{}, {"use_label": True, "label_num": 3}])
@pytest.mark.parametrize("hidden", [0, 7])
def test_weights_tell_their_settings(model, labels, hidden):
    generator, discriminator = players(model, hidden=hidden, channels=1, **labels)
    settings = {"hidden": hidden, "channels": 1, "use_label": bool(labels), **({"label_num": 3} if labels else {})}
    assert generator.infer_settings(generator.state_dict()) == {"depths": [6, 4], "latent_dim": 5, **settings}
    assert discriminator.infer_settings(discriminator.state_dict()) == {"depths": [4, 6], **settings}
    assert generator.infer_settings(discriminator.state_dict()) == {}


MAY_DIFFER = ("channels", "use_label", "label_num")


def load(network, path, part):
    weights.load(network, str(path), "MODEL.net", part, MAY_DIFFER)


@pytest.fixture
def grey(model, tmp_path):
    """Weights of players of one channel and three classes."""
    networks = players(model, channels=1, use_label=True, label_num=3)
    for name, network in zip(("generator", "discriminator"), networks):
        for parameter in network.parameters():
            parameter.set_value(paddle.randn(parameter.shape))
        weights.save(network, tmp_path / f"{name}.pdparams")
    return networks, tmp_path


def test_other_channels_start_the_layers_at_the_image_afresh(model, grey, caplog):
    (generator, discriminator), folder = grey
    colour = players(model, channels=3, use_label=True, label_num=3)
    for network, name, old, afresh in (
        (colour[0], "generator", generator, ["ups.1.weight", "ups.1.bias"]),
        (colour[1], "discriminator", discriminator, ["downs.0.weight"]),
    ):
        before = {key: value.numpy().copy() for key, value in network.state_dict().items()}
        with caplog.at_level("INFO", logger="ppsci"):
            load(network, folder / f"{name}.pdparams", name)
        for key, value in network.state_dict().items():
            expected = before[key] if key in afresh else old.state_dict()[key].numpy()
            np.testing.assert_array_equal(value.numpy(), expected, err_msg=key)
        assert f"of a network with channels=1. Of ours, these start afresh: {', '.join(afresh)}" in caplog.text


@pytest.mark.parametrize("classes", [0, 2, 5])
def test_other_classes_keep_what_layers_make_of_features(model, grey, caplog, classes):
    networks, folder = grey
    labels = {"use_label": True, "label_num": classes} if classes else {}
    for network, name, old in zip(players(model, channels=1, **labels), ("generator", "discriminator"), networks):
        before = {key: value.numpy().copy() for key, value in network.state_dict().items()}
        with caplog.at_level("INFO", logger="ppsci"):
            load(network, folder / f"{name}.pdparams", name)
        for key, value in network.state_dict().items():
            ours, theirs = value.numpy(), old.state_dict()[key].numpy()
            if ours.shape == theirs.shape:
                np.testing.assert_array_equal(ours, theirs, err_msg=key)
                continue
            axis = 1 if key.startswith("downs") else 0
            features = theirs.shape[axis] - 3
            np.testing.assert_array_equal(ours.take(range(features), axis), theirs.take(range(features), axis))
            rest = range(features, features + classes)
            np.testing.assert_array_equal(ours.take(rest, axis), before[key].take(rest, axis))
    assert "these keep all but the classes' part: linears.0.weight, ups.0.weight, ups.1.weight" in caplog.text


def test_other_widths_are_still_refused(model, grey):
    _, folder = grey
    network, _ = players(model, channels=3, depths=(8, 4))
    with pytest.raises(InputError, match=r"(?s)does not fit.*add .*MODEL\.net\.depths=\[6,4\]"):
        load(network, folder / "generator.pdparams", "generator")
