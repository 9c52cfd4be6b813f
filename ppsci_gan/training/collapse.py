"""Noticing that a training has come to nothing: generated samples that are all alike, or a discriminator that wins."""

from __future__ import annotations

from collections import deque


class CollapseWatch:
    """Detect mode collapse and an overpowered critic over a window of iterations.

    A single bad batch means nothing; what lasts for a window does. After a report, the next one comes only when a
    window was healthy in between.

    Args:
        window: Iterations that are averaged.
        diversity: Generated samples are taken for all alike where their spread, relative to real ones', is below.
        accuracy: The discriminator is taken to have won where it tells more than this share right.
        stop: Whether the training is to end then.

    Examples:
        >>> from ppsci_gan.training.collapse import CollapseWatch
        >>> watch = CollapseWatch(window=20, diversity=0.1, accuracy=0.99, stop=False)
        >>> alike = {"accuracy_real": 0.5, "accuracy_fake": 0.5, "diversity": 0.01}
        >>> watch.observe(alike, 10)
        >>> watch.observe(alike, 10)
        'generated samples are nearly all alike: over 20 iterations they differ by 0.01 of what real ones do'
        >>> watch.observe(alike, 10)
    """

    def __init__(self, window: int, diversity: float, accuracy: float, stop: bool):
        self.window, self.diversity, self.accuracy, self.stop = window, diversity, accuracy, stop
        self.seen: deque[tuple[int, float, float]] = deque()  # iterations, diversity, accuracy
        self.reported = False

    def observe(self, terms: dict[str, float], iterations: int) -> str | None:
        """Add the means over some iterations; return a complaint when a window turns bad, once.

        Args:
            terms: ``accuracy_real``, ``accuracy_fake`` and ``diversity``, as ``ppsci_gan.losses.Objective`` gives them.
            iterations: How many they are means over.
        """
        self.seen.append((iterations, terms["diversity"], (terms["accuracy_real"] + terms["accuracy_fake"]) / 2))
        total = sum(row[0] for row in self.seen)
        while total - self.seen[0][0] >= self.window:
            total -= self.seen.popleft()[0]
        if total < self.window:
            return None
        diversity, accuracy = (sum(row[0] * row[i] for row in self.seen) / total for i in (1, 2))
        complaint = None
        if diversity < self.diversity:
            complaint = (
                f"generated samples are nearly all alike: over {total} iterations they differ by {diversity:.2g} of "
                "what real ones do"
            )
        elif accuracy > self.accuracy:
            complaint = (
                f"the discriminator has won: over {total} iterations it told {100 * accuracy:.4g} % of the samples "
                "right, which teaches the generator little"
            )
        known, self.reported = self.reported, complaint is not None
        return None if known else complaint
