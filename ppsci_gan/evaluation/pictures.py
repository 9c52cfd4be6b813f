"""Pictures of what a generator makes."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import paddle
from ppsci.utils import logger

from ppsci_gan import plots
from ppsci_gan import weights
from ppsci_gan.data.images import Images
from ppsci_gan.devices import ranks
from ppsci_gan.evaluation.nearest import beside_nearest
from ppsci_gan.networks import latent
from ppsci_gan.networks.base import ImageGenerator

ANIMATED = 128  # pixels of an animation's frame
WALK = {"points": 6, "steps": 12}
ROWS = 10  # latents in a grid of classes
GROWN = 10  # latents in the picture of a growth
SWEEP = {"dimensions": 10, "steps": 11}


def draw_all(
    generator: ImageGenerator,
    generate: Callable[[dict[str, np.ndarray]], np.ndarray],
    folder: str,
    chosen: dict[str, np.ndarray],
    seed: int,
    real: Images | None = None,
) -> None:
    """Draw a grid, single images, a walk through the latent space, every class, and the nearest training images.

    Args:
        generator: The network.
        generate: Maps the generator's inputs to uint8 images [N, C, H, W].
        folder: Gets ``samples.png``, ``images/``, ``walk.png``, ``walk.gif`` and ``sweep.png``, in which a row changes
            one number of the latent; of a conditional generator ``classes.png`` and ``classes.gif``; with real images
            ``nearest.png``.
        chosen: The inputs of the grid, of ``latent.choose``.
        seed: Of the other latents.
        real: Training images, to show whether the generator has only learnt them by heart.
    """
    place = Path(folder)
    samples = generate(chosen)
    plots.save_enlarged_grid(samples, str(place / "samples.png"))
    plots.save_images(samples, str(place / "images"))
    way = latent.walk(generator, **WALK, seed=seed)
    frames = generate(way)
    plots.save_enlarged_grid(frames, str(place / "walk.png"), columns=WALK["steps"])
    plots.save_animation(plots.enlarge(frames, ANIMATED), str(place / "walk.gif"))
    plots.save_enlarged_grid(
        generate(latent.sweep(generator, **SWEEP, seed=seed)), str(place / "sweep.png"), columns=SWEEP["steps"]
    )
    if generator.label_num:
        draw_classes(generator, generate, place, way, seed)
    more = ""
    if real is not None:
        count = min(7, len(real.data))
        plots.save_enlarged_grid(
            beside_nearest(samples[:8], real.data, count), str(place / "nearest.png"), columns=1 + count
        )
        more = "; each row of nearest.png begins with a sample, the nearest training images follow"
    logger.message(f"Pictures: {folder}{more}")


def draw_classes(
    generator: ImageGenerator,
    generate: Callable[[dict[str, np.ndarray]], np.ndarray],
    folder: Path,
    way: dict[str, np.ndarray],
    seed: int,
) -> None:
    """Draw a grid with a latent per row and a class per column, and all classes side by side along a walk.

    Args:
        generator: A conditional one.
        generate: As for ``draw_all``.
        folder: Gets ``classes.png`` and ``classes.gif``.
        way: The walk, of ``latent.walk``.
        seed: Of the grid's latents.
    """
    classes = generator.label_num
    rows = generate(latent.repeat_for_classes(generator, latent.sample_fixed(generator, ROWS, seed)))
    plots.save_enlarged_grid(rows, str(folder / "classes.png"), columns=classes)
    frames = generate(latent.repeat_for_classes(generator, way))
    frames = frames.reshape([-1, classes, *frames.shape[1:]]).transpose(0, 2, 3, 1, 4)  # classes beside each other
    plots.save_animation(frames.reshape([*frames.shape[:3], -1]), str(folder / "classes.gif"))


# --8<-- [start:growth]
def draw_growth(generator: ImageGenerator, stages: Sequence[str], folder: str, size: int, seed: int) -> None:
    """Draw what the same latents became at the end of every stage of a training, a row each.

    Args:
        generator: Takes the stages' weights.
        stages: Names, of which ``<folder>/checkpoints`` has the weights; the first stages of a run that goes on may lie
            elsewhere and are left out.
        folder: Gets ``growth.png``.
        size: Height and width that all images are enlarged to, at least 64.
        seed: Of the latents.
    """
    if not ranks.is_first():
        return
    inputs = {key: paddle.to_tensor(value) for key, value in latent.sample_fixed(generator, GROWN, seed).items()}
    rows = []
    for file in (Path(folder, "checkpoints", f"{stage}.safetensors") for stage in stages):
        if file.exists():
            weights.load(generator, str(file), "MODEL.gen_net", "generator")
            with paddle.no_grad():
                samples = generator(inputs)[generator.output_keys[0]].numpy()
            rows.append(plots.enlarge(generator.to_images(samples), max(size, 64)))
    plots.save_image_grid(np.concatenate(rows), str(Path(folder, "growth.png")), columns=GROWN)


# --8<-- [end:growth]
