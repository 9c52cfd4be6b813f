"""Images from folders and arrays, and what is refused of them."""

import io
import os
import zipfile

import numpy as np
import pytest
from PIL import Image

from ppsci_gan import files
from ppsci_gan.data import images
from ppsci_gan.errors import InputError


def write(folder, number=3, size=(8, 6), mode="RGB", suffix="png"):
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(len(mode) + number)
    shape = [number, *size, 3] if mode == "RGB" else [number, *size]
    pixels = rng.integers(0, 256, shape, np.uint8)
    for index, image in enumerate(pixels):
        Image.fromarray(image).save(folder / f"{index}.{suffix}")
    return pixels


def test_folder_in_order_with_sub_folders(tmp_path):
    second, first = write(tmp_path / "b"), write(tmp_path / "a", number=2)
    (tmp_path / "notes.txt").write_text("left alone")
    read = images.read(str(tmp_path))
    assert read.name == str(tmp_path)
    assert np.array_equal(read.data, np.concatenate([first, second]).transpose([0, 3, 1, 2]))


def test_grey_folder_has_one_channel(tmp_path):
    pixels = write(tmp_path, mode="L", suffix="bmp")
    assert np.array_equal(images.read(str(tmp_path)).data, pixels[:, None])


@pytest.mark.parametrize("shape", [[5, 8, 6, 3], [5, 3, 8, 6], [5, 8, 6], [5, 8, 6, 1]])
@pytest.mark.parametrize("name", ["images", "arr_0", "samples"])
def test_npz_in_either_layout(tmp_path, shape, name):
    array = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    np.savez(tmp_path / "samples.npz", **{name: array})
    read = images.read(str(tmp_path / "samples.npz")).data
    expected = {4: array if shape[1] == 3 else array.transpose([0, 3, 1, 2]) if len(shape) == 4 else None, 3: None}
    expected = expected[4] if len(shape) == 4 else array[:, None]
    assert np.array_equal(read, expected)


def test_an_unreadable_picture_is_named(tmp_path):
    write(tmp_path)
    (tmp_path / "1.png").write_bytes((tmp_path / "1.png").read_bytes()[:60])
    with pytest.raises(InputError, match=r"1\.png: cannot be read as a picture"):
        images.read(str(tmp_path))


def test_a_picture_of_another_size_is_named(tmp_path):
    write(tmp_path)
    Image.new("RGB", (9, 9)).save(tmp_path / "z.png")
    with pytest.raises(InputError, match=r"z\.png: its shape is 9 x 9 with 3 channels, that of 0\.png 8 x 6"):
        images.read(str(tmp_path))


@pytest.mark.parametrize("mode", ["RGBA", "I;16", "CMYK"])
def test_pictures_with_other_pixels_are_named(tmp_path, mode):
    suffix = "jpg" if mode == "CMYK" else "png"
    Image.new(mode, (8, 8)).save(tmp_path / f"odd.{suffix}")
    with pytest.raises(InputError, match=rf"odd\.{suffix}: its pixels are of type"):
        images.read(str(tmp_path))


def test_pickles_in_npz_are_not_run(tmp_path):
    class Hostile:
        def __reduce__(self):
            return (open, (str(tmp_path / "made"), "w"))

    np.savez(tmp_path / "hostile.npz", images=np.array([Hostile()], dtype=object))
    with pytest.raises(InputError, match="hostile.npz: damaged, or not an .npz file of numbers"):
        images.read(str(tmp_path / "hostile.npz"))
    assert not (tmp_path / "made").exists()


def array_file(path, **arrays):
    np.savez(path, **arrays)
    return path


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"images": np.zeros([5, 8, 6, 3], np.float32)}, "images are float32 from 0 to 0; scores need uint8"),
        ({"images": np.linspace(-1, 1, 90).reshape([5, 3, 3, 2])}, "float64 from -1 to 1"),
        ({"images": np.full([5, 3, 3, 2], np.nan)}, "float64 with NaN"),
        ({"images": np.zeros([5, 8, 6, 4], np.uint8)}, r"shape is \[5, 8, 6, 4\]"),
        ({"images": np.zeros([0, 8, 6, 3], np.uint8)}, r"shape is \[0, 3, 8, 6\]"),
        ({"a": np.zeros(3), "b": np.zeros(3)}, "holds a, b; name the images"),
        ({}, "holds nothing"),
    ],
)
def test_arrays_that_are_no_images(tmp_path, arrays, message):
    with pytest.raises(InputError, match=message):
        images.read(str(array_file(tmp_path / "samples.npz", **arrays)))


def test_damaged_npz(tmp_path):
    content = io.BytesIO()
    np.savez(content, images=np.zeros([5, 8, 6, 3], np.uint8))
    for number, damaged in enumerate([content.getvalue()[:100], content.getvalue()[:-30], b"", b"no zip at all"]):
        path = tmp_path / f"{number}.npz"
        path.write_bytes(damaged)
        with pytest.raises(InputError, match=rf"{number}\.npz: damaged"):
            images.read(str(path))
    with zipfile.ZipFile(tmp_path / "other.npz", "w") as archive:
        archive.writestr("images.npy", b"not an array")
    with pytest.raises(InputError, match="other.npz: damaged, or not an .npz file of numbers"):
        images.read(str(tmp_path / "other.npz"))


@pytest.mark.parametrize("source", ["nothing/there", "cifar100:x", "samples.txt"])
def test_what_is_no_source(source):
    with pytest.raises(InputError, match="neither a folder of pictures nor an .npz file"):
        images.read(source)


def test_empty_folder(tmp_path):
    with pytest.raises(InputError, match="no pictures there"):
        images.read(str(tmp_path))


def test_missing_data_set():
    with pytest.raises(InputError, match="no/such: no such file or folder"):
        images.read("cifar10:no/such")


@pytest.mark.timeout(20)
def test_a_pipe_among_pictures_is_named_and_not_waited_for(tmp_path):
    write(tmp_path)
    os.mkfifo(tmp_path / "pipe.png")
    with pytest.raises(InputError, match=r"pipe\.png: not a regular file but a pipe"):
        images.read(str(tmp_path))


def test_only_formats_of_pictures_are_tried(tmp_path):
    """Pillow has Ghostscript, a program, draw PostScript, whatever the file is named."""
    (tmp_path / "0.png").write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 8 8\n%%EndComments\nshowpage\n")
    with pytest.raises(InputError, match=r"0\.png: cannot be read as a picture \(cannot identify"):
        images.read(str(tmp_path))


def test_a_picture_of_too_many_pixels_is_not_decoded(tmp_path):
    Image.new("1", (9000, 9000)).save(tmp_path / "0.png")
    with pytest.raises(InputError, match=r"0\.png: 9000 x 9000 pixels, more than 67,108,864: make it smaller first\."):
        images.read(str(tmp_path))


def test_pictures_that_do_not_fit_into_memory_are_refused_before_they_are_read(tmp_path, monkeypatch):
    write(tmp_path)
    monkeypatch.setattr(files, "available_memory", lambda: 100)
    with pytest.raises(InputError, match="its 3 pictures: needs 0.0 GB of memory, where 0.0 GB are free"):
        images.read(str(tmp_path))


def test_an_array_is_no_larger_than_its_header_says_and_the_other_way_round(tmp_path):
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": "|u1", "fortran_order": False, "shape": (10**12, 3, 1, 1)})
    for name, content in (("huge", header.getvalue()), ("long", header.getvalue() + bytes(100))):
        with zipfile.ZipFile(tmp_path / f"{name}.npz", "w") as archive:
            archive.writestr("images.npy", content)
        with pytest.raises(InputError, match=rf"{name}\.npz: damaged.* bytes of images for \[1000000000000, 3, 1, 1\]"):
            images.read(str(tmp_path / f"{name}.npz"))


def test_an_array_that_is_packed_to_next_to_nothing_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(images, "MOST_BYTES", 1000)
    np.savez_compressed(tmp_path / "bomb.npz", images=np.zeros([1000, 3, 32, 32], np.uint8))
    with pytest.raises(InputError, match=r"images\.npy: unpacks to 3,072,128 bytes, where"):
        images.read(str(tmp_path / "bomb.npz"))
    with zipfile.ZipFile(tmp_path / "other.npz", "w", zipfile.ZIP_LZMA) as archive:
        archive.writestr("images.npy", b"")
    with pytest.raises(InputError, match="packed in another way"):
        images.read(str(tmp_path / "other.npz"))
