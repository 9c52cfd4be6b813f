"""What a run goes on from: a state that is whole, settings that are the same, and one folder that is its own."""

import json
import os
import shutil
import signal
import subprocess
import sys

import numpy as np
import pytest
import warm
from omegaconf import OmegaConf
from training.test_solver import TINY
from training.test_solver import assert_same_checkpoint
from training.test_solver import config
from training.test_solver import latest
from training.test_solver import stopping_at
from training.test_solver import train  # noqa: F401 - a fixture

from ppsci_gan import runs
from ppsci_gan import weights
from ppsci_gan.errors import InputError
from ppsci_gan.files import REPOSITORY
from ppsci_gan.training import resuming
from ppsci_gan.training.scalars import Scalars
from ppsci_gan.training.solver import AdversarialSolver

SCRIPT = REPOSITORY / "examples" / "wgangp" / "wgangp_toy.py"
AUTO = "TRAIN.checkpoint_path=auto"


def command(*arguments, code=0):
    """Run the script and return what it said."""
    given = [warm.python(), str(SCRIPT), *arguments]
    done = subprocess.run(given, capture_output=True, text=True, timeout=120)
    assert done.returncode == code, done.stdout + done.stderr
    assert code == 0 or "Traceback" not in done.stderr
    return done.stdout + done.stderr


# --- the settings of the run ---


def test_the_same_command_again_goes_on(train, tmp_path):  # noqa: F811
    train(tmp_path / "whole")
    train(tmp_path / "run", AUTO, train_epoch_func=stopping_at(4))
    assert latest(tmp_path / "run")[1]["iteration"] == 4
    train(tmp_path / "run", AUTO)
    assert_same_checkpoint(tmp_path / "whole", tmp_path / "run")
    assert train(tmp_path / "run", AUTO).global_step == 12  # which has finished


def test_a_damaged_latest_costs_only_what_came_after_the_one_before(train, tmp_path):  # noqa: F811
    train(tmp_path / "whole")
    train(tmp_path / "run", AUTO, train_epoch_func=stopping_at(4))
    train(tmp_path / "run", AUTO, train_epoch_func=stopping_at(8))
    file = tmp_path / "run" / "checkpoints" / "latest.safetensors"
    file.write_bytes(file.read_bytes()[:-1] + b"x")
    train(tmp_path / "run", AUTO)
    assert_same_checkpoint(tmp_path / "whole", tmp_path / "run")


def test_resume_reads_the_runs_settings_and_goes_on_in_its_folder(tmp_path):
    run = tmp_path / "run"
    command(*TINY, "seed=7", f"output_dir={run}", "TRAIN.epochs=1")
    assert "output_dir=" in command(*TINY, f"output_dir={run}", code=2)  # nothing begins over it
    refused = command(f"resume={run}", "LOSS.penalty_weight=5", "TRAIN.batch_size=4", code=2)
    assert "LOSS.penalty_weight=0.1 in the run, 5 now\n" in refused
    assert "TRAIN.batch_size=16 in the run, 4 now\n" in refused
    (run / "scalars.jsonl").open("a").write('{"iteration": 6, "cri')
    said = command(f"resume={run}", "TRAIN.epochs=2", "log_freq=1")
    assert "\n  log_freq=4 in the run, 1 now\n  TRAIN.epochs=1 in the run, 2 now" in said
    rows = [json.loads(line)["iteration"] for line in (run / "scalars.jsonl").open()]
    assert rows == [1, 4, 6, 7, 8, 9, 10, 11, 12]
    assert OmegaConf.load(run / "config.yaml").seed == 7
    assert OmegaConf.load(run / "config.yaml").resume is None
    assert latest(run)[1]["iteration"] == 12


def test_what_ended_before_its_first_iteration_may_begin_again(tmp_path):
    cfg = config(tmp_path)
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "checkpoints" / "latest.safetensors").write_bytes(b"")
    runs.refuse_to_overwrite(cfg)
    (tmp_path / "scalars.jsonl").write_text("")
    with pytest.raises(InputError, match="there is a run already"):
        runs.refuse_to_overwrite(cfg)
    for given in ({"resume": str(tmp_path)}, {"TRAIN": {"checkpoint_path": "auto"}}, {"mode": "eval"}):
        runs.refuse_to_overwrite(OmegaConf.merge(cfg, given))


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("resume=nowhere", "resume=nowhere: no run there"),
        ("resume=run preset=quick", "preset=quick: a run goes on with its own settings"),
        ("resume=run LOSS=adversarial", "LOSS=adversarial: a run goes on with its own settings"),
        ("resume=run ~TRAIN.ema", "~TRAIN.ema: a run goes on with its own settings"),
        ("resume=run output_dir=elsewhere", "goes on in that folder: leave out output_dir"),
        ("resume=run mode=eval", "only a training goes on"),
        ("resume=other", "this is a run of ppsci_gan.config.Pgan, not of ppsci_gan.config.WganGpToy"),
        ("resume=torn", "is not the whole configuration of a training"),
        ("resume=binary", "is damaged"),
    ],
)
def test_what_cannot_go_on(tmp_path, monkeypatch, given, message):
    monkeypatch.chdir(tmp_path)
    cfg = config(tmp_path / "run")
    OmegaConf.set_struct(cfg, False)
    for folder in ("run", "other", "torn", "binary"):
        (tmp_path / folder).mkdir()
        runs.propose_settings(OmegaConf.merge(cfg, {"output_dir": folder}))
        runs.accept_settings(folder)
    text = (tmp_path / "run" / "config.yaml").read_text()
    (tmp_path / "other" / "config.yaml").write_text(text.replace("WganGpToy", "Pgan"))
    (tmp_path / "torn" / "config.yaml").write_text(text[:-1])
    (tmp_path / "binary" / "config.yaml").write_bytes(b"\x00\xff: [")
    composed = OmegaConf.merge(cfg, {"hydra": {"overrides": {"task": given.split()}}, "resume": given.split()[0][7:]})
    if "mode=eval" in given:
        composed.mode = "eval"
    with pytest.raises(InputError, match=message):
        runs.go_on(composed)


def test_a_new_default_is_taken_where_the_run_has_no_such_key_and_interpolations_stay(tmp_path):
    old = config(tmp_path, "TRAIN.epochs=5", "seed=3")
    OmegaConf.set_struct(old, False)
    del old.TRAIN["save_minutes"]
    runs.propose_settings(old)
    runs.accept_settings(str(tmp_path))
    now = config(tmp_path, f"resume={tmp_path}", "TRAIN.lr_scheduler_gen.learning_rate=7")
    OmegaConf.set_struct(now, False)
    task = [f"resume={tmp_path}", "TRAIN.lr_scheduler_gen.learning_rate=7"]
    now = OmegaConf.merge(now, {"hydra": {"overrides": {"task": task}}, "TRAIN": {"epochs": 100}})
    runs.go_on(now)
    assert (now.seed, now.TRAIN.epochs, now.TRAIN.save_minutes, now.output_dir) == (3, 5, 10, str(tmp_path))
    assert now.TRAIN.lr_scheduler_dis.learning_rate == 7


def test_a_killed_process_leaves_no_lock_behind(tmp_path):
    program = f"from ppsci_gan import runs; held = runs.lock({str(tmp_path)!r}); print('held', flush=True); input()"
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    holder = subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
    )
    try:
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(InputError, match="another process is training there"):
            runs.lock(str(tmp_path))
    finally:
        holder.send_signal(signal.SIGKILL)
        holder.communicate()
    runs.lock(str(tmp_path)).release()


# --- other settings, other data ---


def test_another_run_is_refused_and_where_it_is_wanted_its_best_score_is_forgotten(train, tmp_path):  # noqa: F811
    best = "TRAIN.eval_during_train=true"
    train(tmp_path / "first", best)
    assert latest(tmp_path / "first")[1]["best"]["raw"] is not None
    given = [f"TRAIN.checkpoint_path={tmp_path}/first/checkpoints/latest", "TRAIN.epochs=3", best]
    other = ["DATA.name=25gaussians", "TRAIN.batch_size=8", "LOSS.penalty_weight=7"]
    with pytest.raises(InputError) as error:
        train(tmp_path / "second", *given, *other)
    for setting in other:
        assert setting.split("=")[0] in str(error.value)
    assert not (tmp_path / "second" / "checkpoints").exists()
    solver = train(tmp_path / "third", *given, *other, "resume_changed=true", "TRAIN.eval_during_train=false")
    assert solver.best == {"raw": None, "averaged": None}


def test_other_data_under_the_same_name_are_noticed(train, tmp_path):  # noqa: F811
    train(tmp_path)
    path = tmp_path / "checkpoints" / "latest"
    checkpoint = weights.Checkpoint.read(path)
    checkpoint.state["samples"]["critic"] = "0" * 64
    checkpoint.write(tmp_path / "checkpoints" / "latest.safetensors")
    with pytest.raises(InputError, match="the data are others"):
        train(tmp_path, f"TRAIN.checkpoint_path={path}")


def settings(**of_training):
    return {"seed": 1, "DATA": {"data_path": "a"}, "TRAIN": {"batch_size": 8, "update_freq": 2, **of_training}}


@pytest.mark.parametrize(
    ("before", "now", "ranks", "harmless"),
    [
        ({"epochs": 2}, {"epochs": 3}, (1, 1), True),
        ({"epochs": 3}, {"epochs": 2}, (1, 1), False),
        ({}, {"batch_size": 4}, (1, 2), True),
        ({}, {"batch_size": 16, "update_freq": 1}, (1, 1), True),
        ({}, {"batch_size": 4}, (1, 1), False),
        ({"n_critic": 5}, {"n_critic": 1}, (1, 1), False),
        ({"save_minutes": 1}, {"save_minutes": None}, (1, 1), True),
        ({"ema": {"decay": 0.9}}, {"ema": {"decay": 0.5}}, (1, 1), False),
        ({"lr_scheduler_gen": {"learning_rate": 1}}, {"lr_scheduler_gen": {"learning_rate": 2}}, (1, 1), True),
        ({"stages": [{"stable_images": 1}]}, {"stages": [{"stable_images": 2}, {"stable_images": 1}]}, (1, 1), True),
        ({"stages": [{"stable_images": 2}]}, {"stages": [{"stable_images": 1}]}, (1, 1), False),
        ({"stages": [{"batch_size": 2}]}, {"stages": [{"batch_size": 1}]}, (1, 1), False),
        ({"epochs": "x"}, {"epochs": 2}, (1, 1), False),
    ],
)
def test_which_changes_make_another_run(before, now, ranks, harmless):
    changes = resuming.find_changes(settings(**before), settings(**now), ranks)
    assert changes
    assert all(change.is_harmless for change in changes) == harmless


def test_another_number_of_ranks_alone_is_no_change():
    assert resuming.find_changes(settings(), settings(), (1, 4)) == []


STATE = {
    "iteration": 3,
    "seed": 1,
    "data": {"critic": [0, 6]},
    "best": {"raw": 1.0, "averaged": None},
    "schedulers": {},
}


@pytest.mark.parametrize(
    "change",
    [
        {"iteration": "x"},
        {"iteration": -1},
        {"data": {"critic": [0]}},
        {"data": {"critic": [0, -1]}},
        {"data": [1]},
        {"best": {"raw": float("nan"), "averaged": None}},
        {"best": {"raw": 1.0}},
        {"schedulers": {"critic": {"last_epoch": 1}}},
        {"schedulers": {"critic": {"last_epoch": 1, "last_lr": float("inf")}}},
        {"updates": {"critic": -1}},
        {"stage": {"index": -1, "name": "", "images": 0}},
        {"rollbacks": [-1]},
        {"scalers": {"critic": {"scale": 0}}},
        {"averages": []},
    ],
)
def test_a_damaged_state_is_an_error_of_one_line(change):
    assert resuming.read_state(STATE, "here").iteration == 3
    with pytest.raises(InputError, match=r"^here: damaged, its state's [^\n]*$"):
        resuming.read_state({**STATE, **change}, "here")


@pytest.mark.parametrize("damage", ["unknown", "shape", "type", "schedule", "average"])
def test_a_damaged_optimizer_or_average_is_an_error_of_one_line(train, tmp_path, damage):  # noqa: F811
    train(tmp_path, "TRAIN.epochs=1")
    path = tmp_path / "checkpoints" / "latest.safetensors"
    checkpoint = weights.Checkpoint.read(path)
    name = next(name for name in checkpoint.tensors if name.startswith("optimizer/critic/") and "moment1" in name)
    value = checkpoint.tensors.pop(name)
    if damage == "schedule":
        del checkpoint.state["schedulers"]["critic"]
    elif damage == "average":
        checkpoint.tensors["averaged/extra"] = value
    else:
        damaged = {"unknown": value, "shape": value[:1], "type": value.astype("int32")}[damage]
        checkpoint.tensors[name.replace("critic/", "critic/un") if damage == "unknown" else name] = damaged
    checkpoint.write(path)
    with pytest.raises(InputError, match="does not fit"):
        train(tmp_path, f"TRAIN.checkpoint_path={path}")


# --- what a killed run leaves ---


@pytest.mark.parametrize(
    "rest", ['{"iteration": 3, "a', "{", "\x00\x00\x00", "[1]", '{"iteration": "x"}', "[" * 9999, "\ud83d"]
)
def test_half_a_line_of_the_scalars_is_mended(tmp_path, rest):
    scalars = Scalars(tmp_path / "scalars.jsonl")
    scalars.write(1, {"a": 1.0})
    scalars.write(2, {"a": 2.0})
    whole = scalars.path.read_bytes()
    scalars.path.write_bytes(whole + rest.encode(errors="surrogatepass"))
    assert [row["iteration"] for row in scalars.rows()] == [1, 2]
    scalars.drop_after(2)
    assert scalars.path.read_bytes() == whole
    scalars.write(3, {"a": 3.0})
    assert [row["iteration"] for row in scalars.rows()] == [1, 2, 3]


@pytest.mark.parametrize("name", ["SIGTERM", "SIGHUP", "SIGINT"])
def test_a_signal_lets_the_iteration_finish_and_saves(train, tmp_path, monkeypatch, name):  # noqa: F811
    iterate = AdversarialSolver.run_iteration

    def signalled(self):
        if self.global_step == 4:
            signal.raise_signal(getattr(signal, name))
        return iterate(self)

    monkeypatch.setattr(AdversarialSolver, "run_iteration", signalled)
    solver = train(tmp_path)
    assert solver.interrupted
    assert latest(tmp_path)[1]["iteration"] == 5


def test_nohup_is_respected(train, tmp_path, monkeypatch):  # noqa: F811
    iterate = AdversarialSolver.run_iteration
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)

    def signalled(self):
        signal.raise_signal(signal.SIGHUP)
        return iterate(self)

    monkeypatch.setattr(AdversarialSolver, "run_iteration", signalled)
    try:
        assert not train(tmp_path).interrupted
    finally:
        signal.signal(signal.SIGHUP, before)


def test_a_second_ctrl_c_does_not_wait_and_the_last_checkpoint_stays(train, tmp_path, monkeypatch):  # noqa: F811
    iterate = AdversarialSolver.run_iteration

    def signalled(self):
        if self.global_step == 8:
            signal.raise_signal(signal.SIGINT)
            signal.raise_signal(signal.SIGINT)
        return iterate(self)

    monkeypatch.setattr(AdversarialSolver, "run_iteration", signalled)
    monkeypatch.setattr("ppsci_gan.training.checkpoints.SHARE", 1e9)  # saves at the end of every epoch
    with pytest.raises(KeyboardInterrupt):
        train(tmp_path)
    assert latest(tmp_path)[1]["iteration"] == 6


# --- disks ---


@pytest.fixture
def failing_disk(monkeypatch):
    """``failing_disk(condition)``: no checkpoint, no scalars and no picture can be written while ``condition()``."""

    def fail(condition):
        def guarded(function):
            def write(*args, **kwargs):
                if condition():
                    raise OSError(28, "No space left on device")
                return function(*args, **kwargs)

            return write

        monkeypatch.setattr(weights.Checkpoint, "write", guarded(weights.Checkpoint.write))
        monkeypatch.setattr(Scalars, "write", guarded(Scalars.write))
        monkeypatch.setattr("ppsci_gan.plots.save_contour_plot", guarded(lambda *_: None))

    return fail


def test_a_disk_that_is_full_for_a_while_costs_nothing(train, tmp_path, failing_disk):  # noqa: F811
    train(tmp_path / "whole")
    made = []
    failing_disk(lambda: 2 <= made[0].global_step < 8 if made else False)
    keep = AdversarialSolver._save_first
    AdversarialSolver._save_first = lambda self: (made.append(self), keep(self))
    try:
        train(tmp_path / "run", "TRAIN.sample_freq=3", "TRAIN.save_freq=1", "TRAIN.eval_during_train=true")
    finally:
        AdversarialSolver._save_first = keep
    tensors, expected = (latest(tmp_path / name)[0] for name in ("run", "whole"))
    assert all(np.array_equal(value, expected[name]) for name, value in tensors.items())


def test_a_disk_that_is_full_at_the_end_keeps_the_last_checkpoint_and_says_so(train, tmp_path, failing_disk):  # noqa: F811
    full = []
    failing_disk(lambda: full)
    with pytest.raises(InputError, match=r"(?s)iteration 12 cannot be saved \(No space left.*latest.safetensors"):
        train(tmp_path, "TRAIN.epochs=2", each_epoch=full.append)
    assert latest(tmp_path)[1]["iteration"] == 0


def test_a_disk_that_is_full_from_the_start_is_said_before_anything_is_trained(train, tmp_path, failing_disk):  # noqa: F811
    failing_disk(lambda: True)
    with pytest.raises(InputError, match="the state of iteration 0 cannot be saved"):
        train(tmp_path)


def test_a_folder_that_is_deleted_while_training_is_made_again(train, tmp_path):  # noqa: F811
    train(tmp_path / "run", each_epoch=lambda epoch: epoch == 1 and shutil.rmtree(tmp_path / "run"))
    assert latest(tmp_path / "run")[1]["iteration"] == 12
