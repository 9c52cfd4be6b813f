"""The command line: a configuration is checked before anything is loaded, and errors are messages."""

from __future__ import annotations

import argparse
import functools
import os
import re
import shlex
import sys
import tempfile
import traceback
from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from typing import TextIO

import filelock
import paddle
from hydra.core.hydra_config import HydraConfig
from hydra.errors import HydraException
from hydra.errors import MissingConfigException
from hydra.experimental.callback import Callback
from hydra.types import RunMode
from omegaconf import DictConfig
from omegaconf import OmegaConf
from omegaconf import _utils
from omegaconf import read_write
from omegaconf.errors import OmegaConfBaseException
from ppsci.utils import logger
from ppsci.utils import misc
from yaml import CollectionNode
from yaml import MappingNode
from yaml import Node
from yaml import YAMLError

from ppsci_gan import config as schema
from ppsci_gan import logs
from ppsci_gan import runs
from ppsci_gan import sweeps
from ppsci_gan.devices import device
from ppsci_gan.devices import memory
from ppsci_gan.devices import ranks
from ppsci_gan.errors import InputError
from ppsci_gan.errors import TrainingError
from ppsci_gan.networks import layers

INPUT_ERROR_EXIT_CODE = 2
MOST_YAML = 1_000_000  # characters of a file, and entries


class InitCallback(Callback):
    """Check the configuration, then set up device, seed and logger; named in ``conf/gan_default.yaml``.

    Takes the place of ppsci's own callback, whose schema knows neither ``npu`` nor the keys of adversarial training.
    """

    def __init__(self):
        self.used_folders: set[str] = set()
        self.lock: filelock.BaseFileLock | None = None

    def on_run_start(self, config: DictConfig, **kwargs: Any) -> None:
        """Check, before Hydra makes a folder. Ends the process with exit code 2 where something is wrong."""
        if config.get("resume") is not None:
            _finish_or_exit(runs.go_on, config)
        _finish_or_exit(_check, config)
        _finish_or_exit(runs.refuse_to_overwrite, config)
        _finish_or_exit(_share_folder, config)
        _finish_or_exit(self._reserve, config)

    def on_multirun_start(self, config: DictConfig, **kwargs: Any) -> None:
        """Check all jobs before the first starts, and give each a folder of its own."""
        _finish_or_exit(sweeps.prepare, config)

    def on_job_start(self, config: DictConfig, **kwargs: Any) -> None:
        """Check, as a sweep has no ``on_run_start``, and set up what every script needs before its ``main``."""
        _finish_or_exit(_check, config)
        _finish_or_exit(self._check_own_folder, config)
        if OmegaConf.select(config, "hydra.mode") == RunMode.MULTIRUN:  # a composed configuration has no such node
            _finish_or_exit(_check_job, config)
            _finish_or_exit(self._reserve, config)
        _finish_or_exit(_set_up, config)

    def on_job_end(self, config: DictConfig, **kwargs: Any) -> None:
        """Let others train in the folder."""
        if self.lock is not None:
            self.lock.release()

    def _reserve(self, config: DictConfig) -> None:
        """Keep other processes from training in the folder, and note there with what this one does."""
        if config.mode == "train" and ranks.is_first():
            self.lock = runs.lock(config.output_dir)
            runs.propose_settings(config)

    def _check_own_folder(self, config: DictConfig) -> None:
        if config.output_dir in self.used_folders:
            raise InputError(
                f"output_dir={config.output_dir}: another job of this sweep writes there. Let it differ from job "
                "to job, such as output_dir='runs/${seed}'."
            )
        self.used_folders.add(config.output_dir)


def explain_errors(function: Callable) -> Callable:
    """Decorate a command so that what the user can fix is one message and exit code 2, not a traceback.

    Args:
        function: The command, such as a script's ``main``; outside of ``hydra.main``, so that a mistyped key or group
            is explained, too.

    Examples:
        >>> from ppsci_gan.cli import explain_errors
        >>> explain_errors(lambda: 1)()
        1
    """

    @functools.wraps(function)
    def command(*args, **kwargs):
        logs.set_up_once()
        try:
            with _hydra_raises(), _bounded_yaml(), memory.explain_out_of_memory("while setting up", memory.SETTING_UP):
                return function(*args, **kwargs)
        except HydraException as error:
            message = _explain_composition(error)
        except (ValueError, TypeError, RecursionError, YAMLError) as error:
            if isinstance(error, InputError):
                message = str(error)
            elif _is_raised_by(error, "hydra", "omegaconf", "yaml"):
                message = _explain_values(error)
            else:
                raise
        except (
            TrainingError,
            FloatingPointError,
            ModuleNotFoundError,
        ) as error:  # the last: an extra is not installed
            message = str(error)
        except RuntimeError as error:
            if not ranks.is_peer_failure(error):
                raise
            message = ranks.explain_peer_failure(error)
        except KeyboardInterrupt:  # while training, the solver takes care of it
            print("Interrupted.", file=sys.stderr)
            sys.exit(130)
        except OSError as error:
            if error.strerror is None:
                raise
            message = f"{error.filename}: {error.strerror}." if error.filename else f"{error.strerror}."
        print(f"Error: {message}", file=sys.stderr)
        sys.exit(INPUT_ERROR_EXIT_CODE)

    return command


def run(cfg: DictConfig, train: Callable, evaluate: Callable, export: Callable, inference: Callable) -> None:
    """Call the function of ``cfg.mode``.

    Args:
        cfg: The configuration.
        train: For ``mode=train``; takes the configuration, as the others do.
        evaluate: For ``mode=eval``.
        export: For ``mode=export``.
        inference: For ``mode=infer``.

    Examples:
        >>> from omegaconf import OmegaConf
        >>> from ppsci_gan import cli
        >>> cli.run(OmegaConf.create({"mode": "eval"}), *(lambda cfg, n=n: print(n) for n in "abcd"))
        b
    """
    with logs.never_silent():
        {"train": train, "eval": evaluate, "export": export, "infer": inference}[cfg.mode](cfg)
    if cfg.mode == "train" and HydraConfig.initialized():
        logger.message(f"Next: {_suggest_evaluation(cfg, HydraConfig.get().overrides.task)}")


def _suggest_evaluation(cfg: DictConfig, overrides: Sequence[str]) -> str:
    """Return the command that scores what has been trained: the same data and preset, the best checkpoint."""
    folder = Path(cfg.output_dir, "checkpoints")
    names = ["best_averaged", "best", "latest"]
    found = next((name for name in names if (folder / f"{name}.safetensors").exists()), names[-1])
    kept = [given for given in overrides if re.match(r"\+?(preset|LOSS|MODEL|DATA|EVAL|device|seed)\b", given)]
    keys = [key for key in ("pretrained_gen_model_path", "pretrained_dis_model_path") if key in cfg.EVAL]
    paths = [f"EVAL.{key}={folder / found}" for key in keys]
    return shlex.join(["python", sys.argv[0], *kept, "mode=eval", *paths])


def run_command(arguments: argparse.Namespace) -> None:
    """Run what a command line without a configuration asks for; errors are shown as messages.

    Args:
        arguments: ``command``, a function; ``device``, a name to compute on; all others are the function's arguments.

    Examples:
        >>> from argparse import Namespace
        >>> from ppsci_gan import cli
        >>> cli.run_command(Namespace(command=print, device="cpu", sep="", end="done"))
        done
    """
    given = vars(arguments).copy()
    command, name = given.pop("command"), given.pop("device")

    @explain_errors
    def on_device() -> None:
        device.set_up(name)
        command(**given)

    on_device()


@contextmanager
def _hydra_raises() -> Iterator[None]:
    """Let Hydra raise what is wrong with a command line, where it would print its own message and exit."""
    before = os.environ.get("HYDRA_FULL_ERROR")
    os.environ["HYDRA_FULL_ERROR"] = "1"
    try:
        yield
    finally:
        if before is None:
            os.environ.pop("HYDRA_FULL_ERROR", None)
        else:
            os.environ["HYDRA_FULL_ERROR"] = before


@contextmanager
def _bounded_yaml() -> Iterator[None]:
    """Let OmegaConf, and so Hydra, read no YAML file that is larger than a configuration, as written or by aliases."""
    usual = _utils.get_yaml_loader

    def bounded() -> type:
        class Loader(usual()):
            def __init__(self, stream: TextIO | str):
                text = stream if isinstance(stream, str) else stream.read(MOST_YAML + 1)
                self.path = getattr(stream, "name", "YAML")
                if len(text) > MOST_YAML:
                    raise InputError(f"{self.path}: more than {MOST_YAML:,} characters; this is no configuration.")
                super().__init__(text)
                self.name = self.path  # for errors

            def get_single_node(self) -> Node | None:
                node = super().get_single_node()
                if node is not None and _count_nodes(node, {}) > MOST_YAML:
                    raise InputError(f"{self.path}: its aliases make more than {MOST_YAML:,} entries of it.")
                return node

        return Loader

    _utils.get_yaml_loader = bounded
    try:
        yield
    finally:
        _utils.get_yaml_loader = usual


def _count_nodes(node: Node, known: dict[int, int]) -> int:
    """Return how many nodes there are once every alias is replaced by what it stands for."""
    if id(node) not in known:
        known[id(node)] = MOST_YAML + 1  # what holds itself is endless
        parts = [part for pair in node.value for part in pair] if isinstance(node, MappingNode) else node.value
        below = (_count_nodes(part, known) for part in parts) if isinstance(node, CollectionNode) else ()
        known[id(node)] = 1 + sum(below)
    return known[id(node)]


def _explain_composition(error: HydraException) -> str:
    """Return what is wrong with a key or a group of the command line; Hydra's own words for anything else."""
    if isinstance(error, MissingConfigException) and error.missing_cfg_file and error.options:
        group, _, choice = error.missing_cfg_file.rpartition("/")
        return f"{group}={choice}: unknown choice. There are {', '.join(error.options)}."
    cause = error.__cause__
    if not isinstance(cause, OmegaConfBaseException):
        return str(error)
    if cause.parent_node is not None and not cause.full_key.startswith("hydra"):
        composed = cause.parent_node._get_root()  # without the key that is not in it
        try:
            explained = schema.explain_unknown(composed, cause.full_key)
        except InputError as no_schema:
            return str(no_schema)
        if explained is not None:
            return explained
    return f"{error}\n{str(cause).splitlines()[0]}"


def _is_raised_by(error: Exception, *packages: str) -> bool:
    """Whether an error comes from the code of one of these packages, or of what that calls."""
    frames = [frame for frame, _ in traceback.walk_tb(error.__traceback__)]
    return any(frame.f_globals.get("__name__", "").split(".")[0] in packages for frame in frames[-3:])


def _explain_values(error: Exception) -> str:
    """Say which part of the command line, or of a YAML file, Hydra has no words for."""
    if "Config group override" in str(error):
        words = [word for word in sys.argv[1:] if re.match(r"[+~]*([A-Z]+|preset|hydra)(/\w+)*=", word)]
        return f"{' '.join(words)}: a group is chosen by a name; leave it out for the usual one."
    reason = "nested too deeply" if isinstance(error, RecursionError) else " ".join(str(error).split())[:300]
    return f"the command line or a YAML file that it names cannot be read: {reason}."


def _finish_or_exit(step: Callable, config: DictConfig) -> None:
    """Run a step of the callback; Hydra turns its exceptions into warnings and goes on, so any must end the process."""
    try:
        explain_errors(step)(config)
    except Exception:
        traceback.print_exc()
        sys.exit(1)


def _check(config: DictConfig) -> None:
    sweeps.check_values(config)
    try:
        os.makedirs(config.output_dir, exist_ok=True)
        tempfile.TemporaryFile(dir=config.output_dir).close()
    except OSError as error:
        raise InputError(
            f"output_dir={config.output_dir}: nothing can be written there ({error.strerror}). Choose another folder."
        ) from error


def _check_job(config: DictConfig) -> None:
    """Check what a run of its own is asked before."""
    if config.resume is not None:
        raise InputError(f"resume={config.resume}: runs go on one at a time, without --multirun.")
    runs.refuse_to_overwrite(config)


def _share_folder(config: DictConfig) -> None:
    """Let all ranks use the first one's folder, in whose name the time may differ."""
    ranks.start()
    config.output_dir = ranks.broadcast_text(str(config.output_dir))
    if not ranks.is_first():
        with read_write(config.hydra):
            config.hydra.output_subdir = None  # the first writes it


def _set_up(config: DictConfig) -> None:
    logs.set_up(os.path.join(config.output_dir, f"{config.mode}.log"), config.log_level)
    device.set_up(config.device)
    kernels = layers.choose_kernels(config.CPU.convolution)
    if paddle.device.get_device() == "cpu":
        logger.info(f"CPU.convolution={config.CPU.convolution}: convolutions by {layers.NAMES[kernels]}")
    misc.set_random_seed(config.seed)
