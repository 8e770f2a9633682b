"""What the engine is asked to do: plain records that any driver, cluster or not, can fill in.

Paths and names are text here; bytes that are not UTF-8 travel as surrogate escapes (``os.fsencode`` brings them back).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from backup_manager.contract.backups import BackupType, Check


class KeyProviderName(StrEnum):
    """What wraps a repository's key."""

    LOCAL = "local"
    PASSPHRASE = "passphrase"  # noqa: S105  # a provider's name
    AWS_KMS = "aws_kms"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class KeySpec:
    """Which key to use: *value* is a key file, a passphrase file, or the id of a KMS key; never a secret itself."""

    provider: KeyProviderName
    value: str = ""
    region: str = ""
    endpoint: str = ""


@dataclass(frozen=True, slots=True)
class RepositoryAddress:
    """Where a repository is and how to open it; *options* are those of the storage's type."""

    url: str
    key: KeySpec
    options: Mapping[str, str | bool] = field(default_factory=dict)
    compression_level: int = 3
    cache_dir: str | None = None


@dataclass(frozen=True, slots=True)
class FilesRequest:
    """Files to back up; *exclude* patterns follow gitignore."""

    name: str
    paths: tuple[str, ...]
    exclude: tuple[str, ...] = ()
    allow_empty: bool = False
    allow_unreadable: bool = False
    one_file_system: bool = False


@dataclass(frozen=True, slots=True)
class BackupRequest:
    """One run of a policy. Without *type*, the first is full and later ones are incremental.

    *scheduled_at* gives the backup its id; without it, the time of the start does.
    """

    policy: str
    sources: tuple[FilesRequest, ...]
    type: BackupType | None = None
    description: str = ""
    scheduled_at: datetime | None = None


class RestoreMode(StrEnum):
    """What may be in the destination: nothing; anything; anything, and what the backup has not is removed."""

    FAIL = "fail"
    MERGE = "merge"
    MIRROR = "mirror"


@dataclass(frozen=True, slots=True)
class RestoreTarget:
    """The content of *source* (a backed-up path or a source's name) lands in *destination*."""

    source: str
    destination: str


@dataclass(frozen=True, slots=True)
class RestoreRequest:
    """What to bring back where: exactly one of *to* and *targets*. *include* follows gitignore."""

    backup: str
    policy: str | None = None
    to: str | None = None
    targets: tuple[RestoreTarget, ...] = ()
    include: tuple[str, ...] = ()
    point_in_time: datetime | None = None
    mode: RestoreMode = RestoreMode.FAIL
    parallel: int = 4
    verify: bool = True


@dataclass(frozen=True, slots=True)
class VerifyRequest:
    """Checks over one backup. *sample_percent* below 100 reads that share of its packs.

    *destination* is a scratch folder for the restore test; it is emptied afterwards. Without one, a
    temporary folder is used. *compare_source* compares the catalogue with the live source, *compare_previous*
    its totals with the backup before it. *sources* are those of the policy as it is now, whose excludes
    explain what the backup has not; without them, files that it has not are counted and nothing more.
    """

    backup: str
    policy: str | None = None
    checks: tuple[Check, ...] = (Check.INTEGRITY, Check.COMPLETENESS)
    min_bytes: int = 0
    sample_percent: int = 100
    restore_test: bool = False
    destination: str | None = None
    compare_source: bool = False
    compare_previous: bool = False
    sources: tuple[FilesRequest, ...] = ()


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a run has come; totals are 0 while they are not known."""

    bytes: int = 0
    files: int = 0
    total_bytes: int = 0
    total_files: int = 0


@dataclass(frozen=True, slots=True)
class Hooks:
    """How a run talks to whoever started it; both are called often, from the run's own threads."""

    progress: Callable[[Progress], None] = lambda _progress: None
    cancelled: Callable[[], bool] = lambda: False
