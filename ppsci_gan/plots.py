"""Pictures: grids of images, samples over the critic's contours, curves.

Figures are drawn without pyplot, so the user's backend and open figures stay as they are. Files are written whole or
not at all.
"""

import io
import itertools
import math
import os
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure
from PIL import Image

from ppsci_gan.errors import InputError
from ppsci_gan.files import atomic

Extent = tuple[float, float, float, float]
Curve = tuple[np.ndarray, np.ndarray]

SMALLEST_SHOWN = 64  # pixels; grids enlarge smaller images

_REAL_COLOUR = "#ff7f0e"
_FAKE_COLOUR = "#0b3c5d"
_DPI = 150
_CRITIC_GRID = 128
# Viridis mixed with white, so that points stand out; a transparent fill would show seams between its levels.
_CRITIC_COLOURS = ListedColormap(0.5 + 0.5 * np.array(colormaps["viridis"].colors), name="light_viridis")
_COLOURS = (_FAKE_COLOUR, _REAL_COLOUR)
_LINE_COLOURS = (_FAKE_COLOUR, _REAL_COLOUR, "#2ca02c", "#9467bd")
_MARKED_BELOW = 30  # values; shorter curves get markers, because a single value would be invisible
_SMOOTHED_FROM = 100  # values; longer curves get a smoothed line over the raw one


class _Margins(NamedTuple):
    """Inches around a panel, for its labels and title."""

    left: float
    right: float
    top: float
    bottom: float


def to_uint8(images: np.ndarray, low: float = -1.0, high: float = 1.0) -> np.ndarray:
    """Scale real values to bytes: low becomes 0, high becomes 255, values beyond are clipped.

    Args:
        images: Values of any shape. NaN becomes 0.
        low: Value of black.
        high: Value of white, greater than low.

    Returns:
        The nearest bytes, uint8 of the same shape.

    Examples:
        >>> import numpy as np
        >>> from ppsci_gan.plots import to_uint8
        >>> to_uint8(np.array([-2.0, -1.0, 0.2, 1.0]))
        array([  0,   0, 153, 255], dtype=uint8)
    """
    scaled = (np.asarray(images) - low) * (255.0 / (high - low))
    return np.nan_to_num(scaled, nan=0.0).round().clip(0, 255).astype(np.uint8)


def save_image_grid(images: np.ndarray, path: str, columns: int | None = None, padding: int = 2) -> None:
    """Write images as one PNG, row by row, with white lines between them and a white frame.

    Args:
        images: uint8 [N, C, H, W], C 1 or 3.
        path: PNG file to write; its folder is created.
        columns: Images per row; by default the grid is as square as N allows.
        padding: Width of the lines and of the frame in pixels.

    Raises:
        InputError: Images of another type or shape, columns or padding out of range, or a path that cannot be written.

    Examples:
        >>> import numpy as np
        >>> from ppsci_gan.plots import save_image_grid
        >>> save_image_grid(np.zeros([64, 1, 28, 28], dtype=np.uint8), "digits.png")  # doctest: +SKIP
    """
    images = _check_images(images)
    columns = math.ceil(math.sqrt(len(images))) if columns is None else columns
    if columns < 1 or padding < 0:
        raise InputError(f"columns must be at least 1 and padding at least 0; they are {columns} and {padding}.")
    _write_image(_arrange(images, columns, padding), path)


def save_images(images: np.ndarray, directory: str, prefix: str = "") -> list[str]:
    """Write each image as a PNG of its own: ``<prefix>00000.png``, ``<prefix>00001.png``, ...

    Args:
        images: uint8 [N, C, H, W], C 1 or 3.
        directory: Folder to write to; it is created.
        prefix: Prefix of the file names.

    Returns:
        The N paths, in order.

    Raises:
        InputError: Images of another type or shape, or a folder that cannot be written.

    Examples:
        >>> import numpy as np
        >>> from ppsci_gan.plots import save_images
        >>> save_images(np.zeros([2, 1, 28, 28], dtype=np.uint8), "digits")  # doctest: +SKIP
        ['digits/00000.png', 'digits/00001.png']
    """
    images = _check_images(images).transpose([0, 2, 3, 1])
    paths = [os.path.join(directory, f"{prefix}{index:05d}.png") for index in range(len(images))]
    for image, path in zip(images, paths):
        _write_image(image, path)
    return paths


def enlarge(images: np.ndarray, edge: int) -> np.ndarray:
    """Enlarge small images by repeating pixels.

    Args:
        images: [N, C, H, W].
        edge: Largest width after enlarging by an integer factor; wider images stay as they are.

    Examples:
        >>> import numpy as np
        >>> from ppsci_gan import plots
        >>> plots.enlarge(np.zeros([3, 1, 4, 4], np.uint8), 64).shape
        (3, 1, 64, 64)
    """
    times = max(1, edge // images.shape[-1])
    return images.repeat(times, axis=2).repeat(times, axis=3)


def save_enlarged_grid(images: np.ndarray, path: str, columns: int | None = None) -> None:
    """Write a grid of images, small ones enlarged.

    Args:
        images: uint8 [N, C, H, W], C 1 or 3.
        path: PNG file to write.
        columns: Images per row; by default the grid is as square as N allows.

    Raises:
        InputError: As for ``save_image_grid``.

    Examples:
        >>> import numpy as np
        >>> from ppsci_gan import plots
        >>> plots.save_enlarged_grid(np.zeros([64, 1, 28, 28], np.uint8), "digits.png")  # doctest: +SKIP
    """
    save_image_grid(enlarge(images, SMALLEST_SHOWN), path, columns)


def save_animation(images: np.ndarray, path: str, frames_per_second: int = 12) -> None:
    """Save images as a looping GIF.

    Args:
        images: uint8 [N, C, H, W], C 1 or 3.
        path: GIF file to write.
        frames_per_second: Frame rate.

    Examples:
        >>> import numpy as np
        >>> from ppsci_gan import plots
        >>> plots.save_animation(np.zeros([3, 3, 8, 8], np.uint8), "outputs/a.gif")  # doctest: +SKIP
    """
    images = _check_images(images)
    rows = images.transpose(0, 2, 3, 1)
    frames = [Image.fromarray(frame[:, :, 0] if frame.shape[2] == 1 else frame) for frame in rows]
    content = io.BytesIO()
    frames[0].save(content, "GIF", save_all=True, append_images=frames[1:], duration=1000 // frames_per_second, loop=0)
    with atomic(path) as temporary:
        temporary.write_bytes(content.getvalue())


def save_histograms(values: dict[str, np.ndarray], path: str, columns: int = 4) -> None:
    """Draw one histogram per panel, but ``<name>/real`` and ``<name>/fake`` in the same one.

    Args:
        values: Arrays by name.
        path: PNG file to write.
        columns: Panels per row.

    Examples:
        >>> import numpy as np
        >>> from ppsci_gan import plots
        >>> plots.save_histograms({"latent": np.zeros(5)}, "outputs/a.png")  # doctest: +SKIP
    """
    panels: dict[str, dict[str, np.ndarray]] = {}
    for name, array in values.items():
        panel, _, kind = name.rpartition("/") if name.endswith(("/real", "/fake")) else (name, "", "")
        panels.setdefault(panel, {})[kind] = array[np.isfinite(array)]
    figure, axes = _create_panels(len(panels), columns, (3, 2.2), _Margins(left=0.1, right=0.1, top=0.28, bottom=0.25))
    colours = {"real": _REAL_COLOUR, "fake": _FAKE_COLOUR, "": "tab:grey"}
    for axis, (panel, arrays) in zip(axes, panels.items()):
        edges = np.histogram_bin_edges(np.concatenate(list(arrays.values())), bins=60)
        for kind, array in arrays.items():
            # One outline draws much faster than a bar per bin.
            axis.hist(array, edges, density=True, histtype="stepfilled", alpha=0.6, label=kind, color=colours[kind])
        axis.set_title(panel, fontsize=9, y=1)
        axis.tick_params(labelsize=7)
        axis.set_yticks([])
        if len(arrays) > 1:
            axis.legend(fontsize=8)
    _write_figure(figure, path)


def save_contour_plot(
    real: np.ndarray,
    fake: np.ndarray,
    path: str,
    critic: Callable[[np.ndarray], np.ndarray] | None = None,
    extent: Extent | None = None,
    title: str | None = None,
) -> None:
    """Draw real and generated points over the contours of the critic's value.

    Args:
        real: Real points [N, 2].
        fake: Generated points [M, 2].
        path: PNG file to write, 900 pixels high.
        critic: Maps points, float32 [P, 2], to their values [P]; called once, on a 128 x 128 grid.
        extent: Left, right, bottom and top edge of the picture; by default a square around all points.
        title: Title of the picture.

    Raises:
        InputError: Points that are not [N, 2], or a path that cannot be written.

    Examples:
        >>> import numpy as np
        >>> from ppsci_gan.plots import save_contour_plot
        >>> real, fake = np.random.default_rng(0).normal(size=[2, 500, 2])
        >>> save_contour_plot(real, fake, "normal.png", critic=lambda x: -(x**2).sum(1))  # doctest: +SKIP
    """
    real, fake = _check_plane(real, "real"), _check_plane(fake, "fake")
    extent = _square_around(np.concatenate([real, fake])) if extent is None else extent
    figure, axes = _plane_figure(extent, title)
    if critic is not None:
        _draw_critic(figure, axes, critic, extent)
    axes.scatter(*real.T, s=22, c=_REAL_COLOUR, alpha=0.5, linewidths=0, label="real")
    axes.scatter(*fake.T, s=4, c=_FAKE_COLOUR, alpha=0.5, linewidths=0, label="generated")
    legend = axes.legend(loc="upper right", markerscale=2, framealpha=0.9)
    for handle in legend.legend_handles:
        handle.set_alpha(1)
    _write_figure(figure, path)


def save_scatter(points: np.ndarray, path: str, extent: Extent | None = None) -> None:
    """Draw points.

    Args:
        points: Points [N, 2].
        path: PNG file to write, 900 x 900 pixels.
        extent: Left, right, bottom and top edge of the picture; by default a square around the points.

    Raises:
        InputError: Points that are not [N, 2], or a path that cannot be written.

    Examples:
        >>> import numpy as np
        >>> from ppsci_gan.plots import save_scatter
        >>> save_scatter(np.random.default_rng(0).normal(size=[500, 2]), "normal.png")  # doctest: +SKIP
    """
    points = _check_plane(points, "points")
    figure, axes = _plane_figure(_square_around(points) if extent is None else extent)
    axes.scatter(*points.T, s=6, c=_FAKE_COLOUR, alpha=0.5, linewidths=0)
    _write_figure(figure, path)


def save_curves(
    curves: dict[str, Curve | dict[str, Curve]],
    path: str,
    xlabel: str = "iteration",
    levels: dict[str, float] | None = None,
) -> None:
    """Draw panels of one or several curves each; long curves are also shown smoothed.

    The axes are linear, because Wasserstein losses are often negative.

    Args:
        curves: Name of the panel -> (x [N], y [N]), or label -> (x [N], y [N]).
        path: PNG file to write.
        xlabel: Label of the x axes.
        levels: Name of the panel -> value of a horizontal line, such as the score of real data.

    Raises:
        InputError: No curve, an x and a y of different lengths, or a path that cannot be written.

    Examples:
        >>> import numpy as np
        >>> from ppsci_gan.plots import save_curves
        >>> x = np.arange(1000)
        >>> save_curves({"critic loss": (x, -np.exp(-x / 200))}, "losses.png")  # doctest: +SKIP
    """
    if not curves:
        raise InputError(f"there is no curve to draw in {path}: give at least one name with its x and y.")
    columns = min(len(curves), 2)
    figure, panels = _create_panels(
        len(curves), columns, (5.5, 3.2), _Margins(left=0.8, right=0.15, top=0.4, bottom=0.55)
    )
    for axes, (name, curve) in zip(panels, curves.items()):
        labelled = curve if isinstance(curve, dict) else {"": curve}
        for (label, (x, y)), colour in zip(labelled.items(), itertools.cycle(_COLOURS)):
            _draw_curve(axes, name, label, np.asarray(x), np.asarray(y), colour)
        if name in (levels or {}):
            axes.axhline(levels[name], color="black", linewidth=0.8, linestyle="--", label="real")
        if len(axes.get_legend_handles_labels()[1]):
            axes.legend(frameon=False)
        axes.set_title(name, y=1)
        axes.set_xlabel(xlabel)
        axes.xaxis.set_label_coords(0.5, -0.13)
        axes.grid(alpha=0.3, linewidth=0.5)
        axes.spines[["top", "right"]].set_visible(False)
    _write_figure(figure, path)


def save_spreads(
    panels: dict[str, dict[str, Curve]],
    path: str | os.PathLike,
    xlabel: str,
    ylabel: str = "",
    logarithmic: bool = False,
) -> None:
    """Draw means with error bars of one standard deviation, several lines per panel, with a shared y axis.

    Args:
        panels: Name of the panel -> label of the line -> (x [N], y [repetitions, N]).
        path: PNG file to write.
        xlabel: Label of the x axes.
        ylabel: Label of the y axis, unless the panels' names say it.
        logarithmic: Whether the x axes are logarithmic.

    Raises:
        InputError: A path that cannot be written.

    Examples:
        >>> import numpy as np
        >>> from ppsci_gan.plots import save_spreads
        >>> x, y = np.array([100, 1000]), np.array([[9.0, 3.0], [8.0, 4.0]])
        >>> save_spreads({"distance": {"scratch": (x, y)}}, "sizes.png", "images", logarithmic=True)  # doctest: +SKIP
    """
    columns = min(len(panels), 3)
    rows = math.ceil(len(panels) / columns)
    figure = Figure(figsize=(max(5.5, 4 * columns), 3.6 * rows), dpi=_DPI, layout="constrained")
    first = None
    for index, (name, lines) in enumerate(panels.items(), start=1):
        axes = figure.add_subplot(rows, columns, index, sharey=first)
        first = first or axes
        for (label, (x, y)), colour in zip(lines.items(), itertools.cycle(_LINE_COLOURS)):
            deviation = y.std(axis=0, ddof=1) if len(y) > 1 else None
            axes.errorbar(x, y.mean(axis=0), deviation, label=label, color=colour, marker="o", markersize=3, capsize=3)
        if logarithmic:
            axes.set_xscale("log")
            ticks = next(iter(lines.values()))[0]
            axes.set_xticks(ticks, [str(tick) for tick in ticks], minor=False)
            axes.minorticks_off()
        axes.set(title=name, xlabel=xlabel, ylabel=ylabel)
        axes.grid(alpha=0.3, linewidth=0.5)
        axes.spines[["top", "right"]].set_visible(False)
    figure.legend(*first.get_legend_handles_labels(), loc="outside lower center", ncols=len(lines), frameon=False)
    _write_figure(figure, path)


def _create_panels(
    number: int, columns: int, size: tuple[float, float], margins: _Margins
) -> tuple[Figure, list[Axes]]:
    """Return a figure and its panels, row by row, with panel size and margins in inches.

    Matplotlib's automatic layout measures every tick label several times, which takes longer than drawing.
    """
    rows = math.ceil(number / columns)
    width, height = size
    figure = Figure(figsize=(width * columns, height * rows), dpi=_DPI)
    figure.subplots_adjust(
        left=margins.left / width / columns,
        right=1 - margins.right / width / columns,
        bottom=margins.bottom / height / rows,
        top=1 - margins.top / height / rows,
        wspace=(margins.left + margins.right) / (width - margins.left - margins.right),
        hspace=(margins.bottom + margins.top) / (height - margins.bottom - margins.top),
    )
    return figure, [figure.add_subplot(rows, columns, index + 1) for index in range(number)]


def _arrange(images: np.ndarray, columns: int, padding: int) -> np.ndarray:
    """Arrange images [N, C, H, W] in a grid, [rows * (H + padding) + padding, ..., C]."""
    number, channels, height, width = images.shape
    rows = math.ceil(number / columns)
    # Each tile includes the lines to its left and above it.
    tiles = np.full([rows * columns, channels, height + padding, width + padding], 255, dtype=np.uint8)
    tiles[:number, :, padding:, padding:] = images
    tiles = tiles.reshape([rows, columns, channels, height + padding, width + padding])
    grid = tiles.transpose([0, 3, 1, 4, 2]).reshape([rows * (height + padding), columns * (width + padding), channels])
    return np.pad(grid, [(0, padding), (0, padding), (0, 0)], constant_values=255)


def _draw_curve(axes, name: str, label: str, x: np.ndarray, y: np.ndarray, colour: str) -> None:
    if x.ndim != 1 or x.shape != y.shape:
        raise InputError(f"curve {name}: x and y must be arrays [N] of the same N, not {x.shape} and {y.shape}.")
    many = len(y) >= _SMOOTHED_FROM
    marker = "o" if len(y) < _MARKED_BELOW else ""
    style = {"color": colour, "marker": marker, "markersize": 3}
    axes.plot(x, y, **style, label=label, linewidth=0.6 if many else 1.2, alpha=0.35 if many else 1.0)
    if many:
        axes.plot(x, _smooth(y, len(y) // 50 * 2 + 1), color=colour, linewidth=1.6)


def _smooth(y: np.ndarray, window: int) -> np.ndarray:
    """Return the centred running mean; at both ends, over the part of the window that has values."""
    kernel = np.ones(window)
    return np.convolve(y, kernel, mode="same") / np.convolve(np.ones(len(y)), kernel, mode="same")


def _draw_critic(figure: Figure, axes, critic: Callable[[np.ndarray], np.ndarray], extent: Extent) -> None:
    x, y = np.meshgrid(np.linspace(*extent[:2], _CRITIC_GRID), np.linspace(*extent[2:], _CRITIC_GRID))
    points = np.stack([x.ravel(), y.ravel()], axis=1).astype(np.float32)
    value = np.asarray(critic(points), dtype=np.float64).reshape(x.shape)
    if not np.isfinite(value).all() or np.ptp(value) == 0:
        return  # a diverged or constant critic has no contours
    filled = axes.contourf(x, y, value, levels=20, cmap=_CRITIC_COLOURS, zorder=0)
    axes.contour(x, y, value, levels=filled.levels, colors="white", linewidths=0.5, linestyles="solid", zorder=0)
    figure.set_figwidth(1.14 * figure.get_figheight())  # room for the bar
    figure.colorbar(filled, ax=axes, label="critic's value", aspect=30)


def _plane_figure(extent: Extent, title: str | None = None):
    figure = Figure(figsize=(6, 6), dpi=_DPI, layout="compressed")
    axes = figure.add_subplot()
    axes.set(aspect="equal", xlim=extent[:2], ylim=extent[2:], title=title)
    return figure, axes


def _square_around(points: np.ndarray) -> Extent:
    """Return the edges of a square around the finite points, with a margin of a tenth on each side."""
    points = points[np.isfinite(points).all(axis=1)]
    if len(points) == 0:
        return -1.0, 1.0, -1.0, 1.0
    low, high = points.min(axis=0), points.max(axis=0)
    half = 0.6 * (high - low).max() or 1.0
    x, y = (low + high) / 2
    return x - half, x + half, y - half, y + half


def _check_plane(points: np.ndarray, name: str) -> np.ndarray:
    points = np.asarray(points)
    if points.ndim != 2 or points.shape[1] != 2:
        raise InputError(f"{name} must be an array of points [N, 2]; its shape is {points.shape}.")
    return points


def _check_images(images: np.ndarray) -> np.ndarray:
    images = np.asarray(images)
    if images.dtype != np.uint8 or images.ndim != 4 or images.shape[1] not in (1, 3) or images.size == 0:
        raise InputError(
            "images must be a non-empty uint8 array [N, C, H, W] with C 1 or 3; "
            f"they are {images.dtype} {images.shape}. to_uint8 converts real values."
        )
    return images


def _write_figure(figure: Figure, path: str) -> None:
    content = io.BytesIO()
    FigureCanvasAgg(figure).print_png(content)
    _write_png(content, path)


def _write_image(image: np.ndarray, path: str) -> None:
    """Write an image, uint8 [H, W, C], C 1 or 3."""
    content = io.BytesIO()
    Image.fromarray(image[:, :, 0] if image.shape[2] == 1 else image).save(content, format="PNG")
    _write_png(content, path)


def _write_png(content: io.BytesIO, path: str) -> None:
    if not str(path).endswith(".png"):
        raise InputError(f"{path}: pictures are written as PNG, so the name must end in .png.")
    try:
        with atomic(path) as temporary:
            temporary.write_bytes(content.getbuffer())
    except OSError as error:
        raise InputError(f"{path} cannot be written ({error.strerror}): choose another output folder.") from error
