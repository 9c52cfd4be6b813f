"""Faces drawn from a seed: images with known factors, without a download."""

from __future__ import annotations

import numpy as np

SKIN = np.array([[255, 224, 196], [234, 192, 134], [198, 134, 66], [141, 85, 36], [92, 56, 30]])
HAIR = np.array([[20, 18, 16], [90, 56, 37], [184, 110, 50], [230, 200, 120], [150, 150, 150]])
EYES = np.array([[60, 90, 160], [70, 120, 60], [80, 50, 30], [30, 30, 30]])
PALETTES = {"skin": SKIN, "hair": HAIR, "eyes": EYES}
SUPERSAMPLING = 4  # samples per pixel and direction, for smooth edges
KEPT_BYTES = 2**28  # largest cache of drawn images


def draw_factors(num_samples: int, seed: int) -> dict[str, np.ndarray]:
    """Draw the factors of random faces.

    Args:
        num_samples: Number of faces N.
        seed: Any non-negative integer.

    Returns:
        ``skin``, ``hair`` and ``eyes``, indices of ``PALETTES``, int64 [N]; ``background``, RGB 0 to 255 [N, 3];
        ``smile`` (-1 sad, 1 happy), ``mouth`` (opening, 0 to 1), ``x`` and ``y`` (position), ``width`` (of the head),
        ``long`` (length of the hair, 0 to 1), all float [N].

    Examples:
        >>> from ppsci_gan.data import faces
        >>> sorted(faces.draw_factors(3, seed=0))
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
    """Array-like images of faces, drawn on access.

    Up to ``KEPT_BYTES``, drawn faces are cached; beyond that only the factors are in memory.

    Args:
        factors: Result of ``draw_factors``.
        resolution: Height and width in pixels.

    Examples:
        >>> from ppsci_gan.data import faces
        >>> drawn = faces.Faces(faces.draw_factors(200_000, seed=0), 16)
        >>> len(drawn), drawn[[3, 199_999]].shape
        (200000, (2, 3, 16, 16))
    """

    def __init__(self, factors: dict[str, np.ndarray], resolution: int):
        self.factors, self.resolution = factors, resolution
        count, size = len(self), 3 * resolution**2
        self.kept = np.empty([count, 3, resolution, resolution], np.uint8) if count * size <= KEPT_BYTES else None
        self.is_drawn = np.zeros(count, bool)

    def __len__(self) -> int:
        return len(self.factors["skin"])

    def __getitem__(self, indices) -> np.ndarray:
        """Return uint8 [N, 3, resolution, resolution]."""
        if self.kept is None:
            return self._draw(indices)
        missing = np.arange(len(self))[indices]
        missing = missing[~self.is_drawn[missing]]
        self.kept[missing], self.is_drawn[missing] = self._draw(missing), True
        return self.kept[indices]

    def _draw(self, indices) -> np.ndarray:
        return draw({name: value[indices] for name, value in self.factors.items()}, self.resolution)

    def __array__(self, dtype=None, copy=None) -> np.ndarray:
        """Draw all faces."""
        return self[:] if dtype is None else self[:].astype(dtype)


def draw(factors: dict[str, np.ndarray], resolution: int, batch_size: int = 256) -> np.ndarray:
    """Draw faces from their factors.

    Args:
        factors: Result of ``draw_factors``.
        resolution: Height and width in pixels.
        batch_size: Faces drawn at a time.

    Returns:
        uint8 [N, 3, resolution, resolution].

    Examples:
        >>> from ppsci_gan.data import faces
        >>> faces.draw(faces.draw_factors(3, seed=0), 16).shape
        (3, 3, 16, 16)
    """
    count = len(factors["skin"])
    images = np.empty([count, 3, resolution, resolution], np.uint8)
    for start in range(0, count, batch_size):
        part = {name: value[start : start + batch_size] for name, value in factors.items()}
        images[start : start + batch_size] = _average_samples(*_paint(part, resolution * SUPERSAMPLING))
    return images


def _paint(factors: dict[str, np.ndarray], size: int) -> tuple[np.ndarray, np.ndarray]:
    """Overlay shapes; return the visible shape of each sample, uint8 [N, size, size], and the shapes' colours."""
    axis = np.linspace(-1, 1, size, dtype=np.float32)
    values = {name: value.astype(np.float32)[:, None] for name, value in factors.items() if value.ndim == 1}
    x, y = axis - values["x"], axis - values["y"]  # [N, size] each
    shown = np.zeros([len(x), size, size], np.uint8)
    hair, skin = HAIR[factors["hair"]], SKIN[factors["skin"]]
    colours = [factors["background"]]

    def fill(colour, columns, rows, inside) -> None:
        """Fill ``inside(x, y)`` with a colour, evaluated only in rows and columns that the shape may reach."""
        across, down = (np.flatnonzero(part.any(axis=0)) for part in (columns, rows))
        if len(across) and len(down):  # a small shape may fall between samples
            window = (slice(None), slice(down[0], down[-1] + 1), slice(across[0], across[-1] + 1))
            np.copyto(shown[window], len(colours), where=inside(x[:, None, window[2]], y[:, window[1], None]))
        colours.append(np.broadcast_to(colour, [len(x), 3]))

    def ellipse(colour, centre_x, centre_y, a, b, also=lambda x, y: True) -> None:
        def inside(x, y):
            return (((x - centre_x) / _column(a)) ** 2 + ((y - _column(centre_y)) / _column(b)) ** 2 < 1) & also(x, y)

        fill(colour, np.abs(x - centre_x) < a, np.abs(y - centre_y) < b, inside)

    wide, everywhere = values["width"], np.ones_like(x, bool)
    ends = _column(0.1 + 0.75 * values["long"])
    ellipse(hair, 0, -0.12, wide + 0.13, 0.78, also=lambda x, y: y < ends)
    fill(skin * 0.85, np.abs(x) < 0.2, y > 0.4, lambda x, y: (np.abs(x) < 0.2) & (y > 0.4))  # neck
    ellipse(skin, 0, 0, wide, 0.7)
    ellipse(hair, 0, 0, wide, 0.7, also=lambda x, y: y < -0.42 + 0.1 * np.cos(4 * x))
    for side in (-0.24, 0.24):
        ellipse([250, 250, 250], side, -0.1, 0.12, 0.08)
        ellipse(EYES[factors["eyes"]], side, -0.1, 0.06, 0.07)
    ellipse(skin * 0.8, 0, 0.12, 0.05, 0.1)  # nose
    smile, thick = _column(values["smile"]), _column(0.035 + 0.06 * values["mouth"])

    def mouth(x, y):
        return (x / 0.22) ** 2 + ((y - 0.36 + smile * (x * x * 2.2 - 0.08)) / thick) ** 2 < 1

    fill([170, 40, 50], np.abs(x) < 0.22, everywhere & (np.abs(y - 0.36) < 0.3), mouth)
    return shown, np.stack(colours, axis=1)


def _average_samples(shown: np.ndarray, colours: np.ndarray) -> np.ndarray:
    """Return the mean colour of each pixel's samples, uint8 [N, 3, R, R]."""
    count, size = shown.shape[:2]
    resolution = size // SUPERSAMPLING
    samples = shown.reshape([count, resolution, SUPERSAMPLING, resolution, SUPERSAMPLING])
    samples = np.ascontiguousarray(samples.transpose(2, 4, 0, 1, 3)).reshape([-1, count, resolution, resolution])
    shares = np.stack([(samples == k).sum(axis=0, dtype=np.uint8) for k in range(colours.shape[1])], axis=1)
    total = np.einsum("nkhw,nkc->nchw", shares.astype(np.float32), colours.astype(np.float32), optimize=True)
    return np.rint(total / SUPERSAMPLING**2).astype(np.uint8)


def _column(value: np.ndarray | float) -> np.ndarray | float:
    """Let a value per face broadcast over rows and columns."""
    return value[:, :, None] if isinstance(value, np.ndarray) else value
