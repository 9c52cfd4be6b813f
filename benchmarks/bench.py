"""How fast the examples train and are scored, against PyTorch and against bare loops, with a table and a JSON file.

Contestants run in one process in turn, with as many threads, so that a busy machine slows all; medians are compared,
ratios are given with the quartiles of the rounds'. Where PyTorch is missing (extra "parity"), that is said, and
Paddle's figures stand alone. Of PyTorch's two layouts of images the better one counts.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path

import evaluation
import flat_memory
import iterations
import machine
import penalty
import startup
import two_ranks
from inputs import DataSets
from ours import quiet
from workloads import WORKLOADS

PARTS = {"penalty": penalty, "evaluation": evaluation, "start": startup, "ranks": two_ranks, "memory": flat_memory}
NAMES = [*(workload.name for workload in WORKLOADS), *PARTS]


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
        results["iterations"][workload.name] = found = iterations.measure(workload, data, options)
        print(iterations.line(found, peak), flush=True)
    for name, part in PARTS.items():
        if wanted(name):
            results[name] = part.measure(data, options)
            print("\n".join(["", part.HEADING, *part.lines(results[name])]), flush=True)
    results["others"] = others.share()
    print(f"\nother processes took {results['others'] or 0:.0%} of the processors' time")
    return results


def main(arguments: list[str] | None = None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="+", default=[], metavar="NAME", help=f"{', '.join(NAMES)}; or how they begin")
    parser.add_argument("--rounds", type=int, default=7, help="measurements of each contestant")
    parser.add_argument("--iterations", type=int, default=200, help="over which memory should not grow")
    parser.add_argument("--json", type=Path, help="file for all figures")
    parser.add_argument("--set", nargs="+", default=[], metavar="KEY=VALUE", help="of all configurations of ours")
    parser.add_argument("--small", action="store_true", help="almost no networks and data: try the benchmark itself")
    options = parser.parse_args(arguments)
    unknown = [name for name in options.only if not any(known.startswith(name) for known in NAMES)]
    if unknown:
        parser.error(f"--only {' '.join(unknown)}: choose of {', '.join(NAMES)}")
    with tempfile.TemporaryDirectory() as folder:
        data = DataSets(Path(folder), {"mnist": 200, "cifar10": 200} if options.small else None)
        results = run(options, data)
    if options.json:
        options.json.parent.mkdir(parents=True, exist_ok=True)
        options.json.write_text(json.dumps(results, indent=2) + "\n")


if __name__ == "__main__":
    main()
