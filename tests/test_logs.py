"""The log: no colours in pipes, no irrelevant notices, and a line at least every few seconds."""

import logging
import re
import subprocess
import sys
import time

import pytest
import warm
from ppsci.utils import logger

from ppsci_gan import logs

PLAIN = re.compile(r"\[[\d/]+ [\d:]+\] ppsci (INFO|MESSAGE|WARNING): .*")


@pytest.fixture
def lines(tmp_path):
    """``lines()`` are those of a log that is set up in a file."""
    own = logging.getLogger(logs.NAME)
    before, level = list(own.handlers), own.level
    logs.set_up(str(tmp_path / "train.log"), "info")
    yield lambda: (tmp_path / "train.log").read_text().splitlines()
    own.handlers[:] = before
    own.setLevel(level)


@pytest.mark.parametrize(
    "notice",
    [
        "Auto collation is disabled and set num_workers to 0 to speed up batch sampling.",
        "Using paddlepaddle 3.3.1 on device Place(cpu)",
        "Set to_static=False for computational optimization.",
        "Predicting batch 1/4",
        "[Eval][Epoch 1][Avg] fresh/loss: 0.00000, fresh/points.modes: 5.00000",
        "[Eval][Epoch 1/2][Iter 1/5] generated/loss: 0.00000, batch_cost: 0.05158s, ips: 1938.62, eta: 0:00:07",
    ],
)
def test_irrelevant_notices_are_left_out(lines, notice):
    logger.info(notice)
    logger.warning("Save the weights to go on.")
    (line,) = lines()
    assert line.endswith("ppsci WARNING: Save the weights to go on.")


def test_silence_is_broken_by_what_is_being_done(lines):
    with logs.never_silent(seconds=0.2):
        logger.info("[Eval][Iter 3/5] generated/loss: 0.00000, batch_cost: 0.05158s, ips: 1938.62, eta: 0:00:07")
        time.sleep(0.5)
        assert all("evaluating: batch 3 of 5, eta 0:00:07 (" in line for line in lines())
        assert len(lines()) == 2
    time.sleep(0.3)
    assert len(lines()) == 2


def test_who_speaks_is_not_interrupted(lines):
    with logs.never_silent(seconds=0.5):
        for number in range(5):
            logger.info(f"line {number}")
            time.sleep(0.2)
    assert [line.split()[-1] for line in lines()] == list("01234")


def test_a_pipe_gets_no_colours_and_no_notices_of_paddle(tmp_path):
    code = (
        "from ppsci_gan import logs\n"
        "import paddle\n"
        "from ppsci.utils import logger\n"
        "logs.set_up()\n"
        "logger.message('a message'); logger.warning('a warning'); logger.info('a word')\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stderr == ""
    assert all(PLAIN.fullmatch(line) for line in done.stdout.splitlines()), done.stdout
    assert len(done.stdout.splitlines()) == 3


def test_a_command_ends_with_the_next_one(tmp_path):
    script = "examples/wgangp/wgangp_toy.py"
    command = [warm.python(), script, "preset=quick", "device=cpu", "seed=3", f"output_dir={tmp_path}"]
    command += ["TRAIN.epochs=1", "TRAIN.iters_per_epoch=2", "MODEL.gen_net.dim=8", "MODEL.dis_net.dim=8"]
    command += ["TRAIN.batch_size=8", "DATA.num_samples=100", "EVAL.num_samples=50"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "\033" not in done.stdout
    evaluations = [line for line in done.stdout.splitlines() if "[Eval]" in line]
    assert len(evaluations) == 1
    assert re.search(r"points.mode_distance: raw [\d.]+ \(best so far\), averaged [\d.]+", evaluations[0])
    following = done.stdout.splitlines()[-1].partition("Next: python ")[2].split()
    assert following[0] == script
    assert "mode=eval" in following
    assert "preset=quick" in following
    assert f"EVAL.pretrained_gen_model_path={tmp_path}/checkpoints/best_averaged" in following
    again = subprocess.run([warm.python(), *following, f"output_dir={tmp_path}/scored"], capture_output=True, text=True)
    assert again.returncode == 0, again.stdout + again.stderr
    table = again.stdout[again.stdout.index("score  ") :]
    assert table.count("samples 50") == 1  # the protocol
