"""What the figures are relative to: this machine's threads, its fastest matrix product, and who else used it."""

from __future__ import annotations

import importlib.util
import os
import platform
import time
from pathlib import Path

import paddle

from ppsci_gan.devices import device

HAS_TORCH = importlib.util.find_spec("torch") is not None
LARGEST = 3072  # rows and columns of the largest matrix that is tried


def users_environment() -> dict[str, str]:
    """Return the environment that this process was started with: Paddle and ``device.tune_cpu`` add to it."""
    started = Path("/proc/self/environ")
    if not started.is_file():
        return dict(os.environ)
    entries = started.read_text(errors="replace").split("\0")
    return dict(entry.split("=", 1) for entry in entries if "=" in entry)


def threads() -> int:
    """Return how many threads both frameworks are to use: ``OMP_NUM_THREADS``, or all cores."""
    return int(users_environment().get("OMP_NUM_THREADS", device.usable_cores()))


def set_up() -> None:
    """Give Paddle its settings, as a script does, and PyTorch as many threads."""
    device.tune_cpu()
    paddle.device.set_device("cpu")
    if HAS_TORCH:
        import torch

        torch.set_num_threads(threads())


def description() -> dict[str, str | int]:
    """Return what produced the figures."""
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.is_file() else []
    model = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "")
    found = {
        "processor": model or platform.processor(),
        "threads": threads(),
        "python": platform.python_version(),
        "paddle": paddle.__version__,
    }
    if HAS_TORCH:
        import torch

        found["torch"] = torch.__version__
    return found


def peak_flops(largest: int = LARGEST) -> float:
    """Return the most floating-point operations a second of a float32 matrix product, by Paddle or PyTorch.

    Args:
        largest: Rows and columns; half and a third are tried, too.
    """
    rates = []
    for size in (largest, largest // 2, largest // 3):
        products = [_product(paddle.randn([size, size]))]
        if HAS_TORCH:
            import torch

            products.append(_product(torch.randn(size, size)))
        rates += [2 * size**3 / min(_seconds(product) for _ in range(5)) for product in products]
    return max(rates)


def _product(matrix):
    return lambda: matrix @ matrix


def _seconds(function) -> float:
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


class Others:
    """How much of the processors' time went to other processes, from now on.

    Figures from a busy machine are too high, PyTorch's most: its idle threads wait by spinning, which takes turns from
    the threads that they wait for. ``GOMP_SPINCOUNT=0`` in the environment stops that.
    """

    def __init__(self):
        self.start = self._used()

    def share(self) -> float | None:
        """Return the share of all cores' time; None where the system does not tell."""
        if self.start is None:
            return None
        busy, total, own = (now - before for now, before in zip(self._used(), self.start))
        return max(0.0, busy - own) / total if total > 0 else 0.0

    @staticmethod
    def _used() -> tuple[float, float, float] | None:
        stat = Path("/proc/stat")
        if not stat.is_file():
            return None
        user, nice, system, idle, waiting, *_ = (int(field) for field in stat.read_text().split("\n")[0].split()[1:])
        busy = (user + nice + system) / os.sysconf("SC_CLK_TCK")
        own = os.times()
        total = busy + (idle + waiting) / os.sysconf("SC_CLK_TCK")
        return busy, total, own.user + own.system + own.children_user + own.children_system


def resident_mb() -> float:
    """Return this process's memory in MiB."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20
