"""PGAN's growth on a stand-in Ascend card and on two ranks, and what does not fit into its memory."""

import json

import numpy as np
import pytest
from examples.test_pgan_scripts import SCRIPT
from examples.test_pgan_scripts import TINY
from examples.test_pgan_scripts import stages
from examples.test_wgangp_devices import ON_CPU
from examples.test_wgangp_devices import assert_equal
from examples.test_wgangp_devices import checkpoint
from examples.test_wgangp_devices import run
from ranks import RANKS
from ranks import launch

STEPS = RANKS / "steps.py"
EXPLICIT = "LOSS.penalty_gradient=explicit"  # what the card chooses by itself
LABELS = ["MODEL.gen_net.use_label=true", "MODEL.gen_net.label_num=5"]
SMALL = [setting for setting in TINY if not setting.startswith(("TRAIN.stages", "device"))] + LABELS
SMALL += ["TRAIN.update_freq=2", "TRAIN.sample_freq=2", "CPU.convolution=paddle"]  # compared bit by bit
# By images: 8 an iteration on one rank, 16 on two.
BEGIN, MIDDLE, END = (4, 0, 16), (8, 16, 0), (8, 32, 32)


def separated(steps):
    """The arguments of ``steps.py``."""
    return [argument for step in steps for argument in ("--", *step)]


@pytest.fixture(scope="module")
def grown(npu, tmp_path_factory):
    """A run that stopped within a fade-in, on the CPU and on the card."""
    folder = tmp_path_factory.mktemp("grown")
    for place, environment, given in (("cpu", ON_CPU, [EXPLICIT]), ("npu", npu(), [])):
        out = folder / place
        command = [*SMALL, f"device={place}", f"output_dir={out}", "TRAIN.eval_during_train=true", *given]
        latest = f"{out}/checkpoints/latest"
        use = [*command, f"EVAL.pretrained_gen_model_path={latest}", f"INFER.export_path={out}/exported"]
        steps = [
            [*command, stages(BEGIN, MIDDLE)],
            [*command, stages(BEGIN, END), f"TRAIN.checkpoint_path={latest}"],
            [*use, "mode=eval", "EVAL.scores=[sliced_wasserstein]"],
            [*use, "mode=export"],
        ]
        run(environment, STEPS, "pgan", "pgan", *separated(steps))
    return folder


def test_growth_on_the_card_is_that_on_the_cpu(grown):
    (found, state), (expected, _) = (checkpoint(grown / place) for place in ("npu", "cpu"))
    assert state["iteration"] == 2 + 8
    assert_equal(found, expected)


def test_scores_and_pictures_of_the_card_are_those_of_the_cpu(grown):
    found, expected = (json.loads((grown / place / "scores.json").read_text()) for place in ("npu", "cpu"))
    assert found == expected
    for picture in ("samples.png", "walk.gif", "images/00003.png", "growth.png"):
        assert (grown / "npu" / picture).read_bytes() == (grown / "cpu" / picture).read_bytes()


@pytest.fixture(scope="module")
def on_ranks(npu, tmp_path_factory):
    """One rank for four pixels, two from the first images of eight on, one for the rest; by device."""
    folder = tmp_path_factory.mktemp("on_ranks")
    cards = ["--devices", "0,1"]
    for place, environment, launched, given in (("cpu", ON_CPU, [], [EXPLICIT]), ("npu", npu(devices=2), cards, [])):
        out = folder / place
        command = [str(SCRIPT), *SMALL, f"device={place}", f"output_dir={out}", *given]
        latest = f"TRAIN.checkpoint_path={out}/checkpoints/latest"
        run(environment, *command, stages(BEGIN))
        launch(folder, *launched, *command, stages(BEGIN, (8, 32, 0)), latest, environment=environment)
        run(environment, *command, stages(BEGIN, END), latest)
    return folder


@pytest.mark.parametrize("place", ["cpu", "npu"])
def test_ranks_may_change_within_a_stage(on_ranks, place):
    tensors, state = checkpoint(on_ranks / place)
    # 32 images at eight pixels are two iterations of two ranks, which count as four of the one that goes on.
    assert state["iteration"] == 2 + 4 + 4
    assert state["stage"] == {"index": 1, "name": "8x8", "images": 64}
    # 16, 32 and 32 images of batches of 4, 8 and 4 from 24.
    position = [0, 0]
    for step in [4] * 4 + [8] * 4 + [4] * 8:
        if position[1] + step > 24:
            position = [position[0] + 1, 0]
        position[1] += step
    assert state["data"] == {"critic": position}
    assert all(np.isfinite(value).all() for value in tensors.values())
    np.testing.assert_array_equal(tensors["generator/growth"], [1, 2**20])


def test_two_ranks_of_cards_grow_as_two_on_the_cpu(on_ranks):
    (found, _), (expected, _) = (checkpoint(on_ranks / place) for place in ("npu", "cpu"))
    assert_equal(found, expected)


def test_a_stage_that_does_not_fit_is_named_before_the_first_iteration(npu, tmp_path):
    large = "{resolution:16,fade_images:0,stable_images:8,batch_size:64,learning_rate:0.01}"
    plan = stages((4, 0, 16), (8, 0, 16))[:-1] + f",{large}]"
    settings = ["MODEL.gen_net.depths=[32,32,32]", "MODEL.gen_net.use_label=false", "DATA.num_samples=64"]
    log = run(npu(memory=16), SCRIPT, *SMALL, *settings, f"output_dir={tmp_path}/out", plan, code=2)
    assert "Error: Out of memory on npu:0, stage 16x16, phase critic, with " in log
    assert "Make batch_size of this stage in TRAIN.stages smaller" in log
    assert not (tmp_path / "out" / "checkpoints").exists()
    run(npu(memory=16), SCRIPT, *SMALL, *settings, f"output_dir={tmp_path}/out", plan.replace("64,", "4,"))


def test_mixed_precision_grows(npu, tmp_path):
    rows = {}
    for name, given in (
        ("float32", []),
        ("bfloat16", ["use_amp=true", "amp_dtype=bfloat16"]),
        ("float16", ["use_amp=true", "amp_level=O2"]),
    ):
        out = tmp_path / name
        run(npu(), SCRIPT, *SMALL, f"output_dir={out}", stages(BEGIN, (8, 16, 0)), *given)
        lines = (out / "scalars.jsonl").read_text().splitlines()
        rows[name] = [row["critic/penalty"] for row in map(json.loads, lines) if "critic/penalty" in row]
        assert (out / "growth.png").is_file()
    assert len(rows["float32"]) == 4
    np.testing.assert_allclose(rows["bfloat16"][0], rows["float32"][0], rtol=0.05)
    np.testing.assert_allclose(rows["float16"][0], rows["float32"][0], rtol=0.05)
    assert all(np.isfinite(values).all() for values in rows.values())
