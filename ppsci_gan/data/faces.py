"""Drawn faces: images with known factors, made from a seed, so that nothing has to be downloaded."""

from __future__ import annotations

import numpy as np

SKIN = np.array([[255, 224, 196], [234, 192, 134], [198, 134, 66], [141, 85, 36], [92, 56, 30]])
HAIR = np.array([[20, 18, 16], [90, 56, 37], [184, 110, 50], [230, 200, 120], [150, 150, 150]])
EYES = np.array([[60, 90, 160], [70, 120, 60], [80, 50, 30], [30, 30, 30]])
PALETTES = {"skin": SKIN, "hair": HAIR, "eyes": EYES}
SUPERSAMPLING = 4  # samples per pixel and direction, for smooth edges


def factors(num_samples: int, seed: int) -> dict[str, np.ndarray]:
    """Draw what makes the faces differ.

    Args:
        num_samples: How many faces.
        seed: Any non-negative integer.

    Returns:
        ``skin``, ``hair`` and ``eyes``, indices of ``PALETTES``, int64 [N]; ``background``, RGB 0 to 255 [N, 3];
        ``smile`` (-1 sad, 1 happy), ``mouth`` (how far open, 0 to 1), ``x`` and ``y`` (position), ``width`` (of the
        head), ``long`` (length of the hair, 0 to 1), all float [N].

    Examples:
        >>> from ppsci_gan.data import faces
        >>> sorted(faces.factors(3, seed=0))
        ['background', 'eyes', 'hair', 'long', 'mouth', 'skin', 'smile', 'width', 'x', 'y']
    """
    rng = np.random.default_rng(seed)
    drawn = {name: rng.integers(0, len(palette), num_samples) for name, palette in PALETTES.items()}
    return {
        **drawn,
        "background": rng.uniform(40, 230, (num_samples, 3)),
        "smile": rng.uniform(-1, 1, num_samples),
        "mouth": rng.uniform(0, 1, num_samples),
        "x": rng.uniform(-0.08, 0.08, num_samples),
        "y": rng.uniform(-0.06, 0.06, num_samples),
        "width": rng.uniform(0.5, 0.62, num_samples),
        "long": rng.uniform(0, 1, num_samples),
    }


class Faces:
    """Faces that are drawn when they are asked for: an array of images, of which only the factors are in memory.

    Args:
        given: As ``factors`` returns them.
        resolution: Edge in pixels.

    Examples:
        >>> from ppsci_gan.data import faces
        >>> drawn = faces.Faces(faces.factors(200_000, seed=0), 16)
        >>> len(drawn), drawn[[3, 199_999]].shape
        (200000, (2, 3, 16, 16))
    """

    def __init__(self, given: dict[str, np.ndarray], resolution: int):
        self.given, self.resolution = given, resolution

    def __len__(self) -> int:
        return len(self.given["skin"])

    def __getitem__(self, indices) -> np.ndarray:
        """Return uint8 [N, 3, resolution, resolution]."""
        return draw({name: value[indices] for name, value in self.given.items()}, self.resolution)

    def __array__(self, dtype=None, copy=None) -> np.ndarray:
        """Draw all of them."""
        return self[:] if dtype is None else self[:].astype(dtype)


def draw(given: dict[str, np.ndarray], resolution: int, batch_size: int = 256) -> np.ndarray:
    """Draw faces of given factors.

    Args:
        given: As ``factors`` returns them.
        resolution: Edge in pixels.
        batch_size: Faces at a time.

    Returns:
        uint8 [N, 3, resolution, resolution].

    Examples:
        >>> from ppsci_gan.data import faces
        >>> faces.draw(faces.factors(3, seed=0), 16).shape
        (3, 3, 16, 16)
    """
    count = len(given["skin"])
    images = np.empty([count, 3, resolution, resolution], np.uint8)
    for start in range(0, count, batch_size):
        part = {name: value[start : start + batch_size] for name, value in given.items()}
        fine = _paint(part, resolution * SUPERSAMPLING)
        blocks = fine.reshape([len(fine), 3, resolution, SUPERSAMPLING, resolution, SUPERSAMPLING])
        images[start : start + len(fine)] = np.rint(blocks.mean(axis=(3, 5)))
    return images


def _paint(of: dict[str, np.ndarray], size: int) -> np.ndarray:
    """Return float32 [N, 3, size, size]: shapes over each other, from the background to the mouth."""
    axis = np.linspace(-1, 1, size, dtype=np.float32)
    values = {name: value.astype(np.float32)[:, None, None] for name, value in of.items() if value.ndim == 1}
    x, y = axis[None, None, :] - values["x"], axis[None, :, None] - values["y"]
    wide = values["width"]
    canvas = np.broadcast_to(of["background"].astype(np.float32)[:, :, None, None], [len(x), 3, size, size]).copy()

    def fill(inside: np.ndarray, colour: np.ndarray) -> None:
        np.copyto(canvas, colour.astype(np.float32)[:, :, None, None], where=inside[:, None])

    hair, skin = HAIR[of["hair"]], SKIN[of["skin"]]
    fill(_ellipse(x, y + 0.12, wide + 0.13, 0.78) & (y < 0.1 + 0.75 * values["long"]), hair)
    fill((np.abs(x) < 0.2) & (y > 0.4), skin * 0.85)  # neck
    fill(_ellipse(x, y, wide, 0.7), skin)
    fill(_ellipse(x, y, wide, 0.7) & (y < -0.42 + 0.1 * np.cos(4 * x)), hair)
    for side in (-1, 1):
        fill(_ellipse(x - side * 0.24, y + 0.1, 0.12, 0.08), np.full([len(x), 3], 250))
        fill(_ellipse(x - side * 0.24, y + 0.1, 0.06, 0.07), EYES[of["eyes"]])
    fill(_ellipse(x, y - 0.12, 0.05, 0.1), skin * 0.8)  # nose
    bent = y - 0.36 + values["smile"] * (x * x * 2.2 - 0.08)
    fill(_ellipse(x, bent, 0.22, 0.035 + 0.06 * values["mouth"]), np.full([len(x), 3], [170, 40, 50]))
    return canvas


def _ellipse(x: np.ndarray, y: np.ndarray, a: np.ndarray | float, b: np.ndarray | float) -> np.ndarray:
    return (x / a) ** 2 + (y / b) ** 2 < 1
