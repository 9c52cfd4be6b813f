"""How fast the examples train and are scored, against PyTorch and against bare loops, with a table and a JSON file.

Contestants run in one process in turn, with as many threads, so that a busy machine slows all; medians are compared,
ratios are given with the quartiles of the rounds'. Where PyTorch is missing (extra "parity"), that is said, and
Paddle's figures stand alone. Of PyTorch's two layouts of images the better one counts.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Callable
from pathlib import Path

import evaluation
import iterations
import machine
import processes
from inputs import DataSets
from ours import quiet
from workloads import WORKLOADS
from workloads import named

STARTED = ("toy", "cifar10_resnet")  # in processes of their own
LONG = ("pgan_8", "dcgan_faces")  # whose memory is watched


def time_start(data: DataSets, small: bool) -> dict:
    """Return what a user waits for before anything happens."""
    found = {name: processes.start(named(name), data, small) for name in STARTED}
    return {"first_iteration": found, "help": processes.help_seconds(named(STARTED[0]))}


def told_start(result: dict) -> list[str]:
    """Return rows of the table."""
    rows = [f"{'--help':<42}{result['help']:>9.1f} s"]
    for found in result["first_iteration"].values():
        rows.append(f"{found['title']:<42}{found['first_iteration']:>9.1f} s, {found['peak_mb']:.0f} MB at most")
    return rows


def told_ranks(result: dict) -> list[str]:
    """Return rows of the table."""
    one, two = result["images_per_second"].values()
    title = f"ranks: {result['title']}"
    return [f"{title:<42}{one:>9.0f} images/s, two {two:.0f}: {result['ratio']:.2f} times"]


def told_memory(result: dict) -> list[str]:
    """Return rows of the table."""
    return [
        f"{found['title']:<42}{found['grown_mb']:>+9.1f} MB in {found['iterations']} iterations "
        f"({', '.join(f'{reading:.0f}' for reading in found['resident_mb'])})"
        for found in result.values()
    ]


def parts(options: argparse.Namespace, data: DataSets) -> dict[str, tuple[str, Callable, Callable]]:
    """Return what there is beside iterations: a heading, what measures, and what makes rows of that."""
    small = options.small
    return {
        "evaluation": ("evaluation", lambda: evaluation.measure(data, options.rounds, small), evaluation.lines),
        "start": ("to the first iteration of a script", lambda: time_start(data, small), told_start),
        "ranks": ("one rank of one thread, and two", lambda: processes.ranks(data, small=small), told_ranks),
        "memory": (
            "growth of memory",
            lambda: {name: iterations.memory(named(name), data, options.iterations, small) for name in LONG},
            told_memory,
        ),
    }


def run(options: argparse.Namespace, data: DataSets) -> dict:
    """Measure what was asked for and print it as it comes."""

    def wanted(name: str) -> bool:
        return not options.only or any(name.startswith(prefix) for prefix in options.only)

    with quiet():
        machine.set_up()
    others, results = machine.Others(), {"machine": machine.description(), "iterations": {}}
    print(", ".join(f"{name} {value}" for name, value in results["machine"].items()))
    if not machine.HAS_TORCH:
        print("PyTorch is not installed (extra parity): nothing to compare with, and no operations counted.")
    chosen = [workload for workload in WORKLOADS if wanted(workload.name)]
    if chosen:
        results["peak_flops"] = peak = machine.peak_flops(64 if options.small else machine.LARGEST)
        print(f"matrix products: {peak / 1e9:.0f} GFLOP/s at most\n\n{iterations.HEADER}")
    for workload in chosen:
        results["iterations"][workload.name] = found = iterations.measure(workload, data, options.rounds, options.small)
        print(iterations.line(found, peak), flush=True)
    for name, (heading, measure, told) in parts(options, data).items():
        if wanted(name):
            results[name] = measure()
            print("\n".join(["", heading, *told(results[name])]), flush=True)
    results["others"] = others.share()
    print(f"\nother processes took {results['others'] or 0:.0%} of the processors' time")
    return results


def main(arguments: list[str] | None = None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    names = [*(workload.name for workload in WORKLOADS), "evaluation", "start", "ranks", "memory"]
    parser.add_argument("--only", nargs="+", default=[], metavar="NAME", help=f"{', '.join(names)}; or how they begin")
    parser.add_argument("--rounds", type=int, default=7, help="measurements of each contestant")
    parser.add_argument("--iterations", type=int, default=200, help="over which memory should not grow")
    parser.add_argument("--json", type=Path, help="file for all figures")
    parser.add_argument("--small", action="store_true", help="almost no networks and data: try the benchmark itself")
    options = parser.parse_args(arguments)
    unknown = [name for name in options.only if not any(known.startswith(name) for known in names)]
    if unknown:
        parser.error(f"--only {' '.join(unknown)}: choose of {', '.join(names)}")
    with tempfile.TemporaryDirectory() as folder:
        data = DataSets(Path(folder), {"mnist": 200, "cifar10": 200} if options.small else None)
        results = run(options, data)
    if options.json:
        options.json.write_text(json.dumps(results, indent=2) + "\n")


if __name__ == "__main__":
    main()
