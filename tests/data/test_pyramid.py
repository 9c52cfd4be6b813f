"""Levels: against plain means, as ppsci's data set, and mapped from files that may be damaged."""

import json

import numpy as np
import ppsci
import pytest
from PIL import Image

from ppsci_gan.data import faces
from ppsci_gan.data import prepare
from ppsci_gan.data import pyramid
from ppsci_gan.errors import InputError


def random_images(*shape):
    return np.random.default_rng(0).integers(0, 256, shape, np.uint8)


def test_levels_are_means_of_blocks():
    images = random_images(7, 3, 32, 32)
    levels = pyramid.build_levels(images, batch_size=3)
    assert list(levels) == [32, 16, 8, 4]
    for size, level in levels.items():
        times = 32 // size
        expected = images.reshape([7, 3, size, times, size, times]).mean(axis=(3, 5))
        # Rounded once per halving, by at most a half, and by an eighth on average: halves go up.
        assert np.abs(level[:] - expected).max() <= 0.5 * np.log2(times)
        assert (level[:] - expected).mean() == pytest.approx(np.log2(times) / 8, abs=0.05)


def test_a_half_rounds_up_and_white_stays_white():
    assert pyramid.halve(np.array([[0, 0], [1, 1]], np.uint8)).item() == 1
    assert pyramid.halve(np.full([2, 2], 255, np.uint8)).item() == 255


@pytest.mark.parametrize("shape", [(2, 3, 16, 8), (2, 3, 12, 12), (2, 3, 2, 2), (3, 16, 16)])
def test_other_shapes_are_refused(shape):
    with pytest.raises(InputError, match="a pyramid takes squares|take squares of 4, 8, 16"):
        pyramid.build_levels(np.zeros(shape, np.uint8))


@pytest.mark.parametrize("kind", ["level", "faces"])
def test_ppsci_reads_batches_and_copies_no_image(kind):
    images = random_images(50, 3, 8, 8)
    drawn = faces.draw_factors(50, 0)
    data = pyramid.Level(images) if kind == "level" else faces.Faces(drawn, 8)
    dataset = {"name": "NamedArrayDataset", "input": {"data": data}}
    loader = {"dataset": dataset, "batch_size": 4, "sampler": {"name": "BatchSampler"}}
    constraint = ppsci.constraint.SupervisedConstraint(loader, ppsci.loss.MSELoss(), {}, name="critic")
    found = constraint.data_loader.dataset
    assert len(found) == 50
    batch = found[np.array([3, 1])][0]["data"]
    np.testing.assert_array_equal(batch, images[[3, 1]] if kind == "level" else faces.draw(drawn, 8)[[3, 1]])
    if kind == "level":
        assert np.shares_memory(found.input["data"].images, images)


@pytest.fixture
def prepared(tmp_path):
    for index, image in enumerate(random_images(20, 16, 16, 3)):
        folder = tmp_path / "pictures" / "ab"[index % 2]
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(folder / f"{index:02d}.png")
    return prepare.prepare(str(tmp_path / "pictures"), str(tmp_path / "prepared"), size="16")


def test_splits_are_mapped_and_complete(prepared):
    parts = [pyramid.read(prepared, split) for split in ("train", "test")]
    assert [len(levels[16]) for levels, _ in parts] == [18, 2]
    assert [labels.shape for _, labels in parts] == [(18,), (2,)]
    assert isinstance(parts[0][0][16].images, np.memmap)
    together = np.concatenate([levels[16][:] for levels, _ in parts])
    assert sorted(map(bytes, together)) == sorted(
        bytes(image.transpose(2, 0, 1)) for image in random_images(20, 16, 16, 3)
    )


def test_classes_are_those_of_the_folders(prepared):
    levels, labels = pyramid.read(prepared, "train")
    originals = {bytes(image.transpose(2, 0, 1)): i % 2 for i, image in enumerate(random_images(20, 16, 16, 3))}
    assert labels.tolist() == [originals[bytes(image)] for image in levels[16][:]]


def test_nothing_prepared_is_said_with_what_to_do(tmp_path):
    for path in (None, tmp_path / "absent"):
        with pytest.raises(InputError, match=r"python -m ppsci_gan\.commands\.prepare"):
            pyramid.read(path, "train")
    (tmp_path / "some.partial").mkdir()
    with pytest.raises(InputError, match="not finished: run it again to resume"):
        pyramid.read(tmp_path / "some", "train")


def damage_description(folder):
    (folder / "pyramid.json").write_text('{"images": 20')


def remove_entry(folder):
    content = json.loads((folder / "pyramid.json").read_text())
    del content["levels"]
    (folder / "pyramid.json").write_text(json.dumps(content))


def cut_level(folder):
    path = folder / "8x8.npy"
    path.write_bytes(path.read_bytes()[:-1])


def pickle_level(folder):
    np.save(folder / "8x8.npy", np.array([{}]), allow_pickle=True)


def other_shape(folder):
    np.save(folder / "8x8.npy", np.zeros([20, 3, 4, 4], np.uint8))


def no_labels(folder):
    (folder / "labels.npy").unlink()


def flip_bit(name):
    def harm(folder):
        content = bytearray((folder / name).read_bytes())
        content[-1] ^= 1
        (folder / name).write_bytes(content)

    return harm


def edit_description(**changes):
    def harm(folder):
        content = json.loads((folder / "pyramid.json").read_text())
        (folder / "pyramid.json").write_text(json.dumps({**content, **changes}))

    return harm


def with_own_checksum(write, name="labels.npy"):
    """Somebody who changes a file and its checksum, too."""

    def harm(folder):
        write(folder / name)
        content = json.loads((folder / "pyramid.json").read_text())
        names = [*(pyramid.level_file(level) for level in content["levels"]), "labels.npy"]
        content["crc32"][names.index(name)] = pyramid.checksum(folder / name)
        (folder / "pyramid.json").write_text(json.dumps(content))

    return harm


def nested_description(folder):
    (folder / "pyramid.json").write_text("[" * 100_000)


def other_labels(value):
    return with_own_checksum(lambda path: np.save(path, np.where(np.arange(20) == 7, value, np.load(path))))


def transposed_level(path):
    np.save(path, np.asfortranarray(np.load(path)))


@pytest.mark.parametrize(
    ("harm", "name"),
    [
        (flip_bit("8x8.npy"), "8x8.npy"),
        (flip_bit("labels.npy"), "labels.npy"),
        (nested_description, "pyramid.json"),
        (edit_description(images=19), "16x16.npy"),
        (edit_description(images=-20), "pyramid.json"),
        (edit_description(images=20.0), "pyramid.json"),
        (edit_description(images=10**30), "pyramid.json"),
        (edit_description(channels=2), "pyramid.json"),
        (edit_description(classes=None), "pyramid.json"),
        (edit_description(classes=[]), "pyramid.json"),
        (edit_description(classes=["a"]), "pyramid.json"),
        (edit_description(classes=["a", "a"]), "pyramid.json"),
        (edit_description(classes=["a", "b", "c"]), "labels.npy"),
        (edit_description(levels=[[8, 8], [4, 4]]), "pyramid.json"),
        (edit_description(levels=[[16, 16]]), "pyramid.json"),
        (edit_description(levels=[]), "pyramid.json"),
        (edit_description(crc32=[0, 0, 0]), "16x16.npy"),
        (edit_description(crc32=[]), "pyramid.json"),
        (edit_description(more=1), "pyramid.json"),
        (other_labels(-1), "labels.npy"),
        (other_labels(2), "labels.npy"),
        (other_labels(10**9), "labels.npy"),
        (with_own_checksum(transposed_level, "8x8.npy"), "8x8.npy"),
        (damage_description, "pyramid.json"),
        (remove_entry, "pyramid.json"),
        (cut_level, "8x8.npy"),
        (pickle_level, "8x8.npy"),
        (other_shape, "8x8.npy"),
        (no_labels, "labels.npy"),
    ],
)
def test_damage_is_named(prepared, harm, name):
    harm(prepared)
    with pytest.raises(InputError, match=f"{name}.*prepare it again"):
        pyramid.read(prepared, "train")
