"""Building the peers from their registries, once, into the cache."""

import os
import shutil
import subprocess
from pathlib import Path

from tests.benchmarks.peers import BUPSTASH, CACHE, KOPIA, RESTIC, Bupstash, Kopia, Ours, Program, Restic

GO_PROGRAMS = {
    "restic": ("github.com/restic/restic", RESTIC, "cmd/restic"),
    "kopia": ("github.com/kopia/kopia", KOPIA, ""),
}


class CannotBuildError(Exception):
    """A peer cannot be built here; the message says why."""


def programs(wanted: list[str]) -> tuple[list[Program], list[str]]:
    """Return ours and the peers that can be had, and a line for each that cannot."""
    ready: list[Program] = [Ours()]
    notes = []
    for name, builder in {"restic": _go, "kopia": _go, "bupstash": _bupstash}.items():
        if wanted and name not in wanted:
            continue
        try:
            builder(name)
            ready.append({"restic": Restic, "kopia": Kopia, "bupstash": Bupstash}[name]())
        except (CannotBuildError, subprocess.CalledProcessError, OSError) as err:
            notes.append(f"{name} is left out: {err}")
    return ready, notes


def _go(name: str) -> None:
    module, version, package = GO_PROGRAMS[name]
    program = CACHE / "bin" / f"{name}-{version}"
    if program.exists():
        return
    if not shutil.which("go"):
        raise CannotBuildError("there is no go toolchain")
    folder = CACHE / "build" / name
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "go.mod").write_text(f"module peer\n\ngo 1.24\n\nrequire {module} v{version}\n")
    (folder / "go.sum").unlink(missing_ok=True)
    target = "/".join(filter(None, (module, package)))
    _run(["go", "build", "-mod=mod", "-o", str(program), target], folder)


def _bupstash(_name: str) -> None:
    if (CACHE / "bin" / "bupstash").exists():
        return
    if not shutil.which("cargo"):
        raise CannotBuildError("there is no cargo")
    _run(["cargo", "install", "--quiet", "--locked", "--root", str(CACHE), f"bupstash@{BUPSTASH}"], CACHE)


def _run(command: list[str], folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    done = subprocess.run(command, cwd=folder, env=os.environ, capture_output=True, text=True, check=False)
    if done.returncode:
        last = (done.stderr.strip() or "no message").splitlines()[-1]
        raise CannotBuildError(f"{' '.join(command[:2])} failed: {last}")
