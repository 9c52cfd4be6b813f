"""Does a trained source help on a small target? Scratch against transfer: tables and figures with error bars.

Every run is one of transfergan.py, in a process of its own; what is given here is given to each of them. The same
command goes on where the last one stopped.

Reference: https://arxiv.org/abs/1805.01677
"""

from ppsci_gan import usage

if __name__ == "__main__":  # before Paddle is imported, which takes seconds
    usage.answer_help("transfergan")


import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import hydra
import numpy as np
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig
from omegaconf import OmegaConf
from ppsci.utils import logger
from tqdm import tqdm

from ppsci_gan import cli
from ppsci_gan import plots
from ppsci_gan.devices import device
from ppsci_gan.errors import InputError
from ppsci_gan.evaluation import scoring
from ppsci_gan.files import atomic
from ppsci_gan.training.scalars import Scalars

SCRIPT = Path(__file__).with_name("transfergan.py")
TITLES = {"none": "scratch", "both": "both", "generator": "generator only", "critic": "critic only"}
OWN = {"TRANSFER.load": "STUDY.load", "DATA.num_images": "STUDY.sizes", "seed": "STUDY.seeds"}
STOPPING = threading.Event()  # runs are to save what they have, and end
Values = dict[tuple[str, int], np.ndarray]  # by load and size; an entry, or a row, per seed


class Run(NamedTuple):
    """One training and its evaluation."""

    load: str
    size: int
    seed: int

    @property
    def name(self) -> str:
        return f"{self.load}_{self.size}_seed{self.seed}"


def given(overrides: Sequence[str]) -> list[str]:
    """Return what a command line gives to every run; refuse what the study itself decides."""
    kept = []
    for override in overrides:
        key = override.lstrip("+").partition("=")[0]
        if key in OWN:
            raise InputError(f"{override}: a study decides that itself; give {OWN[key]}=[...] instead.")
        if key == "mode":
            raise InputError(f"{override}: a study trains and evaluates; it has no modes.")
        if key != "output_dir" and not key.startswith("STUDY"):
            kept.append(override)
    return kept


def check_folder(folder: Path, overrides: list[str]) -> None:
    """Refuse to go on with other settings than the folder's runs have."""
    file = folder / "settings.json"
    if file.is_file():
        earlier = json.loads(file.read_text())
        if earlier != overrides:
            raise InputError(
                f"output_dir={folder} holds a study with the settings {' '.join(earlier) or '(defaults)'}, not "
                f"{' '.join(overrides) or '(defaults)'}: its runs cannot be compared with these. Choose another folder."
            )
    with atomic(file) as temporary:
        temporary.write_text(json.dumps(overrides) + "\n")


def check_scores(name: str, families: Sequence[str]) -> None:
    """Refuse a score that the runs' evaluation will not have."""
    own = [name_ for name_, family in scoring.FAMILIES.items() if name.rpartition(".")[2] in family.keys]
    if not set(own) & set(families):
        raise InputError(f"TRAIN.best_score={name} is what a study compares: EVAL.scores={list(families)} lacks it.")


# --8<-- [start:run]
def execute(run: Run, folder: Path, overrides: list[str], best: str, threads: int) -> None:
    """Train and evaluate, going on with what an interrupted run has left."""
    place = folder / "runs" / run.name
    if (place / "eval" / "scores.json").is_file():
        return
    own = [f"TRANSFER.load={run.load}", f"DATA.num_images={run.size}", f"seed={run.seed}"]
    finished = place / "curves.png"
    if not finished.is_file():  # drawn when a training has ended
        start([*overrides, *own, "TRAIN.checkpoint_path=auto", f"output_dir={place}"], place / "run.log", threads)
    weights = place / "checkpoints" / best
    evaluation = ["mode=eval", f"EVAL.pretrained_gen_model_path={weights}", f"output_dir={place}/eval"]
    start([*overrides, *own, *evaluation], place / "eval.log", threads)


def start(arguments: list[str], log: Path, threads: int) -> None:
    """Run transfergan.py; an InputError tells what it said last if it does not end well."""
    log.parent.mkdir(parents=True, exist_ok=True)
    environment = {**os.environ, "OMP_NUM_THREADS": str(threads), "MKL_NUM_THREADS": str(threads)}
    with log.open("w") as out:
        command = [sys.executable, str(SCRIPT), *arguments]
        process = subprocess.Popen(command, stdout=out, stderr=subprocess.STDOUT, env=environment)
        while process.poll() is None:
            if STOPPING.wait(timeout=0.2):
                process.terminate()
                process.wait()
    code = process.returncode
    if STOPPING.is_set() or code == 130:
        raise KeyboardInterrupt
    if code:
        said = log.read_text(errors="replace").rpartition("Error: ")[2].strip()
        raise InputError(f"a run of the study has ended with exit code {code}: {said[-1500:]}\n  Its log: {log}")


# --8<-- [end:run]


def read_scores(runs: Sequence[Run], folder: Path, name: str) -> Values:
    """Return the score of each load and size, a value per seed."""
    found = {}
    for run in runs:
        record = json.loads((folder / "runs" / run.name / "eval" / "scores.json").read_text())
        found.setdefault((run.load, run.size), []).append(record[name]["value"])
    return {key: np.array(values) for key, values in found.items()}


def read_curves(runs: Sequence[Run], folder: Path, name: str) -> dict[tuple[str, int], tuple[np.ndarray, np.ndarray]]:
    """Return the iterations and, a row per seed, the scores while training."""
    found = {}
    for run in runs:
        x, y = Scalars(folder / "runs" / run.name / "scalars.jsonl").curves()[name]
        found.setdefault((run.load, run.size), (x, []))[1].append(y)
    return {key: (x, np.array(rows)) for key, (x, rows) in found.items()}


# --8<-- [start:tables]
def spread(values: np.ndarray) -> str:
    """Return mean and standard deviation over the seeds."""
    return f"{values.mean():.3g}" + (f" ± {values.std(ddof=1):.2g}" if len(values) > 1 else "")


def table(title: str, head: list[str], rows: list[list[str]]) -> str:
    lines = [f"| {' | '.join(row)} |" for row in ([head, ["---"] * len(head), *rows])]
    return "\n".join([f"### {title}", "", *lines, ""])


def by_size(scores: Values, loads: list[str], sizes: list[int]) -> list[list[str]]:
    return [[str(size), *(spread(scores[load, size]) for load in loads)] for size in sizes]


def by_player(scores: Values, size: int) -> list[list[str]]:
    """Return the rows of generator from scratch and transferred; columns are the critic's."""
    rows = {"generator from scratch": ("none", "critic"), "generator transferred": ("generator", "both")}
    return [[title, *(spread(scores[load, size]) for load in loads)] for title, loads in rows.items()]


def needed(curves: dict, load: str, size: int, higher_is_better: bool) -> str:
    """Return the first iterations at which a transfer scores as well as scratch's best, over the seeds."""
    sign = 1 if higher_is_better else -1
    x, rows = curves[load, size]
    goals = (sign * curves["none", size][1]).max(axis=1)
    reached = (x[sign * row >= goal] for row, goal in zip(rows, goals))
    return ", ".join(f"{iterations[0]:.0f}" if len(iterations) else "never" for iterations in reached)


def write_tables(scores: Values, curves: dict, study: DictConfig, name: str, path: Path) -> str:
    """Write the paper's two tables, and how soon a transfer is as good as scratch ever is."""
    loads, sizes = list(study.load), sorted(study.sizes)
    higher = scoring.higher_is_better(name)
    what = (
        f"`{name}` ({'higher' if higher else 'lower'} is better), mean ± standard deviation of {len(study.seeds)} seeds"
    )
    titles = [TITLES[load] for load in loads]
    parts = [f"{what}.", "", table("Score by target size", ["target images", *titles], by_size(scores, loads, sizes))]
    if set(loads) == set(TITLES):
        head = ["", "critic from scratch", "critic transferred"]
        parts += [
            table(f"Score by transferred player, {size} target images", head, by_player(scores, size)) for size in sizes
        ]
    others = [load for load in loads if load != "none"]
    if len(others) < len(loads) and others:
        rows = [[str(size), *(needed(curves, load, size, higher) for load in others)] for size in sizes]
        title = "Iteration at which a transfer is as good as scratch at its best, per seed"
        parts.append(table(title, ["target images", *(TITLES[load] for load in others)], rows))
    text = "\n".join(parts)
    with atomic(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
    return text


# --8<-- [end:tables]


def draw(scores: Values, curves: dict, study: DictConfig, name: str, folder: Path) -> None:
    """Draw the scores by target size, and in the course of the trainings."""
    sizes = sorted(study.sizes)
    lines = {
        TITLES[load]: (np.array(sizes), np.stack([scores[load, size] for size in sizes], axis=1)) for load in study.load
    }
    plots.save_spreads({name: lines}, folder / "by_size.png", "target images", logarithmic=True)
    panels = {f"{size} target images": {TITLES[load]: curves[load, size] for load in study.load} for size in sizes}
    plots.save_spreads(panels, folder / "curves.png", "iteration", ylabel=name)


@cli.explain_errors
@hydra.main(version_base=None, config_path="../../conf", config_name="transfergan")
def main(cfg: DictConfig):
    folder, study = Path(cfg.output_dir), cfg.STUDY
    overrides = given(HydraConfig.get().overrides.task)
    check_scores(cfg.TRAIN.best_score, cfg.EVAL.scores)
    check_folder(folder, overrides)
    # Scratch and transfer of a seed one after the other: what is there tells something, however far the study is.
    runs = [Run(load, size, seed) for seed in study.seeds for size in study.sizes for load in study.load]
    best = "best_averaged" if cfg.TRAIN.ema.use_ema else "best"
    threads = max(1, device.usable_cores() // study.jobs)
    logger.message(f"{len(runs)} runs, {study.jobs} at a time, below {folder / 'runs'}")

    signal.signal(signal.SIGTERM, signal.default_int_handler)  # as Ctrl-C
    with ThreadPoolExecutor(study.jobs) as pool:
        jobs = [pool.submit(execute, run, folder, overrides, best, threads) for run in runs]
        try:
            for job in tqdm(jobs, "runs", unit="run"):
                job.result()
        except BaseException:
            STOPPING.set()
            pool.shutdown(cancel_futures=True)
            raise

    name = cfg.TRAIN.best_score
    scores = read_scores(runs, folder, name)
    curves = read_curves(runs, folder, f"eval_{'averaged' if cfg.TRAIN.ema.use_ema else 'raw'}/{name}")
    logger.message(write_tables(scores, curves, study, name, folder / "tables.md"))
    draw(scores, curves, study, name, folder)
    values = [{"load": load, "images": size, "values": list(row)} for (load, size), row in scores.items()]
    result = {"score": name, "study": OmegaConf.to_container(study), "results": values}
    with atomic(folder / "study.json") as temporary:
        temporary.write_text(json.dumps(result, indent=2) + "\n")
    logger.message(f"Tables and figures: {folder}")


if __name__ == "__main__":
    main()
