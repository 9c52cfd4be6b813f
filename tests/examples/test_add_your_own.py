"""The example that docs/add_your_own.md walks through works, as a reader would build it from the page."""

import json
import os
import re
import shutil
import subprocess
import sys

import pytest
import warm

from ppsci_gan import weights
from ppsci_gan.files import REPOSITORY

FILE = re.compile(r'^```\w+ title="([^"]+)"\n(.*?)^```$', flags=re.MULTILINE | re.DOTALL)
SCRIPT, CONF = "examples/cgan/cgan.py", "conf/cgan.yaml"
TINY = [
    "device=cpu",
    "log_freq=1",
    "MODEL.gen_net.dim=8",
    "MODEL.dis_net.dim=8",
    "TRAIN.epochs=2",
    "TRAIN.iters_per_epoch=2",
    "TRAIN.batch_size=4",
    "TRAIN.sample_freq=2",
    "TRAIN.num_eval_samples=12",
    "EVAL.num_samples=12",
    "EVAL.scores=[score,frechet_distance,sliced_wasserstein]",
    "EVAL.num_images=4",
    "EVAL.splits=2",
    "EVAL.subset_size=4",
    "INFER.num_images=5",
    "VIS.num_images=9",
]


@pytest.fixture(scope="module")
def files():
    """The files on the page: contents by path."""
    return dict(FILE.findall((REPOSITORY / "docs" / "add_your_own.md").read_text(encoding="utf-8")))


@pytest.fixture(scope="module")
def house(tmp_path_factory, files):
    """A copy of what the example needs of the repository, with the example."""
    folder = tmp_path_factory.mktemp("house")
    for name in ("conf", "ppsci_gan"):
        shutil.copytree(REPOSITORY / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    (folder / "pretrained").symlink_to(REPOSITORY / "pretrained")
    for name, text in files.items():
        assert not (folder / name).exists(), f"{name} is in the repository already"
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def run(house, data):
    """``run(*arguments)`` starts the script, and returns what has run; it must end well, or with ``code``."""
    environment = {**os.environ, "PYTHONPATH": str(house)}

    def start(*arguments, code=0):
        python = warm.python(environment)
        command = [python, SCRIPT, *arguments]
        done = subprocess.run(command, cwd=house, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == code, done.stderr
        return done

    return start


@pytest.fixture(scope="module")
def trained(run, house, data):
    run(*TINY, f"DATA.data_path={data['mnist']}", "output_dir=trained")
    return house / "trained"


def test_the_example_is_two_files(files):
    assert set(files) == {SCRIPT, CONF}
    assert len(files[SCRIPT].splitlines()) < 200


def test_the_script_is_in_the_repositorys_style(house):
    for check in (["check"], ["format", "--check"]):
        command = [
            sys.executable,
            "-m",
            "ruff",
            *check,
            "--no-cache",
            "--config",
            REPOSITORY / "pyproject.toml",
            SCRIPT,
        ]
        done = subprocess.run(command, cwd=house, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout


def test_it_trains(trained):
    rows = [json.loads(line) for line in (trained / "scalars.jsonl").read_text().splitlines()]
    assert [row["iteration"] for row in rows if "generator/loss" in row] == [1, 2, 3, 4]
    assert [row["iteration"] for row in rows if "eval_raw/classifier.accuracy" in row] == [2, 4]
    _, state = weights.read_checkpoint(trained / "checkpoints" / "latest")
    assert state["networks"]["generator"]["class"] == "CganGenerator"
    assert len(list((trained / "samples").iterdir())) == 2


def test_it_goes_on(run, trained, data):
    more = ["TRAIN.epochs=3", f"TRAIN.checkpoint_path={trained}/checkpoints/latest", "output_dir=longer"]
    run(*TINY, f"DATA.data_path={data['mnist']}", *more)
    _, state = weights.read_checkpoint(trained.parent / "longer" / "checkpoints" / "latest")
    assert state["iteration"] == 6


@pytest.mark.parametrize("gradient", ["explicit", "autograd"])
def test_it_takes_a_gradient_penalty(run, data, gradient):
    loss = [
        "LOSS=wasserstein_gp",
        f"LOSS.penalty_gradient={gradient}",
        "TRAIN.epochs=1",
        "TRAIN.eval_during_train=false",
    ]
    done = run(*TINY, f"DATA.data_path={data['mnist']}", *loss, f"output_dir={gradient}")
    assert "critic/penalty" in done.stdout + done.stderr


def test_it_is_evaluated_exported_and_infers(run, trained, data):
    given = f"EVAL.pretrained_gen_model_path={trained}/checkpoints/latest"
    run("mode=eval", *TINY, f"DATA.data_path={data['mnist']}", given, "output_dir=evaluated")
    scores = json.loads((trained.parent / "evaluated" / "scores.json").read_text())
    assert {"classifier.accuracy", "classifier.frechet_distance", "pixels.sliced_wasserstein"} <= set(scores)
    for picture in ("samples.png", "classes.png", "nearest.png"):
        assert (trained.parent / "evaluated" / picture).is_file()
    run("mode=export", *TINY, given, "output_dir=exported")
    run("mode=infer", *TINY, "output_dir=inferred")
    assert len(list((trained.parent / "inferred" / "images").iterdir())) == 5


def test_help_explains_every_key_of_its_own(run):
    text = run("--help").stdout
    assert text.startswith("Conditional GAN on MNIST")
    own = [
        line for line in text.splitlines() if line.strip().startswith(("dim:", "n_critic:", "data_path:", "epochs:"))
    ]
    assert len(own) == 5
    assert all(" # " in line for line in own)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("TRAIN.epoch=3", "TRAIN.epoch: unknown key. Did you mean TRAIN.epochs?"),
        ("+MODEL.gen_net.dims=3", "MODEL.gen_net.dims: unknown key. Did you mean MODEL.gen_net.dim?"),
        ("MODEL.gen_net.dim=wide", "MODEL.gen_net.dim=wide: "),
        ("DATA.data_path=no/such", "DATA.data_path=no/such: no such file or folder"),
    ],
)
def test_what_is_wrong_is_told(run, given, message):
    done = run("device=cpu", given, "output_dir=wrong", code=2)
    assert f"Error: {message}" in done.stderr or f"\n  {message}" in done.stderr
    assert "Traceback" not in done.stderr
