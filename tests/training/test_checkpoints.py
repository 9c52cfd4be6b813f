"""The checkpoints of a run: latest and previous, which is taken, which are kept, when one is due, failing writes."""

import errno
import os

import numpy as np
import pytest

from ppsci_gan.errors import InputError
from ppsci_gan.training import checkpoints as module
from ppsci_gan.training.checkpoints import RunCheckpoints
from ppsci_gan.weights import Checkpoint


def at(iteration):
    made = Checkpoint({"iteration": iteration})
    made.put("generator", {"w": np.full(100, iteration, "float32")})
    return made


@pytest.fixture
def run(tmp_path):
    checkpoints = RunCheckpoints(tmp_path)
    for iteration in (1, 2):
        checkpoints.save("latest", at(iteration))
    return checkpoints


def names(run):
    return sorted(file.stem for file in run.folder.iterdir())


def damage(file):
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.unlink()  # not the other name of the same content
    file.write_bytes(content)


def test_the_newest_whole_one_is_taken_with_a_warning_that_names_both(run, monkeypatch):
    said = []
    monkeypatch.setattr(module.logger, "warning", said.append)
    assert run.newest().state["iteration"] == 2
    run.save("epoch_1", at(1))
    run.save("best", at(0))
    damage(run.path("latest"))
    assert RunCheckpoints(run.folder).newest().state["iteration"] == 1
    assert [line.split(": damaged")[0] for line in said] == [str(run.path("latest"))]
    assert said[0].endswith(f"Taking {run.path('previous')} instead, of iteration 1.")
    run.path("previous").write_bytes(b"")
    assert RunCheckpoints(run.folder).newest().path == run.path("epoch_1")
    damage(run.path("epoch_1"))
    assert RunCheckpoints(run.folder).newest().path == run.path("best")


def test_nothing_whole_is_an_error_that_names_every_file(run):
    for name in ("latest", "previous"):
        damage(run.path(name))
    with pytest.raises(InputError, match=r"(?s)no checkpoint of this run is whole:.*latest.*previous"):
        run.newest()
    assert RunCheckpoints(run.folder / "nowhere").newest() is None


def test_a_damaged_latest_does_not_become_the_previous_one(run):
    damage(run.path("latest"))
    again = RunCheckpoints(run.folder)
    again.newest()
    again.save("latest", at(3))
    assert [found.state["iteration"] for found in again.newest_first()] == [3, 1]
    again.save("latest", at(4))
    assert [found.state["iteration"] for found in again.newest_first()] == [4, 3]


def test_epochs_are_bounded_and_best_stays(tmp_path):
    run = RunCheckpoints(tmp_path, keep=2)
    for epoch in (1, 2, 9, 10, 11):
        run.save("best", at(epoch))
        run.save(f"epoch_{epoch}", at(epoch))
    assert names(run) == ["best", "epoch_10", "epoch_11"]


@pytest.mark.parametrize("number", range(1, 30))
def test_an_error_in_any_step_of_saving_leaves_a_whole_checkpoint(run, monkeypatch, number):
    """As a full disk, a quota, a folder that is read-only by now, or gone."""
    steps = 0

    def failing(function):
        def step(*args, **kwargs):
            nonlocal steps
            steps += 1
            if steps == number:
                raise OSError(errno.ENOSPC, "No space left on device")
            return function(*args, **kwargs)

        return step

    with monkeypatch.context() as patch:
        for name in ("fsync", "replace", "open", "close"):
            patch.setattr(os, name, failing(getattr(os, name)))
        patch.setattr(module.Checkpoint, "write", failing(Checkpoint.write))
        patch.setattr("ppsci_gan.weights.checkpoint._verify", failing(lambda *_: None))
        try:
            run.save("latest", at(3))
        except OSError:
            assert steps >= number  # what is open is closed
        else:
            assert number > steps
    assert RunCheckpoints(run.folder).newest().state["iteration"] in (2, 3)
    assert names(run) == ["latest", "previous"]


def test_what_another_run_has_left_is_not_taken_for_this_ones(run):
    again = RunCheckpoints(run.folder)
    again.begin_anew()
    again.save("latest", at(0))
    assert [found.state["iteration"] for found in again.newest_first()] == [0]


def test_what_a_killed_process_was_writing_is_removed(run):
    (run.folder / ".123.latest.safetensors").write_bytes(b"half")
    run.remove_leftovers()
    assert names(run) == ["latest", "previous"]


def test_a_folder_that_was_deleted_is_made_again(run):
    for file in run.folder.iterdir():
        file.unlink()
    run.folder.rmdir()
    run.save("latest", at(3))
    assert run.newest().state["iteration"] == 3


def test_a_disk_without_links_has_a_previous_one_too(run, monkeypatch):
    def refuse(*_):
        raise PermissionError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)
    run.save("latest", at(3))
    assert [found.state["iteration"] for found in run.newest_first()] == [3, 2]


def test_when_latest_is_due(tmp_path, monkeypatch):
    """By the clock that cannot be set back, and never so often that saving takes more than a hundredth."""
    now = 1000.0
    monkeypatch.setattr(module.time, "perf_counter", lambda: now)
    run = RunCheckpoints(tmp_path, minutes=10)
    assert not run.is_due(epoch_ends=False)
    assert run.is_due(epoch_ends=True)  # nobody knows yet how long it takes
    write = Checkpoint.write

    def slow(*args):
        nonlocal now
        now += 3
        write(*args)

    monkeypatch.setattr(Checkpoint, "write", slow)
    run.save("latest", at(1))
    for seconds, within, at_end in ((299, False, False), (300, False, True), (599, False, True), (600, True, True)):
        now = 1003.0 + seconds
        assert (run.is_due(epoch_ends=False), run.is_due(epoch_ends=True)) == (within, at_end)
    assert not RunCheckpoints(tmp_path, minutes=None).is_due(epoch_ends=False)
