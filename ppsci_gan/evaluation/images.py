"""Scoring a generator of images through ppsci's validators and metrics."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Sequence
from typing import Any

import numpy as np
import paddle
import ppsci
from ppsci.utils import logger

from ppsci_gan.data.images import Images
from ppsci_gan.errors import InputError
from ppsci_gan.evaluation import scoring
from ppsci_gan.evaluation.report import report
from ppsci_gan.evaluation.report import select_main_keys
from ppsci_gan.evaluation.scoring import NetworkScorer
from ppsci_gan.evaluation.scoring import PixelScorer
from ppsci_gan.evaluation.scoring import Protocol
from ppsci_gan.evaluation.scoring import Scorer
from ppsci_gan.evaluation.statistics import Statistics
from ppsci_gan.features import extractor
from ppsci_gan.networks import latent
from ppsci_gan.networks.base import ImageGenerator
from ppsci_gan.training.solver import Score

_TOLERANCE = 1e-3  # of the generator's range: rounding


class ImageEvaluation:
    """Scores generated images, and held-out real images for comparison.

    What is left out, and why, is said in the log.

    Args:
        families: Names of scores, of ``ppsci_gan.evaluation.scoring.FAMILIES``.
        num_samples: How many images are scored.
        protocol: Numbers that decide the figures.
        real: Images to compare with; None leaves out the scores that need them.
        held_out: Other real images. As many as are scored, if there are, get the same scores.
        inception_weights: File or URL; None leaves out Inception's scores.
        classifier_weights: File or URL; None leaves out the classifier's.
        inception_protocol: As for ``load_inception``.
        statistics: In place of real images, for the scores that need no more.

    Raises:
        InputError: Unknown names, too few images for any of them, or files that hold something else.
    """

    def __init__(
        self,
        families: Sequence[str],
        num_samples: int,
        protocol: Protocol,
        real: Images | None = None,
        held_out: Images | None = None,
        inception_weights: str | None = None,
        classifier_weights: str | None = None,
        inception_protocol: str = "2015-12-05",
        statistics: Statistics | None = None,
    ):
        self.num_samples = num_samples
        self.held_out = held_out
        self.protocol = protocol
        wanted = families
        families = scoring.keep_possible(protocol, families, num_samples, None if real is None else len(real.data))
        if real is None:
            known = [scoring.FAMILIES[family] for family in families]
            needing = [one.needs_real and not (statistics and one.needs_gaussian) for one in known]
            left_out = [family for family, needs in zip(families, needing) if needs]
            if left_out:
                given = f", of which there are statistics alone ({statistics.name})," if statistics else ""
                logger.message(
                    f"Without real images{given} (DATA.data_path, or --real) there is no {', '.join(left_out)}."
                )
        scorers: list[Scorer] = []
        if inception_weights is not None:
            network = extractor.load_inception(inception_weights, inception_protocol)
            scorers.append(NetworkScorer(network, families, protocol, real, statistics))
        elif set(families) & set(scoring.NETWORK_FAMILIES):
            logger.message(
                "No weights of Inception are given (EVAL.inception.weights, or --inception), so there is no Inception "
                f"Score, FID or KID as {extractor.INCEPTIONS[inception_protocol].WHOSE}. "
                f"{extractor.INCEPTIONS[inception_protocol].SOURCE}"
            )
        if classifier_weights is not None:
            network = extractor.load_classifier(classifier_weights)
            scorers.append(NetworkScorer(network, families, protocol, real, statistics))
        scorers.append(PixelScorer(families, protocol, real))
        self.scorers = [scorer for scorer in scorers if scorer.families]
        if not self.scorers:
            raise InputError(f"Of the scores {', '.join(wanted)} none can be computed without what is named above.")
        self.of_real: dict[str, dict[str, float]] = {}  # by scorer

    def validator(
        self,
        generator: ImageGenerator,
        batch_size: int,
        seed: int,
        finish: Callable[[np.ndarray], np.ndarray] = lambda samples: samples,
    ) -> dict[str, ppsci.validate.Validator]:
        """Return a ppsci validator that scores the images of a fixed latent as bytes.

        Args:
            generator: The network.
            batch_size: Generated images at a time.
            seed: Of the latent; labels are in equal shares.
            finish: Maps generated values to those of images like the real ones, such as of another size.

        Returns:
            The validator by its name; its metrics are named after the scorers.
        """
        inputs = latent.sample_fixed(generator, self.num_samples, seed)

        def to_images(outputs: dict[str, paddle.Tensor]) -> paddle.Tensor:
            samples = outputs[generator.output_keys[0]].numpy()
            check_values(samples, generator.black if generator.is_bounded else -np.inf)
            return paddle.to_tensor(generator.to_images(finish(samples)))

        validator = ppsci.validate.SupervisedValidator(
            {
                "dataset": {
                    "name": "NamedArrayDataset",
                    "input": inputs,
                    "label": {key: value for key, value in inputs.items() if key == "labels"},
                },
                "batch_size": batch_size,
                "sampler": {"name": "BatchSampler", "drop_last": False, "shuffle": False},
            },
            ppsci.loss.FunctionalLoss(lambda *_: {}),
            {"images": to_images},
            {scorer.name: ppsci.metric.FunctionalMetric(self._metric(scorer)) for scorer in self.scorers},
            name="generated",
        )
        return {validator.name: validator}

    def _metric(self, scorer: Scorer):
        def metric(output_dict, label_dict) -> dict[str, float]:
            labels = label_dict["labels"].numpy() if "labels" in label_dict else None
            return self._with_real(scorer, Images("generated", output_dict["images"].numpy(), labels))

        return metric

    def score(self, images: Images) -> dict[str, dict[str, float]]:
        """Return the scores of given images by scorer and key, as ``Solver.eval`` does.

        Args:
            images: ``num_samples`` of them.
        """
        return {scorer.name: self._with_real(scorer, images) for scorer in self.scorers}

    def _with_real(self, scorer: Scorer, images: Images) -> dict[str, float]:
        values = scorer(images)
        if self.held_out is not None:
            if scorer.name not in self.of_real:
                self.of_real[scorer.name] = scorer(self._held_out_part(images.labels is not None), cached=True)
            values.update({f"{key}_of_real": value for key, value in self.of_real[scorer.name].items()})
        return values

    def _held_out_part(self, labelled: bool) -> Images:
        part = scoring.choose(self.held_out, min(self.num_samples, len(self.held_out.data)), self.protocol.seed)
        return part if labelled else part._replace(labels=None)

    def best(self, name: str) -> Score:
        """Return the score that chooses the best checkpoint, with its direction.

        Args:
            name: ``TRAIN.best_score``, such as ``classifier.frechet_distance``.

        Raises:
            InputError: It will not be computed.
        """
        known = [
            f"{s.name}.{key}" for s in self.scorers for family in s.families for key in scoring.FAMILIES[family].keys
        ]
        if name not in known:
            raise InputError(f"TRAIN.best_score={name} is not among the scores while training: {', '.join(known)}.")
        return Score(name, scoring.higher_is_better(name))

    def report(self, groups: dict[str, dict[str, float]], path: str, **common: Any) -> None:
        """Log every score with its protocol, and write the same as JSON.

        Args:
            groups: The scores, by scorer and key, as the second value of ``Solver.eval``.
            path: The file.
            **common: What all scores share, such as the generator's weights.
        """
        report(groups, self.protocols(groups, **common), path)

    def protocols(self, groups: dict[str, dict[str, float]], **common: Any) -> dict[str, dict[str, Any]]:
        """Return the protocol of every score, by its name.

        Args:
            groups: The scores, by scorer and key.
            **common: What all scores share, such as the generator's weights.
        """
        return {
            f"{scorer.name}.{key}": {
                **scorer.describe_name(key),
                **common,
                **self._held_out_protocol(scorer, key),
                **scorer.describe(key, self.num_samples),
            }
            for scorer in self.scorers
            for key in select_main_keys(groups[scorer.name])
        }

    def _held_out_protocol(self, scorer: Scorer, key: str) -> dict[str, str]:
        if self.held_out is None:
            return {}
        number = scorer.num_compared(key, min(self.num_samples, len(self.held_out.data)))
        return {"held_out": f"{number} of {self.held_out.name}"}


def check_values(samples: np.ndarray, low: float) -> None:
    """Raise an InputError unless generated values are finite and in the images' range.

    Args:
        samples: Floats of any shape.
        low: Value of black; white is 1. Minus infinity for images whose values may lie beyond both.

    Raises:
        InputError: Values that are not finite, or outside of the range.

    Examples:
        >>> import numpy as np
        >>> from ppsci_gan.evaluation.images import check_values
        >>> check_values(np.array([-1.0, 1.0]), low=-1)
    """
    if not np.isfinite(samples).all():
        raise InputError(
            "the generator's images contain NaN or infinity, so they have no score: its training has diverged. Go back "
            "to an earlier checkpoint."
        )
    if np.isfinite(low) and (samples.min() < low - _TOLERANCE or samples.max() > 1 + _TOLERANCE):
        raise InputError(
            f"the generator's values go from {samples.min():.3g} to {samples.max():.3g}, not from {low:g} to 1: its "
            "output is no image, or of another scale."
        )
