"""What a player keeps of its source: against the source's own arrays, parameter by parameter."""

import numpy as np
import paddle
import pytest

from ppsci_gan import weights
from ppsci_gan.errors import InputError
from ppsci_gan.networks import wgangp
from ppsci_gan.weights import transfer
from ppsci_gan.weights.transfer import Transfer

GEN = {"input_keys": ("noise", "labels"), "output_keys": ("fake_data",), "dim": 4, "label_num": 4, "use_label": True}
DIS = {
    "input_keys": ("data", "labels"),
    "output_keys": ("score", "logits"),
    "dim": 4,
    "label_num": 4,
    "use_label": True,
}


@pytest.fixture
def model(load_example):
    return wgangp


@pytest.fixture
def make(model):
    """``make(name, **settings)`` is a new player."""

    def build(name, **settings):
        if name == "generator":
            return model.WganGpCifar10Generator(**{**GEN, **settings})
        return model.WganGpCifar10Discriminator(**{**DIS, "normalize": True, **settings})

    return build


def to_arrays(player):
    return {name: value.numpy() for name, value in player.state_dict().items()}


@pytest.fixture
def source(make, tmp_path):
    """``source(name, **settings)`` is a checkpoint with a random player and its average; returns path and arrays."""

    def write(name, **settings):
        rng = np.random.default_rng(0)
        arrays = {}
        for key, value in to_arrays(make(name, **settings)).items():
            noise = np.abs(rng.normal(size=value.shape)) + 0.1
            arrays[key] = value if value.dtype.kind == "i" else noise.astype(np.float32)
        tensors = {f"{name}/{key}": value for key, value in arrays.items()}
        if name == "generator":
            halves = {key: value if value.dtype.kind == "i" else value / 2 for key, value in arrays.items()}
            tensors.update({f"averaged/{key}": value for key, value in halves.items()})
        path = str(tmp_path / f"{name}.safetensors")
        weights.save_checkpoint(path, tensors, {"iteration": 7})
        return path, arrays

    return write


@pytest.mark.parametrize("name", ["generator", "critic"])
@pytest.mark.parametrize("resolution", [32, 64])
def test_everything_is_loaded(make, source, name, resolution):
    path, arrays = source(name, resolution=resolution)
    player = make(name, resolution=resolution)
    report = Transfer(name, path).load(player)
    for key, value in to_arrays(player).items():
        np.testing.assert_array_equal(value, arrays[key])
    assert sorted(report.loaded) == sorted(arrays)
    assert not any(report[1:])


def test_from_scratch_everything_is_fresh(make):
    player = make("critic")
    before = to_arrays(player)
    report = Transfer("critic", None).load(player)
    assert report.fresh == list(before)
    assert not report.loaded
    for key, value in to_arrays(player).items():
        np.testing.assert_array_equal(value, before[key])


FRESH = [
    ("generator", "output", {}, {"output.weight", "output.bias"}),
    ("generator", "image", {}, {"output.weight", "output.bias"}),
    ("critic", "output", {}, {"output.weight", "output.bias", "classify.weight", "classify.bias"}),
    ("critic", "classes", {}, {"classify.weight", "classify.bias"}),
    ("critic", "image", {}, {f"blocks.0.{n}.{kind}" for n in ("conv1", "shortcut") for kind in ("weight", "bias")}),
    ("critic", "image", {"resolution": 64}, {"input.weight", "input.bias"}),
    (
        "generator",
        "classes",
        {},
        {f"blocks.{block}.norm{norm}.{kind}" for block in range(3) for norm in (1, 2) for kind in ("scale", "offset")},
    ),
    (
        "generator",
        "statistics",
        {},
        {f"blocks.{b}.norm{n}.normalize._{kind}" for b in range(3) for n in (1, 2) for kind in ("mean", "variance")}
        | {"norm._mean", "norm._variance"},
    ),
]  # fmt: skip


@pytest.mark.parametrize(("name", "part", "settings", "expected"), FRESH)
def test_a_part_starts_afresh(make, source, name, part, settings, expected):
    path, arrays = source(name, **settings)
    player = make(name, **settings)
    before = to_arrays(player)
    report = Transfer(name, path, fresh=[part]).load(player)
    assert set(report.fresh) == set(report.left_over) == expected
    for key, value in to_arrays(player).items():
        np.testing.assert_array_equal(value, (before if key in expected else arrays)[key])


def test_another_number_of_channels_is_covered_by_the_images_layers(make, source):
    for name in ("generator", "critic"):
        path, _ = source(name, channels=1)
        player = make(name)
        with pytest.raises(InputError, match=r"let what does not fit start afresh: TRANSFER.fresh=\[image\]"):
            Transfer(name, path).load(player)
        assert "blocks.1.conv1.weight" in Transfer(name, path, fresh=["image"]).load(player).loaded


def test_classes_are_mapped(make, source):
    for name in ("generator", "critic"):
        path, arrays = source(name)
        player = make(name, label_num=3)
        before = to_arrays(player)
        report = Transfer(name, path, class_map=[3, None, 0]).load(player)
        key, axis = ("blocks.2.norm1.scale", 0) if name == "generator" else ("classify.weight", 1)
        value = np.moveaxis(to_arrays(player)[key], axis, 0)
        theirs, own = np.moveaxis(arrays[key], axis, 0), np.moveaxis(before[key], axis, 0)
        np.testing.assert_array_equal(value, [theirs[3], own[1], theirs[0]])
        assert f"{key}[0, 2]" in report.loaded
        assert f"{key}[1]" in report.fresh
        assert f"{key}[1, 2]" in report.left_over


@pytest.mark.parametrize(
    ("class_map", "expected"),
    [
        ([0, 1], "is for 2 classes of the target, which has 3 (MODEL.gen_net.label_num)"),
        ([0, 1, 4], "has classes 0 to 3, not 4"),
        (None, "say which class of the source each of the target's is: TRANSFER.class_map=[...]"),
    ],
)
def test_labels_outside_the_map(make, source, class_map, expected):
    path, _ = source("generator")
    with pytest.raises(InputError) as refusal:
        Transfer("generator", path, class_map=class_map).load(make("generator", label_num=3))
    assert expected in str(refusal.value)


@pytest.mark.parametrize("resolution", [32, 64])
def test_a_conditional_player_takes_an_unconditional_source(make, source, resolution):
    path, arrays = source("generator", use_label=False, resolution=resolution)
    with pytest.raises(InputError) as refusal:
        Transfer("generator", path).load(make("generator", resolution=resolution))
    assert "TRANSFER.fresh=[classes,statistics]" in str(refusal.value)
    player = make("generator", resolution=resolution)
    report = Transfer("generator", path, fresh=["classes", "statistics"]).load(player)
    np.testing.assert_array_equal(player.blocks[1].conv2.weight.numpy(), arrays["blocks.1.conv2.weight"])
    assert "blocks.1.norm1.weight" in report.left_over
    assert "blocks.1.norm1.scale" in report.fresh
    # Only at 64 pixels does the last normalisation see labels.
    assert ("norm.scale" in report.fresh) is ("norm.weight" in report.left_over) is (resolution == 64)


def test_a_critic_that_sees_labels_takes_one_that_does_not(make, source):
    path, arrays = source("critic", use_label=False)
    with pytest.raises(InputError) as refusal:
        Transfer("critic", path).load(make("critic", acgan=False))
    assert "TRANSFER.fresh=[classes]" in str(refusal.value)
    player = make("critic", acgan=False)
    report = Transfer("critic", path, fresh=["classes"]).load(player)
    np.testing.assert_array_equal(player.blocks[1].conv2.weight.numpy(), arrays["blocks.1.conv2.weight"])
    assert {name.split(".")[-1] for name in report.fresh} == {"scale", "offset"}


def test_a_critics_labels_are_mapped(make, source):
    path, arrays = source("critic", acgan=False)
    player = make("critic", acgan=False, label_num=3)
    report = Transfer("critic", path, class_map=[2, None, 0]).load(player)
    scale, theirs = player.blocks[1].norm1.scale.numpy(), arrays["blocks.1.norm1.scale"]
    np.testing.assert_array_equal(scale, [theirs[2], np.ones(4), theirs[0]])
    assert "blocks.1.norm1.scale[1]" in report.fresh


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"dim": 6}, "MODEL.gen_net.dim=4"),
        ({"resolution": 64}, "MODEL.gen_net.resolution=32"),
        ({"normalize": False, "use_label": False}, "MODEL.gen_net.use_label=true"),
    ],
)
def test_a_source_of_another_network(make, source, settings, expected):
    path, _ = source("generator")
    player = make("generator", **settings)
    before = to_arrays(player)
    with pytest.raises(InputError) as refusal:
        Transfer("generator", path).load(player)
    assert "does not fit WganGpCifar10Generator" in str(refusal.value)
    assert expected in str(refusal.value)
    for key, value in to_arrays(player).items():
        np.testing.assert_array_equal(value, before[key])


@pytest.mark.parametrize(("name", "data"), [("generator", "noise"), ("critic", "data")])
def test_frozen_blocks_have_no_gradient(make, source, name, data):
    path, arrays = source(name)
    player = make(name)
    report = Transfer(name, path, freeze=2).load(player)
    inputs = {data: paddle.randn([3, 128 if name == "generator" else 3072])}
    if name == "generator":
        inputs["labels"] = paddle.to_tensor([0, 1, 2])
    sum(value.sum() for value in player(inputs).values()).backward()
    for key, parameter in player.named_parameters():
        begins = ("input.", "blocks.0.", "blocks.1.")
        statistic = key.endswith(("_mean", "_variance"))
        assert (key in report.frozen) == (key.startswith(begins) and not statistic)
        assert (parameter.grad is None) == (key.startswith(begins) or statistic), key
    assert sorted(report.loaded + report.frozen) == sorted(arrays)


def test_what_starts_afresh_in_a_frozen_block_learns(make, source):
    path, _ = source("generator")
    player = make("generator")
    report = Transfer("generator", path, fresh=["classes"], freeze=1).load(player)
    assert "blocks.0.conv1.weight" in report.frozen
    assert not player.blocks[0].norm1.scale.stop_gradient
    player = make("generator")
    Transfer("generator", path, class_map=[0, 1, 2, None], freeze=1).load(player)
    assert not player.blocks[0].norm1.scale.stop_gradient  # one of its classes has to learn


@pytest.mark.parametrize(
    ("name", "freeze", "expected"),
    [
        ("generator", 4, "TRANSFER.freeze_gen=4: the generator has 3 blocks"),
        ("critic", 5, "freeze_dis=5.*has 4 blocks"),
    ],
)
def test_a_frozen_layer_that_does_not_exist(make, source, name, freeze, expected):
    path, _ = source(name)
    with pytest.raises(InputError, match=expected):
        Transfer(name, path, freeze=freeze).load(make(name))


def test_random_layers_are_not_frozen(make):
    with pytest.raises(InputError, match=r"freeze_dis=1: the critic starts from scratch"):
        Transfer("critic", None, freeze=1).load(make("critic"))


def test_a_damaged_source_is_refused(make, source):
    path, _ = source("critic")
    tensors, state = weights.read_checkpoint(path)
    tensors["critic/classify.weight"] = tensors["critic/classify.weight"][0]
    weights.save_checkpoint(path, tensors, state)
    with pytest.raises(InputError, match=r"classify.weight is \(4,\) in the file, \(4, 4\) here"):
        Transfer("critic", path, class_map=[0, 1, 2, 3]).load(make("critic"))


def test_the_average_of_the_source(make, source):
    path, arrays = source("generator")
    player = make("generator", label_num=2)
    way = Transfer("generator", path, fresh=["output"], class_map=[1, 3], keep_average=True)
    way.load(player)
    np.testing.assert_array_equal(player.blocks[0].conv1.weight.numpy(), arrays["blocks.0.conv1.weight"])
    averaged = way.average(player)
    np.testing.assert_array_equal(averaged["blocks.0.conv1.weight"], arrays["blocks.0.conv1.weight"] / 2)
    np.testing.assert_array_equal(averaged["blocks.0.norm1.scale"], arrays["blocks.0.norm1.scale"][[1, 3]] / 2)
    np.testing.assert_array_equal(averaged["output.weight"], player.output.weight.numpy())


def test_a_source_without_average(make, source, tmp_path):
    player = make("critic")
    weights.save(player, tmp_path / "critic.pdparams")
    for path in (source("critic")[0], str(tmp_path / "critic.pdparams")):
        with pytest.raises(InputError, match=r"has no moving average; set TRANSFER.average=fresh"):
            Transfer("critic", path, keep_average=True).load(player)


def test_report_names_every_parameter_of_both_sides(make, source):
    path, arrays = source("generator")
    player = make("generator", use_label=False)
    way = Transfer("generator", path, fresh=["classes", "statistics", "output"], freeze=1)
    report = way.load(player)
    assert sorted(report.loaded + report.fresh + report.frozen) == sorted(player.state_dict())
    assert sorted({*report.loaded, *report.frozen, *report.left_over}) == sorted(arrays)
    told = transfer.log_reports({"generator": report}, {"generator": path})
    assert told["generator"]["source"] == path
    assert told["generator"]["frozen"] == report.frozen
