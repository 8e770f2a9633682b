"""What a program says to the Python API: frozen records, whose ``with_…`` calls return changed copies."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from enum import StrEnum
from os import PathLike, fsdecode
from os.path import abspath
from typing import ClassVar, TypeVar

from backup_manager.common.errors import NotAvailableError, UsageError
from backup_manager.common.units import parse_time
from backup_manager.contract.requests import (
    BackupRequest,
    FilesRequest,
    RestoreMode,
    RestoreRequest,
    RestoreTarget,
    VerifyRequest,
)
from backup_manager.contract.results import BackupType
from backup_manager.contract.results import Check as CheckKind
from backup_manager.manager.config_policies import NAME_ACCEPTED, is_policy_name
from backup_manager.reconcile.retention import RetentionRule

PathText = str | PathLike[str]
Kind = TypeVar("Kind", bound=StrEnum)


@dataclass(frozen=True, slots=True)
class Files:
    """Files and folders as a source, or one of them; *exclude* follows gitignore.

    The name defaults to the backup's.
    """

    paths: Sequence[PathText] | PathText
    exclude: Sequence[str] = ()
    name: str | None = None
    allow_empty: bool = False
    allow_unreadable: bool = False


@dataclass(frozen=True, slots=True)
class Database:
    """A PostgreSQL database as a source; executing a backup of one is not available in this version."""

    connection: str = field(repr=False)
    schemas: Sequence[str] = ()
    name: str | None = None


@dataclass(frozen=True, slots=True)
class RetentionPolicy:
    """How many backups are kept; all zero keeps everything. Applied by ``Backups.prune``."""

    keep_last: int = 0
    keep_hourly: int = 0
    keep_daily: int = 0
    keep_weekly: int = 0
    keep_monthly: int = 0
    keep_yearly: int = 0

    def rule(self) -> RetentionRule:
        """Return the rule that decides."""
        return RetentionRule(
            self.keep_last,
            self.keep_hourly,
            self.keep_daily,
            self.keep_weekly,
            self.keep_monthly,
            self.keep_yearly,
        )


@dataclass(frozen=True, slots=True)
class Backup:
    """What is to be backed up, under the name of a policy.

    >>> Backup("documents").with_type("full").with_sources(Files(["/data"])).type
    <BackupType.FULL: 'full'>
    """

    name: str
    description: str = ""
    type: BackupType | None = None
    sources: tuple[Files | Database, ...] = ()
    retention: RetentionPolicy | None = None

    def with_description(self, description: str) -> "Backup":
        """Return a copy that is described so."""
        return replace(self, description=description)

    def with_type(self, backup_type: str) -> "Backup":
        """Return a copy that is ``full`` or ``incremental``; otherwise the first is full, later ones are not."""
        return replace(self, type=_member(BackupType, backup_type))

    def with_sources(self, *sources: Files | Database) -> "Backup":
        """Return a copy with these sources."""
        return replace(self, sources=sources)

    def with_retention(self, retention: RetentionPolicy) -> "Backup":
        """Return a copy that is kept so."""
        return replace(self, retention=retention)

    def request(self) -> BackupRequest:
        """Return what the engine is asked to do.

        Raises:
            NotAvailableError: one of the sources is a database.
            UsageError: there is no source, or the name cannot begin the ids of backups.
        """
        if not is_policy_name(self.name):
            raise UsageError(
                f"{self.name[:80]!r} cannot be the name of a backup's policy; accepted: {NAME_ACCEPTED}",
                solution="Give the backup another name.",
            )
        if not self.sources:
            raise UsageError(f"backup {self.name!r} has no sources", solution="Name some by with_sources.")
        requests = tuple(self._files(number, source) for number, source in enumerate(self.sources, start=1))
        return BackupRequest(self.name, requests, self.type, self.description)

    def _files(self, number: int, source: Files | Database) -> FilesRequest:
        if isinstance(source, Database):
            raise NotAvailableError(
                f"backup {self.name!r} has a database among its sources, which this version does not back up",
                solution="Back up files only, or use a version that has this feature.",
                operation="Failed to create backup",
            )
        return FilesRequest(
            name=source.name or (self.name if number == 1 else f"{self.name}-{number}"),
            paths=_absolute(source.paths),
            exclude=tuple(source.exclude),
            allow_empty=source.allow_empty,
            allow_unreadable=source.allow_unreadable,
        )


def _absolute(paths: Sequence[PathText] | PathText) -> tuple[str, ...]:
    """Return the paths as the configuration file gives them; a text is one path, not its letters."""
    several = (paths,) if isinstance(paths, str | bytes | PathLike) else paths
    return tuple(abspath(fsdecode(path)) for path in several)


def _member(kind: type[Kind], text: str) -> Kind:
    try:
        return kind(text)
    except ValueError:
        accepted = ", ".join(member.value for member in kind)
        raise UsageError(f"{text!r} is none of {accepted}", solution="Use one of these words.") from None


@dataclass(frozen=True, slots=True)
class Restore:
    """What is to be brought back where; exactly one of a folder and targets is needed.

    >>> Restore("latest").with_destination("/restored").with_options(dry_run=True).dry_run
    True
    """

    backup_id: str = "latest"
    policy: str | None = None
    point_in_time: datetime | None = None
    to: str | None = None
    targets: tuple[RestoreTarget, ...] = ()
    include: tuple[str, ...] = ()
    mode: RestoreMode = RestoreMode.FAIL
    verify: bool = True
    parallel: int = 4
    dry_run: bool = False

    def with_policy(self, policy: str) -> "Restore":
        """Return a copy that means backups of this policy."""
        return replace(self, policy=policy)

    def with_point_in_time(self, moment: datetime | str) -> "Restore":
        """Return a copy as of *moment*: a time with an offset, or text such as ``12h ago``."""
        time = parse_time(moment, datetime.now(UTC)) if isinstance(moment, str) else moment
        return replace(self, point_in_time=time)

    def with_destination(self, folder: PathText) -> "Restore":
        """Return a copy that puts every path P at ``folder/P``."""
        return replace(self, to=fsdecode(folder), targets=())

    def with_targets(self, targets: Mapping[str, PathText]) -> "Restore":
        """Return a copy that lands each source, a path or a source's name, in a destination."""
        pairs = tuple(RestoreTarget(source, fsdecode(target)) for source, target in targets.items())
        return replace(self, targets=pairs, to=None)

    def with_include(self, *globs: str) -> "Restore":
        """Return a copy that brings back only what these match."""
        return replace(self, include=globs)

    def with_mode(self, mode: str) -> "Restore":
        """Return a copy for a destination that holds something: ``fail``, ``merge`` or ``mirror``."""
        return replace(self, mode=_member(RestoreMode, mode))

    def with_options(self, *, verify: bool = True, parallel: int = 4, dry_run: bool = False) -> "Restore":
        """Return a copy that is compared once more at its end, restores so many files at once, or only plans."""
        return replace(self, verify=verify, parallel=parallel, dry_run=dry_run)

    def request(self) -> RestoreRequest:
        """Return what the engine is asked to do."""
        return RestoreRequest(
            backup=self.backup_id,
            policy=self.policy,
            to=self.to,
            targets=self.targets,
            include=self.include,
            point_in_time=self.point_in_time,
            mode=self.mode,
            parallel=self.parallel,
            verify=self.verify,
        )


@dataclass(frozen=True, slots=True)
class Check:
    """One check of a verification: ``Check.INTEGRITY``, ``Check.COMPLETENESS``, or ``Check.size(…)``."""

    kind: CheckKind
    min_bytes: int = 1

    INTEGRITY: ClassVar["Check"]
    COMPLETENESS: ClassVar["Check"]

    @staticmethod
    def size(min_bytes: int) -> "Check":
        """Return the check that a backup holds at least so many bytes."""
        return Check(CheckKind.SIZE, min_bytes)


Check.INTEGRITY = Check(CheckKind.INTEGRITY)
Check.COMPLETENESS = Check(CheckKind.COMPLETENESS)


@dataclass(frozen=True, slots=True)
class Verification:
    """Which checks are run over which backup; integrity and completeness unless others are named."""

    backup_id: str = "latest"
    policy: str | None = None
    checks: tuple[Check, ...] = (Check.INTEGRITY, Check.COMPLETENESS)
    restore_test: bool = False
    destination: str | None = None

    def with_checks(self, *checks: Check) -> "Verification":
        """Return a copy with these checks."""
        return replace(self, checks=checks)

    def with_restore_test(self, destination: PathText | None = None) -> "Verification":
        """Return a copy that also restores into a scratch folder and compares entry by entry."""
        folder = None if destination is None else fsdecode(destination)
        return replace(self, restore_test=True, destination=folder)

    def request(self) -> VerifyRequest:
        """Return what the engine is asked to do."""
        return VerifyRequest(
            backup=self.backup_id,
            policy=self.policy,
            checks=tuple(check.kind for check in self.checks),
            min_bytes=max(
                (check.min_bytes for check in self.checks if check.kind is CheckKind.SIZE), default=0
            ),
            restore_test=self.restore_test,
            destination=self.destination,
        )
