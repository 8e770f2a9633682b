"""``python -m tests.benchmarks``: see the package."""

import argparse
import shutil
import sys
import tempfile
from pathlib import Path

from tests.benchmarks.build import programs
from tests.benchmarks.memory import measure_memory
from tests.benchmarks.peers import Ours
from tests.benchmarks.process import generate
from tests.benchmarks.remote import latent_buckets
from tests.benchmarks.report import as_json, as_table
from tests.benchmarks.rows import Results, Round

PARTS = ("large", "small", "s3", "memory")


def parse(arguments: list[str]) -> argparse.Namespace:
    """Return the options of the command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3, help="the best of so many counts")
    parser.add_argument("--only", nargs="*", choices=PARTS, default=PARTS, help="parts to run")
    parser.add_argument(
        "--peers", nargs="*", default=["restic", "kopia", "bupstash"], help="peers to build and run"
    )
    parser.add_argument(
        "--scale", type=float, default=1.0, help="share of the full data sets, for a quick look"
    )
    parser.add_argument(
        "--scratch",
        type=Path,
        default=None,
        help="a folder with some 40 GB of room: what is restored stays until the end",
    )
    parser.add_argument("-o", "--output", choices=("table", "json"), default="table")
    return parser.parse_args(arguments)


def main() -> None:
    """Run the chosen parts and print the figures."""
    options = parse(sys.argv[1:])
    results = Results(tell=lambda line: print(line, file=sys.stderr, flush=True))
    ready, results.notes = programs(options.peers)
    scratch = Path(tempfile.mkdtemp(prefix="backup-benchmark-", dir=options.scratch))
    try:
        large, small = scratch / "large", scratch / "small"
        if {"large", "s3"} & set(options.only):
            generate("large", large, int(1536 * options.scale))
        if {"small", "s3"} & set(options.only):
            generate("small", small, int(100_000 * options.scale))
        every = Round(ready, scratch / "homes", results)
        for number in range(options.rounds):
            if "large" in options.only:
                every.local("1.5 GiB in large files", large, number)
            if "small" in options.only:
                every.local("100,000 small files", small, number)
        if "s3" in options.only:
            for number in range(options.rounds):
                with latent_buckets(scratch / f"s3-{number}", milliseconds=20) as place:
                    every.remote("1.5 GiB in large files", large, place)
                    every.remote("100,000 small files", small, place)
                shutil.rmtree(scratch / f"s3-{number}", ignore_errors=True)
        if "memory" in options.only:
            measure_memory(Ours(), scratch, results, int(1_000_000 * options.scale))
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    print(as_json(results) if options.output == "json" else as_table(results))


if __name__ == "__main__":
    main()
