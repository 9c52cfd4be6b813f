"""DCGAN from end to end in small: every kind of data, going on, collapse, fine-tuning, pictures, and bad input."""

import json
import subprocess
import sys

import numpy as np
import paddle
import pytest
import warm
from PIL import Image

from ppsci_gan import weights
from ppsci_gan.data import prepare
from ppsci_gan.errors import InputError
from ppsci_gan.errors import TrainingError
from ppsci_gan.files import REPOSITORY
from ppsci_gan.networks import dcgan
from ppsci_gan.networks import latent

SCRIPT = REPOSITORY / "examples" / "dcgan" / "dcgan.py"
TINY = [
    "device=cpu",
    "log_freq=1",
    "DATA.num_samples=24",
    "MODEL.gen_net.image_size=[16,16]",
    "MODEL.gen_net.depths=[4,4]",
    "MODEL.gen_net.latent_dim=5",
    "MODEL.dis_net.depths=[4,4]",
    "TRAIN.epochs=2",
    "TRAIN.iters_per_epoch=3",
    "TRAIN.batch_size=4",
    "TRAIN.num_eval_samples=8",
    "TRAIN.lr_scheduler_gen.learning_rate=0.02",
    "TRAIN.ema.use_ema=true",
    "TRAIN.ema.decay=0.5",
    "EVAL.num_samples=8",
    "EVAL.num_images=5",
    "EVAL.batch_size=4",
    "EVAL.splits=2",
    "EVAL.subset_size=4",
    "INFER.num_images=6",
    "INFER.batch_size=4",
    "VIS.num_images=9",
]
MNIST = ["preset=mnist", "MODEL.gen_net.image_size=[28,28]", "MODEL.gen_net.hidden=8", "MODEL.dis_net.hidden=8"]
FAMILIES = "EVAL.scores=[score,frechet_distance,per_class,sliced_wasserstein]"


@pytest.fixture
def run(runner):
    return runner("dcgan", TINY)


def rows_of(output_dir):
    return [json.loads(line) for line in (output_dir / "scalars.jsonl").read_text().splitlines()]


def names_in(folder):
    return sorted(file.name for file in folder.iterdir())


def size_of(picture):
    with Image.open(picture) as image:
        return image.size


def checkpoint(folder, name="latest"):
    return weights.read_checkpoint(folder / "checkpoints" / name)


def test_an_epoch_is_a_pass_over_the_data(run):
    trained = run("train", "TRAIN.iters_per_epoch=null", "TRAIN.epochs=1", "TRAIN.n_critic=2")
    assert [row["iteration"] for row in rows_of(trained) if "generator/loss" in row] == [1, 2, 3]  # 24 faces
    assert names_in(trained / "samples") == ["0000003.png"]
    weights_path = f"EVAL.pretrained_gen_model_path={trained}/checkpoints/latest"
    run("evaluate", "TRAIN.iters_per_epoch=null", weights_path)


def test_faces_from_end_to_end(run, load_example):
    trained = run("train")
    names = ["best.safetensors", "best_averaged.safetensors", "latest.safetensors"]
    assert names_in(trained / "checkpoints") == names
    assert names_in(trained / "samples") == ["0000003.png", "0000006.png"]  # a grid per epoch
    assert names_in(trained / "histograms") == ["epoch_00001.png", "epoch_00002.png"]
    rows = [row for row in rows_of(trained) if "generator/loss" in row]
    assert [row["iteration"] for row in rows] == [1, 2, 3, 4, 5, 6]
    terms = {"loss", "accuracy_real", "accuracy_fake", "diversity"}
    assert {f"critic/{term}" for term in terms} <= set(rows[0])

    given = f"EVAL.pretrained_gen_model_path={trained}/checkpoints/latest"
    evaluated = run("evaluate", given)
    scores = json.loads((evaluated / "scores.json").read_text())
    last = [row for row in rows_of(trained) if "eval_averaged/pixels.sliced_wasserstein" in row][-1]
    assert scores["pixels.sliced_wasserstein"]["value"] == pytest.approx(
        last["eval_averaged/pixels.sliced_wasserstein"], rel=1e-6
    )
    assert size_of(evaluated / "walk.png") == (12 * 66 + 2, 6 * 66 + 2)
    assert size_of(evaluated / "nearest.png") == (8 * 66 + 2, 5 * 66 + 2)
    assert not (evaluated / "classes.png").exists()
    assert len(names_in(evaluated / "images")) == 5

    run("export", given)
    inferred = run("inference")
    model = dcgan
    generator = model.DcganGenerator(("noise",), ("fake_data",), [16, 16], [4, 4], latent_dim=5)
    weights.load(generator, f"{trained}/checkpoints/latest", "MODEL.gen_net", "generator")
    generator.eval()
    inputs = latent.sample_fixed(generator, 6, seed=42)
    expected = generator({"noise": paddle.to_tensor(inputs["noise"])})["fake_data"].numpy()
    for number, image in enumerate(np.rint((expected + 1) * 127.5)):
        with Image.open(inferred / "images" / f"{number:05d}.png") as picture:
            assert np.abs(np.asarray(picture).transpose(2, 0, 1) - image).max() <= 1
    assert json.loads((inferred / "time_result.json").read_text())["images_per_second"] > 0


def test_conditional_mnist_is_scored_per_class(run, data):
    settings = [*MNIST, f"DATA.data_path={data['mnist']}"]
    trained = run("train", *settings)
    evaluated = run(
        "evaluate",
        *settings,
        f"EVAL.pretrained_gen_model_path={trained}/checkpoints/latest",
        FAMILIES,
        "EVAL.num_samples=12",
    )
    scores = json.loads((evaluated / "scores.json").read_text())
    assert {"classifier.accuracy", "classifier.frechet_distance"} <= set(scores)
    own = [scores[f"classifier.accuracy_class_{label}"]["value"] for label in range(10)]
    # Twelve samples: two of classes 0 and 1, one of each other.
    assert scores["classifier.accuracy"]["value"] == pytest.approx(np.average(own, weights=[2, 2] + [1] * 8))
    assert "classifier.frechet_distance_class_0" in scores
    assert "classifier.frechet_distance_class_5" not in scores  # no covariance of one sample
    assert scores["classifier.accuracy_class_0"]["protocol"]["better"] == "higher"
    assert scores["classifier.frechet_distance_class_0"]["protocol"]["better"] == "lower"
    assert size_of(evaluated / "classes.png") == (10 * 58 + 2, 10 * 58 + 2)
    with Image.open(evaluated / "classes.gif") as walk:
        assert (walk.n_frames, walk.size) == (72, (280, 28))


def test_going_on_gives_the_same_run(run, interrupted_after):
    """Running statistics of batch normalisation included, which a trial step before training must leave alone."""
    whole = run("train", folder="whole")
    with interrupted_after(4):
        run("train", folder="stopped")
    latest = f"TRAIN.checkpoint_path={whole.parent}/stopped/checkpoints/latest"
    resumed = run("train", latest, folder="stopped")
    (found, found_state), (expected, state) = checkpoint(resumed), checkpoint(whole)
    assert found_state == state
    assert found.keys() == expected.keys()
    assert any(name.endswith("_mean") for name in found)
    for name, value in expected.items():
        np.testing.assert_array_equal(found[name], value, err_msg=name)


def test_histograms_do_not_change_a_run(run, monkeypatch, load_example):
    with_them = run("train", folder="with")
    script = load_example("dcgan", "dcgan")
    monkeypatch.setattr(script, "draw_histograms", lambda *_: None)
    without = run("train", folder="without")
    assert not (without / "histograms").exists()
    for name, value in checkpoint(with_them)[0].items():
        np.testing.assert_array_equal(checkpoint(without)[0][name], value, err_msg=name)


def test_generator_is_updated_as_often_as_asked_for(run):
    power = "optimizer/{}/norms.0.weight/beta1_pow_acc_0"
    for updates in (1, 3):
        tensors, _ = checkpoint(run("train", f"TRAIN.n_gen={updates}"))
        assert tensors[power.format("generator")].item() == pytest.approx(0.5 ** (6 * updates + 1))
        assert tensors[power.format("critic")].item() == pytest.approx(0.5**7)


COLLAPSED = ["TRAIN.collapse.window=2", "TRAIN.collapse.diversity=1e6"]  # nothing is that diverse


@pytest.mark.parametrize("objective", ["wasserstein", "hinge"])
def test_any_objective_and_a_penalty(run, objective):
    trained = run("train", f"LOSS.objective={objective}", "LOSS.penalty_weight=10", "TRAIN.eval_during_train=false")
    last = [row for row in rows_of(trained) if "critic/loss" in row][-1]
    assert "critic/penalty" in last
    assert ("critic/wasserstein" in last) == (objective == "wasserstein")


def test_collapse_is_reported_and_the_training_goes_on(run, caplog):
    with caplog.at_level("WARNING", logger="ppsci"):
        trained = run("train", *COLLAPSED)
    assert checkpoint(trained)[1]["iteration"] == 6
    assert caplog.text.count("generated samples are nearly all alike: over 2 iterations") == 1


def test_collapse_can_stop_and_keeps_the_best(run):
    with pytest.raises(TrainingError, match=r"stopped at iteration 4: .*kept \(best\.safetensors, best_averaged"):
        run("train", "TRAIN.collapse.window=4", COLLAPSED[1], "TRAIN.collapse.stop=true")


@pytest.mark.parametrize("objective", ["minimax", "least_squares", "hinge"])
def test_every_objective_trains(run, objective):
    settings = [f"LOSS.objective={objective}", "LOSS.real_target=0.9", "LOSS.instance_noise=0.1", "TRAIN.update_freq=2"]
    rows = rows_of(run("train", *settings, "TRAIN.eval_during_train=false"))
    assert np.isfinite([value for row in rows for value in row.values()]).all()


def test_fine_tuning_on_other_data_with_labels(run, caplog):
    first = run("train", folder="first")
    given = [f"TRAIN.pretrained_{player}_model_path={first}/checkpoints/latest" for player in ("gen", "dis")]
    labels = ["MODEL.gen_net.use_label=true", "MODEL.gen_net.label_num=5", "seed=7"]
    with caplog.at_level("INFO", logger="ppsci"):
        run("train", *given, *labels, folder="second")
    assert "these keep all but the classes' part: linears.0.weight, ups.0.weight, ups.1.weight" in caplog.text
    assert "these keep all but the classes' part: downs.0.weight, downs.1.weight, linears.0.weight" in caplog.text
    with pytest.raises(InputError, match="does not fit"):
        run("train", *given, "MODEL.gen_net.depths=[8,4]")


@pytest.mark.parametrize("channels", [1, 3])
def test_prepared_pictures_of_any_shape(run, tmp_path, channels):
    rng = np.random.default_rng(0)
    for index in range(80):
        folder = tmp_path / "pictures" / "xy"[index % 2]
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 256, (22, 18, 3), np.uint8)).save(folder / f"{index}.png")
    source, grey = str(tmp_path / "pictures"), channels == 1
    prepared = prepare.prepare(source, str(tmp_path / "prepared"), size="20x16", grey=grey)
    settings = ["DATA.name=pictures", f"DATA.data_path={prepared}", f"MODEL.gen_net.channels={channels}"]
    settings += ["MODEL.gen_net.image_size=[20,16]", "MODEL.gen_net.use_label=true", "MODEL.gen_net.label_num=2"]
    trained = run("train", *settings)
    latest = f"EVAL.pretrained_gen_model_path={trained}/checkpoints/latest"
    evaluated = run("evaluate", *settings, latest, FAMILIES)
    assert size_of(evaluated / "images" / "00000.png") == (16, 20)
    assert size_of(evaluated / "classes.png") == (2 * 66 + 2, 10 * 82 + 2)
    with pytest.raises(InputError, match=r"prepared has heights \[20\], not the 24 pixels"):
        run("train", *settings, "MODEL.gen_net.image_size=[24,16]")
    with pytest.raises(
        InputError, match=f"20 x 16 pixels and {channels} channels, the network's have .* choose MODEL.gen_net"
    ):
        run("train", *settings, f"MODEL.gen_net.channels={4 - channels}")


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["MODEL.gen_net.image_size=[16,18]"], "give height and width, multiples of 4|has images of"),
        (["MODEL.gen_net.use_label=true", "MODEL.gen_net.label_num=4"], "drawn faces train has classes up to 4"),
        (["DATA.name=mnist"], "DATA.data_path"),
        (["TRAIN.batch_size=25"], "more than the data set has, 24 samples"),
    ],
)
def test_bad_settings_are_named(run, overrides, message):
    with pytest.raises(InputError, match=message):
        run("train", *overrides)


def test_command_from_another_folder(tmp_path):
    command = [sys.executable, str(SCRIPT), *TINY, "preset=quick", "MODEL.dis_net.depths=[4,4]"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    (log,) = tmp_path.glob("outputs_dcgan/*/*/train.log")
    assert "critic/diversity" in log.read_text()
    command = [warm.python(), *command[1:], *COLLAPSED, "TRAIN.collapse.stop=true"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, "Traceback" in done.stderr) == (2, False)
    assert "Error: stopped at iteration 2: generated samples are nearly all alike" in done.stderr
