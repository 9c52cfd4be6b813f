"""Checkpoint files: a digest, numbers that a training can have left, and errors of one line for everything else."""

import json

import numpy as np
import pytest
import safetensors.numpy

from ppsci_gan import weights
from ppsci_gan.errors import InputError
from ppsci_gan.files import REPOSITORY
from ppsci_gan.weights import checkpoint
from ppsci_gan.weights import finding

ARRAYS = {"generator/w": np.arange(6, dtype="float32").reshape(2, 3), "optimizer/generator/w/moment2_0": np.ones(3)}
STATE = {"iteration": 3, "use": {"generator": "generator"}}


@pytest.fixture
def file(tmp_path):
    weights.save_checkpoint(tmp_path / "a.safetensors", ARRAYS, STATE)
    return tmp_path / "a.safetensors"


def write_as_before(file, arrays, state_text):
    """Write a file of an earlier version, which had no digest."""
    file.write_bytes(safetensors.numpy.save(arrays, metadata={"state": state_text}))


def test_every_flipped_bit_is_found(file):
    content = file.read_bytes()
    for place in range(len(content)):
        file.write_bytes(content[:place] + bytes([content[place] ^ 1 << place % 8]) + content[place + 1 :])
        try:
            tensors, state = weights.read_checkpoint(file)
        except InputError:
            continue
        # What is left is white space or the order of the header.
        assert state == STATE
        assert {name: value.tobytes() for name, value in tensors.items()} == {
            name: value.tobytes() for name, value in ARRAYS.items()
        }


@pytest.mark.parametrize("length", [0, 1, 7, 8, 100, -1])
def test_a_torn_file_is_an_error_of_one_line(file, length):
    file.write_bytes(file.read_bytes()[:length])
    with pytest.raises(InputError, match=r"^[^\n]*a.safetensors: not a checkpoint of this suite, or damaged[^\n]*$"):
        weights.read_checkpoint(file)


def test_a_file_without_digest_is_read_and_known_for_it(file):
    assert weights.Checkpoint.read(file).has_digest
    write_as_before(file, ARRAYS, json.dumps(STATE))
    assert not weights.Checkpoint.read(file).has_digest


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e38, -1e13])
def test_weights_that_no_training_leaves_are_refused(file, value):
    arrays = {**ARRAYS, "generator/w": np.array([1, value], "float32")}
    write_as_before(file, arrays, json.dumps(STATE))
    with pytest.raises(InputError, match="generator/w has a value that is"):
        weights.read_checkpoint(file)


def test_large_moments_are_none_of_them_but_infinite_ones_are(file):
    for value, fits in ((1e30, True), (np.inf, False)):
        arrays = {"optimizer/generator/w/moment2_0": np.array([value], "float32")}
        write_as_before(file, arrays, "{}")
        assert (checkpoint.find_unusable(arrays) is None) == fits


@pytest.mark.parametrize(
    "state",
    [
        "[" * 100_000,
        '{"a":' * 100_000,
        "[1]",
        "null",
        "9" * 10_000,
        '{"iteration": "three"}',
        '{"iteration": -1}',
        '{"networks": []}',
        '{"networks": {"generator": {"class": 3, "settings": {}}}}',
        '{"use": {"generator": ["averaged"]}}',
        '{"published": 1}',
    ],
)
def test_a_state_that_is_none_is_refused(file, state):
    write_as_before(file, ARRAYS, state)
    with pytest.raises(InputError, match=r"^[^\n]*: not a checkpoint of this suite, or damaged[^\n]*$"):
        weights.read_checkpoint(file)


def test_more_than_memory_holds_is_not_read(file, monkeypatch):
    monkeypatch.setattr(checkpoint.psutil, "virtual_memory", lambda: type("Memory", (), {"available": 100}))
    with pytest.raises(InputError, match="more than this machine's memory has free"):
        weights.read_checkpoint(file)


def test_what_cannot_be_read_back_does_not_replace_what_there_was(file, monkeypatch):
    before = file.read_bytes()
    monkeypatch.setattr(checkpoint.os, "fsync", lambda _: next(file.parent.glob(".*")).write_bytes(b"zeros"))
    with pytest.raises(OSError, match="what was written cannot be read back"):
        weights.save_checkpoint(file, {}, {})
    assert file.read_bytes() == before
    assert list(file.parent.iterdir()) == [file]


def test_the_repositorys_weights_are_still_read():
    for name in ("wgangp_toy_8gaussians", "dcgan_faces_quick"):
        assert weights.Checkpoint.read(finding.find(f"pretrained:{name}")).weights("generator")
    assert (REPOSITORY / "pretrained").is_dir()
