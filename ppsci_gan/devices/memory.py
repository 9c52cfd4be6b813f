"""Device memory: peak, total, and advice when it runs out."""

from __future__ import annotations

import re
import sys
import traceback
from collections.abc import Callable
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import paddle
import psutil
from paddle.base import core

from ppsci_gan.errors import InputError
from ppsci_gan.files import available_memory

TRAINING = (
    "Make TRAIN.batch_size smaller (TRAIN.update_freq=k makes an update of k such batches), or MODEL.gen_net.dim and "
    "MODEL.dis_net.dim; on a GPU or NPU, use_amp=true takes about half."
)
GROWING = (
    "Make batch_size of this stage in TRAIN.stages smaller (TRAIN.update_freq=k makes an update of k such batches), or "
    "the last of MODEL.gen_net.depths; on a GPU or NPU, use_amp=true takes about half."
)
EVALUATION = "Make EVAL.batch_size or VIS.num_images smaller."
SETTING_UP = "Make MODEL.gen_net.dim and MODEL.dis_net.dim, or the batch size, smaller."
INFERENCE = "Make INFER.batch_size smaller."


def peak_mb() -> int:
    """Return the peak memory of the device, or on the CPU of the process, in MiB.

    Examples:
        >>> from ppsci_gan.devices import memory
        >>> memory.peak_mb() > 0
        True
    """
    if paddle.device.get_device() == "cpu":
        return _peak_of_process() >> 20
    return paddle.device.max_memory_allocated() >> 20


def _peak_of_process() -> int:
    """Return the peak memory of this process in bytes."""
    try:
        import resource  # elsewhere than on Windows, which lacks it, psutil does not report the peak
    except ModuleNotFoundError:
        used = psutil.Process().memory_info()
        return used.peak_wset if hasattr(used, "peak_wset") else used.rss
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024  # macOS counts in bytes, the others in KiB


def total_mb() -> int | None:
    """Return the memory of the device, or on the CPU of the machine, in MiB; None if Paddle does not report it.

    Examples:
        >>> from ppsci_gan.devices import memory
        >>> memory.total_mb() > 0
        True
    """
    name = paddle.device.get_device()
    if name == "cpu":
        return psutil.virtual_memory().total >> 20
    if name.startswith("gpu"):
        return paddle.device.cuda.get_device_properties(name).total_memory >> 20
    return None


def measure(step: Callable[[], None]) -> int:
    """Run something; return the most memory of the device that Paddle had for it at a time, in bytes.

    Args:
        step: What to run.

    Examples:
        >>> import paddle
        >>> from ppsci_gan.devices import memory
        >>> 4_000_000 <= memory.measure(lambda: paddle.zeros([1000, 1000])) < 5_000_000
        True
    """
    if paddle.device.get_device() == "cpu":
        core.host_memory_stat_reset_peak_value("Allocated", 0)
        before = core.host_memory_stat_current_value("Allocated", 0)
        step()
        return core.host_memory_stat_peak_value("Allocated", 0) - before
    paddle.device.reset_max_memory_allocated()
    before = paddle.device.memory_allocated()
    step()
    return paddle.device.max_memory_allocated() - before


def free_bytes() -> int | None:
    """Return what is left of the memory of the device, or on the CPU of the machine; None if Paddle does not report it.

    Examples:
        >>> from ppsci_gan.devices import memory
        >>> memory.free_bytes() > 0
        True
    """
    if paddle.device.get_device() == "cpu":
        return available_memory()
    total = total_mb()
    return None if total is None else (total << 20) - paddle.device.memory_allocated()


@contextmanager
def explain_out_of_memory(what: str, advice: str = TRAINING) -> Iterator[None]:
    """Turn Paddle's out-of-memory error into a message with the failed allocation, its place and the remedy.

    Args:
        what: The activity, such as ``phase critic``.
        advice: The settings that reduce memory.

    Raises:
        InputError: In place of Paddle's error.

    Examples:
        >>> from ppsci_gan.devices import memory
        >>> with memory.explain_out_of_memory("phase critic"):
        ...     raise MemoryError("(ResourceExhausted) Fail to alloc memory of 4096 size, error code is 12.")
        Traceback (most recent call last):
            ...
        ppsci_gan.errors.InputError: Out of memory on cpu, phase critic, with ... MB in use before: Fail to alloc ...
    """
    try:
        yield
    except (MemoryError, OSError) as error:
        # Plug-ins report an error code only; 2 is exhausted memory.
        if isinstance(error, OSError) and "CustomDevice error, the error code is : 2" not in str(error):
            raise
        lines = [line.strip() for line in str(error).splitlines()]
        reason = next((line for line in lines if re.search(r"alloc", line, re.IGNORECASE)), lines[0] if lines else "")
        reason = re.sub(r"^\(ResourceExhausted\)\s*|^\(External\)\s*|ResourceExhaustedError:\s*", "", reason)
        raise InputError(
            f"Out of memory on {paddle.device.get_device()}, {what}, with {peak_mb()} MB in use before: {reason}"
            f"{_locate(error)}\n{advice}"
        ) from None


def _locate(error: Exception) -> str:
    """Describe the line that allocated: the last one outside of Paddle."""
    libraries = Path(paddle.__file__).parents[1]
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename != __file__]
    own = [frame for frame in frames if libraries not in Path(frame.filename).parents]
    return f"\nIn {Path(own[-1].filename).name}, line {own[-1].lineno}: {own[-1].line}" if own else ""
