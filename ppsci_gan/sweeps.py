"""Sweeps, such as ``-m seed=1,2``: every job is checked before the first starts, and has a folder of its own."""

from __future__ import annotations

import os
import re

from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import DictConfig
from omegaconf import OmegaConf
from omegaconf import open_dict
from omegaconf import read_write

from ppsci_gan import config as schema
from ppsci_gan.devices import device
from ppsci_gan.errors import InputError

LONGEST_NAME = 100  # characters of a job's folder; file systems allow 255 bytes


def check_values(config: DictConfig) -> None:
    """Refuse a composed configuration that cannot be run, without writing anything.

    Args:
        config: The configuration, with Hydra's own group where Hydra composed it.

    Raises:
        InputError: Says which keys, presets or devices there are.
    """
    _check_preset(OmegaConf.select(config, "hydra.runtime.choices") or {})  # a composed configuration has none
    own = OmegaConf.masked_copy(config, [key for key in config if key != "hydra"])
    schema.check(own)
    device.select(config.device)
    schema.check_needs(own)


def _check_preset(choices: DictConfig) -> None:
    """Refuse a preset that this experiment does not have, for which Hydra finds no file and changes nothing."""
    for group, choice in choices.items():
        if group.startswith("preset/") and choice != "none":
            presets = GlobalHydra.instance().config_loader().get_group_options(group)
            if choice not in presets:
                experiment = group.removeprefix("preset/")
                raise InputError(f"preset={choice}: {experiment} has no such preset, but {', '.join(presets)}.")


def prepare(config: DictConfig) -> None:
    """Check all jobs of a sweep and, where some would write into one folder, give each its own below that.

    Args:
        config: What the jobs share, before Hydra's own sweeper makes them of it.

    Raises:
        InputError: A job cannot be run; says which.
    """
    if config.hydra.sweeper.get("_target_", "").rpartition(".")[2] != BasicSweeper.__name__:
        return  # one that chooses values as it goes; each job is checked when it starts
    jobs = _list_jobs(config)
    folders = []
    for number, overrides in enumerate(jobs):
        job = GlobalHydra.instance().config_loader().load_sweep_config(config, overrides)
        with open_dict(job.hydra.job):
            job.hydra.job.num, job.hydra.job.id = number, str(number)
        before = HydraConfig.instance().cfg
        HydraConfig.instance().set_config(job)  # an output_dir may name the job's number
        try:
            check_values(job)
            folders.append(str(job.output_dir))
        except InputError as error:
            raise InputError(
                f"Job {number} of {len(jobs)} ({' '.join(overrides)}), none was started: {error}"
            ) from None
        finally:
            HydraConfig.instance().cfg = before
    with read_write(config.hydra):
        if len(set(folders)) < len(jobs):
            swept = [key for key in _values(jobs[0]) if len({_values(job)[key] for job in jobs}) > 1]
            base = os.path.commonpath(folders)
            quoted = base.replace("'", "\\'")
            config.hydra.overrides.task.append(f"output_dir='{quoted}/${{job_folder:{','.join(swept)}}}'")
            config.hydra.sweep.dir = base
        elif not any(override.startswith("hydra.sweep.dir") for override in config.hydra.overrides.hydra):
            config.hydra.sweep.dir = os.path.commonpath(folders) or "."  # where Hydra says what was swept


def _list_jobs(config: DictConfig) -> list[list[str]]:
    """Return the overrides of each job, as Hydra's own sweeper will."""
    arguments = [f"{key}={values}" for key, values in (config.hydra.sweeper.get("params") or {}).items()]
    arguments += OmegaConf.to_container(config.hydra.overrides.task, resolve=False)
    parser = OverridesParser.create(config_loader=GlobalHydra.instance().config_loader())
    (jobs,) = BasicSweeper.split_arguments(parser.parse_overrides(arguments), None)
    return jobs


def _values(overrides: list[str]) -> dict[str, str]:
    return dict(override.split("=", 1) for override in overrides if "=" in override)


def name_folder(*keys: str) -> str:
    """Return the name of the present job's folder: its number and what was swept, such as ``0_seed=1``.

    Args:
        *keys: Those that differ from job to job.
    """
    hydra = HydraConfig.get()
    values = _values(OmegaConf.to_container(hydra.overrides.task, resolve=False))  # one of them asks for this name
    swept = ",".join(f"{key}={values[key]}" for key in keys if key in values)
    return re.sub(r"[^\w.,=+-]", "_", f"{hydra.job.num}_{swept}")[:LONGEST_NAME]


OmegaConf.register_new_resolver("job_folder", name_folder, replace=True)
