"""What this machine has for training: ``python -m ppsci_gan.commands.device --help``."""

from __future__ import annotations

import argparse
import os
import platform
from collections.abc import Sequence

import paddle
import ppsci

from ppsci_gan import __version__
from ppsci_gan.cli import explain_errors
from ppsci_gan.devices import device
from ppsci_gan.devices import memory
from ppsci_gan.devices import operators

VARIABLES = ("CUSTOM_DEVICE_ROOT", "ASCEND_HOME_PATH", "ASCEND_TOOLKIT_HOME", "CUDA_VISIBLE_DEVICES")


def report() -> list[str]:
    """Describe the machine and the current device: versions, cores, operators, memory."""
    missing = device.missing_second_order_kernels()
    penalty = f"explicit, as there is no {' and no '.join(missing)}" if missing else "autograd"
    return [
        f"Python {platform.python_version()}, Paddle {paddle.__version__}, paddlesci {ppsci.__version__}, "
        f"ppsci-gan {__version__}",
        *(f"{kind}: {device.count(kind)}" for kind in device.PREFERENCE),
        f"cores: {device.usable_cores()}",
        *(f"{name}={os.environ[name]}" for name in VARIABLES if os.environ.get(name)),
        "",
        f"On {paddle.device.get_device()}:",
        *operators.tabulate_support(),
        "ok: has this kernel; ok*: right, but by other kernels or, on a plug-in, by the CPU; missing: fails",
        "",
        f"memory: {memory.total_mb() or 'Paddle does not tell how many'} MB, most used here {memory.peak_mb()} MB",
        f"gradient penalty: {penalty} (LOSS.penalty_gradient=auto)",
    ]


@explain_errors
def main(program: str = "python -m ppsci_gan.commands.device", arguments: Sequence[str] | None = None) -> None:
    """Read the command line.

    Args:
        program: What the command is called.
        arguments: By default those of the process.
    """
    description = "What this machine has for training: devices, versions, operators."
    parser = argparse.ArgumentParser(program, description=description)
    parser.add_argument("name", nargs="?", default="auto", help="auto, cpu, gpu, npu or xpu, with an optional :index")
    device.set_up(parser.parse_args(arguments).name)
    print("\n".join(report()))


if __name__ == "__main__":
    main()
