"""The embedded default: a folder with a configuration, a key and a repository, and everything tried once.

What is there already is used and never written over, so a second start goes on.
"""

import json
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from backup_manager.common.errors import ConfigurationError, NotFoundError, UsageError
from backup_manager.contract.requests import Hooks, RepositoryAddress, VerifyRequest
from backup_manager.contract.results import BackupResult, BackupType, Document, VerificationResult
from backup_manager.engine.jobs.listing import list_backups
from backup_manager.engine.jobs.verify import verify_backup
from backup_manager.engine.keys.local import generate_key_file
from backup_manager.manager.access import opened
from backup_manager.manager.address import open_file
from backup_manager.manager.config_model import FilesSource, PolicyConfig
from backup_manager.manager.runner import RunListener, run_policies

CONFIGURATION_FILE = "backup.yaml"
KEY_FILE = "backup.key"
REPOSITORY = "repository"
GLOB_CHARACTERS = "\\*?[]!# "
OUR_FILES = frozenset({CONFIGURATION_FILE, KEY_FILE, REPOSITORY, f".{CONFIGURATION_FILE}.tmp"})

TEXT = """\
# Written by `sirsinexus backup quickstart`; change it as you like.
backup_manager:
  storage:    {{type: local, path: ./{repository}}}
  encryption: {{provider: local, key_file: ./{key}}}
  retention:  {{keep_daily: 7, keep_weekly: 4, keep_monthly: 12}}
policies:
  files:
    sources:
      - type: filesystem
        paths: {paths}
        exclude: {exclude}
"""


@dataclass(frozen=True, slots=True)
class QuickstartListener:
    """Who is told how far the quickstart is: lines for people, names of steps, and results as they come."""

    said: Callable[[str], None] = lambda _line: None
    started: Callable[[str], None] = lambda _step: None
    ran: Callable[[BackupResult], None] = lambda _run: None
    verified: Callable[[VerificationResult], None] = lambda _verification: None
    hooks: Hooks = field(default_factory=Hooks)


@dataclass(frozen=True, slots=True)
class QuickstartResult:
    """What the quickstart did; *next_steps* are commands with what they do."""

    directory: Path
    runs: tuple[BackupResult, ...]
    verification: VerificationResult | None
    backups: tuple[BackupResult, ...]
    next_steps: tuple[tuple[str, str], ...]

    def document(self) -> Document:
        """The JSON object of a quickstart."""
        return {
            "directory": str(self.directory),
            "configuration": str(self.directory / CONFIGURATION_FILE),
            "runs": [run.document() for run in self.runs],
            "verification": self.verification.document() if self.verification else None,
            "backups": [backup.document() for backup in self.backups],
            "next": [{"command": command, "does": does} for command, does in self.next_steps],
        }


def run_quickstart(
    paths: Sequence[str], directory: Path, listener: QuickstartListener | None = None
) -> QuickstartResult:
    """Set up *directory* for *paths*, back up twice, verify, restore-test and list.

    A run that fails ends it; the result then has the failed run and no verification.

    Raises:
        ConfigurationError: *directory* holds something else.
        NotFoundError: one of *paths* does not exist.
    """
    listener = listener or QuickstartListener()
    directory = Path(os.path.abspath(directory))
    file = _prepare(paths, directory, listener)
    place = open_file(file, os.environ)
    assert place.configuration is not None
    policies = place.configuration.policies
    if left_out := _left_out(paths, policies):
        listener.said(f"{', '.join(left_out)} is not among the paths in {_shown(file)}; change them there")
    runs: list[BackupResult] = []
    for backup_type in (None, BackupType.INCREMENTAL):
        runs.extend(_run(place.address, policies, backup_type, listener))
        if runs[-1].error is not None:
            return QuickstartResult(directory, tuple(runs), None, (), ())
    verification, backups = _verify(place.address, runs[-1].id, listener)
    return QuickstartResult(directory, tuple(runs), verification, backups, _next_steps(file, directory))


def _prepare(paths: Sequence[str], directory: Path, listener: QuickstartListener) -> Path:
    """Return the configuration file in *directory*, written if it is absent."""
    file = directory / CONFIGURATION_FILE
    if file.exists():
        listener.said(f"going on in {_shown(directory)}")
        return file
    sources = tuple(_existing(path) for path in paths or (os.getcwd(),))
    text = _configuration_text(sources, directory)
    _make_folder(directory)
    if not (directory / KEY_FILE).exists():
        generate_key_file(directory / KEY_FILE)
    written = directory / f".{CONFIGURATION_FILE}.tmp"
    written.write_text(text, encoding="utf-8")
    written.replace(file)
    listener.said(f"wrote {_shown(file)} and its key file {_shown(directory / KEY_FILE)}")
    return file


def _left_out(paths: Sequence[str], policies: Sequence[PolicyConfig]) -> list[str]:
    """Return those of *paths* that the configuration, written by an earlier start, does not back up."""
    sources = [source for policy in policies for source in policy.sources if isinstance(source, FilesSource)]
    named = {path for source in sources for path in source.paths}
    return [path for path in paths if os.path.abspath(os.path.expanduser(path)) not in named]


def _existing(path: str) -> str:
    absolute = os.path.abspath(os.path.expanduser(path))
    if not os.path.lexists(absolute):
        raise NotFoundError(
            f"{path!r} does not exist", solution="Name a file or folder that is to be backed up."
        )
    try:
        absolute.encode("utf-8")
    except UnicodeEncodeError:
        raise UsageError(
            f"{path!r} is not UTF-8 and cannot stand in a configuration file",
            solution="Name a folder above it.",
        ) from None
    return absolute


def _configuration_text(sources: Sequence[str], directory: Path) -> str:
    def listed(texts: Sequence[str]) -> str:
        return json.dumps([text.replace("${", "$${") for text in texts], ensure_ascii=False)

    return TEXT.format(
        repository=REPOSITORY,
        key=KEY_FILE,
        paths=listed(sources),
        exclude=listed(_excluded(sources, directory)),
    )


def _excluded(sources: Sequence[str], directory: Path) -> list[str]:
    """Return the patterns that keep the repository out of its own backups."""
    patterns = []
    for source in sources:
        relative = os.path.relpath(directory, source)
        if not relative.startswith("..") and relative != ".":
            escaped = "".join(f"\\{letter}" if letter in GLOB_CHARACTERS else letter for letter in relative)
            patterns.append(f"/{escaped}/")
    return list(dict.fromkeys(patterns))


def _make_folder(directory: Path) -> None:
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        strangers = sorted(set(os.listdir(directory)) - OUR_FILES)
    except OSError as err:
        raise ConfigurationError(f"cannot make the folder {directory}: {err.strerror}") from err
    if strangers:
        raise ConfigurationError(
            f"the folder {directory} holds {strangers[0]!r}, and no {CONFIGURATION_FILE}",
            solution="Choose an empty folder with --into.",
        )


def _run(
    address: RepositoryAddress,
    policies: Sequence[PolicyConfig],
    backup_type: BackupType | None,
    listener: QuickstartListener,
) -> tuple[BackupResult, ...]:
    listener.started("Backing up" if backup_type is None else "Backing up what has changed")
    return run_policies(
        address, policies, backup_type, RunListener(ended=listener.ran, hooks=listener.hooks, estimates=True)
    )


def _verify(
    address: RepositoryAddress, backup: str, listener: QuickstartListener
) -> tuple[VerificationResult, tuple[BackupResult, ...]]:
    listener.started("Verifying and restoring")
    with opened(address) as session:
        verification = verify_backup(session, VerifyRequest(backup, restore_test=True), listener.hooks)
        listener.verified(verification)
        return verification, list_backups(session)


def _next_steps(file: Path, directory: Path) -> tuple[tuple[str, str], ...]:
    command = f"sirsinexus backup -f {_shown(file)}"
    return (
        (f"{command} run", "back up again; cron can do that"),
        (f"{command} ls latest", "see what is backed up"),
        (f"{command} restore latest --to DIR", "bring it back into a folder"),
        (f"{command} prune", "apply the retention of the file"),
        (
            f"cp {_shown(directory / KEY_FILE)} …",
            "keep a copy of the key elsewhere: without it nobody can restore",
        ),
    )


def _shown(path: Path) -> str:
    relative = os.path.relpath(path)
    shown = relative if len(relative) < len(str(path)) else str(path)
    return f"'{shown}'" if " " in shown else shown
