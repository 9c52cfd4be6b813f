"""Which device, and making the CPU fast: chosen once, before the first computation."""

from __future__ import annotations

import ctypes
import os
import platform
import re
from collections.abc import Mapping
from pathlib import Path

import joblib
import paddle
from ppsci.utils import logger

from ppsci_gan.errors import InputError

PATTERN = re.compile(r"(auto|cpu|gpu|npu|xpu)(?::(\d+))?")
NAMES = "write auto, cpu, gpu, npu or xpu, with an optional :index, such as gpu:0"

PREFERENCE = ("npu", "gpu", "xpu", "cpu")  # of device=auto

ENGINES = {"tensorrt": "gpu", "mkldnn": "cpu"}  # an engine of inference -> the only kind of device that has it

_MISSING = {
    "gpu": "install the GPU build (paddlepaddle-gpu) and check that nvidia-smi shows the card",
    "xpu": "install the XPU build of Paddle (paddlepaddle-xpu)",
    "npu": "install the Ascend plug-in (paddle-custom-npu) and CANN; Paddle finds plug-ins in its own "
    "paddle_custom_device folder and in CUSTOM_DEVICE_ROOT",
}


def count(kind: str) -> int:
    """Return how many devices of a kind Paddle can use here.

    Args:
        kind: ``cpu``, ``gpu``, ``npu`` or ``xpu``.

    Examples:
        >>> from ppsci_gan.devices import device
        >>> device.count("cpu")
        1
    """
    if kind == "cpu":
        return 1
    if kind == "gpu":
        return paddle.device.cuda.device_count() if paddle.is_compiled_with_cuda() else 0
    if kind == "xpu":
        return paddle.device.xpu.device_count() if paddle.is_compiled_with_xpu() else 0
    return sum(name.split(":")[0] == kind for name in paddle.device.get_available_custom_device() or [])


def select(name: str = "auto") -> str:
    """Make a device Paddle's current one and say which.

    Args:
        name: ``auto``, ``cpu``, ``gpu``, ``npu`` or ``xpu``, with an optional ``:index``. ``auto`` takes npu, then
            gpu, then xpu, then cpu.

    Returns:
        Paddle's name of the device, such as ``gpu:0`` or ``cpu``.

    Raises:
        InputError: The name is unknown or that device is not here. There is no silent fall-back to the CPU.

    Examples:
        >>> from ppsci_gan.devices import device
        >>> device.select("cpu")
        'cpu'
    """
    match = PATTERN.fullmatch(name)
    if match is None:
        raise InputError(f"device={name}: {NAMES}.")
    kind = match.group(1)
    if kind == "auto":
        kind = next(kind for kind in PREFERENCE if count(kind))
    launched = os.environ.get(f"FLAGS_selected_{kind}s") or "0"  # paddle.distributed.launch's choice for this rank
    index = int(match.group(2) or launched.split(",")[0])
    if count(kind) <= index and kind != "cpu":
        found = f"only {count(kind)} here" if count(kind) else f"none here: {_MISSING[kind]}"
        raise InputError(f"device={name}: {kind}:{index} is not available, {found}. device=auto takes what there is.")
    if kind == "npu":
        paddle.set_flags({"FLAGS_use_stride_kernel": False})  # plug-ins have no strided views
    paddle.device.set_device("cpu" if kind == "cpu" else f"{kind}:{index}")
    return paddle.device.get_device()


def set_up(name: str = "auto") -> None:
    """Select a device, make the CPU fast, and log both.

    Args:
        name: As for ``select``.

    Raises:
        InputError: As for ``select``.

    Examples:
        >>> from ppsci_gan.devices import device
        >>> device.set_up("cpu")  # doctest: +SKIP
    """
    tune_cpu()
    logger.info(f"device={name}: running on {select(name)}, {explain_choice(name)}")


def explain_choice(name: str) -> str:
    """Say why a device was selected.

    Args:
        name: What ``select`` was given.

    Examples:
        >>> from ppsci_gan.devices import device
        >>> device.explain_choice("cpu")
        'as asked for'
    """
    if not name.startswith("auto"):
        return "as asked for"
    found = {kind: count(kind) for kind in PREFERENCE}
    return f"the first of {', '.join(f'{kind} ({number} here)' for kind, number in found.items())}"


def missing_second_order_kernels() -> list[str]:
    """Return which kernels of a twice differentiated critic the current device lacks.

    Examples:
        >>> from ppsci_gan.devices import device
        >>> device.select("cpu")
        'cpu'
        >>> device.missing_second_order_kernels()
        []
    """
    return [name for name in ("conv2d_double_grad", "matmul_double_grad") if not has_kernel(name)]


def has_kernel(name: str) -> bool:
    """Whether the current device has a kernel of its own; a plug-in without falls back to the CPU's, or fails.

    Args:
        name: Such as ``conv2d_grad``.

    Examples:
        >>> from ppsci_gan.devices import device
        >>> device.has_kernel("no_such_kernel")
        False
    """
    kind = paddle.device.get_device().split(":")[0]
    kernels = paddle.base.core._get_registered_phi_kernels().get(name, [])
    # Such as "(GPUDNN, Undefined(AnyLayout), float32)" for a GPU.
    return any(kernel.lower().startswith(f"({kind}") for kernel in kernels)


def usable_cores() -> int:
    """Return how many CPU cores this process may use: its affinity, cut by the container's quota.

    A quota of one and a half cores counts as two: two threads use it up, one would leave a third of it.

    Examples:
        >>> from ppsci_gan.devices import device
        >>> device.usable_cores() >= 1
        True
    """
    return joblib.cpu_count()


def tune_cpu() -> None:
    """Choose the fast BLAS path, the number of threads and how memory is kept, unless the environment already does.

    Paddle's wheel carries an MKL that picks a slow path on AMD processors, Paddle uses one thread unless told
    otherwise, and glibc gives every large block back to the system, which then has to hand it out page by page again.
    Each costs a factor of two or more. What the user set (``MKL_DEBUG_CPU_TYPE``, ``OMP_NUM_THREADS``,
    ``MKL_NUM_THREADS``, ``KMP_BLOCKTIME``, ``MALLOC_*``) is left alone.
    Takes effect only before the first matrix product of the process.

    Examples:
        >>> from ppsci_gan.devices import device
        >>> device.tune_cpu()  # doctest: +SKIP
    """
    chosen = []
    path = _fast_mkl_path()
    if path and "MKL_DEBUG_CPU_TYPE" not in os.environ:
        os.environ["MKL_DEBUG_CPU_TYPE"] = path
        chosen.append(f"MKL_DEBUG_CPU_TYPE={path} (AMD processor)")
    if "KMP_BLOCKTIME" not in os.environ:
        # How many milliseconds a thread spins, waiting for the next operation. At 0, waking it costs more than most
        # operations take; at 200, MKL's default, every other process on a busy machine is held up.
        os.environ["KMP_BLOCKTIME"] = "5"
        chosen.append("KMP_BLOCKTIME=5")
    if not {"OMP_NUM_THREADS", "MKL_NUM_THREADS"} & set(_users_environment()):
        ranks = int(os.environ.get("PADDLE_LOCAL_SIZE", "1"))
        threads = max(1, usable_cores() // ranks)
        paddle.base.core.set_num_threads(threads)
        chosen.append(f"{threads} thread{'s' * (threads > 1)}")
    if not any(name.startswith("MALLOC_") for name in os.environ) and _keep_freed_memory():
        chosen.append("freed memory is kept")
    logger.info(f"CPU settings: {', '.join(chosen) or 'as the environment says'}.")


def _fast_mkl_path() -> str | None:
    """Return the value of MKL_DEBUG_CPU_TYPE that lets MKL use all of an AMD processor; None on others.

    Measured on matrix products: with AVX-512, 7 is twice as fast as 5 (8 is an illegal instruction); without, 5 is the
    fastest.
    """
    cpuinfo = Path("/proc/cpuinfo")
    text = cpuinfo.read_text() if cpuinfo.is_file() else ""
    if "AuthenticAMD" not in text:
        return None
    flags = set(re.search(r"^flags\s*:(.*)$", text, re.MULTILINE)[1].split())
    return "7" if {"avx512f", "avx512dq", "avx512bw", "avx512vl"} <= flags else "5"


# of glibc's malloc.h and Linux's mman.h
_M_TRIM_THRESHOLD, _M_MMAP_MAX, _MADV_HUGEPAGE = -1, -4, 14
_HUGE_PAGE = 2**21
_HEAP = 2**30  # bytes that get huge pages; only what is touched is taken


def _keep_freed_memory() -> bool:
    """Let glibc keep what is freed for the next allocation, in huge pages; whether there is a glibc to tell.

    Networks allocate and free the same large blocks in every iteration. By default each comes from the system anew, and
    touching its pages for the first time takes longer than computing what goes there. In pages of 4 KB, finding them
    again takes long, too.
    """
    if platform.libc_ver()[0] != "glibc":
        return False
    libc = ctypes.CDLL(None)
    libc.malloc.restype, libc.malloc.argtypes = ctypes.c_void_p, [ctypes.c_size_t]
    libc.free.argtypes = [ctypes.c_void_p]
    libc.madvise.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
    kept = libc.mallopt(_M_MMAP_MAX, 0) and libc.mallopt(_M_TRIM_THRESHOLD, 2**31 - 1)
    # The heap grows by the block, and freed, the block stays its end, from which allocations are served.
    if kept and (block := libc.malloc(_HEAP)):
        start = -(-block // _HUGE_PAGE) * _HUGE_PAGE
        libc.madvise(start, block + _HEAP - start, _MADV_HUGEPAGE)  # a wish: kernels without them are as before
        libc.free(block)
    return bool(kept)


def _users_environment() -> Mapping[str, str]:
    """Return the environment that the process was started with: importing Paddle sets OMP_NUM_THREADS=1 itself."""
    started = Path("/proc/self/environ")
    if not started.is_file():
        return {name: value for name, value in os.environ.items() if (name, value) != ("OMP_NUM_THREADS", "1")}
    return dict(entry.split("=", 1) for entry in started.read_text(errors="replace").split("\0") if "=" in entry)
