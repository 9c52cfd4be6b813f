"""Make docs/results.md and docs/results.zh.md of the cards and scores of the weights in this folder.

    python pretrained/make_results.py
    python pretrained/make_results.py score --mnist mnist.pkl.gz --cifar10 cifar-10-python.tar.gz [NAME ...]

The second form evaluates the weights first, and keeps their scores in scores/<name>.json. With --inception FILE_OR_URL
(and --protocol paddlescience for PaddleScience's) it adds the scores of Inception.
"""

from __future__ import annotations

import argparse
import json
import shlex
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import yaml

from ppsci_gan import weights
from ppsci_gan.features import inception

FOLDER = Path(__file__).parent
REPOSITORY = FOLDER.parent
SCORES = FOLDER / "scores"
PAGES = {"en": REPOSITORY / "docs" / "results.md", "zh": REPOSITORY / "docs" / "results.zh.md"}
INCEPTION_COLUMNS = ("inception.score", "inception.frechet_distance", "paddle_inception.score")
CIFAR10_COLUMNS = ("classifier.score", "classifier.frechet_distance", "classifier.recall", "classifier.accuracy")
PERCENT = ("accuracy", "high_quality")


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers()
    score = commands.add_parser("score", help="evaluate the weights first")
    score.add_argument("names", nargs="*", metavar="NAME", help="by default all that the given data allow")
    score.add_argument("--mnist", metavar="PATH")
    score.add_argument("--cifar10", metavar="PATH")
    score.add_argument("--inception", dest="inception_weights", metavar="FILE", help="Inception's weights: file or URL")
    score.add_argument("--protocol", default="2015-12-05")
    score.add_argument("--num-samples", type=int)
    score.set_defaults(command=score_all)
    given = vars(parser.parse_args())
    cards = yaml.safe_load((FOLDER / "cards.yaml").read_text(encoding="utf-8"))
    if "command" in given:
        given.pop("command")(cards["cards"], **given)
    for language, page in PAGES.items():
        page.write_text(make_page(cards, language), encoding="utf-8")
        print(f"Wrote {page.relative_to(REPOSITORY)}")


def score_all(
    cards: dict[str, Any],
    names: list[str],
    mnist: str | None,
    cifar10: str | None,
    inception_weights: str | None,
    protocol: str,
    num_samples: int | None,
) -> None:
    """Evaluate weights by their examples, and keep the scores.

    Args:
        cards: By name.
        names: Of the weights; all whose data are given, if there is none.
        mnist: As ``DATA.data_path``.
        cifar10: As ``DATA.data_path``.
        inception_weights: Of Inception, for the images of CIFAR-10; None leaves out its scores.
        protocol: As ``EVAL.inception.protocol``.
        num_samples: Images to score, the example's default if None.
    """
    paths = {name: Path(path).resolve() for name, path in (("mnist", mnist), ("cifar10", cifar10)) if path}
    possible = [name for name, card in cards.items() if all(f"{{{data}}}" not in card["evaluate"] or data in paths
                                                            for data in ("mnist", "cifar10"))]  # fmt: skip
    SCORES.mkdir(exist_ok=True)
    for name in names or possible:
        card = cards[name]
        with tempfile.TemporaryDirectory() as folder:
            options = shlex.split(card["evaluate"].format(**paths))
            if inception_weights and "{cifar10}" in card["evaluate"]:
                options += [f"EVAL.inception.weights={inception_weights}", f"EVAL.inception.protocol={protocol}"]
            if num_samples:
                options.append(f"EVAL.num_samples={num_samples}")
            script = next(REPOSITORY.glob(f"examples/*/{card['experiment']}.py"))
            own = [f"EVAL.pretrained_gen_model_path=pretrained:{name}", f"output_dir={folder}", "mode=eval"]
            subprocess.run([sys.executable, str(script), *options, *own], check=True)
            shutil.copy(Path(folder, "scores.json"), SCORES / f"{name}.json")


def make_page(cards: dict[str, Any], language: str) -> str:
    """Return the page in a language.

    Args:
        cards: Content of cards.yaml.
        language: ``en`` or ``zh``.
    """
    text = {key: value[language] for key, value in cards["text"].items()}
    known = {name: Card(name, card, cards["hardware"], language) for name, card in cards["cards"].items()}
    lines = [text["title"], "", text["made"], "", text["cifar10"], "", *_compare(known, cards["literature"], text), ""]
    lines += [text["weights"], ""]
    for card in known.values():
        lines += [*card.describe(text), ""]
    return "\n".join(lines).rstrip() + "\n"


class Card:
    """What is known of a file of weights.

    Args:
        name: Of the file.
        card: Its entry in cards.yaml.
        hardware: Descriptions by short name and language.
        language: ``en`` or ``zh``.
    """

    def __init__(self, name: str, card: dict[str, Any], hardware: dict[str, dict[str, str]], language: str):
        self.name, self.card, self.language = name, card, language
        self.hardware = hardware[card["hardware"]][language]
        self.file = FOLDER / f"{name}.safetensors"
        self.state = weights.read_checkpoint(self.file)[1]
        self.iterations = card.get("iterations", self.state["iteration"])
        self.scores = json.loads((SCORES / f"{name}.json").read_text(encoding="utf-8"))

    def __getitem__(self, key: str) -> str:
        return self.card[key][self.language]

    def show(self, key: str, with_real: bool = True) -> str:
        """Return a score, in brackets that of real data."""
        if key not in self.scores:
            return "–"
        record = self.scores[key]
        spread = f" ± {_number(key, record['std'])}" if "std" in record else ""
        real = f" ({_number(key, record['real'])})" if with_real and "real" in record else ""
        return _number(key, record["value"]) + spread + real

    def describe(self, text: dict[str, Any]) -> list[str]:
        """Return its section of the page."""
        averaged = self.state["published"]["generator"] == "averaged"
        facts = text["facts"].format(
            data=self["data"][0].upper() + self["data"][1:],
            iterations=self.iterations,
            hours=self.card["hours"],
            hardware=self.hardware,
            seed=self.state["seed"],
            commit=self.card["commit"],
            kind=text["kind"]["yes" if averaged else "no"],
            size=self.file.stat().st_size / 1e6,
        )
        evaluate = self.card["evaluate"].format(mnist="mnist.pkl.gz", cifar10="cifar-10-python.tar.gz")
        script = next(REPOSITORY.glob(f"examples/*/{self.card['experiment']}.py")).relative_to(REPOSITORY)
        own = f"EVAL.pretrained_gen_model_path=pretrained:{self.name}"
        rows = [
            [
                f"`{key}`",
                self.show(key, with_real=False),
                _number(key, record["real"]) if "real" in record else "",
                _protocol(record),
            ]
            for key, record in self.scores.items()
        ]
        commands = [*self.card["command"].rstrip().splitlines(), f"python {script} mode=eval {evaluate} {own}"]
        stop = ". " if self.language == "en" else "。"
        return [f"### {self.name}", "", self["title"] + stop + facts,
                "", *_table(text["score"], rows), "", text["faults"] + self["faults"], "", text["evaluate"], "",
                "```sh", *commands, "```"]  # fmt: skip


def _compare(cards: dict[str, Card], literature: list[dict[str, Any]], text: dict[str, Any]) -> list[str]:
    rows = []
    ours = [card for card in cards.values() if "{cifar10}" in card.card["evaluate"]]
    for card in ours:
        labels = card.state["networks"]["generator"]["settings"]["use_label"]
        shown = [card.show(key) for key in (*INCEPTION_COLUMNS, *CIFAR10_COLUMNS)]
        rows.append(
            [
                f"**{card['title']}**",
                text["yes"]["yes" if labels else "no"],
                *shown,
                f"{card.iterations:,}",
                card.hardware,
            ]
        )
    for entry in literature:
        own, labels = entry["protocol"] == "paddlescience", "yes" if entry["labels"] else "no"
        rows.append([
            f"[{entry['model']}]({entry['source']})", text["yes"][labels], "" if own else entry["score"], "",
            entry["score"] if own else "", "", "", "", "",
            f"{entry['iterations']:,}" if entry["iterations"] else "", entry["hardware"] or "",
        ])  # fmt: skip
    lines = _table(text["head"], rows)
    if not all(key in card.scores for key in INCEPTION_COLUMNS for card in ours):
        lines += ["", text["none"], "", "```sh",
                  "python pretrained/make_results.py score --cifar10 cifar-10-python.tar.gz --num-samples 50000 \\",
                  f"    --inception {inception.PUBLISHED[1]}",
                  "```"]  # fmt: skip
    accuracy = ours[0].scores["classifier.score"]["protocol"]["test_accuracy"]
    return [*lines, "", text["features"].format(accuracy=accuracy)]


def _table(head: list[str], rows: list[list[str]]) -> list[str]:
    return ["| " + " | ".join(row) + " |" for row in (head, ["---"] * len(head), *rows)]


def _number(key: str, value: float) -> str:
    if key.rpartition(".")[2] in PERCENT:
        return f"{value:.1%}".replace("%", " %")
    return f"{value:.4g}" if abs(value) >= 1e-4 or value == 0 else f"{value:.1e}"


def _protocol(record: dict[str, Any]) -> str:
    left_out = ("title", "better", "generator", "weights_sha256", "held_out", "per_mode")
    shown = {key: value for key, value in record["protocol"].items() if key not in left_out}
    return ", ".join(f"{key} {value[:8] if key.endswith('sha256') else value}" for key, value in shown.items())


if __name__ == "__main__":
    main()
