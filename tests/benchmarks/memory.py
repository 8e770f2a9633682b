"""Peak memory with a million files: first, again, verify, restore, prune."""

import shutil
from pathlib import Path

from tests.benchmarks.peers import Ours, fresh_home, stored_bytes
from tests.benchmarks.process import generate, run
from tests.benchmarks.rows import Results


def measure_memory(program: Ours, scratch: Path, results: Results, count: int) -> None:
    """Add a row for each verb over *count* files of 50 to 400 bytes."""
    folder = scratch / "million"
    generate("small", folder, count, 50, 400)
    home = fresh_home(scratch / "homes" / "million")
    environment = program.environment(home)
    log = home.path / "log"
    for command in program.create(home):
        run(command, environment, log)
    label = f"{count:,} files"
    for row in ("first backup", "again unchanged"):
        before = stored_bytes(home)
        measured = run(program.backup(home, folder), environment, log)
        results.add(f"{row}, {label}", program.name, measured, stored_bytes(home) - before)
    results.add(f"verify all, {label}", program.name, run(program.verify(home), environment, log))
    destination = home.path / "restored"
    command = program.restore(home, folder, destination)
    results.add(f"restore, {label}", program.name, run(command, environment, log))
    shutil.rmtree(destination)
    prune = [*command[: command.index("restore")], "prune", "--grace", "0s"]
    results.add(f"prune, {label}", program.name, run(prune, environment, log))
    shutil.rmtree(folder)
