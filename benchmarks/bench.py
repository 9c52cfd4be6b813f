"""How fast the examples train, against PyTorch and against bare loops: every figure that this project gives of speed.

Contestants run in this process in turn, with as many threads, so that a busy machine slows all; medians are compared.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib.util
import json
import statistics
import tempfile
from pathlib import Path

import paddle
import workloads
from alternation import alternate
from alternation import ratio
from inputs import DataSets
from ours import CONSOLE
from ours import BareLoop
from ours import ThroughSolver
from ours import configuration
from ours import solver_of

from ppsci_gan import device

HAS_TORCH = importlib.util.find_spec("torch") is not None


def iteration(workload: workloads.Workload, data: DataSets, rounds: int, small: bool = False) -> dict:
    """Time whole iterations of a workload.

    Args:
        workload: Which.
        data: Where its data set is.
        rounds: Measurements of each contestant.
        small: Whether its networks shrink to almost nothing.
    """
    folder = data.folder / workload.name
    path = data.path(workload.data) if workload.data else None
    cfg = configuration(workload, folder, path, list(workload.small) if small else [])
    solver = solver_of(workload, cfg)
    contestants = [ThroughSolver(solver), BareLoop(solver)]
    if HAS_TORCH:
        from in_torch import LAYOUTS
        from in_torch import InTorch

        layouts = LAYOUTS if workload.name != "toy" else ["contiguous"]
        contestants += [InTorch(workload, solver, cfg, layout) for layout in layouts]
    times = alternate(contestants, rounds, least=0.0 if small else 0.3)
    return {"title": workload.title, "seconds": times, **compared(times)}


def compared(times: dict[str, list[float]]) -> dict:
    """Return the solver's ratio to every contestant, and to the better of PyTorch's layouts."""
    medians = {name: statistics.median(values) for name, values in times.items()}
    others = [name for name in times if name != "solver"]
    result = {"medians": medians, "ratios": {name: ratio(times["solver"], times[name]) for name in others}}
    if in_torch := [name for name in others if name.startswith("PyTorch")]:
        result["best"] = min(in_torch, key=medians.get)
    return result


def line(result: dict) -> str:
    """Return a row of the table."""
    medians, ratios = result["medians"], result["ratios"]
    row = f"{result['title']:<42}{medians['solver']:>9.4f}{ratios['bare loop']['ratio']:>7.2f}"
    if best := result.get("best"):
        found = ratios[best]
        row += f"{medians[best]:>10.4f} {best.removeprefix('PyTorch '):<14}"
        row += f"{found['ratio']:>6.2f}  ({found['low']:.2f} to {found['high']:.2f})"
    return row


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    names = ", ".join(workload.name for workload in workloads.WORKLOADS)
    parser.add_argument("--only", nargs="+", default=[], metavar="NAME", help=f"of {names}, or how they begin")
    parser.add_argument("--rounds", type=int, default=7, help="measurements of each contestant")
    parser.add_argument("--json", type=Path, help="file for all figures")
    options = parser.parse_args()
    with contextlib.redirect_stdout(CONSOLE):
        device.tune_cpu()
    threads = device.usable_cores()
    versions = f"Paddle {paddle.__version__}"
    if HAS_TORCH:
        import torch

        torch.set_num_threads(threads)
        versions += f", PyTorch {torch.__version__}"
    print(f"{versions}, {threads} threads, {options.rounds} rounds; seconds per iteration, medians")
    print(f"{'':<42}{'solver':>9}{'/bare':>7}{'PyTorch':>10} {'layout':<14}{'ratio':>6}  (quartiles)")
    results = {}
    with tempfile.TemporaryDirectory() as folder:
        data = DataSets(Path(folder))
        for workload in workloads.chosen(options.only):
            results[workload.name] = iteration(workload, data, options.rounds)
            print(line(results[workload.name]), flush=True)
    if options.json:
        options.json.write_text(json.dumps({"iterations": results}, indent=2) + "\n")


if __name__ == "__main__":
    main()
