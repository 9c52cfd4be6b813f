"""Timing contestants in turn, round by round: what else a machine does then slows all of them alike."""

from __future__ import annotations

import statistics
import time
from collections.abc import Sequence
from typing import Protocol

LEAST = 0.3  # seconds of a measurement


class Contestant(Protocol):
    """Something that runs iterations.

    Attributes:
        name: For the table.
    """

    name: str

    def run(self, iterations: int) -> None:
        """Run so many iterations and wait for their end."""


def seconds(contestant: Contestant, iterations: int) -> float:
    """Return how long an iteration takes, over some."""
    start = time.perf_counter()
    contestant.run(iterations)
    return (time.perf_counter() - start) / iterations


def alternate(contestants: Sequence[Contestant], rounds: int, least: float = LEAST) -> dict[str, list[float]]:
    """Return seconds per iteration, a measurement per contestant and round.

    Args:
        contestants: In the order of the first round; every other round goes backwards.
        rounds: Number of measurements of each.
        least: A measurement is of as many iterations as take so many seconds, at least one.
    """
    for contestant in contestants:
        contestant.run(1)  # sets up
    counts = {contestant.name: max(1, round(least / seconds(contestant, 1))) for contestant in contestants}
    times: dict[str, list[float]] = {contestant.name: [] for contestant in contestants}
    for number in range(rounds):
        for contestant in contestants if number % 2 == 0 else reversed(contestants):
            times[contestant.name].append(seconds(contestant, counts[contestant.name]))
    return times


def ratio(ours: Sequence[float], theirs: Sequence[float]) -> dict[str, float]:
    """Return the ratio of two contestants' medians, and the quartiles of their ratios round by round."""
    rounds = [mine / other for mine, other in zip(ours, theirs)]
    low, _, high = statistics.quantiles(rounds, n=4, method="inclusive") if len(rounds) > 1 else rounds * 3
    return {"ratio": statistics.median(ours) / statistics.median(theirs), "low": low, "high": high}
