"""Imports run one way between the rooms of ppsci_gan and its modules, and few know the configuration."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "CONTRIBUTING.md"
TOOLS = {"errors", "files", "installation", "logs", "pickles", "plots"}  # that any room may use
ENTRANCES = {"__init__", "__main__", "usage"}  # which choose what to import
# The command line, and what ppsci builds from a configuration.
READERS = {
    "cli",
    "runs",
    "sweeps",
    "usage",
    "config.checking",
    "config.needs",
    "training.solver",
    "evaluation.generator",
    "evaluation.points",
    "export.inference",
}


def find_modules(package: Path) -> dict[str, ast.Module]:
    """The parsed modules of a package by dotted name, such as ``data.images``; a folder's own has the folder's name."""
    names = {file: ".".join(file.relative_to(package).with_suffix("").parts) for file in package.rglob("*.py")}
    return {name.removesuffix(".__init__"): ast.parse(file.read_text()) for file, name in names.items()}


def find_imports(package: str, modules: dict[str, ast.Module]) -> list[tuple[str, str]]:
    """Pairs of a module and one of the package's that it imports, anywhere in its code."""
    pairs = []
    for name, tree in modules.items():
        for node in ast.walk(tree):
            assert not getattr(node, "level", 0), f"{name}: a relative import"
            if isinstance(node, ast.Import):
                targets = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                targets = [f"{node.module}.{alias.name}" for alias in node.names]
            else:
                continue
            inside = [target.removeprefix(f"{package}.") for target in targets if target.startswith(f"{package}.")]
            # What is imported may be a module or a name in one.
            pairs += [(name, target if target in modules else target.rpartition(".")[0]) for target in inside]
    return pairs


def join_rooms(imports: list[tuple[str, str]]) -> dict[str, set[str]]:
    """The rooms that each room imports: folders, and modules outside of any folder."""
    rooms: dict[str, set[str]] = {}
    for pair in imports:
        source, target = (name.split(".")[0] for name in pair)
        rooms.setdefault(source, set())
        if source != target:
            rooms[source].add(target)
    return rooms


def join_modules(imports: list[tuple[str, str]]) -> dict[str, set[str]]:
    """The modules that each module imports."""
    return {source: {target for other, target in imports if other == source} for source, _ in imports}


def find_circle(rooms: dict[str, set[str]]) -> list[str]:
    """A way along the imports, of rooms or of modules, that ends where it began; empty if there is none."""
    done: set[str] = set()

    def search(way: list[str]) -> list[str]:
        for target in sorted(rooms.get(way[-1], ())):
            if target in way:
                return [*way[way.index(target) :], target]
            found = [] if target in done else search([*way, target])
            if found:
                return found
        done.add(way[-1])
        return []

    return next((found for room in sorted(rooms) if (found := search([room]))), [])


def describe(circle: list[str], imports: list[tuple[str, str]]) -> str:
    """The circle, and which modules make each of its steps."""
    lines = [" -> ".join(circle)]
    for step in zip(circle, circle[1:]):
        found = sorted({pair for pair in imports if tuple(name.split(".")[0] for name in pair) == step})
        lines += [f"  {source} imports {target}" for source, target in found]
    return "\n".join(lines)


@pytest.fixture(scope="module")
def modules():
    return find_modules(ROOT / "ppsci_gan")


@pytest.fixture(scope="module")
def imports(modules):
    return [pair for pair in find_imports("ppsci_gan", modules) if pair[1]]


def test_imports_between_rooms_make_no_circle(imports):
    circle = find_circle(join_rooms(imports))
    assert not circle, f"rooms import each other:\n{describe(circle, imports)}"


def test_imports_between_modules_make_no_circle(imports):
    """Nor within a room. A package's own module, ``__init__``, counts as one that nothing in the package imports."""
    circle = find_circle(join_modules(imports))
    assert not circle, " -> ".join(circle)


def test_nobody_imports_commands(imports):
    assert not [pair for pair in imports if pair[1].startswith("commands") and not pair[0].startswith("commands")]


def test_nothing_imports_the_examples(modules):
    scripts = {file.stem for file in (ROOT / "examples").glob("*/*.py")}
    for name, tree in modules.items():
        nodes = [node for node in ast.walk(tree) if isinstance(node, (ast.Import, ast.ImportFrom))]
        sources = {alias.name for node in nodes for alias in node.names if isinstance(node, ast.Import)}
        sources |= {node.module for node in nodes if isinstance(node, ast.ImportFrom)}
        assert not {source.split(".")[0] for source in sources} & scripts, name


def test_the_page_says_which_room_imports_which(imports):
    """The table of CONTRIBUTING.md: a room, what lives there, and the rooms that it imports."""
    rooms = join_rooms(imports)
    rows = re.findall(r"^\| `(\w+)/?` \|.*\| ([^|]*) \|$", PAGE.read_text(), flags=re.MULTILINE)
    told = {room: set(re.findall(r"`(\w+)`", imported)) for room, imported in rows}
    assert {room: rooms[room] - TOOLS for room in told} == told
    assert set(rooms) - set(told) <= TOOLS | ENTRANCES
    for tool in TOOLS:
        assert rooms.get(tool, set()) <= TOOLS


def knows_configuration(tree: ast.Module) -> bool:
    """Whether a module imports what configurations are made of, or has a ``cfg``."""
    for node in ast.walk(tree):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        names += [node.module] if isinstance(node, ast.ImportFrom) else []
        if {name.split(".")[0] for name in names} & {"hydra", "omegaconf"}:
            return True
        if "cfg" in (getattr(node, "arg", None), getattr(node, "id", None), getattr(node, "attr", None)):
            return True
    return False


def test_few_modules_know_the_configuration(modules):
    assert {name for name, tree in modules.items() if knows_configuration(tree)} == READERS


# --- that the test would notice ---


def package(tmp_path, **files):
    for name, code in files.items():
        file = tmp_path / "house" / f"{name.replace('__', '/')}.py"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(code)
    return find_imports("house", find_modules(tmp_path / "house"))


def test_a_circle_is_found_and_told(tmp_path):
    imports = package(
        tmp_path,
        kitchen__stove="from house.hall.door import key\nfrom house.kitchen import sink",
        kitchen__sink="",
        hall__door="import numpy\n\ndef key():\n    from house import cellar",
        cellar="import house.kitchen.stove",
        attic="from house.kitchen import sink",
    )
    circle = find_circle(join_rooms(imports))
    assert circle == ["kitchen", "hall", "cellar", "kitchen"]
    assert describe(circle, imports) == (
        "kitchen -> hall -> cellar -> kitchen\n"
        "  kitchen.stove imports hall.door\n"
        "  hall.door imports cellar\n"
        "  cellar imports kitchen.stove"
    )


def test_one_way_is_no_circle(tmp_path):
    imports = package(tmp_path, a__x="from house.a import y", a__y="from house.a import x\nfrom house import b", b="")
    assert join_rooms(imports) == {"a": {"b"}}
    assert find_circle(join_rooms(imports)) == []
    assert find_circle(join_modules(imports)) == ["a.x", "a.y", "a.x"]


def test_a_module_that_imports_from_its_own_package_makes_a_circle(tmp_path):
    imports = package(tmp_path, a="from house.a.x import f", a__x="from house.a import f")
    assert find_circle(join_modules(imports)) == ["a", "a.x", "a"]


@pytest.mark.parametrize(
    ("code", "knows"),
    [
        ("def f(cfg):\n    return cfg.seed", True),
        ("from omegaconf import OmegaConf", True),
        ("def f():\n    import hydra", True),
        ("self.cfg = 1", True),
        ("def f(seed):\n    'cfg'", False),
    ],
)
def test_who_knows_the_configuration(code, knows):
    assert knows_configuration(ast.parse(code)) == knows
