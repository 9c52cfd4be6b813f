"""A small part of ``make soak``: a training that is killed at a time, in a step of writing, and within a write."""

import os
import re
import subprocess

import warm

from ppsci_gan.files import REPOSITORY


def test_a_training_that_is_killed_ends_as_if_left_alone():
    program = [warm.python(), str(REPOSITORY / "soak" / "kills.py"), "--only", "toy", "--ranks", "1", "--jobs", "1"]
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    done = subprocess.run(
        [*program, "--kills", "3"], capture_output=True, text=True, timeout=300, env=environment, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"^3 kills: .*; 0 failures$", done.stdout, re.MULTILINE), done.stdout
    assert int(re.search(r"(\d+) runs ended as if left alone", done.stdout)[1]) > 0
