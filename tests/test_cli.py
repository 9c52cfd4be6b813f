"""What wrong input gets: one message that names file or key, exit code 1 or 2, and nothing half-written."""

import errno
import os
import re
import subprocess
import tempfile

import pytest
import warm
from hydra import compose
from hydra import initialize_config_dir
from omegaconf import OmegaConf

from ppsci_gan import cli
from ppsci_gan.config import check_needs
from ppsci_gan.config import needs
from ppsci_gan.devices import device
from ppsci_gan.errors import InputError
from ppsci_gan.files import REPOSITORY


@pytest.fixture(autouse=True)
def hydra():
    """Hydra knows where configurations are as long as a script runs, and so do its callbacks."""
    with initialize_config_dir(str(REPOSITORY / "conf"), version_base=None):
        yield


def config(name, *overrides):
    """The configuration as Hydra gives it to a callback, with its own group."""
    return compose(name, ["device=cpu", *overrides], return_hydra_config=True)


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


COMPOSITION = [
    (["TRAIN.epoch=3"], "TRAIN.epoch: unknown key. Did you mean TRAIN.epochs?"),
    (["sead=3"], "sead: unknown key. Did you mean seed or "),
    (["preset=quick", "train.epochs=3"], "train: unknown key. Did you mean TRAIN?"),
    (["prest=quick"], "prest: unknown key. Did you mean preset?"),
    (["loss=adversarial"], "loss: unknown key. Did you mean LOSS?"),
    (["LOSS=adversaril"], "LOSS=adversaril: unknown choice. There are adversarial, wasserstein_gp."),
    (["VIS.qqq=3"], "VIS.qqq: unknown key. There are num_images."),
    (["TRAIN.ema.decy=3"], "TRAIN.ema.decy: unknown key. Did you mean TRAIN.ema.decay?"),
    (["TRAIN.swa.use_swa=true"], "TRAIN.swa: unknown key. The generator's average is TRAIN.ema."),
    # A key that exists for some other reason is added as Hydra says.
    (["wandb_config.project=a"], "Could not override 'wandb_config.project'.\nTo append to your config use +wandb"),
    (["+seed=3"], "Could not append to config. An item is already at 'seed'."),
    (["hydra.jobs=3"], "Could not override 'hydra.jobs'."),
    (["TRAIN.epochs.first=3"], "Could not override 'TRAIN.epochs.first'."),
    (["EVAL.mine=[1]", "schema=nowhere.Mine"], "EVAL.mine: unknown key. There are "),
    (["schema=nowhere.Mine", "EVAL.mine=[1]"], "schema=nowhere.Mine: no such class ("),
    (["TRAIN.epochs=[1,"], "no viable alternative at input"),
]


@pytest.mark.parametrize(("overrides", "message"), COMPOSITION, ids=lambda value: str(value)[:20])
def test_mistyped_command_line(error_of, overrides, message):
    assert error_of(cli.explain_errors(config), "wgangp_toy", *overrides).startswith(f"Error: {message}")


@pytest.mark.parametrize("before", [None, "0", "1"])
def test_hydra_raises_only_as_long_as_a_command_runs(monkeypatch, before):
    """Programs that start others leave them as they found them."""
    if before is None:
        monkeypatch.delenv("HYDRA_FULL_ERROR", raising=False)
    else:
        monkeypatch.setenv("HYDRA_FULL_ERROR", before)
    assert cli.explain_errors(os.environ.get)("HYDRA_FULL_ERROR") == "1"
    assert os.environ.get("HYDRA_FULL_ERROR") == before
    with pytest.raises(SystemExit):
        cli.explain_errors(fail)(InputError("no"))
    assert os.environ.get("HYDRA_FULL_ERROR") == before


def fail(error):
    raise error


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
        callback.on_job_start(config("wgangp_toy", f"seed={seed}", f"output_dir={tmp_path}/{seed}"))
    assert "another job of this sweep" in error_of(
        callback.on_job_start, config("wgangp_toy", "seed=3", f"output_dir={tmp_path}/2")
    )


# --- before Hydra makes a folder ---


def start(*overrides):
    cli.InitCallback().on_run_start(config("wgangp_toy", *overrides))


def test_good_configuration_passes_and_makes_its_folder(tmp_path):
    start(f"output_dir={tmp_path}/a/run")
    assert not list((tmp_path / "a" / "run").glob("[!.]*"))


@pytest.mark.parametrize(
    ("override", "expected"),
    [
        ("mode=evaluate", "mode=evaluate: .*'train', 'eval', 'export' or 'infer'"),
        (
            "TRAIN.lr_scheduler_gen.learning_rate=-1e-4",
            "TRAIN.lr_scheduler_gen.learning_rate=-0.0001: .*greater than 0",
        ),
        ("TRAIN.epochs=many", "TRAIN.epochs=many: .*valid integer"),
        ("+TRAIN.epoch=3", "TRAIN.epoch: unknown key. Did you mean TRAIN.epochs"),
        ("DATA.name=moons", "DATA.name=moons: .*'8gaussians', '25gaussians' or 'swissroll'"),
        ("device=tpu", "device=tpu: write auto, cpu, gpu, npu or xpu"),
        ("device=npu", "device=npu: .*paddle-custom-npu"),
        ("device=gpu:7", "device=gpu:7: .*nvidia-smi"),
        ("TRAIN.batch_size=${nothing}", "TRAIN.batch_size: Interpolation key 'nothing' not found"),
    ],
)
@pytest.mark.parametrize("event", ["on_run_start", "on_job_start"])  # a multi-run has only the second
def test_refused_configuration_leaves_no_folder(tmp_path, monkeypatch, error_of, event, override, expected):
    monkeypatch.setattr(device, "count", lambda kind: int(kind == "cpu"))
    cfg = config("wgangp_toy", f"output_dir={tmp_path}/run", override)
    message = error_of(getattr(cli.InitCallback(), event), cfg)
    assert re.search(expected, message)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("name", "preset", "presets"),
    [
        ("wgangp_toy", "quikc", "demo, quick"),
        ("pgan", "mnist", "cifar10, pytorch_gan_zoo, quick"),
        ("dcgan", "demo", "cifar10, mnist, quick"),
    ],
)
@pytest.mark.parametrize("event", ["on_run_start", "on_job_start"])
def test_a_preset_that_an_experiment_does_not_have(tmp_path, error_of, event, name, preset, presets):
    cfg = config(name, f"preset={preset}", f"output_dir={tmp_path}/run")
    message = error_of(getattr(cli.InitCallback(), event), cfg)
    assert message == f"Error: preset={preset}: {name} has no such preset, but {presets}.\n"
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(("mode", "group"), [("eval", "EVAL"), ("export", "INFER")])
def test_weights_must_be_set(tmp_path, error_of, mode, group):
    cfg = config("wgangp_mnist", f"mode={mode}", "EVAL.pretrained_gen_model_path=null", f"output_dir={tmp_path}/run")
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
        (["TRAIN.epoch=1"], 2, "^Error: TRAIN.epoch: unknown key. Did you mean TRAIN.epochs"),
        (["LOSS=wgan"], 2, "^Error: LOSS=wgan: unknown choice. There are adversarial, wasserstein_gp"),
        (["preset=fast"], 2, "^Error: preset=fast: wgangp_toy has no such preset, but demo, quick"),
        (["mode=evaluate", "TRAIN.epochs=many"], 2, "Error: .*mode=evaluate: .*TRAIN.epochs=many: "),
    ],
)
def test_refused_command_line_leaves_nothing(tmp_path, arguments, code, expected):
    returned, printed, left = shell(tmp_path, "toy", *arguments)
    assert returned == code
    assert re.search(expected, printed, re.DOTALL | re.MULTILINE)
    assert not left


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("TRAIN.batch_size=-1,-2", "TRAIN.batch_size=-1: "),
        ("TRAIN.epoch=1,2", "TRAIN.epoch: unknown key. Did you mean TRAIN.epochs?"),
        ("preset=quikc,quick", "preset=quikc: wgangp_toy has no such preset, but demo, quick."),
    ],
)
def test_every_job_of_a_multi_run_is_checked(tmp_path, override, message):
    code, printed, left = shell(tmp_path, "toy", "--multirun", override, f"hydra.sweep.dir={tmp_path}/sweep")
    assert code == 2
    assert message in printed
    assert not any(file.startswith("outputs") for file in left)


SCRIPT = """
import hydra

from ppsci_gan import cli
from ppsci_gan.errors import InputError


@cli.explain_errors
@hydra.main(version_base=None, config_path={folder!r}, config_name="wgangp_toy")
def main(cfg):
    print("running", cfg.seed, cfg.TRAIN.epochs)
    if cfg.seed == 13:
        raise InputError("an unlucky seed.")


if __name__ == "__main__":
    main()
"""


def multirun(folder, *overrides):
    """Run two jobs or more of a small script; gives exit code, output and the jobs that ran."""
    (folder / "script.py").write_text(SCRIPT.format(folder=str(REPOSITORY / "conf")))
    places = ["output_dir=runs/${now:%f}_${hydra:job.num}", "hydra.sweep.dir=sweep", "device=cpu"]
    command = [warm.python(), "script.py", "--multirun", *overrides, *places]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr, re.findall("^running (.*)$", done.stdout, re.MULTILINE)


def test_presets_in_a_multi_run(tmp_path):
    code, _, jobs = multirun(tmp_path, "preset=quick,demo,none", "seed=1")
    assert (code, jobs) == (0, ["1 6", "1 5", "1 100"])


def test_an_error_in_a_job_of_a_multi_run(tmp_path):
    """The others are run, and the command fails in the end."""
    code, printed, jobs = multirun(tmp_path, "seed=13,14")
    assert (code, jobs) == (2, ["13 100", "14 100"])
    assert "Error: an unlucky seed." in printed
    assert "Traceback" not in printed


def test_missing_data_leaves_only_the_log(tmp_path):
    code, printed, left = shell(tmp_path, "mnist", "output_dir=run", "DATA.data_path=mnist.pkl.gz")
    assert code == 2
    assert "Error: DATA.data_path=mnist.pkl.gz: no such file or folder." in printed
    assert {file for file in left if "/." not in file} == {"run/train.log"}


# --- YAML files and words that Hydra has no message for ---


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("a: " + "[" * 5000, "nested too deeply"),
        ("a: &a [*a]", "its aliases make more than 1,000,000 entries"),
        (
            "a0: &a0 [1, 1]\n" + "".join(f"a{i}: &a{i} [*a{i - 1}, *a{i - 1}]\n" for i in range(1, 60)),
            "its aliases make",
        ),
        ("a: " + "x" * 10**6, "more than 1,000,000 characters; this is no configuration"),
        ("a: [1, 2\nb: {", "while parsing a flow sequence"),
        ("a: !!python/object/apply:os.system ['touch made']", "could not determine a constructor"),
    ],
    ids=["deep", "endless", "doubled", "long", "broken", "call"],
)
@pytest.mark.timeout(20)
def test_a_yaml_file_that_is_no_configuration_is_refused(error_of, tmp_path, monkeypatch, content, message):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.yaml").write_text(content)
    assert message in error_of(cli.explain_errors(OmegaConf.load), tmp_path / "a.yaml")
    assert not (tmp_path / "made").exists()


def test_aliases_of_a_configuration_are_read(tmp_path):
    (tmp_path / "a.yaml").write_text("a: &a {b: 1}\nc: [*a, *a]")
    assert cli.explain_errors(OmegaConf.load)(tmp_path / "a.yaml") == {"a": {"b": 1}, "c": [{"b": 1}, {"b": 1}]}


@pytest.mark.parametrize("word", ["preset=null", "LOSS=null", "TRAIN=3"])
def test_a_group_without_a_name_is_explained(error_of, monkeypatch, word):
    monkeypatch.setattr("sys.argv", ["wgangp_toy.py", word])
    told = error_of(cli.explain_errors(compose), "wgangp_toy", [word])
    assert told == f"Error: {word}: a group is chosen by a name; leave it out for the usual one.\n"


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (["MODEL.gen_net.dim=1000000"], "MODEL.gen_net"),
        (["EVAL.num_samples=1000000000", "mode=eval"], "EVAL.num_samples=1000000000"),
        (["DATA.num_samples=1000000000"], "DATA.num_samples=1000000000"),
        (["TRAIN.batch_size=1000000000"], "TRAIN.batch_size=1000000000"),
        (["VIS.num_images=1000000000"], "VIS.num_images=1000000000"),
        (["INFER.num_images=1000000000", "mode=infer"], "INFER.num_images=1000000000"),
        (["TRAIN.save_freq=1", "TRAIN.epochs=1000000000"], "TRAIN.save_freq=1: 1000000000 checkpoints"),
    ],
)
def test_what_a_configuration_needs_is_known_before_it_is_taken(tmp_path, monkeypatch, words, named):
    monkeypatch.setattr(needs, "available_memory", lambda: 8 * 10**9)
    cfg = compose("wgangp_toy", [f"output_dir={tmp_path}", *words])
    with pytest.raises(InputError, match=f"This configuration needs about .*are free:\n  {named}.* GB"):
        check_needs(cfg)


@pytest.mark.parametrize("architecture", [[], ["preset=dcgan"]])
def test_of_two_architectures_the_possible_one_is_measured(tmp_path, architecture):
    """CIFAR-10's have the same keys; one takes no labels."""
    check_needs(compose("wgangp_cifar10", [f"output_dir={tmp_path}", *architecture]))


@pytest.mark.parametrize(
    ("output_dir", "expected"),
    [("runs", {"runs/0_seed=1", "runs/1_seed=2"}), ("runs/${seed}", {"runs/1", "runs/2"})],
)
def test_each_job_of_a_sweep_has_a_folder(tmp_path, output_dir, expected):
    (tmp_path / "script.py").write_text(SCRIPT.format(folder=str(REPOSITORY / "conf")))
    command = [warm.python(), "script.py", "-m", "seed=1,2", f"output_dir={output_dir}", "device=cpu"]
    subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)
    assert {str(log.parent.relative_to(tmp_path)) for log in tmp_path.rglob("train.log")} == expected
    for folder in expected:
        assert f"output_dir: {folder.partition('/')[0]}" in (tmp_path / folder / ".hydra" / "config.yaml").read_text()
    assert (tmp_path / "runs" / "multirun.yaml").is_file()


def test_no_job_starts_where_a_later_one_cannot_run(tmp_path):
    code, printed, jobs = multirun(tmp_path, "TRAIN.batch_size=64,-2", "seed=1,2")
    assert (code, jobs) == (2, [])
    assert "Error: Job 2 of 4 (TRAIN.batch_size=-2 seed=1 " in printed
    assert "none was started: " in printed
    assert not (tmp_path / "runs").exists()
