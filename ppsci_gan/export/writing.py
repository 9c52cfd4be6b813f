"""Writing an exported generator's files: compared with the network, all of them or none, with their digests."""

from __future__ import annotations

import os
import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import paddle
from ppsci.utils import logger

from ppsci_gan.errors import TrainingError
from ppsci_gan.export import description
from ppsci_gan.export import onnx_files
from ppsci_gan.files import write_digests
from ppsci_gan.networks import latent
from ppsci_gan.networks.base import Player

DIGESTS = ".sha256"
EQUAL = 1e-5  # of values between -1 and 1: sums in another order
TOLERANCE = 1e-3  # a converter that misreads an operator is far beyond
BATCHES = (1, 2, 5)


def write(
    generator: Player,
    export_path: str,
    source: str | None = None,
    with_onnx: bool = False,
    half: bool = False,
) -> None:
    """Export a generator: Paddle's inference files, a description, digests and, if wanted, an ONNX file.

    The files are written elsewhere first. One that does not compute what the network does is never put in place.

    Args:
        generator: See ``ppsci_gan.networks.latent``; it is in evaluation mode afterwards.
        export_path: The files' path, without suffix.
        source: Where the weights came from, for the description.
        with_onnx: Whether to write an ONNX file, too.
        half: See ``onnx_files.convert``.

    Raises:
        InputError: The extra "export" is not installed.
        TrainingError: A file computes something else; where it is the ONNX file, Paddle's are written.
    """
    if with_onnx:
        onnx_files.require()
    target, failure = Path(export_path), None
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=".export") as folder:
        path = os.path.join(folder, target.name)
        generator.eval()
        _save_program(generator, path)
        described = description.describe(generator, source)
        description.save(described, path)
        program = paddle.jit.load(path)
        _check(generator, lambda inputs: _run_program(program, inputs), f"{export_path}.json")
        if with_onnx:
            try:
                onnx_files.convert(path, described, half)
                file = f"{path}.onnx"
                _check(generator, lambda inputs: onnx_files.run(file, inputs), f"{export_path}.onnx", half)
            except TrainingError as error:
                failure = error
                Path(f"{path}.onnx").unlink(missing_ok=True)
        names = sorted(os.listdir(folder))
        write_digests(f"{path}{DIGESTS}", [os.path.join(folder, name) for name in names])
        for name in (*names, f"{target.name}{DIGESTS}"):
            os.replace(os.path.join(folder, name), target.parent / name)
    sizes = ", ".join(f"{name} ({(target.parent / name).stat().st_size / 1000:.0f} KB)" for name in names)
    logger.message(f"Exported to {target.parent}: {sizes}")
    if failure is not None:
        raise failure


def _save_program(generator: Player, path: str) -> None:
    """Write ``path.json`` and ``path.pdiparams``."""
    paddle.jit.enable_to_static(True)
    static = paddle.jit.to_static(generator, input_spec=[latent.input_spec(generator)], full_graph=True)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="Found 'dict' in given outputs")  # it has one value
            paddle.jit.save(static, path)
    finally:
        static.forward.rollback()
        paddle.jit.enable_to_static(False)


def _run_program(program: paddle.nn.Layer, inputs: dict[str, np.ndarray]) -> np.ndarray:
    outputs = program(*(paddle.to_tensor(inputs[key]) for key in sorted(inputs)))
    return (outputs[0] if isinstance(outputs, (list, tuple)) else outputs).numpy()


def _check(generator: Player, run: Callable, path: str, half: bool = False) -> None:
    """Compare a file with its network on random latents, say how far they are apart, and refuse what is wrong.

    Weights that are rounded to half precision change a sample more than a sum in another order, and less than one sees.
    """
    difference = max(measure_difference(generator, run, size) for size in BATCHES)
    rounded = ", its weights in half precision" if half else ""
    logger.message(
        f"{path}{rounded}: differs from the network by {difference:.1e} at most, in batches of "
        f"{', '.join(map(str, BATCHES[:-1]))} and {BATCHES[-1]} random latents"
    )
    if not difference <= (100 * TOLERANCE if half else TOLERANCE):
        raise TrainingError(
            f"{path}: not written, as its samples differ from the network's by up to {difference:.2g}: an operator of "
            "this generator is converted wrongly. Paddle's own inference files are written where they are right."
        )
    if difference > EQUAL and not half:
        logger.warning(f"{path}: that is more than {EQUAL:g}, the rounding of such a network's sums.")


def measure_difference(generator: Player, run: Callable, num_samples: int) -> float:
    """Return the largest difference between a network's samples and those of another way to compute them.

    Args:
        generator: In evaluation mode.
        run: ``run(inputs)`` is an array of samples [N, ...].
        num_samples: Number of random latents; also their seed.

    Returns:
        The difference in units of the largest value, or of 1 where all are smaller; infinite where shapes differ.
    """
    inputs = latent.sample_fixed(generator, num_samples, seed=num_samples)
    with paddle.no_grad():
        outputs = generator({key: paddle.to_tensor(value) for key, value in inputs.items()})
    expected = outputs[generator.output_keys[0]].astype("float32").numpy()
    found = run(inputs)
    if found.shape != expected.shape:
        return np.inf
    return float(np.abs(found - expected).max() / max(1.0, np.abs(expected).max()))
