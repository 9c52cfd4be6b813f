"""What wrong input gets: one message that names file or key, exit code 1 or 2, and nothing half-written."""

import errno
import re
import subprocess
import tempfile

import pytest
import warm
from hydra import compose
from hydra import initialize_config_dir

from ppsci_gan import cli
from ppsci_gan.devices import device
from ppsci_gan.errors import InputError
from ppsci_gan.files import REPOSITORY


def config(name, *overrides):
    """The configuration as Hydra gives it to a callback, with its own group."""
    with initialize_config_dir(str(REPOSITORY / "conf"), version_base=None):
        return compose(f"wgangp_{name}", ["device=cpu", *overrides], return_hydra_config=True)


@pytest.fixture
def error_of(capsys):
    """``error_of(function, *args)`` is the message with which a command ends; it ends with exit code 2."""

    def run(function, *args):
        with pytest.raises(SystemExit) as end:
            function(*args)
        assert end.value.code == 2
        return re.search("^Error: .*", capsys.readouterr().err, re.DOTALL | re.MULTILINE).group()

    return run


# --- which errors are explained ---


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (InputError("DATA.data_path is not set."), "Error: DATA.data_path is not set.\n"),
        (FloatingPointError("critic/loss is no longer finite."), "Error: critic/loss is no longer finite.\n"),
        (ModuleNotFoundError("Please install 'wandb'"), "Error: Please install 'wandb'\n"),
        (PermissionError(errno.EACCES, "Permission denied", "out/a.png"), "Error: out/a.png: Permission denied.\n"),
        (OSError(errno.ENOSPC, "No space left on device"), "Error: No space left on device.\n"),
    ],
)
def test_explained(error_of, error, message):
    @cli.explain_errors
    def command():
        raise error

    assert error_of(command) == message


@pytest.mark.parametrize("error", [ValueError("bug"), KeyError("bug"), OSError("bug")])
def test_what_the_user_cannot_fix_keeps_its_traceback(error):
    @cli.explain_errors
    def command():
        raise error

    with pytest.raises(type(error)):
        command()


def test_a_command_that_works_is_left_alone():
    @cli.explain_errors
    def command(a, b=2):
        """Doc."""
        return a + b

    assert command(1, b=4) == 5
    assert (command.__name__, command.__doc__) == ("command", "Doc.")


def test_interrupted_command_ends_without_a_traceback(capsys):
    @cli.explain_errors
    def command():
        raise KeyboardInterrupt

    with pytest.raises(SystemExit) as end:
        command()
    assert end.value.code == 130
    assert capsys.readouterr().err == "Interrupted.\n"


def test_jobs_of_a_multi_run_must_not_share_a_folder(error_of, tmp_path):
    callback = cli.InitCallback()
    for seed in (1, 2):
        callback.on_job_start(config("toy", f"seed={seed}", f"output_dir={tmp_path}/{seed}"))
    assert "another job of this multi-run" in error_of(
        callback.on_job_start, config("toy", "seed=3", f"output_dir={tmp_path}/2")
    )


# --- before Hydra makes a folder ---


def start(*overrides):
    cli.InitCallback().on_run_start(config("toy", *overrides))


def test_good_configuration_passes_and_makes_its_folder(tmp_path):
    start(f"output_dir={tmp_path}/a/run")
    assert not list((tmp_path / "a" / "run").iterdir())


@pytest.mark.parametrize(
    ("override", "expected"),
    [
        ("mode=evaluate", "mode=evaluate: .*'train', 'eval', 'export' or 'infer'"),
        (
            "TRAIN.lr_scheduler_gen.learning_rate=-1e-4",
            "TRAIN.lr_scheduler_gen.learning_rate=-0.0001: .*greater than 0",
        ),
        ("TRAIN.epochs=many", "TRAIN.epochs=many: .*valid integer"),
        ("+TRAIN.epoch=3", "TRAIN.epoch: unknown key. Did you mean epochs"),
        ("DATA.name=moons", "DATA.name=moons: .*'8gaussians', '25gaussians', 'swissroll'"),
        ("device=tpu", "device=tpu: write auto, cpu, gpu, npu or xpu"),
        ("device=npu", "device=npu: .*paddle-custom-npu"),
        ("device=gpu:7", "device=gpu:7: .*nvidia-smi"),
        ("TRAIN.batch_size=${nothing}", "TRAIN.batch_size: Interpolation key 'nothing' not found"),
    ],
)
@pytest.mark.parametrize("event", ["on_run_start", "on_job_start"])  # a multi-run has only the second
def test_refused_configuration_leaves_no_folder(tmp_path, monkeypatch, error_of, event, override, expected):
    monkeypatch.setattr(device, "count", lambda kind: int(kind == "cpu"))
    cfg = config("toy", f"output_dir={tmp_path}/run", override)
    message = error_of(getattr(cli.InitCallback(), event), cfg)
    assert re.search(expected, message)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(("mode", "group"), [("eval", "EVAL"), ("export", "INFER")])
def test_weights_must_be_set(tmp_path, error_of, mode, group):
    cfg = config("mnist", f"mode={mode}", f"output_dir={tmp_path}/run")
    assert f"{group}.pretrained_gen_model_path is not set" in error_of(cli.InitCallback().on_run_start, cfg)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("place", ["file", "file/run"])
def test_output_folder_that_cannot_be_made(tmp_path, error_of, place):
    (tmp_path / "file").write_text("mine")
    message = error_of(start, f"output_dir={tmp_path}/{place}")
    assert f"output_dir={tmp_path}/{place}: nothing can be written there" in message
    assert "Choose another folder" in message
    assert (tmp_path / "file").read_text() == "mine"


def test_output_folder_that_cannot_be_written(tmp_path, monkeypatch, error_of):
    """Permissions stop everybody but root, who may run the tests, so the refusal itself is put in place."""

    def refuse(dir):
        raise PermissionError(errno.EACCES, "Permission denied", dir)

    monkeypatch.setattr(tempfile, "TemporaryFile", refuse)
    message = error_of(start, f"output_dir={tmp_path}")
    assert message.startswith(f"Error: output_dir={tmp_path}: nothing can be written there (Permission denied).")


def test_an_unexpected_error_of_the_check_ends_the_process(tmp_path, monkeypatch, capsys):
    """Hydra would turn it into a warning and run what was not checked."""

    def fail(values):
        raise KeyError("bug")

    monkeypatch.setattr(cli.schema, "check", fail)
    with pytest.raises(SystemExit) as end:
        start(f"output_dir={tmp_path}/run")
    assert end.value.code == 1
    assert "KeyError: 'bug'" in capsys.readouterr().err


# --- as a user sees it ---


def shell(folder, script, *arguments):
    """Run an example from another folder; gives exit code, what was printed and the files left."""
    process = subprocess.run(
        [warm.python(), str(REPOSITORY / "examples" / "wgangp" / f"wgangp_{script}.py"), *arguments, "device=cpu"],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    left = {file.relative_to(folder).as_posix() for file in folder.rglob("*") if file.is_file()}
    assert "Traceback" not in process.stdout + process.stderr
    return process.returncode, process.stdout + process.stderr, left


@pytest.mark.parametrize(
    ("arguments", "code", "expected"),
    [
        (["TRAIN.lr=1"], 1, "Could not override 'TRAIN.lr'"),
        (["preset=fast"], 1, "Could not find 'preset/fast'.*none.*quick"),
        (["mode=evaluate", "TRAIN.epochs=many"], 2, "Error: .*mode=evaluate: .*TRAIN.epochs=many: "),
    ],
)
def test_refused_command_line_leaves_nothing(tmp_path, arguments, code, expected):
    returned, printed, left = shell(tmp_path, "toy", *arguments)
    assert returned == code
    assert re.search(expected, printed, re.DOTALL)
    assert not left


def test_every_job_of_a_multi_run_is_checked(tmp_path):
    arguments = ["--multirun", "TRAIN.batch_size=-1,-2", f"hydra.sweep.dir={tmp_path}/sweep"]
    code, printed, left = shell(tmp_path, "toy", *arguments)
    assert code == 2
    assert "TRAIN.batch_size=-1: " in printed
    assert not any(file.startswith("outputs") for file in left)


def test_missing_data_leaves_only_the_log(tmp_path):
    code, printed, left = shell(tmp_path, "mnist", "output_dir=run", "DATA.data_path=mnist.pkl.gz")
    assert code == 2
    assert "Error: DATA.data_path=mnist.pkl.gz: no such file or folder." in printed
    assert {file for file in left if "/.hydra/" not in file} == {"run/train.log"}
