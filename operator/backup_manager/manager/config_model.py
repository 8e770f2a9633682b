"""What a configuration file says, decoded: frozen records with every default filled in.

Values that may be secret (a connection, a web hook, the options of a plug-in) are left out of ``repr``.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from zoneinfo import ZoneInfo

from backup_manager.common.errors import NotFoundError
from backup_manager.contract.results import Check
from backup_manager.reconcile.retention import RetentionRule
from backup_manager.reconcile.schedule import CronSchedule

Option = str | bool | int


@dataclass(frozen=True, slots=True)
class LocalStore:
    """A folder of this machine; *path* is absolute."""

    path: Path


@dataclass(frozen=True, slots=True)
class S3Store:
    """A bucket, or a part of it under *prefix*; credentials come from the usual AWS chain."""

    bucket: str
    prefix: str = ""
    region: str | None = None
    endpoint: str | None = None
    force_path_style: bool | None = None
    ca_bundle: Path | None = None
    storage_class: str | None = None
    sse: str | None = None


@dataclass(frozen=True, slots=True)
class PluginStore:
    """A store of the entry-point group ``backup_manager.storage``; the options are its own."""

    type: str
    options: Mapping[str, Option] = field(repr=False)


Store = LocalStore | S3Store | PluginStore


@dataclass(frozen=True, slots=True)
class CompressionConfig:
    """How new blobs are compressed; *level* is zstd's, 1 to 22."""

    algorithm: str = "zstd"
    level: int = 3


@dataclass(frozen=True, slots=True)
class LocalKeyConfig:
    """A key file; the path is absolute, the file may not exist yet."""

    key_file: Path


@dataclass(frozen=True, slots=True)
class PassphraseConfig:
    """A file that holds a passphrase on its first line; the path is absolute."""

    passphrase_file: Path


@dataclass(frozen=True, slots=True)
class AwsKmsConfig:
    """A key of AWS KMS, by id, ARN or alias."""

    key_id: str
    region: str | None = None
    endpoint: str | None = None


@dataclass(frozen=True, slots=True)
class NoEncryptionConfig:
    """``enabled: false``, said in so many words."""


EncryptionConfig = LocalKeyConfig | PassphraseConfig | AwsKmsConfig | NoEncryptionConfig


@dataclass(frozen=True, slots=True)
class MaintenanceConfig:
    """How long what is to be deleted waits, and how much one run may rewrite."""

    grace_seconds: float = 86_400.0
    max_rewrite_bytes: int = 10 * 1024**3


@dataclass(frozen=True, slots=True)
class NotificationsConfig:
    """Who would be told; accepted and checked, sent by a later version."""

    email: tuple[str, ...] = ()
    slack_webhook: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class FilesSource:
    """Files and folders of this machine; *paths* are absolute, *exclude* follows gitignore."""

    name: str
    paths: tuple[str, ...]
    exclude: tuple[str, ...] = ()
    volume: str | None = None
    allow_empty: bool = False
    allow_unreadable: bool = False


@dataclass(frozen=True, slots=True)
class DatabaseSource:
    """A PostgreSQL database; empty *schemas* stand for the whole of it."""

    name: str
    connection: str = field(repr=False)
    schemas: tuple[str, ...] = ()


Source = FilesSource | DatabaseSource


@dataclass(frozen=True, slots=True)
class ScheduleConfig:
    """When a policy runs, in its time zone; without any schedule it runs by hand."""

    full: CronSchedule | None = None
    incremental: CronSchedule | None = None


@dataclass(frozen=True, slots=True)
class VerificationConfig:
    """How a policy's backups are verified; *sample_percent* below 100 reads a sample of the data."""

    enabled: bool = False
    schedule: CronSchedule | None = None
    checks: tuple[Check, ...] = (Check.INTEGRITY, Check.COMPLETENESS)
    min_bytes: int = 1
    restore_test: bool = False
    sample_percent: int = 100


@dataclass(frozen=True, slots=True)
class PolicyConfig:
    """What is backed up, when, how long it is kept and how it is verified, inheritance done."""

    name: str
    sources: tuple[Source, ...]
    schedule: ScheduleConfig = field(default_factory=ScheduleConfig)
    retention: RetentionRule = field(default_factory=RetentionRule)
    verification: VerificationConfig = field(default_factory=VerificationConfig)
    timezone: ZoneInfo = field(default_factory=lambda: ZoneInfo("UTC"))
    description: str = ""


@dataclass(frozen=True, slots=True)
class Configuration:
    """A whole configuration file; *base* is the folder that its paths were relative to.

    *warnings* name keys that are accepted and have no effect in this version.
    """

    storage: Store
    encryption: EncryptionConfig
    policies: tuple[PolicyConfig, ...]
    base: Path
    compression: CompressionConfig = field(default_factory=CompressionConfig)
    maintenance: MaintenanceConfig = field(default_factory=MaintenanceConfig)
    notifications: NotificationsConfig | None = None
    warnings: tuple[str, ...] = ()

    def policy(self, name: str) -> PolicyConfig:
        """Return the policy of this name.

        Raises:
            NotFoundError: there is none.
        """
        for policy in self.policies:
            if policy.name == name:
                return policy
        names = ", ".join(policy.name for policy in self.policies)
        raise NotFoundError(f"policy {name!r} is not in the configuration", solution=f"Use one of: {names}.")
