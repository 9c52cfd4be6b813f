"""VisualDL, TensorBoard and W&B: what ppsci does not send them of a run, its configuration and its pictures."""

from __future__ import annotations

from typing import TYPE_CHECKING
from typing import Any

import numpy as np
from PIL import Image

if TYPE_CHECKING:
    from ppsci.solver import Solver


def add_configuration(solver: Solver, settings: dict[str, Any]) -> None:
    """Send the configuration to W&B, where it is used.

    Args:
        solver: Its writers are ppsci's: None where they are not used, and on every rank but the first.
        settings: The configuration, as plain values.
    """
    if solver.wandb_writer is not None:
        solver.wandb_writer.config.update(settings)


def add_picture(solver: Solver, name: str, path: str) -> None:
    """Send a picture to those that are used.

    Args:
        solver: As for ``add_configuration``.
        name: What it shows.
        path: Its file.
    """
    writers = solver.vdl_writer, solver.tbd_writer, solver.wandb_writer
    if not any(writer is not None for writer in writers):
        return
    with Image.open(path) as image:
        pixels = np.asarray(image.convert("RGB"))
    for writer in writers[:2]:
        if writer is not None:
            writer.add_image(name, pixels, solver.global_step, dataformats="HWC")
    if solver.wandb_writer is not None:
        import wandb  # an extra

        solver.wandb_writer.log({"step": solver.global_step, name: wandb.Image(pixels)})
