"""Kill trainings again and again, also within each of their writes, and compare where they end with one left alone.

The same command is given until a training ends: ``TRAIN.checkpoint_path=auto`` goes on with what is there. It is killed
by SIGKILL at a random time, before a random step of its writing (opening, linking, renaming or removing a file, waiting
for the disk), or by the kernel within a write, at a random length of the file. After every kill the newest checkpoint
has to be whole; at the end all arrays and the state have to be, bit for bit, those of the uninterrupted run.
"""

from __future__ import annotations

import argparse
import ctypes
import gzip
import json
import os
import pickle
import random
import resource
import runpy
import shutil
import signal
import socket
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
# Imported once: every training is a fork of this process, which computes nothing before.
PRELOADED = (
    "hydra",
    "matplotlib.backends.backend_agg",
    "matplotlib.figure",
    "paddle",
    "PIL.Image",
    "ppsci",
    "scipy.stats",
)
KINDS = ("time", "step", "torn")
KILLS_PER_RUN = 5  # then a training is left to end
PATIENCE = 300  # seconds for any training to end
SMALL = [
    "device=cpu",
    "log_freq=5",
    "TRAIN.sample_freq=40",
    "TRAIN.save_freq=1",
    "TRAIN.keep_checkpoints=2",
    "TRAIN.save_minutes=0",
    "TRAIN.ema.use_ema=true",
    "VIS.num_images=9",
    "TRAIN.checkpoint_path=auto",
]
IMAGES = ["TRAIN.num_eval_samples=16", "EVAL.batch_size=16", "TRAIN.scores=[sliced_wasserstein]"]
STAGES = (
    "TRAIN.stages=[{resolution:4,fade_images:0,stable_images:160,batch_size:4,learning_rate:0.001},"
    "{resolution:8,fade_images:160,stable_images:160,batch_size:4,learning_rate:0.001}]"
)
TRAININGS = {
    "toy": [
        "examples/wgangp/wgangp_toy.py",
        *SMALL,
        *("MODEL.gen_net.dim=32", "MODEL.dis_net.dim=32", "DATA.num_samples=2000", "TRAIN.batch_size=64"),
        *("TRAIN.epochs=3", "TRAIN.iters_per_epoch=60", "EVAL.num_samples=200", "EVAL.batch_size=200"),
    ],
    "mnist": [
        "examples/wgangp/wgangp_mnist.py",
        *SMALL,
        *IMAGES,
        *("MODEL.gen_net.dim=4", "MODEL.dis_net.dim=4", "TRAIN.batch_size=8", "TRAIN.n_critic=2"),
        *("TRAIN.epochs=2", "TRAIN.iters_per_epoch=40", "TRAIN.best_score=pixels.sliced_wasserstein"),
    ],
    "pgan": [
        "examples/pgan/pgan.py",
        *SMALL,
        *IMAGES,
        *("DATA.name=faces", "DATA.num_samples=64", "MODEL.gen_net.depths=[4,4]", "MODEL.gen_net.latent_dim=4"),
        *(STAGES, "TRAIN.iters_per_epoch=20", "TRAIN.best_score=pixels.sliced_wasserstein_8", "EVAL.num_images=4"),
    ],
}


class Outcome:
    """What happened to a training's runs."""

    def __init__(self):
        self.kills: Counter[str] = Counter()
        self.ends = 0
        self.failures: list[str] = []


# --- a training, in a fork ---


def start(command: list[str], folder: Path, ranks: int, log: Path, prepare: Callable[[], None]) -> list[int]:
    """Fork a training, a process per rank, and return their numbers; ``prepare`` is called in the first."""
    addresses = [f"127.0.0.1:{free_port()}" for _ in range(ranks + 1)]
    processes = []
    for rank in range(ranks):
        process = os.fork()
        if process == 0:
            become(command, folder, ranks, rank, addresses, log, prepare)
        processes.append(process)
    return processes


def become(command, folder, ranks, rank, addresses, log, prepare) -> None:
    """Run a training in this process, as Python would, and end."""
    code = 1
    try:
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # Linux: end with the parent
        descriptor = os.open(f"{log}.{rank}", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.dup2(descriptor, 1)
        os.dup2(descriptor, 2)
        if ranks > 1:  # what paddle.distributed.launch sets
            os.environ.update(
                PADDLE_MASTER=addresses[-1],
                PADDLE_GLOBAL_SIZE=str(ranks),
                PADDLE_LOCAL_SIZE=str(ranks),
                PADDLE_GLOBAL_RANK=str(rank),
                PADDLE_LOCAL_RANK=str(rank),
                PADDLE_NNODES="1",
                PADDLE_CURRENT_ENDPOINT=addresses[rank],
                PADDLE_TRAINER_ID=str(rank),
                PADDLE_TRAINERS_NUM=str(ranks),
                PADDLE_RANK_IN_NODE=str(rank),
                PADDLE_TRAINER_ENDPOINTS=",".join(addresses[:-1]),
                PADDLE_DISTRI_BACKEND="gloo",
            )
        script = ROOT / command[0]
        sys.argv = [str(script), *command[1:], f"output_dir={folder}"]
        sys.path[:0] = [str(script.parent), str(ROOT)]
        if rank == 0:
            prepare()
        runpy.run_path(str(script), run_name="__main__")
        code = 0
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:  # the log is to say why
        import traceback

        traceback.print_exc()
    finally:
        sys.stdout.flush()
        os._exit(code)


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def watch_steps(folder: Path, at_step: Callable[[int], None]) -> None:
    """Call ``at_step`` with 1, 2, ... before each step of what this process writes below a folder."""
    count = 0

    def step():
        nonlocal count
        count += 1
        at_step(count)

    def audit(event, arguments):
        writes = event == "open" and arguments[2] and arguments[2] & (os.O_WRONLY | os.O_RDWR)
        if (writes or event in ("os.rename", "os.link", "os.remove")) and str(arguments[0]).startswith(str(folder)):
            step()

    synchronise = os.fsync

    def fsync(descriptor):
        step()
        synchronise(descriptor)

    os.fsync = fsync
    sys.addaudithook(audit)


def count_steps(folder: Path, steps: Path) -> Callable[[], None]:
    def prepare():
        watch_steps(folder, lambda count: os.write(descriptor, b"."))
        descriptor = os.open(steps, os.O_WRONLY | os.O_CREAT)

    return prepare


def kill_at(folder: Path, number: int) -> Callable[[], None]:
    def at_step(count):
        if count == number:
            os.kill(os.getpid(), signal.SIGKILL)

    return lambda: watch_steps(folder, at_step)


def let_kernel_kill() -> None:
    """Let a file that grows beyond its limit end this process; Python would ignore the signal."""
    signal.signal(signal.SIGXFSZ, signal.SIG_DFL)


# --- killing ---


def attack(
    name: str, ranks: int, kills: int, seed: int, place: str, data: str, until: float
) -> tuple[str, int, Outcome]:
    """Kill a training as often as is asked for, each run several times, and compare how the runs end."""
    folder, outcome, chance = Path(place, f"{name}-{ranks}"), Outcome(), random.Random(f"{seed} {name} {ranks}")
    folder.mkdir(parents=True)
    command = [*TRAININGS[name], *([f"DATA.data_path={data}"] if name == "mnist" else [])]
    begin = time.monotonic()
    reference = folder / "reference"
    codes = wait(start(command, reference, ranks, folder / "reference.log", count_steps(reference, folder / "steps")))
    seconds, steps = time.monotonic() - begin, (folder / "steps").stat().st_size
    if any(codes):
        outcome.failures.append(f"the run that is left alone ends with {codes}: {tail(folder / 'reference.log.0')}")
        return name, ranks, outcome
    size = max(file.stat().st_size for file in (reference / "checkpoints").iterdir())
    number = attempts = 0
    while outcome.kills.total() < kills and time.monotonic() < until and not outcome.failures:
        number += 1
        run = folder / f"run-{number}"
        for _ in range(min(KILLS_PER_RUN, kills - outcome.kills.total())):
            kind = KINDS[attempts % len(KINDS)]
            attempts += 1
            prepare = {"time": lambda: None, "torn": let_kernel_kill}.get(kind)
            prepare = prepare or kill_at(run, chance.randint(1, max(1, steps // 2)))
            processes = start(command, run, ranks, folder / f"run-{number}.log", prepare)
            if kind != "step":
                time.sleep(chance.uniform(0, seconds))
            if kind == "time":
                os.kill(chance.choice(processes), signal.SIGKILL)
            elif kind == "torn":
                limit = chance.randint(1, size)
                resource.prlimit(processes[0], resource.RLIMIT_FSIZE, (limit, limit))
            codes = wait(processes)
            outcome.kills[kind] += any(code < 0 for code in codes)
            complain(outcome, run, folder / f"run-{number}.log", codes)
            if not any(codes):
                break
        if any(codes):
            codes = wait(start(command, run, ranks, folder / f"run-{number}.log", lambda: None))
        difference = "" if not any(codes) and not outcome.failures else f"it ends with {codes}"
        difference = difference or compare(reference, run)
        if difference:
            outcome.failures.append(f"{run}: {difference}: {tail(folder / f'run-{number}.log.0')}")
        else:
            outcome.ends += 1
            shutil.rmtree(run)
    return name, ranks, outcome


def wait(processes: list[int]) -> list[int]:
    """Return how processes end; where one is killed, the others do not wait for it long."""
    codes: dict[int, int] = {}
    until = time.monotonic() + PATIENCE
    while len(codes) < len(processes):
        for process in set(processes) - set(codes):
            found, status = os.waitpid(process, os.WNOHANG)
            if found:
                codes[process] = os.waitstatus_to_exitcode(status)
                if codes[process] < 0:
                    until = min(until, time.monotonic() + 1)
        if time.monotonic() > until:
            for process in set(processes) - set(codes):
                os.kill(process, signal.SIGKILL)
        time.sleep(0.01)
    return [codes[process] for process in processes]


def complain(outcome: Outcome, run: Path, log: Path, codes: list[int]) -> None:
    """Add what a kill has left behind that it must not: a folder without a whole checkpoint, an error of its own."""
    from ppsci_gan.errors import InputError
    from ppsci_gan.training.checkpoints import RunCheckpoints

    had_one = any((run / "checkpoints").glob("[!.]*.safetensors"))
    try:
        if RunCheckpoints(run / "checkpoints").newest() is None and had_one:
            outcome.failures.append(f"{run}: no checkpoint is found")
    except InputError as error:
        outcome.failures.append(f"{run}: {error}")
    if not any(code < 0 for code in codes) and any(codes):
        outcome.failures.append(f"{run}: it ends with {codes}, though it was not killed: {tail(Path(f'{log}.0'))}")


def compare(reference: Path, run: Path) -> str:
    """Say in what the last states of two runs differ; nothing where they are bit for bit the same."""
    from ppsci_gan import weights

    (expected, state), (found, found_state) = (
        weights.read_checkpoint(folder / "checkpoints" / "latest") for folder in (reference, run)
    )
    differing = [name for name in expected.keys() | found.keys() if not same(expected.get(name), found.get(name))]
    if differing:
        return f"{len(differing)} arrays differ, such as {sorted(differing)[0]}"
    if found_state != state:
        keys = [key for key in state.keys() | found_state.keys() if state.get(key) != found_state.get(key)]
        return f"the state differs in {sorted(keys)}"
    rows = [
        [json.loads(line)["iteration"] for line in (folder / "scalars.jsonl").open()] for folder in (reference, run)
    ]
    return "" if set(rows[0]) <= set(rows[1]) else "scalars are missing"


def same(first: np.ndarray | None, second: np.ndarray | None) -> bool:
    return (
        first is not None and second is not None and first.dtype == second.dtype and first.tobytes() == second.tobytes()
    )


def tail(log: Path) -> str:
    return log.read_text(errors="replace")[-1500:] if log.exists() else "no log"


def draw_digits(path: Path) -> None:
    """Write random pictures in MNIST's layout."""
    rng = np.random.default_rng(0)
    splits = [(rng.integers(0, 256, (n, 784)).astype("float32") / 255, rng.integers(0, 10, n)) for n in (64, 32, 32)]
    path.write_bytes(gzip.compress(pickle.dumps(tuple(splits), 2)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=200, help="in all (default 200)")
    parser.add_argument("--minutes", type=float, default=30, help="begin no further run after so many (default 30)")
    parser.add_argument("--only", nargs="+", choices=TRAININGS, default=list(TRAININGS), help="trainings")
    parser.add_argument("--ranks", nargs="+", type=int, default=[1, 2], help="numbers of ranks (default 1 2)")
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="trainings at a time")
    parser.add_argument("--seed", type=int, default=0, help="of the times and steps")
    options = parser.parse_args()
    os.environ.update(MPLBACKEND="Agg", OMP_NUM_THREADS="1")
    for module in PRELOADED:
        __import__(module)
    until = time.monotonic() + 60 * options.minutes
    chosen = [(name, ranks) for name in options.only for ranks in options.ranks]
    shares = [options.kills // len(chosen) + (i < options.kills % len(chosen)) for i in range(len(chosen))]
    with tempfile.TemporaryDirectory() as place, ProcessPoolExecutor(options.jobs, get_context("fork")) as pool:
        draw_digits(Path(place, "mnist.pkl.gz"))
        asked = [
            pool.submit(attack, name, ranks, share, options.seed, place, f"{place}/mnist.pkl.gz", until)
            for (name, ranks), share in zip(chosen, shares)
        ]
        failures, total = [], Counter()
        for one in asked:
            name, ranks, outcome = one.result()
            total += outcome.kills
            failures += outcome.failures
            kinds = ", ".join(f"{count} {kind}" for kind, count in sorted(outcome.kills.items()))
            print(
                f"{name:6} {ranks} ranks: {kinds or 'no kills'}; {outcome.ends} runs ended as if left alone", flush=True
            )
            print("\n".join(outcome.failures), end="\n" if outcome.failures else "", flush=True)
    print(f"{total.total()} kills: {dict(sorted(total.items()))}; {len(failures)} failures")
    sys.exit(bool(failures))


if __name__ == "__main__":
    main()
