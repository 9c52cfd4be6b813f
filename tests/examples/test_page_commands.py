"""Every command on every page: run, shrunk, in the order of the page, or listed here with the reason why not."""

import gzip
import os
import pickle
import re
import shlex
import subprocess

import numpy as np
import pytest
import warm

from ppsci_gan import plots
from ppsci_gan.files import REPOSITORY

BLOCK = re.compile(r"^( *)```sh\n(.*?)^\1```$", flags=re.MULTILINE | re.DOTALL)
TRAININGS = "docs/results.md"  # how the shipped weights were trained, in hours; test_plain_evaluation.py evaluates them
PAGES = sorted(
    page.relative_to(REPOSITORY).as_posix()
    for page in [REPOSITORY / "README.md", *REPOSITORY.joinpath("docs").rglob("*.md")]
    if not page.name.endswith(".zh.md")
    and page != REPOSITORY / TRAININGS
    and "```sh" in page.read_text(encoding="utf-8")
)
NOT_RUN = {
    r"^(make|git|docker|export) ": "the machine's; CI runs the targets of make",
    r"^python - <<": "the lines that follow make pictures, which the tests have already",
    r" -m pip |^pip |^python -m venv|^\.venv\\Scripts": "installs",
    r"^ppsci-gan ": "tests/commands and tests/test_packaging.py",
    r" resume=": "tests/training/test_resuming.py",
    r"device=(npu|gpu)|commands\.device npu|get_available_custom": "not here; tests/devices has a stand-in",
    r"distributed\.launch": "tests/examples/test_*_devices.py start ranks",
    r"=https?://": "downloads; tests/weights/test_download.py has a server of its own",
    r"pt_inception|inception\.safetensors|--inception": "Inception's weights are not shipped",
    r" -m pytest ": "tests that run anyway",
    r"examples/cgan/": "tests/examples/test_add_your_own.py",
    r"commands\.score score|commands\.score self-test": "tests/commands/test_score.py",
    r"train-classifier": "tests/features/test_train_classifier.py",
    r"study\.py": "36 trainings; tests/examples/test_transfergan_scripts.py has two",
    r"stages=\[.*\.\.\.": "its dots stand for stages of the reader's own",
    r"TRANSFER\.load=none TRANSFER|<source run>|DATA\.data_path=data/many_pictures": "a source of the reader's own",
    r"img_align_celeba|data/celeba": "a data set of gigabytes; the same commands run for pictures/",
    r"data/cifar10|prepare cifar10 ": "the pictures that the lines before them write",
    r"fine-tuning|use_label=false": "tests/weights/test_transfer.py",
    r"^python \S+(?<!toy\.py)( preset=mnist)? mode=eval$": "tests/examples/test_plain_evaluation.py",
    r"wgangp_toy\.py -m ": "three trainings; tests/examples/test_wgangp_scripts.py",
}
SMALL_SCORES = ["EVAL.num_samples=40", "EVAL.batch_size=4", "EVAL.num_images=4", "EVAL.splits=2", "EVAL.subset_size=4"]
SMALL = {
    "train": [
        "log_freq=1",
        "TRAIN.epochs=1",
        "TRAIN.iters_per_epoch=2",
        "TRAIN.batch_size=4",
        "TRAIN.num_eval_samples=8",
        *SMALL_SCORES,
        "VIS.num_images=4",
    ],
    "eval": [*SMALL_SCORES, "VIS.num_images=4"],
    "export": [],
    "infer": ["INFER.num_images=4", "INFER.batch_size=4"],
}
SMALL_NETWORKS = {
    "wgangp_toy": ["MODEL.gen_net.dim=8", "MODEL.dis_net.dim=8", "DATA.num_samples=64"],
    "wgangp_mnist": ["MODEL.gen_net.dim=2", "MODEL.dis_net.dim=2"],
    "wgangp_cifar10": ["MODEL.gen_net.dim=2", "MODEL.dis_net.dim=2"],
    "dcgan": ["DATA.num_samples=24", "TRAIN.n_gen=1"],
    "pgan": [
        "DATA.num_samples=24",
        "MODEL.gen_net.depths=[4,4,4,4]",
        "TRAIN.stages=["
        + ",".join(
            f"{{resolution:{edge},fade_images:{0 if edge == 4 else 4},stable_images:4,batch_size:4,learning_rate:1e-3}}"
            for edge in (4, 8, 16, 32)
        )
        + "]",
    ],
    "transfergan": ["TRAIN.n_critic=1", "DATA.num_images=6"],
}
DCGAN_DEPTHS = {"preset=mnist": "[4,4]", "preset=quick": "[4,4,4]", "preset=cifar10": "[4,4,4]", "": "[4,4,4,4]"}
ONLY_IMAGES = ("EVAL.batch_size", "EVAL.num_images", "EVAL.splits", "EVAL.subset_size", "TRAIN.num_eval_samples")


def read_commands(page):
    """The commands of a page: without comments, with continued lines joined."""
    text = (REPOSITORY / page).read_text(encoding="utf-8")
    found = []
    for indent, block in BLOCK.findall(text):
        lines = re.sub(r"\\\n\s*", "", re.sub(f"^{indent}", "", block, flags=re.MULTILINE)).splitlines()
        end = None
        for line in lines:
            line = line if end else re.sub(r"(^|\s+)#.*$", "", line).strip().removeprefix(".venv/bin/")
            here = re.search(r"<<'(\w+)'$", line)
            if end is None and line:
                found.append(line)
            end = here[1] if here else None if line == end else end
    return found


def test_the_chinese_pages_have_the_same_commands():
    for page in PAGES:
        other = page.replace("README.md", "README_zh.md") if page == "README.md" else page.removesuffix("md") + "zh.md"
        if (REPOSITORY / other).exists() and "add_your_own" not in page:  # which takes them from the English page
            assert read_commands(other) == read_commands(page), other


def test_every_reason_is_needed():
    commands = [command for page in PAGES for command in read_commands(page)]
    for pattern in NOT_RUN:
        assert any(re.search(pattern, command) for command in commands), pattern


@pytest.fixture(scope="module")
def folder(tmp_path_factory, data):
    """Where the commands are run: the repository's files, and the data that the pages name."""
    made = tmp_path_factory.mktemp("pages")
    for name in ("examples", "conf", "pretrained", "benchmarks", "ppsci_gan"):
        (made / name).symlink_to(REPOSITORY / name)
    rng = np.random.default_rng(0)
    splits = [(rng.random((num, 784)).astype(np.float32), np.arange(num) % 10) for num in (400, 40, 400)]
    (made / "mnist.pkl.gz").write_bytes(gzip.compress(pickle.dumps(tuple(splits), 2)))  # of every class a few
    (made / "cifar-10-python.tar.gz").symlink_to(data["cifar10"])
    plots.save_images(rng.integers(0, 256, (40, 3, 64, 64), np.uint8), str(made / "pictures"))
    return made


@pytest.fixture(scope="module")
def run(folder):
    """``run(command)`` runs what a page says, once."""
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    done = set()

    def start(command):
        if command in done or any(re.search(pattern, command) for pattern in NOT_RUN):
            return
        done.add(command)
        program, *arguments = shlex.split(shrink(command))
        assert program == "python", command
        ended = subprocess.run(
            [warm.python(environment), *arguments],
            cwd=folder,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert ended.returncode == 0, f"{shlex.join(arguments)}\n{ended.stderr[-3000:]}"

    def shrink(command):
        script = re.search(r"examples/\w+/(\w+)\.py", command)
        if script is None:
            return command
        name = script[1]
        mode = (re.search(r"mode=(\w+)", command) or ["", "train"])[1]
        small = list(SMALL[mode])
        if mode == "train":
            first = f"run_{name}"  # what <run> stands for on the pages
            small += [f"output_dir=run_{len(done)}" if (folder / first).exists() else f"output_dir={first}"]
            small += SMALL_NETWORKS[name]
            if name == "wgangp_toy":
                small = [one for one in small if not one.startswith(ONLY_IMAGES)]
            if name == "dcgan":
                depths = next(value for preset, value in DCGAN_DEPTHS.items() if preset in command)
                small += [f"MODEL.gen_net.depths={depths}", f"MODEL.dis_net.depths={depths}"]
            if name == "pgan":
                small = [one for one in small if not one.startswith(("TRAIN.epochs", "TRAIN.batch_size"))]
        elif name == "transfergan" and "DATA.data_path" in command:
            small.append("DATA.num_images=6")
        elif name == "wgangp_toy":
            small = [one for one in small if not one.startswith(ONLY_IMAGES)]
        if "<run>" in command and not (folder / f"run_{name}").exists():
            start(next(one for page in PAGES for one in read_commands(page) if is_training(one, name)))
        if mode in ("export", "infer") and "INFER.pretrained_gen_model_path" not in command:
            small = [one for one in small if "export_path" not in one]
        given = re.sub(r"<run>/checkpoints/\w+", str(folder / f"run_{name}" / "checkpoints" / "latest"), command)
        return " ".join([given, "device=cpu", *(shlex.quote(one) for one in small)])

    def is_training(command, name):
        runs = f"/{name}.py" in command and "mode=" not in command
        return runs and not any(re.search(pattern, command) for pattern in NOT_RUN)

    return start


@pytest.mark.parametrize("page", PAGES)
def test_the_commands_of_a_page(run, page):
    for command in read_commands(page):
        run(command)
