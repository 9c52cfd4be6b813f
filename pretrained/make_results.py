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

FOLDER = Path(__file__).parent
REPOSITORY = FOLDER.parent
SCORES = FOLDER / "scores"
PAGES = {"en": REPOSITORY / "docs" / "results.md", "zh": REPOSITORY / "docs" / "results.zh.md"}
INCEPTION_COLUMNS = ("inception.score", "inception.frechet_distance", "paddle_inception.score")
CIFAR10_COLUMNS = ("classifier.score", "classifier.frechet_distance", "classifier.recall", "classifier.accuracy")
PERCENT = ("accuracy", "high_quality")

TEXT = {
    "title": {"en": "# Results", "zh": "# 结果"},
    "made": {
        "en": "This page is made by `python pretrained/make_results.py` of the weights' cards (`pretrained/cards.yaml`) and of what "
        "`mode=eval` wrote of them (`pretrained/scores/`). In brackets: what real data that were not trained on score, with the same "
        "protocol. [Scores](scores.md) explains them.",
        "zh": "本页由 `python pretrained/make_results.py` 根据权重卡片（`pretrained/cards.yaml`）和 `mode=eval` 的输出（`pretrained/scores/`）"
        "生成。括号内是未参与训练的真实数据按同一评测协议得到的分数。各分数的含义见[评分](scores.md)。",
    },
    "cifar10": {"en": "## CIFAR-10 beside the literature", "zh": "## CIFAR-10：与文献比较"},
    "head": {
        "en": ["Model", "Labels", "Inception Score", "FID", "Inception Score by PaddleScience's protocol",
               "Classifier score", "Fréchet distance (classifier)", "Recall", "As asked for", "Iterations", "Hardware"],
        "zh": ["模型", "标签", "Inception Score", "FID", "PaddleScience 协议的 Inception Score",
               "分类器分数", "Fréchet 距离（分类器）", "召回率", "符合所给类别", "迭代次数", "硬件"],
    },
    "none": {
        "en": "The columns of Inception are empty (–) in our rows, because its weights were not at hand here. Who has them, fills the "
        "columns by one command, with 50,000 images as in papers:",
        "zh": "我们各行中 Inception 的列为空（–），因为生成本页时没有它的权重。有权重的人用一条命令即可填入，与论文一样取 50,000 幅图像：",
    },
    "features": {
        "en": "The classifier's columns are of this suite's own network, whose test accuracy is {accuracy:.1%}: they compare the rows "
        "of this page with each other and with the real images, not with papers.",
        "zh": "分类器各列使用本套件自己的网络（测试准确率 {accuracy:.1%}）：可在本页各行之间以及与真实图像比较，不能与论文比较。",
    },
    "weights": {"en": "## All weights", "zh": "## 全部权重"},
    "facts": {
        "en": "{data}. {iterations:,} iterations in {hours:g} hours on {hardware}; seed {seed}; code of commit `{commit}`; {kind} weights, "
        "{size:.1f} MB, Apache-2.0.",
        "zh": "{data}。{hardware}，{hours:g} 小时内迭代 {iterations:,} 次；种子 {seed}；代码提交 `{commit}`；{kind}权重，{size:.1f} MB，Apache-2.0。",
    },
    "kind": {"en": {True: "averaged", False: "raw"}, "zh": {True: "滑动平均", False: "原始"}},
    "faults": {"en": "**Known faults.** ", "zh": "**已知缺点。**"},
    "score": {"en": ["Score", "Generated", "Real", "Protocol"], "zh": ["分数", "生成", "真实", "评测协议"]},
    "evaluate": {"en": "Trained, then evaluated by", "zh": "训练与评估命令"},
    "yes": {"en": {True: "yes", False: "no"}, "zh": {True: "有", False: "无"}},
}  # fmt: skip


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers()
    score = commands.add_parser("score", help="evaluate the weights first")
    score.add_argument("names", nargs="*", metavar="NAME", help="by default all that the given data allow")
    score.add_argument("--mnist", metavar="PATH")
    score.add_argument("--cifar10", metavar="PATH")
    score.add_argument("--inception", metavar="FILE", help="Inception's weights: file or URL")
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
    inception: str | None,
    protocol: str,
    num_samples: int | None,
) -> None:
    """Evaluate weights by their examples, and keep the scores.

    Args:
        cards: By name.
        names: Of the weights; all whose data are given, if there is none.
        mnist: As ``DATA.data_path``.
        cifar10: As ``DATA.data_path``.
        inception: Weights of Inception, for the images of CIFAR-10; None leaves out its scores.
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
            if inception and "{cifar10}" in card["evaluate"]:
                options += [f"EVAL.inception.weights={inception}", f"EVAL.inception.protocol={protocol}"]
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
    text = {key: value[language] for key, value in TEXT.items()}
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
            kind=text["kind"][averaged],
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
        return [f"### {self.name}", "", f"{self['title']}. {facts}" if self.language == "en" else f"{self['title']}。{facts}",
                "", *_table(text["score"], rows), "", text["faults"] + self["faults"], "", text["evaluate"], "",
                "```sh", *commands, "```"]  # fmt: skip


def _compare(cards: dict[str, Card], literature: list[dict[str, Any]], text: dict[str, Any]) -> list[str]:
    rows = []
    ours = [card for card in cards.values() if "{cifar10}" in card.card["evaluate"]]
    for card in ours:
        labels = card.state["networks"]["generator"]["settings"]["use_label"]
        shown = [card.show(key) for key in (*INCEPTION_COLUMNS, *CIFAR10_COLUMNS)]
        rows.append([f"**{card['title']}**", text["yes"][labels], *shown, f"{card.iterations:,}", card.hardware])
    for entry in literature:
        own = entry["protocol"] == "paddlescience"
        rows.append([
            f"[{entry['model']}]({entry['source']})", text["yes"][entry["labels"]], "" if own else entry["score"], "",
            entry["score"] if own else "", "", "", "", "",
            f"{entry['iterations']:,}" if entry["iterations"] else "", entry["hardware"] or "",
        ])  # fmt: skip
    lines = _table(text["head"], rows)
    if not all(key in card.scores for key in INCEPTION_COLUMNS for card in ours):
        lines += ["", text["none"], "", "```sh",
                  "python pretrained/make_results.py score --cifar10 cifar-10-python.tar.gz --num-samples 50000 \\",
                  "    --inception https://github.com/toshas/torch-fidelity/releases/download/v0.2.0/weights-inception-2015-12-05-6726825d.pth",
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
