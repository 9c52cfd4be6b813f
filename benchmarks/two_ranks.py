"""Two ranks of one thread each against one rank of one thread, in processes of their own."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path

from inputs import DataSets
from machine import users_environment
from ours import asked
from ours import load_script
from ours import settings
from workloads import named

HEADING = "one rank of one thread, and two"
FIRST, COUNTED = 2, 8  # iterations


def measure(data: DataSets, options: Namespace) -> dict:
    """Return images a second of one rank and of two ranks of one thread each.

    Args:
        data: Where the data set is.
        options: ``small`` and ``set``.
    """
    workload = named("mnist")
    overrides = ["TRAIN.epochs=1", f"TRAIN.iters_per_epoch={FIRST + COUNTED}", "log_freq=1"]
    overrides += asked(workload, options)
    launcher = ["-m", "paddle.distributed.launch", "--nproc_per_node", "2", "--log_dir", str(data.new_folder())]
    rates = {}
    for name, before in (("one", []), ("two", launcher)):
        given = [*settings(workload, data), *overrides]
        rates[name] = statistics.median(_images_per_second([*before, load_script(workload), *given])[FIRST:])
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


def lines(result: dict) -> list[str]:
    """Return rows of the table."""
    rates = result["images_per_second"]
    told = f"{rates['one']:>9.0f} images/s, two {rates['two']:.0f}: {result['ratio']:.2f} times"
    return [f"{result['title']:<42}{told}"]
