"""Every example in small, by the scripts' own functions: ``examples.py DATA OUT DEVICE train=EPOCHS evaluate export``.

``train`` goes on from what is in OUT already; ``evaluate`` and ``export`` take what was trained there. Further commands
may follow.
"""

import importlib
import sys
from pathlib import Path

from hydra import compose
from hydra import initialize_config_dir
from ppsci.utils import misc

from ppsci_gan import plots
from ppsci_gan.devices import device
from ppsci_gan.devices import ranks
from ppsci_gan.files import REPOSITORY
from ppsci_gan.networks import layers

SMALL = [
    "log_freq=1",
    "TRAIN.iters_per_epoch=2",
    "TRAIN.n_critic=2",
    "TRAIN.sample_freq=2",
    "TRAIN.ema.use_ema=true",
    "TRAIN.ema.decay=0.5",
    "TRAIN.eval_freq=1",
    "EVAL.num_samples=8",
    "EVAL.batch_size=4",
    "VIS.num_images=9",
]
IMAGES = [
    "MODEL.gen_net.dim=2",
    "MODEL.dis_net.dim=2",
    "TRAIN.batch_size=4",
    "TRAIN.num_eval_samples=8",
    "EVAL.num_images=4",
    "EVAL.splits=2",
    "EVAL.subset_size=4",
]
EXAMPLES = {
    "toy": ["MODEL.gen_net.dim=8", "MODEL.dis_net.dim=8", "TRAIN.batch_size=8", "DATA.num_samples=64"],
    "mnist": IMAGES,
    # Every kind of layer: residual blocks, (conditional) batch and layer normalisation, a classifier beside the score.
    "cifar10": [
        *IMAGES,
        "MODEL.gen_net.use_label=true",
        "MODEL.dis_net.normalize=true",
        "EVAL.scores=[score,frechet_distance,sliced_wasserstein]",
    ],
}


def settings(name: str, data: Path, out: Path, place: str, *overrides: str):
    files = {"mnist": "mnist.pkl.gz", "cifar10": "cifar-10-python.tar.gz"}
    given = [f"DATA.data_path={data / files[name]}"] if name in files else []
    where = [f"output_dir={out / name}", f"INFER.export_path={out / name / 'exported'}", f"device={place}"]
    with initialize_config_dir(str(REPOSITORY / "conf"), version_base=None):
        return compose(f"wgangp_{name}", [*SMALL, *EXAMPLES[name], *given, *where, *overrides])


def run(data: Path, out: Path, place: str, what: str, *overrides: str) -> None:
    what, _, epochs = what.partition("=")
    for name in EXAMPLES:
        script = importlib.import_module(f"wgangp_{name}")
        latest = out / name / "checkpoints" / "latest.safetensors"
        trained = [f"TRAIN.checkpoint_path={latest}"] if latest.is_file() else []
        misc.set_random_seed(42)
        if what == "train":
            ranks.wait_for_all()  # that all have seen the same file
            script.train(settings(name, data, out, place, f"TRAIN.epochs={epochs}", *trained, *overrides))
        else:
            mode = f"mode={'eval' if what == 'evaluate' else what}"
            given = f"EVAL.pretrained_gen_model_path={latest}"
            getattr(script, what)(settings(name, data, out, place, mode, given))


def main(data: str, out: str, place: str, *arguments: str) -> None:
    plots.save_curves = lambda *_, **__: None  # would take longer than the training
    device.select(place)
    layers.choose_kernels("paddle")  # devices are compared bit by bit
    ranks.start()
    sys.path.insert(0, str(REPOSITORY / "examples" / "wgangp"))
    overrides = [argument for argument in arguments if "." in argument]
    for what in arguments:
        if what not in overrides:
            run(Path(data), Path(out), place, what, *overrides)


if __name__ == "__main__":
    main(*sys.argv[1:])
