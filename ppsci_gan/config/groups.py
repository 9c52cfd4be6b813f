"""``DATA``, ``LOSS``, ``EVAL``, ``INFER``, ``VIS`` and ``CPU``: the keys of each."""

from typing import Annotated
from typing import Any
from typing import ClassVar
from typing import Literal

from pydantic import AfterValidator
from pydantic import BaseModel
from pydantic import ConfigDict
from pydantic import Field
from pydantic import ValidationInfo
from pydantic import field_validator

from ppsci_gan.data.images import DATA_SETS
from ppsci_gan.devices import device
from ppsci_gan.devices.device import ENGINES
from ppsci_gan.evaluation import scoring
from ppsci_gan.features.extractor import INCEPTIONS
from ppsci_gan.losses.adversarial import LOSSES
from ppsci_gan.networks import layers
from ppsci_gan.networks.latent import LEAST_TRUNCATION

# As pydantic's, but not larger than what Paddle, NumPy and single precision can take.
PositiveInt = Annotated[int, Field(gt=0, lt=2**31)]
NonNegativeInt = Annotated[int, Field(ge=0, lt=2**31)]
PositiveFloat = Annotated[float, Field(gt=0, le=1e18)]
NonNegativeFloat = Annotated[float, Field(ge=0, le=1e18)]


def _check_device(name: str) -> str:
    if device.PATTERN.fullmatch(name) is None:
        raise ValueError(device.NAMES)
    return name


Device = Annotated[str, AfterValidator(_check_device)]
Share = Annotated[float, Field(ge=0, lt=1)]
Families = Annotated[list[Literal[tuple(scoring.FAMILIES)]], Field(min_length=1)]


def only(value: Any, reason: str) -> Any:
    """Return the type of a key that ppsci reads but that has one useful value.

    Args:
        value: The value.
        reason: What the user is told who gives another one.

    Examples:
        >>> from pydantic import TypeAdapter
        >>> from ppsci_gan.config.groups import only
        >>> TypeAdapter(only(False, "leave it false.")).validate_python(False)
        False
    """

    def check(given: Any) -> Any:
        if given is not value and (type(given), given) != (type(value), value):
            raise ValueError(reason)
        return given

    return Annotated[Any, AfterValidator(check)]


class Strict(BaseModel):
    """A group that refuses unknown keys and values of another type, as scripts read them unconverted.

    Attributes:
        instead: What to tell about keys that one may expect here, by key.
    """

    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)
    instead: ClassVar[dict[str, str]] = {}


# --- DATA ---


class ToyData(Strict):
    """Points of a distribution."""

    name: Literal["8gaussians", "25gaussians", "swissroll"]
    num_samples: PositiveInt


class FileData(Strict):
    """Images of one data set, in files."""

    data_path: str | None
    max_bytes: PositiveInt | None


class Cifar10Data(FileData):
    """CIFAR-10."""

    dequantize: bool


class GrowingData(FileData):
    """Images of several resolutions."""

    name: Literal["faces", "cifar10", "pictures"]
    num_samples: PositiveInt


class ImageData(FileData):
    """Any images."""

    name: Literal[("faces", *DATA_SETS, "pictures")]
    num_samples: PositiveInt


class TargetData(ImageData):
    """Images to transfer to."""

    classes: Annotated[list[NonNegativeInt], Field(min_length=1)] | None
    num_images: PositiveInt | None
    coloured: bool
    dequantize: bool


# --- LOSS ---


class Loss(Strict):
    """Any loss with any penalty, classifier and noise, as ``ppsci_gan.losses.Objective``."""

    objective: Literal[tuple(LOSSES)]
    real_target: Annotated[float, Field(gt=0, le=1)]
    instance_noise: NonNegativeFloat
    penalty_weight: NonNegativeFloat
    penalty_target: NonNegativeFloat
    penalty_one_sided: bool
    penalty_interval: PositiveInt
    penalty_gradient: Literal["auto", "autograd", "explicit"]
    drift: NonNegativeFloat
    acgan_scale: NonNegativeFloat
    acgan_scale_g: NonNegativeFloat
    acgan_generated: bool

    @field_validator("real_target")
    @classmethod
    def target_is_used(cls, real_target: float, info: ValidationInfo) -> float:
        """Only a loss that classifies has a target to smooth."""
        objective = info.data.get("objective")
        if objective is not None and real_target != 1 and LOSSES[objective].middle is None:
            raise ValueError(f"LOSS.objective={objective} has no target; leave it 1.0, or choose another objective.")
        return real_target


# --- EVAL, INFER, VIS and CPU ---

ONE_GENERATOR = "the weights are pretrained_gen_model_path; leave it null."


class Evaluation(Strict):
    """What every evaluation has."""

    num_samples: PositiveInt
    batch_size: PositiveInt
    eval_with_no_grad: bool
    compute_metric_by_batch: only(False, "scores are of all samples at once; leave it false.")
    pretrained_gen_model_path: str | None
    pretrained_model_path: only(None, ONE_GENERATOR)


class ToyEvaluation(Evaluation):
    """Points are drawn over the contours of the critic."""

    pretrained_dis_model_path: str | None


class ScoringNetwork(Strict):
    """``EVAL.classifier``: a network that scores images."""

    weights: str | None


class ScoringInception(ScoringNetwork):
    """``EVAL.inception``: whose scores to compare with."""

    protocol: Literal[tuple(INCEPTIONS)]


Seed = Annotated[int, Field(ge=0, lt=2**32)]  # what NumPy takes


class Choice(Strict):
    """What to draw."""

    labels: Annotated[list[NonNegativeInt], Field(min_length=1)] | None
    seeds: Annotated[list[Seed], Field(min_length=1)] | None
    truncation: Annotated[float, Field(ge=LEAST_TRUNCATION)] | None


class ImageEvaluation(Evaluation, Choice):
    """Scores and pictures of images."""

    num_images: PositiveInt
    scores: Families
    splits: PositiveInt
    subset_size: Annotated[int, Field(ge=2, lt=2**31)]
    inception: ScoringInception
    classifier: ScoringNetwork


class Inference(Choice):
    """The exported generator, and how ppsci's predictor runs it."""

    num_images: PositiveInt
    batch_size: PositiveInt
    device: Device
    pretrained_gen_model_path: str | None
    pretrained_model_path: only(None, ONE_GENERATOR)
    export_path: str
    pdmodel_path: str | None
    pdiparams_path: str | None
    with_onnx: bool
    onnx_half: bool
    onnx_path: str | None
    engine: Literal["native", "tensorrt", "onnx", "mkldnn"]
    precision: Literal["fp32", "fp16", "int8"]
    ir_optim: bool
    min_subgraph_size: PositiveInt
    gpu_mem: PositiveInt
    gpu_id: only(0, "the card is chosen by INFER.device, such as gpu:1; leave it 0.")
    max_batch_size: PositiveInt
    num_cpu_threads: NonNegativeInt

    @field_validator("engine")
    @classmethod
    def engine_runs_on_device(cls, engine: str, info: ValidationInfo) -> str:
        """Some run on one kind of device only."""
        kind = info.data.get("device", "auto").split(":")[0]
        if engine in ENGINES and kind not in ("auto", ENGINES[engine]):
            raise ValueError(f"it runs on {ENGINES[engine]}, not on {kind}; add device={ENGINES[engine]}.")
        return engine


class Pictures(Strict):
    """``VIS``: what is drawn."""

    num_images: PositiveInt


class Cpu(Strict):
    """How the CPU computes."""

    convolution: Literal[layers.KERNELS]
