"""Transferring GANs from end to end in small: every kind of target, every knob, going on, the study, and bad input."""

import json
import subprocess
import time

import numpy as np
import pytest
import warm
from hydra import compose
from hydra import initialize_config_dir
from PIL import Image

from ppsci_gan import weights
from ppsci_gan.data import prepare
from ppsci_gan.errors import InputError
from ppsci_gan.files import REPOSITORY

FOLDER = REPOSITORY / "examples" / "transfergan"
TINY = [
    "device=cpu",
    "log_freq=1",
    "DATA.num_samples=24",
    "MODEL.gen_net.dim=4",
    "MODEL.gen_net.resolution=32",
    "TRANSFER.learning_rate_gen=0.002",
    "TRAIN.epochs=2",
    "TRAIN.iters_per_epoch=2",
    "TRAIN.batch_size=4",
    "TRAIN.n_critic=1",
    "TRAIN.num_eval_samples=8",
    "TRAIN.ema.use_ema=true",
    "TRAIN.ema.decay=0.5",
    "EVAL.num_samples=8",
    "EVAL.num_images=5",
    "EVAL.batch_size=4",
    "EVAL.splits=2",
    "EVAL.subset_size=4",
    "INFER.num_images=6",
    "INFER.batch_size=4",
    "VIS.num_images=4",
]
FACES = ["DATA.name=faces"]
HAIR = ["MODEL.gen_net.use_label=true", "MODEL.gen_net.label_num=5"]
SCRATCH = ["TRANSFER.load=none"]
SCORES = "EVAL.scores=[frechet_distance,sliced_wasserstein]"


@pytest.fixture
def run(runner):
    return runner("transfergan", TINY)


@pytest.fixture(scope="module")
def sources(tmp_path_factory):
    """Paths of checkpoints made once: by name of what they were trained on."""
    return {}


@pytest.fixture
def source(run, sources, tmp_path_factory):
    """A conditional source of drawn faces: five hair colours."""
    if "faces" not in sources:
        trained = run("train", *FACES, *SCRATCH, *HAIR, folder="s")
        sources["faces"] = tmp_path_factory.mktemp("source") / "faces.safetensors"
        (trained / "checkpoints" / "latest.safetensors").rename(sources["faces"])
    return sources["faces"]


def checkpoint(folder, name="latest"):
    return weights.read_checkpoint(folder / "checkpoints" / name)


def told(folder):
    return json.loads((folder / "transfer.json").read_text())


def names_in(folder):
    return sorted(file.name for file in folder.iterdir())


# --- from end to end ---


def test_scratch_then_transfer_to_some_classes(run, source):
    conditional = ["MODEL.gen_net.use_label=true", "MODEL.gen_net.label_num=2", "DATA.classes=[3,1]"]
    few = [*FACES, *conditional, "DATA.num_images=6", f"TRAIN.pretrained_gen_model_path={source}"]
    knobs = ["TRANSFER.class_map=[3,1]", "TRANSFER.freeze_gen=1", "TRANSFER.freeze_dis=2", "TRANSFER.average=source"]
    trained = run("train", *few, *knobs)
    report = told(trained)
    assert report["critic"]["source"] == str(source)
    assert "blocks.0.norm1.scale[0, 2, 4]" in report["generator"]["left_over"]
    assert not report["generator"]["fresh"]
    assert not report["critic"]["fresh"]
    theirs, ours = weights.read_checkpoint(source)[0], checkpoint(trained)[0]
    frozen = {f"{player}/{name}" for player in report for name in report[player]["frozen"]}
    for name in ("generator/input.weight", "critic/blocks.1.conv2.bias", "generator/blocks.0.norm2.offset"):
        assert name in frozen
    for name in frozen:
        expected = (
            theirs[name][[3, 1]] if name.endswith((".scale", ".offset")) and "generator" in name else theirs[name]
        )
        np.testing.assert_array_equal(ours[name], expected, err_msg=name)
    for name in ("generator/blocks.1.conv1.weight", "critic/blocks.2.conv1.weight"):
        assert np.abs(ours[name] - theirs[name]).max() > 0
    assert not any(name.startswith("optimizer/critic/blocks.0") for name in ours)

    evaluated = run("evaluate", *few, f"EVAL.pretrained_gen_model_path={trained}/checkpoints/best_averaged")
    scores = json.loads((evaluated / "scores.json").read_text())
    record = scores["pixels.sliced_wasserstein"]
    assert record["value"] > 0
    assert record["protocol"]["real"] == "drawn faces train, classes [3, 1]"  # not only the six that are trained on
    assert len(names_in(evaluated / "images")) == 5
    with Image.open(evaluated / "nearest.png") as picture:
        assert picture.size == (7 * 66 + 2, 5 * 66 + 2)  # a sample, and the six training images
    with Image.open(evaluated / "walk.gif") as walk:
        assert walk.n_frames == 72

    run("export", *conditional, f"EVAL.pretrained_gen_model_path={trained}/checkpoints/latest")
    inferred = run("inference", *conditional)
    assert names_in(inferred / "images") == [f"{number:05d}.png" for number in range(6)]


def test_going_on_gives_the_same_run(run, source, interrupted_after):
    given = [*FACES, *HAIR, "TRANSFER.freeze_dis=1"]
    given += [f"TRAIN.pretrained_gen_model_path={source}", "TRANSFER.average=source", "DATA.num_images=9"]
    whole = run("train", *given, folder="whole")
    with interrupted_after(3):
        run("train", *given, folder="stopped")
    latest = f"TRAIN.checkpoint_path={whole.parent}/stopped/checkpoints/latest"
    resumed = run("train", *given, latest, folder="stopped")
    (found, found_state), (expected, state) = checkpoint(resumed), checkpoint(whole)
    assert found_state == state
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        np.testing.assert_array_equal(found[name], value, err_msg=name)


@pytest.mark.parametrize("average", ["fresh", "source"])
def test_where_the_average_starts(run, source, average):
    """One iteration: Adam's first step is at most the learning rate, and a decay of 0.5 goes half of the way."""
    given = [*FACES, *HAIR, "TRAIN.eval_during_train=false"]
    tensors, state = weights.read_checkpoint(source)
    assert state["use"] == {"generator": "averaged"}
    halves = {name: value / 2 for name, value in tensors.items() if name.startswith("averaged/blocks")}
    path = source.with_name("halved.safetensors")
    weights.save_checkpoint(path, {**tensors, **halves}, state)
    given += [f"TRAIN.pretrained_gen_model_path={path}", f"TRANSFER.average={average}"]
    ours = checkpoint(run("train", *given, "TRAIN.epochs=1", "TRAIN.iters_per_epoch=1"))[0]
    name = "blocks.1.conv1.weight"
    raw, averaged = tensors[f"generator/{name}"], halves[f"averaged/{name}"]
    begun = raw if average == "source" else averaged
    np.testing.assert_allclose(ours[f"generator/{name}"], begun, atol=0.00201)
    np.testing.assert_allclose(ours[f"averaged/{name}"], (averaged + ours[f"generator/{name}"]) / 2, atol=1e-6)


@pytest.mark.parametrize("load", ["generator", "critic"])
def test_only_one_player_is_transferred(run, source, load):
    given = [*FACES, *HAIR]
    key = "gen" if load == "generator" else "dis"
    paths = ["TRAIN.pretrained_gen_model_path=null", f"TRAIN.pretrained_{key}_model_path={source}"]
    report = told(run("train", *given, *paths, f"TRANSFER.load={load}"))
    other = "critic" if load == "generator" else "generator"
    assert report[load]["loaded"]
    assert not report[load]["fresh"]
    assert report[other] == {
        "source": None,
        "loaded": [],
        "fresh": report[other]["fresh"],
        "frozen": [],
        "left_over": [],
    }


def test_players_learn_at_their_own_rates(run):
    trained = run("train", *FACES, *SCRATCH, "TRANSFER.learning_rate_dis=0.001", "TRAIN.eval_during_train=false")
    row = json.loads((trained / "scalars.jsonl").read_text().splitlines()[0])
    assert (row["lr/generator"], row["lr/critic"]) == (0.002, 0.001)


def test_published_generator_is_a_source(run):
    fixture = REPOSITORY / "tests" / "fixtures" / "published" / "cifar10_generator.pdparams"
    given = [*FACES, "TRANSFER.load=generator", f"TRAIN.pretrained_gen_model_path={fixture}", "MODEL.gen_net.dim=8"]
    report = told(run("train", *given, "TRAIN.eval_during_train=false"))
    assert {"blocks.0.norm1.weight", "published_arithmetic"} <= set(report["generator"]["loaded"])
    assert not report["generator"]["left_over"]


@pytest.mark.parametrize(
    "settings", [[], ["DATA.coloured=true", "MODEL.gen_net.channels=3"], ["MODEL.gen_net.channels=3"]]
)
def test_mnist_in_gray_and_in_colour(run, data, settings):
    given = [f"DATA.data_path={data['mnist']}", "DATA.name=mnist", "MODEL.gen_net.channels=1", *settings, *SCRATCH]
    if "DATA.coloured=true" not in settings:
        given += ["EVAL.classifier.weights=pretrained/classifier_mnist.safetensors", SCORES]
        given += ["TRAIN.scores=[frechet_distance]", "TRAIN.best_score=classifier.frechet_distance"]
    trained = run("train", *given)
    evaluated = run("evaluate", *given, f"EVAL.pretrained_gen_model_path={trained}/checkpoints/latest")
    assert (evaluated / "scores.json").is_file()


def test_cifar10_at_64_pixels(run, data):
    given = [f"DATA.data_path={data['cifar10']}", "DATA.name=cifar10", "MODEL.gen_net.resolution=64", *SCRATCH]
    trained = run(
        "train", *given, "MODEL.gen_net.dim=2", "TRAIN.epochs=1", "DATA.dequantize=true", "TRAIN.sample_freq=2"
    )
    with Image.open(trained / "samples" / "0000002.png") as picture:
        assert picture.size == (2 * 66 + 2, 2 * 66 + 2)


def test_prepared_pictures(run, tmp_path):
    (tmp_path / "pictures").mkdir()
    for number in range(20):
        pixels = np.random.default_rng(number).integers(0, 256, [40, 40, 3], np.uint8)
        Image.fromarray(pixels).save(tmp_path / "pictures" / f"{number}.png")
    prepare.prepare(str(tmp_path / "pictures"), str(tmp_path / "prepared"), size="32x32")
    given = [f"DATA.data_path={tmp_path}/prepared", "TRAIN.num_eval_samples=2", *SCRATCH]
    trained = run("train", *given)
    assert told(trained)["critic"]["fresh"]
    # So few images have no kernel distance of 1,000; without a network it is not asked for either.
    use = [f"EVAL.pretrained_gen_model_path={trained}/checkpoints/latest", "EVAL.subset_size=1000"]
    evaluated = run("evaluate", *given, *use)
    assert "pixels.ms_ssim" in json.loads((evaluated / "scores.json").read_text())


# --- bad input ---


def refusal(run, *overrides):
    with pytest.raises(InputError) as error:
        run("train", *FACES, *overrides)
    return str(error.value)


def test_a_source_that_is_not_given(run):
    assert "no weights of a generator to start from. Set TRAIN.pretrained_gen_model_path" in refusal(run)


BAD = [
    (["MODEL.gen_net.dim=6"], "MODEL.gen_net.dim=4"),
    (["MODEL.gen_net.resolution=64"], "MODEL.gen_net.resolution=32"),
    (["MODEL.gen_net.label_num=7"], "TRANSFER.class_map=[...]"),
    (["TRANSFER.class_map=[0,1,2,3,9]"], "has classes 0 to 4, not 9"),
    (["MODEL.gen_net.label_num=3", "TRANSFER.class_map=[0,1,2]"], "drawn faces train has classes up to 4"),
    (["TRANSFER.freeze_dis=9"], "TRANSFER.freeze_dis=9: the critic has 4 blocks"),
    (["TRANSFER.load=critic", "TRANSFER.freeze_gen=1"], "TRANSFER.freeze_gen=1: the generator starts from scratch"),
    (["TRAIN.batch_size=16", "DATA.num_images=10"], "TRAIN.batch_size=16 is more than the data set has, 10"),
    (["DATA.num_images=100"], "DATA.num_images=100: drawn faces train has 24 images"),
    (["DATA.classes=[0,8]"], "has no class 8"),
    (["DATA.coloured=true"], "has colours already"),
    (["TRANSFER.average=source", "TRAIN.ema.use_ema=false"], "no moving average without TRAIN.ema.use_ema=true"),
    (["TRANSFER.average=source", "TRANSFER.load=critic"], "a start from scratch has no moving average"),
    (["MODEL.gen_net.channels=1", "TRANSFER.fresh=[image]"], "has colours: set MODEL.gen_net.channels=3"),
]


@pytest.mark.parametrize(("overrides", "expected"), BAD, ids=[row[0][-1] for row in BAD])
def test_bad_input_is_named(run, source, overrides, expected):
    given = [*HAIR, f"TRAIN.pretrained_gen_model_path={source}"]
    assert expected in refusal(run, *given, *overrides)


# --- the study ---


def study(folder, *arguments):
    command = [warm.python(), str(FOLDER / "study.py"), *TINY, *FACES, f"output_dir={folder}", *arguments]
    return subprocess.run(command, capture_output=True, text=True)


def test_study_compares_and_goes_on(tmp_path, source):
    labels = [*HAIR, "TRAIN.epochs=1", "VIS.num_images=1"]
    given = [*labels, f"TRAIN.pretrained_gen_model_path={source}", "EVAL.num_images=1"]
    given += [SCORES, "STUDY.seeds=[1,2]", "STUDY.sizes=[8]", "STUDY.jobs=2"]
    first = study(tmp_path, *given, "STUDY.load=[none]")
    assert first.returncode == 0, first.stderr
    kept = {file: file.stat().st_mtime_ns for file in tmp_path.glob("runs/*/eval/scores.json")}
    assert len(kept) == 2
    # A run that was interrupted while training goes on from its checkpoint.
    broken = tmp_path / "runs" / "none_8_seed2"
    (broken / "eval" / "scores.json").unlink()
    (broken / "curves.png").unlink()
    second = study(tmp_path, *given, "STUDY.load=[none,both]")
    assert second.returncode == 0, second.stderr
    assert "Going on from" in (broken / "run.log").read_text()
    changed = [file for file, time in kept.items() if file.stat().st_mtime_ns != time]
    assert changed == [broken / "eval" / "scores.json"]
    result = json.loads((tmp_path / "study.json").read_text())
    assert [(row["load"], row["images"]) for row in result["results"]] == [("none", 8), ("both", 8)]
    for row in result["results"]:
        for seed, value in zip((1, 2), row["values"]):
            scores = json.loads(
                (tmp_path / "runs" / f"{row['load']}_8_seed{seed}" / "eval" / "scores.json").read_text()
            )
            assert scores["pixels.sliced_wasserstein"]["value"] == value
            # The run's own seed, which has chosen its images: nearest.png shows those.
            assert scores["pixels.sliced_wasserstein"]["protocol"]["latent_seed"] == seed
    tables = (tmp_path / "tables.md").read_text()
    assert "| target images | scratch | both |" in tables
    assert "±" in tables
    assert {"by_size.png", "curves.png", "study.json"} <= set(names_in(tmp_path))

    other = study(tmp_path, *given, "STUDY.load=[none]", "TRAIN.batch_size=2")
    assert other.returncode == 2
    assert "cannot be compared with these. Choose another folder" in other.stderr
    assert "Traceback" not in other.stderr


def test_study_that_is_stopped_leaves_checkpoints_and_no_process(tmp_path):
    given = ["STUDY.load=[none]", "STUDY.seeds=[1]", "STUDY.sizes=[8]", "TRAIN.epochs=10000"]
    command = [warm.python(), str(FOLDER / "study.py"), *TINY, *FACES, f"output_dir={tmp_path}", *given]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        place = tmp_path / "runs" / "none_8_seed1"
        while not (place / "checkpoints" / "latest.safetensors").is_file():
            assert process.poll() is None
            time.sleep(0.1)
        process.terminate()
        _, errors = process.communicate()
    assert process.returncode == 130, errors
    assert "Stopped after iteration" in (place / "run.log").read_text()
    assert "Interrupted." in errors


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["DATA.num_images=10"], "a study decides that itself; give STUDY.sizes=[...] instead"),
        (["mode=infer"], "a study trains and evaluates; it has no modes"),
        (
            ["EVAL.scores=[ms_ssim]"],
            "TRAIN.best_score=pixels.sliced_wasserstein is what a study compares: EVAL.scores=",
        ),
        (["STUDY.load=[all]"], "Input should be 'none', 'both', 'generator' or 'critic'"),
        (
            ["STUDY.load=[none]", "STUDY.sizes=[100]", "STUDY.seeds=[1]"],
            "a run of the study has ended with exit code 2: DATA.num_images=100: drawn faces train has 24 images",
        ),
    ],
)
def test_study_of_what_cannot_be(tmp_path, arguments, expected):
    refused = study(tmp_path / "study", *arguments)
    assert refused.returncode == 2, refused.stderr
    assert expected in refused.stderr
    assert "Traceback" not in refused.stderr


def test_tables_are_right(load_example, tmp_path):
    """Against figures worked out by hand."""
    script = load_example("transfergan", "study")
    scores = {("none", 10): np.array([4.0, 6.0]), ("both", 10): np.array([1.0, 1.0])}
    scores |= {("generator", 10): np.array([3.0, 3.5]), ("critic", 10): np.array([2.0, 2.0])}
    x = np.array([5, 10])
    curves = {key: (x, np.array([[9.0, v], [9.0, v]])) for key, (v, _) in scores.items()}
    curves["none", 10] = (x, np.array([[9.0, 4.0], [9.0, 0.5]]))
    with initialize_config_dir(str(REPOSITORY / "conf"), version_base=None):
        cfg = compose("transfergan", ["STUDY.sizes=[10]", "STUDY.seeds=[1,2]"])
    text = script.write_tables(scores, curves, cfg.STUDY, "pixels.sliced_wasserstein", tmp_path / "tables.md")
    assert "| 10 | 5 ± 1.4 | 1 ± 0 | 3.25 ± 0.35 | 2 ± 0 |" in text
    assert "| generator from scratch | 5 ± 1.4 | 2 ± 0 |\n| generator transferred | 3.25 ± 0.35 | 1 ± 0 |" in text
    assert "| 10 | 10, never | 10, never | 10, never |" in text
    assert (tmp_path / "tables.md").read_text() == text
