"""How long a generator takes, by batch size."""

from __future__ import annotations

import time
from collections.abc import Callable
from collections.abc import Mapping
from typing import Any

import numpy as np

RUNS, SECONDS = 50, 2.0  # of each batch size, whichever is reached first
LEAST_RUNS = 3

Inputs = dict[str, np.ndarray]


def choose_batch_sizes(largest: int) -> list[int]:
    """Return 1, 4, 16, ... and the largest batch size.

    Args:
        largest: At least 1.

    Examples:
        >>> from ppsci_gan.export.timing import choose_batch_sizes
        >>> choose_batch_sizes(100)
        [1, 4, 16, 64, 100]
    """
    sizes = [4**power for power in range(largest.bit_length()) if 4**power < largest]
    return [*sizes, largest]


def measure(ways: Mapping[str, Callable[[Inputs], Any]], inputs: Inputs) -> dict[str, dict[str, float]]:
    """Time a batch: the median and the 95th percentile of many runs, after two that set up.

    Several ways to compute it take turns, so that what else the machine does slows each down alike.

    Args:
        ways: What is timed, by name; takes the batch, and returns when it is done.
        inputs: The batch, [N, ...] each.

    Returns:
        For each way ``runs``, ``median_ms``, ``p95_ms`` and, by the median, ``images_per_second``.

    Examples:
        >>> import numpy as np
        >>> from ppsci_gan.export import timing
        >>> found = timing.measure({"twice": lambda inputs: inputs["noise"] * 2}, {"noise": np.zeros([8, 2])})["twice"]
        >>> 0 < found["median_ms"] <= found["p95_ms"]
        True
    """
    for run in ways.values():
        run(inputs)
        run(inputs)
    seconds = {name: [] for name in ways}
    begin = time.perf_counter()
    for number in range(RUNS):
        if number >= LEAST_RUNS and time.perf_counter() - begin > SECONDS:
            break
        for name, run in ways.items():
            start = time.perf_counter()
            run(inputs)
            seconds[name].append(time.perf_counter() - start)
    size = len(next(iter(inputs.values())))
    return {name: _summarise(values, size) for name, values in seconds.items()}


def _summarise(seconds: list[float], size: int) -> dict[str, float]:
    median, late = (float(value) for value in np.percentile(seconds, [50, 95]))
    rate = size / median
    return {"runs": len(seconds), "median_ms": 1000 * median, "p95_ms": 1000 * late, "images_per_second": rate}


def compare(
    run: Callable[[Inputs], Any], run_eager: Callable[[Inputs], Any], draw: Callable[[int], Inputs], largest: int
) -> list[dict[str, float]]:
    """Time an exported generator and the network itself at several batch sizes.

    Args:
        run: The exported one, as for ``measure``.
        run_eager: The network.
        draw: ``draw(n)`` is a batch of n inputs.
        largest: Batch size.

    Returns:
        By batch size: ``batch_size``, what ``measure`` returns, ``eager_median_ms``, and ``speedup``, how many times as
        fast as the network the exported one is.
    """
    rows = []
    for size in choose_batch_sizes(largest):
        found = measure({"exported": run, "eager": run_eager}, draw(size))
        eager = found["eager"]["median_ms"]
        speedup = eager / found["exported"]["median_ms"]
        rows.append({"batch_size": size, **found["exported"], "eager_median_ms": eager, "speedup": speedup})
    return rows


def describe(rows: list[dict[str, float]]) -> str:
    """Return the table of what ``compare`` has found.

    Args:
        rows: From ``compare``.

    Examples:
        >>> from ppsci_gan.export import timing
        >>> row = {"batch_size": 1, "median_ms": 0.5, "p95_ms": 0.625, "images_per_second": 2000.0, "speedup": 2.0}
        >>> print(timing.describe([row]))
        batch   median ms     95 % ms    images/s  x eager
            1       0.500       0.625        2000     2.00
    """
    lines = ["batch   median ms     95 % ms    images/s  x eager"]
    lines += [
        f"{row['batch_size']:5d}  {row['median_ms']:10.3f}  {row['p95_ms']:10.3f}  {row['images_per_second']:10.0f}"
        f"  {row['speedup']:7.2f}"
        for row in rows
    ]
    return "\n".join(lines)
