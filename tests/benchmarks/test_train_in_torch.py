"""A training in PyTorch goes on as if it had not stopped, and gives a checkpoint of this suite."""

import json

import numpy as np
import pytest

torch = pytest.importorskip("torch")

import train_in_torch  # noqa: E402 - needs PyTorch
from peers.training import Batches  # noqa: E402

from ppsci_gan import weights  # noqa: E402
from ppsci_gan.data.batches import ShuffledBatches  # noqa: E402
from ppsci_gan.networks import latent  # noqa: E402
from ppsci_gan.networks.wgangp import WganGpCifar10Generator  # noqa: E402

SMALL = [
    *("MODEL.gen_net.dim=2", "MODEL.dis_net.dim=2", "TRAIN.batch_size=4", "TRAIN.n_critic=2"),
    *("TRAIN.epochs=2", "TRAIN.iters_per_epoch=5", "TRAIN.ema.use_ema=true", "TRAIN.ema.decay=0.9"),
]


@pytest.fixture
def prepare(data, tmp_path):
    def prepared(name):
        folder = tmp_path / name
        folder.mkdir()
        train_in_torch.prepare("cifar10_resnet", folder, [*SMALL, f"DATA.data_path={data.path('cifar10')}"])
        return folder

    return prepared


def read_arrays(folder):
    found = train_in_torch.newest(folder)
    return {f"{file.stem}/{key}": value for file in sorted(found.glob("*.npz")) for key, value in np.load(file).items()}


def test_it_goes_on_as_if_it_had_not_stopped(prepare):
    whole, parts = prepare("whole"), prepare("parts")
    train_in_torch.run(whole, 5, "cpu", iterations=5)
    for stop in (2, 2, 5):
        train_in_torch.run(parts, 5, "cpu", iterations=stop)
    assert [file.name for file in parts.glob("state_*")] == ["state_5"]
    expected, found = read_arrays(whole), read_arrays(parts)
    assert set(expected) == set(found)
    for name, value in expected.items():
        np.testing.assert_array_equal(found[name], value, name)
    states = [json.loads((folder / "state_5" / "state.json").read_text()) for folder in (whole, parts)]
    assert states[0] == states[1]
    assert states[0]["updates"] == 10


def test_a_half_written_state_is_not_taken(prepare):
    folder = prepare("run")
    train_in_torch.run(folder, 5, "cpu", iterations=1)
    (folder / "state_7").mkdir()
    assert train_in_torch.newest(folder).name == "state_1"


def test_its_checkpoint_is_ours(prepare, tmp_path):
    folder, path = prepare("run"), tmp_path / "latest.safetensors"
    train_in_torch.run(folder, 5, "cpu", iterations=2)
    train_in_torch.convert(folder, path)
    generator = weights.restore(path, "generator", [WganGpCifar10Generator], {})
    assert generator.settings["use_label"]
    average = np.load(folder / "state_2" / "average.npz")
    for name, value in generator.state_dict().items():
        np.testing.assert_array_equal(value.numpy(), average[name])
    assert weights.describe(path, "generator") == "averaged weights of iteration 2"
    assert tuple(generator(latent.sample(generator, 3))["fake_data"].shape) == (3, 3072)


def test_the_order_of_the_data_is_ours():
    ours = ShuffledBatches(10, 3, seed=7)
    expected = [next(ours) for _ in range(8)]
    theirs = Batches(10, 3, seed=7)
    np.testing.assert_array_equal([next(theirs) for _ in range(8)], expected)
    np.testing.assert_array_equal(next(Batches(10, 3, seed=7, start=5)), expected[5])
