"""Making sure that an ONNX file computes what the network does: converters translate some operators wrongly."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import paddle
from paddle import nn

from ppsci_gan.errors import TrainingError
from ppsci_gan.networks import latent

TOLERANCE = 1e-3  # of values between -1 and 1; ONNX Runtime sums in another order


def check(generator: nn.Layer, path: str) -> None:
    """Compare an exported file with its generator, on a fixed latent.

    Args:
        generator: See ``ppsci_gan.networks.latent``; in evaluation mode.
        path: The ONNX file; removed where it is wrong.

    Raises:
        TrainingError: The file computes something else.
        ModuleNotFoundError: ONNX Runtime is not installed (extra "export").
    """
    import onnxruntime  # an extra

    inputs = latent.sample_fixed(generator, 3, seed=0)
    with paddle.no_grad():
        outputs = generator({key: paddle.to_tensor(value) for key, value in inputs.items()})
    expected = outputs[generator.output_keys[0]].astype("float32").numpy()
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    found = session.run(None, {given.name: inputs[given.name] for given in session.get_inputs()})[0]
    difference = np.abs(found - expected).max() if found.shape == expected.shape else np.inf
    if not difference <= TOLERANCE:
        Path(path).unlink()
        raise TrainingError(
            f"{path}: the converted generator's samples differ from Paddle's by up to {difference:.2g}, so the file "
            "was removed: paddle2onnx translates an operator of this generator wrongly. Paddle's own files are good."
        )
