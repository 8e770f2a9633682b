"""Every error a person can see, as one tree of classes.

An error has three parts. The *operation* (``Failed to create backup``) is added where it is known, by
:func:`during`. The *cause* is the class's fixed phrase followed by the facts given at the raise. The
*solution* is something the reader can carry out. Each class also carries a CamelCase ``reason`` for
conditions and JSON, the process's ``exit_code``, and whether trying again can help.

The tree::

    BackupManagerError                  70  Defect
    ├── UsageError                       2  InvalidArgument
    │   └── ConfigurationError           2  InvalidConfiguration
    │       └── NotAvailableError        2  NotAvailable
    ├── NotFoundError                    3  NotFound
    │   ├── ObjectMissingError           3  ObjectMissing       (a name the store does not hold)
    │   ├── RepositoryMissingError       3  RepositoryMissing
    │   └── BucketMissingError           3  BucketMissing
    ├── SourceUnreadableError           10  SourceUnreadable
    │   └── SourceEmptyError            10  SourceEmpty
    ├── StorageUnreachableError         20  StorageUnreachable  (retryable)
    │   ├── AccessDeniedError           20  AccessDenied        (not retryable)
    │   └── ObjectExistsError           20  ObjectExists        (a conditional put was refused)
    ├── InsufficientStorageError        21  InsufficientStorage (retryable)
    ├── KeyUnavailableError             30  KeyUnavailable
    ├── CorruptDataError                40  CorruptedData
    │   └── ChecksumMismatchError       40  ChecksumMismatch
    ├── InconclusiveError               41  Inconclusive
    ├── TargetUnusableError             50  TargetUnusable
    │   └── ConfirmationMissingError    50  ConfirmationMissing
    └── InterruptedRunError             60  Interrupted         (retryable)
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import ClassVar


class BackupManagerError(Exception):
    """The base of all errors of this product; raised itself only for defects of ours.

    *facts* is what was observed, on which thing, in one clause without a final stop. *solution* is a
    whole sentence. Neither ever holds a key, a token, a password or a file's content.
    """

    phrase: ClassVar[str] = "Defect"
    reason: ClassVar[str] = "Defect"
    exit_code: ClassVar[int] = 70
    retryable: ClassVar[bool] = False
    default_solution: ClassVar[str] = (
        "This is a defect of Backup Manager: please report it with the output of `sirsinexus backup doctor`."
    )

    def __init__(self, facts: str, *, solution: str | None = None, operation: str | None = None) -> None:
        super().__init__(facts)
        self.facts = facts
        self.solution = solution or self.default_solution
        self.operation = operation

    @property
    def cause(self) -> str:
        """The fixed phrase of the class and the facts, as one sentence part."""
        return f"{self.phrase}: {self.facts}"

    def lines(self) -> tuple[str, str, str]:
        """The three lines that a person reads: ``Error:``, ``Cause:`` and ``Solution:``."""
        return (
            f"Error: {self.operation or 'The command could not be completed'}",
            f"Cause: {self.cause}",
            f"Solution: {self.solution}",
        )

    def document(self) -> dict[str, str | bool]:
        """The error as the JSON object of the command line and of a failed backup."""
        return {
            "error": self.operation or "The command could not be completed",
            "cause": self.cause,
            "solution": self.solution,
            "reason": self.reason,
            "retryable": self.retryable,
        }

    def __str__(self) -> str:
        return self.cause


class UsageError(BackupManagerError):
    """The command or call cannot be understood; nothing was started."""

    phrase = "Invalid argument"
    reason = "InvalidArgument"
    exit_code = 2
    default_solution = "Correct the command; --help lists what it accepts."


class ConfigurationError(UsageError):
    """A configuration is refused; the facts name the field by its path."""

    phrase = "Invalid configuration"
    reason = "InvalidConfiguration"
    default_solution = "Correct the named field and run the command again; nothing was written."


class NotAvailableError(ConfigurationError):
    """A feature that this version does not have was asked for."""

    phrase = "Not available"
    reason = "NotAvailable"
    default_solution = "Use a version that has this feature."


class NotFoundError(BackupManagerError):
    """A backup, policy, path, repository or bucket that was named does not exist."""

    phrase = "Not found"
    reason = "NotFound"
    exit_code = 3
    default_solution = "Check the name; `sirsinexus backup list` shows the backups that exist."


class ObjectMissingError(NotFoundError):
    """The store does not hold an object of this name."""

    phrase = "Object missing"
    reason = "ObjectMissing"


class RepositoryMissingError(NotFoundError):
    """The store is reachable and holds no repository at this place."""

    phrase = "Repository missing"
    reason = "RepositoryMissing"
    default_solution = "Check the location, or create the repository with `sirsinexus backup run`."


class BucketMissingError(NotFoundError):
    """The bucket, or the folder that should hold the repository, does not exist; it is never created."""

    phrase = "Bucket missing"
    reason = "BucketMissing"
    default_solution = "Create the bucket, or correct its name, region or endpoint."


class SourceUnreadableError(BackupManagerError):
    """Something that should be backed up could not be read in full; nothing was committed."""

    phrase = "Source unreadable"
    reason = "SourceUnreadable"
    exit_code = 10
    default_solution = "Give the process read access, exclude the path, or set allow_unreadable: true."


class SourceEmptyError(SourceUnreadableError):
    """A source holds nothing where that is not allowed; nothing was committed."""

    phrase = "Source empty"
    reason = "SourceEmpty"
    default_solution = (
        "Check that the source is mounted and not excluded as a whole, or set allow_empty: true."
    )


class StorageUnreachableError(BackupManagerError):
    """The store did not answer, or answered with a fault of its own."""

    phrase = "Storage unreachable"
    reason = "StorageUnreachable"
    exit_code = 20
    retryable = True
    default_solution = "Check the network and the endpoint; the next run continues from what was stored."


class AccessDeniedError(StorageUnreachableError):
    """The store refused the credentials, or what was asked with them."""

    phrase = "Access denied"
    reason = "AccessDenied"
    retryable = False
    default_solution = "Check the credentials and what they permit on the named bucket or path."


class ObjectExistsError(StorageUnreachableError):
    """A put that demanded an absent name met an object; internal to the repository's protocols."""

    phrase = "Object exists"
    reason = "ObjectExists"
    retryable = False


class InsufficientStorageError(BackupManagerError):
    """The store has no room left."""

    phrase = "Insufficient storage space"
    reason = "InsufficientStorage"
    exit_code = 21
    retryable = True
    default_solution = "Free up space or increase capacity; the next run continues from what was stored."


class KeyUnavailableError(BackupManagerError):
    """No key opens the repository, or a key slot or ``config`` is damaged."""

    phrase = "Key unavailable"
    reason = "KeyUnavailable"
    exit_code = 30
    default_solution = "Use the key that this repository was created with, or one added since."


class CorruptDataError(BackupManagerError):
    """Stored bytes are not what was written."""

    phrase = "Corrupted backup data"
    reason = "CorruptedData"
    exit_code = 40
    default_solution = (
        "Run `sirsinexus backup verify --all` to see what is affected, then take a full backup."
    )


class ChecksumMismatchError(CorruptDataError):
    """Bytes that authenticate, or that were written to a target, have another checksum than recorded."""

    phrase = "Checksum mismatch"
    reason = "ChecksumMismatch"


class InconclusiveError(BackupManagerError):
    """A verification could not be carried out far enough to say passed or failed."""

    phrase = "Verification inconclusive"
    reason = "Inconclusive"
    exit_code = 41
    default_solution = "Remove the obstacle that is named and verify again."


class TargetUnusableError(BackupManagerError):
    """The destination of a restore cannot be written, or holds something where it must be empty."""

    phrase = "Restore target unusable"
    reason = "TargetUnusable"
    exit_code = 50
    default_solution = "Choose an empty destination, or --mode merge or mirror."


class ConfirmationMissingError(TargetUnusableError):
    """A destructive act was not confirmed."""

    phrase = "Confirmation missing"
    reason = "ConfirmationMissing"
    default_solution = "Repeat the command with --yes."


class InterruptedRunError(BackupManagerError):
    """The run was cancelled, interrupted, or ran past its deadline."""

    phrase = "Interrupted"
    reason = "Interrupted"
    exit_code = 60
    retryable = True
    default_solution = "Run it again: it continues from what was stored."


@contextmanager
def during(operation: str) -> Iterator[None]:
    """Name the *operation* of every error that leaves the block and has none yet."""
    try:
        yield
    except BackupManagerError as err:
        err.operation = err.operation or operation
        raise
