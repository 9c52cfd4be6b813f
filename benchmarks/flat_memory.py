"""Whether memory stays flat: this process's, over many iterations through the solver."""

from __future__ import annotations

from argparse import Namespace

from inputs import DataSets
from machine import resident_mb
from ours import ThroughSolver
from ours import asked
from ours import build_solver
from ours import configuration
from workloads import Workload
from workloads import named

HEADING = "growth of memory"
LONG = ("pgan_8", "dcgan_faces")
READINGS = 5


def measure(data: DataSets, options: Namespace) -> dict:
    """Train for many iterations.

    Args:
        data: Where data sets are.
        options: ``iterations``, how many, after a tenth of as many, ``small`` and ``set``.
    """
    return {name: grown(named(name), data, options) for name in LONG}


def grown(workload: Workload, data: DataSets, options: Namespace) -> dict:
    """Return how memory grew in one workload, in MiB."""
    endless = "TRAIN.iters_per_epoch=1000000"  # no epoch ends before the last iteration
    cfg = configuration(workload, data, [*asked(workload, options), endless])
    solver = ThroughSolver(build_solver(workload, cfg))
    solver.run(max(1, options.iterations // 10))
    readings = [resident_mb()]
    for _ in range(READINGS - 1):
        solver.run(max(1, options.iterations // (READINGS - 1)))
        readings.append(resident_mb())
    return {
        "title": workload.title,
        "iterations": options.iterations,
        "resident_mb": readings,
        "grown_mb": readings[-1] - readings[0],
    }


def lines(result: dict) -> list[str]:
    """Return rows of the table."""
    return [
        f"{found['title']:<42}{found['grown_mb']:>+9.1f} MB in {found['iterations']} iterations "
        f"({', '.join(f'{reading:.0f}' for reading in found['resident_mb'])})"
        for found in result.values()
    ]
