"""The folder of a run: who writes there, with which configuration it was started, and going on with it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import filelock
import yaml
from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import DictConfig
from omegaconf import OmegaConf
from omegaconf import open_dict
from omegaconf.errors import OmegaConfBaseException

from ppsci_gan.errors import InputError
from ppsci_gan.files import atomic

SETTINGS = "config.yaml"  # what a training was started with
SCALARS = "scalars.jsonl"  # which the first iteration begins
PROPOSED = ".config.yaml"  # what one is to be started with, or to go on with
OWN = {"resume": None, "resume_changed": False}  # what is said each time anew


def lock(folder: str) -> filelock.BaseFileLock:
    """Reserve a folder for this process, until it ends, however it does, or the lock is released.

    Args:
        folder: Of the run.

    Raises:
        InputError: Another process trains there.

    Examples:
        >>> import tempfile
        >>> from ppsci_gan import runs
        >>> folder = tempfile.mkdtemp()
        >>> held = runs.lock(folder)
        >>> runs.lock(folder)
        Traceback (most recent call last):
            ...
        ppsci_gan.errors.InputError: output_dir=...: another process is training there. ...
    """
    held = filelock.FileLock(Path(folder, ".lock"), timeout=0)
    try:
        held.acquire()
    except filelock.Timeout as error:
        raise InputError(
            f"output_dir={folder}: another process is training there. Wait for its end, or choose another folder."
        ) from error
    return held


def has_checkpoints(folder: str) -> bool:
    """Whether a folder holds the checkpoints of a run.

    Args:
        folder: Of the run.

    Examples:
        >>> from ppsci_gan import runs
        >>> runs.has_checkpoints("no/such/folder")
        False
    """
    return any(Path(folder, "checkpoints").glob("[!.]*.safetensors"))


def refuse_to_overwrite(config: DictConfig) -> None:
    """Refuse to begin a training where there is one already; one that ended before its first iteration is none.

    Args:
        config: The configuration.

    Raises:
        InputError: There is one.
    """
    is_new = config.mode == "train" and config.resume is None and config.TRAIN.checkpoint_path is None
    if is_new and has_checkpoints(config.output_dir) and Path(config.output_dir, SCALARS).exists():
        raise InputError(
            f"output_dir={config.output_dir}: there is a run already, which beginning anew would overwrite. "
            f"resume={config.output_dir} goes on with it; another output_dir begins a new one."
        )


def propose_settings(config: DictConfig) -> None:
    """Write a training's configuration into its folder, where it takes effect when the training begins.

    Until then it may be refused, as it does not fit the checkpoint.

    Args:
        config: The configuration, as the command line gives it: scripts fill some of its values in.
    """
    kept = OmegaConf.masked_copy(config, [key for key in config if key != "hydra"])
    with open_dict(kept):
        kept.update(OWN)
    with atomic(Path(config.output_dir, PROPOSED)) as temporary:
        temporary.write_text(OmegaConf.to_yaml(kept), encoding="utf-8")


def accept_settings(folder: str) -> None:
    """Let the proposed configuration be the one that ``resume`` reads; nothing where none was proposed.

    Args:
        folder: Of the run.

    Examples:
        >>> import tempfile
        >>> from ppsci_gan import runs
        >>> runs.accept_settings(tempfile.mkdtemp())
    """
    if Path(folder, PROPOSED).is_file():
        Path(folder, PROPOSED).replace(Path(folder, SETTINGS))


def read_settings(folder: Path) -> DictConfig:
    """Return the configuration of the training in a folder.

    Args:
        folder: Of the run.

    Raises:
        InputError: There is none, or it is not whole.

    Examples:
        >>> from pathlib import Path
        >>> from ppsci_gan import runs
        >>> runs.read_settings(Path("no/such/run"))
        Traceback (most recent call last):
            ...
        ppsci_gan.errors.InputError: resume=no/such/run: no run there, whose settings would be in config.yaml. ...
    """
    for file in (folder / SETTINGS, folder / ".hydra" / "config.yaml"):  # the latter in runs of earlier versions
        if file.is_file():
            text = file.read_text(encoding="utf-8", errors="replace")
            try:
                settings = OmegaConf.create(text)
            except (yaml.YAMLError, OmegaConfBaseException, ValueError, RecursionError) as error:
                raise InputError(f"resume={folder}: {file} is damaged ({str(error).splitlines()[0]}).") from error
            # Hydra does not write in one step; nor does it know when a run is evaluated in its own folder.
            if not text.endswith("\n") or not isinstance(settings, DictConfig) or settings.get("mode") != "train":
                raise InputError(f"resume={folder}: {file} is not the whole configuration of a training.")
            return settings
    raise InputError(
        f"resume={folder}: no run there, whose settings would be in {SETTINGS}. Give the output_dir of the run."
    )


def go_on(config: DictConfig) -> None:
    """Put the settings of the run that ``resume`` names in the place of the composed ones; the command line's go over.

    Args:
        config: The composed configuration, with Hydra's group; changed in place.

    Raises:
        InputError: There is no such run, it is of another experiment, or the command line asks for what cannot be.
    """
    folder = Path(str(config.resume)).expanduser()
    given = _read_command_line(config, config.hydra.overrides.task)
    if given.get("mode", "train") != "train":
        raise InputError(f"resume={folder}: only a training goes on; leave out mode={given['mode']}.")
    if "output_dir" in given:
        raise InputError(
            f"resume={folder} goes on in that folder: leave out output_dir. To go on elsewhere, give "
            f"TRAIN.checkpoint_path={folder}/checkpoints/latest and all settings of the run."
        )
    settings = read_settings(folder)
    if settings.get("schema") != config.schema:
        raise InputError(f"resume={folder}: this is a run of {settings.get('schema')}, not of {config.schema}.")
    with open_dict(config):
        config.merge_with(settings)
        if has_checkpoints(str(folder)):
            config.TRAIN.checkpoint_path = "auto"
        for key, value in given.items():
            OmegaConf.update(config, key, value, force_add=True)
        config.mode, config.output_dir = "train", str(folder)


def _read_command_line(config: DictConfig, overrides: Sequence[str]) -> dict[str, Any]:
    """Return the keys that a command line sets, and their values."""
    given = {}
    for override in OverridesParser.create().parse_overrides(list(overrides)):
        key, value = override.key_or_group, override.value()
        chooses_group = isinstance(OmegaConf.select(config, key), DictConfig) and not isinstance(value, dict)
        if key.startswith("hydra"):
            continue
        if override.is_delete() or chooses_group or key.split("/")[0] == "preset":
            raise InputError(
                f"{override.input_line}: a run goes on with its own settings, of which single keys may be changed, "
                "such as TRAIN.epochs."
            )
        given[key] = OmegaConf.select(config, key)
    return given
