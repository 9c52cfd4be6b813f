"""The users' own commands: ``mode=eval`` and nothing else, on a clone without data."""

import json
import os
import subprocess

import pytest
import warm
from PIL import Image

from ppsci_gan.files import REPOSITORY

COMMANDS = {
    "wgangp/wgangp_toy.py mode=eval": {"points.modes", "points.sliced_wasserstein"},
    "wgangp/wgangp_mnist.py mode=eval": {"classifier.score", "pixels.ms_ssim"},
    "wgangp/wgangp_cifar10.py mode=eval": {"classifier.score", "classifier.accuracy", "pixels.ms_ssim"},
    "dcgan/dcgan.py mode=eval": {"pixels.sliced_wasserstein", "pixels.ms_ssim"},
    "dcgan/dcgan.py preset=mnist mode=eval": {"classifier.score", "classifier.accuracy", "pixels.ms_ssim"},
    "pgan/pgan.py mode=eval": {"pixels.sliced_wasserstein", "pixels.ms_ssim"},
    "transfergan/transfergan.py mode=eval": {"pixels.ms_ssim"},
}


@pytest.mark.parametrize("command", COMMANDS)
def test_evaluation_needs_no_arguments(tmp_path, command):
    script, *arguments = command.split()
    if "toy" not in script:
        arguments.append("EVAL.num_samples=200")  # in place of 10,000, which take minutes: all that differs
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [warm.python(environment), str(REPOSITORY / "examples" / script), *arguments],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=250,
    )
    assert done.returncode == 0, done.stderr
    (scores,) = tmp_path.rglob("scores.json")
    found = json.loads(scores.read_text())
    assert COMMANDS[command] <= set(found)
    assert all(name in done.stdout for name in found)
    if "real" not in next(iter(found.values())):
        assert "Without real images (DATA.data_path" in done.stdout
    with Image.open(scores.with_name("samples.png")) as picture:
        assert min(picture.size) > 200
        low, high = picture.convert("L").getextrema()
        assert high - low > 50
