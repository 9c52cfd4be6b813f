"""What a configuration may hold: ppsci's schema, and the keys of adversarial training.

Defaults are in ``conf/``; these classes only check. An unknown key or an impossible value is refused by name.
"""

from __future__ import annotations

import difflib
from typing import Annotated
from typing import Any
from typing import Literal
from typing import get_args

from omegaconf import DictConfig
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException
from ppsci.utils import config as ppsci_config
from pydantic import AfterValidator
from pydantic import BaseModel
from pydantic import ConfigDict
from pydantic import Field
from pydantic import NonNegativeFloat
from pydantic import NonNegativeInt
from pydantic import PositiveFloat
from pydantic import PositiveInt
from pydantic import ValidationError
from pydantic import ValidationInfo
from pydantic import field_validator
from pydantic import model_validator

from ppsci_gan.devices import device
from ppsci_gan.devices.device import ENGINES
from ppsci_gan.errors import InputError
from ppsci_gan.evaluation import scoring
from ppsci_gan.networks import layers
from ppsci_gan.weights import transfer

REFUSED = "This configuration cannot be run:"


def _device(name: str) -> str:
    if device.PATTERN.fullmatch(name) is None:
        raise ValueError(device.NAMES)
    return name


Device = Annotated[str, AfterValidator(_device)]
Share = Annotated[float, Field(ge=0, lt=1)]
Keys = Annotated[list[str], Field(min_length=1)]
Families = Annotated[list[Literal[tuple(scoring.FAMILIES)]], Field(min_length=1)]


# Keys of ppsci that must keep their default.
NOT_SUPPORTED = {
    "to_static": "the gradient penalty runs in dynamic mode only; leave it false.",
    "TRAIN.swa.use_swa": "the generator's average is TRAIN.ema; leave it false.",
}


class Strict(BaseModel):
    """A group whose unknown keys are refused, and values of another type: the scripts read them unconverted.

    A key with the default None but a type without it belongs to some examples only; null is no value for it.
    """

    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)


class Network(Strict):
    """``MODEL.gen_net`` and ``MODEL.dis_net``: arguments of the network's class."""

    input_keys: Keys
    output_keys: Keys
    dim: PositiveInt = None
    image_size: Annotated[list[PositiveInt], Field(min_length=2, max_length=2)] = None
    depths: Annotated[list[PositiveInt], Field(min_length=1)] = None
    hidden: NonNegativeInt = None
    latent_dim: PositiveInt = None
    channels: Literal[1, 3] = None
    scale_bias: bool = None
    he_everywhere: bool = None
    consecutive_groups: bool = None
    label_num: PositiveInt = None
    use_label: bool = False
    acgan: bool = None
    normalize: bool = None
    resolution: Literal[32, 64] = None
    negative_slope: Share = None


class Model(Strict):
    """``MODEL``."""

    architecture: Literal["resnet", "dcgan"] = None
    scale: NonNegativeInt | None = None
    gen_net: Network
    dis_net: Network


class Data(Strict):
    """``DATA``."""

    name: Literal["8gaussians", "25gaussians", "swissroll", "faces", "mnist", "cifar10", "pictures"] = None
    num_samples: PositiveInt = None
    data_path: str | None = None
    classes: Annotated[list[NonNegativeInt], Field(min_length=1)] | None = None
    num_images: PositiveInt | None = None
    coloured: bool = None
    dequantize: bool = None


LOADS = ("none", "both", "generator", "critic")


class Transfer(Strict):
    """``TRANSFER``: what is kept of the source."""

    load: Literal[LOADS]
    freeze_gen: NonNegativeInt
    freeze_dis: NonNegativeInt
    fresh: list[Literal[transfer.PARTS]]
    class_map: Annotated[list[NonNegativeInt | None], Field(min_length=1)] | None
    average: Literal["fresh", "source"]
    learning_rate_gen: PositiveFloat
    learning_rate_dis: PositiveFloat


class Study(Strict):
    """``STUDY``: runs that are compared."""

    load: Annotated[list[Literal[LOADS]], Field(min_length=1)]
    sizes: Annotated[list[PositiveInt], Field(min_length=1)]
    seeds: Annotated[list[NonNegativeInt], Field(min_length=1)]
    jobs: PositiveInt


class Loss(Strict):
    """``LOSS``: arguments of the objective."""

    penalty_weight: NonNegativeFloat = None
    penalty_target: NonNegativeFloat = None
    penalty_one_sided: bool = None
    penalty_interval: PositiveInt = None
    penalty_gradient: Literal["auto", "autograd", "explicit"] = None
    drift: NonNegativeFloat = None
    acgan_scale: NonNegativeFloat = None
    acgan_scale_g: NonNegativeFloat = None
    acgan_generated: bool = None
    objective: Literal["wasserstein", "non_saturating", "minimax", "least_squares", "hinge"] = None
    real_target: Annotated[float, Field(gt=0, le=1)] = None
    instance_noise: NonNegativeFloat = None


class Adam(Strict):
    """``TRAIN.optimizer``."""

    beta1: Share
    beta2: Share


class Schedule(Strict):
    """``TRAIN.lr_scheduler_gen`` and ``TRAIN.lr_scheduler_dis``: linear from one rate to the other."""

    learning_rate: PositiveFloat
    end_lr: NonNegativeFloat


class Collapse(Strict):
    """``TRAIN.collapse``: what is taken for the end of useful training."""

    window: PositiveInt
    diversity: NonNegativeFloat
    accuracy: Annotated[float, Field(gt=0.5)]
    stop: bool


class Average(Strict):
    """``TRAIN.ema``: the moving average of the generator."""

    use_ema: bool
    decay: Annotated[float, Field(gt=0, lt=1)]
    avg_freq: PositiveInt


class Swa(Strict):
    """``TRAIN.swa``: ppsci's other average, which two players do not have."""

    use_swa: Literal[False]
    avg_freq: int
    avg_range: None = None


class GrowthStage(Strict):
    """An entry of ``TRAIN.stages``: numbers of images shown to the critic."""

    resolution: PositiveInt
    fade_images: NonNegativeInt
    stable_images: NonNegativeInt
    batch_size: PositiveInt
    learning_rate: PositiveFloat


class Train(Strict):
    """``TRAIN``: ppsci's keys with ranges of our own, and those of adversarial training."""

    epochs: PositiveInt
    iters_per_epoch: PositiveInt | None
    batch_size: PositiveInt
    gen_batch_multiple: PositiveInt
    n_critic: PositiveInt
    n_gen: PositiveInt = None
    save_freq: NonNegativeInt
    sample_freq: NonNegativeInt | None
    eval_during_train: bool
    eval_freq: PositiveInt
    start_eval_epoch: PositiveInt
    num_eval_samples: PositiveInt = None
    scores: Families = None
    best_score: str = None
    optimizer: Adam
    lr_scheduler_gen: Schedule = None
    lr_scheduler_dis: Schedule = None
    stages: Annotated[list[GrowthStage], Field(min_length=1)] = None
    start_scale: NonNegativeInt = None
    reset_optimizer: bool = None
    reset_average: bool = None
    collapse: Collapse = None
    ema: Average
    swa: Swa
    update_freq: PositiveInt
    checkpoint_path: str | None = None
    pretrained_gen_model_path: str | None = None
    pretrained_dis_model_path: str | None = None
    pretrained_model_path: None = None


class Weights(Strict):
    """``EVAL.inception`` and ``EVAL.classifier``: networks that score images."""

    weights: str | None


class Eval(ppsci_config.EvalConfig, Strict):
    """``EVAL``."""

    num_samples: PositiveInt
    num_images: PositiveInt = None
    scores: Families = None
    splits: PositiveInt = None
    subset_size: Annotated[int, Field(ge=2)] = None
    inception: Weights = None
    classifier: Weights = None
    batch_size: PositiveInt
    pretrained_gen_model_path: str | None = None
    pretrained_dis_model_path: str | None = None
    pretrained_model_path: None = None


class Infer(ppsci_config.InferConfig, Strict):
    """``INFER``."""

    device: Device
    num_images: PositiveInt
    batch_size: PositiveInt
    with_onnx: bool
    pretrained_gen_model_path: str | None = None
    pretrained_model_path: None = None

    @field_validator("engine")
    @classmethod
    def engine_check(cls, engine: str, info: ValidationInfo) -> str:
        """In place of ppsci's, which knows no ``auto`` and no index."""
        kind = info.data.get("device", "auto").split(":")[0]
        if engine in ENGINES and kind not in ("auto", ENGINES[engine]):
            raise ValueError(f"it runs on {ENGINES[engine]}, not on {kind}; add device={ENGINES[engine]}.")
        return engine


class Visual(Strict):
    """``VIS``: the pictures."""

    num_images: PositiveInt


class Cpu(Strict):
    """``CPU``: how the CPU computes."""

    convolution: Literal[layers.KERNELS]


class Config(ppsci_config.SolverConfig, Strict):
    """The whole configuration of a WGAN-GP example."""

    output_dir: str
    device: Device
    seed: Annotated[int, Field(ge=0, lt=2**32)]  # what NumPy takes
    use_amp: bool
    amp_level: Literal["O1", "O2"]
    amp_dtype: Literal["float16", "bfloat16"]
    to_static: Literal[False]
    wandb_config: dict[str, Any] = {}
    CPU: Cpu
    MODEL: Model
    DATA: Data
    TRANSFER: Transfer = None
    STUDY: Study = None
    LOSS: Loss
    TRAIN: Train
    EVAL: Eval
    INFER: Infer
    VIS: Visual

    @model_validator(mode="after")
    def epochs_have_a_length(self):
        """An epoch may be a pass over the data where it is one in the reference: in DCGAN."""
        if self.TRAIN.iters_per_epoch is None and self.TRAIN.n_gen is None:
            raise ValueError(
                "TRAIN.iters_per_epoch=None: give a number; only DCGAN's epoch may be a pass over the data."
            )
        return self

    @model_validator(mode="after")
    def weights_are_given(self):
        """Evaluation and export are of given weights, never of random ones."""
        for mode, group in (("eval", "EVAL"), ("export", "INFER")):
            if self.mode == mode and getattr(self, group).pretrained_gen_model_path is None:
                raise ValueError(
                    f"{group}.pretrained_gen_model_path is not set: mode={mode} needs a file, a URL or a checkpoint."
                )
        return self


def check(cfg: DictConfig | dict[str, Any]) -> None:
    """Refuse a configuration with unknown keys or impossible values.

    Args:
        cfg: The composed configuration, without Hydra's own group.

    Raises:
        InputError: Names each offending key, its value and what is allowed.

    Examples:
        >>> from ppsci_gan import config
        >>> config.check({"mode": "evaluate"})
        Traceback (most recent call last):
            ...
        ppsci_gan.errors.InputError: This configuration cannot be run:
          mode=evaluate: Input should be 'train', 'eval', 'export' or 'infer'
        ...
    """
    try:
        Config(**(OmegaConf.to_container(cfg, resolve=True) if isinstance(cfg, DictConfig) else cfg))
    except ValidationError as error:
        raise InputError("\n  ".join([REFUSED, *map(_line, error.errors())])) from None
    except OmegaConfBaseException as error:  # an interpolation that leads nowhere
        raise InputError(f"{REFUSED}\n  {error.full_key}: {error.msg.splitlines()[0]}") from None


def _line(error: dict[str, Any]) -> str:
    key = ".".join(map(str, error["loc"]))
    if error["type"] == "missing":
        return f"{key}: missing"
    if error["type"] == "extra_forbidden":
        return f"{key}: unknown key. {_known_keys(*error['loc'])}"
    message = NOT_SUPPORTED.get(key) or error["msg"].removeprefix("Value error, ")
    return f"{key}={error['input']}: {message}" if key else message


def _known_keys(*path: str | int) -> str:
    """Return the group's keys that resemble the last one of a path, or all where none does."""
    group = Config
    for name in path[:-1]:
        # A number is an entry of a list, whose only argument is the entries' class.
        group = get_args(group)[0] if isinstance(name, int) else group.model_fields[name].annotation
    close = difflib.get_close_matches(path[-1], group.model_fields)
    return f"Did you mean {' or '.join(close)}?" if close else f"There are {', '.join(group.model_fields)}."
