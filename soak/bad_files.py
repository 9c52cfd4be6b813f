"""Give every reader bad files, and every numeric key of every configuration extreme values; count what comes of it.

A file is good, then damaged at random or by design, then read in a process of its own, which is watched. Whatever is
read must be what the good file holds, or be refused with one message: nothing is executed, takes over 10 seconds or
over 1 GB more than the good file does, ends in a traceback, or is taken although it says something else. In formats
without a checksum a changed number cannot be seen; such files are counted apart, as ``unseen``.
"""

from __future__ import annotations

import argparse
import contextlib
import copy
import gzip
import hashlib
import io
import json
import math
import os
import pickle
import random
import resource
import signal
import struct
import sys
import tarfile
import tempfile
import time
import traceback
import zipfile
from collections import Counter
from collections.abc import Callable
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from typing import NamedTuple

import numpy as np
from hydra import compose
from hydra import initialize_config_dir
from omegaconf import OmegaConf
from PIL import Image

from ppsci_gan import cli
from ppsci_gan import config
from ppsci_gan import weights
from ppsci_gan.data import cifar10
from ppsci_gan.data import images
from ppsci_gan.data import mnist
from ppsci_gan.data import prepare
from ppsci_gan.data import pyramid
from ppsci_gan.errors import InputError
from ppsci_gan.files import REPOSITORY
from ppsci_gan.files import is_sealed
from ppsci_gan.files import seal

SECONDS, MEGABYTES = 10, 1024
EXTREME = (-1, 0, 10**9, None, "abc", math.nan, math.inf)
EXPERIMENTS = ("wgangp_toy", "wgangp_mnist", "wgangp_cifar10", "dcgan", "pgan", "transfergan")


class Reader(NamedTuple):
    """A reader and a good file for it.

    Attributes:
        name: Of the reader.
        write: Writes the good file, or folder of files, and returns the file to damage.
        read: Returns arrays.
        has_checksum: Whether the format shows a changed number.
        bombs: Contents that unpack to gigabytes or go on for ever.
    """

    name: str
    write: Callable[[Path], Path]
    read: Callable[[Path], Any]
    has_checksum: bool
    bombs: Callable[[], list[bytes]] = list


# --- good files ---


def random_bytes(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, shape, np.uint8)


def write_mnist(folder: Path) -> Path:
    pair = (random_bytes(20, 784).astype(np.float32) / 255, np.arange(20) % 10)
    (folder / "mnist.pkl.gz").write_bytes(gzip.compress(pickle.dumps((pair, pair, pair), 2), mtime=0))
    return folder / "mnist.pkl.gz"


def write_idx(folder: Path) -> Path:
    for name, array in zip(mnist.IDX_FILES["train"], (random_bytes(20, 28, 28), np.arange(20, dtype=np.uint8) % 10)):
        head = bytes([0, 0, 8, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape)
        (folder / f"{name}.gz").write_bytes(gzip.compress(head + array.tobytes(), mtime=0))
    return folder / f"{next(iter(mnist.IDX_FILES['train']))}.gz"


def batch() -> bytes:
    return pickle.dumps({b"data": random_bytes(4, 3072), b"labels": [1, 2, 3, 4]}, 2)


def write_tar(folder: Path) -> Path:
    with gzip.GzipFile(folder / "c.tar.gz", "wb", mtime=0) as packed, tarfile.open(fileobj=packed, mode="w") as archive:
        for name in (name for names in cifar10.BATCHES.values() for name in names):
            info = tarfile.TarInfo(f"{cifar10.FOLDER}/{name}")
            info.size = len(batch())
            archive.addfile(info, io.BytesIO(batch()))
    return folder / "c.tar.gz"


def write_batches(folder: Path) -> Path:
    for name in cifar10.BATCHES["train"]:
        (folder / name).write_bytes(batch())
    return folder / "data_batch_3"


def write_npz(folder: Path) -> Path:
    np.savez_compressed(folder / "a.npz", images=random_bytes(10, 8, 8, 3))
    return folder / "a.npz"


def write_pictures(folder: Path) -> Path:
    for number, pixels in enumerate(random_bytes(6, 16, 16, 3)):
        below = folder / "ab"[number % 2]
        below.mkdir(exist_ok=True)
        Image.fromarray(pixels).save(below / f"{number}.png")
    return folder / "a" / "2.png"


def write_prepared(file: str) -> Callable[[Path], Path]:
    def write(folder: Path) -> Path:
        (folder / "pictures").mkdir()
        write_pictures(folder / "pictures")
        prepare.prepare(str(folder / "pictures"), str(folder / "prepared"), size="16")
        return folder / "prepared" / file

    return write


def write_zip(folder: Path) -> Path:
    (folder / "pictures").mkdir()
    write_pictures(folder / "pictures")
    with zipfile.ZipFile(folder / "a.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted((folder / "pictures").rglob("*.png")):
            archive.write(path, path.name)
    return folder / "a.zip"


def write_pdparams(folder: Path) -> Path:
    arrays = {"weight": np.ones([20, 30], np.float32), "bias": np.zeros(30, np.float32)}
    (folder / "w.pdparams").write_bytes(pickle.dumps(arrays, 4))
    return folder / "w.pdparams"


def write_pth(name: str) -> Callable[[Path], Path]:
    def write(folder: Path) -> Path:
        (folder / "w.pth").write_bytes((REPOSITORY / "tests/fixtures/scores" / name).read_bytes())
        return folder / "w.pth"

    return write


def write_checkpoint(folder: Path) -> Path:
    arrays = {"generator/w": np.ones([20, 30], np.float32)}
    weights.save_checkpoint(folder / "latest.safetensors", arrays, {"iteration": 1, "seed": 2})
    return folder / "latest.safetensors"


def write_features(folder: Path) -> Path:
    np.save(folder / "f.npy", np.ones([20, 30], np.float32))
    seal(folder / "f.npy")
    return folder / "f.npy"


def write_yaml(folder: Path) -> Path:
    (folder / "a.yaml").write_text("TRAIN: {epochs: 3, ema: &a {decay: 0.5}}\nMODEL: {dims: [1, 2, 3], again: *a}\n")
    return folder / "a.yaml"


# --- reading them ---


def read_features(path: Path) -> np.ndarray:
    if not is_sealed(path):
        raise InputError(f"{path}: damaged. It is computed again.")
    return np.load(path, mmap_mode="r", allow_pickle=False)


def read_prepared(path: Path) -> list:
    levels, labels = pyramid.read(path.parent, "train")
    return [*(level[:] for level in levels.values()), labels]


def read_zip(path: Path) -> list:
    with tempfile.TemporaryDirectory() as out:
        folder = prepare.prepare(str(path), f"{out}/prepared", size="16")
        return [level[:] for level in pyramid.read(folder, "train")[0].values()]


def read_yaml(path: Path) -> Any:
    if not path.is_file():  # as Hydra does
        raise InputError(f"{path}: no such file.")
    said = io.StringIO()
    try:
        with contextlib.redirect_stderr(said):
            return OmegaConf.to_container(cli.explain_errors(OmegaConf.load)(path))
    except SystemExit:
        raise InputError(said.getvalue()) from None


def doubled(before: bytes, after: bytes) -> bytes:
    return b"\x80\x04)q\x00" + b"0h\x00h\x00\x86q\x00" * 60 + before + b"h\x00" + after


def pickle_bombs() -> list[bytes]:
    """Programs that hash for ever, fill the memory, or run something."""
    command = f"open({str(MARKER)!r}, 'w')"
    calls = [b"cbuiltins\neval\n", b"cos\nsystem\n", b"cposix\nsystem\n", b"csubprocess\ncheck_output\n"]
    text = b"X" + struct.pack("<I", len(command)) + command.encode()
    run = [b"\x80\x02" + call + text + b"\x85R." for call in calls]
    endless = [doubled(b"}", b"K\x01s."), doubled(b"(", b"\x91."), doubled(b"cbuiltins\nset\n(", b"l\x85R.")]
    large = b"X" + struct.pack("<I", 10**6) + b"a" * 10**6 + b"q\x000]"
    copies = large + b"c_codecs\nencode\nh\x00X\x06\x00\x00\x00latin1\x86Ra" * 5000 + b"."
    return [*run, *endless, copies, b"\x8f" * 10**7 + b".", b"(" * 10**7, b"\x8e" + b"\xff" * 7 + b"\x00"]


def packed_bombs() -> list[bytes]:
    zeros = gzip.compress(bytes(10**9), 1)
    return [zeros, *(gzip.compress(bomb, 1) for bomb in pickle_bombs())]


def tar_bombs() -> list[bytes]:
    found = []
    for kind in (tarfile.XHDTYPE, tarfile.GNUTYPE_LONGNAME, tarfile.REGTYPE):
        info = tarfile.TarInfo("data_batch_1")
        info.type, info.size = kind, 10**9
        found.append(gzip.compress(info.tobuf(tarfile.GNU_FORMAT) + b"1" * 10**9, 1))
    return found


def zip_bombs() -> list[bytes]:
    found = []
    for name in ("images.npy", "a/data.pkl", "a.png"):
        content = io.BytesIO()
        with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive, archive.open(name, "w") as member:
            for _ in range(1000):
                member.write(bytes(10**6))
        found.append(content.getvalue())
    return found


def picture_bombs() -> list[bytes]:
    content = io.BytesIO()
    Image.new("1", (12_000, 12_000)).save(content, "PNG")
    postscript = (
        b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 8 8\n%%EndComments\n(" + str(MARKER).encode() + b") (w) file\n"
    )
    return [content.getvalue(), postscript]


def yaml_bombs() -> list[bytes]:
    aliases = "a0: &a0 1\n" + "".join(f"a{i + 1}: &a{i + 1} [*a{i}, *a{i}]\n" for i in range(60))
    call = f"a: !!python/object/apply:os.system ['touch {MARKER}']"
    return [aliases.encode(), call.encode(), b"a: &a [*a]", b"a: " + b"[" * 10**5, b"a: " + b"x" * 10**8]


def json_bombs() -> list[bytes]:
    return [b"[" * 10**6, b'{"images": ' + b"9" * 10**6 + b"}", b"{" + b'"a":1,' * 10**6 + b'"b":1}']


MARKER = Path(tempfile.gettempdir(), f"executed_{os.getpid()}")
READERS = [
    Reader("mnist.pkl.gz", write_mnist, lambda path: mnist.read(path), True, packed_bombs),
    Reader("IDX files", write_idx, lambda path: mnist.read(path.parent), True, packed_bombs),
    Reader("cifar-10 archive", write_tar, lambda path: cifar10.read(path), True, tar_bombs),
    Reader("cifar-10 folder", write_batches, lambda path: cifar10.read(path.parent), False, pickle_bombs),
    Reader("npz", write_npz, lambda path: images.read_npz(path), True, zip_bombs),
    Reader("pictures", write_pictures, lambda path: images.read_folder(path.parent.parent), False, picture_bombs),
    Reader("zip of pictures", write_zip, read_zip, False, zip_bombs),
    Reader("pyramid.json", write_prepared("pyramid.json"), read_prepared, False, json_bombs),
    Reader("prepared level", write_prepared("8x8.npy"), read_prepared, True),
    Reader("prepared labels", write_prepared("labels.npy"), read_prepared, True),
    Reader("pdparams", write_pdparams, lambda path: weights.read(str(path)), False, pickle_bombs),
    Reader("pth", write_pth("named_zip.pth"), lambda path: weights.read(str(path)), True, zip_bombs),
    Reader("pth, legacy", write_pth("named_legacy.pth"), lambda path: weights.read(str(path)), False, pickle_bombs),
    Reader("checkpoint", write_checkpoint, lambda path: weights.read_checkpoint(path), True, json_bombs),
    Reader("cached features", write_features, read_features, True),
    Reader("YAML", write_yaml, read_yaml, False, yaml_bombs),
]


# --- bad ones ---


def damage(content: bytes, rng: random.Random) -> bytes:
    """Return the content with one random change of those that disks, networks and people make."""
    at, length = rng.randrange(len(content)), rng.choice((1, 4, 100))
    kind = rng.randrange(6)
    if kind == 0:
        return content[:at]
    if kind == 1:
        return content[:at] + bytes([content[at] ^ 1 << rng.randrange(8)]) + content[at + 1 :]
    if kind == 2:
        return content[:at] + bytes(min(length, len(content) - at)) + content[at + length :]
    if kind == 3:
        return content[:at] + rng.randbytes(length) + content[at:]
    if kind == 4:
        return content[:at] + content[at + length :]
    return content[:at] + rng.choice((b"\xff\xff\xff\x7f", b"\xff" * 8, b"999999999999")) + content[at + 4 :]


def fingerprint(value: Any) -> str:
    total = hashlib.sha256()

    def add(part: Any) -> None:
        if isinstance(part, dict):
            for key in sorted(part, key=str):
                total.update(str(key).encode())
                add(part[key])
        elif isinstance(part, (list, tuple)):
            for one in part:
                add(one)
        elif isinstance(part, np.ndarray):
            total.update(f"{part.dtype}{part.shape}".encode() + np.ascontiguousarray(part).tobytes())
        else:
            total.update(repr(part).encode())

    add(value)
    return total.hexdigest()


def watch(read: Callable[[Path], Any], path: Path) -> tuple[str, str, float]:
    """Read in a process of its own; returns what came of it, with a message or fingerprint, and the peak in MB."""
    before, answer = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(before)
        sys.stderr = sys.stdout = io.StringIO()
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.alarm(SECONDS)
        try:
            found = ("read", fingerprint(read(path)))
        except InputError as error:
            found = ("refused", str(error))
        except BaseException:
            found = ("traceback", traceback.format_exc()[-2000:])
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        with os.fdopen(answer, "w") as stream:
            json.dump([*found, peak], stream)
        os._exit(0)
    os.close(answer)
    with os.fdopen(before) as stream:
        said = stream.read()
    _, status, usage = os.wait4(child, 0)
    if not said:
        kind = "slow" if os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGALRM else "killed"
        return kind, f"status {status}", usage.ru_maxrss / 1024
    return tuple(json.loads(said))


def try_reader(reader: Reader, number: int, rng: random.Random) -> Iterator[tuple[str, str]]:
    """Yield what came of each bad file, and why where it should not have."""
    with tempfile.TemporaryDirectory() as place:
        path = reader.write(Path(place))
        good = path.read_bytes()
        kind, expected, base = watch(reader.read, path)
        assert kind == "read", f"{reader.name}: the good file is not read: {expected}"
        contents = [*reader.bombs(), b"", b"<html>Not found</html>", bytes(1000), None]
        contents += [damage(good, rng) for _ in range(number - len(contents))]
        for content in contents:
            path.unlink()
            if content is None:
                os.mkfifo(path)
            else:
                path.write_bytes(content)
            kind, said, peak = watch(reader.read, path)
            if MARKER.exists():
                kind = "executed"
                MARKER.unlink()
            elif peak - base > MEGABYTES:
                kind, said = "memory", f"{peak - base:.0f} MB more"
            elif kind == "read":
                kind = "same" if said == expected else "other" if reader.has_checksum else "unseen"
            elif kind == "refused" and (len(said.splitlines()) > 12 or not said.strip()):
                kind = "long"
            yield kind, "" if kind in ("refused", "same", "unseen") else f"{reader.name}: {kind}: {said}"


def try_numbers() -> Iterator[tuple[str, str]]:
    """Yield what each extreme value of each numeric key of each configuration gives."""
    sys.path[:0] = [str(folder) for folder in (REPOSITORY / "examples").iterdir()]
    with tempfile.TemporaryDirectory() as out, initialize_config_dir(str(REPOSITORY / "conf"), version_base=None):
        for name in EXPERIMENTS:
            values = OmegaConf.to_container(compose(name, [f"output_dir={out}"]), resolve=True)
            for path in numeric(values):
                for extreme in EXTREME:
                    changed = copy.deepcopy(values)
                    place = changed
                    for step in path[:-1]:
                        place = place[step]
                    place[path[-1]] = extreme
                    start = time.perf_counter()
                    try:
                        config.check(changed)
                        config.check_needs(changed)
                        kind = "taken"
                    except InputError:
                        kind = "refused"
                    except Exception:
                        kind = "traceback"
                    if time.perf_counter() - start > SECONDS:
                        kind = "slow"
                    where = f"{name}: {'.'.join(map(str, path))}={extreme}"
                    yield kind, "" if kind in ("refused", "taken") else f"{where}: {kind}"


def numeric(values: Any, path: tuple = ()) -> Iterator[tuple]:
    for key, value in values.items() if isinstance(values, dict) else enumerate(values):
        if isinstance(value, (dict, list)):
            yield from numeric(value, (*path, key))
        elif isinstance(value, (int, float)) and not isinstance(value, bool):
            yield (*path, key)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--files", type=int, default=2000, help="bad files, over all readers")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    start, wrong = time.perf_counter(), []
    total: Counter[str] = Counter()
    for reader in READERS:
        found = list(try_reader(reader, -(-arguments.files // len(READERS)), random.Random(arguments.seed)))
        counts = Counter(kind for kind, _ in found)
        total += counts
        wrong += [said for _, said in found if said]
        print(f"{reader.name:18}{len(found):5}  {dict(counts)}", flush=True)
    numbers = list(try_numbers())
    wrong += [said for _, said in numbers if said]
    print(f"bad files         {sum(total.values()):5}  {dict(total)}")
    print(f"extreme numbers   {len(numbers):5}  {dict(Counter(kind for kind, _ in numbers))}")
    print(f"{time.perf_counter() - start:.0f} s; {len(wrong)} that should not be", *wrong[:20], sep="\n")
    sys.exit(bool(wrong))


if __name__ == "__main__":
    main()
