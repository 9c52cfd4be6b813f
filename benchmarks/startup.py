"""What a user waits for before anything happens, and how much memory a script takes: in processes of their own."""

from __future__ import annotations

import re
import subprocess
import sys
import time
from argparse import Namespace
from pathlib import Path

from inputs import DataSets
from machine import users_environment
from ours import asked
from ours import load_script
from ours import settings
from workloads import Workload
from workloads import named

HEADING = "to the end of a script's first iteration"
STARTED = ("toy", "cifar10_resnet")


def measure(data: DataSets, options: Namespace) -> dict:
    """Time the starts of some scripts, and ``--help``.

    Args:
        data: Where data sets are.
        options: ``small`` and ``set``.
    """
    found = {name: first_iteration(named(name), data, options) for name in STARTED}
    return {"first_iteration": found, "help": help_seconds(named(STARTED[0]))}


def first_iteration(workload: Workload, data: DataSets, options: Namespace) -> dict:
    """Return the seconds to the end of a script's first iteration, and its memory.

    Args:
        workload: Which.
        data: Where its data set is.
        options: ``small`` and ``set``.
    """
    overrides = [*settings(workload, data), "TRAIN.epochs=1", "TRAIN.iters_per_epoch=2"]
    overrides += asked(workload, options)
    begin, first, peak, output = time.perf_counter(), None, 0, []
    command = [sys.executable, load_script(workload), *overrides]
    with subprocess.Popen(
        command, env=users_environment(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        for line in process.stdout:
            output.append(line)
            peak = _peak_mb(process.pid) or peak
            if first is None and "[Train]" in line:
                first = time.perf_counter() - begin
    if process.returncode or first is None:
        raise RuntimeError(f"{' '.join(command)} failed:\n{''.join(output)}")
    return {"title": workload.title, "first_iteration": first, "peak_mb": peak}


def help_seconds(workload: Workload) -> float:
    """Return the seconds of a script's ``--help``."""
    begin = time.perf_counter()
    command = [sys.executable, load_script(workload), "--help"]
    subprocess.run(command, env=users_environment(), stdout=subprocess.DEVNULL, check=True)
    return time.perf_counter() - begin


def _peak_mb(process_id: int) -> float | None:
    """Return the most memory that a running process has had; what ``wait4`` tells counts this process's, too."""
    try:
        status = Path(f"/proc/{process_id}/status").read_text()
    except OSError:
        return None
    found = re.search(r"VmHWM:\s+(\d+) kB", status)
    return int(found[1]) / 1024 if found else None


def lines(result: dict) -> list[str]:
    """Return rows of the table."""
    rows = [f"{'--help':<42}{result['help']:>9.1f} s"]
    for found in result["first_iteration"].values():
        rows.append(f"{found['title']:<42}{found['first_iteration']:>9.1f} s, {found['peak_mb']:.0f} MB at most")
    return rows
