"""The WGAN-GP scripts from end to end: train, evaluate, export, infer, in small."""

import json
import subprocess
import sys

import numpy as np
import paddle
import pytest
import warm
from examples.conftest import write_mnist
from hydra import compose
from hydra import initialize_config_dir
from PIL import Image

from ppsci_gan import weights
from ppsci_gan.errors import InputError
from ppsci_gan.features import inception
from ppsci_gan.files import REPOSITORY
from ppsci_gan.networks import latent
from ppsci_gan.networks import wgangp

EPOCHS = 2
ITERATIONS = 2  # of each
NUM_IMAGES = 6  # to infer, in batches of 4
FIXED = 9  # images of a grid
TINY = [
    "device=cpu",
    "log_freq=1",
    f"TRAIN.epochs={EPOCHS}",
    f"TRAIN.iters_per_epoch={ITERATIONS}",
    "TRAIN.n_critic=2",
    "TRAIN.sample_freq=2",
    "TRAIN.eval_during_train=true",
    "EVAL.num_samples=8",
    "EVAL.batch_size=4",
    f"INFER.num_images={NUM_IMAGES}",
    "INFER.batch_size=4",
    f"VIS.num_images={FIXED}",
]
TOY = ["MODEL.gen_net.dim=8", "MODEL.dis_net.dim=8", "TRAIN.batch_size=16", "DATA.num_samples=64"]
IMAGES = [
    "MODEL.gen_net.dim=2",
    "MODEL.dis_net.dim=2",
    "TRAIN.batch_size=4",
    "TRAIN.lr_scheduler_gen.learning_rate=0.02",  # so that a few iterations show
    "TRAIN.eval_freq=1",
    "TRAIN.num_eval_samples=8",
    f"EVAL.num_images={FIXED}",
    "EVAL.splits=2",
    "EVAL.subset_size=4",
]
AVERAGE = ["TRAIN.ema.use_ema=true", "TRAIN.ema.decay=0.5"]


@pytest.fixture
def run(load_example, plain_curves, tmp_path):
    """``run(name, function, overrides)`` calls a script's function with output to a folder of that name."""

    def call(name, function, overrides):
        script = load_example("wgangp", f"wgangp_{name}")
        output_dir = tmp_path / function
        paddle.seed(len(function))  # weights that a function forgot to load differ from the trained ones
        with initialize_config_dir(str(REPOSITORY / "conf"), version_base=None):
            places = [f"output_dir={output_dir}", f"INFER.export_path={tmp_path}/exported/generator"]
            cfg = compose(f"wgangp_{name}", [*TINY, *places, *overrides])
        getattr(script, function)(cfg)
        return script, cfg, output_dir

    return call


def rows_of(output_dir):
    return [json.loads(line) for line in (output_dir / "scalars.jsonl").read_text().splitlines()]


def size_of(picture):
    with Image.open(picture) as image:
        image.load()  # a truncated file fails here
        return image.mode, image.size


def names_in(folder):
    return sorted(file.name for file in folder.iterdir())


def check_training(output_dir, picture, average):
    """Checkpoints, scalars, curves and samples of a whole run are there, and say the right things."""
    kinds = ("raw", "averaged") if average else ("raw",)
    best = ["best.safetensors"] + ["best_averaged.safetensors"] * average
    assert names_in(output_dir / "checkpoints") == [*best, "latest.safetensors", "previous.safetensors"]
    assert names_in(output_dir / "samples") == ["0000002.png", "0000004.png"]
    assert {size_of(file) for file in (output_dir / "samples").iterdir()} == {picture}
    assert {"curves.png", "scores.png"} <= set(names_in(output_dir))

    rows = rows_of(output_dir)
    logged = [row for row in rows if "critic/loss" in row]
    scored = [row for row in rows if any(key.startswith("eval_") for key in row)]
    assert [row["iteration"] for row in logged] == [1, 2, 3, 4]
    assert [row["iteration"] for row in scored] == [2, 4]
    assert np.isfinite([value for row in rows for value in row.values()]).all()
    assert {"critic/wasserstein", "critic/penalty", "generator/loss", "lr/critic", "lr/generator"} <= set(logged[0])
    assert {key.split("/")[0] for key in scored[0]} == {"iteration", *(f"eval_{kind}" for kind in kinds)}

    _, state = weights.read_checkpoint(output_dir / "checkpoints" / "latest")
    assert state["iteration"] == EPOCHS * ITERATIONS
    return {key: value for key, value in scored[-1].items() if key.startswith(f"eval_{kinds[-1]}/")}


def check_scores(output_dir, scores_while_training):
    """Evaluating the checkpoint gives what the run saw at its end: the same weights, latent and data."""
    scores = json.loads((output_dir / "scores.json").read_text())
    part = {"_std": "std", "_std_of_real": "real_std", "_of_real": "real"}
    for key, value in scores_while_training.items():
        name = key.partition("/")[2]
        suffix = next((end for end in part if name.endswith(end)), "")
        record = scores[name.removesuffix(suffix)]
        assert record[part.get(suffix, "value")] == pytest.approx(value, rel=1e-6), key
        assert record["protocol"]["samples"] == 8
        assert "weights of iteration 4" in record["protocol"]["generator"]
    return scores


def check_protocols(scores, conditional):
    """Every score of images is there, says what it rests on, and stands beside that of real images."""
    network = {"score", "frechet_distance", "kernel_distance", "precision", "recall", "density", "coverage"}
    expected = {f"classifier.{key}" for key in network} | {"pixels.sliced_wasserstein"}
    expected |= {"classifier.accuracy"} if conditional else {"pixels.ms_ssim"}
    assert expected <= set(scores)
    for name, score in scores.items():
        assert np.isfinite([score["value"], score["real"]]).all()
        assert {"samples", "latent_seed", "generator", "held_out", "better"} <= set(score["protocol"]), name
        assert name.startswith("pixels") or len(score["protocol"]["network_sha256"]) == 64
    assert {"splits", "seed"} <= set(scores["classifier.score"]["protocol"])
    assert scores["classifier.frechet_distance"]["protocol"]["real_samples"] in (20, 40)


def run_everything(run, name, overrides, picture, average=False):
    """Train, evaluate, export and infer; gives what the last one wrote and was told."""
    _, _, trained = run(name, "train", overrides)
    scores = check_training(trained, picture, average)
    weights_path = trained / "checkpoints" / "latest"
    given = [*overrides, f"EVAL.pretrained_gen_model_path={weights_path}"]

    _, cfg, evaluated = run(name, "evaluate", given)
    scored = check_scores(evaluated, scores)
    if name != "toy":
        check_protocols(scored, conditional=cfg.MODEL.gen_net.get("use_label", False))
    assert size_of(evaluated / "samples.png") == picture

    _, cfg, exported = run(name, "export", given)
    assert {file.name for file in exported.parent.joinpath("exported").iterdir()} >= {
        "generator.json",
        "generator.pdiparams",
    }
    script, cfg, inferred = run(name, "inference", overrides)
    timing = json.loads((inferred / "time_result.json").read_text())
    assert (timing["device"], timing["batch_size"]) == ("cpu", 4)
    assert all(timing[key] > 0 for key in ("first_batch_ms", "total_ms", "ms_per_batch", "images_per_second"))
    assert names_in(inferred / "images") == [f"{number:05d}.png" for number in range(NUM_IMAGES)]
    return script, cfg, inferred, weights_path


@pytest.mark.parametrize("name", ["8gaussians", "25gaussians", "swissroll"])
def test_toy(run, name):
    average = name == "8gaussians"
    overrides = [*TOY, f"DATA.name={name}", *(AVERAGE if average else [])]
    _, _, inferred, _ = run_everything(run, "toy", overrides, ("RGBA", (1026, 900)), average)
    assert {size_of(file)[1] for file in (inferred / "images").iterdir()} == {(900, 900)}
    scores = json.loads((inferred.parent / "evaluate" / "scores.json").read_text())
    assert {"value", "real"} <= set(scores["points.sliced_wasserstein"])
    of_modes = {"modes", "high_quality", "mode_spread", "mode_offset", "sliced_wasserstein_within", "mode_distance"}
    assert ({f"points.{key}" for key in of_modes} < set(scores)) is (name != "swissroll")
    assert ("points.coverage" in scores) is (name == "swissroll")
    assert all("real" in record for record in scores.values())
    if name != "swissroll":
        for key in ("mode_spread", "mode_offset", "least_mode_share"):
            per_mode = scores[f"points.{key}"]["protocol"]["per_mode"]
            assert len(per_mode) == int(name.removesuffix("gaussians"))
            mean = min(per_mode) if key == "least_mode_share" else np.mean(per_mode)
            assert scores[f"points.{key}"]["value"] == pytest.approx(mean, abs=1e-3)  # they are rounded


# MS-SSIM within a class needs two images of each, more than the tests' data have.
FAMILIES = "[score,frechet_distance,kernel_distance,precision_recall,density_coverage,sliced_wasserstein]"
CONDITIONAL = [f"EVAL.scores={FAMILIES}"]
UNCONDITIONAL = ["preset=unconditional"]
IMAGE_RUNS = {
    "mnist": ("mnist", []),
    "mnist averaged": ("mnist", AVERAGE),
    "cifar10 unconditional": ("cifar10", [*UNCONDITIONAL, *AVERAGE]),
    "cifar10 conditional": ("cifar10", CONDITIONAL),
    "cifar10 conditional, layer norm": ("cifar10", [*CONDITIONAL, "MODEL.dis_net.normalize=true"]),
    "cifar10 without normalisation": ("cifar10", [*UNCONDITIONAL, "MODEL.gen_net.normalize=false"]),
    "cifar10 dcgan": ("cifar10", ["preset=dcgan"]),
    "cifar10 dcgan, layer norm": ("cifar10", ["preset=dcgan", "MODEL.dis_net.normalize=true"]),
}


@pytest.mark.parametrize("case", IMAGE_RUNS)
def test_images(run, data, case):
    name, settings = IMAGE_RUNS[case]
    mode, side = ("L", 28) if name == "mnist" else ("RGB", 32)
    grid = 3 * side * (64 // side) + 4 * 2  # nine images, enlarged, and lines of two pixels
    overrides = [*IMAGES, f"DATA.data_path={data[name]}", *settings]
    everything = run_everything(run, name, overrides, (mode, (grid, grid)), average=set(AVERAGE) <= set(settings))
    check_images(*everything, mode, side)


def check_images(script, cfg, inferred, weights_path, mode, side):
    """What the exported generator drew is what the trained one draws from the same latent."""
    generator = script.load_generator(cfg, str(weights_path))
    generator.eval()
    inputs = latent.sample_fixed(generator, NUM_IMAGES, cfg.seed)
    expected = generator.to_images(
        generator({key: paddle.to_tensor(value) for key, value in inputs.items()})["fake_data"].numpy()
    )
    for number, image in enumerate(expected):
        file = inferred / "images" / f"{number:05d}.png"
        assert size_of(file) == (mode, (side, side))
        drawn = np.asarray(Image.open(file)).reshape([side, side, -1]).transpose([2, 0, 1])
        assert np.abs(drawn.astype(int) - image).max() <= 1  # a rounding apart
    assert expected.std() > 4


def test_evaluation_without_data_gives_the_scores_that_need_none(run, data):
    _, _, trained = run("mnist", "train", [*IMAGES, f"DATA.data_path={data['mnist']}"])
    weights_path = f"EVAL.pretrained_gen_model_path={trained}/checkpoints/latest"
    _, _, evaluated = run("mnist", "evaluate", [*IMAGES, weights_path])
    assert size_of(evaluated / "samples.png") == ("L", (176, 176))
    scores = json.loads((evaluated / "scores.json").read_text())
    assert set(scores) == {"classifier.score", "pixels.ms_ssim"}
    assert all("real" not in score for score in scores.values())


def test_training_starts_from_given_weights(run, load_example, tmp_path):
    model = wgangp
    generator = model.WganGpToyGenerator(["noise"], ["fake_data"], dim=8)
    critic = model.WganGpToyDiscriminator(["data"], ["score"], dim=8)
    weights.save(generator, tmp_path / "generator.pdparams")
    weights.save(critic, tmp_path / "critic.pdparams")
    given = [
        f"TRAIN.pretrained_gen_model_path={tmp_path}/generator.pdparams",
        f"TRAIN.pretrained_dis_model_path={tmp_path}/critic.pdparams",
        "TRAIN.lr_scheduler_gen.learning_rate=1e-9",
        "TRAIN.lr_scheduler_gen.end_lr=1e-9",
    ]
    _, _, trained = run("toy", "train", [*TOY, *given])
    for part, network in (("generator", generator), ("critic", critic)):
        arrays = weights.read(str(trained / "checkpoints" / "latest"), part)
        for name, value in network.state_dict().items():
            np.testing.assert_allclose(arrays[name], value.numpy(), atol=1e-6, err_msg=name)


@pytest.mark.parametrize("name", ["toy", "mnist", "cifar10"])
def test_command_from_another_folder(tmp_path, data, name):
    overrides = [*TINY, *(TOY if name == "toy" else [*IMAGES, f"DATA.data_path={data[name]}"]), "TRAIN.sample_freq=0"]
    script = REPOSITORY / "examples" / "wgangp" / f"wgangp_{name}.py"
    python = sys.executable if name == "toy" else warm.python()
    process = subprocess.run(
        [python, str(script), *overrides], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert process.returncode == 0, process.stderr
    (log,) = tmp_path.glob(f"outputs_wgangp_{name}/*/*/train.log")
    assert "CPU settings: " in log.read_text()
    assert "running on cpu" in log.read_text()
    assert [row["iteration"] for row in rows_of(log.parent) if "critic/loss" in row] == [1, 2, 3, 4]
    assert (log.parent / "checkpoints" / "latest.safetensors").is_file()
    for curves in ("curves.png", "scores.png"):
        assert size_of(log.parent / curves)[1] > (500, 300)
    assert [file.name for file in tmp_path.iterdir()] == [f"outputs_wgangp_{name}"]


def test_inception_scores_where_its_weights_are(run, tmp_path):
    file = tmp_path / "mnist.pkl.gz"
    write_mnist(file, (6, 2, 4), np.random.default_rng(0))  # few, as the network takes long
    network = inception.Inception()
    arrays = {f"inception/{name}": value.numpy() for name, value in network.state_dict().items()}
    weights.save_checkpoint(tmp_path / "inception.safetensors", arrays, {})
    _, _, trained = run("mnist", "train", [*IMAGES, f"DATA.data_path={file}"])
    given = [
        f"EVAL.pretrained_gen_model_path={trained}/checkpoints/latest",
        f"EVAL.inception.weights={tmp_path}/inception.safetensors",
        "EVAL.classifier.weights=null",
        "EVAL.scores=[score,frechet_distance,kernel_distance]",
        "EVAL.num_samples=4",
    ]
    _, _, evaluated = run("mnist", "evaluate", [*IMAGES, f"DATA.data_path={file}", *given])
    scores = json.loads((evaluated / "scores.json").read_text())
    assert set(scores) == {"inception.score", "inception.frechet_distance", "inception.kernel_distance"}
    assert not any("title" in score["protocol"] for score in scores.values())  # these weights are not the published
    assert {score["protocol"]["network_sha256"] for score in scores.values()} == {weights.digest(network)}
    assert all("TensorFlow 1" in score["protocol"]["resize"] for score in scores.values())


def test_training_keeps_the_best_of_the_chosen_score(run, data):
    chosen = ["TRAIN.best_score=classifier.score", "TRAIN.epochs=3"]
    _, _, trained = run("mnist", "train", [*IMAGES, f"DATA.data_path={data['mnist']}", *chosen])
    rows = [row for row in rows_of(trained) if "eval_raw/classifier.score" in row]
    best = max(rows, key=lambda row: row["eval_raw/classifier.score"])
    _, state = weights.read_checkpoint(trained / "checkpoints" / "best")
    assert state["iteration"] == best["iteration"]
    assert state["best"]["raw"] == best["eval_raw/classifier.score"]


def test_a_score_that_is_not_computed_cannot_choose(run, data):
    chosen = "TRAIN.best_score=inception.frechet_distance"
    with pytest.raises(InputError, match="not among the scores while training: classifier.score, classifier.frechet"):
        run("mnist", "train", [*IMAGES, f"DATA.data_path={data['mnist']}", chosen])


def test_diverged_generator_has_no_score(run, data):
    _, _, trained = run("mnist", "train", [*IMAGES, f"DATA.data_path={data['mnist']}"])
    tensors, state = weights.read_checkpoint(trained / "checkpoints" / "latest")
    tensors = {name: np.full_like(value, np.nan) for name, value in tensors.items()}
    weights.save_checkpoint(trained / "diverged.safetensors", tensors, state)
    with pytest.raises(InputError, match="diverged.safetensors: .* has a value that is nan"):
        run("mnist", "evaluate", [*IMAGES, f"EVAL.pretrained_gen_model_path={trained}/diverged"])
