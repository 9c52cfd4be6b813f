"""A schema per experiment: exactly the keys that it reads."""

from typing import Annotated
from typing import Any
from typing import Literal

from pydantic import Field
from pydantic import model_validator

from ppsci_gan.config import groups
from ppsci_gan.config import training
from ppsci_gan.config.groups import PositiveInt
from ppsci_gan.config.networks import make_model_schema
from ppsci_gan.networks import dcgan
from ppsci_gan.networks import pgan
from ppsci_gan.networks import wgangp


class Experiment(groups.Strict):
    """What every experiment has; one of your own adds ``MODEL``, ``DATA``, ``TRAIN`` and ``EVAL``.

    Examples:
        >>> from ppsci_gan.config import Experiment, groups, make_model_schema, training
        >>> from ppsci_gan.networks.wgangp import WganGpToyDiscriminator, WganGpToyGenerator
        >>> class Mine(Experiment):
        ...     MODEL: make_model_schema(WganGpToyGenerator, WganGpToyDiscriminator)
        ...     DATA: groups.ToyData
        ...     TRAIN: training.WganGpTraining
        ...     EVAL: groups.ToyEvaluation
    """

    mode: Literal["train", "eval", "export", "infer"]
    output_dir: str
    resume: str | None
    resume_changed: bool
    device: groups.Device
    seed: groups.Seed
    log_freq: PositiveInt
    log_level: Literal["debug", "info", "warning", "error"]
    use_vdl: bool
    use_tbd: bool
    use_wandb: bool
    wandb_config: dict[str, Any]
    use_amp: bool
    amp_level: Literal["O1", "O2"]
    amp_dtype: Literal["float16", "bfloat16"]
    to_static: groups.only(False, "the gradient penalty runs in dynamic mode only; leave it false.")
    CPU: groups.Cpu
    LOSS: groups.Loss
    INFER: groups.Inference
    VIS: groups.Pictures

    @model_validator(mode="after")
    def weights_are_given(self):
        """Evaluation and export need weights; random ones are never used."""
        for mode, group in (("eval", "EVAL"), ("export", "INFER")):
            if self.mode == mode and getattr(self, group).pretrained_gen_model_path is None:
                raise ValueError(
                    f"{group}.pretrained_gen_model_path is not set: mode={mode} needs a file, a URL or a checkpoint."
                )
        return self


class WganGpToy(Experiment):
    """``conf/wgangp_toy.yaml``."""

    MODEL: make_model_schema(wgangp.WganGpToyGenerator, wgangp.WganGpToyDiscriminator)
    DATA: groups.ToyData
    TRAIN: training.WganGpTraining
    EVAL: groups.ToyEvaluation


class WganGpMnist(Experiment):
    """``conf/wgangp_mnist.yaml``."""

    MODEL: make_model_schema(wgangp.WganGpMnistGenerator, wgangp.WganGpMnistDiscriminator)
    DATA: groups.FileData
    TRAIN: training.WganGpImageTraining
    EVAL: groups.ImageEvaluation


class WganGpCifar10(Experiment):
    """``conf/wgangp_cifar10.yaml``."""

    MODEL: make_model_schema(
        [wgangp.WganGpCifar10Generator, wgangp.WganGpCifar10DcganGenerator],
        [wgangp.WganGpCifar10Discriminator, wgangp.WganGpCifar10DcganDiscriminator],
        architecture=Literal["resnet", "dcgan"],
    )
    DATA: groups.Cifar10Data
    TRAIN: training.WganGpImageTraining
    EVAL: groups.ImageEvaluation


class Pgan(Experiment):
    """``conf/pgan.yaml``."""

    MODEL: make_model_schema(
        pgan.PganGenerator, pgan.PganDiscriminator, scale=Annotated[int, Field(ge=0, lt=30)] | None
    )
    DATA: groups.GrowingData
    TRAIN: training.GrowingTraining
    EVAL: groups.ImageEvaluation

    @model_validator(mode="after")
    def networks_grow_through_the_stages(self):
        """The networks have a scale for every stage, and the stages become larger."""
        if self.mode != "train":
            return self
        train, depths = self.TRAIN, self.MODEL.gen_net.depths
        sizes, possible = [stage.resolution for stage in train.stages], pgan.list_resolutions(depths)
        if not set(sizes) <= set(possible):
            raise ValueError(
                f"TRAIN.stages has resolutions {sizes}; MODEL.gen_net.depths={depths} has {len(possible)} scales: "
                f"{possible}."
            )
        if sizes != sorted(sizes):
            raise ValueError(f"TRAIN.stages has resolutions {sizes}: they must not become smaller.")
        if possible.index(sizes[-1]) < train.start_scale:
            raise ValueError(f"TRAIN.start_scale={train.start_scale}: TRAIN.stages ends with {sizes[-1]} pixels.")
        return self


class Dcgan(Experiment):
    """``conf/dcgan.yaml``."""

    MODEL: make_model_schema(dcgan.DcganGenerator, dcgan.DcganDiscriminator)
    DATA: groups.ImageData
    TRAIN: training.DcganTraining
    EVAL: groups.ImageEvaluation


class TransferGan(Experiment):
    """``conf/transfergan.yaml``."""

    MODEL: make_model_schema(wgangp.WganGpCifar10Generator, wgangp.WganGpCifar10Discriminator)
    DATA: groups.TargetData
    TRAIN: training.WganGpImageTraining
    EVAL: groups.ImageEvaluation
    TRANSFER: training.Transfer
    STUDY: training.Study
