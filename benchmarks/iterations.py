"""Whole iterations of a workload: through our solver, in a bare loop and in PyTorch."""

from __future__ import annotations

import contextlib
import statistics
import time
from argparse import Namespace

from alternation import alternate
from alternation import ratio
from inputs import DataSets
from machine import HAS_TORCH
from machine import users_environment
from ours import BareLoop
from ours import ThroughSolver
from ours import asked
from ours import build_solver
from ours import configuration
from two_solvers import InOwnProcess
from two_solvers import TwoSolvers
from workloads import Workload

HEADER = (
    f"{'seconds per iteration':<42}{'solver':>9}{'/bare':>7}{'PyTorch':>10} {'layout':<14}{'ratio':>6}  "
    f"{'(quartiles)':<16}{'GFLOP':>8}{'of peak':>9}{'input':>8}"
)


def measure(workload: Workload, data: DataSets, options: Namespace) -> dict:
    """Time whole iterations of a workload.

    Args:
        workload: Which.
        data: Where its data set is.
        options: ``rounds``, measurements of each contestant, ``small`` and ``set``.
    """
    cfg = configuration(workload, data, asked(workload, options))
    solver = build_solver(workload, cfg)
    contestants = [ThroughSolver(solver), BareLoop(solver)]
    result = {"title": workload.title}
    if HAS_TORCH:
        from in_torch import LAYOUTS
        from in_torch import InTorch

        in_torch = [InTorch(workload, solver, cfg, layout) for layout in LAYOUTS]
        result["operations"] = in_torch[0].operations()
        contestants += in_torch if workload.has_images else in_torch[:1]
    with contextlib.ExitStack() as stack:
        if workload.name == "toy":
            own = InOwnProcess(users_environment(), asked(workload, options), data.new_folder())
            stack.callback(own.close)
            contestants += [TwoSolvers(cfg, data.new_folder()), own]
        times = alternate(contestants, options.rounds, least=0.0 if options.small else 0.3)
    result |= {"seconds": times, **compared(times)}
    result["input"] = input_seconds(solver) / result["medians"]["solver"]
    return result


def compared(times: dict[str, list[float]]) -> dict:
    """Return the solver's ratio to every contestant, and to the better of PyTorch's layouts."""
    medians = {name: statistics.median(values) for name, values in times.items()}
    others = [name for name in times if name != "solver"]
    result = {"medians": medians, "ratios": {name: ratio(times["solver"], times[name]) for name in others}}
    if in_torch := [name for name in others if name.startswith("PyTorch")]:
        result["best"] = min(in_torch, key=medians.get)
    return result


def input_seconds(solver, repetitions: int = 5) -> float:
    """Return the seconds of an iteration in which real data is chosen, read and scaled: the median of some."""
    times = []
    for _ in range(repetitions):
        start = time.perf_counter()
        for phase in solver.phases:
            for _ in range(phase.updates):
                solver._next_batch(phase)
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def line(result: dict, peak: float | None = None) -> str:
    """Return a row of the table.

    Args:
        result: What ``measure`` returned.
        peak: The machine's operations a second.
    """
    medians, ratios = result["medians"], result["ratios"]
    row = f"{result['title']:<42}{medians['solver']:>9.4f}{ratios['bare loop']['ratio']:>7.2f}"
    if best := result.get("best"):
        found = ratios[best]
        spread = f"({found['low']:.2f} to {found['high']:.2f})"
        row += f"{medians[best]:>10.4f} {best.removeprefix('PyTorch '):<14}{found['ratio']:>6.2f}  {spread:<16}"
        row += f"{result['operations'] / 1e9:>8.2f}"
        row += f"{result['operations'] / medians['solver'] / peak:>9.0%}" if peak else " " * 9
    else:
        row += " " * 66
    row += f"{result['input']:>8.2%}"
    others = [name for name in medians if name.startswith("two")]
    for name in others:
        factor = 1 / ratios[name]["ratio"]
        row += f"\n{'    ' + name:<42}{medians[name]:>9.4f}{'':>7}solver {factor:.1f} times faster"
    return row
