"""Running an exported generator with ppsci's predictor, and timing it."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from collections.abc import Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import paddle
from deploy.python_infer import GeneralPredictor
from omegaconf import DictConfig
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException
from paddle import inference
from ppsci.utils import logger
from yaml import YAMLError

from ppsci_gan import plots
from ppsci_gan import weights
from ppsci_gan.devices import device
from ppsci_gan.devices import memory
from ppsci_gan.devices.device import ENGINES
from ppsci_gan.errors import InputError
from ppsci_gan.files import atomic
from ppsci_gan.files import locate
from ppsci_gan.networks import latent
from ppsci_gan.networks.base import Player

# Suffix of the file that says which network was exported. Not .json: paddle.jit.load would take it for the program.
DESCRIPTION = ".network.yaml"
EXPORT_FIRST = "Export the generator first, with mode=export and the same INFER.export_path."


class GeneratorPredictor(GeneralPredictor):
    """ppsci's predictor for an exported generator.

    Args:
        cfg: Configuration; reads ``INFER``, ``seed``, ``output_dir`` and ``log_freq``, as
            ``deploy.python_infer.GeneralPredictor`` does.
        classes: What the generator may be.

    Attributes:
        generator: A network like the exported one, with random weights: it knows the shapes of inputs and outputs.

    Raises:
        InputError: There are no exported files, or they cannot be read.

    Examples:
        See ``inference`` in ``examples/wgangp/wgangp_mnist.py``.
    """

    def __init__(self, cfg: DictConfig, classes: Sequence[type[Player]]):
        self.files = (
            [cfg.INFER.onnx_path] if cfg.INFER.engine == "onnx" else [cfg.INFER.pdmodel_path, cfg.INFER.pdiparams_path]
        )
        for path in self.files:
            if path is None or not Path(path).is_file():
                raise InputError(f"{path}: no such file. {EXPORT_FIRST}")
        self.generator = restore_description(cfg.INFER.export_path, classes)
        self.settings = cfg
        kind, _, index = device.select(cfg.INFER.device).partition(":")
        if kind != ENGINES.get(cfg.INFER.engine, kind):
            raise InputError(f"INFER.engine={cfg.INFER.engine} does not run on {kind}; choose another engine.")
        cfg = cfg.copy()
        cfg.INFER.device, cfg.INFER.gpu_id = kind, int(index or 0)
        with self._explain_failure():
            super().__init__(cfg)

    @contextmanager
    def _explain_failure(self) -> Iterator[None]:
        try:
            yield
        except ModuleNotFoundError:  # the engine's package; its own message says so
            raise
        except Exception as error:  # each engine has classes of its own
            reason = " ".join(str(error).split())[:300]
            raise InputError(
                f"{', '.join(self.files)}: damaged, or of another generator than its description says ({reason}). "
                f"{EXPORT_FIRST}"
            ) from error

    def _create_paddle_predictor(self) -> tuple[inference.Predictor, inference.Config]:
        if self.device not in ("cpu", "npu"):
            return super()._create_paddle_predictor()
        # ppsci's own configuration asks for memory optimisation, which fails to build here, and oneDNN, on by default
        # on the CPU, lacks some of the generators' operators.
        config = inference.Config(self.pdmodel_path, self.pdiparams_path)
        config.disable_gpu()
        config.disable_onednn()
        if self.device == "npu":
            config.enable_custom_device("npu", self.gpu_id)
        config.disable_glog_info()
        config.set_cpu_math_library_num_threads(min(self.num_cpu_threads, device.usable_cores()))
        config.switch_ir_optim(self.ir_optim)
        return inference.create_predictor(config), config

    def run(self, num_samples: int) -> np.ndarray:
        """Return the samples that ``INFER`` asks for, and write ``timing.json`` into ``output_dir``.

        Args:
            num_samples: Number of samples, where ``INFER.seeds`` does not say which.
        """
        given = self.settings.INFER
        choice = given.labels, given.seeds, given.truncation
        inputs = latent.choose(self.generator, num_samples, self.settings.seed, *choice)
        samples, report = self.generate(inputs, self.settings.INFER.batch_size)
        write_report(report, str(Path(self.settings.output_dir, "timing.json")))
        return samples

    def save_images(self) -> None:
        """Write ``INFER.num_images`` generated images, a file each, into ``<output_dir>/images``."""
        images = self.generator.to_images(self.run(self.settings.INFER.num_images))
        plots.save_images(images, str(Path(self.settings.output_dir, "images")))

    def generate(self, inputs: dict[str, np.ndarray], batch_size: int) -> tuple[np.ndarray, dict[str, Any]]:
        """Run all inputs through the generator.

        Args:
            inputs: ``noise`` [N, latent_dim] and, for a conditional generator, ``labels`` [N].
            batch_size: Samples at a time.

        Returns:
            Samples [N, ...], and a report: seconds for the first batch (which includes setting up), then for all of
            them, per batch and per second.

        Raises:
            InputError: The exported generator does not take these inputs.
        """
        start = time.perf_counter()
        with self._explain_failure():
            self.predict({key: value[:batch_size] for key, value in inputs.items()}, batch_size)
        warm = time.perf_counter()
        with memory.explain_out_of_memory("inference", memory.INFERENCE):
            samples = next(iter(self.predict(inputs, batch_size).values()))
        seconds = time.perf_counter() - warm
        report = {
            "device": self.device,
            "engine": self.engine,
            "paddle": paddle.__version__,
            "images": len(samples),
            "batch_size": batch_size,
            "first_batch_ms": 1000 * (warm - start),
            "total_ms": 1000 * seconds,
            "ms_per_batch": 1000 * seconds / -(-len(samples) // batch_size),
            "images_per_second": len(samples) / seconds,
        }
        return samples, report


def save_description(network: Player, export_path: str) -> None:
    """Write the class and the settings of an exported network beside its files, for ``restore_description``.

    Args:
        network: What is exported.
        export_path: As ``INFER.export_path``, without suffix.
    """
    with atomic(f"{export_path}{DESCRIPTION}") as temporary:
        OmegaConf.save({"class": type(network).__name__, "settings": network.settings}, temporary)


def restore_description(export_path: str, classes: Sequence[type[Player]]) -> Player:
    """Build a network like the one that was exported, with random weights: it knows the shapes of inputs and outputs.

    Args:
        export_path: As ``INFER.export_path``, without suffix.
        classes: What it may be.

    Raises:
        InputError: There is no description, or it is damaged or of another class.
    """
    path = locate(f"{export_path}{DESCRIPTION}")
    if not path.is_file():
        raise InputError(f"{path}: no such file. {EXPORT_FIRST}")
    try:
        content = OmegaConf.to_container(OmegaConf.load(path))
        name, settings = content["class"], dict(content["settings"])
    except (ValueError, KeyError, TypeError, YAMLError, OmegaConfBaseException) as error:
        raise InputError(f"{path}: damaged ({error!r}). {EXPORT_FIRST}") from error
    try:
        return weights.build(name, settings, classes, path)
    except InputError as error:
        raise InputError(f"{error} {EXPORT_FIRST}") from error


def write_report(report: dict[str, Any], path: str) -> None:
    """Write a timing report as JSON and log it.

    Args:
        report: Of ``GeneratorPredictor.generate``.
        path: The file.
    """
    with atomic(path) as temporary:
        temporary.write_text(json.dumps(report, indent=2) + "\n")
    logger.message(
        f"{report['images']} images in batches of {report['batch_size']}: first batch {report['first_batch_ms']:.1f} "
        f"ms, then {report['ms_per_batch']:.1f} ms a batch, {report['images_per_second']:.0f} images/s. Report: {path}"
    )
