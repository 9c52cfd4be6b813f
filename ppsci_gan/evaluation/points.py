"""Evaluating a generator of two-dimensional points: its metric, the validator that feeds it, scores and pictures."""

from __future__ import annotations

from os import path as osp
from typing import Any

import numpy as np
import paddle
import ppsci
from omegaconf import DictConfig
from paddle import nn
from ppsci.utils import logger

from ppsci_gan import metrics
from ppsci_gan import plots
from ppsci_gan import weights
from ppsci_gan.data import toy
from ppsci_gan.evaluation import scoring
from ppsci_gan.evaluation.report import report
from ppsci_gan.networks import latent
from ppsci_gan.networks.base import Generator
from ppsci_gan.training import AdversarialSolver
from ppsci_gan.training import Score


# --8<-- [start:metric]
class PointScores:
    """The metric of a data set: how well generated points match fresh real ones, and how well other real ones do.

    Args:
        name: As for ``toy.sample``.

    Attributes:
        per_mode: Spread, offset and share of each mode of the generated points scored last.

    Examples:
        >>> import paddle
        >>> from ppsci_gan.data import toy
        >>> from ppsci_gan.evaluation.points import PointScores
        >>> real, other = (paddle.to_tensor(toy.sample("8gaussians", 2000, seed)) for seed in (0, 1))
        >>> PointScores("8gaussians")({"fake_data": other}, {"real_data": real, "other_real_data": other})["modes"]
        8
    """

    def __init__(self, name: str):
        self.modes = toy.modes(name)
        self.per_mode: dict[str, np.ndarray] = {}

    def __call__(self, output_dict, label_dict) -> dict[str, float]:
        """Return the scores of ``fake_data`` [N, 2], and as ``<score>_of_real`` those of ``other_real_data``."""
        real, other = label_dict["real_data"].numpy(), label_dict["other_real_data"].numpy()
        points = output_dict["fake_data"].numpy()
        if self.modes is not None:
            self.per_mode = metrics.mode_shapes(points, *self.modes)
        of_real = {f"{key}_of_real": value for key, value in self._score(other, real).items()}
        return {**self._score(points, real), **of_real}

    def _score(self, points: np.ndarray, real: np.ndarray) -> dict[str, float]:
        if self.modes is None:
            distance = metrics.sliced_wasserstein(real, points)
            return {"coverage": metrics.coverage(real, points), "sliced_wasserstein": distance}
        return {**metrics.mode_scores(points, *self.modes), **metrics.mode_distance(real, points, *self.modes)}


# --8<-- [end:metric]


class PointEvaluation:
    """Scores and draws a generator of points, during training and afterwards.

    Args:
        cfg: Configuration; read are ``DATA.name``, ``EVAL``, ``TRAIN.best_score``, ``VIS.num_images``, ``seed`` and
            ``output_dir``.
        generator: The network.
        critic: The picture shows the contours of its value; None for no contours.

    Examples:
        See ``examples/wgangp/wgangp_toy.py``.
    """

    def __init__(self, cfg: DictConfig, generator: Generator, critic: nn.Layer | None = None):
        self.cfg = cfg
        self.generator = generator
        self.critic = critic
        self.scores = PointScores(cfg.DATA.name)
        self.shown = toy.sample(cfg.DATA.name, cfg.VIS.num_images, cfg.seed + 1)  # beside generated ones

    def while_training(self) -> dict[str, Any]:
        """Return the solver's arguments ``validator``, ``score`` and ``draw``."""
        has_modes = self.scores.modes is not None
        chosen = scoring.choose_point_score(self.cfg.TRAIN.best_score, self.cfg.DATA.name, has_modes)
        return {"validator": self.build_validator(), "score": Score(*chosen), "draw": self.draw}

    def run(self) -> None:
        """Score the generator, write ``scores.json``, and draw ``samples.png``."""
        cfg = self.cfg
        solver = AdversarialSolver(self.generator, validator=self.build_validator(), draw=self.draw, cfg=cfg)
        _, scores = solver.eval()
        origin = weights.describe(cfg.EVAL.pretrained_gen_model_path, "generator")
        of = {"generator": origin, "weights_sha256": weights.digest(self.generator)}
        protocol = {"samples": cfg.EVAL.num_samples, "latent_seed": cfg.seed, **of}
        protocols = {"points": protocol}
        for key, values in self.scores.per_mode.items():  # beside the means over the modes, each mode's own
            protocols[f"points.{scoring.OF_EACH_MODE[key]}"] = {**protocol, "per_mode": values.round(3).tolist()}
        report(scores, protocols, osp.join(cfg.output_dir, "scores.json"))
        picture = osp.join(cfg.output_dir, "samples.png")
        solver.draw_samples(picture)
        logger.message(f"Picture: {picture}")

    # --8<-- [start:validator]
    def build_validator(self) -> dict[str, ppsci.validate.Validator]:
        """Fixed noise in, and two fresh real samples to compare with: the second gives the scores' floor."""
        cfg = self.cfg
        real, other = (toy.sample(cfg.DATA.name, cfg.EVAL.num_samples, cfg.seed + later) for later in (1, 2))
        validator = ppsci.validate.SupervisedValidator(
            {
                "dataset": {
                    "name": "NamedArrayDataset",
                    "input": latent.sample_fixed(self.generator, cfg.EVAL.num_samples, cfg.seed),
                    "label": {"real_data": real, "other_real_data": other},
                },
                "batch_size": cfg.EVAL.batch_size,
                "sampler": {"name": "BatchSampler", "drop_last": False, "shuffle": False},
            },
            ppsci.loss.FunctionalLoss(lambda *_: {}),
            {"fake_data": lambda out: out["fake_data"]},
            {"points": ppsci.metric.FunctionalMetric(self.scores)},
            name="fresh",
        )
        return {validator.name: validator}

    # --8<-- [end:validator]

    # --8<-- [start:draw]
    def draw(self, samples: np.ndarray, path: str) -> None:
        """Draw real and generated points over the contours of the critic's value, if there is one."""

        @paddle.no_grad()
        def value(points: np.ndarray) -> np.ndarray:
            return self.critic({"data": paddle.to_tensor(points)})["score"].numpy()

        plots.save_contour_plot(self.shown, samples, path, value if self.critic else None)

    # --8<-- [end:draw]
