"""What a backup and a verification answer, and its JSON.

The keys and their order are a promise to scripts. Times are aware datetimes here and RFC 3339 UTC in the
documents; sizes are bytes, durations seconds.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from backup_manager.common.errors import BackupManagerError
from backup_manager.common.units import format_time

Json = str | int | float | bool | None | Sequence["Json"] | Mapping[str, "Json"]
Document = dict[str, Json]


class BackupType(StrEnum):
    """How a run reads its sources."""

    FULL = "full"
    INCREMENTAL = "incremental"


class RunStatus(StrEnum):
    """How a backup or a restore ended; ``PLANNED`` is a dry run."""

    SUCCEEDED = "Succeeded"
    FAILED = "Failed"
    PLANNED = "Planned"


class Check(StrEnum):
    """The kinds of check that a verification can run."""

    INTEGRITY = "integrity"
    COMPLETENESS = "completeness"
    SIZE = "size"
    RESTORE_TEST = "restoreTest"


class CheckOutcome(StrEnum):
    """What one check found."""

    SUCCESS = "Success"
    FAILURE = "Failure"
    INCONCLUSIVE = "Inconclusive"


class VerificationOutcome(StrEnum):
    """What a verification as a whole found."""

    PASSED = "Passed"
    FAILED = "Failed"
    INCONCLUSIVE = "Inconclusive"


@dataclass(frozen=True, slots=True)
class ErrorReport:
    """An error in its three parts, as data."""

    error: str
    cause: str
    solution: str
    reason: str
    retryable: bool
    exit_code: int

    @classmethod
    def of(cls, err: BackupManagerError) -> "ErrorReport":
        """Return the report of *err*."""
        operation, _, _ = err.lines()
        return cls(
            operation.removeprefix("Error: "),
            err.cause,
            err.solution,
            err.reason,
            err.retryable,
            err.exit_code,
        )

    def document(self) -> Document:
        """The JSON object of an error; the exit code is the process's, not a key."""
        return {
            "error": self.error,
            "cause": self.cause,
            "solution": self.solution,
            "reason": self.reason,
            "retryable": self.retryable,
        }


@dataclass(frozen=True, slots=True)
class Verified:
    """The newest verification of a backup: what it found, and when."""

    result: VerificationOutcome
    time: datetime

    def document(self) -> Document:
        """The value of a backup's ``verified``."""
        return {"result": self.result.value, "time": format_time(self.time)}


@dataclass(frozen=True, slots=True)
class BackupResult:
    """One backup, or one run that failed (``error`` is set and ``snapshot_id`` is not).

    *added_bytes* are plain bytes that were new to the repository, *stored_bytes* what was written to the
    store for them.
    """

    id: str
    policy: str
    type: BackupType
    status: RunStatus
    started_at: datetime
    completed_at: datetime | None
    duration_seconds: float
    sources: tuple[str, ...]
    files: int = 0
    directories: int = 0
    source_bytes: int = 0
    read_bytes: int = 0
    added_bytes: int = 0
    stored_bytes: int = 0
    warnings: tuple[str, ...] = ()
    verified: Verified | None = None
    snapshot_id: str | None = None
    error: ErrorReport | None = None

    def document(self) -> Document:
        """The JSON object of a backup; ``error`` is there only for one that failed."""
        document: Document = {
            "id": self.id,
            "policy": self.policy,
            "type": self.type.value,
            "status": self.status.value,
            "startedAt": format_time(self.started_at),
            "completedAt": format_time(self.completed_at) if self.completed_at else None,
            "durationSeconds": round(self.duration_seconds, 3),
            "sources": list(self.sources),
            "files": self.files,
            "directories": self.directories,
            "sourceBytes": self.source_bytes,
            "readBytes": self.read_bytes,
            "addedBytes": self.added_bytes,
            "storedBytes": self.stored_bytes,
            "warnings": list(self.warnings),
            "verified": self.verified.document() if self.verified else None,
            "snapshotId": self.snapshot_id,
        }
        if self.error is not None:
            document["error"] = self.error.document()
        return document


@dataclass(frozen=True, slots=True)
class SourceDetails:
    """What one source of a backup held."""

    name: str
    type: str
    paths: tuple[str, ...] = ()
    files: int = 0
    directories: int = 0
    bytes: int = 0
    warnings: tuple[str, ...] = ()

    def document(self) -> Document:
        """The JSON object of a source in ``info``."""
        return {
            "name": self.name,
            "type": self.type,
            "paths": list(self.paths),
            "files": self.files,
            "directories": self.directories,
            "bytes": self.bytes,
            "warnings": list(self.warnings),
        }


@dataclass(frozen=True, slots=True)
class BackupDetails:
    """One backup in full: the backup, and what only ``info`` says."""

    backup: BackupResult
    description: str
    source_details: tuple[SourceDetails, ...]
    location: str
    repository_id: str
    encrypted: bool
    root_digest: str
    software_version: str
    verifications: tuple["VerificationResult", ...] = ()

    def document(self) -> Document:
        """The keys of the backup, then those that only ``info`` has."""
        return self.backup.document() | {
            "description": self.description,
            "sourceDetails": [source.document() for source in self.source_details],
            "location": self.location,
            "repositoryId": self.repository_id,
            "encrypted": self.encrypted,
            "rootDigest": self.root_digest,
            "softwareVersion": self.software_version,
            "verifications": [verification.document() for verification in self.verifications],
        }


@dataclass(frozen=True, slots=True)
class CheckResult:
    """What one check found; *error* is set when it is not ``Success``."""

    check: Check
    result: CheckOutcome
    details: str
    error: str | None = None

    def document(self) -> Document:
        """The JSON object of a check."""
        return {
            "check": self.check.value,
            "result": self.result.value,
            "details": self.details,
            "error": self.error,
        }


@dataclass(frozen=True, slots=True)
class VerificationResult:
    """The checks that were run over one backup; *time* is when they ended."""

    backup: str
    checks: tuple[CheckResult, ...]
    time: datetime | None = None

    @property
    def result(self) -> VerificationOutcome:
        """Failed if a check failed; else Inconclusive if one was, or none ran; else Passed."""
        outcomes = {check.result for check in self.checks}
        if CheckOutcome.FAILURE in outcomes:
            return VerificationOutcome.FAILED
        if outcomes == {CheckOutcome.SUCCESS}:
            return VerificationOutcome.PASSED
        return VerificationOutcome.INCONCLUSIVE

    def document(self) -> Document:
        """The JSON object of a verification."""
        return {
            "backup": self.backup,
            "result": self.result.value,
            "checks": [check.document() for check in self.checks],
        }
