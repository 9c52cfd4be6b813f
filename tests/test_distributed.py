"""Two ranks with halves of a batch do what one does with the whole."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

RANKS = Path(__file__).parent / "ranks"


def launch(folder, *command, ranks=2, environment=None, code=0, timeout=120):
    """Run a script on ranks of this machine and return what they printed."""
    command = [sys.executable, "-m", "paddle.distributed.launch", "--log_dir", str(folder / "log"), *command]
    if "--devices" not in command:
        command[5:5] = ["--nproc_per_node", str(ranks)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", **(environment or {})}
    done = subprocess.run(
        command, env=environment, cwd=folder, capture_output=True, text=True, timeout=timeout, check=False
    )
    logs = "\n".join(file.read_text(errors="replace") for file in sorted((folder / "log").glob("workerlog.*")))
    assert done.returncode == code, f"{done.stdout}\n{done.stderr}\n{logs}"
    return logs


@pytest.fixture(scope="module")
def gradients(tmp_path_factory):
    folder = tmp_path_factory.mktemp("ranks")
    script = str(RANKS / "updates.py")
    subprocess.run([sys.executable, script, str(folder / "one.npz")], check=True)
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
