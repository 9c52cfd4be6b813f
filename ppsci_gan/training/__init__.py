"""Training two players in turn: the solver, what an iteration does, and what a run keeps."""

from ppsci_gan.training.phases import Phase
from ppsci_gan.training.solver import AdversarialSolver
from ppsci_gan.training.solver import Score
from ppsci_gan.training.stages import Stage

__all__ = ["AdversarialSolver", "Phase", "Score", "Stage"]
