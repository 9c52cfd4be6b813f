"""Pictures, read back: sizes, pixels, and what stays untouched."""

import os
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from ppsci_gan import plots
from ppsci_gan.errors import InputError


def _pixels(path):
    with Image.open(path) as image:
        return np.asarray(image)


def _random_images(shape):
    # Below 255, so that white is the lines' alone.
    return np.random.default_rng(0).integers(0, 255, size=shape, dtype=np.uint8)


def _has_colour(path, colour):
    """Whether some pixel is of this colour, give or take what blending changes."""
    difference = _pixels(path)[..., :3].astype(int) - colour
    return (np.abs(difference).max(axis=-1) < 40).any()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_to_uint8_inverts_the_scaling_of_every_byte(dtype):
    every_byte = np.arange(256, dtype=np.uint8)
    scaled = every_byte.astype(dtype) / 255
    np.testing.assert_array_equal(plots.to_uint8(2 * scaled - 1), every_byte)
    np.testing.assert_array_equal(plots.to_uint8(scaled, low=0, high=1), every_byte)


def test_to_uint8_rounds_and_clips():
    values = np.array([-np.inf, -3, 0.4, 0.6, 254.6, 300, np.inf, np.nan])
    result = plots.to_uint8(values, low=0, high=255)
    assert result.dtype == np.uint8
    assert result.tolist() == [0, 0, 0, 1, 255, 255, 255, 0]


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("padding", [0, 2])
def test_image_grid_puts_each_image_in_its_place(tmp_path, channels, padding):
    images = _random_images([7, channels, 5, 6])
    path = str(tmp_path / "grid.png")
    plots.save_image_grid(images, path, columns=3, padding=padding)
    grid = _pixels(path).reshape([3 * (5 + padding) + padding, 3 * (6 + padding) + padding, channels])
    used = np.zeros(grid.shape, dtype=bool)
    for index, image in enumerate(images):
        top = padding + index // 3 * (5 + padding)
        left = padding + index % 3 * (6 + padding)
        place = slice(top, top + 5), slice(left, left + 6)
        np.testing.assert_array_equal(grid[place], image.transpose([1, 2, 0]))
        used[place] = True
    assert (grid[~used] == 255).all()


@pytest.mark.parametrize(("number", "rows", "columns"), [(1, 1, 1), (10, 3, 4), (64, 8, 8)])
def test_image_grid_is_near_square(tmp_path, number, rows, columns):
    path = str(tmp_path / "new" / "grid.png")
    plots.save_image_grid(_random_images([number, 1, 4, 4]), path, padding=0)
    assert _pixels(path).shape == (4 * rows, 4 * columns)


@pytest.mark.parametrize("channels", [1, 3])
def test_images_come_back_as_they_were(tmp_path, channels):
    images = _random_images([3, channels, 5, 6])
    paths = plots.save_images(images, str(tmp_path / "new"), prefix="digit_")
    assert [os.path.basename(path) for path in paths] == ["digit_00000.png", "digit_00001.png", "digit_00002.png"]
    for path, image in zip(paths, images):
        np.testing.assert_array_equal(_pixels(path).reshape([5, 6, channels]), image.transpose([1, 2, 0]))


def test_contour_plot_asks_the_critic_once_over_all_points(tmp_path):
    calls = []

    def critic(points):
        calls.append(points)
        return points[:, 0] - points[:, 1]

    real, fake = np.random.default_rng(0).normal(size=[2, 300, 2])
    path = str(tmp_path / "contours.png")
    plots.save_contour_plot(real, fake, path, critic, title="8 Gaussians")
    (grid,) = calls
    assert grid.shape == (128 * 128, 2)
    assert grid.dtype == np.float32
    both = np.concatenate([real, fake])
    assert (grid.min(axis=0) < both.min(axis=0)).all()
    assert (grid.max(axis=0) > both.max(axis=0)).all()
    assert _has_colour(path, (255, 127, 14))
    assert _has_colour(path, (11, 60, 93))


def test_contour_plot_shows_the_critic_the_right_way_up(tmp_path):
    # Low values are purple, high ones yellow; a critic that rises to the right and one that rises to the top.
    points = np.array([[0.0, 0.0]])
    for axis, low, high in [(0, (450, 150), (450, 750)), (1, (750, 450), (150, 450))]:
        path = str(tmp_path / f"axis{axis}.png")
        plots.save_contour_plot(points, points, path, lambda x, axis=axis: x[:, axis], extent=(-1, 1, -1, 1))
        pixels = _pixels(path).astype(int)
        assert pixels[low][2] > pixels[low][1]
        assert pixels[high][1] > pixels[high][2]


@pytest.mark.parametrize("value", [0.0, np.nan, np.inf])
def test_contour_plot_without_contours(tmp_path, value):
    points = np.random.default_rng(0).normal(size=[20, 2])
    path = str(tmp_path / "flat.png")
    plots.save_contour_plot(points, points, path, critic=lambda x: np.full(len(x), value))
    assert _pixels(path).shape[:2] == (900, 900)


def test_a_diverged_generator_still_gets_its_picture(tmp_path):
    real = np.random.default_rng(0).normal(size=[20, 2])
    path = str(tmp_path / "diverged.png")
    plots.save_contour_plot(real, np.full([20, 2], np.nan), path)
    assert _has_colour(path, (255, 127, 14))


def test_extent_frames_the_picture(tmp_path):
    inside, outside = str(tmp_path / "inside.png"), str(tmp_path / "outside.png")
    plots.save_scatter(np.zeros([100, 2]), inside, extent=(-1, 1, -1, 1))
    plots.save_scatter(np.zeros([100, 2]), outside, extent=(1, 2, 1, 2))
    assert _pixels(inside).shape[:2] == (900, 900)
    assert _has_colour(inside, (11, 60, 93))
    assert not _has_colour(outside, (11, 60, 93))


def test_curves_fill_a_grid_of_panels(tmp_path):
    x = np.arange(3000)
    y = np.random.default_rng(0).normal(size=3000) - 5
    one, three = str(tmp_path / "one.png"), str(tmp_path / "three.png")
    plots.save_curves({"critic loss": (x, y)}, one)
    plots.save_curves({"critic loss": (x, y), "generator loss": (x, y), "score": (x[:5], y[:5])}, three)
    (height, width), (height_of_three, width_of_three) = _pixels(one).shape[:2], _pixels(three).shape[:2]
    assert (height_of_three, width_of_three) == (2 * height, 2 * width)


def test_smoothing_keeps_constants_and_lines_and_removes_noise():
    line = np.arange(200.0)
    np.testing.assert_allclose(plots._smooth(np.full(200, -3.0), 21), -3)
    np.testing.assert_allclose(plots._smooth(line, 21)[10:-10], line[10:-10])
    np.testing.assert_allclose(plots._smooth(line, 21)[0], 5)
    noise = np.random.default_rng(0).normal(size=10_000)
    assert plots._smooth(noise, 101).std() < 0.15


def test_an_interrupted_write_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch):
    path = str(tmp_path / "grid.png")
    images = _random_images([4, 1, 8, 8])
    plots.save_image_grid(images, path)
    before = _pixels(path)

    def fail(source, target):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(plots.os, "replace", fail)
    with pytest.raises(InputError, match=r"grid\.png cannot be written \(No space left on device\)"):
        plots.save_image_grid(255 - images, path)
    assert os.listdir(tmp_path) == ["grid.png"]
    np.testing.assert_array_equal(_pixels(path), before)


def test_a_folder_that_is_a_file(tmp_path):
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(InputError, match=r"file.x\.png cannot be written"):
        plots.save_scatter(np.zeros([3, 2]), str(tmp_path / "file" / "x.png"))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda path: plots.save_image_grid(np.zeros([4, 1, 8, 8]), path), "uint8 .* float64"),
        (lambda path: plots.save_image_grid(np.zeros([4, 8, 8, 3], np.uint8), path), r"\(4, 8, 8, 3\)"),
        (lambda path: plots.save_image_grid(np.zeros([0, 1, 8, 8], np.uint8), path), "non-empty"),
        (lambda path: plots.save_image_grid(np.zeros([4, 1, 8, 8], np.uint8), path, columns=0), "columns"),
        (lambda path: plots.save_image_grid(np.zeros([4, 1, 8, 8], np.uint8), path[:-4] + ".jpg"), r"\.png"),
        (lambda path: plots.save_images(np.zeros([8, 8], np.uint8), path), "images must be"),
        (lambda path: plots.save_scatter(np.zeros([4, 3]), path), r"points must .* \(4, 3\)"),
        (lambda path: plots.save_contour_plot(np.zeros([4, 2]), np.zeros([4]), path), "fake must"),
        (lambda path: plots.save_curves({}, path), "no curve"),
        (lambda path: plots.save_curves({"loss": (np.arange(3), np.arange(4))}, path), "curve loss"),
    ],
)
def test_refuses_and_writes_nothing(tmp_path, call, message):
    with pytest.raises(InputError, match=message):
        call(str(tmp_path / "picture.png"))
    assert os.listdir(tmp_path) == []


def test_drawing_does_not_import_pyplot():
    program = (
        "import sys, tempfile, numpy as np\n"
        "from ppsci_gan import plots\n"
        "with tempfile.TemporaryDirectory() as folder:\n"
        "    plots.save_scatter(np.zeros([3, 2]), folder + '/x.png')\n"
        "assert 'matplotlib.pyplot' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)


@pytest.mark.parametrize("channels", [1, 3])
def test_animation_has_every_image_and_starts_again(tmp_path, channels):
    path = tmp_path / "walk.gif"
    values = np.linspace(0, 250, 5).astype(np.uint8)  # GIF has 256 colours, so a frame of one colour is exact
    plots.save_animation(np.broadcast_to(values[:, None, None, None], [5, channels, 6, 4]), str(path), 10)
    with Image.open(path) as animation:
        assert (animation.n_frames, animation.size, animation.info["loop"]) == (5, (4, 6), 0)
        for frame, value in enumerate(values):
            animation.seek(frame)
            assert (np.asarray(animation.convert("RGB")) == value).all()
            assert animation.info["duration"] == 100


def test_enlarging_repeats_pixels_and_leaves_large_images():
    images = _random_images([2, 3, 4, 4])
    large = plots.enlarge(images, 20)
    np.testing.assert_array_equal(large, np.kron(images, np.ones([1, 1, 5, 5], np.uint8)))
    np.testing.assert_array_equal(plots.enlarge(large, 16), large)
