"""Weights: whole or not at all, only those that fit, never run, from files and checkpoints."""

import os
import pickle
import subprocess

import numpy as np
import paddle
import pytest
import safetensors.numpy
import warm

from ppsci_gan import files
from ppsci_gan import weights
from ppsci_gan.errors import InputError
from ppsci_gan.networks import wgangp

FIXTURES = files.REPOSITORY / "tests" / "fixtures"


def linear(inputs=2, outputs=3):
    return paddle.nn.Linear(inputs, outputs)


def test_weights_survive_the_round_trip(tmp_path):
    first, second = linear(), linear()
    weights.save(first, tmp_path / "a.pdparams")
    weights.load(second, str(tmp_path / "a"), "MODEL.gen_net")
    for name, value in first.state_dict().items():
        np.testing.assert_array_equal(second.state_dict()[name].numpy(), value.numpy())
    assert set(paddle.load(str(tmp_path / "a.pdparams"))) == {"weight", "bias"}


def test_files_that_paddle_wrote_are_read(tmp_path):
    layer = linear()
    paddle.save(layer.state_dict(), str(tmp_path / "a.pdparams"))
    np.testing.assert_array_equal(weights.read(str(tmp_path / "a.pdparams"))["weight"], layer.weight.numpy())


def test_a_write_that_fails_leaves_the_old_file_alone(tmp_path):
    target = tmp_path / "a.txt"
    target.write_text("old")

    def write():
        with files.atomic(target) as path:
            path.write_text("half")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        write()
    assert target.read_text() == "old"
    assert os.listdir(tmp_path) == ["a.txt"]


def test_saving_that_fails_leaves_the_old_weights(tmp_path, monkeypatch):
    path = tmp_path / "a.pdparams"
    weights.save(linear(), path)
    old = path.read_bytes()

    def fill_the_disk(arrays, file):
        with open(file, "wb") as stream:
            stream.write(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(paddle, "save", fill_the_disk)
    with pytest.raises(OSError, match="No space left"):
        weights.save(linear(), path)
    assert path.read_bytes() == old
    assert os.listdir(tmp_path) == ["a.pdparams"]


def test_files_in_another_precision_are_read(tmp_path):
    layer, values = linear(), np.arange(6).reshape(2, 3) / 4
    for dtype in ("float16", "float64", ">f4"):
        content = {"weight": values.astype(dtype), "bias": np.zeros(3, dtype)}
        (tmp_path / "a.pdparams").write_bytes(pickle.dumps(content))
        layer.weight.set_value(paddle.zeros([2, 3]))
        weights.load(layer, str(tmp_path / "a.pdparams"), "MODEL.gen_net")
        np.testing.assert_array_equal(layer.weight.numpy(), values)


def test_paths_are_from_here_or_from_the_repositorys_root(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert weights.find("pretrained/wgangp_toy_8gaussians").parent == files.REPOSITORY / "pretrained"
    weights.save(linear(), tmp_path / "pretrained" / "wgangp_toy_8gaussians.safetensors")
    assert weights.find("pretrained/wgangp_toy_8gaussians.safetensors").resolve().parent == tmp_path / "pretrained"


# --- what does not fit ---


def refusal(model, path):
    with pytest.raises(InputError) as error:
        weights.load(model, str(path), "MODEL.gen_net")
    return str(error.value)


def test_other_shapes_are_named(tmp_path):
    weights.save(linear(2, 3), tmp_path / "a.pdparams")
    message = refusal(linear(2, 4), tmp_path / "a.pdparams")
    assert f"{tmp_path}/a.pdparams does not fit Linear" in message
    assert "weight is (2, 3) in the file, (2, 4) here" in message


def test_other_names_are_named(tmp_path):
    weights.save(paddle.nn.Sequential(linear()), tmp_path / "a.pdparams")
    message = refusal(linear(), tmp_path / "a.pdparams")
    assert "missing in the file: bias, weight" in message
    assert "unknown here: 0.bias, 0.weight" in message
    assert "MODEL.gen_net" in message


def test_other_kinds_of_numbers_are_named(tmp_path):
    content = {"weight": np.zeros((2, 3), "complex64"), "bias": np.zeros(3, "float32")}
    (tmp_path / "a.pdparams").write_bytes(pickle.dumps(content))
    assert "other type: weight is complex64 in the file, float32 here" in refusal(linear(), tmp_path / "a.pdparams")


@pytest.mark.parametrize(
    ("network", "made_with", "ours", "advice"),
    [
        ("WganGpToyGenerator", {"dim": 8}, {"dim": 16}, "MODEL.gen_net.dim=8"),
        ("WganGpMnistGenerator", {"dim": 2}, {"dim": 3}, "MODEL.gen_net.dim=2"),
        (
            "WganGpCifar10Generator",
            {"dim": 4, "use_label": True},
            {"dim": 4},
            "MODEL.gen_net.use_label=true MODEL.gen_net.label_num=10",
        ),
        ("WganGpCifar10Generator", {"dim": 4, "normalize": False}, {"dim": 4}, "MODEL.gen_net.normalize=false"),
        ("WganGpCifar10Discriminator", {"dim": 4, "normalize": True}, {"dim": 4}, "MODEL.gen_net.normalize=true"),
        (
            "WganGpCifar10Discriminator",
            {"dim": 4, "use_label": True, "label_num": 5},
            {"dim": 4, "use_label": True},
            "MODEL.gen_net.label_num=5",
        ),
        ("WganGpCifar10DcganGenerator", {"dim": 4, "normalize": False}, {"dim": 4}, "MODEL.gen_net.normalize=false"),
        ("WganGpCifar10DcganDiscriminator", {"dim": 4, "normalize": True}, {"dim": 4}, "MODEL.gen_net.normalize=true"),
    ],
)
def test_the_config_key_that_fits_is_named(load_example, tmp_path, network, made_with, ours, advice):
    make = getattr(wgangp, network)
    weights.save(make(("noise", "labels"), ("out",), **made_with), tmp_path / "a.pdparams")
    message = refusal(make(("noise", "labels"), ("out",), **ours), tmp_path / "a.pdparams")
    assert message.endswith(f"add {advice}")


@pytest.mark.parametrize("normalize", [False, True])
@pytest.mark.parametrize("family", ["WganGpToy", "WganGpMnist", "WganGpCifar10", "WganGpCifar10Dcgan"])
@pytest.mark.parametrize("players", [("Generator", "Discriminator"), ("Discriminator", "Generator")])
def test_one_players_file_for_the_other_is_no_matter_of_settings(load_example, tmp_path, family, normalize, players):
    settings = {"dim": 4, **({"normalize": normalize} if "Cifar10" in family else {})}
    given, wanted = (getattr(wgangp, family + player)(("a", "b"), ("c", "d"), **settings) for player in players)
    weights.save(given, tmp_path / "a.pdparams")
    message = refusal(wanted, tmp_path / "a.pdparams")
    assert f"does not fit {family}{players[1]}" in message
    assert message.endswith("another kind of network than MODEL.gen_net describes: check the path and the example.")


NO_WEIGHTS = [
    b"",
    b"not weights at all",
    pickle.dumps([1, 2]),
    pickle.dumps({}),
    pickle.dumps({"a": "b"}),
    pickle.dumps({1: np.zeros(3)}),
]


@pytest.mark.parametrize("content", NO_WEIGHTS)
def test_what_is_no_weights_file_is_refused(tmp_path, content):
    path = tmp_path / "a.pdparams"
    path.write_bytes(content)
    assert str(path) in refusal(linear(), path)


def test_arrays_without_axes_are_refused(load_example, tmp_path):
    generator = wgangp.WganGpToyGenerator(("noise",), ("out",), dim=4)
    (tmp_path / "a.pdparams").write_bytes(pickle.dumps({"hidden.0.weight": np.zeros(1)}))
    assert "hidden.0.weight is (1,) in the file, (2, 4) here" in refusal(generator, tmp_path / "a.pdparams")


@pytest.mark.parametrize("state", [[], 1, None])
def test_a_checkpoint_of_another_program_is_refused(tmp_path, state):
    path = tmp_path / "a.safetensors"
    weights.save_checkpoint(path, {"generator/weight": np.ones(2)}, state)
    if state is None:
        path.write_bytes(safetensors.numpy.save({"generator/weight": np.ones(2)}))
    assert f"{path}: not a checkpoint of this suite" in refusal(linear(), path)


@pytest.mark.parametrize("suffix", ["pdparams", "safetensors"])
def test_a_truncated_file_is_refused(tmp_path, suffix):
    path = tmp_path / f"a.{suffix}"
    if suffix == "pdparams":
        weights.save(linear(), path)
    else:
        weights.save_checkpoint(path, {"generator/weight": np.ones(100)}, {"seed": 1})
    path.write_bytes(path.read_bytes()[:-20])
    assert str(path) in refusal(linear(), path)


def test_what_a_file_contains_is_not_run(tmp_path):
    class Hostile:
        def __reduce__(self):
            return os.system, (f"touch {tmp_path}/run",)

    (tmp_path / "a.pdparams").write_bytes(pickle.dumps({"weight": Hostile()}))
    assert "system" in refusal(linear(), tmp_path / "a.pdparams")
    assert not (tmp_path / "run").exists()


# --- checkpoints ---


@pytest.fixture
def checkpoint(tmp_path):
    tensors = {"generator/w": np.full(2, 1.0), "averaged/w": np.full(2, 2.0), "critic/w": np.full(2, 3.0)}
    tensors["optimizer/critic/w/moment1_0"] = np.full(2, 4.0)
    state = {"iteration": 5, "seed": 42, "use": {"generator": "averaged"}}
    weights.save_checkpoint(tmp_path / "best.safetensors", tensors, state)
    return str(tmp_path / "best")


def test_a_checkpoint_says_which_generator_to_take(checkpoint):
    assert weights.read(checkpoint, "generator")["w"].tolist() == [2.0, 2.0]
    assert weights.read(checkpoint, "critic")["w"].tolist() == [3.0, 3.0]
    assert weights.has_part(checkpoint, "critic")
    assert not weights.has_part(checkpoint, "judge")
    with pytest.raises(InputError, match="holds no judge, only averaged, critic, generator, optimizer"):
        weights.read(checkpoint, "judge")


def test_publishing_from_the_command_line(checkpoint, tmp_path):
    command = [warm.python(), "-m", "ppsci_gan.commands.publish", checkpoint, str(tmp_path / "shared.safetensors")]
    subprocess.run(command, check=True, cwd=files.REPOSITORY, timeout=120)
    tensors, state = weights.read_checkpoint(tmp_path / "shared")
    assert {name: value.tolist() for name, value in tensors.items()} == {"generator/w": [2, 2], "critic/w": [3, 3]}
    assert state == {"iteration": 5, "seed": 42, "published": {"generator": "averaged", "critic": "critic"}}
    for path in (checkpoint, str(tmp_path / "shared")):  # scores say so, whichever of the two is evaluated
        assert weights.describe(path, "generator") == "averaged weights of iteration 5"


PADDLESCIENCE = {
    "toy_generator": (wgangp.WganGpToyGenerator, "generator", {"dim": 32}),
    "toy_discriminator": (wgangp.WganGpToyDiscriminator, "critic", {"dim": 32}),
    "mnist_generator": (wgangp.WganGpMnistGenerator, "generator", {"dim": 8}),
    "cifar10_generator": (wgangp.WganGpCifar10Generator, "generator", {"dim": 8}),
}


@pytest.mark.parametrize("name", PADDLESCIENCE)
def test_weights_go_home_to_paddlescience(name, tmp_path):
    """From its published file to a checkpoint of ours and back: the same names and arrays, for paddle.load, too."""
    network_class, part, settings = PADDLESCIENCE[name]
    published = str(FIXTURES / "published" / f"{name}.pdparams")
    network = network_class(("a",), ("b",), **settings)
    weights.load(network, published, "MODEL.gen_net")
    checkpoint = weights.Checkpoint({"iteration": 1, "seed": 0, "networks": {}})
    checkpoint.state["networks"][part] = {"class": network_class.__name__, "settings": network.settings}
    checkpoint.put(part, {key: value.numpy() for key, value in network.state_dict().items()})
    checkpoint.write(tmp_path / "run.safetensors")

    home = str(tmp_path / "home.pdparams")
    weights.publish(str(tmp_path / "run"), home, part=part, classes=[network_class])
    theirs, ours = paddle.load(published), paddle.load(home)
    flag = f"{'generator' if part == 'generator' else 'discriminator'}.published_arithmetic"
    assert ours.pop(flag, 1) == 1
    assert ours.keys() == theirs.keys()
    for key, value in theirs.items():
        np.testing.assert_array_equal(ours[key], value, err_msg=key)
    again = weights.restore(home, part, [network_class], {"input_keys": ["a"], "output_keys": ["b"]})
    assert weights.digest(again) == weights.digest(network)


def test_conditional_weights_have_paddlesciences_names():
    network = wgangp.WganGpCifar10Generator(("a", "b"), ("c",), dim=4, use_label=True)
    names = set(network.to_published_names(network.state_dict(), "generator"))
    assert "generator.ResidualBlocks.2.normalize1.normalize.scale" in names
    assert "generator.ResidualBlocks.0.normalize2.normalize.mean" in names
    assert "generator.ResidualBlocks.0.normalize2.normalize.var" in names
    state = {name: value.numpy() for name, value in network.state_dict().items()}
    assert network.rename_published(network.to_published_names(state, "generator")).keys() == state.keys()


def test_own_weights_in_paddlesciences_layout_keep_our_arithmetic(tmp_path, caplog):
    network = wgangp.WganGpCifar10Generator(("a",), ("b",), dim=4)
    checkpoint = weights.Checkpoint({"iteration": 1, "seed": 0})
    description = {"class": "WganGpCifar10Generator", "settings": network.settings}
    checkpoint.state["networks"] = {"generator": description}
    checkpoint.put("generator", {key: value.numpy() for key, value in network.state_dict().items()})
    checkpoint.write(tmp_path / "run.safetensors")
    with caplog.at_level("WARNING", logger="ppsci"):
        weights.publish(str(tmp_path / "run"), str(tmp_path / "home.pdparams"), classes=[type(network)])
    assert "computes something else with these weights" in caplog.text
    settings = {"input_keys": ["a"], "output_keys": ["b"]}
    again = weights.restore(str(tmp_path / "home.pdparams"), "generator", [type(network)], settings)
    assert not again.published


@pytest.mark.parametrize(
    ("path", "classes", "message"),
    [
        ("x.npz", [], "x.npz: end the name in .safetensors .* or .pdparams"),
        ("x.pdparams", [], "its generator is of a version that does not say which"),
    ],
)
def test_files_that_cannot_be_shared(tmp_path, path, classes, message):
    weights.save_checkpoint(tmp_path / "run.safetensors", {"generator/w": np.ones(2)}, {"iteration": 1, "seed": 0})
    with pytest.raises(InputError, match=message):
        weights.publish(str(tmp_path / "run"), str(tmp_path / path), classes=classes)
    assert not (tmp_path / path).exists()


def test_published_weights_may_be_half_as_large(tmp_path):
    layer = paddle.nn.Linear(30, 40)
    arrays = {f"generator/{name}": value.numpy() for name, value in layer.state_dict().items()}
    arrays["generator/growth"] = np.array([2, 2**20], np.int32)
    weights.save_checkpoint(tmp_path / "run.safetensors", arrays, {"iteration": 1, "seed": 0, "use": {}})
    for half in (False, True):
        weights.publish(str(tmp_path / "run"), str(tmp_path / f"{half}.safetensors"), half)
    sizes = [(tmp_path / f"{half}.safetensors").stat().st_size for half in (False, True)]
    assert sizes[1] < 0.6 * sizes[0]
    tensors, _ = weights.read_checkpoint(tmp_path / "True")
    assert tensors["generator/growth"].tolist() == [2, 2**20]
    np.testing.assert_allclose(tensors["generator/weight"], layer.weight.numpy(), rtol=1e-3, atol=1e-6)
    found = paddle.nn.Linear(30, 40)
    del tensors["generator/growth"]
    weights.save_checkpoint(tmp_path / "own.safetensors", tensors, {"iteration": 1})
    weights.load(found, str(tmp_path / "own"), "MODEL.gen_net", "generator")
    assert found.weight.dtype == paddle.float32
    np.testing.assert_allclose(found.weight.numpy(), layer.weight.numpy(), rtol=1e-3, atol=1e-6)
