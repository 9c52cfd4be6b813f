"""``TRAIN``, and TransferGAN's ``TRANSFER`` and ``STUDY``: the keys of each."""

from typing import Annotated
from typing import Literal

from pydantic import Field
from pydantic import ValidationInfo
from pydantic import field_validator
from pydantic import model_validator

from ppsci_gan.config.groups import ONE_GENERATOR
from ppsci_gan.config.groups import Families
from ppsci_gan.config.groups import NonNegativeFloat
from ppsci_gan.config.groups import NonNegativeInt
from ppsci_gan.config.groups import PositiveFloat
from ppsci_gan.config.groups import PositiveInt
from ppsci_gan.config.groups import Share
from ppsci_gan.config.groups import Strict
from ppsci_gan.config.groups import only
from ppsci_gan.weights import transfer


class Adam(Strict):
    """``TRAIN.optimizer``."""

    beta1: Share
    beta2: Share


class Schedule(Strict):
    """``TRAIN.lr_scheduler_gen`` and ``TRAIN.lr_scheduler_dis``: linear from one rate to the other."""

    learning_rate: PositiveFloat
    end_lr: NonNegativeFloat


class Average(Strict):
    """``TRAIN.ema``: the moving average of the generator."""

    use_ema: bool
    decay: Annotated[float, Field(gt=0, lt=1)]
    avg_freq: PositiveInt


class Training(Strict):
    """What every training has."""

    instead = {"swa": "The generator's average is TRAIN.ema."}

    epochs: PositiveInt
    iters_per_epoch: PositiveInt
    n_critic: PositiveInt
    update_freq: PositiveInt
    save_freq: NonNegativeInt
    save_minutes: NonNegativeFloat | None
    keep_checkpoints: PositiveInt | None
    on_divergence: Literal["stop", "rollback"]
    sample_freq: NonNegativeInt | None
    eval_during_train: bool
    eval_freq: PositiveInt
    start_eval_epoch: PositiveInt
    best_score: str
    optimizer: Adam
    ema: Average
    checkpoint_path: str | None
    pretrained_gen_model_path: str | None
    pretrained_dis_model_path: str | None
    pretrained_model_path: only(None, ONE_GENERATOR)


class ScheduledTraining(Training):
    """One batch size, and learning rates that may fall."""

    batch_size: PositiveInt
    lr_scheduler_gen: Schedule
    lr_scheduler_dis: Schedule


class ScoredImages(Strict):
    """What is scored while a generator of images trains."""

    num_eval_samples: PositiveInt
    scores: Families


class ImageTraining(ScheduledTraining, ScoredImages):
    """Of a generator of images."""


class WganGpTraining(ScheduledTraining):
    """The generator's batches may be larger than the critic's."""

    gen_batch_multiple: PositiveInt


class WganGpImageTraining(WganGpTraining, ScoredImages):
    """WGAN-GP on images."""


class Collapse(Strict):
    """``TRAIN.collapse``: what is taken for the end of useful training."""

    window: PositiveInt
    diversity: NonNegativeFloat
    accuracy: Annotated[float, Field(gt=0.5, le=1)]
    stop: bool


class DcganTraining(ImageTraining):
    """An epoch may be a pass over the data, as in the reference."""

    iters_per_epoch: PositiveInt | None
    n_gen: PositiveInt
    collapse: Collapse


class GrowthStage(Strict):
    """An entry of ``TRAIN.stages``: numbers of images shown to the critic."""

    resolution: PositiveInt
    fade_images: NonNegativeInt
    stable_images: NonNegativeInt
    batch_size: PositiveInt
    learning_rate: PositiveFloat

    @model_validator(mode="after")
    def shows_images(self):
        """A stage without images would train nothing."""
        if not self.fade_images + self.stable_images:
            raise ValueError("this stage shows no images: set fade_images or stable_images.")
        return self


class GrowingTraining(Training, ScoredImages):
    """Stages, each with its batch size and learning rate."""

    instead = {
        **Training.instead,
        "batch_size": "Each of TRAIN.stages has its own.",
        "lr_scheduler_gen": "Each of TRAIN.stages has its own learning_rate.",
        "lr_scheduler_dis": "Each of TRAIN.stages has its own learning_rate.",
    }

    epochs: only(1, "it follows from TRAIN.stages; leave it 1.")
    stages: Annotated[list[GrowthStage], Field(min_length=1)]
    start_scale: Annotated[int, Field(ge=0, lt=30)]
    reset_optimizer: bool
    reset_average: bool

    @field_validator("reset_average")
    @classmethod
    def there_is_an_average(cls, reset_average: bool, info: ValidationInfo) -> bool:
        """Without one there is nothing to start afresh."""
        average = info.data.get("ema")
        if reset_average and average is not None and not average.use_ema:
            raise ValueError("there is no moving average; set TRAIN.ema.use_ema=true, or leave it false.")
        return reset_average


# --- TRANSFER and STUDY ---

LOADS = ("none", "both", "generator", "critic")


class Transfer(Strict):
    """What is kept of the source."""

    load: Literal[LOADS]
    freeze_gen: NonNegativeInt
    freeze_dis: NonNegativeInt
    fresh: list[Literal[transfer.PARTS]]
    class_map: Annotated[list[NonNegativeInt | None], Field(min_length=1)] | None
    average: Literal["fresh", "source"]
    learning_rate_gen: PositiveFloat
    learning_rate_dis: PositiveFloat


class Study(Strict):
    """Runs that are compared."""

    load: Annotated[list[Literal[LOADS]], Field(min_length=1)]
    sizes: Annotated[list[PositiveInt], Field(min_length=1)]
    seeds: Annotated[list[NonNegativeInt], Field(min_length=1)]
    jobs: PositiveInt
