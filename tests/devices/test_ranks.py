"""Two ranks with halves of a batch do what one does with the whole."""

import os
import re
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import warm
from ranks import RANKS
from ranks import launch

from ppsci_gan import weights
from ppsci_gan.files import REPOSITORY


@pytest.fixture(scope="module")
def gradients(tmp_path_factory):
    folder = tmp_path_factory.mktemp("ranks")
    script = str(RANKS / "updates.py")
    subprocess.run([warm.python(), script, str(folder / "one.npz")], check=True)
    launch(folder, script, str(folder / "two.npz"))
    return dict(np.load(folder / "one.npz")), dict(np.load(folder / "two.npz"))


def test_gradients_and_statistics_of_two_ranks_are_those_of_one(gradients):
    one, two = gradients
    assert one.keys() == two.keys()
    assert len(one) > 100
    players = {key.split("/")[0] for key in one}
    for player in players:
        keys = [key for key in one if key.startswith(f"{player}/")]
        largest = max(np.abs(one[key]).max() for key in keys)
        worst = max(np.abs(one[key] - two[key]).max() for key in keys)
        assert worst <= 1e-9 * largest, player


TOY = str(REPOSITORY / "examples" / "wgangp" / "wgangp_toy.py")
ENDLESS = ["MODEL.gen_net.dim=8", "MODEL.dis_net.dim=8", "TRAIN.batch_size=8", "TRAIN.epochs=100000", "device=cpu"]
ENDLESS += ["TRAIN.iters_per_epoch=20", "TRAIN.eval_during_train=false", "TRAIN.sample_freq=0", "log_freq=20"]


@pytest.fixture
def training(tmp_path):
    """A training on two ranks, under way, and the process numbers of the ranks."""
    log = tmp_path / "log"
    command = [sys.executable, "-m", "paddle.distributed.launch", "--nproc_per_node", "2", "--log_dir", str(log), TOY]
    # The time in the folder's name differs between the ranks.
    command += [*ENDLESS, f"output_dir={tmp_path}/${{now:%H-%M-%S-%f}}"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    launcher = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    until = time.monotonic() + 60
    while not list(tmp_path.glob("*/scalars.jsonl")):
        assert launcher.poll() is None, launcher.communicate()[0]
        assert time.monotonic() < until
        time.sleep(0.2)
    ranks = Path(f"/proc/{launcher.pid}/task/{launcher.pid}/children").read_text().split()
    yield launcher, [int(rank) for rank in ranks], tmp_path
    launcher.kill()


def log_of(folder, rank):
    return (folder / "log" / f"workerlog.{rank}").read_text()


@pytest.mark.parametrize(
    ("number", "state"), [(signal.SIGKILL, "has ended or was killed"), (signal.SIGSTOP, "is stopped")]
)
def test_a_rank_that_fails_ends_the_others_with_a_message_that_names_it(training, number, state):
    launcher, ranks, folder = training
    os.kill(ranks[1], number)
    launcher.communicate(timeout=60)
    assert launcher.returncode != 0
    assert f"Error: rank 1 (process {ranks[1]}) {state} (" in log_of(folder, 0)
    assert not any(Path(f"/proc/{rank}/cmdline").exists() for rank in ranks)


def test_ctrl_c_stops_all_ranks_after_the_same_iteration(training):
    launcher, ranks, folder = training
    launcher.send_signal(signal.SIGINT)
    launcher.communicate(timeout=60)
    until = time.monotonic() + 30
    while any(Path(f"/proc/{rank}/cmdline").exists() for rank in ranks):
        assert time.monotonic() < until
        time.sleep(0.2)
    stopped = re.search(r"Stopped after iteration (\d+)", log_of(folder, 0))
    assert stopped
    [checkpoint] = folder.glob("*/checkpoints/latest.safetensors")  # one folder, for both
    _, state = weights.read_checkpoint(checkpoint)
    assert state["iteration"] == int(stopped[1])
    assert state["data"]["critic"][1] > 0


def test_two_launchers_train_as_one(tmp_path):
    """As on two machines, each with a launcher of its own; here both are this one."""
    small = [*ENDLESS, "TRAIN.epochs=1", "TRAIN.iters_per_epoch=4", "DATA.num_samples=64"]
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    launchers = []
    for number in range(2):
        command = [warm.python(environment), "-m", "paddle.distributed.launch", "--master", f"127.0.0.1:{port}"]
        command += ["--nnodes", "2", "--nproc_per_node", "1", "--log_dir", str(tmp_path / f"log{number}"), TOY]
        launchers.append(subprocess.Popen([*command, *small, f"output_dir={tmp_path}/two"], env=environment))
    assert [launcher.wait(timeout=100) for launcher in launchers] == [0, 0]
    launch(tmp_path, TOY, *small, f"output_dir={tmp_path}/one")
    one, two = (weights.read_checkpoint(tmp_path / name / "checkpoints" / "latest")[0] for name in ("one", "two"))
    assert one.keys() == two.keys()
    assert all(np.array_equal(one[name], two[name]) for name in one)
