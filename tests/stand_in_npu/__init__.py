"""A stand-in for an Ascend card: Paddle's plug-in interface with the host's memory and the CPU's kernels."""

import os
import shutil
import subprocess
from pathlib import Path

import paddle

SOURCES = sorted(Path(__file__).parent.glob("*.cc"))


def compiler() -> str | None:
    """Return the C++ compiler, if there is one."""
    return next(
        (found for name in (os.environ.get("CXX"), "g++", "c++") if name and (found := shutil.which(name))), None
    )


def build(folder: Path) -> None:
    """Compile the plug-in into a folder, half a minute; ``environment`` makes Paddle find it there."""
    include, libraries = Path(paddle.sysconfig.get_include()), Path(paddle.__file__).parent / "libs"
    command = [compiler(), "-std=c++17", "-O1", "-shared", "-fPIC", "-w", "-o", str(folder / "libstand_in_npu.so")]
    command += map(str, SOURCES)
    command += [f"-I{include}", f"-I{include / 'third_party'}"]
    command += ["-DPADDLE_WITH_CUSTOM_DEVICE", "-DPADDLE_WITH_CUSTOM_KERNEL"]
    command += [f"-L{libraries}", *(f"-l:{name}" for name in ("libphi_core.so", "libphi.so", "libcommon.so"))]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]


def environment(folder: Path, devices: int = 1, memory: int = 4096) -> dict[str, str]:
    """Return what a process needs to have these devices.

    Args:
        folder: Where the plug-in was built.
        devices: How many.
        memory: Of each, in MiB.
    """
    settings = {"STAND_IN_NPU_DEVICES": str(devices), "STAND_IN_NPU_MEMORY": str(memory)}
    return {
        **os.environ,
        "CUSTOM_DEVICE_ROOT": str(folder),
        "OMP_NUM_THREADS": "1",
        "GLOG_minloglevel": "2",
        **settings,
    }
