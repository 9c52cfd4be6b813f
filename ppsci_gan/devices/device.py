"""Select the device and tune the CPU, once, before the first computation."""

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

ENGINES = {"tensorrt": "gpu", "mkldnn": "cpu"}  # inference engine -> the only kind of device that has it

THREADS = {"OMP_NUM_THREADS", "MKL_NUM_THREADS"}  # the user's own choice

_MISSING = {
    "gpu": "install the GPU build (paddlepaddle-gpu) and check that nvidia-smi shows the card",
    "xpu": "install the XPU build of Paddle (paddlepaddle-xpu)",
    "npu": "install the Ascend plug-in (paddle-custom-npu) and CANN; Paddle finds plug-ins in its own "
    "paddle_custom_device folder and in CUSTOM_DEVICE_ROOT",
}


def count(kind: str) -> int:
    """Return the number of devices of a kind that Paddle can use.

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
    """Select Paddle's current device and return its name.

    Args:
        name: ``auto``, ``cpu``, ``gpu``, ``npu`` or ``xpu``, with an optional ``:index``. ``auto`` takes npu, then
            gpu, then xpu, then cpu.

    Returns:
        Paddle's name of the device, such as ``gpu:0`` or ``cpu``.

    Raises:
        InputError: The name is unknown or the device is unavailable. There is no silent fall-back to the CPU.

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
        raise InputError(
            f"device={name}: {kind}:{index} is not available, {found}. device=auto takes an available one."
        )
    if kind == "npu":
        paddle.set_flags({"FLAGS_use_stride_kernel": False})  # plug-ins have no strided views
    paddle.device.set_device("cpu" if kind == "cpu" else f"{kind}:{index}")
    return paddle.device.get_device()


def set_up(name: str = "auto") -> None:
    """Tune the CPU, select a device, and log both.

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
    """Explain why ``select`` chose a device.

    Args:
        name: As for ``select``.

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
    """Return the kernels for differentiating a critic twice that the current device lacks.

    Examples:
        >>> from ppsci_gan.devices import device
        >>> device.select("cpu")
        'cpu'
        >>> device.missing_second_order_kernels()
        []
    """
    return [name for name in ("conv2d_double_grad", "matmul_double_grad") if not has_kernel(name)]


def has_kernel(name: str) -> bool:
    """Whether the current device has a kernel; without it, a plug-in falls back to the CPU or fails.

    Args:
        name: Paddle's name of the kernel, such as ``conv2d_grad``.

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
    """Return the number of CPU cores that this process may use: its affinity, limited by the container's quota.

    A quota of one and a half cores counts as two, because one thread would leave a third of it unused.

    Examples:
        >>> from ppsci_gan.devices import device
        >>> device.usable_cores() >= 1
        True
    """
    return joblib.cpu_count()


def num_threads() -> int:
    """Return the number of threads to compute with: the user's, or one for each core that this rank has.

    Examples:
        >>> from ppsci_gan.devices import device
        >>> device.num_threads() >= 1
        True
    """
    given = [value for name, value in _users_environment().items() if name in THREADS and value.isdecimal()]
    ranks = int(os.environ.get("PADDLE_LOCAL_SIZE", "1"))
    return max(1, min(map(int, given)) if given else usable_cores() // ranks)


def tune_cpu() -> None:
    """Choose the fast BLAS path, the number of threads and the handling of freed memory.

    Paddle's wheel has an MKL that picks a slow path on AMD processors, Paddle uses one thread by default, and glibc
    returns every large block to the system, so that reusing it faults page by page. Each costs a factor of two or more.
    The user's own settings (``MKL_DEBUG_CPU_TYPE``, ``OMP_NUM_THREADS``, ``MKL_NUM_THREADS``, ``KMP_BLOCKTIME``,
    ``MALLOC_*``) take precedence. Has an effect only before the first matrix product of the process.

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
        # Milliseconds for which a thread spins between operations. At 0, waking it costs more than most operations
        # take; at 200, MKL's default, it holds up every other process on a busy machine.
        os.environ["KMP_BLOCKTIME"] = "5"
        chosen.append("KMP_BLOCKTIME=5")
    if not THREADS & set(_users_environment()):
        threads = num_threads()
        paddle.base.core.set_num_threads(threads)
        chosen.append(f"{threads} thread{'s' * (threads > 1)}")
    if not any(name.startswith("MALLOC_") for name in os.environ) and _keep_freed_memory():
        chosen.append("freed memory is kept")
    logger.info(f"CPU settings: {', '.join(chosen) or 'as the environment says'}.")


def _fast_mkl_path() -> str | None:
    """Return the fastest value of MKL_DEBUG_CPU_TYPE for an AMD processor; None on others.

    Measured on matrix products: with AVX-512, 7 is twice as fast as 5 (8 is an illegal instruction); without, 5 is the
    fastest.
    """
    cpuinfo = Path("/proc/cpuinfo")
    text = cpuinfo.read_text() if cpuinfo.is_file() else ""
    if "AuthenticAMD" not in text:
        return None
    flags = set(re.search(r"^flags\s*:(.*)$", text, re.MULTILINE)[1].split())
    return "7" if {"avx512f", "avx512dq", "avx512bw", "avx512vl"} <= flags else "5"


# from glibc's malloc.h and Linux's mman.h
_M_TRIM_THRESHOLD, _M_MMAP_MAX, _MADV_HUGEPAGE = -1, -4, 14
_HUGE_PAGE = 2**21
_HEAP = 2**30  # bytes to back by huge pages; untouched pages take no memory


def _keep_freed_memory() -> bool:
    """Make glibc keep freed memory for the next allocation, in huge pages; return whether that worked.

    Networks allocate and free the same large blocks in every iteration. By default the system provides each block anew,
    and its page faults take longer than the computation. With pages of 4 KB, address translation is slow, too.
    """
    if platform.libc_ver()[0] != "glibc":
        return False
    libc = ctypes.CDLL(None)
    libc.malloc.restype, libc.malloc.argtypes = ctypes.c_void_p, [ctypes.c_size_t]
    libc.free.argtypes = [ctypes.c_void_p]
    libc.madvise.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
    kept = libc.mallopt(_M_MMAP_MAX, 0) and libc.mallopt(_M_TRIM_THRESHOLD, 2**31 - 1)
    # After it is freed, the block remains as the end of the heap, which serves later allocations.
    if kept and (block := libc.malloc(_HEAP)):
        start = -(-block // _HUGE_PAGE) * _HUGE_PAGE
        libc.madvise(start, block + _HEAP - start, _MADV_HUGEPAGE)  # advice: kernels without huge pages ignore it
        libc.free(block)
    return bool(kept)


def _users_environment() -> Mapping[str, str]:
    """Return the environment at the start of the process: importing Paddle sets OMP_NUM_THREADS=1 itself."""
    started = Path("/proc/self/environ")
    if not started.is_file():
        return {name: value for name, value in os.environ.items() if (name, value) != ("OMP_NUM_THREADS", "1")}
    return dict(entry.split("=", 1) for entry in started.read_text(errors="replace").split("\0") if "=" in entry)
