"""Images of an exported generator, anybody's: drawn by ONNX Runtime, which needs neither its code nor Paddle's."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
from ppsci.utils import logger
from tqdm import tqdm

from ppsci_gan.data.images import Images
from ppsci_gan.data.images import as_images
from ppsci_gan.errors import InputError
from ppsci_gan.plots import to_uint8

BATCH = 100  # images at a time, where the file leaves it open
TOLERANCE = 1e-3  # of values between -1 and 1: rounding
MOST_BEYOND = 0.05  # share of the values beyond black and white: a linear last layer gives some


def sample(path: str | os.PathLike, number: int, seed: int, classes: int | None = None) -> Images:
    """Draw images from standard normal latents, of all classes in turn.

    Args:
        path: An ``.onnx`` file. Its input is a latent, floats [N, D] or [N, D, 1, 1], and, of a conditional generator,
            integer labels [N]; its first output images [N, C, H, W], [N, H, W, C] or flat ones, bytes or floats from
            -1 to 1, 0 to 1 or 0 to 255. Metadata as ``mode=export`` writes it says more: ``label_num``, ``image_shape``
            and ``black``.
        number: How many.
        seed: Of the latents.
        classes: How many classes there are; None takes what the file says of itself.

    Returns:
        The images, with labels where there are classes.

    Raises:
        InputError: ONNX Runtime is not installed, or the file is damaged or no such generator.
    """
    try:
        import onnxruntime  # an extra
    except ModuleNotFoundError as error:
        raise InputError(f"{path}: an .onnx generator needs ONNX Runtime: pip install 'ppsci-gan[export]'.") from error
    if not Path(path).is_file():
        raise InputError(f"{path}: no such file.")
    try:
        session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    except Exception as error:  # the runtime's own, which share no base class
        raise InputError(f"{path}: damaged, or no ONNX file ({str(error).splitlines()[0][:200]}).") from error
    said = _read_metadata(session)
    inputs, batch, labels = _draw_inputs(session, path, number, seed, classes or said.get("label_num"))
    parts = []
    for start in tqdm(range(0, number, batch), "drawing", unit="batch", leave=False, delay=2):
        rows = np.arange(start, start + batch) % number  # a file of a fixed batch takes no smaller last one
        try:
            output = session.run(None, {key: value[rows] for key, value in inputs.items()})[0]
        except Exception as error:
            raise InputError(f"{path}: cannot be run ({str(error).splitlines()[0][:200]}).") from error
        parts.append(output[: number - start])
    return Images(f"{number} of {path}", _to_images(np.concatenate(parts), path, said), labels)


def _read_metadata(session: Any) -> dict[str, Any]:
    """Return what the file says of itself that is of use here; others' metadata may be anything."""
    found = {}
    for name, kind in (("label_num", int), ("image_shape", list), ("black", float)):
        try:
            value = json.loads(session.get_modelmeta().custom_metadata_map.get(name, ""))
        except ValueError:
            continue
        if type(value) is kind:
            found[name] = value
    return found


def _draw_inputs(
    session: Any, path: str | os.PathLike, number: int, seed: int, classes: int | None
) -> tuple[dict[str, np.ndarray], int, np.ndarray | None]:
    """Return the inputs by name, the size of a batch, and the labels."""
    given = {one.name: one for one in session.get_inputs()}
    floats = [one for one in given.values() if one.type in ("tensor(float)", "tensor(float16)", "tensor(double)")]
    integers = [one for one in given.values() if one.type in ("tensor(int64)", "tensor(int32)")]
    is_latent = len(floats) == 1 and len(floats[0].shape) > 1 and all(isinstance(d, int) for d in floats[0].shape[1:])
    if not is_latent or len(integers) > 1 or len(floats) + len(integers) != len(given):
        listed = ", ".join(f"{one.name} {one.type[7:-1]} {one.shape}" for one in given.values())
        raise InputError(
            f"{path}: takes {listed}; a generator takes a latent [N, D] and, if it has classes, labels [N]."
        )
    kind = {"tensor(float16)": np.float16, "tensor(double)": np.float64}.get(floats[0].type, np.float32)
    noise = np.random.default_rng(seed).standard_normal((number, *floats[0].shape[1:]), dtype=np.float32)
    inputs, labels = {floats[0].name: noise.astype(kind)}, None
    if integers:
        if not classes:
            raise InputError(f"{path}: takes labels and does not say how many classes there are: add --classes N.")
        labels = np.arange(number, dtype=np.int64) % classes
        wide = labels.reshape([-1] + [1] * (len(integers[0].shape) - 1))
        inputs[integers[0].name] = wide.astype(np.int32 if integers[0].type == "tensor(int32)" else np.int64)
    fixed = floats[0].shape[0]
    return inputs, fixed if isinstance(fixed, int) and fixed > 0 else BATCH, labels


def _to_images(output: np.ndarray, path: str | os.PathLike, said: dict[str, Any]) -> np.ndarray:
    """Return what a generator gives as bytes [N, C, H, W]."""
    if output.ndim == 2:
        shape = said.get("image_shape", [])
        shape = shape if np.prod(shape) == output.shape[1] else _square(output.shape[1], path)
        output = output.reshape([len(output), *shape])
    if output.dtype != np.uint8:
        low, high = _range(output, path, said.get("black"))
        output = to_uint8(output, low, high)
    return as_images(output, str(path))


def _range(values: np.ndarray, path: str | os.PathLike, black: float | None) -> tuple[float, float]:
    """Return the values of black and white, as they are usual: what lies a little beyond -1 and 1 is clipped."""
    least, most = float(values.min()), float(values.max())
    if black is not None:
        low, high = black, 1.0
    elif least < -TOLERANCE:
        low, high = -1.0, 1.0
    else:
        low, high = 0.0, 1.0 if most <= 1 + TOLERANCE else 255.0
    beyond = np.mean((values < low - TOLERANCE) | (values > high + TOLERANCE))
    if not np.isfinite(least + most) or beyond > MOST_BEYOND:
        raise InputError(
            f"{path}: gives values from {least:g} to {most:g}; images are from -1 to 1, from 0 to 1, or from 0 to 255."
        )
    logger.message(f"{path}: values from {least:.3g} to {most:.3g}, taken for {low:g} as black and {high:g} as white")
    return low, high


def _square(values: int, path: str | os.PathLike) -> tuple[int, int, int]:
    for channels in (1, 3):
        edge = round((values / channels) ** 0.5)
        if channels * edge * edge == values:
            return channels, edge, edge
    raise InputError(f"{path}: gives {values} values each, which are no square image of 1 or 3 channels.")
