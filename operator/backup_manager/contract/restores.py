"""What a restore, the plan of one, a prune and a verification of everything answer, and their JSON."""

from dataclasses import dataclass
from datetime import datetime

from backup_manager.common.units import format_time
from backup_manager.contract.backups import (
    Document,
    ErrorReport,
    RunStatus,
    VerificationOutcome,
    VerificationResult,
)


@dataclass(frozen=True, slots=True)
class RestoreResult:
    """One restore; *bytes* is what was written, *verified* says whether it was compared."""

    backup: str
    status: RunStatus
    files: int
    bytes: int
    duration_seconds: float
    verified: bool
    warnings: tuple[str, ...] = ()
    error: ErrorReport | None = None

    def document(self) -> Document:
        """The JSON object of a restore; ``error`` is there only for one that failed."""
        document: Document = {
            "backup": self.backup,
            "status": self.status.value,
            "files": self.files,
            "bytes": self.bytes,
            "durationSeconds": round(self.duration_seconds, 3),
            "verified": self.verified,
            "warnings": list(self.warnings),
        }
        if self.error is not None:
            document["error"] = self.error.document()
        return document


@dataclass(frozen=True, slots=True)
class RestoreRecord:
    """A restore that was done earlier, as ``restores`` lists it."""

    restore: RestoreResult
    started_at: datetime
    destinations: tuple[str, ...]

    def document(self) -> Document:
        """The keys of the restore, then when and where."""
        return self.restore.document() | {
            "startedAt": format_time(self.started_at),
            "destinations": list(self.destinations),
        }


@dataclass(frozen=True, slots=True)
class PathSample:
    """How many paths, and the first of them in order; *paths* may be shorter than *count*."""

    count: int
    paths: tuple[str, ...] = ()

    def document(self) -> Document:
        """The JSON object of a list that may be cut."""
        return {"count": self.count, "paths": list(self.paths)}


@dataclass(frozen=True, slots=True)
class RestorePlanResult:
    """What a restore would do; nothing was changed.

    *fetch_bytes* are bytes to be read from the store, *bytes* those to be written.
    """

    backup: str
    files: int
    bytes: int
    fetch_bytes: int
    written: PathSample
    replaced: PathSample
    removed: PathSample
    warnings: tuple[str, ...] = ()

    def document(self) -> Document:
        """The JSON object of ``restore --dry-run``."""
        return {
            "backup": self.backup,
            "status": RunStatus.PLANNED.value,
            "files": self.files,
            "bytes": self.bytes,
            "fetchBytes": self.fetch_bytes,
            "written": self.written.document(),
            "replaced": self.replaced.document(),
            "removed": self.removed.document(),
            "warnings": list(self.warnings),
        }


@dataclass(frozen=True, slots=True)
class RetentionVerdict:
    """A backup and why it is kept or removed."""

    id: str
    reasons: tuple[str, ...]

    def document(self) -> Document:
        """An element of ``kept`` or ``removed``."""
        return {"id": self.id, "reasons": list(self.reasons)}


@dataclass(frozen=True, slots=True)
class PruneResult:
    """What retention and maintenance did; *pending_bytes* are freed once the grace period has passed."""

    kept: tuple[RetentionVerdict, ...]
    removed: tuple[RetentionVerdict, ...]
    freed_bytes: int = 0
    pending_bytes: int = 0

    def document(self) -> Document:
        """The JSON object of ``prune``."""
        return {
            "kept": [verdict.document() for verdict in self.kept],
            "removed": [verdict.document() for verdict in self.removed],
            "freedBytes": self.freed_bytes,
            "pendingBytes": self.pending_bytes,
        }


@dataclass(frozen=True, slots=True)
class VerifyAllResult:
    """Every backup, and the objects that no backup needs.

    *damaged* names every object that cannot be trusted, needed or not, *problems* say why; *unneeded* are
    those that nothing refers to, with *unneeded_bytes* in packs.
    """

    verifications: tuple[VerificationResult, ...]
    damaged: tuple[str, ...] = ()
    unneeded: tuple[str, ...] = ()
    inconclusive: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()
    unneeded_bytes: int = 0

    @property
    def result(self) -> VerificationOutcome:
        """The worst of all verifications; Failed as soon as any object is damaged."""
        results = {verification.result for verification in self.verifications}
        if self.damaged or VerificationOutcome.FAILED in results:
            return VerificationOutcome.FAILED
        if self.inconclusive or VerificationOutcome.INCONCLUSIVE in results:
            return VerificationOutcome.INCONCLUSIVE
        return VerificationOutcome.PASSED

    def document(self) -> Document:
        """The JSON object of ``verify --all``."""
        return {
            "result": self.result.value,
            "verifications": [verification.document() for verification in self.verifications],
            "damaged": list(self.damaged),
            "unneeded": list(self.unneeded),
            "inconclusive": list(self.inconclusive),
            "problems": list(self.problems),
            "unneededBytes": self.unneeded_bytes,
        }
