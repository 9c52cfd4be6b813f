"""Preparing pictures: what is cut out, going on after a stop, and every kind of bad picture."""

import os
import subprocess
import zipfile
from types import SimpleNamespace

import numpy as np
import pytest
import warm
from PIL import Image

from ppsci_gan.data import prepare
from ppsci_gan.data import pyramid
from ppsci_gan.errors import InputError


def picture(size=(24, 20), seed=0):
    return Image.fromarray(np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3), np.uint8))


@pytest.fixture
def pictures(tmp_path):
    """A folder of forty pictures, twenty-four by twenty pixels."""
    folder = tmp_path / "pictures"
    folder.mkdir()
    for index in range(40):
        picture(seed=index).save(folder / f"{index:03d}.png")
    return folder


def generate(folder, resolution):
    return np.concatenate([pyramid.read(folder, split)[0][resolution][:] for split in ("train", "test")])


def one(image, tmp_path, suffix="png", size="16", **options):
    """The only image of a pyramid of one picture."""
    folder = tmp_path / "one"
    folder.mkdir()
    image.save(folder / f"a.{suffix}")
    prepare.prepare(str(folder), str(tmp_path / "out"), size=size, **options)
    return generate(tmp_path / "out", int(size.split("x")[0]))[0]


def test_celeba_is_cut_around_the_face(tmp_path):
    original = picture((178, 218))
    found = one(original, tmp_path, size="128", crop="celeba")
    np.testing.assert_array_equal(found, np.asarray(original)[57:185, 25:153].transpose(2, 0, 1))


def test_the_largest_square_or_one_of_given_edge(tmp_path):
    original = picture((24, 16))
    np.testing.assert_array_equal(one(original, tmp_path), np.asarray(original)[:, 4:20].transpose(2, 0, 1))
    (tmp_path / "other").mkdir()
    found = one(picture((40, 30)), tmp_path / "other", crop="16")
    np.testing.assert_array_equal(found, np.asarray(picture((40, 30)))[7:23, 12:28].transpose(2, 0, 1))


def test_rectangles_of_any_size(tmp_path):
    original = picture((30, 28))
    found = one(original, tmp_path, size="12x20", crop="12x20")
    np.testing.assert_array_equal(found, np.asarray(original)[8:20, 5:25].transpose(2, 0, 1))
    assert sorted(file.name for file in (tmp_path / "out").glob("*.npy")) == ["12x20.npy"]
    (tmp_path / "other").mkdir()
    # The largest rectangle of this shape is thirty wide and eighteen high.
    found = one(original, tmp_path / "other", size="18x30")
    np.testing.assert_array_equal(found, np.asarray(original)[5:23].transpose(2, 0, 1))


def test_larger_squares_are_reduced_by_whole_areas(tmp_path):
    grey = np.kron(np.indices([16, 16]).sum(0) % 2 * 255, np.ones([4, 4])).astype(np.uint8)
    found = one(Image.fromarray(grey), tmp_path, size="8")
    # Squares of the pattern are half as large as pixels: every one covers two black and two white ones.
    assert np.abs(found.astype(int) - 127).max() < 12


@pytest.mark.parametrize("mode", ["L", "LA", "P", "RGB", "RGBA", "CMYK", "1"])
@pytest.mark.parametrize("grey", [False, True])
def test_modes_become_channels(tmp_path, mode, grey):
    suffix = "jpg" if mode == "CMYK" else "png"
    found = one(picture((16, 16)).convert(mode), tmp_path, suffix, grey=grey)
    assert found.shape == (1 if grey else 3, 16, 16)
    assert found.std() > 10


def test_rotation_in_the_file_is_followed(tmp_path):
    original = picture((24, 16))
    exif = Image.Exif()
    exif[0x0112] = 6
    folder = tmp_path / "one"
    folder.mkdir()
    original.save(folder / "a.png", exif=exif)
    prepare.prepare(str(folder), str(tmp_path / "out"), size="16")
    upright = np.asarray(original.rotate(-90, expand=True))
    np.testing.assert_array_equal(generate(tmp_path / "out", 16)[0], upright[4:20].transpose(2, 0, 1))


def test_an_archive_gives_what_its_folder_gives(tmp_path, pictures):
    with zipfile.ZipFile(tmp_path / "pictures.zip", "w") as archive:
        for file in sorted(pictures.iterdir(), reverse=True):
            archive.write(file, f"img_align_celeba/{file.name}")
        archive.writestr("__MACOSX/img_align_celeba/._000.png", b"no picture")
        archive.writestr("img_align_celeba/readme.txt", b"no picture")
    for source in ("pictures", "pictures.zip"):
        prepare.prepare(str(tmp_path / source), str(tmp_path / f"of_{source}"), size="16")
    found, expected = (generate(tmp_path / f"of_{source}", 16) for source in ("pictures.zip", "pictures"))
    np.testing.assert_array_equal(found, expected)
    assert pyramid.read(tmp_path / "of_pictures.zip", "train")[1] is None  # one folder is no class


def files_of(folder):
    return {file.name: file.read_bytes() for file in folder.iterdir()}


@pytest.mark.parametrize("stop", [0, 1, 5])
def test_a_stopped_preparation_goes_on(tmp_path, pictures, monkeypatch, stop):
    monkeypatch.setattr(prepare, "CHUNK", 4)
    expected = files_of(prepare.prepare(str(pictures), str(tmp_path / "whole"), size="16"))
    decode, seen = prepare._decode_all, []

    def stopping(*arguments):
        seen.append(1)
        if len(seen) > stop:
            raise KeyboardInterrupt
        return decode(*arguments)

    monkeypatch.setattr(prepare, "_decode_all", stopping)
    with pytest.raises(KeyboardInterrupt):
        prepare.prepare(str(pictures), str(tmp_path / "stopped"), size="16")
    assert not (tmp_path / "stopped").exists()
    for file in (tmp_path / "stopped.partial").glob("8x8.npy"):
        with file.open("ab") as stream:
            stream.write(b"half an image")  # as after a power cut
    decoded = []
    monkeypatch.setattr(
        prepare, "_decode_all", lambda p, chunk, *rest: decoded.extend(chunk) or decode(p, chunk, *rest)
    )
    prepare.prepare(str(pictures), str(tmp_path / "stopped"), size="16")
    assert len(decoded) == 40 - 4 * stop
    found = files_of(tmp_path / "stopped")
    assert {name: content for name, content in found.items() if name != "plan.json"} == {
        name: content for name, content in expected.items() if name != "plan.json"
    }
    assert not (tmp_path / "stopped.partial").exists()


def test_other_pictures_start_afresh(tmp_path, pictures):
    partial = tmp_path / "out.partial"
    partial.mkdir()
    (partial / "plan.json").write_text("{}")
    (partial / "16x16.npy").write_bytes(b"of something else")
    prepare.prepare(str(pictures), str(tmp_path / "out"), size="16")
    assert len(generate(tmp_path / "out", 16)) == 40


def test_finished_images_are_checked_and_not_made_again(tmp_path, pictures, monkeypatch):
    out = prepare.prepare(str(pictures), str(tmp_path / "out"), size="16")
    with monkeypatch.context() as patch:
        patch.setattr(prepare, "_write", None)
        prepare.prepare(str(pictures), str(out), size="16")
    with pytest.raises(InputError, match=r"other pictures or with other settings \(channels\)"):
        prepare.prepare(str(pictures), str(out), size="16", grey=True)
    content = bytearray((out / "4x4.npy").read_bytes())
    content[-1] ^= 1
    (out / "4x4.npy").write_bytes(content)
    with pytest.raises(InputError, match=r"4x4\.npy: damaged"):
        prepare.prepare(str(pictures), str(out), size="16")


def test_bad_pictures_are_all_named(tmp_path, pictures):
    content = (pictures / "000.png").read_bytes()
    (pictures / "b_cut.png").write_bytes(content[: len(content) // 2])
    (pictures / "b_empty.jpg").write_bytes(b"")
    (pictures / "b_html.jpg").write_text("<html>Not found</html>")
    picture((15, 40)).save(pictures / "b_tiny.png")
    frames = [picture((20, 20), seed) for seed in range(3)]
    frames[0].save(pictures / "b_animated.webp", save_all=True, append_images=frames[1:])
    Image.fromarray(np.zeros([20, 20], np.uint16)).save(pictures / "b_deep.png")
    with pytest.raises(InputError) as error:
        prepare.prepare(str(pictures), str(tmp_path / "out"), size="16")
    message = str(error.value)
    assert "6 pictures cannot be used. Remove or replace them" in message
    for name, what in (
        ("b_cut.png", "broken"),
        ("b_empty.jpg", "broken"),
        ("b_html.jpg", "broken"),
        ("b_tiny.png", "15 x 40 pixels, too small for 16 x 16 pixels"),
        ("b_animated.webp", "animated, 3 frames"),
        ("b_deep.png", "pixels of type I;16"),
    ):
        assert any(line.startswith(f"{name}: {what}") for line in message.splitlines()), name
    assert not (tmp_path / "out").exists()


def test_many_bad_pictures_stay_on_one_screen(tmp_path, pictures):
    for file in pictures.iterdir():
        file.write_bytes(b"")
    with pytest.raises(InputError) as error:
        prepare.prepare(str(pictures), str(tmp_path / "out"), size="16")
    assert str(error.value).endswith("... and 30 more")
    assert len(str(error.value).splitlines()) == 12


def test_celebas_originals_are_not_taken_for_aligned_ones(tmp_path):
    with pytest.raises(InputError, match="178 x 217 pixels, and not CelebA's aligned 178 x 218"):
        one(picture((178, 217)), tmp_path, size="128", crop="celeba")


def test_nothing_to_prepare(tmp_path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "text.zip").write_text("no archive")
    for source, message in (
        ("empty", "no pictures there"),
        ("absent", "neither a folder nor"),
        ("text.zip", "neither a"),
    ):
        with pytest.raises(InputError, match=message):
            prepare.prepare(str(tmp_path / source), str(tmp_path / "out"))
    assert sorted(os.listdir(tmp_path)) == ["empty", "text.zip"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"size": "large"}, "--size large: give an edge"),
        ({"size": "0"}, "--size 0"),
        ({"size": "4x4x4"}, "--size 4x4x4"),
        ({"size": "16", "crop": "face"}, "--crop face: give an edge"),
        ({"size": "16", "crop": "12"}, "24 x 20 pixels, too small for 16 x 16"),
        ({"size": "16", "crop": "22"}, "24 x 20 pixels, too small for 22 x 22"),
    ],
)
def test_impossible_settings(tmp_path, pictures, options, message):
    with pytest.raises(InputError, match=message):
        prepare.prepare(str(pictures), str(tmp_path / "out"), **options)


def test_what_is_in_the_way_stays(tmp_path, pictures):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "thesis.txt").write_text("two years")
    with pytest.raises(InputError, match="exists already, with something else"):
        prepare.prepare(str(pictures), str(tmp_path / "out"), size="16")
    assert (tmp_path / "out" / "thesis.txt").read_text() == "two years"


def test_a_disk_that_is_too_small_is_seen_before(tmp_path, pictures, monkeypatch):
    monkeypatch.setattr(prepare.shutil, "disk_usage", lambda _: SimpleNamespace(free=39 * 3 * (16**2 + 8**2 + 4**2)))
    with pytest.raises(InputError, match=r"out: 0\.00 GB to write, but its disk has 0\.00 GB left"):
        prepare.prepare(str(pictures), str(tmp_path / "out"), size="16")


WITH_SMALL_FILES = """
import resource, runpy
resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
runpy.run_module("ppsci_gan.commands.prepare", run_name="__main__")
"""


def test_a_disk_that_fills_up_is_one_message_and_no_folder(tmp_path, pictures):
    """Files may not grow beyond twenty kilobytes, which stops a write in the middle as a full disk does."""
    arguments = [str(pictures), str(tmp_path / "out"), "--size=16"]
    command = [warm.python(), "-c", WITH_SMALL_FILES, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2, done.stderr
    assert "Traceback" not in done.stderr
    assert (
        f"Finished parts are kept in {tmp_path / 'out'}.partial: free some space and run it again, or remove them."
        in done.stderr
    )
    assert not (tmp_path / "out").exists()
    command = [warm.python(), "-m", "ppsci_gan.commands.prepare", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "40 images of 16x16, 8x8, 4x4 pixels, checked; train with DATA.name=pictures DATA.data_path=" in done.stdout
    expected = prepare.prepare(str(pictures), str(tmp_path / "again"), size="16")
    np.testing.assert_array_equal(generate(tmp_path / "out", 16), generate(expected, 16))


def test_memory_does_not_grow_with_the_number_of_pictures(tmp_path, pictures, monkeypatch):
    """Only a few chunks are decoded ahead of the writer."""
    monkeypatch.setattr(prepare, "CHUNK", 1)
    decode, waiting, most = prepare._decode_all, [0], [0]

    def counting(*arguments):
        waiting[0] += 1
        most[0] = max(most[0], waiting[0])
        return decode(*arguments)

    class File(prepare._Array):
        def write(self, images):
            waiting[0] -= images.shape[-1] == 4
            super().write(images)

    monkeypatch.setattr(prepare, "_Array", File)
    monkeypatch.setattr(prepare, "_decode_all", counting)
    prepare.prepare(str(pictures), str(tmp_path / "out"), size="16")
    assert most[0] <= 2 * (os.cpu_count() or 1) + 2


# --- pictures that are none ---


@pytest.mark.timeout(20)
def test_what_is_no_file_or_no_picture_is_named(tmp_path, pictures):
    os.mkfifo(pictures / "pipe.png")
    (pictures / "drawn.png").write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 8 8\n%%EndComments\nshowpage\n")
    Image.new("1", (9000, 9000)).save(pictures / "large.png")
    with pytest.raises(InputError) as error:
        prepare.prepare(str(pictures), str(tmp_path / "out"), size="16")
    told = str(error.value)
    assert "pipe.png: not a regular file but a pipe" in told
    assert "drawn.png: broken (cannot identify" in told
    assert "large.png: 9000 x 9000 pixels, more than" in told


def test_members_that_unpack_to_more_than_a_picture_has_are_named(tmp_path, monkeypatch):
    monkeypatch.setattr(prepare.images, "MOST_BYTES", 10**6)
    with zipfile.ZipFile(tmp_path / "a.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("bomb.png", bytes(10**7))
    with zipfile.ZipFile(tmp_path / "a.zip", "a", zipfile.ZIP_BZIP2) as archive:
        archive.writestr("other.png", bytes(100))
    with pytest.raises(InputError) as error:
        prepare.prepare(str(tmp_path / "a.zip"), str(tmp_path / "out"), size="16")
    assert "bomb.png: bomb.png: unpacks to 10,000,000 bytes, where 1,000,000 are read at most" in str(error.value)
    assert "other.png: other.png: packed in another way" in str(error.value)
