"""Draw samples of a trained generator: ``ppsci-gan sample --help``."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ppsci_gan import plots
from ppsci_gan import trained
from ppsci_gan.cli import explain_errors
from ppsci_gan.devices import device
from ppsci_gan.errors import InputError
from ppsci_gan.files import atomic


@explain_errors
def main(program: str = "python -m ppsci_gan.commands.sample", arguments: Sequence[str] | None = None) -> None:
    """Read the command line.

    Args:
        program: What the command is called.
        arguments: By default those of the process.
    """
    parser = argparse.ArgumentParser(program, description=__doc__.partition(":")[0])
    parser.add_argument("weights", help="name of pretrained weights, a file, a checkpoint or a URL")
    parser.add_argument("-n", "--number", type=int, default=16, help="how many (default %(default)s)")
    parser.add_argument("--labels", type=int, nargs="+", help="classes, in turn; by default all")
    parser.add_argument("--seed", type=int, default=0, help="of the latents (default %(default)s)")
    parser.add_argument("--truncation", type=float, help="of the latents, such as 1.0: more typical, less diverse")
    parser.add_argument(
        "--output",
        default="samples.png",
        help="a .png file gets a grid, an .npz file the array, a folder a file for each image (default %(default)s)",
    )
    parser.add_argument("--device", default="auto", help="auto, cpu, gpu, npu or xpu, with an optional :index")
    given = parser.parse_args(arguments)
    check_output(given.output)
    device.set_up(given.device)
    generator = trained.load(given.weights)
    samples = generator.sample(given.number, given.labels, given.seed, given.truncation)
    write(samples, given.output, is_image=generator.image_shape is not None)
    print(f"{generator}\n{given.output}: {len(samples)} samples")


def check_output(output: str) -> None:
    """Refuse a file of another kind, before what takes long.

    Args:
        output: A ``.png`` or ``.npz`` file, or a folder.

    Raises:
        InputError: Another suffix.

    Examples:
        >>> from ppsci_gan.commands import sample
        >>> sample.check_output("samples.npz")
    """
    if Path(output).suffix not in ("", ".png", ".npz"):
        raise InputError(f"--output {output}: name a .png file, an .npz file or a folder.")


def write(samples: np.ndarray, output: str, is_image: bool) -> None:
    """Write samples in the form that the name asks for.

    Args:
        samples: Images, uint8 [N, C, H, W], or points, float32 [N, 2].
        output: As for ``check_output``.
        is_image: Whether they are images.

    Raises:
        InputError: Points are to be written as a folder of images.

    Examples:
        >>> import tempfile
        >>> import numpy as np
        >>> from ppsci_gan.commands import sample
        >>> path = tempfile.mkdtemp() + "/points.npz"
        >>> sample.write(np.zeros([3, 2], np.float32), path, is_image=False)
        >>> np.load(path)["points"].shape
        (3, 2)
    """
    suffix = Path(output).suffix
    if suffix == ".npz":
        with atomic(output) as temporary:
            np.savez_compressed(temporary, **{"images" if is_image else "points": samples})
    elif suffix == ".png":
        (plots.save_enlarged_grid if is_image else plots.save_scatter)(samples, output)
    elif is_image:
        plots.save_images(samples, output)
    else:
        raise InputError(f"--output {output}: points are no images; name a .png or an .npz file.")


if __name__ == "__main__":
    main()
