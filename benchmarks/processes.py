"""What is timed from outside, in processes of its own: a script's start, its memory, and several ranks."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from inputs import DataSets
from machine import users_environment
from ours import settings
from workloads import Workload
from workloads import named

from ppsci_gan.files import REPOSITORY


def script_of(workload: Workload) -> str:
    """Return the path of a workload's script."""
    return str(REPOSITORY / "examples" / f"{workload.script}.py")


def start(workload: Workload, data: DataSets, small: bool = False) -> dict:
    """Return the seconds to the end of a script's first iteration, and its memory.

    Args:
        workload: Which.
        data: Where its data set is.
        small: Whether its networks shrink to almost nothing.
    """
    overrides = [*settings(workload, data), "TRAIN.epochs=1", "TRAIN.iters_per_epoch=2"]
    overrides += workload.small if small else []
    begin, first = time.perf_counter(), None
    command = [sys.executable, script_of(workload), *overrides]
    process = subprocess.Popen(command, env=users_environment(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    output = []
    for line in process.stdout:
        output.append(line.decode(errors="replace"))
        if first is None and b"[Train]" in line:
            first = time.perf_counter() - begin
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode or first is None:
        raise RuntimeError(f"{' '.join(command)} failed:\n{''.join(output)}")
    return {"title": workload.title, "first_iteration": first, "peak_mb": usage.ru_maxrss / 1024}


def help_seconds(workload: Workload) -> float:
    """Return the seconds of a script's ``--help``."""
    begin = time.perf_counter()
    command = [sys.executable, script_of(workload), "--help"]
    subprocess.run(command, env=users_environment(), stdout=subprocess.DEVNULL, check=True)
    return time.perf_counter() - begin


def ranks(data: DataSets, iterations: int = 8, small: bool = False) -> dict:
    """Return images a second of one rank and of two ranks of one thread each.

    Args:
        data: Where the data set is.
        iterations: Of each run; the first two are not counted.
        small: Whether its networks shrink to almost nothing.
    """
    workload = named("mnist")
    overrides = ["TRAIN.epochs=1", f"TRAIN.iters_per_epoch={iterations}", "log_freq=1"]
    overrides += workload.small if small else []
    launcher = ["-m", "paddle.distributed.launch", "--nproc_per_node", "2", "--log_dir", str(data.new_folder())]
    rates = {}
    for name, before in (("one", []), ("two", launcher)):
        given = [*settings(workload, data), *overrides]
        rates[name] = statistics.median(_images_per_second([*before, script_of(workload), *given])[2:])
    return {"title": workload.title, "images_per_second": rates, "ratio": rates["two"] / rates["one"]}


def _images_per_second(arguments: Sequence[str]) -> list[float]:
    """Return the rate of every iteration that a command has logged."""
    output_dir = next(argument for argument in arguments if argument.startswith("output_dir=")).partition("=")[2]
    environment = {**users_environment(), "OMP_NUM_THREADS": "1"}
    run = subprocess.run([sys.executable, *arguments], env=environment, capture_output=True, text=True)
    if run.returncode:
        raise RuntimeError(f"{' '.join(arguments)} failed:\n{run.stdout}\n{run.stderr}")
    rows = map(json.loads, Path(output_dir, "scalars.jsonl").read_text().splitlines())
    return [row["images_per_second"] for row in rows]
