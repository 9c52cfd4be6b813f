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
from paddle import inference
from ppsci.utils import logger

from ppsci_gan import plots
from ppsci_gan.devices import device
from ppsci_gan.devices import memory
from ppsci_gan.devices.device import ENGINES
from ppsci_gan.errors import InputError
from ppsci_gan.export import description
from ppsci_gan.export import timing
from ppsci_gan.export.description import EXPORT_FIRST
from ppsci_gan.export.writing import DIGESTS
from ppsci_gan.files import atomic
from ppsci_gan.files import check_digests
from ppsci_gan.networks import latent
from ppsci_gan.networks.base import Player

# It reads the slope of a leaky rectifier as another type, and crashes.
BROKEN_PASS = "conv_activation_onednn_fuse_pass"
REPORT = "time_result.json"


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
        given = cfg.INFER
        self.files = [given.onnx_path] if given.engine == "onnx" else [given.pdmodel_path, given.pdiparams_path]
        self._check_files(given.export_path)
        self.generator = description.restore(given.export_path, classes)
        self.generator.eval()
        self.settings = cfg
        kind, _, index = device.select(cfg.INFER.device).partition(":")
        if kind != ENGINES.get(cfg.INFER.engine, kind):
            raise InputError(f"INFER.engine={cfg.INFER.engine} does not run on {kind}; choose another engine.")
        cfg = cfg.copy()
        cfg.INFER.device, cfg.INFER.gpu_id = kind, int(index or 0)
        cfg.INFER.num_cpu_threads = min(cfg.INFER.num_cpu_threads, device.num_threads())
        with self._explain_failure():
            super().__init__(cfg)

    def _check_files(self, export_path: str) -> None:
        for path in self.files:
            if path is None or not Path(path).is_file():
                raise InputError(f"{path}: no such file. {EXPORT_FIRST}")
        written = [f"{export_path}{suffix}" for suffix in (".json", ".pdiparams", ".onnx")]
        own = [path for path in self.files if path in written]  # others are the user's, who knows where they are from
        check_digests(f"{export_path}{DIGESTS}", own, EXPORT_FIRST)

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
        # ppsci's own configuration asks for memory optimisation, which fails to build here.
        config = inference.Config(self.pdmodel_path, self.pdiparams_path)
        config.disable_gpu()
        if self.device == "npu":
            config.disable_onednn()
            config.enable_custom_device("npu", self.gpu_id)
        else:
            config.enable_onednn()
            config.delete_pass(BROKEN_PASS)
        if self.engine == "mkldnn" and self.precision == "fp16":
            config.enable_onednn_bfloat16()
        config.disable_glog_info()
        config.set_cpu_math_library_num_threads(self.num_cpu_threads)
        config.switch_ir_optim(self.ir_optim)
        return inference.create_predictor(config), config

    def run(self, num_samples: int) -> np.ndarray:
        """Return the samples that ``INFER`` asks for, and write ``time_result.json`` into ``output_dir``.

        Args:
            num_samples: Number of samples, where ``INFER.seeds`` does not say which.
        """
        given, seed = self.settings.INFER, self.settings.seed
        inputs = latent.choose(self.generator, num_samples, seed, given.labels, given.seeds, given.truncation)
        samples, report = self.generate(inputs, given.batch_size)
        report["latency"] = self.measure_latency(given.batch_size)
        write_report(report, str(Path(self.settings.output_dir, REPORT)))
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
            "threads": self.num_cpu_threads,
            "images": len(samples),
            "batch_size": batch_size,
            "first_batch_ms": 1000 * (warm - start),
            "total_ms": 1000 * seconds,
            "ms_per_batch": 1000 * seconds / -(-len(samples) // batch_size),
            "images_per_second": len(samples) / seconds,
        }
        return samples, report

    def measure_latency(self, largest: int) -> list[dict[str, float]]:
        """Time batches of random latents, and the network itself beside: the rows of ``timing.compare``.

        Args:
            largest: Batch size.
        """

        def run_eager(inputs: dict[str, np.ndarray]) -> np.ndarray:
            with paddle.no_grad():
                outputs = self.generator({key: paddle.to_tensor(value) for key, value in inputs.items()})
            return outputs[self.generator.output_keys[0]].numpy()

        def draw(size: int) -> dict[str, np.ndarray]:
            return latent.sample_fixed(self.generator, size, seed=0)

        with memory.explain_out_of_memory("inference", memory.INFERENCE):
            return timing.compare(self._run_batch, run_eager, draw, largest)

    def _run_batch(self, inputs: dict[str, np.ndarray]) -> np.ndarray:
        """Run one batch, as ``predict`` does, which logs a line for each."""
        if self.engine == "onnx":
            return self.predictor.run(None, inputs)[0]
        for name, value in inputs.items():
            self.predictor.get_input_handle(name).copy_from_cpu(value)
        self.predictor.run()
        return self.predictor.get_output_handle(self.predictor.get_output_names()[0]).copy_to_cpu()


def write_report(report: dict[str, Any], path: str) -> None:
    """Write a timing report as JSON and log it.

    Args:
        report: Of ``GeneratorPredictor.generate``, with the rows of ``measure_latency`` as ``latency``.
        path: The file.
    """
    with atomic(path) as temporary:
        temporary.write_text(json.dumps(report, indent=2) + "\n")
    logger.message(
        f"{report['images']} images in batches of {report['batch_size']}: first batch {report['first_batch_ms']:.1f} "
        f"ms, then {report['ms_per_batch']:.1f} ms a batch, {report['images_per_second']:.0f} images/s. "
        f"Report: {path}\n{timing.describe(report['latency'])}"
    )
