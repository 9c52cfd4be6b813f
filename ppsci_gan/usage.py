"""Answering ``--help`` before Paddle is imported, which takes seconds: this module imports nothing heavy."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ppsci_gan import installation
from ppsci_gan.files import REPOSITORY

KEY = re.compile(r"(?P<indent> *)(?P<name>\w+):(?P<value>(?: .*?)??)(?: +# (?P<comment>.*))?")
COLUMN = 50  # where comments begin


def answer_help(experiment: str, conf: Path = REPOSITORY / "conf") -> None:
    """Print what a script does, its presets and its keys, and exit, if the command line asks for ``--help``.

    Otherwise end with a message where Paddle is not installed, which the script imports next.

    Args:
        experiment: Name of its YAML.
        conf: The folder of all YAML files.

    Examples:
        >>> from ppsci_gan import usage
        >>> usage.answer_help("wgangp_toy")  # this command line does not
    """
    if {"--help", "-h"} & set(sys.argv[1:]):
        main = sys.modules["__main__"]
        print(describe(experiment, sys.argv[0], main.__doc__ or "", conf))
        sys.exit(0)
    installation.require_paddle_or_exit()


def describe(experiment: str, script: str, purpose: str, conf: Path = REPOSITORY / "conf") -> str:
    """Return the text of ``--help``.

    Args:
        experiment: Name of its YAML.
        script: Path of the script, for the command line.
        purpose: What the script does.
        conf: The folder of all YAML files.

    Examples:
        >>> from ppsci_gan import usage
        >>> print(usage.describe("wgangp_toy", "wgangp_toy.py", "WGAN-GP on 2-D points."))
        WGAN-GP on 2-D points.
        <BLANKLINE>
        python wgangp_toy.py [preset=NAME] [KEY=VALUE ...]
        ...
    """
    presets = [f"  {name:20}{purpose}" for name, purpose in read_presets(experiment, conf).items()]
    return "\n".join(
        [
            purpose.strip(),
            "",
            f"python {script} [preset=NAME] [KEY=VALUE ...]",
            "",
            *(["Presets:", *presets, ""] if presets else []),
            "Keys, as TRAIN.epochs=3, with their values where no preset is named:",
            *(f"  {line}" for line in _lines(*_compose(experiment, conf))),
            "",
            "Several runs, a folder each: -m seed=1,2 preset=quick,demo. Hydra's own options: --hydra-help.",
        ]
    )


def read_presets(experiment: str, conf: Path = REPOSITORY / "conf") -> dict[str, str]:
    """Return what each preset of an experiment is for, the first line of its file, by name.

    Args:
        experiment: Name of its YAML.
        conf: The folder of all YAML files.

    Examples:
        >>> from ppsci_gan import usage
        >>> usage.read_presets("wgangp_toy")["demo"]
        'About a minute on two CPU cores: small batches.'
    """
    return {file.stem: _first_comment(file) for file in sorted((conf / "preset" / experiment).glob("*.yaml"))}


def read_comments(file: Path, package: str = "") -> dict[str, str]:
    """Return the comments behind keys of a YAML file, by the keys with their groups.

    Args:
        file: In block style, as ``conf/`` is.
        package: The group that the file's keys are put into.

    Examples:
        >>> from ppsci_gan import usage
        >>> from ppsci_gan.files import REPOSITORY
        >>> usage.read_comments(REPOSITORY / "conf" / "wgangp_toy.yaml")["DATA.name"]
        '8gaussians, 25gaussians or swissroll'
    """
    comments: dict[str, str] = {}
    groups = [(-1, package)]  # indentation and name of the groups that a line is in
    for line in file.read_text(encoding="utf-8").splitlines():
        found = KEY.fullmatch(line)
        if found is None:
            continue
        indent = len(found["indent"])
        while groups[-1][0] >= indent:
            groups.pop()
        key = ".".join(filter(None, [groups[-1][1], found["name"]]))
        groups.append((indent, key))
        if found["comment"]:
            comments[key] = found["comment"]
    return comments


def _first_comment(file: Path) -> str:
    lines = file.read_text(encoding="utf-8").splitlines()
    return next((line[2:] for line in lines if line.startswith("# ") and not line.startswith("# @package")), "")


def _compose(experiment: str, conf: Path) -> tuple[dict[str, Any], dict[str, str]]:
    """Return the experiment's keys and values, and the comment of each."""
    from hydra import initialize_config_dir  # not above: a script imports this module whatever it is asked for
    from hydra.core.global_hydra import GlobalHydra
    from hydra.types import RunMode
    from omegaconf import OmegaConf

    comments: dict[str, str] = {}
    with initialize_config_dir(str(conf.resolve()), version_base=None):
        loader = GlobalHydra.instance().config_loader()
        files = loader.compute_defaults_list(experiment, [], RunMode.RUN).defaults
        for file in files:
            path = conf / f"{file.config_path}.yaml"
            if path.is_file():
                comments.update(read_comments(path, file.package or ""))
        composed = loader.load_configuration(experiment, [], RunMode.RUN)
    values = OmegaConf.to_container(composed, resolve=False)
    return {key: value for key, value in values.items() if key != "hydra"}, comments


def _lines(values: dict[str, Any], comments: dict[str, str], group: str = "", indent: str = "") -> Iterator[str]:
    for name, value in values.items():
        key, below = f"{group}{name}", f"{indent}  "
        is_group, is_table = isinstance(value, dict) and value, _is_table(value)
        entry = f"{indent}{name}:" if is_group or is_table else f"{indent}{name}: {_as_yaml(value)}"
        yield f"{entry:{COLUMN - 2}}  # {comments[key]}" if key in comments else entry
        if is_table:
            yield from (f"{below}- {_as_yaml(row)}" for row in value)
        if is_group:
            yield from _lines(value, comments, f"{key}.", below)


def _is_table(value: Any) -> bool:
    return isinstance(value, list) and any(isinstance(row, dict) for row in value)


def _as_yaml(value: Any) -> str:
    """Return a value as it is written on a command line."""
    if isinstance(value, bool) or value is None:
        return {True: "true", False: "false", None: "null"}[value]
    if isinstance(value, list):
        return f"[{', '.join(map(_as_yaml, value))}]"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{name}: {_as_yaml(one)}" for name, one in value.items()) + "}"
    return str(value)
