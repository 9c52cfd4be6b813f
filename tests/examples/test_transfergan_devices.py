"""Transferring GANs on a stand-in Ascend card, and on two ranks: as on the CPU, with frozen layers."""

import json

import numpy as np
import pytest
from examples.test_pgan_devices import STEPS
from examples.test_pgan_devices import separated
from examples.test_transfergan_scripts import FACES
from examples.test_transfergan_scripts import FOLDER
from examples.test_transfergan_scripts import HAIR
from examples.test_transfergan_scripts import TINY
from examples.test_wgangp_devices import ON_CPU
from examples.test_wgangp_devices import assert_equal
from examples.test_wgangp_devices import checkpoint
from examples.test_wgangp_devices import run
from ranks import launch

SMALL = [setting for setting in TINY if not setting.startswith("device")] + FACES + HAIR + ["CPU.convolution=paddle"]
KNOBS = [
    "TRANSFER.freeze_gen=1",
    "TRANSFER.freeze_dis=2",
    "TRANSFER.average=source",
    "TRANSFER.class_map=[0,1,2,4,null]",
]


@pytest.fixture(scope="module")
def trained(npu, tmp_path_factory):
    """A source, a transfer in two epochs with a stop between them, its evaluation; by device."""
    folder = tmp_path_factory.mktemp("trained")
    for place, environment in (("cpu", ON_CPU), ("npu", npu())):
        out = folder / place
        # The explicit penalty on both, as the card has no other.
        command = [*SMALL, f"device={place}", "LOSS.penalty_gradient=explicit"]
        source = [*command, "TRANSFER.load=none", "TRAIN.epochs=1", f"output_dir={out}/source"]
        path = f"{out}/source/checkpoints/latest"
        transfer = [*command, *KNOBS, f"TRAIN.pretrained_gen_model_path={path}", f"output_dir={out}"]
        latest = f"{out}/checkpoints/latest"
        steps = [
            source,
            [*transfer, "TRAIN.epochs=1"],
            [*transfer, f"TRAIN.checkpoint_path={latest}"],
            [*transfer, f"EVAL.pretrained_gen_model_path={latest}", "mode=eval", "EVAL.scores=[sliced_wasserstein]"],
        ]
        run(environment, STEPS, "transfergan", "transfergan", *separated(steps))
    return folder


def test_training_on_the_card_is_that_on_the_cpu(trained):
    (found, state), (expected, _) = (checkpoint(trained / place) for place in ("npu", "cpu"))
    assert state["iteration"] == 4
    assert_equal(found, expected)


def test_frozen_layers_stay_on_the_card(trained):
    source, ours = checkpoint(trained / "npu" / "source")[0], checkpoint(trained / "npu")[0]
    for name in ("critic/blocks.1.conv2.weight", "generator/input.weight"):
        np.testing.assert_array_equal(ours[name], source[name])
    assert np.abs(ours["critic/blocks.2.conv1.weight"] - source["critic/blocks.2.conv1.weight"]).max() > 0


def test_scores_and_pictures_of_the_card_are_those_of_the_cpu(trained):
    found, expected = (json.loads((trained / place / "scores.json").read_text()) for place in ("npu", "cpu"))
    assert found == expected
    for picture in ("samples.png", "walk.gif", "nearest.png"):
        assert (trained / "npu" / picture).read_bytes() == (trained / "cpu" / picture).read_bytes()


def test_two_ranks_go_on_from_a_source(trained, tmp_path):
    """One rank goes on where two have stopped; what is frozen needs no exchange."""
    source = f"TRAIN.pretrained_gen_model_path={trained}/cpu/source/checkpoints/latest"
    command = [str(FOLDER / "transfergan.py"), *SMALL, *KNOBS, source, "device=cpu", f"output_dir={tmp_path}/out"]
    launch(tmp_path, *command, "TRAIN.batch_size=2", "TRAIN.epochs=1", environment=ON_CPU)
    run(ON_CPU, *command, f"TRAIN.checkpoint_path={tmp_path}/out/checkpoints/latest")
    tensors, state = checkpoint(tmp_path / "out")
    assert state["iteration"] == 4
    assert state["data"] == {"critic": [0, 16]}
    assert all(np.isfinite(value).all() for value in tensors.values())


def test_mixed_precision_with_frozen_layers(npu, trained, tmp_path):
    source = f"TRAIN.pretrained_gen_model_path={trained}/cpu/source/checkpoints/latest"
    command = [*SMALL, *KNOBS, source, f"output_dir={tmp_path}/out", "TRAIN.epochs=1"]
    run(npu(), FOLDER / "transfergan.py", *command, "use_amp=true", "amp_dtype=bfloat16", "amp_level=O2")
    tensors, state = checkpoint(tmp_path / "out")
    assert state["iteration"] == 2
    assert all(np.isfinite(value).all() for value in tensors.values())
