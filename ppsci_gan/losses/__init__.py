"""What the players minimise: adversarial losses, the gradient penalty, and the objective that combines them."""

from ppsci_gan.losses.objective import Classifier
from ppsci_gan.losses.objective import Objective
from ppsci_gan.losses.penalty import GradientPenalty
from ppsci_gan.losses.penalty import gradient_penalty

__all__ = ["Classifier", "GradientPenalty", "Objective", "gradient_penalty"]
