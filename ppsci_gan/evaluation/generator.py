"""Evaluating an example's generator of images as its configuration says: scores, their protocol, pictures."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import numpy as np
from omegaconf import DictConfig

from ppsci_gan import weights
from ppsci_gan.data.images import Images
from ppsci_gan.evaluation import pictures
from ppsci_gan.evaluation.images import ImageEvaluation
from ppsci_gan.evaluation.scoring import Protocol
from ppsci_gan.networks import latent
from ppsci_gan.networks.base import ImageGenerator
from ppsci_gan.training.solver import AdversarialSolver


class GeneratorEvaluation:
    """Scores and draws a generator of images, during training and afterwards.

    Args:
        cfg: Configuration; read are ``EVAL``, ``TRAIN.eval_during_train``, ``TRAIN.num_eval_samples``,
            ``TRAIN.scores``, ``TRAIN.best_score``, ``seed`` and ``output_dir``.
        generator: The network.
        real: Images to compare with; None leaves out the scores that need them.
        open_held_out: Opens other real images, which get the same scores.
        finish: Maps generated values [N, ...] to those of images like the real ones, such as of another size.

    Examples:
        See ``evaluate`` in ``examples/wgangp/wgangp_mnist.py``.
    """

    def __init__(
        self,
        cfg: DictConfig,
        generator: ImageGenerator,
        real: Images | None = None,
        open_held_out: Callable[[], Images | None] = lambda: None,
        finish: Callable[[np.ndarray], np.ndarray] = lambda samples: samples,
    ):
        self.cfg = cfg
        self.generator = generator
        self.real = real
        self.open_held_out = open_held_out
        self.finish = finish

    def while_training(self) -> dict[str, Any]:
        """Return the solver's arguments ``validator`` and ``score``; none where nothing is scored while training."""
        train = self.cfg.TRAIN
        if not train.eval_during_train:
            return {}
        evaluation = self._build(train.scores, train.num_eval_samples)
        return {"validator": self._validator(evaluation), "score": evaluation.best(train.best_score)}

    def run(self, known: Images | None = None) -> None:
        """Score the generator, write ``scores.json``, and draw.

        Args:
            known: Images that the generator was trained on, of its own shape, to find the nearest ones among; by
                default ``real``.
        """
        cfg, generator = self.cfg, self.generator
        choice = cfg.EVAL.labels, cfg.EVAL.seeds, cfg.EVAL.truncation
        chosen = latent.choose(generator, cfg.EVAL.num_images, cfg.seed, *choice)  # before what takes long
        evaluation = self._build(cfg.EVAL.scores, cfg.EVAL.num_samples)
        solver = AdversarialSolver(generator, validator=self._validator(evaluation), cfg=cfg)
        _, scores = solver.eval()
        _, height, width = generator.image_shape
        origin = f"{weights.describe(cfg.EVAL.pretrained_gen_model_path, 'generator')}, {height} x {width} pixels"
        path = os.path.join(cfg.output_dir, "scores.json")
        digest = weights.digest(generator)
        evaluation.report(scores, path, latent_seed=cfg.seed, generator=origin, weights_sha256=digest)

        def generate(inputs: dict[str, np.ndarray]) -> np.ndarray:
            return generator.to_images(solver.generate(inputs, cfg.EVAL.batch_size))

        pictures.draw_all(generator, generate, cfg.output_dir, chosen, cfg.seed, known or self.real)

    def _build(self, scores: list[str], num_samples: int) -> ImageEvaluation:
        return ImageEvaluation(
            scores,
            num_samples,
            Protocol(splits=self.cfg.EVAL.splits, subset_size=self.cfg.EVAL.subset_size),
            _in_memory(self.real),
            _in_memory(self.real and self.open_held_out()),
            self.cfg.EVAL.inception.weights,
            self.cfg.EVAL.classifier.weights,
            self.cfg.EVAL.inception.protocol,
        )

    def _validator(self, evaluation: ImageEvaluation) -> dict[str, Any]:
        return evaluation.validator(self.generator, self.cfg.EVAL.batch_size, self.cfg.seed, self.finish)


def _in_memory(images: Images | None) -> Images | None:
    return images and images._replace(data=np.asarray(images.data))
