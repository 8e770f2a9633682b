"""The bytes that every program of the benchmark is given: equal for all, equal from one run to the next.

``large``: three files, together 1.5 GiB: a log (text, compresses about 4 : 1), random bytes (as media, archives and
encrypted files are), and pages as a database writes them (half-filled, with counters; about 3 : 1).
``small``: files of 0.5 to 16 KB, 200 to a folder, made of lines like those of configuration and source files: alone
such a file shrinks to about 40 %, a megabyte of them together to about 20 %.
"""

import random
import string
import struct
import sys
from pathlib import Path

MIB = 1 << 20
FOLDER_FILES = 200


def words(rng: random.Random, count: int) -> list[str]:
    """Return *count* made-up words of 2 to 12 letters."""
    return ["".join(rng.choices(string.ascii_lowercase, k=rng.randint(2, 12))) for _ in range(count)]


def lines(rng: random.Random, count: int) -> list[bytes]:
    """Return *count* lines of source-like text, 10 to 90 characters each."""
    vocabulary = words(rng, 1500)
    weights = [1 / (rank + 1) for rank in range(len(vocabulary))]
    pool = rng.choices(vocabulary, weights, k=count * 10)
    marks = [" ", " ", " ", "_", "(", ") ", ": ", " = ", ".", ", "]
    made = []
    for number in range(count):
        picked = pool[number * 10 : number * 10 + rng.randint(2, 10)]
        text = "".join(word + rng.choice(marks) for word in picked)
        number_text = str(rng.randrange(10**6)) if rng.random() < 0.3 else ""
        made.append((" " * (4 * rng.randint(0, 3)) + text + number_text + "\n").encode())
    return made


def write_large(folder: Path, total_bytes: int, seed: int = 1) -> None:
    """Write the three large files, a third of *total_bytes* each."""
    rng = random.Random(seed)
    folder.mkdir(parents=True)
    each = total_bytes // 3
    pool = lines(rng, 60_000)
    with (folder / "application.log").open("wb") as log:
        written = 0
        while written < each:
            block = b"".join(rng.choices(pool, k=20_000))
            written += log.write(block[: each - written])
    with (folder / "media.bin").open("wb") as media:
        for _ in range(each // MIB):
            media.write(rng.randbytes(MIB))
    with (folder / "table.db").open("wb") as table:
        row = struct.Struct("<QIIq40s")
        names = [word.encode() for word in words(rng, 5000)]
        number = 0
        for _ in range(each // 8192):
            rows = [
                row.pack(number + i, rng.getrandbits(20), 7, -i, names[(number + i * i) % 5000])
                for i in range(90)
            ]
            number += 90
            table.write(
                struct.pack("<QQ", number, 0)
                + b"".join(rows)
                + rng.randbytes(1200)
                + bytes(8192 - 16 - 64 * 90 - 1200)
            )


def write_small(folder: Path, count: int, smallest: int = 500, largest: int = 16_000, seed: int = 2) -> None:
    """Write *count* small files, sizes uniform between the bounds."""
    rng = random.Random(seed)
    pool = lines(rng, 12_000)
    block = b"".join(rng.choices(pool, k=400_000))
    for number in range(count):
        if number % FOLDER_FILES == 0:
            inside = folder / f"{number // (FOLDER_FILES * 50):02d}" / f"part-{number // FOLDER_FILES:05d}"
            inside.mkdir(parents=True)
            block = b"".join(rng.choices(pool, k=60_000)) if number % 2000 == 0 else block
        size = rng.randint(smallest, largest)
        start = rng.randrange(len(block) - size)
        (inside / f"item-{number:07d}.conf").write_bytes(block[start : start + size])


def change_some(folder: Path, every: int, seed: int = 3) -> None:
    """Change one file in *every*: rewrite its middle with other text of equal length."""
    rng = random.Random(seed)
    pool = lines(rng, 500)
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    for path in paths[::every]:
        content = bytearray(path.read_bytes())
        patch = b"".join(rng.choices(pool, k=5))[: max(1, len(content) // 4)]
        at = len(content) // 2
        content[at : at + len(patch)] = patch
        path.write_bytes(content)


def main() -> None:
    """``python -m tests.benchmarks.data large FOLDER MIB`` or ``small FOLDER COUNT [SMALLEST LARGEST]``.

    A process of its own, so that what it holds in memory is not counted to the programs that are measured later.
    """
    kind, folder, amount, *sizes = sys.argv[1:]
    if kind == "large":
        write_large(Path(folder), int(amount) * MIB)
    elif kind == "small":
        write_small(Path(folder), int(amount), *(int(size) for size in sizes))
    else:
        change_some(Path(folder), every=100, seed=int(amount))


if __name__ == "__main__":
    main()
