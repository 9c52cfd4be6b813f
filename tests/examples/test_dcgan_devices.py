"""DCGAN on a stand-in Ascend card, and on two ranks: as on the CPU."""

import json

import numpy as np
import paddle
import pytest
from examples.test_dcgan_scripts import SCRIPT
from examples.test_dcgan_scripts import TINY
from examples.test_pgan_devices import STEPS
from examples.test_pgan_devices import separated
from examples.test_wgangp_devices import ON_CPU
from examples.test_wgangp_devices import assert_equal
from examples.test_wgangp_devices import checkpoint
from examples.test_wgangp_devices import run
from ranks import launch

LABELS = [
    "MODEL.gen_net.use_label=true",
    "MODEL.gen_net.label_num=5",
    "MODEL.gen_net.hidden=6",
    "MODEL.dis_net.hidden=6",
]
SMALL = [setting for setting in TINY if not setting.startswith("device")] + LABELS
SMALL += ["TRAIN.update_freq=2", "CPU.convolution=paddle"]  # devices are compared bit by bit


@pytest.fixture(scope="module")
def trained(npu, tmp_path_factory):
    """Two epochs, the second after a stop; evaluated and exported; by device."""
    folder = tmp_path_factory.mktemp("trained")
    for place, environment in (("cpu", ON_CPU), ("npu", npu())):
        out = folder / place
        command = [*SMALL, f"device={place}", f"output_dir={out}"]
        latest = f"{out}/checkpoints/latest"
        use = [*command, f"EVAL.pretrained_gen_model_path={latest}", f"INFER.export_path={out}/exported"]
        steps = [
            [*command, "TRAIN.epochs=1"],
            [*command, f"TRAIN.checkpoint_path={latest}"],
            [*use, "mode=eval", "EVAL.scores=[sliced_wasserstein]"],
            [*use, "mode=export"],
        ]
        run(environment, STEPS, "dcgan", "dcgan", *separated(steps))
    return folder


def test_training_on_the_card_is_that_on_the_cpu(trained):
    (found, state), (expected, _) = (checkpoint(trained / place) for place in ("npu", "cpu"))
    assert state["iteration"] == 6
    assert_equal(found, expected)


def test_what_was_exported_there_runs_on_the_cpu(trained):
    rng = np.random.default_rng(0)
    inputs = [paddle.arange(3), paddle.to_tensor(rng.standard_normal((3, 5)).astype("float32"))]
    found, expected = (paddle.jit.load(str(trained / place / "exported"))(*inputs)[0] for place in ("npu", "cpu"))
    np.testing.assert_array_equal(found.numpy(), expected.numpy())


def test_scores_and_pictures_of_the_card_are_those_of_the_cpu(trained):
    found, expected = (json.loads((trained / place / "scores.json").read_text()) for place in ("npu", "cpu"))
    assert found == expected
    for picture in ("classes.png", "walk.gif", "nearest.png", "images/00003.png", "histograms/epoch_00002.png"):
        assert (trained / "npu" / picture).read_bytes() == (trained / "cpu" / picture).read_bytes()


def test_two_ranks_of_cards_do_what_two_ranks_on_the_cpu_do(npu, tmp_path):
    """Batch statistics are shared, so histograms, too, need every rank."""
    for place, environment, cards in (("cpu", ON_CPU, []), ("npu", npu(devices=2), ["--devices", "0,1"])):
        command = [str(SCRIPT), *SMALL, f"device={place}", f"output_dir={tmp_path / place}"]
        launch(tmp_path, *cards, *command, "TRAIN.batch_size=2", "TRAIN.epochs=1", environment=environment)
        latest = f"TRAIN.checkpoint_path={tmp_path / place}/checkpoints/latest"
        run(environment, *command, "TRAIN.batch_size=4", latest)
    (found, state), (expected, _) = (checkpoint(tmp_path / place) for place in ("npu", "cpu"))
    assert state["iteration"] == 6
    assert state["data"] == {"critic": [1, 24]}
    assert_equal(found, expected)
    assert all(np.isfinite(value).all() for value in found.values())
    assert len(list((tmp_path / "npu" / "histograms").iterdir())) == 2


@pytest.mark.parametrize("settings", [["amp_dtype=bfloat16"], ["amp_dtype=float16", "amp_level=O2"]])
def test_mixed_precision_trains_and_draws_its_histograms(npu, tmp_path, settings):
    run(npu(), SCRIPT, *SMALL, f"output_dir={tmp_path}/out", "TRAIN.epochs=1", "use_amp=true", *settings)
    tensors, state = checkpoint(tmp_path / "out")
    assert state["iteration"] == 3
    assert all(np.isfinite(value).all() for value in tensors.values())
    assert (tmp_path / "out" / "histograms" / "epoch_00001.png").is_file()
