"""Every key of every experiment's configuration is read by something while it trains, evaluates, exports and infers.

A key counts as read where code asks the configuration for it by name (``cfg.TRAIN.epochs``), or where it is handed to a
constructor as an argument of that name (``**cfg.LOSS``), which fails for arguments that there are not. One whose value
others refer to (``${TRANSFER.learning_rate_gen}``) is read where they are. Copying and printing a configuration as a
whole does not count.
"""

import re

import pytest
from hydra import compose
from hydra import initialize_config_dir
from omegaconf import DictConfig
from omegaconf import OmegaConf

from ppsci_gan import cli
from ppsci_gan.errors import InputError
from ppsci_gan.files import REPOSITORY

CONF = REPOSITORY / "conf"
PRESETS = sorted((file.parent.name, file.stem) for file in CONF.glob("preset/*/*.yaml"))

TINY = [
    "device=cpu",
    "TRAIN.n_critic=1",
    "TRAIN.eval_during_train=true",
    "TRAIN.eval_freq=1",
    "TRAIN.ema.use_ema=true",
    "EVAL.num_samples=8",
    "EVAL.batch_size=4",
    "INFER.num_images=2",
    "INFER.batch_size=2",
    "VIS.num_images=4",
]
SHORT = ["TRAIN.epochs=1", "TRAIN.iters_per_epoch=2", "TRAIN.batch_size=4"]
SCORES = [
    "TRAIN.num_eval_samples=8",
    "TRAIN.scores=[ms_ssim]",
    "TRAIN.best_score=pixels.ms_ssim",
    "EVAL.scores=[ms_ssim]",
]
PICTURES = ["EVAL.num_images=2"]
POINTS = ["MODEL.gen_net.dim=4", "MODEL.dis_net.dim=4", "DATA.num_samples=16"]
DIM = ["MODEL.gen_net.dim=2", "MODEL.dis_net.dim=2"]
GROWN = [
    "MODEL.gen_net.depths=[4,4,4,4]",
    "MODEL.gen_net.latent_dim=4",
    "TRAIN.iters_per_epoch=2",
    "DATA.num_samples=8",
]
STAGE = "{resolution:32,fade_images:4,stable_images:4,batch_size:4,learning_rate:0.001}"
FACES = ["MODEL.gen_net.image_size=[32,32]", "MODEL.gen_net.depths=[4,4]", "MODEL.dis_net.depths=[4,4]"]
TARGET = [
    "MODEL.gen_net.dim=2",
    "MODEL.gen_net.resolution=32",
    "DATA.name=faces",
    "DATA.num_samples=24",
    "STUDY.seeds=[1]",
]
# Experiment -> folder and settings; the data set of files that the evaluation reads, so that its path is, too.
EXPERIMENTS = {
    "wgangp_toy": ("wgangp", [*SHORT, *POINTS], None),
    "wgangp_mnist": ("wgangp", [*SHORT, *SCORES, *DIM], "mnist"),
    "wgangp_cifar10": ("wgangp", [*SHORT, *SCORES, *DIM, "MODEL.gen_net.use_label=false"], "cifar10"),
    "pgan": ("pgan", [*SCORES, *PICTURES, *GROWN, f"TRAIN.stages=[{STAGE}]"], "cifar10"),
    "dcgan": ("dcgan", [*SHORT, *SCORES, *PICTURES, *FACES, "DATA.num_samples=24"], "cifar10"),
    "transfergan": ("transfergan", [*SHORT, *SCORES, *PICTURES, *TARGET, "TRANSFER.load=none"], "cifar10"),
}
WITH_A_NAME = ("pgan", "dcgan", "transfergan")  # of a data set among several
CHECKED = {"schema", "resume"}  # by ppsci_gan.config.check and ppsci_gan.runs, before a script begins


def composed(name, *overrides):
    with initialize_config_dir(str(CONF), version_base=None):
        return compose(name, list(overrides))


def leaves(values, group=""):
    """Every key with its groups, and its value; of a list of groups, the keys of its entries."""
    for name, value in values.items():
        rows = value if isinstance(value, list) and value and isinstance(value[0], dict) else [value]
        for row in rows:
            if isinstance(row, dict) and row:
                yield from leaves(row, f"{group}{name}.")
            else:
                yield f"{group}{name}", row


def find_leaves(cfg):
    return dict(leaves(OmegaConf.to_container(cfg, resolve=False)))


def with_sources(read, values):
    """What is read, and what the values of these keys refer to."""
    found, todo = set(), set(read)
    while todo:
        found |= todo
        targets = {name for key in todo for name in re.findall(r"\$\{([\w.]+)\}", str(values.get(key)))}
        todo = {key for key in values for name in targets if key == name or key.startswith(f"{name}.")} - found
    return found


@pytest.fixture
def read(monkeypatch):
    """The keys that were asked for."""
    keys, answer = set(), DictConfig._get_impl

    def ask(self, key, *args, **kwargs):
        keys.add(re.sub(r"\[\d+\]", "", self._get_full_key(key)))
        return answer(self, key, *args, **kwargs)

    monkeypatch.setattr(DictConfig, "_get_impl", ask)
    return keys


@pytest.fixture
def set_up(monkeypatch):
    """What the command line does before a script begins, less what would outlive the test."""
    monkeypatch.setattr(cli.logger, "init_logger", lambda *_: None)
    monkeypatch.setattr(cli.device, "set_up", lambda *_: None)
    monkeypatch.setattr(cli.layers, "choose_kernels", lambda *_: next(iter(cli.layers.NAMES)))
    return cli._set_up


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_every_key_is_read(name, load_example, plain_curves, data, tmp_path, read, set_up, monkeypatch):
    folder, settings, data_set = EXPERIMENTS[name]
    script = load_example(folder, name)
    of_files = [f"DATA.data_path={data[data_set]}"] if data_set else []
    stored = [*of_files, f"DATA.name={data_set}"] if name in WITH_A_NAME else of_files
    latest = f"EVAL.pretrained_gen_model_path={tmp_path}/train/checkpoints/latest"
    exported = f"INFER.export_path={tmp_path}/exported/generator"
    values = find_leaves(composed(name, *TINY, *settings))
    read.clear()

    for function, mode, own in (
        ("train", "train", [] if name in WITH_A_NAME else of_files),
        ("evaluate", "eval", [*stored, latest]),
        ("export", "export", [latest, exported]),
        ("inference", "infer", [exported]),
    ):
        cfg = composed(name, *TINY, *settings, *own, f"mode={mode}", f"output_dir={tmp_path}/{function}")
        before = set(read)
        set_up(cfg)
        getattr(script, function)(cfg)
        assert read - before, function
    if name == "transfergan":
        read_by_study(load_example, composed(name, *TINY, *settings, f"output_dir={tmp_path}/study"), monkeypatch)

    assert set(values) - with_sources(read, values) - CHECKED == set()


def read_by_study(load_example, cfg, monkeypatch):
    """Start a study whose first run fails."""
    study = load_example("transfergan", "study")

    def fail(*_):
        raise InputError("no runs here")

    monkeypatch.setattr(study, "execute", fail)
    monkeypatch.setattr(study, "check_scores", lambda *_: None)
    monkeypatch.setattr(study.signal, "signal", lambda *_: None)
    monkeypatch.setattr(study, "given", lambda _: [])
    monkeypatch.setattr(study.HydraConfig, "get", lambda: OmegaConf.create({"overrides": {"task": []}}))
    with pytest.raises(SystemExit):
        study.main(cfg)


@pytest.mark.parametrize(("name", "preset"), PRESETS)
def test_a_preset_sets_keys_that_the_experiment_has(name, preset):
    """So that what holds for an experiment's keys holds for those of its presets."""
    assert set(find_leaves(composed(name, f"preset={preset}"))) == set(find_leaves(composed(name)))


def test_a_key_that_nothing_reads_would_be_found(read):
    cfg = OmegaConf.create({"a": 1, "b": {"c": "${d}", "e": 2}, "d": 3, "rows": [{"f": 1}], "unread": {"g": 4}})
    values = find_leaves(cfg)
    read.clear()
    assert (cfg.a, dict(**cfg.b), [row.f for row in cfg.rows]) == (1, {"c": 3, "e": 2}, [1])
    OmegaConf.to_container(cfg, resolve=True)
    cfg.copy()
    assert set(values) - with_sources(read, values) == {"unread.g"}
