"""Several commands of an example in one process, which starts only once: ``steps.py FOLDER SCRIPT A B -- C D ...``.

Each part between ``--`` is what would stand behind the script's name on the command line.
"""

import importlib
import itertools
import sys

from hydra import compose
from hydra import initialize_config_dir
from ppsci.utils import misc

from ppsci_gan import plots
from ppsci_gan.devices import device
from ppsci_gan.files import REPOSITORY
from ppsci_gan.networks import layers

FUNCTIONS = {"train": "train", "eval": "evaluate", "export": "export", "infer": "inference"}


def run(folder: str, name: str, *arguments: str) -> None:
    plots.save_curves = lambda *_, **__: None  # would take longer than the training
    sys.path.insert(0, str(REPOSITORY / "examples" / folder))
    script = importlib.import_module(name)
    groups = itertools.groupby(arguments, lambda argument: argument == "--")
    for overrides in (list(group) for separates, group in groups if not separates):
        with initialize_config_dir(str(REPOSITORY / "conf"), version_base=None):
            cfg = compose(name, overrides)
        device.select(cfg.device)
        device.set_up(cfg.device)
        layers.choose_kernels(cfg.CPU.convolution)
        misc.set_random_seed(cfg.seed)
        getattr(script, FUNCTIONS[cfg.mode])(cfg)


if __name__ == "__main__":
    run(*sys.argv[1:])
