"""Draws the picture at the head of the home page and the README, by the weights in the repository.

python web/hero.py docs/images/hero.png
"""

from __future__ import annotations

import sys

import numpy as np
import paddle
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image

from ppsci_gan import weights
from ppsci_gan.networks import latent
from ppsci_gan.networks.dcgan import DcganGenerator
from ppsci_gan.networks.wgangp import WganGpToyDiscriminator
from ppsci_gan.networks.wgangp import WganGpToyGenerator

EDGE, GAP = 560, 20  # pixels of a panel, and between two
REACH = 1.7  # of the plane


@paddle.no_grad()
def draw_points() -> Image.Image:
    generator = weights.restore("pretrained:wgangp_toy_8gaussians", "generator", [WganGpToyGenerator], {})
    critic = weights.restore("pretrained:wgangp_toy_8gaussians", "critic", [WganGpToyDiscriminator], {})
    points = generator(latent.sample(generator, 4000))["fake_data"].numpy()
    x, y = np.meshgrid(*[np.linspace(-REACH, REACH, 200, dtype=np.float32)] * 2)
    value = critic({"data": paddle.to_tensor(np.stack([x.ravel(), y.ravel()], 1))})["score"].numpy().reshape(x.shape)
    figure = Figure(figsize=(EDGE / 100, EDGE / 100), dpi=100)
    axes = figure.add_axes((0, 0, 1, 1), xlim=(-REACH, REACH), ylim=(-REACH, REACH))
    axes.contourf(x, y, value, levels=24, cmap="Purples")
    axes.contour(x, y, value, levels=24, colors="white", linewidths=0.6)
    axes.scatter(*points.T, s=5, c="#0b4fa8", alpha=0.5, linewidths=0)
    axes.axis("off")
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return Image.fromarray(np.asarray(canvas.buffer_rgba())).convert("RGB")


@paddle.no_grad()
def draw_images(name: str, across: int, enlarged: int, seed: int) -> Image.Image:
    """A grid of ``across`` by ``across`` images, each pixel ``enlarged`` times; a class per column."""
    generator = weights.restore(f"pretrained:{name}", "generator", [DcganGenerator], {})
    generator.eval()
    inputs = latent.sample_fixed(generator, across * across, seed)
    outputs = generator({key: paddle.to_tensor(value) for key, value in inputs.items()})
    images = generator.to_images(outputs[generator.output_keys[0]].numpy()).transpose(0, 2, 3, 1)
    panel, step = Image.new("RGB", (EDGE, EDGE), "white"), EDGE / across
    for number, image in enumerate(images):
        picture = Image.fromarray(image.squeeze()).convert("RGB")
        picture = picture.resize([edge * enlarged for edge in picture.size], Image.Resampling.NEAREST)
        margin = (step - picture.width) / 2
        panel.paste(picture, (round(number % across * step + margin), round(number // across * step + margin)))
    return panel


def main() -> None:
    paddle.seed(0)
    panels = [draw_points(), draw_images("dcgan_mnist", 10, 2, seed=3), draw_images("dcgan_faces_quick", 5, 3, seed=4)]
    hero = Image.new("RGBA", (len(panels) * (EDGE + GAP) - GAP, EDGE))
    for number, panel in enumerate(panels):
        hero.paste(panel, (number * (EDGE + GAP), 0))
    hero.quantize(256).save(sys.argv[1], optimize=True)


if __name__ == "__main__":
    main()
