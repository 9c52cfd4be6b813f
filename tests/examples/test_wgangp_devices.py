"""The WGAN-GP examples on a stand-in Ascend card, and on two ranks of them: as on the CPU."""

import json
import os
import re
import shutil
import subprocess

import numpy as np
import paddle
import pytest
import warm
from ranks import RANKS
from ranks import launch

from ppsci_gan import weights
from ppsci_gan.files import REPOSITORY

NAMES = ["toy", "mnist", "cifar10"]
ON_CPU = {**os.environ, "OMP_NUM_THREADS": "1"}
SCRIPT = str(RANKS / "examples.py")
EXPLICIT = "LOSS.penalty_gradient=explicit"  # what the card chooses by itself


def run(environment, *arguments, code=0):
    """Run a Python program in a process of its own and return what it printed."""
    command = [warm.python(environment), *map(str, arguments)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=200, check=False)
    assert done.returncode == code, done.stdout[-2000:] + done.stderr[-5000:]
    return done.stdout + done.stderr


def checkpoint(folder):
    """Return the tensors of a run's latest checkpoint and its state."""
    return weights.read_checkpoint(folder / "checkpoints" / "latest")


def assert_equal(found, expected):
    """Compare bit by bit: the card's kernels are the CPU's."""
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        np.testing.assert_array_equal(found[name], value, err_msg=name)


@pytest.fixture(scope="module")
def folder_of_data(data):
    return data["mnist"].parent


@pytest.fixture(scope="module")
def trained(folder_of_data, npu, tmp_path_factory):
    """Two epochs of every example, the second after a stop, evaluated and exported; by device."""
    folder = tmp_path_factory.mktemp("trained")
    for place, environment, given in (("cpu", ON_CPU, [EXPLICIT]), ("npu", npu(), [])):
        steps = ["train=1", "train=2", "evaluate", "export"]
        output = run(environment, SCRIPT, folder_of_data, folder / place, place, *steps, *given)
        (folder / f"{place}.log").write_text(output)
    return folder


@pytest.mark.parametrize("name", NAMES)
def test_training_and_going_on_is_as_on_the_cpu(trained, name):
    (found, state), (expected, _) = (checkpoint(trained / place / name) for place in ("npu", "cpu"))
    assert state["iteration"] == 4
    assert_equal(found, expected)
    assert "penalty_gradient=auto: explicit" in (trained / "npu.log").read_text()


@pytest.mark.parametrize("name", NAMES)
def test_scores_are_those_of_the_cpu(trained, name):
    found, expected = (json.loads((trained / place / name / "scores.json").read_text()) for place in ("npu", "cpu"))
    assert found == expected


@pytest.mark.parametrize("name", NAMES)
def test_what_was_exported_there_runs_on_the_cpu(trained, name):
    size = 2 if name == "toy" else 128
    noise = paddle.to_tensor(np.random.default_rng(0).standard_normal((3, size)).astype("float32"))
    inputs = [paddle.arange(3), noise] if name == "cifar10" else [noise]  # in the order of their names
    found, expected = (
        paddle.jit.load(str(trained / place / name / "exported"))(*inputs)[0] for place in ("npu", "cpu")
    )
    np.testing.assert_array_equal(found.numpy(), expected.numpy())


@pytest.fixture(scope="module")
def on_ranks(folder_of_data, npu, tmp_path_factory):
    """One epoch on one rank, the second on two, the third on one again; by device."""
    folder = tmp_path_factory.mktemp("on_ranks")
    cards = ["--devices", "0,1"]
    for place, environment, launched, given in (("cpu", ON_CPU, [], [EXPLICIT]), ("npu", npu(devices=2), cards, [])):
        arguments = [SCRIPT, str(folder_of_data), str(folder / place), place]
        run(environment, *arguments, "train=1", *given)
        launch(folder, *launched, *arguments, "train=2", *given, environment=environment)
        run(environment, *arguments, "train=3", *given)
    return folder


@pytest.mark.parametrize("place", ["cpu", "npu"])
@pytest.mark.parametrize("name", NAMES)
def test_from_one_rank_to_two_and_back(on_ranks, place, name):
    tensors, state = checkpoint(on_ranks / place / name)
    assert state["iteration"] == 6
    batch, samples = {"toy": (8, 64), "mnist": (4, 20), "cifar10": (4, 40)}[name]
    # Two iterations of two critic updates each: of one rank, of two, of one. A pass ends where no step fits.
    position = [0, 0]
    for step in [batch] * 4 + [2 * batch] * 4 + [batch] * 4:
        if position[1] + step > samples:
            position = [position[0] + 1, 0]
        position[1] += step
    assert state["data"] == {"critic": position}
    assert all(np.isfinite(value).all() for value in tensors.values())
    lines = (on_ranks / place / name / "scalars.jsonl").read_text().splitlines()
    assert [row["iteration"] for row in map(json.loads, lines) if "critic/loss" in row] == [1, 2, 3, 4, 5, 6]


@pytest.mark.parametrize("name", NAMES)
def test_two_ranks_of_cards_do_what_two_ranks_on_the_cpu_do(on_ranks, name):
    (found, _), (expected, _) = (checkpoint(on_ranks / place / name) for place in ("npu", "cpu"))
    assert_equal(found, expected)


def test_two_ranks_share_an_evaluation(trained, folder_of_data):
    """And come to the same scores as one."""
    expected = {name: json.loads((trained / "cpu" / name / "scores.json").read_text()) for name in NAMES}
    launch(trained, SCRIPT, str(folder_of_data), str(trained / "cpu"), "cpu", "evaluate")
    for name in NAMES:
        assert json.loads((trained / "cpu" / name / "scores.json").read_text()) == expected[name]


MNIST = str(REPOSITORY / "examples" / "wgangp" / "wgangp_mnist.py")
SMALL = ["MODEL.gen_net.dim=4", "MODEL.dis_net.dim=4", "TRAIN.batch_size=4", "TRAIN.n_critic=2"]
SMALL += [
    "TRAIN.epochs=1",
    "TRAIN.iters_per_epoch=8",
    "log_freq=1",
    "TRAIN.eval_during_train=false",
    "VIS.num_images=4",
]


@pytest.fixture
def command(data, tmp_path):
    return [MNIST, *SMALL, f"DATA.data_path={data['mnist']}", f"output_dir={tmp_path}/out"]


def scalars(folder):
    rows = [json.loads(line) for line in (folder / "out" / "scalars.jsonl").read_text().splitlines()]
    return [row for row in rows if "critic/loss" in row]


def test_mixed_precision_follows_float32_and_skips_what_overflows(npu, command, tmp_path):
    log = run(npu(), *command)
    assert "device=auto: running on npu:0, the first of npu (1 here)" in log
    expected = scalars(tmp_path)
    # float16: the scale that Paddle starts from is too much for these gradients, so that some updates are skipped.
    for settings, tolerance, skips in (
        (["amp_dtype=bfloat16"], 0.1, False),
        (["amp_dtype=float16", "amp_level=O2", "TRAIN.ema.use_ema=true"], 0.2, True),
    ):
        shutil.rmtree(tmp_path / "out")
        run(npu(), *command, "use_amp=true", *settings)
        found = scalars(tmp_path)
        assert len(found) == len(expected)
        for row, wanted in zip(found, expected):
            assert row["critic/penalty"] == pytest.approx(wanted["critic/penalty"], rel=tolerance)
        skipped = [row.get("critic/skipped", 0) for row in found]
        assert (skipped[-1] > 0) == skips
        if skips:
            assert found[-1]["critic/loss_scale"] == 2.0**15 / 2 ** skipped[-1]


def test_mixed_precision_goes_on_bit_by_bit(npu, command, tmp_path):
    precision = ["use_amp=true", "amp_level=O2", "TRAIN.ema.use_ema=true", "TRAIN.iters_per_epoch=3"]
    run(npu(), *command, *precision, "TRAIN.epochs=2")
    expected, state = weights.read_checkpoint(tmp_path / "out" / "checkpoints" / "latest")
    shutil.rmtree(tmp_path / "out")
    run(npu(), *command, *precision)
    resume = f"TRAIN.checkpoint_path={tmp_path}/out/checkpoints/latest"
    run(npu(), *command, *precision, "TRAIN.epochs=2", resume)
    found, resumed = weights.read_checkpoint(tmp_path / "out" / "checkpoints" / "latest")
    assert resumed["scalers"] == state["scalers"]
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        assert value.dtype != np.float16, name
        np.testing.assert_array_equal(found[name], value, err_msg=name)


def test_what_the_card_cannot_do_is_named_before_training(npu, command, tmp_path):
    log = run(npu(), *command, "use_amp=true", "LOSS.penalty_gradient=autograd", code=2)
    assert "npu:0 cannot train this in float16, O1: it has no conv2d_double_grad. LOSS.penalty_gradient=explicit" in log
    assert not (tmp_path / "out" / "checkpoints").exists()


def test_missing_memory_says_where_and_what_to_change(npu, command):
    log = run(npu(memory=20), *command, "MODEL.gen_net.dim=64", "TRAIN.batch_size=20", code=2)
    assert re.search(r"Error: Out of memory on npu:0, phase (critic|generator), with \d+ MB in use before", log)
    assert re.search(r"In \w+\.py, line \d+: \w", log)
    assert "Make TRAIN.batch_size smaller (TRAIN.update_freq=k" in log
    log = run(npu(memory=10), *command, "MODEL.gen_net.dim=96", code=2)
    assert "Error: Out of memory on npu:0, while setting up" in log


def test_a_card_that_is_not_there_is_no_reason_to_take_the_cpu(npu, command):
    log = run(npu(devices=2), *command, "device=npu:2", code=2)
    assert "device=npu:2: npu:2 is not available, only 2 here." in log


def test_report_of_the_device(npu):
    report = run(npu(devices=2), "-m", "ppsci_gan.commands.device")
    assert "npu: 2" in report
    assert "On npu:0:" in report
    rows = {line.split()[0]: line.split()[1:] for line in report.splitlines() if line.startswith(("conv2d ", "tanh "))}
    assert rows["conv2d"][:3] == ["ok", "ok", "ok*"]  # the double gradient is left to the CPU
    assert float(rows["conv2d"][3]) < 1e-5
    assert rows["tanh"][2] == "-"
    assert "gradient penalty: explicit, as there is no conv2d_double_grad" in report


HOPELESS = """
import paddle
from ppsci_gan.devices import device
from ppsci_gan.cli import explain_errors
from ppsci_gan.training.precision import Precision

def train():
    device.select("npu")
    layer = paddle.nn.Linear(2, 1)
    optimizer = paddle.optimizer.SGD(0.1, parameters=layer.parameters())
    scaler = Precision(True).scaler()
    for _ in range(30):
        with paddle.amp.auto_cast(dtype="float16"):
            scaler.backward(layer(paddle.full([1, 2], float("inf"))).sum())
        scaler.step(optimizer)
        optimizer.clear_grad()

explain_errors(train)()
"""


def test_gradients_that_overflow_at_any_scale_end_the_training(npu):
    assert "Error: The gradients overflow float16 at any scale." in run(npu(), "-c", HOPELESS, code=2)


def test_two_cards_in_half_precision_draw_and_save_in_float32(npu, command, tmp_path):
    half = ["use_amp=true", "amp_level=O2", "TRAIN.update_freq=2", "TRAIN.sample_freq=8", "device=npu"]
    launch(tmp_path, "--devices", "0,1", *command, *half, environment=npu(devices=2))
    tensors, state = checkpoint(tmp_path / "out")
    assert state["iteration"] == 8
    assert {value.dtype for name, value in tensors.items() if name.startswith("generator/")} == {np.dtype("float32")}
    assert (tmp_path / "out" / "samples" / "0000008.png").is_file()
